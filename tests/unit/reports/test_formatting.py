"""Two significant digits, one unit a column, no exponent: for any number."""

# ruff: noqa: RUF001 - the signs that are printed
import math
import re
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_aifootprint.quantities import EXACT_ZERO, ZERO_G, Grams, GramsPerKwh, Joules, Litres, Range
from pytest_aifootprint.reports import formatting as f

UNIT_SIZE = {
    **{unit.symbol: 10.0**unit.exponent for kind in (f.CARBON, f.WATER, f.JOULES) for unit in kind.units},
    **{unit.symbol: 3600 * 10.0**unit.exponent for unit in f.ENERGY.units},
}
SIZES = st.floats(min_value=1e-10, max_value=1e12)


def read(text: str) -> float:
    number, unit = text.split(" ")
    return float(number) * UNIT_SIZE[unit]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (2.34, "2.3 g"),
        (0.79, "790 mg"),
        (0.00079, "790 µg"),
        (0.9996, "1 g"),
        (999.6, "1 kg"),
        (123456.0, "120 kg"),
        (3e11, "300000 t"),
        (3e-10, "300 pg"),
        (1e-15, "0.001 pg"),
        (1e-17, "<0.001 pg"),
        (0.0, "0"),
        (None, "–"),
        (EXACT_ZERO, "0"),
        (Range.of(1, 2.34, 3, "m"), "2.3 g"),
    ],
)
def test_carbon_has_two_digits_and_the_prefix_that_fits(value: float | None, text: str) -> None:
    assert f.carbon(value) == text


def test_a_line_has_one_unit() -> None:
    unit = f.carbon_unit([3.3, 2.3, 0.79, 0.19, None])
    assert [f.carbon(v, unit) for v in (3.3, 2.3, 0.79, 0.19, None)] == ["3.3 g", "2.3 g", "0.79 g", "0.19 g", "–"]


def test_a_number_far_from_the_column_keeps_its_digits_in_its_own_prefix() -> None:
    unit = f.carbon_unit([3.3])
    assert f.carbon(0.0012, unit) == "0.0012 g"
    assert f.carbon(0.00012, unit) == "120 µg"
    assert f.carbon(4_900, unit) == "4900 g"
    assert f.carbon(49_000, unit) == "49 kg"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Range.of(1.2, 3.3, 13, "m"), "1.2 – 13 g"),
        (Range.of(0.00003, 3.3, 13, "m"), "30 µg – 13 g"),
        (Range.of(3.28, 3.3, 3.31, "m"), "3.3 g"),
        (Range(3.3), "3.3 g"),
        (EXACT_ZERO, "0"),
        (None, "–"),
    ],
)
def test_range_has_both_ends_in_one_unit(value: Grams | None, text: str) -> None:
    assert f.carbon_range(value) == text


def test_energy_is_printed_in_watt_hours_and_water_in_litres() -> None:
    assert f.energy(Joules(Range(12 * 3600))) == "12 Wh"
    assert f.energy_range(Joules(Range.of(8.6 * 3600, 12 * 3600, 29 * 3600, "m"))) == "8.6 – 29 Wh"
    assert f.energy(3.6) == "1 mWh"
    assert f.energy_number(1.5 * 3600, f.energy_unit([12 * 3600.0])) == "1.5"
    assert f.energy_number(0.00015 * 3600, f.energy_unit([12 * 3600.0])) == "150 µWh"
    assert f.joules(46_123) == "46 kJ"
    assert f.water(0.045) == "45 mL"
    assert f.water_range(Litres(Range.of(0.026, 0.045, 0.130, "m"))) == "26 – 130 mL"
    assert f.water(12_000, f.water_unit([12_000])) == "12 m³"


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (1, "1"), (950, "950"), (999, "999"), (1000, "1 k"), (48_321, "48 k"), (None, "–")]
)
def test_count_is_exact_while_it_is_short(value: int | None, text: str) -> None:
    assert f.count(value) == text


def test_count_in_a_column_of_thousands_keeps_its_unit() -> None:
    unit = f.count_unit([21_000, 950, 0, None])
    assert [f.count(v, unit) for v in (21_000, 950, 0, None)] == ["21 k", "0.95 k", "0", "–"]


def test_nouns_have_a_plural() -> None:
    assert (f.counted(1, "live call"), f.counted(37, "live call"), f.counted(0, "model")) == (
        "1 live call",
        "37 live calls",
        "0 models",
    )
    assert (f.tokens(48_321), f.tokens(1), f.tokens(None)) == ("48 k tokens", "1 token", "– tokens")


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.408, "41 %"),
        (0.09, "9 %"),
        (0.016, "1.6 %"),
        (0.002, "0.2 %"),
        (0.00250891, "0.3 %"),
        (0.0096, "1 %"),
        (0.0123, "1.2 %"),
        (0.00001, "<0.1 %"),
        (0.0, "0 %"),
        (1.0, "100 %"),
        (0.9951, "100 %"),
        (1.012, "101 %"),
        (9.99, "999 %"),
        (21.79, "2200 %"),
        (None, "–"),
    ],
)
def test_percent(share: float | None, text: str) -> None:
    assert f.percent(share) == text


