"""onnxruntime: every way to run a session, and its loads. The model's name is that of its file.

The runtime tells neither the number of weights nor their type: ``onnx_sizes.py`` reads them off the file.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any
from weakref import WeakKeyDictionary

from pytest_aifootprint.detection.inprocess.filefacts import FileFacts
from pytest_aifootprint.detection.inprocess.identity import Facts, Identity, Subject, Subjects
from pytest_aifootprint.detection.inprocess.names import hub_revision, model_name
from pytest_aifootprint.detection.inprocess.onnx_sizes import NOT_TOLD, OnnxSize, onnx_size
from pytest_aifootprint.detection.inprocess.rows import Place, Rows, Span, batch
from pytest_aifootprint.detection.inprocess.watching import Done, loading, outermost
from pytest_aifootprint.detection.patching import Arming
from pytest_aifootprint.detection.recorder import Recorder
from pytest_aifootprint.quantities.unfaked import REAL

__all__ = ["install", "model_name"]

_OF_NVIDIA = frozenset({"CUDAExecutionProvider", "TensorrtExecutionProvider", "NvTensorRTRTXExecutionProvider"})
_ON_THE_CPU = frozenset({"CPUExecutionProvider", "XnnpackExecutionProvider", "DnnlExecutionProvider"})
_REMOTE = "AzureExecutionProvider"  # first in the list of many wheels, and for operators that ask a server only


class _Sessions:
    """What is known of sessions."""

    def __init__(self, recorder: Recorder) -> None:
        self._sizes = FileFacts(recorder, onnx_size, NOT_TOLD)
        self.subjects = Subjects(self._describe)

    def unmade(self, session: Any) -> Subject:
        """What a session that could not be made would have been of."""
        path = getattr(session, "_model_path", None)
        return self.subjects.tell(None, self._of_file(path) if isinstance(path, str) else Identity(None))

    def _describe(self, session: Any, facts: Facts) -> Identity:
        path = facts.get(lambda: session._model_path)  # noqa: SLF001 - kept by no public name
        device = facts.get(lambda: _device(session))
        if isinstance(path, str) and path:
            return self._of_file(path, device)
        content = facts.get(lambda: session._model_bytes)  # noqa: SLF001 - likewise
        size = self._sizes.within(content) if isinstance(content, bytes) else NOT_TOLD
        return Identity(None, size.parameters, size.precision, device)

    def _of_file(self, path: str, device: str | None = None) -> Identity:
        file = os.path.abspath(path)  # noqa: PTH100 - no link is followed: the hub's links have the names
        size: OnnxSize = self._sizes.of(file)
        return Identity(model_name(path), size.parameters, size.precision, device, hub_revision(file), file)


def _device(session: Any) -> str | None:
    for provider in session.get_providers():
        if provider == _REMOTE:
            continue
        if provider in _ON_THE_CPU:
            return "cpu"
        name = "cuda" if provider in _OF_NVIDIA else provider.removesuffix("ExecutionProvider").lower()
        number = session.get_provider_options().get(provider, {}).get("device_id")
        return name if number is None else f"{name}:{number}"
    return None


def _samples(value: Any) -> int | None:
    """Like ``batch``; an OrtValue's shape is a method."""
    try:
        if callable(value.shape):
            shape = value.shape()
            return int(shape[0]) if shape else None
    except Exception:  # noqa: BLE001 - a list has no shape, a value of the user's may raise anything
        return batch(value)
    return batch(value)


def _first(feed: Any) -> int | None:
    # The question about the abstract class takes as long as the rest.
    return _samples(next(iter(feed.values()), None)) if isinstance(feed, dict) or isinstance(feed, Mapping) else None  # noqa: SIM101


