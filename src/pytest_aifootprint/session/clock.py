"""The edge clock of a process that runs tests: wall and CPU time at an edge, without our own part."""

from __future__ import annotations

from collections.abc import Callable

from pytest_aifootprint.quantities.unfaked import REAL


class EdgeClock:
    """Reads (CLOCK_MONOTONIC ns, lane CPU ns); keeps account of what this plugin itself used.

    The lane's CPU clock is the process tree's CPU minus ours, so our own work is in no window (method: section 1).
    """

    __slots__ = ("_detection_ns", "_last", "_own_threads_ns", "_tree_ns", "errors", "plugin_ns")

    def __init__(
        self,
        tree_ns: Callable[[], int],
        own_threads_ns: Callable[[], int] | None = None,
        detection_ns: Callable[[], int] | None = None,
    ) -> None:
        """Take the tree's clock, that of our own threads if there are any, and what detection used inside calls."""
        self._detection_ns = detection_ns
        self._tree_ns = tree_ns
        self._own_threads_ns = own_threads_ns
        self.plugin_ns = 0
        self.errors: list[str] = []
        self._last = (0, 0)

    def edge(self) -> tuple[int, int]:
        """(t_ns, c_ns) now. Never raises: where a clock fails, the last edge stands, and the error is kept."""
        try:
            self._last = REAL.monotonic_ns(), self._tree_ns() - self.own_ns()
        except Exception as error:  # noqa: BLE001 - an edge is taken inside pytest's own protocol
            self.errors.append(f"clock: {type(error).__name__}: {error}")
        return self._last

    @property
    def last_ns(self) -> int:
        """CLOCK_MONOTONIC of the last edge."""
        return self._last[0]

    def own_ns(self) -> int:
        """CPU ns that this plugin used so far, its threads included."""
        threads = self._own_threads_ns
        detection = self._detection_ns
        own = self.plugin_ns if detection is None else self.plugin_ns + detection()
        return own if threads is None else own + threads()

    def watch_threads(self, own_threads_ns: Callable[[], int]) -> None:
        """From now on take the CPU of our own threads out, too."""
        self._own_threads_ns = own_threads_ns
