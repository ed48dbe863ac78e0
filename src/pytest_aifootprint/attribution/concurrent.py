"""Windows that are open at the same time in one process: tests in threads, or on one event loop (method: section 1).

The process has one CPU clock. From one edge to the next, of whichever window, its increase is divided: what a thread
used by its own clock goes to the window on it (to several in equal parts, if they share an event loop), the rest of the
process (threads that tests started, children) in equal parts to all. So the parts always add up to what the process
used.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Sequence

from msgspec import Struct, field

from pytest_aifootprint.attribution.lanes import Piece
from pytest_aifootprint.quantities.unfaked import REAL

_THREAD_CLOCK = 6  # CPUCLOCK_PERTHREAD_MASK and CPUCLOCK_SCHED of the kernel's posix-timers


def thread_cpu_ns(thread: int) -> int | None:
    """CPU ns of a thread of this process, by its ``threading.get_native_id``; None if it ended or nobody tells.

    By the kernel's number of the thread, not by pthread's: asking for the clock of one that ended must not crash.
    """
    if sys.platform != "linux":
        return None
    try:
        return int(REAL.clock_gettime_ns((~thread << 3) | _THREAD_CLOCK))
    except OSError:
        return None


class OpenWindow(Struct, eq=False):
    """One window while it is open.

    Attributes:
        owner, phase: whom its pieces belong to from here on. thread: that it runs on, by its native id.
        pieces: filled at every edge.
    """

    owner: int
    phase: int
    thread: int
    pieces: list[Piece] = field(default_factory=list)


class Concurrent:
    """Divides one CPU clock among the windows that are open. Not thread-safe: the caller holds a lock."""

    def __init__(self, t_ns: int, c_ns: int, thread_ns: Callable[[int], int | None] = thread_cpu_ns) -> None:
        """Begin at an edge: CLOCK_MONOTONIC and the process's CPU clock, in ns."""
        self._at = (t_ns, c_ns)
        self._thread_ns = thread_ns
        self._windows: list[OpenWindow] = []
        self._threads: dict[int, int | None] = {}

    @property
    def windows(self) -> Sequence[OpenWindow]:
        """Those that are open."""
        return self._windows

    def open(self, window: OpenWindow, t_ns: int, c_ns: int) -> None:
        """A window opens at this edge."""
        self.edge(t_ns, c_ns)
        self._windows.append(window)
        if window.thread not in self._threads:
            self._threads[window.thread] = self._thread_ns(window.thread)

    def close(self, window: OpenWindow, t_ns: int, c_ns: int) -> None:
        """A window closes at this edge; one that is not open is passed over."""
        self.edge(t_ns, c_ns)
        if window in self._windows:
            self._windows.remove(window)
            if all(other.thread != window.thread for other in self._windows):
                del self._threads[window.thread]

    def edge(self, t_ns: int, c_ns: int) -> None:
        """Divide what the process used since the last edge among the windows that are open."""
        (t0, c0), self._at = self._at, (t_ns, c_ns)
        windows = self._windows
        if not windows:
            return
        on_thread = Counter(window.thread for window in windows)
        own = self._used_by_thread()
        parts = [0] * len(windows)
        for thread, used in own.items():
            mine = [i for i, window in enumerate(windows) if window.thread == thread]
            for i, part in zip(mine, _evenly(used, on_thread[thread]), strict=True):
                parts[i] = part
        rest = _evenly(c_ns - c0 - sum(own.values()), len(windows))
        times = _evenly(t_ns - t0, len(windows))
        for window, part, more, time_ns in zip(windows, parts, rest, times, strict=True):
            if part + more or time_ns:
                window.pieces.append(Piece(window.owner, window.phase, t0, t_ns, part + more, time_ns))

    def _used_by_thread(self) -> dict[int, int]:
        """CPU ns of every thread that has a window, since the last edge; 0 where its clock cannot be read."""
        used: dict[int, int] = {}
        for thread, before in self._threads.items():
            now = self._thread_ns(thread)
            used[thread] = now - before if now is not None and before is not None else 0
            self._threads[thread] = now
        return used


def _evenly(whole: int, n: int) -> list[int]:
    """``n`` integers as equal as can be that add up to the whole."""
    part, left = divmod(whole, n)
    return [part + (i < left) for i in range(n)]
