"""What a run says of the grids it was priced with: that one was a guess, how old they are, whose water is unknown."""

from typing import Any

import pytest

from pytest_aifootprint.catalogue import Catalogue, default_catalogue
from pytest_aifootprint.detection.calls import AICall
from pytest_aifootprint.impacts import Pricer, resolve_grid
from pytest_aifootprint.quantities import Notice
from pytest_aifootprint.quantities.changed import replace
from pytest_aifootprint.records.collector import Collector
from pytest_aifootprint.records.model import CallFootprint
from pytest_aifootprint.records.notices import run_notices

GUESS = "nobody said where this machine is: WOR, 475 g/kWh of 2019; set --aifootprint-grid"


def a_call(**changed: Any) -> AICall:
    told: dict[str, Any] = {
        "operation": "chat", "client": "httpx", "locality": "remote", "realness": "live", "provider": "openai",
        "model": "gpt-4o", "response_model": None, "started_ns": 0, "duration_ns": 1, "status": 200,
        "input_tokens": 10, "output_tokens": 10, "cached_input_tokens": 0, "reasoning_tokens": None,
    }  # fmt: skip
    return AICall(**(told | changed))


EMBEDDING_HERE = a_call(
    operation="embedding",
    client="torch",
    locality="local",
    provider=None,
    model="sentence-transformers/all-MiniLM-L6-v2",
    parameters=22_713_216,
)


def all_notices(grid: str | None, *calls: AICall, year: int = 2026) -> list[Notice]:
    pricer = Pricer(resolve_grid(grid, {}))
    priced = [CallFootprint(call, pricer.call(call)) for call in calls]
    return list(run_notices(Collector(), priced, pricer, (), year))


def grid_notices(grid: str | None, *calls: AICall, year: int = 2026) -> dict[str, str]:
    return {n.code: n.message for n in all_notices(grid, *calls, year=year) if n.code.startswith("grid-")}


def water_notices(grid: str | None, *calls: AICall) -> list[str]:
    return [n.message for n in all_notices(grid, *calls) if n.code == "water-world"]


def test_a_guess_tells_its_year_and_no_second_line_says_that_it_is_old() -> None:
    assert grid_notices(None, a_call()) == {"grid-guessed": GUESS}


def test_the_guessed_world_is_no_second_line_either_where_a_provider_or_a_training_has_it_too() -> None:
    assert grid_notices(None, a_call(provider="nobody"), EMBEDDING_HERE) == {"grid-guessed": GUESS}


@pytest.mark.parametrize("year", [2023, 2026, 2027])
def test_a_grid_of_up_to_four_years_ago_is_not_old(year: int) -> None:
    assert grid_notices("FRA", a_call(), year=year) == {}


def test_a_grid_of_five_years_ago_is_old_and_one_of_nine_very_old() -> None:
    said = {year: grid_notices("FRA", a_call(provider="mistral"), year=year) for year in (2027, 2028, 2031, 2032)}

    old = "carbon intensities of electricity that are older than four years: FRA of 2023, SWE of 2023"
    very_old = "carbon intensities of electricity that are older than eight years: FRA of 2023, SWE of 2023"
    assert said == {2027: {}, 2028: {"grid-old": old}, 2031: {"grid-old": old}, 2032: {"grid-old": very_old}}


def test_all_old_ones_are_in_one_line_this_machines_the_providers_and_those_of_trainings() -> None:
    assert grid_notices("ESH", a_call(), a_call(provider="nobody"), EMBEDDING_HERE) == {
        "grid-old": "carbon intensities of electricity that are older than four years: WOR of 2019; "
        "older than eight years: ESH of 2009"
    }


def test_the_average_that_stands_in_for_a_place_of_training_is_told_of() -> None:
    assert "WOR of 2019" in grid_notices("FRA", EMBEDDING_HERE)["grid-old"]


def test_what_was_published_of_a_trainings_own_electricity_is_of_its_time() -> None:
    bloom = a_call(model="bloom-176b", provider="huggingface")

    assert grid_notices("FRA", bloom) == {}
    assert grid_notices("FRA", bloom, year=2028)["grid-old"].count("of 20") == 2


def test_a_guess_beside_other_old_grids_stands_in_their_list_too() -> None:
    said = grid_notices(None, a_call(), year=2030)

    assert said["grid-guessed"] == GUESS
    assert said["grid-old"].endswith("older than four years: USA of 2023; older than eight years: WOR of 2019")


@pytest.mark.parametrize("grid", ["56 g/kWh", "gcp/us-central1"])
def test_a_figure_without_a_year_cannot_be_told_to_be_old(grid: str) -> None:
    assert grid_notices(grid, a_call(), year=2027) == {}


WORLD = "the world's 3.9 L/kWh x/÷ 3.1 stands in"


@pytest.mark.parametrize(
    ("grid", "whose"),
    [
        ("ZAF", "of ZAF"),
        ("gcp/asia-southeast1", "of gcp/asia-southeast1"),
        ("aws/ap-southeast-1", "of SGP"),
        ("56 g/kWh", "of this machine, whose grid is a number without a place"),
    ],
)
def test_water_of_a_country_without_a_figure_of_its_own_is_told_of(grid: str, whose: str) -> None:
    assert water_notices(grid, a_call()) == [f"water at the power plants {whose}: no figure of their own, {WORLD}"]


@pytest.mark.parametrize("grid", ["FRA", "FIN", "USA/virginia", "SWE/SE3", "gcp/us-central1", "aws/eu-west-3"])
def test_water_of_a_country_with_a_figure_of_its_own_needs_no_line(grid: str) -> None:
    assert water_notices(grid, a_call(), a_call(provider="mistral")) == []


@pytest.mark.parametrize("grid", [None, "wor"])
def test_where_the_grid_is_the_worlds_its_water_is_too_and_no_line_says_so(grid: str | None) -> None:
    assert water_notices(grid, a_call(provider="nobody"), a_call(provider="somebody")) == []


def test_all_zones_are_in_one_line_each_once_providers_too(monkeypatch: pytest.MonkeyPatch) -> None:
    provider = default_catalogue().provider
    moved = {"cohere": "KEN", "mistral": "ZAF", "openai": "KEN"}
    monkeypatch.setattr(
        Catalogue, "provider", lambda _, name: replace(provider(name), zone=moved.get(name, provider(name).zone))
    )
    calls = [a_call(provider=name) for name in (*moved, "anthropic")]

    assert water_notices("ZAF", *calls) == [f"water at the power plants of ZAF, KEN: no figure of their own, {WORLD}"]
    named = "of KEN, ZAF and of this machine, whose grid is a number without a place"
    said = f"water at the power plants {named}: no figure of their own, {WORLD}"
    assert water_notices("56 g/kWh", *calls) == [said]