def test_suffix_names_what_it_counts() -> None:
    assert [f.suffix(v) for v in (Grams(Range(1.21)), 0.00121, ZERO_G, None)] == [
        "1.2 gCO2e",
        "1.2 mgCO2e",
        "0 gCO2e",
        "– gCO2e",
    ]


def test_factor_and_intensity() -> None:
    assert f.factor(4.5) == "×/÷ 4.5"
    assert f.factor(math.sqrt(1.3689)) == "×/÷ 1.2"
    assert f.intensity(GramsPerKwh(Range(384.04))) == "384 g/kWh"
    assert f.intensity(56.0) == "56 g/kWh"


def test_limit_keeps_its_digits_and_shares_the_unit() -> None:
    assert f.held_against(3.31, 5.0, f.CARBON) == "3.3 g of 5 g"
    assert f.held_against(0.0331, 5.25, f.CARBON) == "0.033 g of 5.25 g"
    assert f.held_against(2100, 2000, f.COUNT) == "2.1 k of 2 k"
    assert f.held_against(1.2, 0.0, f.CARBON) == "1.2 g of 0"
    assert f.held_against(1.3e-3, 1e-6, f.CARBON) == "1.3 mg of 1 µg"


PRINTERS = [(f.carbon, f.carbon_unit), (f.energy, f.energy_unit), (f.water, f.water_unit)]


@pytest.mark.parametrize(("printer", "unit_of"), PRINTERS)
@settings(deadline=None)  # a loaded machine is slow
@given(values=st.lists(SIZES, min_size=1, max_size=6))
def test_printed_number_is_within_five_percent_and_has_no_exponent(
    printer: Callable[..., str], unit_of: Callable[..., f.Unit], values: list[float]
) -> None:
    unit = unit_of(values)
    for value in values:
        text = printer(value, unit)
        assert read(text) == pytest.approx(value, rel=0.05001)
        assert re.fullmatch(r"[0-9]+(\.[0-9]{0,3}[1-9])? \S+", text)


@pytest.mark.parametrize(("printer", "unit_of"), PRINTERS)
@settings(deadline=None)  # a loaded machine is slow
@given(base=SIZES, ratios=st.lists(st.floats(min_value=0.0011, max_value=1), max_size=5))
def test_column_has_one_unit(
    printer: Callable[..., str], unit_of: Callable[..., f.Unit], base: float, ratios: list[float]
) -> None:
    values = [base, *(base * ratio for ratio in ratios)]
    unit = unit_of(values)
    assert {printer(value, unit).split(" ")[1] for value in values} == {unit.symbol}


@pytest.mark.parametrize(("printer", "unit_of"), PRINTERS)
@settings(deadline=None)  # a loaded machine is slow
@given(one=SIZES, other=SIZES)
def test_printing_is_monotone(
    printer: Callable[..., str], unit_of: Callable[..., f.Unit], one: float, other: float
) -> None:
    small, large = sorted((one, other))
    for unit in (None, unit_of([small]), unit_of([large])):
        assert read(printer(small, unit)) <= read(printer(large, unit)) * (1 + 1e-12)


@settings(deadline=None)  # a loaded machine is slow
@given(st.floats(min_value=1e-300, max_value=1e300))
def test_nothing_that_is_not_zero_prints_as_zero_or_with_an_exponent(value: float) -> None:
    for text in (f.carbon(value), f.energy(value), f.water(value), f.joules(value), f.percent(value)):
        assert re.search("[1-9]", text)
        assert not re.search("[0-9][eE]", text)


@settings(deadline=None)  # a loaded machine is slow
@given(st.text())
def test_a_name_stays_on_one_line_and_prints_anywhere(text: str) -> None:
    line = f.one_line(text)
    assert len(line.splitlines()) <= 1
    for encoding in ("ascii", "cp1252", "utf-8", None, "no such encoding"):
        f.printable(line, encoding).encode(encoding if encoding and " " not in encoding else "utf-8")


def test_signs_have_stand_ins_where_the_stream_has_not() -> None:
    text = "1.2 – 13 µg · ×/÷ 4.5 … ██ m³ ñ"
    assert f.printable(text, "utf-8") == text
    assert f.printable(text, "cp1252") == "1.2 – 13 µg · ×/÷ 4.5 … ## m³ ñ"
    assert f.printable(text, "ascii") == r"1.2 - 13 ug | x/ 4.5 ... ## m3 \xf1"
