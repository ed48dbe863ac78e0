"""The wrappers around a model's own methods: they time the outermost call in this thread; inner ones are its part."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from pytest_aifootprint.detection.inprocess.rows import Span
from pytest_aifootprint.detection.patching import Arming
from pytest_aifootprint.quantities.unfaked import REAL


class Done(NamedTuple):
    """A call that is over. ``result`` is None where it failed."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    result: Any
    span: Span
    failed: bool

    def argument(self, position: int, name: str) -> Any:
        """An argument by its position behind ``self``, or by its name; None if it was not given."""
        return self.args[position] if len(self.args) > position else self.kwargs.get(name)


class Count(Protocol):
    """Counts one finished call."""

    def __call__(self, model: Any, done: Done, /) -> None:
        """Runs outside the watched time. May raise: that becomes an error of ours."""


def outermost(
    arming: Arming, where: str, original: Callable[..., Any], count: Count, *, heavy: bool = False
) -> Callable[..., Any]:
    """A wrapper that counts a call unless it runs inside another one that is counted.

    Args:
        arming: what is nested in what.
        where: the framework, for errors of ours.
        original: the method.
        count: hears of each outermost call.
        heavy: it takes long enough to ask for the CPU of child processes too (a training: 3 us).
    """
    nesting, recorder = arming.nesting, arming.recorder
    monotonic_ns = REAL.monotonic_ns

    def call(model: Any, /, *args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        if nesting.depth or not arming.active:
            return original(model, *args, **kwargs)
        failed, result = True, None
        cpu_clock_ns = recorder.tree_cpu_ns if heavy else REAL.process_time_ns
        nesting.steps = nesting.tokens = 0
        started_ns, cpu_ns = monotonic_ns(), cpu_clock_ns()
        try:
            nesting.depth = 1
            result = original(model, *args, **kwargs)
            failed = False
            return result
        finally:
            span = Span(started_ns, monotonic_ns(), cpu_clock_ns() - cpu_ns)
            try:
                count(model, Done(args, kwargs, result, span, failed))
            except Exception as error:  # noqa: BLE001 - watching never raises into the watched call
                recorder.error(where, error)
            nesting.depth = 0

    return call


def loading(
    arming: Arming, where: str, original: Callable[..., Any], loaded: Count, *, method: bool = True
) -> Callable[..., Any]:
    """A wrapper for what loads a model. What runs inside a load (a warm-up, a model's parts) belongs to it.

    Args:
        arming: what is nested in what.
        where: the framework, for errors of ours.
        original: a constructor, the function of a class method, or (``method=False``) a plain function.
        loaded: hears of each outermost load, with the first argument (``self``, the class; None for a plain function)
            and the rest; a plain function's model is ``done.result``.
        method: whether there is a first argument that is no argument.
    """
    nesting, recorder = arming.nesting, arming.recorder

    def load(*args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        if nesting.loading or not arming.active:
            return original(*args, **kwargs)
        failed, result = True, None
        depth = nesting.depth
        started_ns, cpu_ns = REAL.monotonic_ns(), recorder.tree_cpu_ns()
        try:
            nesting.loading = True
            nesting.depth = depth or 1
            result = original(*args, **kwargs)
            failed = False
            return result
        finally:
            span = Span(started_ns, REAL.monotonic_ns(), recorder.tree_cpu_ns() - cpu_ns)
            nesting.depth = depth
            try:
                first, rest = (args[0], args[1:]) if method and args else (None, args)
                loaded(first, Done(rest, kwargs, result, span, failed))
            except Exception as error:  # noqa: BLE001 - watching never raises into the watched call
                recorder.error(where, error)
            nesting.loading = False

    return load
