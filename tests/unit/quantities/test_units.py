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
        ("5 gCO₂e", "carbon_g", 5),
        ("5 g CO2-eq", "carbon_g", 5),
        ("5 gCO2", "carbon_g", 5),
        ("5 Kg", "carbon_g", 5000),
        ("3 μg", "carbon_g", 3e-6),  # the Greek letter, not the sign: what a Mac types
        ("7 µL", "water_l", 7e-6),
        (".5 kWh", "energy_j", 1.8e6),
        ("+5 g", "carbon_g", 5),
        ("5\N{NO-BREAK SPACE}g", "carbon_g", 5),
        ("2K Tokens", "tokens", 2000),
        ("0.5k calls", "calls", 500),
        ("0 g", "carbon_g", 0),
    ],
)
def test_units_that_people_write(text: str, kind: str, value: float) -> None:
    amount = parse_amount(text)
    assert amount.kind == kind
    assert amount.value == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize(
    "text",
    [
        *("", "5", "g", "5 bananas", "-5 gCO2e", "1e999 g", "5 g 5", "nan g", "5 kk tokens", "2k L"),
        *(
            "1,5 kWh",
            "1,000 tokens",
            "20 Mg",
            "20 MG",
            "5 g/run",
            "5 gCO2e each",
            "٣ g",
            "0x10 calls",
            "5e g",
            "5 g\n6 g",
        ),
        *("∞ g", "inf g", "5 k", "5 M", "5 %", "5 gCO3", "-0.1 calls", "5..5 g", "1.5", "2.", "5.g"),
    ],
)
def test_what_is_no_amount_says_what_is_valid(text: str) -> None:
    with pytest.raises(UnitError, match='valid: "5 gCO2e"') as caught:
        parse_amount(text)
    assert repr(text) in str(caught.value)
    assert "\n" not in str(caught.value)


UNITS = {
    "carbon_g": {"g": 1.0, "mg": 1e-3, "kg": 1e3, "ug": 1e-6, "µg": 1e-6, "t": 1e6},
    "energy_j": {"J": 1.0, "kJ": 1e3, "MJ": 1e6, "mJ": 1e-3, "Wh": 3600.0, "mWh": 3.6, "kWh": 3.6e6, "MWh": 3.6e9},
    "water_l": {"L": 1.0, "mL": 1e-3, "uL": 1e-6, "l": 1.0, "ml": 1e-3},
    "tokens": {"tokens": 1.0, "k tokens": 1e3, "M tokens": 1e6},
    "calls": {"calls": 1.0, "k calls": 1e3},
}
SPELLINGS = [(kind, unit, factor) for kind, units in UNITS.items() for unit, factor in units.items()]


@given(
    st.floats(min_value=0, max_value=1e12, allow_nan=False),
    st.sampled_from(SPELLINGS),
    st.sampled_from(["", " ", "  ", "\t"]),
    st.sampled_from(["", "CO2e", " CO2eq", "CO2"]),
)
def test_an_amount_in_any_unit_and_spacing_is_the_same_amount(
    number: float, spelling: tuple[str, str, float], blank: str, suffix: str
) -> None:
    kind, unit, factor = spelling
    amount = parse_amount(f"{blank}{number!r}{blank}{unit}{suffix if kind == 'carbon_g' else ''}{blank}")
    assert amount.kind == kind
    assert amount.value == pytest.approx(number * factor, rel=1e-12)


@given(st.text(max_size=20))
def test_any_text_is_an_amount_or_one_clear_error(text: str) -> None:
    try:
        amount = parse_amount(text)
    except UnitError:
        return
    assert amount.value >= 0
