"""The time base that all processes of one machine share: CLOCK_MONOTONIC, and a grid of ticks on it."""

from __future__ import annotations

from pytest_aifootprint.quantities.units import NS_PER_S

TICK_NS = NS_PER_S // 10
"""Ticks fall on n x 100 ms of CLOCK_MONOTONIC: the same moments in every process (method: section 2)."""


def next_tick_ns(now_ns: int, period_ns: int = TICK_NS) -> int:
    """The first tick after ``now_ns``."""
    return (now_ns // period_ns + 1) * period_ns
