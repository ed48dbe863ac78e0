"""Energy between two moments, from the readings of a run."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple

from pytest_aifootprint.meters.contract import Unreadable
from pytest_aifootprint.timeline.clock import TICK_NS
from pytest_aifootprint.timeline.readings import BusyReadings, CounterReadings


class TickEnergy(NamedTuple):
    """What happened between two readings of a counter.

    Attributes:
        delta_j: joules metered. busy_s: busy CPU seconds of the machine; None where the platform does not tell.
    """

    t0_ns: int
    t1_ns: int
    delta_j: float
    busy_s: float | None


class _Track:
    """One counter's readings with the intervals between them that a gap lies in."""

    __slots__ = ("_broken", "energy_j", "gaps", "t_ns")

    def __init__(self, readings: CounterReadings) -> None:
        self.t_ns: Sequence[int] = readings.t_ns
        self.energy_j: Sequence[float] = readings.energy_j
        self.gaps: Sequence[Unreadable] = readings.gaps
        broken = [0] * max(0, len(self.t_ns) - 1)
        for gap in readings.gaps:
            after = bisect_right(self.t_ns, gap.t_ns)
            if 0 < after < len(self.t_ns):
                broken[after - 1] = 1
        self._broken = [0, *accumulate(broken)]

    def broken(self, first: int, last: int) -> bool:
        """Whether a gap lies in one of the intervals ``first`` to ``last - 1``."""
        return self._broken[last] > self._broken[first]

    def between(self, a_ns: int, b_ns: int) -> float | None:
        t = self.t_ns
        if not t or a_ns < t[0] or b_ns > t[-1]:
            return None
        if a_ns == b_ns:
            return 0.0
        if self.broken(bisect_right(t, a_ns) - 1, bisect_left(t, b_ns)):
            return None
        return _interpolate(t, self.energy_j, b_ns) - _interpolate(t, self.energy_j, a_ns)


class Timeline:
    """The run's counters and busy seconds, to be asked after the readings were taken.

    Args:
        counters: readings of each domain, in time order. busy: of the machine.
    """

    def __init__(self, counters: Iterable[CounterReadings], busy: BusyReadings) -> None:
        self._tracks = {readings.domain: _Track(readings) for readings in counters}
        self._busy = busy

    @property
    def domains(self) -> tuple[str, ...]:
        """The domains that have a counter."""
        return tuple(self._tracks)

    def gaps(self, domain: str) -> Sequence[Unreadable]:
        """What could not be read. Raises KeyError for a domain without a counter."""
        return self._tracks[domain].gaps

    def energy_between(self, domain: str, a_ns: int, b_ns: int) -> float | None:
        """Joules from ``a_ns`` to ``b_ns``, interpolated linearly inside a tick.

        Returns:
            None if a gap lies between, if a moment lies outside the readings, or without a counter: never 0.

        Raises:
            ValueError: the moments are in the wrong order.
        """
        if b_ns < a_ns:
            raise ValueError(f"the interval ends ({b_ns}) before it begins ({a_ns})")
        track = self._tracks.get(domain)
        return None if track is None else track.between(a_ns, b_ns)

    def ticks(self, domain: str) -> Iterator[TickEnergy]:
        """The intervals between readings, in time order; those with a gap in them are left out."""
        track = self._tracks.get(domain)
        if track is None:
            return
        for i in range(len(track.t_ns) - 1):
            t0, t1 = track.t_ns[i], track.t_ns[i + 1]
            if t1 > t0 and not track.broken(i, i + 1):
                yield TickEnergy(t0, t1, track.energy_j[i + 1] - track.energy_j[i], self.busy_between(t0, t1))

    def busy_between(self, a_ns: int, b_ns: int) -> float | None:
        """Busy CPU seconds of the machine from ``a_ns`` to ``b_ns``; None where they are not known.

        Busy seconds are read microseconds before the counters: an edge up to one tick outside takes the nearest value.
        """
        t = self._busy.t_ns
        if len(t) < 2 or a_ns < t[0] - TICK_NS or b_ns > t[-1] + TICK_NS:
            return None
        at_a, at_b = (_interpolate(t, self._busy.busy_s, min(max(x, t[0]), t[-1])) for x in (a_ns, b_ns))
        return at_b - at_a


def _interpolate(t_ns: Sequence[int], values: Sequence[float], x_ns: int) -> float:
    """The value at a moment within the readings."""
    i = bisect_right(t_ns, x_ns) - 1
    if i + 1 == len(t_ns):
        return values[i]
    return values[i] + (values[i + 1] - values[i]) * ((x_ns - t_ns[i]) / (t_ns[i + 1] - t_ns[i]))
