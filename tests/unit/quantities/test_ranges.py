"""The range algebra against method section 3: its golden values, and laws by property-based tests."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_aifootprint.quantities import EXACT_ZERO, Range, ToldRange, difference, total
from pytest_aifootprint.quantities.ranges import Difference


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


def test_each_operation_has_the_golden_factors_of_the_method() -> None:
    # By factor, not only the ends: two mistakes can cancel in an end.
    third, half = math.log(3), math.log(2)
    assert ENERGY.factors["m1"] == pytest.approx((math.log((2 / 3 + 1) / 3), math.log(7 / 3)))
    assert ENERGY.factors["m2"] == pytest.approx((math.log(2.5 / 3), math.log(4 / 3)))
    square = Range.times_over(2, 3, "m1") * Range.times_over(5, 2, "m1")
    assert square.factors["m1"] == pytest.approx((-third - half, third + half))
    quotient = Range.times_over(2, 3, "m1") / Range.times_over(5, 2, "m1")
    assert quotient.factors["m1"] == pytest.approx((-third + half, third - half))
    more = Range(2).with_factor(3, "m")
    assert more.factors["m"] == (-third, third)
    near = Range.of(0.9999 * 1e200, 1e200, 1.0001 * 1e200, "n")
    assert near.factors["n"] == (math.log(0.9999 * 1e200 / 1e200), math.log(1.0001 * 1e200 / 1e200))
    alone = P / Q
    assert alone.factors["q"] == pytest.approx((-math.log(4 / 5), -math.log(7 / 5)))


def test_the_widest_factor_is_the_one_with_the_largest_span_not_the_largest_end() -> None:
    lopsided = Range(1, {"up": (0.0, 1.0), "both": (-0.7, 0.7), "down": (-0.9, 0.0)})
    assert lopsided.widest_factor == "both"
    assert Range(1, {"turned": (0.8, -0.8), "b": (-0.7, 0.7)}).widest_factor == "turned"
    assert Range(1, {"b": (-0.5, 0.5), "a": (-0.5, 0.5)}).widest_factor == "a"
    assert Range(1).widest_factor is None


def test_an_end_is_the_worst_of_each_factor_whichever_way_it_turns() -> None:
    # After a division, the low end of a factor is where the value is high.
    turned = Range(10, {"a": (0.3, -0.4), "b": (0.1, 0.2), "c": (-0.2, -0.1)})
    assert turned.high == pytest.approx(10 * math.exp(math.hypot(0.3, 0.2)))
    assert turned.low == pytest.approx(10 * math.exp(-math.hypot(0.4, 0.2)))


def test_monte_carlo_agrees_within_8_percent() -> None:
    rng = random.Random(7)
    z90 = 1.645

    def draw(central: float, spread: float) -> float:
        return central * math.exp(rng.gauss(0, math.log(spread) / z90))

    values = sorted((draw(2, 3) + draw(1, 2)) * draw(0.4, 1.3) for _ in range(40_000))
    carbon = ENERGY * Range.times_over(0.4, 1.3, "grid")
    # The golden values of the method are those of the simulation, ...
    assert (values[2_000], values[38_000]) == pytest.approx((0.591, 2.975), rel=0.015)
    # ... and the algebra comes close to it.
    assert values[2_000] == pytest.approx(carbon.low, rel=0.08)
    assert values[38_000] == pytest.approx(carbon.high, rel=0.08)


def test_monte_carlo_of_a_difference_with_a_shared_factor() -> None:
    rng = random.Random(11)
    rows = []
    for _ in range(40_000):
        shared, own = rng.gauss(0, 1 / 1.645), rng.gauss(0, 1 / 1.645)
        rows.append(10 * 1.5**shared - 8 * 1.5**shared * 1.1**own)
    rows.sort()
    found = difference(Range.times_over(10, 1.5, "m"), Range.times_over(8, 1.5, "m").with_factor(1.1, "n"))
    assert (rows[2_000], rows[38_000]) == pytest.approx((found.low, found.high), abs=0.08 * 2)


def test_a_shared_factor_cancels_in_a_quotient() -> None:
    ratio = P / Range.of(0.4, 1, 3, "p")
    _is(ratio, 10, 10, 10)


def test_nothing_sums_to_an_exact_zero() -> None:
    nothing: list[Range] = []
    assert total(nothing) == EXACT_ZERO
    assert total([EXACT_ZERO, EXACT_ZERO]).high == 0
    assert (EXACT_ZERO + P) == P


@pytest.mark.parametrize(
    "bad",
    [
        (0, 1, 2), (2, 1, 3), (1, 3, 2), (-1, 1, 2), (math.nan, 1, 2), (1, math.nan, 2), (1, 2, math.nan),
        (1, 2, math.inf), (1, math.inf, math.inf),
    ],
)  # fmt: skip
def test_a_range_refuses_disorder(bad: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match="needs 0 < low"):
        Range.of(*bad, "x")


@pytest.mark.parametrize("central", [-1.0, math.nan, math.inf])
def test_a_range_refuses_a_central_value_that_is_none(central: float) -> None:
    with pytest.raises(ValueError, match="finite central value"):
        Range(central)


@pytest.mark.parametrize("spread", [0.5, 0.999, 0, -3, math.nan, math.inf])
def test_a_spread_that_is_none_is_refused(spread: float) -> None:
    with pytest.raises(ValueError, match="is below 1, or no number"):
        Range.times_over(1, spread, "x")


def test_the_narrowest_ranges_are_exact() -> None:
    assert Range.times_over(2, 1, "x").high == Range.times_over(2, 1, "x").low == 2
    assert (Range.of(2, 2, 2, "x").low, Range.of(2, 2, 2, "x").high) == (2, 2)
    assert Range(0).high == 0


def test_a_negative_multiple_is_refused_and_a_zero_divisor_too() -> None:
    with pytest.raises(ValueError, match="finite central value"):
        P.scale(-1)
    with pytest.raises(ZeroDivisionError):
        _ = P / EXACT_ZERO


factor_names = st.sampled_from(["a", "b", "c", "d"])


def ends(r: Range | Difference) -> tuple[float, float, float]:
    return r.low, r.central, r.high


@st.composite
def ranges(draw: st.DrawFn, smallest: float = 1e-6, largest: float = 1e6, widest: float = 10) -> Range:
    """Of several factors, lopsided ones among them, and some that turn the other way, as after a division."""
    result = Range(draw(st.floats(smallest, largest)))
    for name in draw(st.lists(factor_names, max_size=4, unique=True)):
        low, high = draw(st.floats(1, widest)), draw(st.floats(1, widest))
        part = Range.of(1 / low, 1, high, name)
        result = result / part if draw(st.booleans()) else result * part
    return result


def same(a: Range | Difference, b: Range | Difference) -> bool:
    return ends(a) == pytest.approx(ends(b), rel=1e-9, abs=1e-12)


@given(ranges(), ranges(), ranges())
def test_order_is_kept_by_every_operation(a: Range, b: Range, c: Range) -> None:
    for r in (a, a + b, a * b, a / b, a.scale(37), a.with_factor(3, "a"), (a + b) * c / a, total([a, b, c])):
        assert 0 < r.low <= r.central <= r.high
    d = difference(a, b)
    assert d.low <= d.central <= d.high


@given(st.lists(ranges(), min_size=1, max_size=6))
def test_sums_are_additive_commutative_and_associative(parts: list[Range]) -> None:
    whole = total(parts)
    assert whole.central == pytest.approx(math.fsum(r.central for r in parts), rel=1e-12)
    assert same(total(reversed(parts)), whole)
    for cut in range(1, len(parts)):
        halves = total(parts[:cut]) + total(parts[cut:])
        assert same(halves, whole)
        assert halves.factors.keys() == whole.factors.keys()
        for name, pair in halves.factors.items():
            assert pair == pytest.approx(whole.factors[name], rel=1e-9, abs=1e-9)


@given(ranges(), ranges(), ranges())
def test_products_are_commutative_and_associative_and_distribute_over_sums(a: Range, b: Range, c: Range) -> None:
    assert ends(a * b) == ends(b * a)
    assert same(a * (b * c), (a * b) * c)
    assert same(a * (b + c), a * b + a * c)


@given(ranges(), ranges())
def test_what_two_share_is_never_less_uncertain_together_than_apart(a: Range, b: Range) -> None:
    """A factor of both sides moves them together; the ends of the sum lie at or inside the sums of the ends of one."""
    shared = {name for name in a.factors if name in b.factors}
    for name in shared:
        one, other = Range(a.central, {name: a.factors[name]}), Range(b.central, {name: b.factors[name]})
        (d, u), (da, ua), (db, ub) = (one + other).factors[name], a.factors[name], b.factors[name]
        assert min(da, db) - 1e-12 <= d <= max(da, db) + 1e-12
        assert min(ua, ub) - 1e-12 <= u <= max(ua, ub) + 1e-12


@given(ranges(), st.integers(2, 500))
def test_calls_to_one_model_are_exactly_as_uncertain_as_one(a: Range, k: int) -> None:
    many = total([a] * k)
    assert many.factors == a.factors
    assert same(many, a.scale(k))


@given(ranges(), st.integers(2, 50))
def test_unequal_calls_to_one_model_neither_shrink_nor_double(a: Range, k: int) -> None:
    many = total(a.scale(1 + i) for i in range(k))
    assert same(many, a.scale(k * (k + 1) / 2))
    assert same(total([many, a.scale(1e-3), EXACT_ZERO]), a.scale(k * (k + 1) / 2 + 1e-3))


@given(st.integers(2, 40))
def test_different_models_are_less_uncertain_together(k: int) -> None:
    together = total(Range.times_over(1, 1.2, f"model:{i}") for i in range(k))
    assert math.log(together.high / k) == pytest.approx(math.log(1.2) / math.sqrt(k), rel=0.1)


@given(ranges())
def test_a_value_by_itself_is_exactly_one(a: Range) -> None:
    assert ends(a / a) == (1, 1, 1)


@given(ranges(), ranges())
def test_dividing_what_was_multiplied_gives_it_back(a: Range, b: Range) -> None:
    assert same(a * b / b, a)


@given(ranges(), st.floats(1e-3, 1e3))
def test_scaling_scales_the_ends(a: Range, k: float) -> None:
    assert ends(a.scale(k)) == pytest.approx(tuple(k * x for x in ends(a)), rel=1e-12)
    assert a.scale(k).factors == a.factors


@given(ranges())
def test_a_value_minus_itself_is_exactly_nothing(a: Range) -> None:
    assert ends(difference(a, a)) == (0, 0, 0)


@given(ranges(), ranges())
def test_a_difference_is_antisymmetric(a: Range, b: Range) -> None:
    there, back = difference(a, b), difference(b, a)
    assert (there.low, there.central, there.high) == (-back.high, -back.central, -back.low)


@given(ranges())
def test_a_difference_from_nothing_is_exact_in_what_one_factor_does(a: Range) -> None:
    found = difference(a, EXACT_ZERO)
    for name, (d, u) in a.factors.items():
        alone = difference(Range(a.central, {name: (d, u)}), EXACT_ZERO)
        assert alone.high == pytest.approx(a.central * math.exp(max(d, u, 0)))
        assert alone.low == pytest.approx(a.central * math.exp(min(d, u, 0)))
        assert found.high >= alone.high * (1 - 1e-12)
        assert found.low <= alone.low * (1 + 1e-12)


# --- far out ----------------------------------------------------------------------------------------------------------

FAR = (1e-300, 1e-12, 1.0, 1e12, 1e300)


def ordered(*found: Range | Difference) -> None:
    """No end is "not a number", and the middle one is finite; what no float holds is infinite."""
    for r in found:
        assert r.low <= r.central <= r.high
        assert math.isfinite(r.central)


@pytest.mark.parametrize("central", FAR)
@pytest.mark.parametrize("other", FAR)
def test_extreme_values_give_no_overflow_and_no_nan(central: float, other: float) -> None:
    a = Range.of(min(central, 1e-300), central, max(central, 1e300), "x")
    b = Range.of(min(other, 1e-300), other, max(other, 1e300), "y")
    c = Range.of(min(other, 1e-300), other, max(other, 1e300), "x")
    ordered(a, a + b, a + c, difference(a, b), difference(b, a), difference(a, c), a.with_factor(1e300, "x"))
    if central * other < math.inf:
        ordered(a * b, a * c)
    if central / other < math.inf:
        ordered(a / b, a / c)


def test_a_product_that_no_float_holds_is_refused_in_one_line() -> None:
    with pytest.raises(ValueError, match="finite central value"):
        _ = Range(1e300) * Range(1e300)
    with pytest.raises(ValueError, match="finite central value"):
        _ = Range(1e300) / Range(1e-300)


def test_the_ends_of_what_is_beyond_every_float_are_infinite_and_zero() -> None:
    wide = Range.times_over(1e300, 1e300, "x")
    assert wide.low == pytest.approx(1)
    assert wide.high == math.inf
    assert Range.times_over(1e-300, 1e300, "x").low == 0
    assert difference(EXACT_ZERO, wide).low == -math.inf
    assert difference(wide, EXACT_ZERO).high == math.inf
    assert Range(0.0, {"x": (-1e6, 1e6)}).high == 0


def test_the_largest_float_is_a_number() -> None:
    largest = math.nextafter(math.inf, 0)
    assert Range.of(1, 1, largest, "x").high == pytest.approx(largest)
    assert Range.times_over(1, largest, "x").high == pytest.approx(largest)


@pytest.mark.parametrize("log", [20.0, 400.0, 1e6])
@pytest.mark.parametrize("turned", [False, True])
def test_nothing_is_known_of_the_difference_of_two_changes_that_no_float_holds(log: float, *, turned: bool) -> None:
    pair = (log, -1.0) if turned else (-1.0, log)
    found = difference(Range(3e300, {"x": pair}), Range(1e300, {"x": pair}))
    assert (found.low, found.central, found.high) == (-math.inf, 2e300, math.inf)


def test_a_difference_of_one_far_change_is_exact() -> None:
    found = difference(Range(1e-200, {"x": (-1.0, 400.0)}), Range(1e-201))
    assert found.high == pytest.approx(1e-200 * math.exp(400))
    assert found.low == pytest.approx(1e-200 * math.exp(-1) - 1e-201)


def test_a_range_of_the_smallest_and_the_largest_is_read_right() -> None:
    (d, u) = Range.of(5e-324, 1e-300, 1e300, "x").factors["x"]
    assert d == pytest.approx(math.log(5e-324) - math.log(1e-300))
    assert u == pytest.approx(600 * math.log(10))
    (d, u) = Range.of(1e-300, 1e300, 1e300, "x").factors["x"]
    assert d == pytest.approx(-600 * math.log(10))
    assert u == 0


def test_ten_thousand_factors() -> None:
    many = total(Range.times_over(1, 3, f"model:{i}") for i in range(10_000))
    ordered(many, many * many, difference(many, many.scale(0.5)))
    assert many.central == 10_000
    assert many.high / many.central == pytest.approx(math.exp(100 * math.log(10_002 / 10_000)), rel=1e-6)
    product = Range(1, {f"f{i}": (-0.01, 0.01) for i in range(10_000)})
    assert (product.low, product.high) == pytest.approx((math.exp(-1), math.exp(1)))


@pytest.mark.parametrize("far", [200.0, 700.0, 1000.0])
def test_far_changes_of_a_shared_factor_add_up_in_logs(far: float) -> None:
    both = Range(1, {"x": (-far, far - 10)}) + Range(1, {"x": (10 - far, far)})
    step = math.log((1 + math.exp(-10)) / 2)
    assert both.factors["x"] == pytest.approx((10 - far + step, far + step), rel=1e-12)


def test_a_sum_of_the_smallest_and_the_largest_is_the_largest() -> None:
    wide = Range.times_over(1e-300, 1e300, "x") + Range.times_over(1e300, 2, "y")
    ordered(wide)
    assert wide.central == 1e300
    assert wide.high == pytest.approx(2e300)


def test_a_sum_that_no_float_holds_is_refused_in_one_line() -> None:
    with pytest.raises(ValueError, match="larger than any number"):
        total([Range(1.7e308)] * 3)


def test_a_sum_of_the_same_factors_in_another_ratio_is_another_sum() -> None:
    one, other = Range.times_over(1.0, 2.0, "one"), Range.times_over(1.0, 3.0, "other")
    for share in (1.0, 3.0, 1.0):
        found = (one + other.scale(share)).factors
        assert found["one"][1] == pytest.approx(math.log((2 + share) / (1 + share)))
        assert found["other"][1] == pytest.approx(math.log((1 + 3 * share) / (1 + share)))


@pytest.mark.parametrize("central", [-1.0, math.nan, math.inf])
def test_a_range_that_somebody_told_needs_a_value_as_any_other(central: float) -> None:
    with pytest.raises(ValueError, match="finite central value"):
        ToldRange(central, {"a": (-1.0, 1.0)}, (0.0, 1.0))
    with pytest.raises(ValueError, match="finite central value"):
        ToldRange(1.0, {"a": (-1.0, 1.0)}, (0.0, 1.0)).scale(central)
