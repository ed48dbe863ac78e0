"""Ranges of one unit, for the type checker: grams are no joules, and neither are they kilograms.

Each is a ``Range`` when it runs, so a unit costs nothing. To mypy each is a type of its own: it is only added to its
like, and only stands where its unit is wanted. A product or a quotient is a plain ``Range``, in whatever unit comes of
it: the named function that makes it says which, by wrapping it. What has no unit (a PUE, a share) is a ``Range``.
"""

from __future__ import annotations

from typing import NewType

from pytest_aifootprint.quantities.ranges import EXACT_ZERO, Range
from pytest_aifootprint.quantities.units import J_PER_KWH

Joules = NewType("Joules", Range)
KilowattHours = NewType("KilowattHours", Range)
Watts = NewType("Watts", Range)
Grams = NewType("Grams", Range)
"""CO2e, as kilograms are."""
Kilograms = NewType("Kilograms", Range)
GramsPerSecond = NewType("GramsPerSecond", Range)
GramsPerKwh = NewType("GramsPerKwh", Range)
Litres = NewType("Litres", Range)
LitresPerKwh = NewType("LitresPerKwh", Range)

G_PER_KG = 1000.0

ZERO_J = Joules(EXACT_ZERO)
ZERO_G = Grams(EXACT_ZERO)
ZERO_L = Litres(EXACT_ZERO)


def joules_over(power_w: Watts, seconds: float) -> Joules:
    """Joules of a power over a time: ``E = P x t``."""
    return Joules(power_w.scale(seconds))


def as_joules(kwh: KilowattHours) -> Joules:
    """The same energy in joules."""
    return Joules(kwh.scale(J_PER_KWH))


def as_kilograms(carbon_g: Grams) -> Kilograms:
    """The same mass in kilograms."""
    return Kilograms(carbon_g.scale(1 / G_PER_KG))


def as_grams(carbon_kg: Kilograms) -> Grams:
    """The same mass in grams."""
    return Grams(carbon_kg.scale(G_PER_KG))
