"""Watts of a card at rest: bare, and with a context of ours (method: section 2). Found at the end, never by waiting.

A context makes a data-centre card draw much more while it does nothing: an H100 76 W bare and 122 to 127 W with one.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable

from msgspec import Struct

from pytest_aifootprint.attribution.gpu_curve import UNKNOWN, Curve
from pytest_aifootprint.attribution.gpu_mig import nobody_there
from pytest_aifootprint.meters.gpu import GpuSignals
from pytest_aifootprint.quantities import Basis

NS = 1e-9
PERCENTILE = 0.05
LEAST_S = 0.4
STRETCH_S = 1.0
LOOK_BACK_NS = 250_000_000
LOOK_AHEAD_NS = 500_000_000
"""Load is of the last 1/6 s to 1 s (NVML API reference, nvmlUtilization_t): a later value tells of this moment, too."""


class _Rest(Struct, eq=False):
    """Ticks next to each other in which nothing ran: one alone may hold no step of the counter, or two."""

    seconds: float = 0.0
    joules: float = 0.0


class GpuIdle(Struct, frozen=True):
    """Watts of a card at rest.

    Attributes:
        bare_w: without a context of ours. held_w: with one; None where no such moment was seen.
        basis: measured, or assumed where no bare moment was seen. how: one phrase.
    """

    bare_w: float
    held_w: float | None
    basis: Basis
    how: str


def gpu_idle(curve: Curve, signals: GpuSignals, ours_at: Callable[[int], bool | None]) -> GpuIdle:
    """The two idle levels: the 5th percentile of power over ticks in which nothing ran.

    Args:
        curve: energy over time.
        signals: for the load.
        ours_at: whether a process of ours has a context at a moment; None where that is in doubt.

    Returns:
        Levels in watts. Without a bare moment the level with a context stands for it; without either it is 0, and all
        energy is somebody's.
    """
    bare: list[_Rest] = []
    held: list[_Rest] = []
    before: _Rest | None = None
    for i, (joules, kind) in enumerate(zip(curve.joules, curve.kind, strict=True)):
        start, end = curve.t_ns[i], curve.t_ns[i + 1]
        ours = ours_at(start)
        if kind == UNKNOWN or ours is None or ours is not ours_at(end - 1) or not _at_rest(signals, start, end):
            before = None
            continue
        where = held if ours else bare
        if before is None or before is not (where[-1] if where else None) or before.seconds >= STRETCH_S:
            before = _Rest()
            where.append(before)
        before.seconds += (end - start) * NS
        before.joules += joules
    bare_w, held_w = _percentile(bare), _percentile(held)
    if bare_w is not None and signals.mig is not None and signals.mig.unseen:
        how = "what it took while no process was seen on it; MIG instances that are not to be seen may have worked"
        return GpuIdle(bare_w, None if held_w is None else max(held_w, bare_w), Basis.ASSUMED, how)
    if bare_w is not None:
        return GpuIdle(bare_w, None if held_w is None else max(held_w, bare_w), Basis.MEASURED, "bare, nothing running")
    if held_w is not None:
        return GpuIdle(held_w, held_w, Basis.ASSUMED, "with a context: no moment without one was seen")
    return GpuIdle(0.0, None, Basis.ASSUMED, "no moment was seen in which nothing ran")


def _at_rest(signals: GpuSignals, start_ns: int, end_ns: int) -> bool:
    t, percent = signals.load_t_ns, signals.load_percent
    i, j = bisect_left(t, start_ns - LOOK_BACK_NS), bisect_right(t, end_ns + LOOK_AHEAD_NS)
    if signals.mig is not None and j > i and max(percent[i:j]) < 0:
        return nobody_there(signals, start_ns)
    return j > i and not any(percent[i:j])


def _percentile(rests: list[_Rest]) -> float | None:
    """By time: the power that 5 % of the seconds stay below."""
    found = sorted((rest.joules / rest.seconds, rest.seconds) for rest in rests if rest.seconds >= LEAST_S)
    if not found:
        return None
    whole_s, passed_s = math.fsum(seconds for _, seconds in found), 0.0
    for power_w, seconds in found:
        passed_s += seconds
        if passed_s >= PERCENTILE * whole_s:
            return power_w
    return found[-1][0]
