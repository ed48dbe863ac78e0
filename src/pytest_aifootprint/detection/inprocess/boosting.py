"""What xgboost and lightgbm have in common: a ``Booster`` that predicts, is updated round by round, and is loaded."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any
from weakref import WeakValueDictionary

from pytest_aifootprint.detection.inprocess.identity import Facts, Identity, Subject, Subjects, class_name
from pytest_aifootprint.detection.inprocess.names import model_name
from pytest_aifootprint.detection.inprocess.rows import Rows, Span, batch
from pytest_aifootprint.detection.inprocess.watching import Done, loading, outermost
from pytest_aifootprint.detection.patching import Arming
from pytest_aifootprint.quantities.changed import replace


class _Seen(threading.local):
    """Rows that each booster of this thread's cross-validation was trained on, by id; ``last``: when it is over."""

    def __init__(self) -> None:
        self.rows: dict[int, int | None] | None = None
        self.last: dict[int, int | None] = {}


class _Known:
    """What is known of boosters, some of which cannot be asked for their size yet."""

    def __init__(self, describe: Callable[[Any, Facts], Identity]) -> None:
        self._subjects = Subjects(describe)
        # Those to be read again at their next prediction, by id.
        self._stale: WeakValueDictionary[int, Any] = WeakValueDictionary()

    def subject(self, booster: Any) -> Subject:
        """One that has just been used."""
        subject = self._subjects.of(booster)
        if not self._stale or self._stale.pop(id(booster), None) is not booster:
            return subject
        name, file = subject.identity.name, subject.identity.file
        self._subjects.forget(booster)
        subject = self._subjects.of(booster)
        return self._subjects.tell(booster, replace(subject.identity, name=name, file=file)) if file else subject

    def is_(self, booster: Any, identity: Identity) -> Subject:
        """Known so far; the rest is read when it has been used."""
        subject = self._subjects.tell(booster, identity)
        self._stale[id(booster)] = booster
        return subject

    def trained(self, booster: Any) -> None:
        """It has another size now, and is no file's any more."""
        if self._stale.get(id(booster)) is not booster or self._subjects.of(booster).identity.file is not None:
            self.is_(booster, Identity(class_name(type(booster))))


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
        self._known = _Known(describe)
        # Size and device of a booster in training change, or cannot be asked for yet.
        self._growing = Subjects(lambda booster, _: Identity(class_name(_kind(booster))))
        self._seen = _Seen()

    def predict(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """A method that predicts."""

        def count(booster: Any, done: Done, /) -> None:
            samples = size(done.argument(0, "data"))
            self._rows.add("inference", self._known.subject(booster), done.span, samples=samples, failed=done.failed)

        return outermost(self._arming, self._client, original, count)

    def update(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """A method that adds one round. Several of one booster are one training."""
        nesting, seen = self._arming.nesting, self._seen

        def step(booster: Any, /, *args: Any, **kwargs: Any) -> Any:
            __tracebackhide__ = True
            before = nesting.steps
            result = original(booster, *args, **kwargs)
            nesting.steps = before + 1  # also where one such method calls another
            if seen.rows is not None and id(booster) not in seen.rows:
                seen.rows[id(booster)] = _trained_on(booster, args[0] if args else kwargs.get("dtrain"))
            return result

        def count(booster: Any, done: Done, /) -> None:
            self._known.trained(booster)
            samples = _trained_on(booster, done.argument(0, "dtrain"))
            self._rows.add(
                "training",
                self._growing.of(booster),
                done.span,
                samples=samples,
                steps=nesting.steps,
                failed=done.failed,
                count=0,
            )

        return outermost(self._arming, self._client, step, count, heavy=True)

    def refit(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """A method that gives back a booster with the same trees and new leaves."""

        def count(booster: Any, done: Done, /) -> None:
            made = booster if done.failed else done.result
            samples = size(done.argument(0, "data"))
            self._rows.add("training", self._known.subject(made), done.span, samples=samples, failed=done.failed)

        return outermost(self._arming, self._client, original, count, heavy=True)

    def train(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """The function that trains one booster."""

        def count(_: Any, done: Done, /) -> None:
            booster = done.result
            if isinstance(booster, self._kind):
                self._known.trained(booster)
                subject = self._known.subject(booster)
            else:
                subject = self._nobody()
            data = done.kwargs.get("dtrain", done.argument(1, "train_set"))
            self._trained(subject, done, size(data), 1)

        return self._function(original, count)

    def cross_validate(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """The function that trains one booster a fold."""
        seen = self._seen

        def folds(*args: Any, **kwargs: Any) -> Any:
            __tracebackhide__ = True
            before, seen.rows = seen.rows, {}
            try:
                return original(*args, **kwargs)
            finally:
                seen.last, seen.rows = seen.rows, before

        def count(_: Any, done: Done, /) -> None:
            rows, seen.last = seen.last, {}
            samples = [known for known in rows.values() if known is not None]
            self._trained(self._nobody(), done, sum(samples) if samples else None, max(len(rows), 1))

        return self._function(folds, count)

    def load(self, original: Callable[..., Any], file: Callable[[Done], Any]) -> Callable[..., Any]:
        """A method that reads a model from a file, or from memory.

        Args:
            original: the method.
            file: which file the call names; anything that is no path is memory.
        """

        def loaded(booster: Any, done: Done, /) -> None:
            self._loaded(booster, done.span, path(file(done)), failed=done.failed)

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
        self._rows.load(self._known.is_(booster, Identity(name, file=file)), span, failed=failed)

    def _trained(self, subject: Subject, done: Done, samples: int | None, count: int) -> None:
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


def _kind(booster: Any) -> type:
    return booster if isinstance(booster, type) else type(booster)


def _trained_on(booster: Any, given: Any) -> int | None:
    """Rows of the data of a round, which lightgbm's booster holds itself."""
    return size(getattr(booster, "train_set", None) if given is None else given)


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
