"""Electricity Maps, with a real server on this machine in its place."""

import socket
import threading
from collections.abc import Iterator
from typing import Any

import grid_service  # type: ignore[import-not-found]  # pytest puts this folder on the path, mypy does not
import pytest

from pytest_aifootprint.catalogue import ZoneError, lookup_zone
from pytest_aifootprint.catalogue.electricitymaps import (
    BASE_URL,
    LiveError,
    ask,
    average_of,
    is_live,
    named_zone,
    read_answer,
    zone_of,
)

TOKEN = "em-secret-4711"


@pytest.fixture
def service() -> Iterator[Any]:
    with grid_service.grid_service() as running:
        yield running


def why_not(service: Any, token: str = TOKEN, timeout_s: float = 5.0) -> str:
    with pytest.raises(LiveError) as error:
        ask("FR", token, service.url, timeout_s)
    said = str(error.value)
    assert TOKEN not in said
    assert "\n" not in said
    return said


def test_one_question_with_the_token_in_its_header_and_the_answer_with_its_hour(service: Any) -> None:
    live = ask("FR", TOKEN, service.url)

    assert (live.zone, live.g_per_kwh, live.hour, live.year) == ("FR", 41.0, "2026-11-23T10:00Z", 2026)
    assert live.source == "Electricity Maps, one hour, not a yearly average, life-cycle"
    assert service.asked == [("/v3/carbon-intensity/latest?zone=FR", TOKEN)]


def test_the_boundary_and_an_estimate_are_told(service: Any) -> None:
    service.says(emissionFactorType="direct", isEstimated=True)

    assert ask("FR", TOKEN, service.url).source.endswith("not a yearly average, direct emissions only, estimated")


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (400, "400: it does not understand the question"),
        (401, "401: it does not accept the token"),
        (403, "403: the token may not ask for this zone"),
        (404, "404: it does not know the zone"),
        (429, "429: the token asked too often"),
        (500, "HTTP status 500"),
        (503, "HTTP status 503"),
    ],
)
def test_a_refusal_is_told_in_our_words_whatever_its_body_quotes(service: Any, status: int, said: str) -> None:
    service.status, service.body = status, f'{{"error": "bad token {TOKEN}"}}'.encode()

    assert why_not(service) == said


def test_a_redirect_is_not_followed_for_it_would_take_the_token_along(service: Any) -> None:
    with grid_service.grid_service() as elsewhere:
        service.status, service.location = 302, f"{elsewhere.url}/carbon-intensity/latest?zone=FR"

        assert why_not(service) == "302: it sends us elsewhere, where the token does not go"
        assert elsewhere.asked == []


@pytest.mark.parametrize("how", ["silent", "dripping"])
def test_a_server_that_does_not_come_to_an_end_is_given_up(service: Any, how: str) -> None:
    setattr(service, how, True)

    assert why_not(service, timeout_s=0.2) == "no answer within 0.2 s"
    service.over.set()
    for thread in threading.enumerate():
        if thread.name == "aifootprint-electricitymaps":
            thread.join()


def test_no_network_is_what_the_system_calls_it() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    with pytest.raises(LiveError, match="Connection refused"):
        ask("FR", TOKEN, f"http://127.0.0.1:{port}")


@pytest.mark.parametrize(
    ("token", "said"),
    [
        ("", "ELECTRICITY_MAPS_API_KEY is not set"),
        (f"{TOKEN}\nX-Other: 1", "ELECTRICITY_MAPS_API_KEY is not a token"),
        (f"{TOKEN} ", "ELECTRICITY_MAPS_API_KEY is not a token"),
        (f"{TOKEN}é", "ELECTRICITY_MAPS_API_KEY is not a token"),
    ],
)
def test_what_is_no_token_goes_nowhere(service: Any, token: str, said: str) -> None:
    assert why_not(service, token) == said
    assert service.asked == []


@pytest.mark.parametrize(
    "url",
    [
        "http://api.electricitymaps.com/v3", "http://localhost.example.com/v3", "http://127.0.0.1@example.com/v3",
        "http://127.0.0.1:80@example.com", "ftp://127.0.0.1/", "file:///etc/passwd", "https://a@b", "",
    ],
)  # fmt: skip
def test_the_token_goes_over_https_or_stays_on_this_machine(url: str) -> None:
    with pytest.raises(LiveError, match="the token goes over https only"):
        ask("FR", TOKEN, url)


