"""Electricity to carbon."""

from __future__ import annotations

from pytest_aifootprint.impacts.contract import Grid
from pytest_aifootprint.quantities import Grams, Joules, Range
from pytest_aifootprint.quantities.units import J_PER_KWH


def carbon_g(energy_j: Joules, grid: Grid) -> Grams:
    """Grams CO2e of using electricity somewhere: ``C = E x I`` (SCI, ISO/IEC 21031:2024, O = E x I).

    Args:
        energy_j: joules at the meter of the site, PUE included where there is a data centre.
        grid: its location-based average intensity in gCO2e/kWh.
    """
    return Grams((energy_j * grid.carbon_g_per_kwh).scale(1 / J_PER_KWH))


def at_wall_j(it_energy_j: Joules, pue: Range) -> Joules:
    """Joules at the meter of the data centre: ``E = E_it x PUE``."""
    return Joules(it_energy_j * pue)


def without_pue_j(energy_j: Joules, pue: Range) -> Joules:
    """Joules of the machines themselves, of joules with the PUE inside: ``E_it = E / PUE``."""
    return Joules(energy_j / pue)


def device_energy_kwh(device_hours: float, watts: float, pue: float = 1.0) -> float:
    """Kilowatt-hours of devices that run at a power: ``E = h x W x PUE``.

    Source: how LLaMA (arXiv:2302.13971, s6) and BLOOM (arXiv:2211.02001, s4.2) report their training. The power is a
    rating there, not a measurement.
    """
    return device_hours * watts / 1000 * pue


def electricity_carbon_kg(energy_kwh: float, g_per_kwh: float) -> float:
    """Kilograms CO2e of an amount of electricity: ``C = E x I``, for published totals."""
    return energy_kwh * g_per_kwh / 1000
