"""Joules, grams, litres, ranges, bases and notices: knows nothing else of the project."""

from pytest_aifootprint.quantities.basis import Basis, basis_of_sum
from pytest_aifootprint.quantities.notices import Notice
from pytest_aifootprint.quantities.ranges import EXACT_ZERO, Difference, Range, difference, total
from pytest_aifootprint.quantities.sheets import Given, Sheet, Step
from pytest_aifootprint.quantities.units import Amount, UnitError, parse_amount

__all__ = [
    "EXACT_ZERO",
    "Amount",
    "Basis",
    "Difference",
    "Given",
    "Notice",
    "Range",
    "Sheet",
    "Step",
    "UnitError",
    "basis_of_sum",
    "difference",
    "parse_amount",
    "total",
]
