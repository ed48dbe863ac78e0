"""The grid of this machine, of providers and of places of training."""

import pytest

from pytest_aifootprint.catalogue import ZoneError, default_catalogue
from pytest_aifootprint.catalogue.zones import known_zones
from pytest_aifootprint.impacts.grids import provider_grid, resolve_grid

CATALOGUE = default_catalogue()


def test_nobody_says_where_we_are_so_the_world_average_stands_in_and_says_so() -> None:
    grid = resolve_grid(None, {})

    assert (grid.zone, grid.guessed, grid.carbon_g_per_kwh.central) == ("WOR", True, 475.0)
    assert grid.carbon_g_per_kwh.high / grid.carbon_g_per_kwh.central == pytest.approx(1.54)
    assert grid.carbon_g_per_kwh.factors.keys() == {"grid:WOR"}


def test_a_country_has_its_range_source_and_year() -> None:
    grid = resolve_grid("FRA", {})

    assert (grid.zone, grid.guessed, grid.year) == ("FRA", False, 2023)
    assert grid.carbon_g_per_kwh.central == pytest.approx(56.0, rel=1e-3)
    assert grid.carbon_g_per_kwh.high / grid.carbon_g_per_kwh.central == pytest.approx(1.17)
    assert grid.water_l_per_kwh is not None
    assert grid.water_l_per_kwh.central == pytest.approx(3.6737)
    assert grid.water_l_per_kwh.factors.keys() == {"ewif:FRA"}
    assert "codecarbon" in grid.source


@pytest.mark.parametrize("text", ["56 g/kWh", "0.056 kg/kWh", "56 gCO2e/kWh", "56g/kWh"])
def test_a_declared_number_is_exact(text: str) -> None:
    grid = resolve_grid(text, {})

    assert (grid.zone, grid.year) == ("declared", None)
    assert grid.carbon_g_per_kwh.low == pytest.approx(56)
    assert grid.carbon_g_per_kwh.high == pytest.approx(56)
    assert grid.water_l_per_kwh is not None


def test_what_the_user_says_goes_before_the_environment() -> None:
    assert resolve_grid("FRA", {"K_SERVICE": "x", "GOOGLE_CLOUD_REGION": "us-central1"}).zone == "FRA"


@pytest.mark.parametrize(
    ("environ", "zone", "variable"),
    [
        ({"K_SERVICE": "x", "GOOGLE_CLOUD_REGION": "us-central1"}, "gcp/us-central1", "GOOGLE_CLOUD_REGION"),
        ({"CODEBUILD_BUILD_ID": "x", "AWS_REGION": "eu-west-3"}, "FRA", "AWS_REGION"),
        ({"AWS_LAMBDA_FUNCTION_NAME": "x", "AWS_DEFAULT_REGION": "us-east-1"}, "USA/virginia", "AWS_DEFAULT_REGION"),
        ({"ECS_CONTAINER_METADATA_URI_V4": "x", "AWS_REGION": "eu-north-1"}, "SWE/SE3", "AWS_REGION"),
        ({"WEBSITE_SITE_NAME": "x", "REGION_NAME": "West US 3"}, "USA/arizona", "REGION_NAME"),
        ({"WEBSITE_SITE_NAME": "x", "REGION_NAME": "westeurope"}, "NLD", "REGION_NAME"),
    ],
)
def test_a_runtime_of_a_cloud_names_its_region(environ: dict[str, str], zone: str, variable: str) -> None:
    grid = resolve_grid(None, environ)

    assert (grid.zone, grid.guessed) == (zone, False)
    assert grid.carbon_g_per_kwh.factors.keys() == {f"grid:{zone}"}
    assert grid.source.endswith(f"; named by {variable}")


def test_where_the_task_runs_goes_before_the_accounts_default_region() -> None:
    environ = {"ECS_CONTAINER_METADATA_URI_V4": "x", "AWS_REGION": "eu-west-3", "AWS_DEFAULT_REGION": "us-east-1"}

    assert resolve_grid(None, environ).zone == "FRA"


