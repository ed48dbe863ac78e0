"""Carbon intensity and water of electricity by place, from the data files of codecarbon and ecologits, read by path.

Every figure is a yearly, location-based average. Boundaries differ and are named in ``Intensity.source``: country
figures and the Canadian mixes are life-cycle, US states (eGRID) and Chinese provinces count the power plants' stacks.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from pytest_aifootprint.catalogue.loader import default_catalogue
from pytest_aifootprint.catalogue.packages import data_file, read_json
from pytest_aifootprint.quantities.changed import replace
from pytest_aifootprint.quantities.tables import CatalogueError

KG_PER_LB = 0.45359237
HIGHEST_G_PER_KWH = 5000.0
"""No plant emits more; a higher number has the wrong unit."""

VALID_PLACES = (
    'valid: an ISO country code ("FRA"), a US state ("USA/virginia" or "USA/va"), a Canadian or Chinese province '
    '("CAN/quebec"), a Nordic zone ("SWE/SE3"), a cloud region ("gcp/us-central1", "aws/eu-west-3", "azure/westus3"), '
    '"wor" for the world, a number ("56 g/kWh", "0.056 kg/kWh")'
)
VALID_ZONES = f'{VALID_PLACES}, or "electricitymaps/FR", asked for over the network with your own token'

_MIXES = "data/private_infra/global_energy_mix.json"
_SOURCES = "data/private_infra/carbon_intensity_per_source.json"
_STATES = "data/private_infra/2023/usa_emissions.json"
_CANADA = "data/private_infra/2023/canada_energy_mix.json"
_CHINA = "data/private_infra/2023/china_provincial_emissions.json"
_NORDIC = "data/private_infra/nordic_emissions.json"
_CLOUD = "data/cloud/impact.csv"
EWIF_SOURCE, EWIF_YEAR = (
    "WRI 2020, Guidance for Calculating Water Use Embedded in Purchased Electricity, ecologits",
    2020,
)
"""Of all water figures: ecologits' file names neither."""

_YEAR = 2023
"""Of the folder that holds the Canadian mixes; the other files say their year themselves."""

# codecarbon's names for the sources of a Canadian mix; "other" has no factor and is left out on both sides.
_CANADIAN_SOURCES = {
    "coal": "coal",
    "petroleum": "petroleum",
    "naturalGas": "natural_gas",
    "nuclear": "nuclear",
    "biomass": "biomass",
    "solar": "solar",
    "wind": "wind",
    "hydro": "hydroelectricity",
    "tidal": "hydroelectricity",
}
_CLOUDS = ("aws/", "azure/")
_NORDIC_COUNTRY = {"SE": "SWE", "NO": "NOR", "FI": "FIN"}
# The file misspells this region.
_GCP_SPELLING = {"me-central1": "me-cenrtal1"}
_NUMBER = re.compile(
    r"(?P<value>[-+]?[0-9.]+(?:e[-+]?[0-9]+)?)\s*(?P<kilo>k?)g\s*(?:co2(?:e|eq)?)?\s*/\s*kwh\Z", re.IGNORECASE
)


class ZoneError(ValueError):
    """A place that no data knows; the message is one line with the value, close matches and the valid forms."""


class Intensity(Struct, frozen=True):
    """Carbon intensity of a place.

    Attributes:
        zone: canonical name: ``FRA``, ``USA/virginia``, ``gcp/us-central1``, ``WOR``, or ``declared``.
        country: ISO code, for what is only known by country; None for the world and a declared number.
        g_per_kwh: gCO2e per kWh. source, year: of the figure; year None where the data has none.
        publisher: of the figure, in a word, for lines that have no room for the source; "" of a declared number.
    """

    zone: str
    country: str | None
    g_per_kwh: float
    source: str
    year: int | None
    publisher: str = ""


def lookup_zone(text: str) -> Intensity:
    """The carbon intensity of a place, or the number itself.

    Raises:
        ZoneError: for a place or a number that cannot be read.
    """
    wanted = text.strip()
    declared = _declared(wanted)
    if declared is not None:
        return declared
    key = wanted.casefold()
    if key in {"wor", "world"}:
        return _world()
    found = _cloud(key) if key.startswith(_CLOUDS) else _published(key)
    if found is not None:
        return found
    raise ZoneError(f"{text!r} is not a place whose electricity is known; {_hint(key)}{VALID_ZONES}")


