"""One clock, several users at the same time: who bears which part of what it ran.

The clock is anything that only counts up and that its users read when they begin and when they end: the CPU clock of a
server that several tests call at once. From one reading to the next, whosever it is, the increase is divided equally
among those who are open then. Where nobody is open, nobody pays.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import NamedTuple


class Use(NamedTuple):
    """One user's two readings: (CLOCK_MONOTONIC, the clock) at its beginning and at its end, in ns."""

    t0_ns: int
    t1_ns: int
    c0_ns: int
    c1_ns: int


class Part(NamedTuple):
    """What the clock ran for the use of this index between two moments, in ns."""

    use: int
    t0_ns: int
    t1_ns: int
    ns: int


class Split(NamedTuple):
    """Who bears what.

    Attributes:
        parts: in order of time; none of 0 ns.
        ignored: indexes of the uses whose readings go backwards: their clock is not the one they began with.
    """

    parts: list[Part]
    ignored: list[int]


def split_uses(uses: Sequence[Use]) -> Split:
    """Divide what the clock ran while anybody was open, in equal parts among those who were.

    Args:
        uses: of one clock, in any order.

    Returns:
        Integer ns that add up exactly to what the clock ran while at least one use was open; a use that was alone has
        its own ``c1_ns - c0_ns``. Readings of several observers may be a little out of order: while anybody is open, a
        reading below an earlier one counts as no increase.
    """
    ignored = [i for i, use in enumerate(uses) if use.t1_ns < use.t0_ns or use.c1_ns < use.c0_ns]
    passed_over = frozenset(ignored)
    begins: dict[tuple[int, int], list[int]] = {}
    ends: dict[tuple[int, int], list[int]] = {}
    for i, (t0, t1, c0, c1) in enumerate(uses):
        # Whoever ends where he began has seen nothing; a use of no length may still have seen the clock run.
        if i not in passed_over and (t0, c0) != (t1, c1):
            begins.setdefault((t0, c0), []).append(i)
            ends.setdefault((t1, c1), []).append(i)
    parts: list[Part] = []
    extra: dict[int, int] = {}  # who is open, and how many odd nanoseconds he has borne
    before_ns = highest = 0
    for point in sorted({*begins, *ends}):
        t, c = point
        if not extra:
            highest = c  # nobody cares what the clock did in between, a restart included
        elif c > highest:
            parts += (Part(i, before_ns, t, ns) for i, ns in _shares(c - highest, extra, uses) if ns)
            highest = c
        for i in ends.get(point, ()):
            del extra[i]
        extra.update(dict.fromkeys(begins.get(point, ()), 0))
        before_ns = t
    return Split(parts, ignored)


def _shares(rise: int, extra: dict[int, int], uses: Sequence[Use]) -> list[tuple[int, int]]:
    """Equal integer shares; an odd nanosecond goes to those who bore the fewest so far."""
    share, odd = divmod(rise, len(extra))
    if not odd:
        return [(i, share) for i in extra]
    # What breaks a tie is the use itself, not its place in the list, so that the order of the list changes nothing.
    unlucky = heapq.nsmallest(odd, extra, key=lambda i: (extra[i], uses[i], i))
    for i in unlucky:
        extra[i] += 1
    chosen = frozenset(unlucky)
    return [(i, share + (i in chosen)) for i in extra]
