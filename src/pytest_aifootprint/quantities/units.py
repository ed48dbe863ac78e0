"""Units as people write them: "5 gCO2e", "20 mg", "3 Wh", "150 mL", "2k tokens", "10 calls"."""

from __future__ import annotations

import math
import re

from msgspec import Struct

J_PER_KWH = 3.6e6
J_PER_WH = 3600.0
S_PER_YEAR = 31_536_000.0
NS_PER_S = 1_000_000_000

VALID_AMOUNTS = (
    'valid: "5 gCO2e" (ug, mg, g, kg, t), "3 Wh" (mWh, Wh, kWh, J, kJ, MJ), "150 mL" (uL, mL, L), '
    '"2000 tokens", "10 calls"'
)

# "Mg" is none: a tonne to a physicist, a milligram to whoever missed the key.
_CARBON_G = {"ug": 1e-6, "µg": 1e-6, "mg": 1e-3, "g": 1.0, "kg": 1e3, "Kg": 1e3, "KG": 1e3, "t": 1e6}
_ENERGY_J = {"mwh": 3.6, "wh": 3600.0, "kwh": 3.6e6, "mj": 1e6, "j": 1.0, "kj": 1e3}
_WATER_L = {"ul": 1e-6, "µl": 1e-6, "ml": 1e-3, "l": 1.0}
_COUNTS = {"tokens": "tokens", "token": "tokens", "calls": "calls", "call": "calls"}
_THOUSANDS = {"": 1.0, "k": 1e3, "K": 1e3, "M": 1e6}
_GREEK_MU, _MICRO = "\N{GREEK SMALL LETTER MU}", "\N{MICRO SIGN}"

_AMOUNT = re.compile(
    r"\s*(?P<number>[-+]?(?:[0-9][0-9_]*(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?)\s*(?P<thousands>[kKM]?)\s*(?P<unit>[^\d\s.].*?)\s*\Z"
)


class UnitError(ValueError):
    """An amount that cannot be read; the message says what was wrong and what is valid."""


class Amount(Struct, frozen=True):
    """An amount of one kind, in the unit used inside.

    Attributes:
        kind: ``carbon_g``, ``energy_j``, ``water_l``, ``tokens`` or ``calls``.
        value: in grams CO2e, joules, litres or a count.
        text: as the user wrote it.
    """

    kind: str
    value: float
    text: str


def parse_amount(text: str) -> Amount:
    """Read an amount with its unit.

    Raises:
        UnitError: for an unknown unit, a negative or infinite amount, or no amount at all.
    """
    match = _AMOUNT.match(text.replace(_GREEK_MU, _MICRO))
    if match is None:
        raise UnitError(f"{text!r} is not an amount with a unit; {VALID_AMOUNTS}")
    thousands, unit = match["thousands"], match["unit"]
    found = _unit(unit) if not thousands else None
    if found is None and thousands:
        # "kWh" and "kgCO2e" are units of their own; "2k tokens" has a factor in front of the unit.
        found = _unit(thousands + unit)
        if found is None and unit.lower() in _COUNTS:
            found = (_COUNTS[unit.lower()], _THOUSANDS[thousands])
    if found is None:
        raise UnitError(f"{text!r} has an unknown unit {(thousands + unit)!r}; {VALID_AMOUNTS}")
    kind, factor = found
    value = float(match["number"].replace("_", "")) * factor
    if not math.isfinite(value) or value < 0:
        raise UnitError(f"{text!r} is negative or not finite; a limit is 0 or more; {VALID_AMOUNTS}")
    return Amount(kind, value, text.strip())


def _unit(unit: str) -> tuple[str, float] | None:
    if unit.lower() in _COUNTS:
        return _COUNTS[unit.lower()], 1.0
    bare = re.sub(r"\s*CO[2₂](?:-?eq?)?\Z", "", unit, flags=re.IGNORECASE).strip()
    if bare in _CARBON_G:
        return "carbon_g", _CARBON_G[bare]
    # Mega and milli differ by case alone: MJ and MWh against mJ and mWh.
    exact = {"MJ": 1e6, "mJ": 1e-3, "MWh": 3.6e9, "mWh": 3.6}
    if unit in exact:
        return "energy_j", exact[unit]
    if unit.lower() in _ENERGY_J and unit.lower() not in {"mj", "mwh"}:
        return "energy_j", _ENERGY_J[unit.lower()]
    if unit.lower() in _WATER_L:
        return "water_l", _WATER_L[unit.lower()]
    return None
