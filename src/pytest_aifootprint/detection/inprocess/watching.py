"""The wrapper around a model's own method: times the outermost call in this thread, and leaves the inner ones alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from pytest_aifootprint.detection.patching import Arming
from pytest_aifootprint.quantities.unfaked import REAL


class Count(Protocol):
    """Counts one finished call."""

    def __call__(self, model: Any, /, args: tuple[Any, ...], started_ns: int, ended_ns: int, *, failed: bool) -> None:
        """Runs outside the watched time. May raise: that becomes an error of ours."""


def outermost(arming: Arming, where: str, original: Callable[..., Any], count: Count) -> Callable[..., Any]:
    """A wrapper that counts a call unless it runs inside another one that is counted."""
    nesting = arming.nesting

    def call(model: Any, /, *args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        if nesting.depth or not arming.active:
            return original(model, *args, **kwargs)
        failed = True
        started_ns = REAL.monotonic_ns()
        try:
            nesting.depth = 1
            result = original(model, *args, **kwargs)
            failed = False
            return result
        finally:
            ended_ns = REAL.monotonic_ns()
            try:
                count(model, args, started_ns, ended_ns, failed=failed)
            except Exception as error:  # noqa: BLE001 - watching never raises into the watched call
                arming.recorder.error(where, error)
            nesting.depth = 0

    return call
