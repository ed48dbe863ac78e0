"""When a card's energy went: the counter's joules, laid out in time by the power in between.

The counter is read every few seconds, because reading it costs milliseconds, and the driver moves it ten times a
second; power comes every 20 ms. Over a block of time the counter says how much, power says when. A block is long enough
that it does not matter at which moment of its step the counter was read.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from itertools import accumulate

from msgspec import Struct, field

from pytest_aifootprint.meters.gpu import GpuSignals

NS = 1e-9
BLOCK_NS = 30_000_000_000
"""A counter that steps 10 times a second is wrong by at most 1/300 of a block."""
SPARSE = 3
"""Power entries that are this many times further apart than usual have a hole between them."""

COUNTED, POWER, UNKNOWN = range(3)


class Curve(Struct):
    """The energy of a card over time: tick ``i`` lies between ``t_ns[i]`` and ``t_ns[i + 1]``.

    Attributes:
        joules: of each tick; 0 where it is not known. kind: COUNTED, POWER (integrated, not counted) or UNKNOWN.
    """

    t_ns: list[int] = field(default_factory=list)
    joules: list[float] = field(default_factory=list)
    kind: list[int] = field(default_factory=list)

    def seconds(self, i: int) -> float:
        """Length of a tick."""
        return (self.t_ns[i + 1] - self.t_ns[i]) * NS

    def of_kind(self, kind: int) -> float:
        """Joules of all ticks of a kind."""
        return math.fsum(j for j, k in zip(self.joules, self.kind, strict=True) if k == kind)


class Cumulative:
    """Joules from the beginning of a curve to any moment, on straight lines; flat outside of it."""

    __slots__ = ("_sums", "_t_ns")

    def __init__(self, t_ns: list[int], joules: list[float]) -> None:
        """Take the bounds of the ticks and what is to be summed."""
        self._t_ns = t_ns
        self._sums = [0.0, *accumulate(joules)]

    def at(self, t_ns: int) -> float:
        """Joules until this moment."""
        t, sums = self._t_ns, self._sums
        i = bisect_right(t, t_ns) - 1
        if i < 0 or len(t) < 2:
            return 0.0
        if i >= len(t) - 1:
            return sums[-1]
        return sums[i] + (sums[i + 1] - sums[i]) * ((t_ns - t[i]) / (t[i + 1] - t[i]))

    def cuts(self, a_ns: int, b_ns: int) -> list[int]:
        """The bounds inside of an interval, and its end."""
        t = self._t_ns
        return [*t[bisect_right(t, a_ns) : bisect_left(t, b_ns)], b_ns]

    def between(self, a_ns: int, b_ns: int) -> float:
        """Joules from one moment to a later one."""
        return self.at(b_ns) - self.at(a_ns)


def energy_curve(signals: GpuSignals) -> Curve:
    """The energy of a card over the run.

    Where the counter was read at both ends of a block and went on counting in between, the ticks of the block add up to
    what it says. Where it did not, power is integrated; where there is no power either, nothing is known.
    """
    power = _Power(signals)
    curve = Curve()
    t = signals.counter_t_ns
    if len(t) < 2:
        power.lay_out(curve, *(power.extent() or (0, 0)), None)
        return curve
    breaks = sorted(signals.breaks_ns)
    first = 0
    for i in range(1, len(t)):
        broken = bisect_left(breaks, t[i - 1]) != bisect_right(breaks, t[i])
        if broken:
            _block(curve, power, signals, first, i - 1)
            power.lay_out(curve, t[i - 1], t[i], None)
            first = i
        elif t[i] - t[first] >= BLOCK_NS and t[-1] - t[i] >= BLOCK_NS // 2:
            _block(curve, power, signals, first, i)
            first = i
    _block(curve, power, signals, first, len(t) - 1)
    if max((*breaks[-1:], *signals.gaps_ns[-1:]), default=0) > t[-1] and (extent := power.extent()) is not None:
        power.lay_out(curve, t[-1], extent[1], None)
    return curve


def _block(curve: Curve, power: _Power, signals: GpuSignals, first: int, last: int) -> None:
    t, joules = signals.counter_t_ns, signals.counter_j
    if last > first and power.dense:
        power.lay_out(curve, t[first], t[last], joules[last] - joules[first])
        return
    for i in range(first, last):
        power.lay_out(curve, t[i], t[i + 1], joules[i + 1] - joules[i])


class _Power:
    """Power entries, and the ticks that they cut time into."""

    def __init__(self, signals: GpuSignals) -> None:
        self._t = signals.power_t_ns
        self._w = signals.power_w
        steps = sorted(b - a for a, b in zip(self._t, self._t[1:], strict=False))
        self.dense = bool(steps)
        self._hole_ns = SPARSE * steps[len(steps) // 2] if steps else 0

    def extent(self) -> tuple[int, int] | None:
        return (self._t[0], self._t[-1]) if self.dense else None

    def lay_out(self, curve: Curve, start_ns: int, end_ns: int, joules: float | None) -> None:
        """Add the ticks between two moments: ``joules`` of the counter, or None for the integral of power."""
        if end_ns <= start_ns:
            return
        ticks = self._ticks(start_ns, end_ns)
        known_j = math.fsum((b - a) * NS * w for a, b, w in ticks if w is not None)
        known_s = math.fsum((b - a) * NS for a, b, w in ticks if w is not None)
        # Where power is not known it is taken as the block's mean.
        if joules is not None:
            mean_w = joules / ((end_ns - start_ns) * NS)
            whole_j = known_j + mean_w * ((end_ns - start_ns) * NS - known_s)
            scale = joules / whole_j if whole_j > 0 else 0.0
        if not curve.t_ns:
            curve.t_ns.append(start_ns)
        elif curve.t_ns[-1] != start_ns:
            curve.t_ns.append(start_ns)
            curve.joules.append(0.0)
            curve.kind.append(UNKNOWN)
        for a, b, w in ticks:
            seconds = (b - a) * NS
            curve.t_ns.append(b)
            if joules is None:
                curve.joules.append((w or 0.0) * seconds)
                curve.kind.append(UNKNOWN if w is None else POWER)
            else:
                even = whole_j <= 0
                curve.joules.append(mean_w * seconds if even else (mean_w if w is None else w) * seconds * scale)
                curve.kind.append(COUNTED)

    def _ticks(self, start_ns: int, end_ns: int) -> list[tuple[int, int, float | None]]:
        t, at = self._t, start_ns
        found: list[tuple[int, int, float | None]] = []
        i = bisect_right(t, start_ns)
        while at < end_ns:
            if i >= len(t):
                found.append((at, end_ns, None))
                break
            end = min(t[i], end_ns)
            holed = i == 0 or t[i] - t[i - 1] > self._hole_ns
            found.append((at, end, None if holed else self._w[i]))
            at, i = end, i + 1
        return found
