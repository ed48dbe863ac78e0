"""Energy between two moments."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_aifootprint.meters.contract import Unreadable
from pytest_aifootprint.timeline.clock import next_tick_ns
from pytest_aifootprint.timeline.readings import BusyReadings, CounterReadings
from pytest_aifootprint.timeline.timeline import TickEnergy, Timeline

TICK = 100_000_000


def timeline(
    points: list[tuple[int, float]], gaps: list[int] | None = None, busy: BusyReadings | None = None
) -> Timeline:
    readings = CounterReadings("cpu", "rapl")
    readings.t_ns.extend(t for t, _ in points)
    readings.energy_j.extend(e for _, e in points)
    readings.gaps.extend(Unreadable(t, "away", "wait") for t in gaps or [])
    return Timeline([readings], busy or BusyReadings())


def energy(line: Timeline, a_ns: int, b_ns: int) -> float:
    joules = line.energy_between("cpu", a_ns, b_ns)
    assert joules is not None
    return joules


def test_inside_a_tick_energy_is_linear() -> None:
    line = timeline([(0, 0), (TICK, 10), (2 * TICK, 40)])
    assert energy(line, 0, TICK) == 10
    assert energy(line, TICK // 2, TICK) == 5
    assert energy(line, TICK // 2, TICK * 3 // 2) == 20
    assert energy(line, 0, 2 * TICK) == 40
    assert energy(line, TICK, TICK) == 0


def test_what_cannot_be_known_is_none_and_never_zero() -> None:
    line = timeline([(TICK, 0), (2 * TICK, 10)])
    assert line.energy_between("cpu", 0, 2 * TICK) is None
    assert line.energy_between("cpu", TICK, 3 * TICK) is None
    assert line.energy_between("cpu", 0, 0) is None
    assert line.energy_between("gpu0", TICK, 2 * TICK) is None
    assert timeline([]).energy_between("cpu", 0, 0) is None
    assert energy(timeline([(5, 1)]), 5, 5) == 0


def test_the_wrong_order_is_an_error() -> None:
    with pytest.raises(ValueError, match="before it begins"):
        timeline([(0, 0), (10, 1)]).energy_between("cpu", 5, 4)


def test_a_gap_makes_its_interval_unknown_and_no_other() -> None:
    line = timeline([(0, 0), (100, 1), (300, 3), (400, 4)], gaps=[200])
    assert energy(line, 0, 100) == 1
    assert energy(line, 300, 400) == 1
    for a, b in ((0, 150), (150, 160), (100, 300), (250, 400), (0, 400)):
        assert line.energy_between("cpu", a, b) is None
    assert [(t.t0_ns, t.t1_ns) for t in line.ticks("cpu")] == [(0, 100), (300, 400)]
    assert [g.reason for g in line.gaps("cpu")] == ["away"]


def test_gaps_before_the_first_and_after_the_last_reading_spoil_nothing() -> None:
    line = timeline([(100, 1), (200, 2)], gaps=[50, 60, 250])
    assert energy(line, 100, 200) == 1


def test_ticks_carry_the_joules_and_the_busy_seconds() -> None:
    busy = BusyReadings()
    busy.t_ns.extend([0, TICK, 2 * TICK])
    busy.busy_s.extend([10.0, 10.1, 10.4])
    # Counters are read some microseconds after the busy seconds.
    line = timeline([(0, 0), (TICK, 3), (2 * TICK + 9_000, 9)], busy=busy)
    first, second = line.ticks("cpu")
    assert first[:3] == TickEnergy(0, TICK, 3.0, None)[:3]
    assert first.busy_s == pytest.approx(0.1)
    assert second.delta_j == 6
    assert second.busy_s == pytest.approx(0.3)
    assert line.busy_between(0, 4 * TICK) is None


def test_without_busy_seconds_a_tick_says_so() -> None:
    (tick,) = timeline([(0, 0), (TICK, 3)]).ticks("cpu")
    assert tick.busy_s is None
    assert list(timeline([]).ticks("gpu0")) == []


def test_two_readings_at_one_moment_are_no_tick() -> None:
    line = timeline([(0, 0), (100, 1), (100, 2), (200, 3)])
    assert [(t.t0_ns, t.delta_j) for t in line.ticks("cpu")] == [(0, 1), (100, 1)]
    assert energy(line, 0, 200) == 3


def test_the_grid_is_the_same_in_every_process() -> None:
    assert next_tick_ns(0) == TICK
    assert next_tick_ns(TICK - 1) == TICK
    assert next_tick_ns(TICK) == 2 * TICK
    assert next_tick_ns(7, 5) == 10


RUN = st.lists(st.tuples(st.integers(1, 10**9), st.floats(0, 500)), min_size=1, max_size=30)


@st.composite
def runs(draw: st.DrawFn) -> tuple[Timeline, list[int]]:
    """A run's readings with gaps, and three moments in it in order."""
    t, e = draw(st.integers(0, 10**12)), 0.0
    points = [(t, e)]
    for step_ns, step_j in draw(RUN):
        t, e = t + step_ns, e + step_j
        points.append((t, e))
    gaps = sorted(draw(st.lists(st.integers(points[0][0], t), max_size=2)))
    moments = sorted(draw(st.lists(st.integers(points[0][0], t), min_size=3, max_size=3)))
    return timeline(points, gaps), moments


@given(runs())
def test_parts_add_up_to_the_whole(run: tuple[Timeline, list[int]]) -> None:
    line, (a, b, c) = run
    whole, first, second = (line.energy_between("cpu", *pair) for pair in ((a, c), (a, b), (b, c)))
    if first is None or second is None:
        assert whole is None
    else:
        assert whole is not None
        assert math.isclose(whole, first + second, rel_tol=1e-9, abs_tol=1e-6)


@given(runs())
def test_a_longer_interval_has_never_less_energy(run: tuple[Timeline, list[int]]) -> None:
    line, (a, b, c) = run
    shorter, longer = line.energy_between("cpu", a, b), line.energy_between("cpu", a, c)
    if longer is not None:
        assert shorter is not None
        assert 0 <= shorter <= longer + 1e-6


@given(runs())
def test_ticks_and_intervals_agree(run: tuple[Timeline, list[int]]) -> None:
    line, _ = run
    for tick in line.ticks("cpu"):
        joules = line.energy_between("cpu", tick.t0_ns, tick.t1_ns)
        assert joules is not None
        assert math.isclose(joules, tick.delta_j, rel_tol=1e-9, abs_tol=1e-9)
