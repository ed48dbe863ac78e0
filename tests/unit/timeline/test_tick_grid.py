"""The grid of ticks."""

from __future__ import annotations

from pytest_aifootprint.timeline.clock import TICK_NS, next_tick_ns


def test_the_grid_is_the_same_in_every_process() -> None:
    assert next_tick_ns(0) == TICK_NS
    assert next_tick_ns(TICK_NS - 1) == TICK_NS
    assert next_tick_ns(TICK_NS) == 2 * TICK_NS
    assert next_tick_ns(7, 5) == 10
