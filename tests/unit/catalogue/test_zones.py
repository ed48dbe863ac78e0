"""Carbon intensity by place, against codecarbon's own computation where it has one."""

from pathlib import Path

import pytest

from pytest_aifootprint.catalogue import (
    Catalogue,
    CatalogueError,
    CloudRegion,
    ZoneError,
    default_catalogue,
    ewif_l_per_kwh,
    lookup_zone,
    zones,
)
from pytest_aifootprint.catalogue.loader import DATA
from pytest_aifootprint.catalogue.zones import known_zones


@pytest.mark.parametrize(
    ("text", "zone", "grams", "year"),
    [
        ("FRA", "FRA", 56.0, 2023),
        ("fra", "FRA", 56.0, 2023),
        ("France", "FRA", 56.0, 2023),
        (" USA ", "USA", 369.5, 2023),
        ("SWE", "SWE", 40.7, 2023),
        ("USA/virginia", "USA/virginia", 244.8, 2023),
        ("USA/va", "USA/virginia", 244.8, 2023),
        ("usa/North Carolina", "USA/north carolina", None, 2023),
        ("USA/il", "USA/illinois", 215.2, 2023),
        ("USA/wy", "USA/wyoming", 831.6, 2023),
        ("CAN/quebec", "CAN/quebec", None, 2023),
        ("SWE/SE3", "SWE/SE3", 27.0, 2025),
        ("SE3", "SWE/SE3", 27.0, 2025),
        ("NOR/no4", "NOR/NO4", 51.7, 2025),
        ("CHN/beijing", "CHN/beijing", 555.4, 2023),
        ("gcp/us-central1", "gcp/us-central1", 430, None),
        ("gcp/europe-north1", "gcp/europe-north1", 46, None),
        ("gcp/me-central1", "gcp/me-central1", 575, None),
        ("aws/eu-west-3", "FRA", 56.0, 2023),
        ("AWS/EU-West-3", "FRA", 56.0, 2023),
        ("aws/us-east-1", "USA/virginia", 244.8, 2023),
        ("aws/ca-central-1", "CAN/quebec", None, 2023),
        ("aws/eu-north-1", "SWE/SE3", 27.0, 2025),
        ("azure/westus2", "USA/washington", 120.9, 2023),
        ("azure/westus3", "USA/arizona", 312.6, 2023),
        ("Azure/West US 3", "USA/arizona", 312.6, 2023),
        ("azure/northcentralus", "USA/illinois", 215.2, 2023),
        ("azure/swedencentral", "SWE", 40.7, 2023),
        ("wor", "WOR", 475, 2019),
        ("World", "WOR", 475, 2019),
        ("CAF", "CAF", 26, 2022),
        ("384 g/kWh", "declared", 384, None),
        ("0.384 kgCO2e/kWh", "declared", 384, None),
        ("0 g/kWh", "declared", 0, None),
    ],
)
def test_a_place_or_a_number_is_read(text: str, zone: str, grams: float | None, year: int | None) -> None:
    found = lookup_zone(text)

    assert (found.zone, found.year) == (zone, year)
    assert found.source
    if grams is not None:
        assert found.g_per_kwh == pytest.approx(grams, rel=2e-3, abs=1e-9)


def test_every_zone_that_is_named_can_be_looked_up() -> None:
    names = list(known_zones())

    assert len(names) == len(set(names)) > 300
    for zone in names:
        found = lookup_zone(zone)
        assert 0 < found.g_per_kwh < 1500
        assert found.publisher


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("FRN", "did you mean"),
        ("USA/virgina", "did you mean USA/virginia"),
        ("gcp/us-centrl1", "did you mean gcp/us-central1"),
        ("aws/eu-west-9", "did you mean aws/eu-west-3 or aws/eu-west-2 or aws/eu-west-1"),
        ("azure/westus9", "did you mean azure/westus or azure/westus3 or azure/westus2"),
        ("aws/us-gov-west-1", "did you mean aws/us-west-1"),
        ("azure/usgovvirginia", "electricity is known; valid"),
        ("aws/", "electricity is known; valid"),
        ("gcp/westus3", "not a place"),
        ("NOR/SE1", "not a place"),
        ("FRA/paris", "not a place"),
        ("", "not a place"),
        ("56", "not a place"),
        ("56 g", "not a place"),
        ("-5 g/kWh", "outside 0 to 5000"),
        ("56000 g/kWh", "outside 0 to 5000"),
        ("1.2.3 g/kWh", "not a number"),
    ],
)
def test_what_cannot_be_read_is_one_line_with_the_valid_forms(text: str, hint: str) -> None:
    with pytest.raises(ZoneError, match=hint) as error:
        lookup_zone(text)

    assert repr(text) in str(error.value)
    assert 'valid: an ISO country code ("FRA")' in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("row", default_catalogue().cloud_regions.values(), ids=lambda row: row.key)
