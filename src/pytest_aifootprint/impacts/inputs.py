"""Figures of the catalogue and of places as the inputs of a sheet, each with its source."""

from __future__ import annotations

from pytest_aifootprint.catalogue import EWIF_SOURCE, EWIF_YEAR, Catalogue
from pytest_aifootprint.impacts.contract import Grid
from pytest_aifootprint.quantities import Given, LitresPerKwh, Range


def factor_given(symbol: str, what: str, catalogue: Catalogue, key: str, factor: str = "") -> Given:
    """A row of ``defaults.toml`` as an input, its range under the name ``factor``: x/÷ around 1, or its own value."""
    row = catalogue.factors[key]
    if row.value is None:
        value = Range.times_over(1.0, catalogue.spread(key), factor)
    else:
        low, central, high = row.value
        value = Range.of(low, central, high, factor) if low < high else Range(central)
    unit = "" if row.unit == "x/÷" else row.unit
    return Given(symbol, what, unit, value, row.origin.source, row.origin.year, row.origin.evidence)


def grid_given(symbol: str, grid: Grid) -> Given:
    """Carbon intensity of a place, as an input."""
    basis = "declared" if grid.zone == "declared" else "assumed" if grid.guessed else "published"
    return Given(
        symbol, f"carbon of the grid {grid.zone}", "g/kWh", grid.carbon_g_per_kwh, grid.source, grid.year, basis
    )


def water_given(symbol: str, grid: Grid, litres: LitresPerKwh) -> Given:
    """Water at the power plants of a place, as an input."""
    zone = next((name.partition(":")[2] for name in litres.factors), grid.zone)
    source, year = (grid.water_source, grid.water_year) if grid.water_source else (EWIF_SOURCE, EWIF_YEAR)
    return Given(symbol, f"water at the power plants of {zone}", "L/kWh", litres, source, year, "published")
