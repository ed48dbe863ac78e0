"""keras 3, whatever its backend: ``fit``, ``predict`` and the rest of the trainer, and models that are called as such.

Under the torch backend a keras layer is a torch module too: the call is keras's, torch's seam hears nothing of it.
A call that torch's autograd records, or one with ``training=True``, may be training: it waits for an optimizer's step.
Silent for stateless calls inside a jitted function of the user's: they are traced once, and run unseen.
"""

from __future__ import annotations

import os
import sys
from types import ModuleType
from typing import Any

from pytest_aifootprint.detection.inprocess.identity import Facts, Identity, Subject, Subjects
from pytest_aifootprint.detection.inprocess.keras_batches import Work, watch_batches, whole_epochs, working
from pytest_aifootprint.detection.inprocess.keras_facts import describe, file_name, first, given_name, size_of
from pytest_aifootprint.detection.inprocess.keras_loops import loops_of
from pytest_aifootprint.detection.inprocess.rows import Rows, batch
from pytest_aifootprint.detection.inprocess.torch_compiler import is_compiling
from pytest_aifootprint.detection.inprocess.watching import Count, Done, loading, outermost
from pytest_aifootprint.detection.patching import Arming
from pytest_aifootprint.quantities.changed import replace

_OUTSIDE_BACKWARD = -1  # of torch


