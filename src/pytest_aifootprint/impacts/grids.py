"""Grids with their ranges: of this machine, of a provider, of a place of training."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pytest_aifootprint.catalogue import (
    EWIF_SOURCE,
    EWIF_YEAR,
    Catalogue,
    Intensity,
    Provider,
    ZoneError,
    default_catalogue,
    ewif_l_per_kwh,
    lookup_zone,
)
from pytest_aifootprint.catalogue.electricitymaps import NAME, LiveIntensity, average_of
from pytest_aifootprint.impacts.contract import Grid
from pytest_aifootprint.quantities import GramsPerKwh, LitresPerKwh, Notice, Range
from pytest_aifootprint.quantities.changed import replace

OLD_YEARS, VERY_OLD_YEARS = 4, 8

# Cloud, the variables that tell its runtimes, and those that name the region. A region variable is also set on a laptop
# that merely talks to the cloud: it says where we are only inside a runtime.
# AWS: CodeBuild, Lambda and ECS, whose documentation says "where the build is running", "where the Lambda function is
# executed", "where the task runs". Azure: App Service and Functions.
_RUNTIMES = (
    (
        "gcp",
        ("K_SERVICE", "CLOUD_RUN_JOB", "GAE_ENV", "CLOUD_WORKSTATIONS_CLUSTER", "BUILDER_OUTPUT"),
        ("GOOGLE_CLOUD_REGION", "CLOUDSDK_COMPUTE_REGION", "CLOUDSDK_RUN_REGION"),
    ),
    (
        "aws",
        (
            "CODEBUILD_BUILD_ID",
            "AWS_LAMBDA_FUNCTION_NAME",
            "ECS_CONTAINER_METADATA_URI_V4",
            "ECS_CONTAINER_METADATA_URI",
        ),
        ("AWS_REGION", "AWS_DEFAULT_REGION"),
    ),
    ("azure", ("WEBSITE_SITE_NAME",), ("REGION_NAME",)),
)


def resolve_grid(text: str | None, environ: Mapping[str, str], catalogue: Catalogue | None = None) -> Grid:
    """The grid of this machine: as declared, else as the CI or cloud environment names it, else the world's average.

    Never asks the network. A declared number is exact; a place carries ``grid:ZONE`` x/÷ 1.17; the world's average as
    a guess x/÷ 1.54 with ``guessed``.

    Raises:
        ZoneError: one line, if ``text`` names no known place and is no number.
    """
    catalogue = catalogue if catalogue is not None else default_catalogue()
    if text is not None:
        return grid_of(lookup_zone(text), catalogue)
    return _named_by(environ, catalogue) or world_grid(catalogue, guessed=True)


def grid_of(place: Intensity, catalogue: Catalogue) -> Grid:
    """The grid of a place that somebody named: x/÷ 1.17, or exact for a declared number."""
    if place.zone == "declared":
        carbon = GramsPerKwh(Range(place.g_per_kwh))
    else:
        carbon = _average(place.g_per_kwh, place.zone, catalogue)
    return _grid(place, carbon, catalogue)


def world_grid(catalogue: Catalogue, *, guessed: bool) -> Grid:
    """The world's average, where nobody says more: x/÷ 1.54."""
    place = lookup_zone("WOR")
    carbon = GramsPerKwh(Range.times_over(place.g_per_kwh, catalogue.spread("grid.guess"), "grid:WOR"))
    return replace(_grid(place, carbon, catalogue), guessed=guessed)


def live_grid(live: LiveIntensity, catalogue: Catalogue) -> Grid:
    """The grid in one hour, as Electricity Maps told it; the range of a country's average, in a factor of its own.

    The range stands for what separates data sets (boundary, vintage); how much one hour differs from the next is no
    uncertainty of that hour.
    """
    zone = f"{NAME}/{live.zone}"
    carbon = _average(live.g_per_kwh, zone, catalogue)
    here = Intensity(zone, average_of(live.zone).country, live.g_per_kwh, live.source, live.year)
    return replace(_grid(here, carbon, catalogue), hour=live.hour)


def average_grid(zone: str, why_not: str, catalogue: Catalogue) -> Grid:
    """The yearly average that stands in for a zone of Electricity Maps, with the notice that says why."""
    place = average_of(zone)
    grid = world_grid(catalogue, guessed=False) if place.zone == "WOR" else grid_of(place, catalogue)
    message = (
        f"Electricity Maps gave no figure of {zone} ({why_not}): the average of {grid.zone}, "
        f"{grid.carbon_g_per_kwh.central:.0f} g/kWh, stands in"
    )
    return replace(grid, notices=(Notice("grid-not-live", message),))


