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
CALLS_EVERY = 128
"""What pluggy does for us (``dispatch``) is measured after the first tests, and after every so many."""
_READINGS = 5


class OwnCost:
    """The CPU ns of one hook of ours.

    Attributes:
        mean_ns: of its work, and what pytest's call of it takes besides.
    """

    __slots__ = ("_around_ns", "_clock", "_n", "_reading_ns", "_sum_ns", "_work_ns", "mean_ns")

    def __init__(self, clock: EdgeClock) -> None:
        """Take the clock that keeps account of what we use."""
        self._clock = clock
        self._n = 0
        self._sum_ns = self._work_ns = self._around_ns = 0
        self.mean_ns = 0
        # The clock sees itself being read once; the tests that the mean stands for do without.
        now = REAL.thread_time_ns
        self._reading_ns = min(-now() + now() for _ in range(_READINGS))

    def called_by(self, around_ns: int) -> None:
        """What a call of the hook takes besides its work, from now on booked with that."""
        self._around_ns = around_ns
        self.mean_ns = self._work_ns + around_ns

    def weigh(self, work: Callable[..., Any], *arguments: Any) -> Any:
        """Do the work of a hook, and book what it took; what the work booked itself is not booked again."""
        clock, thread_time_ns = self._clock, REAL.thread_time_ns
        booked_ns, began_ns = clock.plugin_ns, thread_time_ns()
        try:
            return work(*arguments)
        finally:
            spent_ns = thread_time_ns() - began_ns - (clock.plugin_ns - booked_ns)
            clock.plugin_ns += spent_ns + self._around_ns
            self._note(spent_ns)

    def _note(self, spent_ns: int) -> None:
        self._n += 1
        if self._n > 1:
            likely_ns = spent_ns - self._reading_ns
            self._sum_ns += min(likely_ns, OUTLIER * self._work_ns) if self._n > 2 else likely_ns
            self._work_ns = self._sum_ns // (self._n - 1)
            self.mean_ns = self._work_ns + self._around_ns