def test_every_cloud_region_has_the_figure_of_the_grid_it_stands_in_and_both_sources(row: CloudRegion) -> None:
    found, grid = lookup_zone(row.key), lookup_zone(row.zone)

    assert (found.zone, found.country, found.g_per_kwh, found.year) == (
        grid.zone, grid.country, grid.g_per_kwh, grid.year
    )  # fmt: skip
    assert found.year is not None
    assert grid.source in found.source
    assert row.origin.source in found.source


def test_a_region_that_stands_in_no_known_grid_is_an_error_in_our_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (DATA / "cloud_regions.toml").read_text(encoding="utf-8").replace('zone = "FRA"', 'zone = "FRN"', 1)
    (tmp_path / "cloud_regions.toml").write_text(text, encoding="utf-8")
    monkeypatch.setattr(zones, "default_catalogue", lambda: Catalogue(tmp_path))

    with pytest.raises(CatalogueError, match=r"cloud_regions\.toml: aws/eu-west-3: zone 'FRN'"):
        lookup_zone("aws/eu-west-3")


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ('key = "aws/EU-West-3"', "key must be aws/REGION or azure/REGION in small letters, got 'aws/EU-West-3'"),
        ('key = "eu-west-3"', "key must be aws/REGION"),
        ('key = "gcp/europe-west9"', "key must be aws/REGION"),
        ('zone = "aws/eu-west-1"', "zone must be a place with a figure of its own, got 'aws/eu-west-1'"),
        ('zone = ""', "zone must be a text"),
        ('source = ""', "source must be a text"),
        ("year = 1066", "year must be a year"),
        ('town = "Paris"', "unknown key 'town'"),
    ],
)
def test_a_broken_row_of_a_region_is_refused_with_file_and_row(tmp_path: Path, row: str, problem: str) -> None:
    good = {
        "key": '"aws/eu-west-3"', "place": '"Paris"', "zone": '"FRA"', "source": '"a list"', "year": "2026",
        "evidence": '"seen"',
    }  # fmt: skip
    name, _, value = row.partition(" = ")
    lines = [f"{key} = {text}" for key, text in {**good, name: value}.items()]
    (tmp_path / "cloud_regions.toml").write_text("[[region]]\n" + "\n".join(lines), encoding="utf-8")

    with pytest.raises(CatalogueError, match=r"cloud_regions\.toml: ") as error:
        Catalogue(tmp_path).cloud_regions  # noqa: B018 - read to be checked

    assert problem in str(error.value)


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ('codes = ["FR FRA", "DE"]', "countries.toml: codes must be like 'FR FRA', got 'DE'"),
        ('codes = ["FR FRA", "FR DEU"]', "countries.toml: codes have a country twice"),
        ('codes = ["fr fra"]', "codes must be like 'FR FRA', got 'fr fra'"),
        ("codes = 5", "codes must be a list of texts"),
        ('names = ["FR"]', "unknown key 'names'"),
    ],
)
def test_a_broken_table_of_countries_is_refused_with_its_file(tmp_path: Path, table: str, problem: str) -> None:
    origin = 'source = "ISO 3166-1"\nyear = 2026\nevidence = "seen"\n'
    (tmp_path / "countries.toml").write_text(f"[[countries]]\n{origin}{table}\n", encoding="utf-8")

    with pytest.raises(CatalogueError, match="countries") as error:
        Catalogue(tmp_path).countries  # noqa: B018 - read to be checked

    assert problem in str(error.value)


def test_every_country_of_the_mixes_has_its_two_letters() -> None:
    countries = default_catalogue().countries

    assert len(set(countries.values())) == len(countries)
    named = {name for name in known_zones() if len(name) == 3} - {"WOR"}
    assert named == set(countries.values())


def test_a_canadian_mix_is_its_sources_by_their_intensity() -> None:
    # Quebec: 92.1 % hydro at 26, 6.7 % wind at 26, traces of gas, oil, biomass and sun.
    parts = {26: 92.1 + 6.7, 743: 0.2, 816: 0.3, 230: 0.7, 48: 0.01}
    expected = sum(g * share for g, share in parts.items()) / sum(parts.values())

    assert lookup_zone("CAN/quebec").g_per_kwh == pytest.approx(expected)


def test_water_at_the_power_plants() -> None:
    assert ewif_l_per_kwh("FRA") == (3.6737, True)
    assert ewif_l_per_kwh("SWE") == (6.0315, True)
    assert ewif_l_per_kwh("ABW") == (3.908, False)
    assert ewif_l_per_kwh(None) == (3.908, False)
    assert ewif_l_per_kwh("XXX") == (3.908, False)
