"""Marginal factors that the user gave: what they price, and what they leave alone."""

from typing import Any

import pytest
from msgspec.structs import fields

from pytest_aifootprint.catalogue import default_catalogue
from pytest_aifootprint.detection import AICall
from pytest_aifootprint.detection.servers import UNSEEN
from pytest_aifootprint.impacts import CallImpact, Pricer, resolve_grid
from pytest_aifootprint.impacts.marginal import read_marginal
from pytest_aifootprint.quantities import EXACT_ZERO, Joules, Range
from pytest_aifootprint.quantities.changed import replace
from pytest_aifootprint.quantities.units import J_PER_KWH

CATALOGUE = default_catalogue()
FRANCE = resolve_grid("FRA", {})
CHAT = AICall(
    "chat", "httpx", "remote", "live", 0, 1, provider="openai", model="gpt-4o", input_tokens=100, output_tokens=200,
    status=200,
)  # fmt: skip
REPLAYED = replace(CHAT, realness="replayed")
HIDDEN = replace(
    CHAT, locality="local", provider="local", model="llama-3.1-8b", host="localhost:11434", notices=(UNSEEN,)
)


def pricer(**table: Any) -> Pricer:
    return Pricer(FRANCE, marginal=read_marginal(table, CATALOGUE))


def sure(value: Range | None) -> Range:
    assert value is not None
    return value


def differing(one: CallImpact, other: CallImpact) -> set[str]:
    # Sheets are told apart by which they are.
    return {f.name for f in fields(one) if f.name != "sheet" and getattr(one, f.name) != getattr(other, f.name)}


@pytest.mark.parametrize("text", ["640 g/kWh", " 0.64 kg/kWh", "640 gCO2e/kWh", "640g/kwh"])
def test_a_number_is_exact(text: str) -> None:
    found = read_marginal({"local": text}, CATALOGUE)

    assert found.keys() == {"local"}
    assert found["local"].carbon_g_per_kwh == Range(640.0)
    assert found["local"].source == f"declared, marginal: {text}"


def test_three_numbers_are_a_range_of_their_own_factor() -> None:
    found = read_marginal({"OpenAI": ["500 g/kWh", "640 g/kWh", "0.8 kg/kWh"]}, CATALOGUE)

    assert found["openai"].carbon_g_per_kwh == Range.of(500, 640, 800, "marginal:openai")


@pytest.mark.parametrize(
    ("key", "name"), [("azure", "openai"), ("gemini", "google"), ("groq", "groq"), ("Local", "local")]
)
def test_a_provider_is_named_as_calls_name_it(key: str, name: str) -> None:
    assert read_marginal({key: "1 g/kWh"}, CATALOGUE).keys() == {name}


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (
            {"local": "FRA"},
            "marginal.local = 'FRA' is no number: what is known of places are averages, and an average ",
        ),
        ({"openai": "gcp/us-central1"}, "marginal.openai = 'gcp/us-central1' is no number"),
        ({"local": "electricitymaps/FR"}, "is no number"),
        ({"local": "640"}, "marginal.local = '640' is no number"),
        ({"local": 640}, "marginal.local = 640 is neither a number with its unit nor three of them"),
        ({"local": [500, 640, 800]}, "is neither a number with its unit nor three of them"),
        ({"local": ["640 g/kWh"]}, "is neither a number with its unit nor three of them"),
        ({"local": {"low": 1}}, "is neither a number with its unit nor three of them"),
        ({"local": True}, "marginal.local = True is neither"),
        ({"local": "64000 g/kWh"}, "marginal.local: '64000 g/kWh' is outside 0 to 5000 g/kWh"),
        ({"local": "-1 g/kWh"}, "is outside 0 to 5000 g/kWh"),
        ({"local": "6.4.0 g/kWh"}, "marginal.local: '6.4.0 g/kWh' is not a number"),
        ({"local": ["2 g/kWh", "1 g/kWh", "3 g/kWh"]}, "is not in the order 0 < low <= central <= high"),
        ({"local": ["0 g/kWh", "1 g/kWh", "3 g/kWh"]}, "is not in the order 0 < low <= central <= high"),
        ({"opnai": "640 g/kWh"}, "marginal: unknown provider 'opnai'; valid: local, ai21, anthropic, "),
        ({"unknown": "640 g/kWh"}, "marginal: unknown provider 'unknown'"),
        ({"openai": "640 g/kWh", "azure": "1 g/kWh"}, "marginal: 'azure' is 'openai' once more"),
    ],
)
def test_what_is_no_marginal_factor_is_one_line(table: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=r"^marginal") as error:
        read_marginal(table, CATALOGUE)

    assert said in str(error.value)
    assert "\n" not in str(error.value)
    assert '"640 g/kWh"' in str(error.value) or "provider" in said or "once more" in said


