"""Carbon intensity by place, against codecarbon's own computation where it has one."""

import pytest

from pytest_aifootprint.catalogue import ZoneError, ewif_l_per_kwh, lookup_zone
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
    zones = list(known_zones())

    assert len(zones) == len(set(zones)) > 300
    for zone in zones:
        assert 0 < lookup_zone(zone).g_per_kwh < 1500


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("FRN", "did you mean"),
        ("USA/virgina", "did you mean USA/virginia"),
        ("gcp/us-centrl1", "did you mean gcp/us-central1"),
        ("aws/us-east-1", "no data has regions of AWS or Azure"),
        ("azure/eastus", "no data has regions of AWS or Azure"),
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
