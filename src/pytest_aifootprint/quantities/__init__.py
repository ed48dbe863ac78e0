"""Joules, grams, litres, ranges, bases and notices: knows nothing else of the project."""

from pytest_aifootprint.quantities.basis import Basis, basis_of_sum
from pytest_aifootprint.quantities.dimensions import (
    ZERO_G,
    ZERO_J,
    ZERO_L,
    Grams,
    GramsPerKwh,
    GramsPerSecond,
    Joules,
    Kilograms,
    KilowattHours,
    Litres,
    LitresPerKwh,
    Watts,
    as_grams,
    as_joules,
    as_kilograms,
    joules_over,
)
from pytest_aifootprint.quantities.notices import Notice
from pytest_aifootprint.quantities.ranges import EXACT_ZERO, Difference, OfUnit, Range, difference, total
from pytest_aifootprint.quantities.sheets import Given, Sheet, Step
from pytest_aifootprint.quantities.units import Amount, UnitError, parse_amount

__all__ = [
    "EXACT_ZERO",
    "ZERO_G",
    "ZERO_J",
    "ZERO_L",
    "Amount",
    "Basis",
    "Difference",
    "Given",
    "Grams",
    "GramsPerKwh",
    "GramsPerSecond",
    "Joules",
    "Kilograms",
    "KilowattHours",
    "Litres",
    "LitresPerKwh",
    "Notice",
    "OfUnit",
    "Range",
    "Sheet",
    "Step",
    "UnitError",
    "Watts",
    "as_grams",
    "as_joules",
    "as_kilograms",
    "basis_of_sum",
    "difference",
    "joules_over",
    "parse_amount",
    "total",
]
