"""A grid as a table, as a plugin replaces or amends it: zone, g/kWh, L/kWh, source and year."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pytest_aifootprint.catalogue import Catalogue, CatalogueError, Fields, Triple, lookup_zone
from pytest_aifootprint.catalogue.zones import HIGHEST_G_PER_KWH
from pytest_aifootprint.impacts.contract import Grid
from pytest_aifootprint.impacts.grids import grid_of
from pytest_aifootprint.quantities import GramsPerKwh, LitresPerKwh, Range
from pytest_aifootprint.quantities.changed import replace
from pytest_aifootprint.quantities.tables import origin

LOCAL = "local"
"""The place of this machine; every other is a provider's key."""

CARBON, WATER = "g_per_kwh", "l_per_kwh"


def grid_table(grid: Grid) -> dict[str, Any]:
    """A grid as a table: ``zone``, ``g_per_kwh``, ``l_per_kwh`` if it is known, ``source``, ``year``."""
    water = {} if grid.water_l_per_kwh is None else {WATER: _ends(grid.water_l_per_kwh)}
    return {"zone": grid.zone, CARBON: _ends(grid.carbon_g_per_kwh), **water, "source": grid.source, "year": grid.year}


def replaced_grid(place: str, shipped: Grid | None, read: Callable[[str], Grid], answer: object, by: str) -> Grid:
    """The grid that takes the place of the shipped one.

    Args:
        place: ``LOCAL`` or a provider.
        shipped: lends the zone and the water where the answer has none.
        read: what makes a grid of a text; raises ValueError.
        answer: a table, or the name of a zone.
        by: who answers; stands in front of the source.

    Raises:
        CatalogueError: one line with place and field, for a table without source or year, or with invalid figures.
    """
    if isinstance(answer, str):
        named = read(answer)
        return replace(named, source=f"replaced by {by}: {named.source}")
    if not isinstance(answer, Mapping):
        raise CatalogueError(f"grid of {place}: must be a text or a table (a dict), got {answer!r:.80}")
    return _read(place, shipped, answer, f"replaced by {by}")


def amended_grid(place: str, before: Grid, table: Mapping[str, Any], by: str) -> Grid | None:
    """The grid after somebody changed its table; None if nothing changed. Raises CatalogueError as above."""
    was = grid_table(before)
    if table == was:
        return None
    if table.get("source") == was["source"]:
        raise CatalogueError(f"grid of {place}: source must say where the amended figures are from")
    return _read(place, before, table, f"amended by {by}")


def _read(place: str, before: Grid | None, table: Mapping[str, Any], how: str) -> Grid:
    plain = {name: list(value) if isinstance(value, tuple) else value for name, value in table.items()}
    fields = Fields(f"grid of {place}", plain)
    zone = fields.text("zone", before.zone if before is not None else "declared")
    carbon = _figure(fields, CARBON)
    if carbon is None:
        raise fields.error(f"{CARBON} is missing")
    if carbon[2] > HIGHEST_G_PER_KWH:
        raise fields.error(f"{CARBON} must be {HIGHEST_G_PER_KWH:g} at most, got {carbon[2]:g}")
    water = _figure(fields, WATER)
    fields.text("evidence", "declared")
    said = origin(Fields(f"grid of {place}", {"evidence": "declared", **plain}))
    for name in ("source", "year"):
        fields.raw(name)
    fields.done()
    return Grid(
        zone,
        GramsPerKwh(_range(carbon, f"grid:{zone}")),
        _water(water, zone, before),
        f"{how}: {said.source}",
        said.year,
    )


def _figure(fields: Fields, name: str) -> Triple | None:
    """A number above 0, or three in rising order."""
    if isinstance(fields.raw(name), list):
        triple = fields.triple(name)
    else:
        number = fields.number(name)
        triple = None if number is None else (number, number, number)
    if triple is not None and triple[0] <= 0:
        raise fields.error(f"{name} must be above 0, got {triple[0]:g}")
    return triple


def _water(figure: Triple | None, zone: str, before: Grid | None) -> LitresPerKwh | None:
    if figure is None:
        return before.water_l_per_kwh if before is not None else None
    return LitresPerKwh(_range(figure, f"ewif:{zone}"))


def _range(figure: Triple, factor: str) -> Range:
    low, central, high = figure
    return Range(central) if low == high else Range.of(low, central, high, factor)


def _ends(value: Range) -> list[float]:
    return [value.low, value.central, value.high]


def named_grid(place: str, catalogue: Catalogue, text: str) -> Grid:
    """The grid of a zone that somebody named for a provider.

    Raises:
        ValueError: one line, for a place that nobody knows, or a bare number: it has no source.
    """
    found = lookup_zone(text)
    if found.zone == "declared":
        raise CatalogueError(f"grid of {place}: {text!r} has no source")
    return grid_of(found, catalogue)