def test_the_service_itself_is_asked_over_https() -> None:
    assert BASE_URL.startswith("https://")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("", "no JSON"),
        ("<html>", "no JSON"),
        ("[41]", "no JSON object"),
        ("\x00\xff", "no JSON"),
        ("{}", "no carbonIntensity"),
        ('{"carbonIntensity": null}', "no carbonIntensity"),
        ('{"carbonIntensity": "41"}', "no carbonIntensity"),
        ('{"carbonIntensity": true}', "no carbonIntensity"),
        ('{"carbonIntensity": 0}', "0, is not between 0 and 5000"),
        ('{"carbonIntensity": -5}', "-5, is not between 0 and 5000"),
        ('{"carbonIntensity": 41000}', "41000, is not between 0 and 5000"),
        ('{"carbonIntensity": NaN}', "nan, is not between"),
        ('{"carbonIntensity": Infinity}', "inf, is not between"),
        ('{"carbonIntensity": 1' + 400 * "0" + "}", "100000000000, is not between"),
        ('{"carbonIntensity": 41, "zone": "DE"}', "of another zone"),
        ('{"carbonIntensity": 41}', "no datetime"),
        ('{"carbonIntensity": 41, "datetime": 2026}', "no datetime"),
        ('{"carbonIntensity": 41, "datetime": "today"}', "no datetime"),
        ('{"carbonIntensity": 41, "datetime": "2026-11-23T10:00:00"}', "no datetime"),
    ],
)
def test_an_answer_that_cannot_be_used_is_none(body: str, said: str) -> None:
    with pytest.raises(LiveError, match="its ") as error:
        read_answer(body.encode("latin-1"), "FR")

    assert said in str(error.value)


def test_an_answer_too_deep_to_be_read_ends_nothing(service: Any) -> None:
    service.body = 60_000 * b"["

    assert why_not(service) in {"RecursionError", "its answer is no JSON"}


@pytest.mark.parametrize("text", ["electricitymaps", "ElectricityMaps/FR", " electricitymaps/fr "])
def test_it_is_asked_only_by_name(text: str) -> None:
    assert is_live(text)


@pytest.mark.parametrize("text", ["FRA", "", "electricitymap", "electricitymapsfr", "aws/electricitymaps"])
def test_nothing_else_asks_it(text: str) -> None:
    assert not is_live(text)


@pytest.mark.parametrize(
    ("text", "zone"),
    [
        ("electricitymaps/FR", "FR"),
        ("electricitymaps/fr", "FR"),
        ("electricitymaps/us-cal-ciso", "US-CAL-CISO"),
        ("ElectricityMaps/SE-SE3", "SE-SE3"),
    ],
)
def test_a_zone_that_is_named_is_the_zone(text: str, zone: str) -> None:
    assert named_zone(text, lookup_zone("DEU")) == zone


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("electricitymaps/FRA", "did you mean electricitymaps/FR[?]"),
        ("electricitymaps/aws/eu-west-3", "did you mean electricitymaps/FR[?]"),
        ("electricitymaps/france", "did you mean electricitymaps/FR[?]"),
        ("electricitymaps/FR?token=1", "not a zone of Electricity Maps; valid"),
        ("electricitymaps/56 g/kWh", "not a zone of Electricity Maps; valid"),
    ],
)
def test_what_is_no_zone_is_one_line(text: str, hint: str) -> None:
    with pytest.raises(ZoneError, match=hint) as error:
        named_zone(text, None)

    assert '"electricitymaps/US-CAL-CISO"' in str(error.value)
    assert "\n" not in str(error.value)


def test_without_a_zone_and_a_place_the_line_says_what_to_name() -> None:
    with pytest.raises(ZoneError, match=r"nothing in the environment tells .* name it"):
        named_zone("electricitymaps", None)
    with pytest.raises(ZoneError, match=r"USA/virginia does not tell .* name it"):
        named_zone("electricitymaps/", lookup_zone("aws/us-east-1"))


@pytest.mark.parametrize(
    ("place", "zone"),
    [
        ("FRA", "FR"), ("aws/eu-west-3", "FR"), ("gcp/europe-west1", "BE"), ("SWE/SE3", "SE-SE3"), ("SWE", "SE"),
        ("NOR/NO1", "NO-NO1"), ("CAN/quebec", "CA-QC"), ("USA/california", "US-CAL-CISO"), ("CHN/beijing", "CN"),
        ("USA", None), ("USA/virginia", None), ("gcp/us-central1", None), ("CAN", None), ("WOR", None),
        ("56 g/kWh", None),
    ],
)  # fmt: skip
def test_the_zone_that_a_place_lies_in(place: str, zone: str | None) -> None:
    assert zone_of(lookup_zone(place)) == zone


@pytest.mark.parametrize(
    ("zone", "place"),
    [
        ("FR", "FRA"), ("GB", "GBR"), ("SE-SE3", "SWE/SE3"), ("SE", "SWE"), ("NO-NO5", "NOR/NO5"), ("DK-DK1", "DNK"),
        ("IT-NO", "ITA"), ("CA-QC", "CAN/quebec"), ("CA-NL-LB", "CAN/newfoundland and labrador"),
        ("US-CAL-CISO", "USA/california"), ("US-TEX-ERCO", "USA/texas"), ("US-MIDA-PJM", "USA"), ("AU-NT", "AUS"),
        ("FI", "FIN"), ("XX", "WOR"), ("XX-SE3", "WOR"),
    ],
)  # fmt: skip
def test_the_average_that_stands_in_for_a_zone_is_the_narrowest_that_is_known(zone: str, place: str) -> None:
    assert average_of(zone) == lookup_zone(place)
