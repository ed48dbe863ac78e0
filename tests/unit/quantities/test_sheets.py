"""Sheets: equations as text, calculated with the uncertainty of their inputs."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_aifootprint.quantities import EXACT_ZERO, Given, Range, Sheet, Step, total
from pytest_aifootprint.quantities.sheets import EquationError, Value, calculate

ENERGY = Range.times_over(2.0, 3, "m1")
OTHER = Range.times_over(1.0, 2, "m2")
GRID = Range.times_over(0.4, 1.3, "grid")


def ends(value: Range) -> tuple[float, float, float]:
    return value.low, value.central, value.high


amounts = st.builds(
    Range.times_over,
    st.floats(1e-6, 1e6),
    st.floats(1, 20),
    st.sampled_from(["a", "b", "c"]),
)


@pytest.mark.parametrize(
    ("equation", "expected"),
    [
        ("e + f", (1.6212515, 3, 7.3405703)),
        ("(e + f) * g", (0.6146608, 1.2, 3.0489479)),
        ("sum(column)", (1.6212515, 3, 7.3405703)),
        ("37 * e / e", (37, 37, 37)),
        ("e ** 2", (4 / 9, 4, 36)),
        ("min(e, 5)", (2 / 3, 2, 5)),
        ("e - e", (0, 0, 0)),
    ],
)
def test_an_equation_has_the_golden_values_of_the_algebra(equation: str, expected: tuple[float, ...]) -> None:
    values: dict[str, Value] = {"e": ENERGY, "f": OTHER, "g": GRID, "column": [ENERGY, OTHER]}
    assert ends(calculate(equation, values)) == pytest.approx(expected, rel=1e-6)


@given(amounts, amounts, amounts)
def test_sums_products_and_quotients_are_those_of_ranges(a: Range, b: Range, c: Range) -> None:
    values = {"a": a, "b": b, "c": c}
    assert ends(calculate("a * b / c", values)) == pytest.approx(ends(a * b / c), rel=1e-9)
    assert ends(calculate("a + b + c", values)) == pytest.approx(ends(total((a, b, c))), rel=1e-9)
    assert ends(calculate("(a + b) * c", values)) == pytest.approx(ends((a + b) * c), rel=1e-9)


@pytest.mark.parametrize(
    ("equation", "why"),
    [
        ("__import__('os').system('true')", "more than arithmetic"),
        ("e.central", "more than arithmetic"),
        ("[e][0]", "more than arithmetic"),
        ("(lambda: e)()", "more than arithmetic"),
        ("e if e else f", "more than arithmetic"),
        ("True", "more than arithmetic"),
        ("'e'", "more than arithmetic"),
        ("min(e, key=f)", "more than arithmetic"),
        ("e +", "is no equation"),
        ("", "is no equation"),
        ("(" * 5000, "is no equation"),
        ("e + nowhere", "needs nowhere, which nobody told"),
        ("e / 0", "cannot be calculated"),
        ("10.0 ** 400", "cannot be calculated"),
        ("1 - e", "comes to -1.0"),
        ("1e999", "comes to inf"),
    ],
)
def test_what_is_no_arithmetic_is_refused_with_its_reason(equation: str, why: str) -> None:
    with pytest.raises(EquationError, match=why.replace("(", r"\(")):
        calculate(equation, {"e": ENERGY, "f": OTHER})


def test_an_end_that_is_not_above_zero_is_refused() -> None:
    with pytest.raises(EquationError, match="not above 0 at an end"):
        calculate("e - 1", {"e": ENERGY})


def test_zero_has_no_uncertainty() -> None:
    assert calculate("e * 0", {"e": ENERGY}) == EXACT_ZERO


def test_what_is_gathered_has_one_name_and_the_same_ends() -> None:
    value = calculate("e * g", {"e": ENERGY, "g": GRID})
    gathered = calculate("e * g", {"e": ENERGY, "g": GRID}, "hw:vm")
    assert set(gathered.factors) == {"hw:vm"}
    assert ends(gathered) == pytest.approx(ends(value))
    assert calculate("2 * 3", {}, "hw:vm").factors == {}


def given_of(symbol: str, value: Range) -> Given:
    return Given(symbol, "something", "J", value, "a source", 2025, "seen")


SHEET = Sheet(
    "calls",
    (given_of("e", ENERGY), given_of("unused", OTHER)),
    (Step("f", "e * n", "J", "twice"), Step("g", "f + e", "J", "more"), Step("h", "f / 2", "J", "half")),
    {"energy_j": "g"},
)


def test_steps_use_inputs_what_was_told_and_each_other() -> None:
    results = SHEET.results({"n": Range(3.0)})
    assert {name: value.central for name, value in results.items()} == {
        "e": 2, "unused": 1, "n": 3, "f": 6, "g": 8, "h": 3,
    }  # fmt: skip
    assert results["g"].high == pytest.approx(24)
    with pytest.raises(EquationError, match="needs n, which nobody told"):
        SHEET.results()


def test_a_pruned_sheet_keeps_what_its_answers_need() -> None:
    pruned = SHEET.pruned()
    assert [given.symbol for given in pruned.given] == ["e"]
    assert [step.symbol for step in pruned.steps] == ["f", "g"]
    assert pruned.results({"n": Range(3.0)})["g"] == SHEET.results({"n": Range(3.0)})["g"]


def test_a_sheet_needs_what_it_neither_has_nor_makes() -> None:
    assert SHEET.needs("n")
    assert not SHEET.needs("f")
    assert SHEET.makes("f")
    assert not SHEET.needs("elsewhere")


def test_two_sheets_make_one_in_their_order() -> None:
    second = Sheet("", (given_of("k", GRID),), (Step("c", "g * k", "g", "carbon"),), {"use_carbon_g": "c"})
    both = SHEET | second
    assert both.name == "calls"
    assert both.answers == {"energy_j": "g", "use_carbon_g": "c"}
    assert both.results({"n": Range(3.0)})["c"].central == pytest.approx(3.2)
    assert math.isclose(both.results({"n": Range(3.0)})["c"].high, (both.results({"n": Range(3.0)})["g"] * GRID).high)