def provider_grid(provider: Provider, name: str, catalogue: Catalogue, *, training: bool = False) -> Grid:
    """The grid of a remote provider's zone, or of the zone where its models are trained.

    A provider without a row runs somewhere in the world: x/÷ 2 under its own name, because two such providers are not
    in the same place.
    """
    place = lookup_zone(provider.training_zone if training else provider.zone)
    if provider.grid_times_over is None:
        return grid_of(place, catalogue)
    somewhere = Range.times_over(place.g_per_kwh, provider.grid_times_over, f"grid:{name}")
    return _grid(place, GramsPerKwh(somewhere), catalogue)


def _average(g_per_kwh: float, zone: str, catalogue: Catalogue) -> GramsPerKwh:
    return GramsPerKwh(Range.times_over(g_per_kwh, catalogue.spread("grid.country"), f"grid:{zone}"))


def _grid(place: Intensity, carbon_g_per_kwh: GramsPerKwh, catalogue: Catalogue) -> Grid:
    """A place with its carbon as given and the water of its country."""
    _, own = ewif_l_per_kwh(place.country)
    return Grid(
        place.zone,
        carbon_g_per_kwh,
        ewif(place.country, catalogue),
        place.source,
        place.year,
        publisher=place.publisher,
        water_own=own,
        water_source=EWIF_SOURCE,
        water_year=EWIF_YEAR,
    )


def world_water(grids: Iterable[Grid]) -> tuple[str, ...]:
    """Zones whose water at the power plants is the world's value, each once: no figure of the country itself is known.

    Where the grid itself is the world's, that says it already.
    """
    return tuple(dict.fromkeys(grid.zone for grid in grids if not grid.water_own and grid.zone != "WOR"))


def old_grids(grids: Iterable[Grid], year: int) -> tuple[dict[str, int], dict[str, int]]:
    """Zones whose figure is older than four years in ``year``, and those older than eight, each with its own year.

    A figure without a year cannot be told to be old.
    """
    years = {grid.zone: grid.year for grid in grids if grid.year is not None and year - grid.year > OLD_YEARS}
    return (
        {zone: then for zone, then in years.items() if year - then <= VERY_OLD_YEARS},
        {zone: then for zone, then in years.items() if year - then > VERY_OLD_YEARS},
    )


def ewif(country: str | None, catalogue: Catalogue) -> LitresPerKwh:
    """Water consumed at the power plants in L/kWh, factor ``ewif:ZONE``; else the world's value."""
    litres, own = ewif_l_per_kwh(country)
    if own and country is not None:
        return LitresPerKwh(Range.times_over(litres, catalogue.spread("ewif.country"), f"ewif:{country}"))
    return LitresPerKwh(Range.times_over(litres, catalogue.spread("ewif.world"), "ewif:WOR"))


def _named_by(environ: Mapping[str, str], catalogue: Catalogue) -> Grid | None:
    named = place_named_by(environ)
    if named is not None:
        place, variable = named
        found = grid_of(place, catalogue)
        return replace(found, source=f"{found.source}; named by {variable}")
    if environ.get("GITHUB_ACTIONS") == "true" and environ.get("RUNNER_ENVIRONMENT") == "github-hosted":
        row = catalogue.factors["grid.github_hosted"]
        carbon = GramsPerKwh(Range.of(*catalogue.value("grid.github_hosted"), "grid:USA/github-hosted"))
        somewhere = Intensity("USA", "USA", carbon.central, row.origin.source, row.origin.year, "Ember, eGRID")
        return _grid(somewhere, carbon, catalogue)
    return None


def place_named_by(environ: Mapping[str, str]) -> tuple[Intensity, str] | None:
    """The place that a cloud runtime's environment names, and the variable; None outside of one."""
    for cloud, runtimes, regions in _RUNTIMES:
        if not any(name in environ for name in runtimes):
            continue
        for name in regions:
            try:
                return lookup_zone(f"{cloud}/{environ.get(name, '')}"), name
            except ZoneError:
                # Not set, or newer than the data: the next best guess takes over.
                continue
    return None