class _Bindings:
    """How many samples were bound, of the input that was bound first."""

    def __init__(self, arming: Arming) -> None:
        self._arming = arming
        self._samples: WeakKeyDictionary[Any, tuple[str, int | None]] = WeakKeyDictionary()

    def of(self, binding: Any) -> int | None:
        """Samples of the next run."""
        return self._samples.get(binding, ("", None))[1]

    def bound(self, original: Callable[..., Any], samples: Callable[..., int | None]) -> Callable[..., Any]:
        """A wrapper for a method that binds an input."""

        def bind(binding: Any, name: Any, *args: Any, **kwargs: Any) -> Any:
            __tracebackhide__ = True
            result = original(binding, name, *args, **kwargs)
            try:
                if self._arming.active and self._samples.get(binding, (name,))[0] == name:
                    self._samples[binding] = name, samples(*args, **kwargs)
            except Exception as error:  # noqa: BLE001 - watching never raises into the watched call
                self._arming.recorder.error("onnxruntime", error)
            return result

        return bind

    def cleared(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """A wrapper for the method that unbinds the inputs."""

        def clear(binding: Any) -> Any:
            __tracebackhide__ = True
            result = original(binding)
            self._samples.pop(binding, None)
            return result

        return clear


class _Running:
    """A run in the runtime's own threads, until its callback is called."""

    of_phase = False

    def __init__(self, rows: Rows, recorder: Recorder, subject: Subject, samples: int | None) -> None:
        self._rows = rows
        self._recorder = recorder
        self._subject = subject
        self._samples = samples
        self._ending = threading.Lock()
        owner, inferred = recorder.owner()
        self._place = Place(owner, inferred, "outside" if owner is None else owner.phase)
        recorder.wait_for(self, owner)
        self._started_ns, self._cpu_ns = REAL.monotonic_ns(), REAL.process_time_ns()

    def so_far(self) -> None:
        """Nothing before the end."""

    def finish(self, *, abandoned: bool) -> None:
        """Count it as far as it has come."""
        del abandoned
        self.end(failed=False)

    def end(self, *, failed: bool) -> None:
        """Count it, once."""
        if not self._ending.acquire(blocking=False):
            return
        span = Span(self._started_ns, REAL.monotonic_ns(), REAL.process_time_ns() - self._cpu_ns)
        self._recorder.done(self)
        self._rows.add("inference", self._subject, span, samples=self._samples, failed=failed, at=self._place)


class _Runs:
    """The wrappers around the ways to run a session."""

    def __init__(self, arming: Arming) -> None:
        self._arming = arming
        self._rows = Rows(arming.recorder, "onnxruntime")
        self._sessions = _Sessions(arming.recorder)
        self.bindings = _Bindings(arming)

    def run(self, samples: Callable[[Done], int | None]) -> Callable[[Any], Any]:
        """For what returns when the work is done."""

        def count(session: Any, done: Done, /) -> None:
            subject = self._sessions.subjects.of(session)
            self._rows.add("inference", subject, done.span, samples=samples(done), failed=done.failed)

        return lambda original: outermost(self._arming, "onnxruntime", original, count)

    def run_async(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """For what returns at once: the work has ended when the user's function is called."""
        arming = self._arming

        def run_async(session: Any, /, *args: Any, **kwargs: Any) -> Any:
            __tracebackhide__ = True
            given = kwargs.get("callback") if len(args) < 3 else args[2]
            if arming.nesting.depth or not arming.active or not callable(given):
                return original(session, *args, **kwargs)
            running = self._start(session, args[1] if len(args) > 1 else kwargs.get("input_feed"))
            callback: Callable[..., Any] = given

            def ended(results: Any, user_data: Any, error: Any) -> Any:
                __tracebackhide__ = True
                if running is not None:
                    self._end(running, failed=bool(error))
                return callback(results, user_data, error)

            if len(args) < 3:
                kwargs["callback"] = ended
            else:
                args = (*args[:2], ended, *args[3:])
            try:
                return original(session, *args, **kwargs)
            except BaseException:
                if running is not None:
                    self._end(running, failed=True)
                raise

        return run_async

    def load(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """For what reads a model."""

        def loaded(session: Any, done: Done, /) -> None:
            if done.failed:
                subject = self._sessions.unmade(session)
            else:
                self._sessions.subjects.forget(session)
                subject = self._sessions.subjects.of(session)
            self._rows.load(subject, done.span, failed=done.failed)

        return loading(self._arming, "onnxruntime", original, loaded)

    def _start(self, session: Any, feed: Any) -> _Running | None:
        try:
            return _Running(self._rows, self._arming.recorder, self._sessions.subjects.of(session), _first(feed))
        except Exception as error:  # noqa: BLE001 - watching never raises into the watched call
            self._arming.recorder.error("onnxruntime", error)
            return None

    def _end(self, running: _Running, *, failed: bool) -> None:
        try:
            running.end(failed=failed)
        except Exception as error:  # noqa: BLE001 - likewise
            self._arming.recorder.error("onnxruntime", error)


def _vector(feeds: Any) -> int | None:
    return _samples(next(iter(feeds), None))


def _bound_array(arr_on_cpu: Any) -> int | None:
    return _samples(arr_on_cpu)


def _bound_value(ortvalue: Any) -> int | None:
    return _samples(ortvalue)


def _bound_buffer(device_type: Any, device_id: Any, element_type: Any, shape: Any, buffer_ptr: Any) -> int | None:
    del device_type, device_id, element_type, buffer_ptr
    return int(shape[0]) if shape else None


def install(library: ModuleType, arming: Arming) -> None:
    """Patch the sessions' methods."""
    runs = _Runs(arming)
    bindings = runs.bindings
    session, binding = library.Session, library.IOBinding
    arming.replace(session, "run", runs.run(lambda done: _first(done.argument(1, "input_feed"))))
    arming.replace(
        session, "run_with_ort_values", runs.run(lambda done: _first(done.argument(1, "input_dict_ort_values")))
    )
    arming.replace(session, "run_with_ortvaluevector", runs.run(lambda done: _vector(done.argument(2, "feeds"))))
    arming.replace(session, "run_with_iobinding", runs.run(lambda done: bindings.of(done.argument(0, "iobinding"))))
    arming.replace(session, "run_async", runs.run_async)
    arming.replace(binding, "bind_cpu_input", lambda original: bindings.bound(original, _bound_array))
    arming.replace(binding, "bind_ortvalue_input", lambda original: bindings.bound(original, _bound_value))
    arming.replace(binding, "bind_input", lambda original: bindings.bound(original, _bound_buffer))
    arming.replace(binding, "clear_binding_inputs", bindings.cleared)
    arming.replace(library.InferenceSession, "__init__", runs.load)
    arming.replace(session, "set_providers", runs.load)  # makes the session anew
