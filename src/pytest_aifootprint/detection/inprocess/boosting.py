"""What xgboost and lightgbm have in common: a ``Booster`` that predicts, is updated round by round, and is loaded."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from weakref import WeakKeyDictionary

from pytest_aifootprint.detection.inprocess.identity import Facts, Identity, Subject, Subjects, class_name
from pytest_aifootprint.detection.inprocess.onnxruntime import model_name
from pytest_aifootprint.detection.inprocess.rows import Rows, Span, batch
from pytest_aifootprint.detection.inprocess.watching import Done, loading, outermost
from pytest_aifootprint.detection.patching import Arming


class _Seen(threading.local):
    """The boosters that were updated in this thread's cross-validation, by id. ``__init__`` runs once in each."""

    def __init__(self) -> None:
        self.updated: set[int] | None = None


class Boosters:
    """Watches the boosters of one library.

    Args:
        arming: what is nested in what. client: the library. describe: reads a booster that is ready.
    """

    def __init__(self, arming: Arming, client: str, kind: type, describe: Callable[[Any, Facts], Identity]) -> None:
        self._arming = arming
        self._client = client
        self._kind = kind
        self._rows = Rows(arming.recorder, client)
        # Size and device of a booster in training change, or cannot be asked for yet.
        self._growing = Subjects(lambda booster, _: Identity(class_name(type(booster))))
        self._ready = Subjects(self._describe)
        self._read_again: WeakKeyDictionary[Any, bool] = WeakKeyDictionary()
        self._files: WeakKeyDictionary[Any, str] = WeakKeyDictionary()
        self._library_describe = describe
        self._seen = _Seen()

    def _describe(self, booster: Any, facts: Facts) -> Identity:
        identity = self._library_describe(booster, facts)
        file = self._files.get(booster)
        return replace(identity, name=model_name(file), file=file) if file else identity

    def _subject(self, booster: Any) -> Subject:
        if self._read_again and self._read_again.pop(booster, False):
            self._ready.forget(booster)
        return self._ready.of(booster)

    def _changed(self, booster: Any) -> None:
        """Its weights are no file's any more, and its size is another."""
        self._read_again[booster] = True
        self._files.pop(booster, None)

    def predict(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """A method that predicts."""

        def count(booster: Any, done: Done, /) -> None:
            samples = size(done.argument(0, "data"))
            self._rows.add("inference", self._subject(booster), done.span, samples=samples, failed=done.failed)

        return outermost(self._arming, self._client, original, count)

    def update(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """A method that adds one round. Several of one booster are one training."""
        nesting, seen = self._arming.nesting, self._seen

        def step(booster: Any, /, *args: Any, **kwargs: Any) -> Any:
            __tracebackhide__ = True
            before = nesting.steps
            try:
                return original(booster, *args, **kwargs)
            finally:
                nesting.steps = before + 1  # also where one such method calls another
                if seen.updated is not None:
                    seen.updated.add(id(booster))

        def count(booster: Any, done: Done, /) -> None:
            self._changed(booster)
            data = done.argument(0, "dtrain")
            samples = size(getattr(booster, "train_set", None) if data is None else data)
            self._rows.add(
                "training",
                self._growing.of(booster),
                done.span,
                samples=samples,
                steps=1,
                failed=done.failed,
                count=0,
            )

        return outermost(self._arming, self._client, step, count, heavy=True)

    def refit(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """A method that gives back a booster with the same trees and new leaves."""

        def count(booster: Any, done: Done, /) -> None:
            made = booster if done.failed else done.result
            samples = size(done.argument(0, "data"))
            self._rows.add("training", self._subject(made), done.span, samples=samples, failed=done.failed)

        return outermost(self._arming, self._client, original, count, heavy=True)

    def train(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """The function that trains one booster."""

        def count(_: Any, done: Done, /) -> None:
            booster = done.result
            if isinstance(booster, self._kind):
                self._changed(booster)
                subject = self._subject(booster)
            else:
                subject = self._nobody()
            self._trained(subject, done, "dtrain", 1)

        return self._function(original, count)

    def cross_validate(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """The function that trains one booster a fold."""
        seen = self._seen

        def folds(*args: Any, **kwargs: Any) -> Any:
            __tracebackhide__ = True
            seen.updated = set()
            return original(*args, **kwargs)

        def count(_: Any, done: Done, /) -> None:
            updated, seen.updated = seen.updated, None
            self._trained(self._nobody(), done, "dtrain", max(len(updated or ()), 1))

        return self._function(folds, count)

    def load(self, original: Callable[..., Any], argument: str, position: int = 0) -> Callable[..., Any]:
        """A method that reads a model from a file, or from memory.

        Args:
            original: the method.
            argument: that names the file.
            position: of it, behind ``self``.
        """

        def loaded(booster: Any, done: Done, /) -> None:
            self._loaded(booster, done.span, path(done.argument(position, argument)), failed=done.failed)

        watched = loading(self._arming, self._client, original, loaded)
        nesting = self._arming.nesting

        def load(booster: Any, /, *args: Any, **kwargs: Any) -> Any:
            __tracebackhide__ = True
            # Inside a training the library reads back what it has just trained.
            return (original if nesting.depth else watched)(booster, *args, **kwargs)

        return load

    def loaded(self, booster: Any, span: Span, file: str | None) -> bool:
        """Something was read from a file by somebody else. Returns False if it is no booster of this library."""
        if not isinstance(booster, self._kind):
            return False
        self._loaded(booster, span, file, failed=False)
        return True

    def _loaded(self, booster: Any, span: Span, file: str | None, *, failed: bool) -> None:
        name = model_name(file) if file else class_name(type(booster))
        # Its size is not asked for yet: that would configure it, and warn of what the user may still set right.
        subject = self._ready.tell(booster, Identity(name, file=file))
        self._rows.load(subject, span, failed=failed)
        self._changed(booster)
        if file:
            self._files[booster] = file

    def _trained(self, subject: Subject, done: Done, data: str, count: int) -> None:
        found = done.argument(1, data)
        samples = size(done.kwargs.get("train_set") if found is None else found)
        steps = self._arming.nesting.steps or None
        rows = self._rows
        rows.add("training", subject, done.span, samples=samples, steps=steps, failed=done.failed, count=count)

    def _nobody(self) -> Subject:
        """For trainings without an object at hand."""
        return self._growing.of(self._kind)

    def _function(self, original: Callable[..., Any], count: Callable[[Any, Done], None]) -> Callable[..., Any]:
        def without_self(_: None, /, *args: Any, **kwargs: Any) -> Any:
            __tracebackhide__ = True
            return original(*args, **kwargs)

        watched = outermost(self._arming, self._client, without_self, count, heavy=True)

        def function(*args: Any, **kwargs: Any) -> Any:
            __tracebackhide__ = True
            return watched(None, *args, **kwargs)

        return function


def size(data: Any) -> int | None:
    """Rows of a batch, of a ``DMatrix`` or of a ``Dataset``, where they are known. Never raises."""
    try:
        for name in ("num_row", "num_data"):
            if callable(ask := getattr(type(data), name, None)):
                return int(ask(data))
    except Exception:  # noqa: BLE001 - a data set that is not made yet raises
        return None
    return batch(data)


def path(source: Any) -> str | None:
    """The file that a model is read from; None if it is in memory."""
    if not isinstance(source, (str, os.PathLike)):
        return None
    return os.path.abspath(os.fsdecode(source))  # noqa: PTH100 - links stay, as the user declared the file
