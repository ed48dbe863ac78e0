"""torch: a network's outermost forward is an inference; with a backward or an optimizer's step it is training.

What is training stands in ``torch_training.py``, which network it is in ``torch_identity.py``, what is a load in
``torch_loads.py``.

A module without weights (a loss, an activation) is no model: what it calls is looked at in its place. So are the layers
of a network whose ``.forward()`` is called by hand, or of a class that overrides ``__call__`` without the original.
Silent for functional code, while ``torch.jit.trace`` traces, and for a function that ``torch.compile`` has compiled:
the networks in it are part of its graph, in which nothing of ours is (a compiled network is seen).
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

from pytest_aifootprint.detection.inprocess.identity import Subject, Subjects
from pytest_aifootprint.detection.inprocess.rows import Rows, Span, batch
from pytest_aifootprint.detection.inprocess.torch_compiler import is_compiling, leave_alone, uncompiled
from pytest_aifootprint.detection.inprocess.torch_identity import Describe
from pytest_aifootprint.detection.inprocess.torch_loads import Loads
from pytest_aifootprint.detection.inprocess.torch_training import Trainings
from pytest_aifootprint.detection.patching import Arming
from pytest_aifootprint.quantities.unfaked import REAL

_OUTSIDE_BACKWARD = -1
_FAILED = object()


class _Torch:
    """The wrappers."""

    def __init__(self, library: Any, arming: Arming) -> None:
        self._torch = library
        self._arming = arming
        self._rows = Rows(arming.recorder, "torch")
        describe = Describe(library)
        self._networks = Subjects(describe)
        self._trainings = Trainings(arming.recorder, self._rows)
        self._tensor = library.Tensor
        self._grad_enabled = library.is_grad_enabled
        self._tracing = library._C._get_tracing_state  # noqa: SLF001 - as torch's own module does
        self._backward_id = library._C._current_graph_task_id  # noqa: SLF001 - as torch's own module_tracker does
        self._is_compiling = is_compiling(library)
        self._uncompiled: Callable[[Callable[[], None]], None] = uncompiled(library)
        self._loads = Loads(library, arming, self._rows, self._networks, describe)

    def watch(self) -> None:
        """Patch torch."""
        arming, torch = self._arming, self._torch
        leave_alone(torch)
        arming.lent["torch"] = self._trainings
        arming.replace(torch.nn.Module, "__call__", self._call)
        arming.replace(torch.nn.Module, "_apply", self._changing)
        arming.replace(torch.autograd, "backward", self._backward)  # Tensor.backward calls it
        self._loads.watch()
        from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

        arming.on_undo(register_optimizer_step_pre_hook(self._stepping).remove)
        arming.on_undo(register_optimizer_step_post_hook(self._stepped).remove)

    def _call(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """``nn.Module.__call__``: what is inside the outermost call costs as little as can be."""
        nesting, begin, end = self._arming.nesting, self._begin, self._end
        monotonic_ns, process_time_ns = REAL.monotonic_ns, REAL.process_time_ns

        def outer(network: Any, args: Any, kwargs: Any) -> Any:
            __tracebackhide__ = True
            subject = begin(network)
            if subject is None:
                return original(network, *args, **kwargs)
            failed, result = True, None
            nesting.steps = nesting.tokens = 0
            started_ns, cpu_ns = monotonic_ns(), process_time_ns()
            try:
                nesting.depth = 1
                result = original(network, *args, **kwargs)
                failed = False
                return result
            finally:
                span = Span(started_ns, monotonic_ns(), process_time_ns() - cpu_ns)
                end(network, subject, args, kwargs, _FAILED if failed else result, span)
                nesting.depth = 0

        if original is getattr(self._torch.nn.Module, "_wrapped_call_impl", None):
            # torch's own, which does nothing but this: our frame stands in place of its.
            def call(network: Any, /, *args: Any, **kwargs: Any) -> Any:
                __tracebackhide__ = True
                if nesting.depth:
                    if network._compiled_call_impl is not None:  # noqa: SLF001
                        return network._compiled_call_impl(*args, **kwargs)  # noqa: SLF001
                    return network._call_impl(*args, **kwargs)  # noqa: SLF001
                return outer(network, args, kwargs)
        else:

            def call(network: Any, /, *args: Any, **kwargs: Any) -> Any:
                __tracebackhide__ = True
                if nesting.depth:
                    return original(network, *args, **kwargs)
                return outer(network, args, kwargs)

        return call

    def _begin(self, network: Any) -> Subject | None:
        """Who is about to be called outside all other calls; None if that is none of ours."""
        # In a trace, looking at weights and shapes would become part of it.
        if self._tracing() or self._is_compiling() or self._backward_id() != _OUTSIDE_BACKWARD:
            return None
        if not self._arming.active:
            return None
        try:
            subject = self._networks.of(network)
        except Exception as error:  # noqa: BLE001 - watching never raises into the watched call
            self._arming.recorder.error("torch", error)
            return None
        return None if subject.identity.parameters == 0 else subject

    def _end(  # noqa: PLR0913 - on the hot path: no object per call
        self, network: Any, subject: Subject, args: Any, kwargs: Any, result: Any, span: Span
    ) -> None:
        """It has been called."""
        try:
            failed, steps = result is _FAILED, self._arming.nesting.steps
            if subject.identity.parameters is None:
                subject = self._networks.of(network)  # it may have got its size only now
            samples = self._samples(args, kwargs)
            if steps:  # it has trained inside
                self._rows.add("training", subject, span, samples=samples, steps=steps, count=0, failed=failed)
            elif failed or not self._grad_enabled() or not getattr(result, "requires_grad", True):
                self._rows.add("inference", subject, span, samples=samples, failed=failed)
                if self._trainings.stepping:
                    self._trainings.here.passed(span)
            else:
                self._trainings.here.hold(network, subject, span, samples)
        except Exception as error:  # noqa: BLE001 - watching never raises into the watched call
            self._arming.recorder.error("torch", error)

    def _samples(self, args: Any, kwargs: Any) -> int | None:
        """The size of the batch, by the first input. One dimension is one sample, as torch's own layers take it."""
        first = args[0] if args else next(iter(kwargs.values()), None)
        if isinstance(first, dict):
            first = next(iter(first.values()), None)
        if not isinstance(first, self._tensor):
            return batch(first)
        shape = first.shape
        size = shape[0] if len(shape) > 1 else 1
        return size if type(size) is int else None  # a symbol while torch tries out shapes

    def _changing(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """``nn.Module._apply``, under ``to``, ``half``, ``cuda``: it is another precision and device then."""
        arming, networks, compiling = self._arming, self._networks, self._is_compiling

        def _apply(network: Any, /, *args: Any, **kwargs: Any) -> Any:
            __tracebackhide__ = True
            result = original(network, *args, **kwargs)
            if not compiling() and arming.active:
                try:
                    networks.forget(network)
                except Exception as error:  # noqa: BLE001 - watching never raises into the watched call
                    arming.recorder.error("torch", error)
            return result

        return _apply

    def _backward(self, original: Callable[..., Any]) -> Callable[..., Any]:
        arming, nesting = self._arming, self._arming.nesting
        compiling, backward_id = self._is_compiling, self._backward_id

        def backward(*args: Any, **kwargs: Any) -> Any:
            __tracebackhide__ = True
            if compiling() or nesting.depth or not arming.active or backward_id() != _OUTSIDE_BACKWARD:
                return original(*args, **kwargs)
            started_ns, cpu_ns = REAL.monotonic_ns(), REAL.process_time_ns()
            try:
                return original(*args, **kwargs)
            finally:
                try:
                    span = Span(started_ns, REAL.monotonic_ns(), REAL.process_time_ns() - cpu_ns)
                    self._uncompiled(lambda: self._trainings.here.backward(span))
                except Exception as error:  # noqa: BLE001 - watching never raises into the watched call
                    arming.recorder.error("torch", error)

        return backward

    def _stepping(self, *_: Any) -> None:
        """An optimizer begins a step."""
        if not self._is_compiling() and self._arming.active:
            self._trainings.here.begin_step()

    def _stepped(self, optimizer: Any, *_: Any) -> None:
        """It has taken the step."""
        arming = self._arming
        if self._is_compiling() or not arming.active or self._backward_id() != _OUTSIDE_BACKWARD:
            return
        try:
            step = self._trainings.here.end_step()
            if step is None:
                return
            if arming.nesting.depth:
                arming.nesting.steps += 1
            else:
                self._uncompiled(lambda: self._trainings.here.step(optimizer, step))
        except Exception as error:  # noqa: BLE001 - watching never raises into the watched call
            arming.recorder.error("torch", error)


def install(library: ModuleType, arming: Arming) -> None:
    """Patch networks, backwards, loads; hook the optimizers' steps."""
    _Torch(library, arming).watch()
