"""Rates in the style of SCI: the arithmetic, what is disclosed beside it, and when there is no rate."""

import re
from pathlib import Path
from typing import Any

import pytest

from pytest_aifootprint.detection.calls import AICall
from pytest_aifootprint.impacts.outcomes import NOTHING_RAN
from pytest_aifootprint.quantities import Grams, Range
from pytest_aifootprint.quantities.changed import replace
from pytest_aifootprint.records.amounts import Carbon
from pytest_aifootprint.records.model import CallFootprint
from pytest_aifootprint.records.sci import sci_style

ROOT = Path(__file__).parents[3]
CHAT = AICall("chat", "httpx", "remote", "live", 0, 1, provider="openai", input_tokens=30, output_tokens=20)
CARBON = Carbon(Grams(Range.times_over(6.0, 2, "grid:FRA")), Grams(Range(3.0)), Grams(Range(2.0)))


def rates(*calls: AICall, carbon: Carbon = CARBON, passed: int = 2, idle_shared: bool = False) -> dict[str, Any]:
    priced = [CallFootprint(call, NOTHING_RAN) for call in calls]
    found = sci_style(carbon, priced, passed=passed, factors_version="2026.11+abc", idle_shared=idle_shared)
    assert found is not None
    return found


def centrals(found: dict[str, Any]) -> dict[str, float | None]:
    return {name: None if value is None else value.central for name, value in found.items() if "_g_per_" in name}


def test_carbon_of_each_persona_is_divided_by_each_unit() -> None:
    found = rates(replace(CHAT, count=4), replace(CHAT, realness="replayed"), replace(CHAT, realness="mocked"))

    assert found["functional_units"] == {"live_call": 4, "passed_test": 2, "token": 200}
    assert found["conversion_factors"] == {"live_calls_per_passed_test": 2.0, "tokens_per_live_call": 50.0}
    assert centrals(found) == pytest.approx(
        {
            "consumer_g_per_live_call": 2.0, "provider_g_per_live_call": 0.75,
            "consumer_g_per_passed_test": 4.0, "provider_g_per_passed_test": 1.5,
            "consumer_g_per_token": 0.04, "provider_g_per_token": 0.015,
        }
    )  # fmt: skip
    whole = Range.times_over(6.0, 2, "grid:FRA") + Range(2.0)
    assert found["consumer_g_per_live_call"].high == pytest.approx(whole.high / 4)


def test_the_consumers_example_of_sci_for_ai() -> None:
    # Section 9.1.1: 5,000 kg operational and 1,500 kg embodied over 50 billion tokens are 130 kg per billion tokens.
    week = rates(replace(CHAT, count=10**9), carbon=Carbon(Grams(Range(5e6)), None, Grams(Range(1.5e6))))

    assert week["functional_units"]["token"] == 50e9
    assert week["consumer_g_per_token"].central * 1e9 == pytest.approx(130_000)


def test_without_a_live_call_there_is_no_rate() -> None:
    priced = [CallFootprint(replace(CHAT, realness="replayed"), NOTHING_RAN)]

    assert sci_style(CARBON, priced, passed=2, factors_version="", idle_shared=False) is None
    assert sci_style(CARBON, [], passed=2, factors_version="", idle_shared=False) is None


def test_an_unknown_training_share_is_no_providers_rate_of_0() -> None:
    found = centrals(rates(CHAT, carbon=replace(CARBON, training=None)))

    assert {name for name, value in found.items() if value is None} == {
        "provider_g_per_live_call", "provider_g_per_passed_test", "provider_g_per_token"
    }  # fmt: skip


def test_where_no_test_passed_there_is_no_rate_per_passed_test() -> None:
    found = rates(CHAT, passed=0)

    assert found["functional_units"]["passed_test"] is None
    assert found["consumer_g_per_passed_test"] is None
    assert found["provider_g_per_passed_test"] is None
    assert found["conversion_factors"]["live_calls_per_passed_test"] is None
    assert found["consumer_g_per_live_call"].central == 8.0


@pytest.mark.parametrize(
    "other",
    [
        replace(CHAT, input_tokens=None, output_tokens=None),
        replace(CHAT, operation="inference", input_tokens=None, output_tokens=None),
        replace(CHAT, operation="inference"),
        replace(CHAT, operation="training"),
        replace(CHAT, operation="image", input_tokens=None, output_tokens=None),
        replace(CHAT, operation="image", output_tokens=None),
    ],
)
def test_there_is_no_rate_per_token_where_one_live_call_did_not_tell_its_tokens(other: AICall) -> None:
    found = rates(CHAT, other)

    assert found["functional_units"] == {"live_call": 2, "passed_test": 2, "token": None}
    assert (found["consumer_g_per_token"], found["provider_g_per_token"]) == (None, None)
    assert found["conversion_factors"]["tokens_per_live_call"] is None
    assert rates(CHAT, replace(other, realness="mocked"))["functional_units"]["token"] == 50


def test_what_the_standard_wants_disclosed_stands_beside_the_rates() -> None:
    found = rates(CHAT)

    assert found["name"].startswith("in the style of SCI")
    assert "no score" in found["name"]
    for word in ("consumer: ", "provider: ", "location-based", "without network"):
        assert word in found["boundary"]
    assert "C = E x I + M" in found["methodology"]
    assert "2026.11+abc" in found["methodology"]
    assert "above idle" in found["departures"][0]
    assert "CPU and GPU seconds" in found["departures"][1]
    assert len(found["departures"]) == 7


def test_a_machine_that_is_there_for_the_tests_departs_elsewhere() -> None:
    found = rates(CHAT, idle_shared=True)["departures"]

    assert "idle power only for the time that tests had it" in found[0]
    assert "CPU and GPU seconds" not in found[1]
    assert found[2:] == rates(CHAT)["departures"][2:]


def test_nothing_calls_it_sci_without_its_boundary() -> None:
    # Whatever is printed of it comes from records.sci as one mapping, boundary included.
    reports = (ROOT / "src" / "pytest_aifootprint" / "reports").rglob("*.py")
    assert not [file.name for file in reports if re.search(r"\bSCI\b", file.read_text(encoding="utf-8"))]
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    naming = [page for page in pages if re.search(r"\bSCI\b", page.read_text(encoding="utf-8"))]
    assert len(naming) >= 3
    for page in naming:
        assert page.name == "sci.md" or "sci.md" in page.read_text(encoding="utf-8"), page.name


def test_the_page_has_every_key() -> None:
    page = (ROOT / "docs" / "explanation" / "sci.md").read_text(encoding="utf-8")

    for key in rates(CHAT).keys() - {"name"}:
        assert f"`{key}`" in page or f"`_per_{key.rpartition('_per_')[2]}`" in page, key