def test_only_the_avoidable_part_of_a_live_call_is_priced_with_it() -> None:
    average, marginal = Pricer(FRANCE).call(CHAT), pricer(openai="700 g/kWh", local="1 g/kWh").call(CHAT)

    assert differing(average, marginal) == {"avoidable_carbon_g", "equation"}
    kwh = sure(marginal.energy_j).central / J_PER_KWH
    assert sure(marginal.avoidable_carbon_g).central == pytest.approx(kwh * 700 * 0.9)
    assert "grid:USA" not in sure(marginal.avoidable_carbon_g).factors
    assert marginal.equation.endswith("; avoidable and avoided at 700 g/kWh (marginal:openai)")


def test_a_range_goes_into_what_is_avoidable() -> None:
    call = pricer(openai=["500 g/kWh", "640 g/kWh", "800 g/kWh"]).call(CHAT)

    assert "marginal:openai" in sure(call.avoidable_carbon_g).factors
    assert "marginal:openai" not in sure(call.use_carbon_g).factors


def test_what_a_replayed_call_avoided_is_priced_with_it_and_has_no_standby() -> None:
    average, marginal = Pricer(FRANCE).call(REPLAYED), pricer(openai="700 g/kWh").call(REPLAYED)
    live = Pricer(FRANCE).call(CHAT)

    assert average.avoided_carbon_g == live.use_carbon_g
    assert differing(average, marginal) == {"avoided_carbon_g", "equation"}
    assert sure(marginal.avoided_carbon_g).central == pytest.approx(sure(live.energy_j).central / J_PER_KWH * 700)
    assert marginal.avoidable_carbon_g == EXACT_ZERO


def test_another_providers_factor_has_no_say() -> None:
    assert differing(Pricer(FRANCE).call(CHAT), pricer(mistral="700 g/kWh").call(CHAT)) == set()
    groq = replace(CHAT, provider="groq", model="llama-3.1-8b-instant")
    average = sure(Pricer(FRANCE).call(groq).avoidable_carbon_g).central
    assert sure(pricer(groq="950 g/kWh").call(groq).avoidable_carbon_g).central == pytest.approx(2 * average)


def test_this_machines_factor_prices_what_is_avoidable_here_and_nothing_else() -> None:
    plain, given = Pricer(FRANCE), pricer(local="560 g/kWh")
    one_kwh = Joules(Range(J_PER_KWH))

    assert given.local_carbon_g(one_kwh) == plain.local_carbon_g(one_kwh)
    assert plain.local_avoidable_g(one_kwh) == plain.local_carbon_g(one_kwh)
    assert given.local_avoidable_g(one_kwh) == Range(560.0)
    assert differing(plain.call(HIDDEN), given.call(HIDDEN)) == {"avoidable_carbon_g"}
    assert sure(given.call(HIDDEN).avoidable_carbon_g).central == pytest.approx(
        sure(given.call(HIDDEN).energy_j).central / J_PER_KWH * 560
    )
