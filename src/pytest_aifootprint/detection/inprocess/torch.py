"""torch: a network's outermost forward is an inference; with a backward or an optimizer's step it is training.

What is training stands in ``torch_training.py``, which network it is in ``torch_identity.py``, what is a load in
``torch_loads.py``.

A module without weights (a loss, an activation) is no model: what it calls is looked at in its place. Silent for
functional code, for ``.forward()`` called by hand, and for a function that ``torch.compile`` has compiled: the networks
in it are part of its graph, in which nothing of ours is (a compiled network is seen). A class that overrides
``__call__`` is seen where that calls the original.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

from pytest_aifootprint.detection.inprocess.identity import Subjects
from pytest_aifootprint.detection.inprocess.rows import Rows, Span, batch
from pytest_aifootprint.detection.inprocess.torch_compiler import is_compiling, leave_alone, uncompiled
from pytest_aifootprint.detection.inprocess.torch_identity import Describe
from pytest_aifootprint.detection.inprocess.torch_loads import Loads
from pytest_aifootprint.detection.inprocess.torch_training import Trainings
from pytest_aifootprint.detection.inprocess.watching import Done, outermost
from pytest_aifootprint.detection.patching import Arming
from pytest_aifootprint.quantities.unfaked import REAL

_OUTSIDE_BACKWARD = -1


class _Torch:
    """The wrappers."""

    def __init__(self, library: Any, arming: Arming) -> None:
        self._torch = library
        self._arming = arming
        self._rows = Rows(arming.recorder, "torch")
        describe = Describe(library)
        self._networks = Subjects(describe)
        self._trainings = Trainings.of(arming.recorder, self._rows)
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
        nesting, passes = self._arming.nesting, self._passes()
        outer = outermost(self._arming, "torch", original, self._count)

        if original is getattr(self._torch.nn.Module, "_wrapped_call_impl", None):
            # torch's own, which does nothing but this: our frame stands in place of its.
            def call(network: Any, /, *args: Any, **kwargs: Any) -> Any:
                __tracebackhide__ = True
                if nesting.depth or passes(network):
                    if network._compiled_call_impl is None:  # noqa: SLF001
                        return network._call_impl(*args, **kwargs)  # noqa: SLF001
                    return network._compiled_call_impl(*args, **kwargs)  # noqa: SLF001
                return outer(network, *args, **kwargs)
        else:

            def call(network: Any, /, *args: Any, **kwargs: Any) -> Any:
                __tracebackhide__ = True
                if nesting.depth or passes(network):
                    return original(network, *args, **kwargs)
                return outer(network, *args, **kwargs)

        return call

    def _passes(self) -> Callable[[Any], bool]:
        """Whether a call that is in no other one is none of ours."""
        is_compiling, backward_id = self._is_compiling, self._backward_id
        arming, networks = self._arming, self._networks

        def passes(network: Any) -> bool:
            if is_compiling() or not arming.active or backward_id() != _OUTSIDE_BACKWARD:
                return True
            try:
                return networks.of(network).identity.parameters == 0
            except Exception as error:  # noqa: BLE001 - watching never raises into the watched call
                arming.recorder.error("torch", error)
                return True

        return passes

    def _count(self, network: Any, done: Done, /) -> None:
        torch, steps = self._torch, self._arming.nesting.steps
        subject = self._networks.of(network)
        # In a trace, looking at a shape would become part of it.
        samples = None if torch._C._get_tracing_state() else _samples(done)  # noqa: SLF001 - torch's own does the same
        if steps:  # it has trained inside
            self._rows.add("training", subject, done.span, samples=samples, steps=steps, count=0, failed=done.failed)
        elif done.failed or not torch.is_grad_enabled() or not getattr(done.result, "requires_grad", True):
            self._rows.add("inference", subject, done.span, samples=samples, failed=done.failed)
            self._trainings.here.passed(done.span)
        else:
            self._trainings.here.hold(network, subject, done.span, samples)

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


def _samples(done: Done) -> int | None:
    """The size of the batch, by the first input. One dimension is one sample, as torch's own layers take it."""
    first = done.args[0] if done.args else next(iter(done.kwargs.values()), None)
    if isinstance(first, dict):
        first = next(iter(first.values()), None)
    return 1 if getattr(first, "ndim", None) == 1 else batch(first)


def install(library: ModuleType, arming: Arming) -> None:
    """Patch networks, backwards, loads; hook the optimizers' steps."""
    _Torch(library, arming).watch()