@pytest.mark.parametrize(
    "environ",
    [
        {"GOOGLE_CLOUD_REGION": "us-central1"},
        {"AWS_REGION": "eu-west-3", "AWS_DEFAULT_REGION": "eu-west-3"},
        {"REGION_NAME": "westus3"},
        # The runtime of one cloud that talks to another.
        {"K_SERVICE": "x", "AWS_REGION": "eu-west-3"},
        {"CODEBUILD_BUILD_ID": "x", "GOOGLE_CLOUD_REGION": "us-central1"},
        {"CODEBUILD_BUILD_ID": "x", "AWS_REGION": ""},
    ],
)
def test_a_region_variable_elsewhere_only_says_whom_we_talk_to(environ: dict[str, str]) -> None:
    assert resolve_grid(None, environ).guessed


@pytest.mark.parametrize(
    "environ",
    [
        {"K_SERVICE": "x", "GOOGLE_CLOUD_REGION": "moon-north1"},
        {"CODEBUILD_BUILD_ID": "x", "AWS_REGION": "moon-north-1"},
        {"WEBSITE_SITE_NAME": "x", "REGION_NAME": "Moon North"},
    ],
)
def test_a_region_that_the_data_does_not_have_falls_back_in_the_open(environ: dict[str, str]) -> None:
    assert resolve_grid(None, environ).guessed


def test_github_hosted_runners_are_in_the_usa_somewhere() -> None:
    grid = resolve_grid(None, {"GITHUB_ACTIONS": "true", "RUNNER_ENVIRONMENT": "github-hosted"})

    assert (grid.zone, grid.guessed) == ("USA", False)
    assert (grid.carbon_g_per_kwh.low, grid.carbon_g_per_kwh.high) == pytest.approx((121, 832))
    assert resolve_grid(None, {"GITHUB_ACTIONS": "true", "RUNNER_ENVIRONMENT": "self-hosted"}).guessed


def test_an_empty_place_is_no_place() -> None:
    with pytest.raises(ZoneError, match="'' is not a place"):
        resolve_grid("", {})


def test_an_unknown_place_is_one_line() -> None:
    with pytest.raises(ZoneError, match=r"'FRAA'.*did you mean FRA") as error:
        resolve_grid("FRAA", {})

    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "zone"),
    [
        ("openai", "USA"),
        ("azure-openai", "USA"),
        ("anthropic", "USA"),
        ("google_genai", "USA"),
        ("huggingface_hub", "USA"),
        ("cohere", "USA"),
        ("mistralai", "SWE"),
    ],
)
def test_a_providers_zone_has_the_name_that_a_local_grid_there_has(name: str, zone: str) -> None:
    grid = provider_grid(CATALOGUE.provider(name), name, CATALOGUE)

    assert grid.zone == zone
    assert grid.carbon_g_per_kwh.factors.keys() == {f"grid:{zone}"}
    assert grid.carbon_g_per_kwh.central == resolve_grid(zone, {}).carbon_g_per_kwh.central


def test_a_provider_that_nobody_knows_runs_somewhere_in_the_world() -> None:
    grid = provider_grid(CATALOGUE.provider("nobody"), "nobody", CATALOGUE)

    assert grid.zone == "WOR"
    assert grid.carbon_g_per_kwh.high / grid.carbon_g_per_kwh.central == pytest.approx(2)
    assert grid.carbon_g_per_kwh.factors.keys() == {"grid:nobody"}


def test_every_grid_has_a_source_and_water_with_a_source_and_a_year() -> None:
    for grid in [*known_zones(), "56 g/kWh"]:
        found = resolve_grid(grid, {})

        assert found.source, grid
        # Google publishes its regions without a year, and so does a user who declares a number.
        assert found.year is not None or found.zone == "declared" or found.zone.startswith("gcp/"), grid
        assert found.water_l_per_kwh is not None
        assert found.water_l_per_kwh.central > 0, grid
        assert (found.water_year, found.water_source.split(",")[0]) == (2020, "WRI 2020"), grid
        (factor,) = found.water_l_per_kwh.factors
        assert found.water_own == (factor != "ewif:WOR"), grid


@pytest.mark.parametrize("name", sorted(CATALOGUE.providers))
def test_every_providers_grid_has_them_too(name: str) -> None:
    found = provider_grid(CATALOGUE.provider(name), name, CATALOGUE)

    assert (bool(found.source), found.year is not None) == (True, True)
    assert (found.water_year, found.water_source.split(",")[0]) == (2020, "WRI 2020")
    assert found.water_own == (found.zone != "WOR")


def test_a_declared_number_has_the_worlds_water() -> None:
    declared, world = resolve_grid("56 g/kWh", {}), resolve_grid("wor", {})

    assert declared.water_l_per_kwh == world.water_l_per_kwh
    assert not declared.water_own
