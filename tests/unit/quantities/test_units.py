"""Amounts as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_aifootprint.quantities import UnitError, parse_amount


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("5 gCO2e", "carbon_g", 5),
        ("50mgCO2e", "carbon_g", 0.05),
        ("1 ugCO2e", "carbon_g", 1e-6),
        ("1 µgCO2eq", "carbon_g", 1e-6),
        ("1 kgCO2e", "carbon_g", 1000),
        ("20 mg", "carbon_g", 0.02),
        ("2 g CO2e", "carbon_g", 2),
        ("1 tCO2e", "carbon_g", 1e6),
        ("20 J", "energy_j", 20),
        ("2 kJ", "energy_j", 2000),
        ("3 Wh", "energy_j", 10800),
        ("3 kwh", "energy_j", 10.8e6),
        ("3 mWh", "energy_j", 10.8),
        ("1 MWh", "energy_j", 3.6e9),
        ("1 MJ", "energy_j", 1e6),
        ("1 mJ", "energy_j", 1e-3),
        ("150 mL", "water_l", 0.15),
        ("1.5 l", "water_l", 1.5),
        ("2000 tokens", "tokens", 2000),
        ("2k tokens", "tokens", 2000),
        ("1_000 tokens", "tokens", 1000),
        ("3M tokens", "tokens", 3e6),
        ("10 calls", "calls", 10),
        ("1 call", "calls", 1),
        ("1e3 calls", "calls", 1000),
        ("0 calls", "calls", 0),
    ],
)
def test_units_that_people_write(text: str, kind: str, value: float) -> None:
    amount = parse_amount(text)
    assert amount.kind == kind
    assert amount.value == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize(
    "text", ["", "5", "g", "5 bananas", "-5 gCO2e", "1e999 g", "5 g 5", "nan g", "5 kk tokens", "2k L"]
)
def test_what_is_no_amount_says_what_is_valid(text: str) -> None:
    with pytest.raises(UnitError, match='valid: "5 gCO2e"') as caught:
        parse_amount(text)
    assert repr(text) in str(caught.value)
    assert "\n" not in str(caught.value)


@given(st.text(max_size=20))
def test_any_text_is_an_amount_or_one_clear_error(text: str) -> None:
    try:
        amount = parse_amount(text)
    except UnitError:
        return
    assert amount.value >= 0
