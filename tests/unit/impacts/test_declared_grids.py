"""A grid as a table: what is taken, and what is refused in one line."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from pytest_aifootprint.catalogue import CatalogueError, default_catalogue
from pytest_aifootprint.impacts import resolve_grid
from pytest_aifootprint.impacts.declared_grids import LOCAL, amended_grid, grid_table, named_grid, replaced_grid
from pytest_aifootprint.quantities import Range

FRANCE = resolve_grid("FRA", {})
SAID = {"source": "me", "year": 2026}
READ = partial(named_grid, "openai", default_catalogue())


def test_a_table_has_what_the_grid_has() -> None:
    table = grid_table(FRANCE)

    assert (table["zone"], table["source"], table["year"]) == ("FRA", FRANCE.source, FRANCE.year)
    assert table["g_per_kwh"] == [
        FRANCE.carbon_g_per_kwh.low,
        FRANCE.carbon_g_per_kwh.central,
        FRANCE.carbon_g_per_kwh.high,
    ]
    assert amended_grid("openai", FRANCE, table, "somebody") is None


def test_a_replaced_grid_keeps_zone_and_water_where_nothing_else_is_said() -> None:
    grid = replaced_grid("openai", FRANCE, READ, {"g_per_kwh": 20, **SAID}, "somebody")

    assert (grid.zone, grid.water_l_per_kwh) == ("FRA", FRANCE.water_l_per_kwh)
    assert grid.carbon_g_per_kwh == Range(20)
    assert (grid.source, grid.year) == ("replaced by somebody: me", 2026)


def test_a_range_is_a_factor_of_its_zone() -> None:
    table = {"zone": "roof", "g_per_kwh": (20, 25, 40), "l_per_kwh": [1, 2, 3], **SAID}
    grid = replaced_grid(LOCAL, None, READ, table, "somebody")

    assert grid.carbon_g_per_kwh == Range.of(20, 25, 40, "grid:roof")
    assert grid.water_l_per_kwh == Range.of(1, 2, 3, "ewif:roof")


def test_a_grid_of_nothing_but_carbon_has_unknown_water_and_is_declared() -> None:
    grid = replaced_grid(LOCAL, None, READ, {"g_per_kwh": 20, **SAID}, "somebody")

    assert (grid.zone, grid.water_l_per_kwh) == ("declared", None)


def test_a_named_zone_has_the_zones_figure_and_source() -> None:
    grid = replaced_grid("openai", None, READ, "FRA", "somebody")

    assert grid.carbon_g_per_kwh == FRANCE.carbon_g_per_kwh
    assert grid.source == f"replaced by somebody: {FRANCE.source}"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"g_per_kwh": 20, "year": 2026}, "grid of openai: source is missing"),
        ({"g_per_kwh": 20, "source": "me"}, "grid of openai: year is missing"),
        ({"g_per_kwh": 20, "source": "me", "year": 24}, "grid of openai: year must be a year"),
        (SAID, "grid of openai: g_per_kwh is missing"),
        ({"g_per_kwh": 0, **SAID}, "g_per_kwh must be above 0, got 0"),
        ({"g_per_kwh": [0, 1, 2], **SAID}, "g_per_kwh must be above 0, got 0"),
        ({"g_per_kwh": -5, **SAID}, "g_per_kwh must be finite and 0 or more"),
        ({"g_per_kwh": float("nan"), **SAID}, "g_per_kwh must be finite"),
        ({"g_per_kwh": True, **SAID}, "g_per_kwh must be a number"),
        ({"g_per_kwh": "56 g/kWh", **SAID}, "g_per_kwh must be a number"),
        ({"g_per_kwh": [3, 2, 4], **SAID}, "g_per_kwh must be [low, central, high] in rising order"),
        ({"g_per_kwh": 5001, **SAID}, "g_per_kwh must be 5000 at most, got 5001"),
        ({"g_per_kwh": 20, "l_per_kwh": 0, **SAID}, "l_per_kwh must be above 0"),
        ({"g_per_kwh": 20, "kg_per_kwh": 1, **SAID}, "unknown key 'kg_per_kwh'; valid: zone, g_per_kwh, l_per_kwh"),
        ({"g_per_kwh": 20, "zone": 7, **SAID}, "zone must be a text"),
        ("20 g/kWh", "grid of openai: '20 g/kWh' has no source"),
        ("ATLANTIS", "'ATLANTIS' is not a place"),
        (20, "grid of openai: must be a text or a table (a dict), got 20"),
    ],
    ids=repr,
)
def test_a_bad_grid_is_one_line(answer: Any, said: str) -> None:
    with pytest.raises(ValueError, match=r".") as error:
        replaced_grid("openai", FRANCE, READ, answer, "somebody")

    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_an_amended_grid_needs_another_source() -> None:
    table = {**grid_table(FRANCE), "g_per_kwh": 40}
    with pytest.raises(CatalogueError, match="grid of local: source must say where"):
        amended_grid(LOCAL, FRANCE, table, "somebody")

    grid = amended_grid(LOCAL, FRANCE, {**table, "source": "me"}, "somebody")
    assert grid is not None
    assert (grid.source, grid.carbon_g_per_kwh.central) == ("amended by somebody: me", 40)
