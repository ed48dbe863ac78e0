"""LiteRT, once TensorFlow Lite: interpreters, their signatures, compiled models.

Tried with ai-edge-litert 2.3 and tflite-runtime 2.14.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import update_wrapper
from types import ModuleType
from typing import Any
from weakref import WeakKeyDictionary

from pytest_aifootprint.detection.inprocess.filefacts import FileFacts
from pytest_aifootprint.detection.inprocess.identity import Facts, Identity, Subjects, class_name
from pytest_aifootprint.detection.inprocess.names import hub_revision, model_name
from pytest_aifootprint.detection.inprocess.rows import Rows, batch
from pytest_aifootprint.detection.inprocess.tflite_sizes import NOT_TOLD, tflite_size
from pytest_aifootprint.detection.inprocess.watching import Done, loading, outermost
from pytest_aifootprint.detection.patching import Arming


def describe(model: Any, facts: Facts) -> Identity:
    """What a model tells whose load was not seen: nothing."""
    del facts
    return Identity(class_name(type(model)))


class _Models:
    """Watches models."""

    def __init__(self, arming: Arming) -> None:
        self._arming = arming
        self._rows = Rows(arming.recorder, "litert")
        self._sizes = FileFacts(arming.recorder, tflite_size, NOT_TOLD)
        self._subjects = Subjects(describe)
        self._samples: WeakKeyDictionary[Any, int | None] = WeakKeyDictionary()

    def run(self, samples: Callable[[Any, Done], int | None], of: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """For a method that runs a model: how many samples, and which object is the model."""

        def count(runner: Any, done: Done, /) -> None:
            subject = self._subjects.of(of(runner))
            self._rows.add("inference", subject, done.span, samples=samples(runner, done), failed=done.failed)

        return lambda original: outermost(self._arming, "litert", original, count)

    def samples(self, interpreter: Any, done: Done) -> int | None:
        """The first number of the first input's shape; looked at once until the shapes change."""
        if done.failed:
            return None
        try:
            return self._samples[interpreter]
        except KeyError:
            shape = interpreter.get_input_details()[0]["shape"]
            samples = self._samples[interpreter] = int(shape[0]) if len(shape) else None
            return samples

    def allocated(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """For what must be called when shapes have changed."""

        def allocate_tensors(interpreter: Any) -> Any:
            __tracebackhide__ = True
            self._samples.pop(interpreter, None)
            return original(interpreter)

        return allocate_tensors

    def made(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """For the constructor of an interpreter."""

        def loaded(interpreter: Any, done: Done, /) -> None:
            identity = self._identify(
                done.argument(0, "model_path"), done.argument(1, "model_content"), done.argument(2, _DELEGATES)
            )
            subject = self._subjects.tell(None if done.failed else interpreter, identity)
            self._rows.load(subject, done.span, failed=done.failed)

        return loading(self._arming, "litert", original, loaded)

    def compiled(self, name: str) -> Callable[[Any], Any]:
        """For the class method that makes a compiled model, of a file or of its content."""

        def loaded(kind: Any, done: Done, /) -> None:
            del kind
            given = done.argument(0, name)
            path, content = (given, None) if name == "model_path" else (None, given)
            # Where it runs is up to options that may name several places.
            identity = self._identify(path, content, True)
            self._rows.load(self._subjects.tell(done.result, identity), done.span, failed=done.failed)

        def make(original: Any) -> Any:
            function = original.__func__
            return classmethod(update_wrapper(loading(self._arming, "litert", function, loaded), function))

        return make

    def _identify(self, path: Any, content: Any, delegates: Any) -> Identity:
        device = None if delegates else "cpu"
        if path and isinstance(path, (str, os.PathLike)):
            file = os.path.abspath(os.fspath(path))  # noqa: PTH100 - no link is followed: the hub's links have the names
            size = self._sizes.of(file)
            return Identity(
                model_name(os.fspath(path)), size.parameters, size.precision, device, hub_revision(file), file
            )
        size = self._sizes.within(bytes(content)) if isinstance(content, (bytes, bytearray)) else NOT_TOLD
        return Identity(None, size.parameters, size.precision, device)


_DELEGATES = "experimental_delegates"


def _first(_: Any, done: Done) -> int | None:
    return batch(next(iter(done.kwargs.values()), None))


def install(library: ModuleType, arming: Arming) -> None:
    """Patch the interpreter, or the compiled model: whichever of the library's modules this is."""
    models = _Models(arming)
    if hasattr(library, "Interpreter"):
        interpreter: Any = library.Interpreter
        arming.replace(interpreter, "__init__", models.made)
        arming.replace(interpreter, "allocate_tensors", models.allocated)
        arming.replace(interpreter, "invoke", models.run(models.samples, lambda runner: runner))
        runner: Any = library.SignatureRunner
        arming.replace(runner, "__call__", models.run(_first, lambda runner: runner._interpreter))  # noqa: SLF001 - its model
    else:
        model: Any = library.CompiledModel
        arming.replace(model, "from_file", models.compiled("model_path"))
        arming.replace(model, "from_buffer", models.compiled("model_data"))
        for name in ("run_by_name", "run_by_index"):
            arming.replace(model, name, models.run(lambda *_: None, lambda runner: runner))
