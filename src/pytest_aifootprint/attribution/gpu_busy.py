"""Seconds in which a card worked, laid out in time: what its manufacture is shared by (method: section 6).

The driver's load is the share of the last 1/6 s to 1 s in which anything ran (NVML API reference, nvmlUtilization_t):
load x time says how long the card worked, but not when, and it comes late. What the card took above rest says when. So
over a block of time the load says how much, and the block's ticks share it by their joules above rest, none getting
more than its own length; what is left over came late, and is of the block before. Busy seconds are no joules: a test
that kept the card half as warm for as long bears as much of its manufacture.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise

from msgspec import Struct

from pytest_aifootprint.attribution.gpu_curve import Cumulative, Curve
from pytest_aifootprint.meters.gpu import GpuSignals
from pytest_aifootprint.timeline.clock import TICK_NS

NS = 1e-9
LONGEST_NS, LEAST_NS = 1_000_000_000, 200_000_000
"""Of the driver's periods."""
PERIODS = 10
"""In a block. More: work with pauses of the card and work without are told apart worse. Fewer: more of the load is told
when its block is over (tests/unit/attribution/test_gpu_busy.py plays both)."""
FAINT = 0.03
"""Of the card's highest power above rest: less of it may be the noise of its rest."""
LATE_NS = LONGEST_NS + TICK_NS
"""So long before the first look that shows a load, the work may have begun."""
BY_LOAD = "the driver's load x time, when the card took more than at rest"
BY_HOLDING = "the driver tells no load: all the time in which the card took power for its holders counts"


class BusyTime(Struct, frozen=True):
    """Busy seconds over time.

    Attributes:
        track: from the beginning to any moment, in seconds. whole_s: over the run. how: they were found, one phrase.
    """

    track: Cumulative
    whole_s: float
    how: str


def busy_time(signals: GpuSignals, curve: Curve, above_rest_j: Sequence[float]) -> BusyTime:
    """When the card worked.

    Args:
        signals: for the load.
        curve: for the ticks.
        above_rest_j: of every tick, what the card took above rest; 0 where its energy is not known.

    Returns:
        Seconds, between 0 and its own length in every tick, and 0 where nothing was taken above rest. Where the driver
        tells no load there is no rest to be found either, and whoever holds the card has it (``BY_HOLDING``).
    """
    ticks_s = [curve.seconds(i) for i in range(len(curve.joules))]
    busy_s = [0.0] * len(ticks_s)
    looks = _looks(signals)
    if not looks:
        busy_s = [s if j > 0 else 0.0 for s, j in zip(ticks_s, above_rest_j, strict=True)]
    faint_w = FAINT * max((j / s for j, s in zip(above_rest_j, ticks_s, strict=True) if s > 0), default=0.0)
    strong_j = [j if j >= faint_w * s else 0.0 for j, s in zip(above_rest_j, ticks_s, strict=True)]

    def place(weights: Sequence[float], ticks: range, seconds: float) -> float:
        """Fill the ticks; returns what found no room."""
        filled = fill([weights[i] for i in ticks], [ticks_s[i] - busy_s[i] for i in ticks], seconds)
        for i, more in zip(ticks, filled, strict=True):
            busy_s[i] += more
        return max(seconds - math.fsum(filled), 0.0)

    late_s = 0.0
    blocks = list(_blocks(looks, PERIODS * _period_ns(looks)))
    for n in range(len(blocks) - 1, -1, -1):
        start_ns, end_ns, load_s = blocks[n]
        first, last = bisect_left(curve.t_ns, start_ns), bisect_left(curve.t_ns, end_ns)
        ticks = range(first, min(last, len(ticks_s)))
        late_s = place(strong_j, ticks, load_s + late_s)
        # Load that found no room came late: it is of the block before, if there was no pause in between.
        if n == 0 or blocks[n - 1][1] != start_ns:
            place(above_rest_j, ticks, late_s)
            late_s = 0.0
    return BusyTime(Cumulative(curve.t_ns, busy_s), math.fsum(busy_s), BY_LOAD if looks else BY_HOLDING)


def fill(weights: Sequence[float], room: Sequence[float], amount: float) -> list[float]:
    """Divide an amount by weights, nobody getting more than there is room for.

    Returns:
        ``min(room, k x weight)`` of each, with k such that the sum is ``amount``; where the room of those with a weight
        does not suffice, all of it.
    """
    shares = [0.0] * len(weights)
    order = sorted((i for i, w in enumerate(weights) if w > 0), key=lambda i: room[i] / weights[i])
    left = list(accumulate(weights[i] for i in reversed(order)))  # the weight of each and of all after it, backwards
    for n, i in enumerate(order):
        per_weight = amount / left[-1 - n]
        if per_weight * weights[i] < room[i]:
            for j in order[n:]:
                shares[j] = per_weight * weights[j]
            break
        shares[i] = room[i]
        amount = max(amount - room[i], 0.0)
    return shares


def _looks(signals: GpuSignals) -> list[tuple[int, int, float]]:
    """(from, to, share in which anything ran) between looks; what is not known is as it was before, or after."""
    t, percent = signals.load_t_ns, signals.load_percent
    known = next((p for p in percent if p >= 0), -1)
    found: list[tuple[int, int, float]] = []
    if known < 0:
        return found
    for i in range(1, len(t)):
        known = percent[i] if percent[i] >= 0 else known
        found.append((t[i - 1], t[i], known / 100))
    return found


def _period_ns(looks: Sequence[tuple[int, int, float]]) -> int:
    """How often the driver tells a new load: the median time between two changes that may be neighbours."""
    changes = [b[0] for a, b in pairwise(looks) if a[2] != b[2]]
    steps = sorted(b - a for a, b in pairwise(changes) if b - a <= LATE_NS)
    return min(max(steps[len(steps) // 2], LEAST_NS), LONGEST_NS) if steps else LONGEST_NS


def _blocks(looks: Sequence[tuple[int, int, float]], length_ns: int) -> Iterator[tuple[int, int, float]]:
    """(from, to, busy seconds) of times in which the load is above 0, in pieces of this length."""
    start = ended = 0
    load_s = 0.0
    for a, b, share in looks:
        if share <= 0:
            if load_s:
                yield start, a, load_s
                ended, load_s = a, 0.0
            continue
        if not load_s:
            start = max(a - LATE_NS, ended)
        load_s += share * (b - a) * NS
        if b - start >= length_ns:
            yield start, b, load_s
            ended, load_s = b, 0.0
    if load_s:
        yield start, looks[-1][1], load_s