def _published(key: str) -> Intensity | None:
    """A place that some data has a figure of."""
    head, _, tail = key.partition("/")
    if head == "gcp":
        return _gcp(tail)
    return _region(head.upper(), tail) if tail else _nordic(head) or _country(head)


def known_zones() -> Iterator[str]:
    """Every canonical zone name."""
    yield "WOR"
    yield from read_json("codecarbon", _MIXES)
    yield from (f"USA/{name}" for name in _states())
    yield from (f"CAN/{name}" for name in read_json("codecarbon", _CANADA))
    yield from (f"{_NORDIC_COUNTRY[name[:2]]}/{name}" for name in read_json("codecarbon", _NORDIC).get("data", {}))
    yield from (f"CHN/{entry['names'][0]}" for entry in read_json("codecarbon", _CHINA).get("data", {}).values())
    yield from (f"gcp/{region}" for region in _gcp_regions())
    yield from default_catalogue().cloud_regions


def ewif_l_per_kwh(country: str | None) -> tuple[float, bool]:
    """Water consumed at the power plants in L/kWh, and whether it is the country's own figure.

    Source: ``EWIF_SOURCE``, ``electricity_mixes.json``; 165 of its 215 zones carry the world's value.
    Raises ZoneError if ecologits' data is not installed.
    """
    zones = _water()
    if country in zones:
        return zones[country]
    if "WOR" not in zones:
        raise ZoneError("ecologits' electricity_mixes.json is not installed: no water factors")
    return zones["WOR"][0], False


def _hint(key: str) -> str:
    import difflib  # needed for a typo alone

    spelled = {zone.casefold(): zone for zone in known_zones()}
    # Names of regions are all alike; one letter more or less is close.
    close = difflib.get_close_matches(key, spelled, n=3, cutoff=0.8 if key.startswith(_CLOUDS) else 0.6)
    return f"did you mean {' or '.join(spelled[z] for z in close)}? " if close else ""


def number_g_per_kwh(text: str) -> float | None:
    """The number of "56 g/kWh", "0.056 kg/kWh" or "56 gCO2e/kWh"; None for a text that is no number with a unit.

    Raises:
        ZoneError: for a number that cannot be read, or that no plant can have.
    """
    match = _NUMBER.match(text.strip())
    if match is None:
        return None
    try:
        value = float(match["value"]) * (1000.0 if match["kilo"] else 1.0)
    except ValueError:
        raise ZoneError(f"{text!r} is not a number") from None
    if not 0 <= value <= HIGHEST_G_PER_KWH:
        raise ZoneError(f"{text!r} is outside 0 to {HIGHEST_G_PER_KWH:.0f} g/kWh")
    return value


def _declared(text: str) -> Intensity | None:
    try:
        value = number_g_per_kwh(text)
    except ZoneError as error:
        raise ZoneError(f"{error}; {VALID_ZONES}") from None
    return None if value is None else Intensity("declared", None, value, f"declared: {text}", None)


def _world() -> Intensity:
    data = read_json("codecarbon", _SOURCES)
    if "world_average" not in data:
        raise ZoneError("codecarbon's carbon_intensity_per_source.json is not installed: no world average")
    return Intensity("WOR", None, float(data["world_average"]), "IEA 2019 world average, codecarbon", 2019, "IEA")


def _country(key: str) -> Intensity | None:
    mixes = read_json("codecarbon", _MIXES)
    code = key.upper() if key.upper() in mixes else _country_names().get(key)
    if code is None:
        return None
    row = mixes[code]
    grams, source, publisher = float(row["carbon_intensity"]), "Our World in Data/Ember, codecarbon", "Ember"
    if grams <= 0:
        # A small grid of water power is rounded to 0 there (CAF): no electricity is free of carbon.
        grams, source = _of_mix(row), "national mix x carbon intensity per source, codecarbon"
        publisher = "codecarbon"
    return Intensity(code, code, grams, source, row.get("year"), publisher)


def _of_mix(row: dict[str, Any]) -> float:
    per_source = read_json("codecarbon", _SOURCES)
    # "fossil" is the sum of coal, gas and oil.
    names = {key: key.removesuffix("_TWh") for key in row if key.endswith("_TWh") and key != "fossil_TWh"}
    parts = [(float(row[key]), float(per_source[name])) for key, name in names.items() if name in per_source]
    return math.fsum(share * g for share, g in parts) / math.fsum(share for share, _ in parts)


