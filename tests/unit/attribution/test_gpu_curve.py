"""The energy of a card over time, from its counter and its power."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from pytest_aifootprint.attribution.gpu_curve import COUNTED, POWER, UNKNOWN, Cumulative, Curve, energy_curve
from pytest_aifootprint.meters.gpu import GpuSignals

S = 10**9
MS = 10**6


def signals(
    counter: Sequence[tuple[float, float]],
    power: Sequence[tuple[float, float]] = (),
    breaks: tuple[float, ...] = (),
) -> GpuSignals:
    made = GpuSignals(breaks_ns=[round(t * S) for t in breaks])
    for t, joules in counter:
        made.counter_t_ns.append(round(t * S))
        made.counter_j.append(joules)
    for t, watts in power:
        made.power_t_ns.append(round(t * S))
        made.power_w.append(watts)
    return made


def every_20_ms(until_s: float, watts: float = 100.0) -> list[tuple[float, float]]:
    return [(i * 0.02, watts) for i in range(round(until_s / 0.02) + 1)]


def between(curve: Curve, a: float, b: float) -> float:
    return Cumulative(curve.t_ns, curve.joules).between(round(a * S), round(b * S))


def test_the_counter_says_how_much_and_power_says_when() -> None:
    power = [(t, 300.0 if 1 < t <= 1.1 else 50.0) for t, _ in every_20_ms(5)]
    curve = energy_curve(signals([(0, 0.0), (5, 550.0)], power))
    # Power integrates to 30 J in the 0.1 s of work and 245 J beside it; the counter says twice as much.
    assert between(curve, 1, 1.1) == pytest.approx(60)
    assert between(curve, 0, 5) == pytest.approx(550)
    assert set(curve.kind) == {COUNTED}


def test_a_counter_that_was_read_late_does_not_bend_one_interval() -> None:
    # Constant 100 W; the second reading missed a step of 20 J, the third caught up.
    curve = energy_curve(signals([(0, 0.0), (5, 480.0), (10, 1000.0)], every_20_ms(10)))
    assert between(curve, 0, 5) == pytest.approx(500)


def test_a_long_run_is_adjusted_block_by_block() -> None:
    counter = [(t, 100.0 * t if t <= 60 else 6000 + 200.0 * (t - 60)) for t in range(0, 121, 5)]
    curve = energy_curve(signals(counter, every_20_ms(120)))  # power says 100 W all along
    assert between(curve, 0, 30) == pytest.approx(3000)
    assert between(curve, 90, 120) == pytest.approx(6000)


def test_without_power_the_counter_is_even_between_its_readings() -> None:
    curve = energy_curve(signals([(0, 0.0), (0.2, 10.0), (0.4, 40.0)]))
    assert curve.joules == [10, 30]
    assert between(curve, 0.2, 0.3) == pytest.approx(15)


def test_where_the_counter_broke_power_is_integrated() -> None:
    curve = energy_curve(signals([(0, 0.0), (5, 500.0), (10, 500.0), (15, 900.0)], every_20_ms(15), breaks=(7,)))
    assert curve.of_kind(COUNTED) == pytest.approx(900)
    assert curve.of_kind(POWER) == pytest.approx(500)
    assert between(curve, 5, 10) == pytest.approx(500)


def test_where_the_counter_broke_and_nobody_says_its_power_nothing_is_known() -> None:
    curve = energy_curve(signals([(0, 0.0), (5, 500.0), (10, 500.0), (15, 900.0)], breaks=(7,)))
    assert curve.kind == [COUNTED, UNKNOWN, COUNTED]
    assert sum(curve.joules) == 900


def test_a_counter_that_never_came_back_leaves_its_power() -> None:
    curve = energy_curve(signals([(0, 0.0), (5, 500.0)], every_20_ms(8), breaks=(6, 7)))
    assert curve.of_kind(POWER) == pytest.approx(300)


def test_a_card_without_a_counter_is_its_power_integrated() -> None:
    curve = energy_curve(signals([], every_20_ms(2)))
    assert curve.of_kind(POWER) == pytest.approx(200)
    assert energy_curve(signals([])).joules == []


def test_a_hole_in_power_takes_the_mean() -> None:
    power = [(t, w) for t, w in every_20_ms(10) if not 4 < t <= 6]
    curve = energy_curve(signals([(0, 0.0), (10, 1000.0)], power))
    assert between(curve, 4, 6) == pytest.approx(200)
    assert sum(curve.joules) == pytest.approx(1000)


def test_power_before_its_first_entry_is_not_that_of_the_entry() -> None:
    power = [(t, 300.0) for t, _ in every_20_ms(10) if t >= 5]
    curve = energy_curve(signals([(0, 0.0), (10, 2000.0)], power))
    assert between(curve, 0, 5) / between(curve, 5, 10) == pytest.approx(200 / 300, rel=0.01)


def test_a_counter_that_did_not_answer_for_a_while_and_went_on_says_all_of_it() -> None:
    made = signals([(0, 0.0), (5, 500.0), (15, 1700.0)], every_20_ms(15))
    made.gaps_ns.append(7 * S)
    curve = energy_curve(made)
    assert set(curve.kind) == {COUNTED}
    assert sum(curve.joules) == pytest.approx(1700)


def test_a_counter_that_does_not_answer_any_more_leaves_its_power() -> None:
    made = signals([(0, 0.0), (5, 500.0)], every_20_ms(8))
    made.gaps_ns.append(6 * S)
    assert energy_curve(made).of_kind(POWER) == pytest.approx(300)