class _Keras:
    """Watches one import of keras."""

    def __init__(self, library: ModuleType, arming: Arming) -> None:
        self._library = library
        self._arming = arming
        self._rows = Rows(arming.recorder, "keras")
        self._models = Subjects(describe)
        self._work = Work()
        self._backend = library.backend.backend()
        self._loops = loops_of(self._backend, arming, self._rows)
        self._symbol = library.KerasTensor
        self._in_symbols = getattr(library.src.backend, "in_symbolic_scope", bool)

    def watch(self) -> None:
        """Patch the trainer, the calls, the optimizers and the loaders."""
        patch, model, source = self._arming.replace, self._library.Model, self._library.src
        for name, make in {
            "fit": self._fit,
            "train_on_batch": self._train_on_batch,
            "predict": self._through,
            "evaluate": self._through,
            "predict_on_batch": self._at_once,
            "test_on_batch": self._at_once,
            "load_weights": self._load_weights,
            "quantize": self._changing,
        }.items():  # which class has it depends on the backend
            patch(next(kind for kind in model.__mro__ if name in vars(kind)), name, make)
        patch(self._library.layers.Layer, "__call__", self._call)
        patch(source.optimizers.base_optimizer.BaseOptimizer, "apply", self._apply)
        watch_batches(self._library, self._arming, self._work)
        # Users have the functions that call these by many names.
        patch(source.saving.saving_lib, "load_model", self._load)
        patch(source.legacy.saving.legacy_h5_format, "load_model_from_hdf5", self._load)

    def _root(self, original: Any, count: Count, *, heavy: bool = False) -> Any:
        return outermost(self._arming, "keras", original, count, heavy=heavy)

    def _fit(self, original: Any) -> Any:
        work = self._work

        def count(model: Any, done: Done, /) -> None:
            samples = work.samples if work.steps else None
            if samples is None and not done.failed:
                samples = whole_epochs(done, work)
            self._rows.add(
                "training",
                self._models.of(model),
                done.span,
                samples=samples,
                steps=work.steps,
                epochs=work.epochs,
                failed=done.failed,
            )

        return self._root(working(work, original, fitting=True), count, heavy=True)

    def _train_on_batch(self, original: Any) -> Any:
        def count(model: Any, done: Done, /) -> None:
            samples, steps = size_of(done.argument(0, "x")), None if done.failed else 1
            subject = self._models.of(model)
            self._rows.add("training", subject, done.span, samples=samples, steps=steps, count=0, failed=done.failed)

        return self._root(original, count)

    def _through(self, original: Any) -> Any:
        work, place = self._work, 5 if original.__name__ == "evaluate" else 3

        def count(model: Any, done: Done, /) -> None:
            samples = work.samples if work.steps else None
            if samples is None and not done.failed and done.argument(place, "steps") is None:
                samples = size_of(done.argument(0, "x"))
            self._inferred(model, done, samples)

        return self._root(working(work, original, fitting=False), count)

    def _at_once(self, original: Any) -> Any:
        return self._root(original, lambda model, done, /: self._inferred(model, done, size_of(done.argument(0, "x"))))

    def _call(self, original: Any) -> Any:
        models, rows, only_planned = self._models, self._rows, self._only_planned
        may_train, hold = self._loops.may_train, self._loops.hold

        def count(model: Any, done: Done, /) -> None:
            given = first(done.args[0] if done.args else next(iter(done.kwargs.values()), None))
            result = first(done.result)
            if only_planned(given, result):
                return
            subject = models.of(model)
            if subject.identity.parameters == 0:  # it only transforms, as a scaler does
                return
            if done.failed or not may_train(done, result):
                rows.add("inference", subject, done.span, samples=batch(given), failed=done.failed)
            else:
                hold(model, subject, done.span, batch(given))

        watched = self._root(original, count)
        if self._backend != "torch":
            return watched
        torch, nesting = sys.modules["torch"], self._arming.nesting
        compiling = is_compiling(torch)
        backward_id, tracing = torch._C._current_graph_task_id, torch._C._get_tracing_state  # noqa: SLF001 - as its seam

        def __call__(layer: Any, /, *args: Any, **kwargs: Any) -> Any:  # noqa: N807 - its name is the language's
            __tracebackhide__ = True
            # In a function that the user compiles it is only traced; in a backward it is done once more.
            if nesting.depth or compiling() or tracing() or backward_id() != _OUTSIDE_BACKWARD:
                return original(layer, *args, **kwargs)
            return watched(layer, *args, **kwargs)

        return __call__

    def _apply(self, original: Any) -> Any:
        def count(optimizer: Any, done: Done, /) -> None:
            gradient = first(done.argument(0, "grads"))
            if not done.failed and not self._only_planned(gradient, gradient):
                self._loops.step(optimizer, done)

        return self._root(original, count)

    def _only_planned(self, given: Any, result: Any) -> bool:
        """Whether a call has only described what is to be computed."""
        if isinstance(given, self._symbol) or isinstance(result, self._symbol) or self._in_symbols():
            return True
        if self._backend == "torch":
            return False
        if self._backend == "jax":
            return isinstance(result, sys.modules["jax"].core.Tracer)
        return self._backend == "tensorflow" and not sys.modules["tensorflow"].executing_eagerly()

    def _inferred(self, model: Any, done: Done, samples: int | None) -> None:
        subject = self._models.of(model)
        if subject.identity.parameters != 0:
            self._rows.add("inference", subject, done.span, samples=samples, failed=done.failed)

    def _load(self, original: Any) -> Any:
        def loaded(_: Any, done: Done, /) -> None:
            self._loaded(done.result, done.argument(0, "filepath"), done)

        return loading(self._arming, "keras", original, loaded, method=False)

    def _load_weights(self, original: Any) -> Any:
        def loaded(model: Any, done: Done, /) -> None:
            self._loaded(model, done.argument(0, "filepath"), done)

        return loading(self._arming, "keras", original, loaded)

    def _loaded(self, model: Any, path: Any, done: Done) -> None:
        where = os.fspath(path) if isinstance(path, (str, os.PathLike)) else None
        # Not resolved: a link's own name is what the user declares.
        file = None if where is None or "://" in where else os.path.abspath(where)  # noqa: PTH100
        called = None if where is None else file_name(where)
        if done.failed:
            self._rows.load(Subject(Identity(called, file=file), lambda: None), done.span, failed=True)
        else:
            self._rows.load(self._tell(model, called, file), done.span)

    def _tell(self, model: Any, name: str | None, file: str | None) -> Subject:
        """Look at a model again, of which we know whence it came."""
        facts = Facts()
        found = describe(model, facts)
        name = facts.get(lambda: given_name(model)) or name or found.name
        return self._models.tell(model, replace(found, name=name, file=file, unreadable=facts.failed))

    def _changing(self, original: Any) -> Any:
        arming = self._arming

        def change(model: Any, /, *args: Any, **kwargs: Any) -> Any:
            __tracebackhide__ = True
            try:
                return original(model, *args, **kwargs)
            finally:
                try:
                    if arming.active:
                        known = self._models.of(model).identity
                        self._tell(model, known.name, known.file)
                except Exception as error:  # noqa: BLE001 - watching never raises into the watched call
                    arming.recorder.error("keras", error)

        return change


def install(library: ModuleType, arming: Arming) -> None:
    """Patch the classes of keras; which of them its backend has is found out."""
    _Keras(library, arming).watch()
