"""What is noise and what is an increase."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from pytest_aifootprint.budgets.spread import (
    ENOUGH,
    FALSE_ALARM,
    allowed,
    common_rise,
    continued,
    each_alpha,
    spread_of,
    step,
    t_quantile,
    t_within,
    upper_bound,
)

values = st.floats(1e-6, 1e9)
histories = st.lists(values, min_size=1, max_size=10)
noisy = st.lists(st.floats(1.0, 3.0), min_size=3, max_size=10, unique=True)


@pytest.mark.parametrize("nu", range(1, 12))
@pytest.mark.parametrize("alpha", [0.4, 0.1, 0.05, 0.025, 0.0025, 1e-4, 1e-6])
def test_students_t_is_that_of_scipy(nu: int, alpha: float) -> None:
    assert t_quantile(alpha, nu) == pytest.approx(stats.t.isf(alpha, nu), rel=1e-8)
    assert t_within(2.5, nu) == pytest.approx(1 - 2 * stats.t.sf(2.5, nu), rel=1e-12)


def test_the_printed_table_of_students_t() -> None:
    # Abramowitz and Stegun, table 26.10.
    printed = {(2, 0.05): 2.920, (9, 0.05): 1.833, (9, 0.025): 2.262, (4, 0.005): 4.604}
    for (nu, alpha), t in printed.items():
        assert round(t_quantile(alpha, nu), 3) == t


def test_the_bound_is_the_prediction_interval_for_one_future_value() -> None:
    logs = [math.log(x) for x in (1.0, 1.1, 1.3, 0.9)]
    mean, sd = sum(logs) / 4, stats.tstd(logs)
    expected = math.exp(mean + stats.t.isf(0.05, 3) * sd * math.sqrt(1 + 1 / 4))

    assert upper_bound(spread_of([1.0, 1.1, 1.3, 0.9]), 0.05) == pytest.approx(expected, rel=1e-9)


@given(histories, st.floats(0, 5), st.floats(1e-4, 0.4))
def test_never_less_is_allowed_than_the_threshold_does(history: list[float], threshold: float, alpha: float) -> None:
    spread = spread_of(history)
    most, by_spread = allowed(spread, threshold, alpha)
    by_threshold = spread.level * (1 + threshold)

    assert most >= by_threshold
    assert by_spread == (most > by_threshold)


@given(st.lists(values, min_size=1, max_size=2), st.floats(0, 5))
def test_fewer_than_three_values_leave_it_to_the_threshold_and_the_last_value(
    history: list[float], threshold: float
) -> None:
    assert allowed(spread_of(history), threshold, 0.05) == (history[-1] * (1 + threshold), False)


@given(values, st.integers(3, 10))
def test_a_test_that_never_varied_is_held_to_the_threshold(value: float, n: int) -> None:
    most, _ = allowed(spread_of([value] * n), 0.1, 0.05)
    assert most == pytest.approx(1.1 * value, rel=1e-9)


@given(noisy, st.floats(1e-3, 1e3))
def test_the_unit_changes_nothing(history: list[float], k: float) -> None:
    plain, scaled = spread_of(history), spread_of([k * x for x in history])
    assert scaled.level == pytest.approx(k * plain.level, rel=1e-9)
    assert upper_bound(scaled, 0.05) == pytest.approx(k * upper_bound(plain, 0.05), rel=1e-6)


@given(noisy)
def test_more_comparisons_allow_more(history: list[float]) -> None:
    spread = spread_of(history)
    assert upper_bound(spread, each_alpha(1)) < upper_bound(spread, each_alpha(20))
    assert each_alpha(20) * 20 == pytest.approx(FALSE_ALARM)
    assert each_alpha(0) == FALSE_ALARM


def test_a_history_with_a_zero_has_no_spread_and_its_last_value_is_the_level() -> None:
    assert spread_of([0.0, 0.0, 0.0]).level == 0.0
    assert spread_of([1.0, 0.0, 2.0]).level == 2.0
    assert spread_of([1.0, 0.0, 2.0]).sd_log is None
    assert allowed(spread_of([0.0, 0.0, 0.0]), 0.1, 0.05) == (0.0, False)


STEADY = [10.0, 10.4, 9.7, 10.1, 9.9, 10.2]


def test_a_single_value_off_the_level_does_not_end_a_history_and_the_second_does() -> None:
    assert step(STEADY, 20.0) == 1
    assert step(STEADY, 5.0) == -1
    assert step(STEADY, 10.3) == 0
    assert continued(STEADY, 20.0) == len(STEADY)
    assert continued([*STEADY, 20.0], 20.5) == 1
    # Off in both directions is noise, not a level.
    assert continued([*STEADY, 20.0], 5.0) == len(STEADY) + 1


def test_what_is_accepted_and_what_never_varied_begins_anew_at_once() -> None:
    assert continued(STEADY, 20.0, accept=True) == 0
    assert continued(STEADY, 10.3, accept=True) == len(STEADY)
    assert continued([300, 300, 300], 301) == 0
    assert continued([300, 300, 300], 300) == 3
    assert continued([0, 0, 0], 1) == 0
    assert continued([300, 300], 600) == 2


def test_what_noisy_tests_have_in_common_is_their_median_and_never_a_fall() -> None:
    assert common_rise([0.4] * (ENOUGH - 1)) == 0.0
    assert common_rise([0.1, 0.2, 0.3, 0.4, 5.0]) == 0.3
    assert common_rise([-0.3] * ENOUGH) == 0.0