def _region(country: str, name: str) -> Intensity | None:
    if country == "USA":
        states = _states()
        state = name if name in states else _state_codes().get(name)
        if state is None:
            return None
        grams = float(states[state]["emissions"]) * KG_PER_LB
        return Intensity(
            f"USA/{state}", "USA", grams, "EPA eGRID2023 (stack emissions only), codecarbon", 2023, "eGRID"
        )
    if country == "CAN":
        return _canadian(name)
    if country == "CHN":
        for entry in read_json("codecarbon", _CHINA).get("data", {}).values():
            if name in entry["names"]:
                source = "MEE/NBS China (CO2 only), codecarbon"
                return Intensity(
                    f"CHN/{entry['names'][0]}", "CHN", float(entry["emission_factor"]), source, entry["year"], "MEE/NBS"
                )
    nordic = _nordic(name)
    return nordic if nordic is not None and nordic.country == country else None


def _canadian(name: str) -> Intensity | None:
    mix = read_json("codecarbon", _CANADA).get(name)
    if mix is None:
        return None
    per_source = read_json("codecarbon", _SOURCES)
    parts = [(float(mix[s]), float(per_source[name_there])) for s, name_there in _CANADIAN_SOURCES.items() if s in mix]
    grams = sum(share * g for share, g in parts) / sum(share for share, _ in parts)
    return Intensity(
        f"CAN/{name}", "CAN", grams, "provincial mix x carbon intensity per source, codecarbon", _YEAR, "codecarbon"
    )


def _nordic(name: str) -> Intensity | None:
    entry = read_json("codecarbon", _NORDIC).get("data", {}).get(name.upper())
    if entry is None:
        return None
    country = _NORDIC_COUNTRY[name[:2].upper()]
    source = "ENTSO-E generation per bidding zone, codecarbon"
    return Intensity(
        f"{country}/{name.upper()}", country, float(entry["emission_factor"]), source, entry["year"], "ENTSO-E"
    )


def _gcp(region: str) -> Intensity | None:
    row = _gcp_regions().get(_GCP_SPELLING.get(region, region))
    if row is None:
        return None
    country, grams = row
    return Intensity(f"gcp/{region}", country, grams, "Google Cloud region carbon data, codecarbon", None, "Google")


def _cloud(key: str) -> Intensity | None:
    """A region of a provider that publishes no figure: that of the grid it stands in, under that grid's name."""
    # Azure's own variables spell a region "West US 3" or "westus3".
    row = default_catalogue().cloud_regions.get(key.replace(" ", ""))
    if row is None:
        return None
    place = _published(row.zone.casefold())
    if place is None:
        raise CatalogueError(f"cloud_regions.toml: {row.key}: zone {row.zone!r} is not a place with a figure")
    return replace(place, source=f"{place.source}; {row.key} is in {row.place}: {row.origin.source}")


@functools.cache
def _gcp_regions() -> dict[str, tuple[str, float]]:
    file = data_file("codecarbon", _CLOUD)
    if file is None:
        return {}
    import csv

    with file.open(encoding="utf-8-sig", newline="") as handle:
        rows = [row for row in csv.DictReader(handle) if row["provider"] == "gcp"]
    return {row["region"]: (row["countryIsoCode"], float(row["impact"])) for row in rows}


@functools.cache
def _states() -> dict[str, dict[str, Any]]:
    data = read_json("codecarbon", _STATES)
    # "usa" is the country once more, from another source than every other country.
    return {name: row for name, row in data.items() if not name.startswith("_") and name != "usa"}


@functools.cache
def _state_codes() -> dict[str, str]:
    return {str(row["regionCode"]).casefold(): name for name, row in _states().items()}


@functools.cache
def _country_names() -> dict[str, str]:
    return {row["country_name"].casefold(): code for code, row in read_json("codecarbon", _MIXES).items()}


@functools.cache
def _water() -> dict[str | None, tuple[float, bool]]:
    rows = read_json("ecologits", "data/electricity_mixes.json").get("electricity_mixes", [])
    return {
        row["name"]: (float(row["wue"]), "electricity-mix-wue-world" not in (row.get("warnings") or ())) for row in rows
    }
