"""The edge clock of a process that runs tests: wall and CPU time at an edge, without our own part."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from pytest_aifootprint.quantities.unfaked import REAL


class Detection(Protocol):
    """Whoever watches calls. ``own_ns``: CPU ns that it used inside of them."""

    own_ns: int


class _Nobody:
    own_ns = 0


_NONE = _Nobody()


class EdgeClock:
    """Reads (CLOCK_MONOTONIC ns, lane CPU ns); keeps account of what this plugin itself used.

    The lane's CPU clock is the process tree's CPU minus ours, so our own work is in no window (method: section 1).
    """

    __slots__ = (
        "_detection",
        "_last",
        "_monotonic_ns",
        "_own_threads_ns",
        "_quick_ns",
        "_tree_ns",
        "errors",
        "plugin_ns",
    )

    def __init__(
        self,
        tree_ns: Callable[[], int],
        own_threads_ns: Callable[[], int] | None = None,
        detection: Detection | None = None,
        quick_ns: Callable[[], int] | None = None,
    ) -> None:
        """Take the tree's clock, that of our own threads if there are any, and what detection used inside calls.

        ``quick_ns``: the tree's clock for ``chained``; None: the same.
        """
        self._quick_ns = tree_ns if quick_ns is None else quick_ns
        self._detection: Detection = _NONE if detection is None else detection
        self._monotonic_ns: Callable[[], int] = REAL.monotonic_ns
        self._tree_ns = tree_ns
        self._own_threads_ns = own_threads_ns
        self.plugin_ns = 0
        self.errors: list[str] = []
        self._last = (0, 0)

    def edge(self) -> tuple[int, int]:
        """(t_ns, c_ns) now. Never raises: where a clock fails, the last edge stands, and the error is kept."""
        try:
            own_ns = self.plugin_ns + self._detection.own_ns  # own_ns(), without a call: four times a test
            if self._own_threads_ns is not None:
                own_ns += self._own_threads_ns()
            self._last = self._monotonic_ns(), self._tree_ns() - own_ns
        except Exception as error:  # noqa: BLE001 - an edge is taken inside pytest's own protocol
            self.errors.append(f"clock: {type(error).__name__}: {error}")
        return self._last

    def chained(self) -> tuple[int, int]:
        """As ``edge``, where another edge of the same test is to follow: what that sees late is in this test, too."""
        try:
            own_ns = self.plugin_ns + self._detection.own_ns
            if self._own_threads_ns is not None:
                own_ns += self._own_threads_ns()
            self._last = self._monotonic_ns(), self._quick_ns() - own_ns
        except Exception as error:  # noqa: BLE001 - as above
            self.errors.append(f"clock: {type(error).__name__}: {error}")
        return self._last

    def book(self, work: Callable[..., object], *arguments: Any, **named: Any) -> None:
        """Do work of our own, and keep account of the CPU of this thread that it took."""
        began_ns = REAL.thread_time_ns()
        try:
            work(*arguments, **named)
        finally:
            self.plugin_ns += REAL.thread_time_ns() - began_ns

    @property
    def last_ns(self) -> int:
        """CLOCK_MONOTONIC of the last edge."""
        return self._last[0]

    def own_ns(self) -> int:
        """CPU ns that this plugin used so far, its threads included."""
        threads = self._own_threads_ns
        own = self.plugin_ns + self._detection.own_ns
        return own if threads is None else own + threads()

    def watch_threads(self, own_threads_ns: Callable[[], int]) -> None:
        """From now on take the CPU of our own threads out, too."""
        self._own_threads_ns = own_threads_ns
