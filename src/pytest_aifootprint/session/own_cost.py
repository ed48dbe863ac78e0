"""What our hooks cost the process: measured in some tests, and taken to be the same in the others.

Two readings of the CPU clock around every hook would be sixteen system calls a test. So the hooks of every
``EVERY``-th test are measured, where they run and as warm or cold as everything is there, and the mean stands for the
tests in between.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pytest_aifootprint.quantities.unfaked import REAL
from pytest_aifootprint.session.clock import EdgeClock

EVERY = 16
FIRST = 24
"""All of the first ones are measured: until then no mean is known. The very first runs code for the first time."""
OUTLIER = 4
"""A measurement counts in the mean at most so many times the mean before: a collection of garbage may fall into one."""


class OwnCost:
    """The mean CPU ns of one hook of ours."""

    __slots__ = ("_clock", "_n", "_sum_ns", "mean_ns")

    def __init__(self, clock: EdgeClock) -> None:
        """Take the clock that keeps account of what we use."""
        self._clock = clock
        self._n = 0
        self._sum_ns = 0
        self.mean_ns = 0

    def weigh(self, work: Callable[..., Any], *arguments: Any) -> Any:
        """Do the work of a hook, and book what it took; what the work booked itself is not booked again."""
        clock, thread_time_ns = self._clock, REAL.thread_time_ns
        booked_ns, began_ns = clock.plugin_ns, thread_time_ns()
        try:
            return work(*arguments)
        finally:
            spent_ns = thread_time_ns() - began_ns - (clock.plugin_ns - booked_ns)
            clock.plugin_ns += spent_ns
            self._note(spent_ns)

    def _note(self, spent_ns: int) -> None:
        self._n += 1
        if self._n > 1:
            likely_ns = min(spent_ns, OUTLIER * self.mean_ns) if self._n > 2 else spent_ns
            self._sum_ns += likely_ns
            self.mean_ns = self._sum_ns // (self._n - 1)
