"""spaCy: pipelines that have learned something. One of rules only (a tokenizer, a matcher, a sentencizer) is no model.

The work of a ``pipe`` is counted as it is asked for; what the user's own texts take to come is not its. Silent for a
single component that is called or trained by hand (``ner(doc)``): those classes are compiled, nobody can patch them.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import PurePath
from types import ModuleType
from typing import Any

from pytest_aifootprint.detection.inprocess.identity import Facts, Identity, Subject, Subjects
from pytest_aifootprint.detection.inprocess.rows import Rows, Span, batch
from pytest_aifootprint.detection.inprocess.spacy_streams import Streams
from pytest_aifootprint.detection.inprocess.watching import Count, Done, loading, outermost
from pytest_aifootprint.detection.patching import Arming
from pytest_aifootprint.quantities.unfaked import REAL

# What changes which components there are.
_CHANGES = ("add_pipe", "remove_pipe", "replace_pipe", "rename_pipe", "disable_pipe", "enable_pipe")
# What spaCy calls a pipeline that nobody has named, and the folders that `spacy train` writes.
_NO_NAME = "pipeline"
_NO_FOLDERS = ("model-best", "model-last")


def describe(nlp: Any, facts: Facts) -> Identity:
    """What a pipeline tells of itself. Its number of parameters is 0 if it consists of rules only."""
    learned: dict[str, int] = {}
    weights = _Weights()
    for name, component in facts.get(lambda: list(nlp.pipeline)) or []:
        before = weights.parameters
        facts.get(partial(weights.add, component))
        if weights.parameters != before or weights.unset:
            learned[name] = weights.parameters - before
    facts.unsettled = weights.unset
    path = facts.get(lambda: nlp.path)
    file = os.path.abspath(path) if path else None  # noqa: PTH100 - not resolved: links have the names that users give
    meta = facts.get(lambda: vars(nlp).get("_meta") or nlp.meta) or {}
    named = meta.get("name", _NO_NAME) != _NO_NAME
    return Identity(
        f"{nlp.lang}_{meta['name']}" if named else _folder(file) or f"spacy.blank.{nlp.lang}({', '.join(learned)})",
        None if weights.unset else weights.parameters,
        precision=weights.precision,
        device=weights.device,
        revision=str(meta["version"]) if named and meta.get("version", "0.0.0") != "0.0.0" else None,
        file=file,
    )


def _folder(file: str | None) -> str | None:
    name = PurePath(file).name if file else None
    return None if name in _NO_FOLDERS else name


class _Weights:
    """Of all components together; what two of them share counts once.

    Attributes:
        unset: some are not made yet (``nlp.initialize()`` does).
    """

    def __init__(self) -> None:
        self.parameters = 0
        self.precision: str | None = None
        self.device: str | None = None
        self.unset = False
        self._seen: set[int] = set()
        self._largest = 0

    def add(self, component: Any) -> None:
        """One component, if it has a model of thinc."""
        walk = getattr(getattr(component, "model", None), "walk", None)
        for node in walk() if walk is not None else ():
            if node.id in self._seen:
                continue
            self._seen.add(node.id)
            for name in node.param_names:
                if node.has_param(name):
                    self._count(node.get_param(name), node)
                else:
                    self.unset = True
            for shim in node.shims:  # a network of another library
                for weight in getattr(getattr(shim, "_model", None), "parameters", tuple)():
                    self._count(weight, node)

    def _count(self, weight: Any, node: Any) -> None:
        size = weight.numel() if hasattr(weight, "numel") else int(weight.size)
        self.parameters += size
        if size >= self._largest:
            self._largest = size
            self.precision = str(weight.dtype).removeprefix("torch.")
            ops = node.ops
            self.device = "cpu" if ops.device_type == "cpu" else f"cuda:{ops.device_id}"


class _Spacy:
    """Watches one import of spaCy."""

    def __init__(self, library: ModuleType, arming: Arming) -> None:
        self._library = library
        self._arming = arming
        self._rows = Rows(arming.recorder, "spacy")
        self._pipelines = Subjects(describe)
        self._changed: set[int] = set()
        self._here = threading.local()

    def watch(self) -> None:
        """Patch pipelines, their loaders and their optimizers."""
        patch, language = self._arming.replace, self._library.Language
        patch(language, "__call__", lambda original: self._root(original, self._one))
        patch(language, "evaluate", lambda original: self._root(original, self._evaluated))
        patch(language, "update", lambda original: self._root(original, self._updated))
        patch(language, "rehearse", lambda original: self._root(original, self._updated))
        streams = Streams(self._arming, self._rows, self._subject)
        patch(language, "pipe", streams.watched)
        patch(language, "initialize", self._preparing)
        for name in _CHANGES:
            patch(language, name, self._changing)
        patch(sys.modules["thinc.optimizers"].Optimizer, "step_schedules", self._stepping)
        patch(language, "from_disk", lambda original: self._loading(original, method=True))
        patch(language, "from_bytes", lambda original: self._loading(original, method=True))
        # spacy.load calls the first; packages of models call the last.
        for name in ("load_model", "load_model_from_path", "load_model_from_init_py"):
            patch(self._library.util, name, lambda original: self._loading(original, method=False))

    def _subject(self, nlp: Any) -> Subject | None:
        """The pipeline; None if it has learned nothing."""
        if id(nlp) in self._changed:
            self._changed.discard(id(nlp))
            self._pipelines.forget(nlp)
        subject = self._pipelines.of(nlp)
        return None if subject.identity.parameters == 0 else subject

    def _root(self, original: Callable[..., Any], count: Count) -> Callable[..., Any]:
        arming, nesting, subject_of = self._arming, self._arming.nesting, self._subject
        watched = outermost(arming, "spacy", original, count)

        def call(nlp: Any, /, *args: Any, **kwargs: Any) -> Any:
            __tracebackhide__ = True
            if nesting.depth or not arming.active:
                return original(nlp, *args, **kwargs)
            try:
                rules = subject_of(nlp) is None
            except Exception as error:  # noqa: BLE001 - watching never raises into the watched call
                arming.recorder.error("spacy", error)
                rules = True
            # Components of rules may call a model of another library: that one is the outermost then.
            return (original if rules else watched)(nlp, *args, **kwargs)

        return call

    def _one(self, nlp: Any, done: Done, /) -> None:
        self._rows.add("inference", self._pipelines.of(nlp), done.span, samples=1, failed=done.failed)

    def _evaluated(self, nlp: Any, done: Done, /) -> None:
        samples = batch(done.argument(0, "examples"))
        self._rows.add("inference", self._pipelines.of(nlp), done.span, samples=samples, failed=done.failed)

    def _updated(self, nlp: Any, done: Done, /) -> None:
        samples, subject = batch(done.argument(0, "examples")), self._pipelines.of(nlp)
        if samples == 0:
            return
        gathers = done.kwargs.get("sgd") is False  # gradients only: spaCy's own loop steps later
        steps = None if done.failed else 0 if gathers else 1
        if gathers and not done.failed:
            self._here.waits = subject
        self._rows.add("training", subject, done.span, samples=samples, steps=steps, count=0, failed=done.failed)

    def _stepping(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """Optimizers go on to the next step once for each batch."""
        arming, here = self._arming, self._here

        def step_schedules(optimizer: Any, /, *args: Any, **kwargs: Any) -> Any:
            __tracebackhide__ = True
            waits: Subject | None = getattr(here, "waits", None)
            if waits is not None and arming.active:
                here.waits = None
                try:
                    now_ns = REAL.monotonic_ns()
                    self._rows.add("training", waits, Span(now_ns, now_ns, 0), steps=1, count=0)
                except Exception as error:  # noqa: BLE001 - watching never raises into the watched call
                    arming.recorder.error("spacy", error)
            return original(optimizer, *args, **kwargs)

        return step_schedules

    def _preparing(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """Weights are made at random: neither a load nor yet a training. What runs for it is no call."""
        return loading(self._arming, "spacy", original, lambda nlp, _: self._changed.add(id(nlp)))

    def _changing(self, original: Callable[..., Any]) -> Callable[..., Any]:
        changed = self._changed

        def change(nlp: Any, /, *args: Any, **kwargs: Any) -> Any:
            __tracebackhide__ = True
            changed.add(id(nlp))
            return original(nlp, *args, **kwargs)

        return change

    def _loading(self, original: Callable[..., Any], *, method: bool) -> Callable[..., Any]:
        def loaded(nlp: Any, done: Done, /) -> None:
            model = nlp if method else done.result
            if model is None:
                self._rows.load(_of(done.argument(0, "name")), done.span, failed=True)
                return
            self._changed.add(id(model))
            subject = self._subject(model)
            if subject is not None:
                self._rows.load(subject, done.span, failed=done.failed)

        return loading(self._arming, "spacy", original, loaded, method=method)


def _of(name: object) -> Subject:
    """A load that failed: what was asked for."""
    path = os.fspath(name) if isinstance(name, (str, os.PathLike)) else ""
    return Subject(Identity(PurePath(path).name or None), lambda: None)


def install(library: ModuleType, arming: Arming) -> None:
    """Patch ``Language``, thinc's optimizer and the loaders."""
    _Spacy(library, arming).watch()
