"""The range algebra against method section 3: its golden values, and laws by property-based tests."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_aifootprint.quantities import EXACT_ZERO, Range, difference, total


def _is(found: Range, low: float, central: float, high: float) -> None:
    assert (found.low, found.central, found.high) == pytest.approx((low, central, high), rel=1e-6)


ENERGY = Range.times_over(2.0, 3, "m1") + Range.times_over(1.0, 2, "m2")
P, Q, QP = Range.of(4, 10, 30, "p"), Range.of(4, 5, 7, "q"), Range.of(4, 5, 7, "p")


def test_sum_of_two_models() -> None:
    _is(ENERGY, 1.6212515, 3, 7.3405703)


def test_sum_times_grid_is_widest_in_its_model() -> None:
    carbon = ENERGY * Range.times_over(0.4, 1.3, "grid")
    _is(carbon, 0.6146608, 1.2, 3.0489479)
    assert carbon.widest_factor == "m1"


def test_37_calls_to_one_model_stay_as_uncertain_as_one() -> None:
    _is(total(Range.of(0.1, 0.3, 0.9, "m") for _ in range(37)), 3.7, 11.1, 33.3)


def test_sum_product_and_quotient_of_two_factors() -> None:
    _is(P + Q, 8.9583539, 15, 35.3232980)
    _is(P * Q, 19.4715149, 50, 157.7491737)
    _is(P / Q, 0.7535434, 2, 6.1361176)


def test_difference_may_cross_zero() -> None:
    d = difference(P, Q)
    assert (d.low, d.central, d.high) == pytest.approx((-1.3245553, 5, 25.0249844), rel=1e-6)


def test_difference_of_one_model_cancels_the_shared_factor() -> None:
    d = difference(Range.times_over(60, 3, "m"), Range.times_over(40, 3, "m"))
    assert (d.low, d.central, d.high) == pytest.approx((6.6666667, 20, 60), rel=1e-6)


def test_monte_carlo_agrees_within_8_percent() -> None:
    rng = random.Random(7)
    z90 = 1.645

    def draw(central: float, spread: float) -> float:
        return central * math.exp(rng.gauss(0, math.log(spread) / z90))

    values = sorted((draw(2, 3) + draw(1, 2)) * draw(0.4, 1.3) for _ in range(40_000))
    carbon = ENERGY * Range.times_over(0.4, 1.3, "grid")
    assert values[2_000] == pytest.approx(carbon.low, rel=0.08)
    assert values[38_000] == pytest.approx(carbon.high, rel=0.08)


def test_a_shared_factor_cancels_in_a_quotient() -> None:
    ratio = P / Range.of(0.4, 1, 3, "p")
    _is(ratio, 10, 10, 10)


def test_nothing_sums_to_an_exact_zero() -> None:
    assert total([]) == EXACT_ZERO
    assert total([EXACT_ZERO, EXACT_ZERO]).high == 0
    assert (EXACT_ZERO + P) == P


@pytest.mark.parametrize("bad", [(0, 1, 2), (2, 1, 3), (1, 3, 2), (-1, 1, 2)])
def test_a_range_refuses_disorder(bad: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match="needs 0 < low"):
        Range.of(*bad, "x")


@pytest.mark.parametrize("central", [-1.0, math.nan, math.inf])
def test_a_range_refuses_a_central_value_that_is_none(central: float) -> None:
    with pytest.raises(ValueError, match="finite central value"):
        Range(central)


def test_a_spread_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="below 1"):
        Range.times_over(1, 0.5, "x")


factor_names = st.sampled_from(["a", "b", "c"])


@st.composite
def ranges(draw: st.DrawFn) -> Range:
    central = draw(st.floats(1e-6, 1e6))
    result = Range(central)
    for name in draw(st.lists(factor_names, max_size=3, unique=True)):
        result = result.with_factor(draw(st.floats(1, 10)), name)
    return result


@given(st.lists(ranges(), min_size=1, max_size=6))
def test_sums_are_ordered_additive_and_independent_of_order(parts: list[Range]) -> None:
    whole = total(parts)
    assert whole.central == pytest.approx(math.fsum(r.central for r in parts), rel=1e-9)
    assert whole.low <= whole.central * (1 + 1e-12) <= whole.high * (1 + 1e-9)
    again = total(reversed(parts))
    assert (again.low, again.high) == pytest.approx((whole.low, whole.high), rel=1e-9)


@given(ranges(), ranges())
def test_dividing_what_was_multiplied_gives_it_back(a: Range, b: Range) -> None:
    back = a * b / b
    assert (back.low, back.central, back.high) == pytest.approx((a.low, a.central, a.high), rel=1e-9)


@given(ranges(), st.floats(1e-3, 1e3))
def test_scaling_scales_the_ends(a: Range, k: float) -> None:
    _is(a.scale(k), a.low * k, a.central * k, a.high * k)


@given(ranges())
def test_a_value_minus_itself_is_exactly_nothing(a: Range) -> None:
    d = difference(a, a)
    assert (d.low, d.central, d.high) == (0, 0, 0)
