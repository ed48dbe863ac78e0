"""Whatever calls, tables and places there are: each sheet's results are the price, and unknown is never 0."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_aifootprint.catalogue import default_catalogue
from pytest_aifootprint.detection.calls import AICall
from pytest_aifootprint.detection.servers import UNSEEN
from pytest_aifootprint.explain.costs import of_call
from pytest_aifootprint.explain.saved import Saved
from pytest_aifootprint.impacts import ModelOverride, Pricer, resolve_grid
from pytest_aifootprint.impacts.contract import CallImpact
from pytest_aifootprint.impacts.marginal import read_marginal
from pytest_aifootprint.quantities import LitresPerKwh, Range
from pytest_aifootprint.records.model import CallFootprint
from pytest_aifootprint.reports.saved.rows import call_row
from pytest_aifootprint.reports.saved.sheets import sheet_row

FIGURES: Mapping[str, str] = {
    "use": "use_carbon_g",
    "training": "training_carbon_g",
    "hardware": "hardware_carbon_g",
    "W_site": "water_site_l",
    "W_source": "water_source_l",
    "avoidable": "avoidable_carbon_g",
    "avoided": "avoided_carbon_g",
}
MODELS = (
    "gpt-4o", "gpt-5", "gpt-5.9-mini", "claude-opus-9", "never-heard-of", "x-7b", "bigscience/bloom", "declared",
    "google/gemma-3-270m", "meta-llama/Llama-3.1-70B-Instruct", "dall-e-3", "sora-2", "whisper-1", None,
)  # fmt: skip
PROVIDERS = ("openai", "anthropic", "mistral", "azure", "acme", "local", None)
OPERATIONS = ("chat", "embedding", "rerank", "image", "audio", "video", "inference", "training")

positive = st.floats(1e-3, 1e9)
ends = st.lists(positive, min_size=3, max_size=3).map(sorted)
share = st.floats(0.01, 0.99)
shares = st.lists(share, min_size=3, max_size=3).map(sorted)
tables = st.fixed_dictionaries(
    {},
    optional={
        "params": st.sampled_from(["66M", "7B", "405B"]),
        "training_kwh": positive,
        "training_tokens": st.floats(1e6, 1e13),
        "training_grid": st.sampled_from(["SWE", "100 g/kWh", "wor"]),
        "expected_uses": st.one_of(positive, ends),
        "inference_share": st.one_of(
            st.floats(0.01, 0.99), st.lists(st.floats(0.01, 0.99), min_size=3, max_size=3).map(sorted)
        ),
    },
)
grams = st.floats(1, 2000).map(lambda number: f"{number:.4g} g/kWh")
places = st.fixed_dictionaries(
    {
        "grid": st.sampled_from(["FRA", "wor", "56 g/kWh", "USA/virginia"]),
        "pue": st.none() | st.lists(st.floats(1.0, 3.0), min_size=3, max_size=3).map(sorted),
        "wue": st.none() | st.floats(0.01, 5.0),
        "marginal": st.dictionaries(st.sampled_from(["local", "openai", "mistral"]), grams),
        "gpu_metered": st.booleans(),
    }
)
tokens = st.none() | st.integers(0, 10**7) | st.just(10**12)
calls = st.fixed_dictionaries(
    {
        "operation": st.sampled_from(OPERATIONS),
        "model": st.sampled_from(MODELS),
        "provider": st.sampled_from(PROVIDERS),
        "locality": st.sampled_from(["remote", "local"]),
        "realness": st.sampled_from(["live", "replayed", "mocked"]),
        "input_tokens": tokens,
        "cached_input_tokens": tokens,
        "output_tokens": tokens,
        "samples": st.none() | st.integers(1, 500),
        "media_s": st.none() | st.floats(0.1, 600),
        "parameters": st.none() | st.integers(10, 10**12),
        "count": st.integers(1, 5),
        "status": st.sampled_from(["ok", "error"]),
        "unseen": st.booleans(),
        "trained_here": st.booleans(),
    }
)


def pricer(table: Mapping[str, Any], place: Mapping[str, Any]) -> Pricer:
    override = ModelOverride.from_table("declared", dict(table), Path())
    return Pricer(
        resolve_grid(place["grid"], {}),
        {"declared": override},
        pue_local=None
        if place["pue"] is None
        else Range.of(place["pue"][0], place["pue"][1], place["pue"][2], "pue:local"),
        wue_local_l_per_kwh=None if place["wue"] is None else LitresPerKwh(Range(place["wue"])),
        marginal=read_marginal(place["marginal"], default_catalogue()),
        gpu_metered=place["gpu_metered"],
    )


def made(told: Mapping[str, Any]) -> AICall:
    row = dict(told)
    head = [row.pop(key) for key in ("operation", "locality", "realness")]
    del row["trained_here"]
    notices = (UNSEEN,) if row.pop("unseen") and told["locality"] == "local" else ()
    return AICall(head[0], "test", head[1], head[2], 0, 0, notices=notices, **row)


def priced(told: Mapping[str, Any], prices: Pricer) -> tuple[AICall, CallImpact]:
    call = made(told)
    if told["trained_here"]:
        prices.note_training(
            [AICall("training", "test", "local", "live", 0, 0, model=call.model, provider=call.provider)]
        )
    return call, prices.call(call)


def saved(call: AICall, impact: CallImpact) -> tuple[Saved, Mapping[str, Any]]:
    """As a report has it, and as explain reads it."""
    sheets: dict[str, Any] = {"this machine": {"given": [], "steps": [], "answers": {}}}
    if impact.sheet is not None and impact.sheet.name:
        sheets[impact.sheet.name] = sheet_row(impact.sheet)
    report = {"schema_version": 1, "sheets": sheets, "fixtures": [], "tests": []}
    return Saved(report), call_row(CallFootprint(call, impact))


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(calls, tables, places)
def test_explain_comes_to_the_price_of_any_call(
    told: dict[str, Any], table: dict[str, Any], place: dict[str, Any]
) -> None:
    try:
        prices = pricer(table, place)
    except ValueError:
        return  # a table that a run refuses
    call, impact = priced(told, prices)
    report, row = saved(call, impact)
    figures = of_call(report, row)
    energy = "E_remote" if call.locality == "remote" else "E_server"
    for name, figure in {energy: "energy_j", **FIGURES}.items():
        price, ours = getattr(impact, figure), figures[name]
        if price is None or ours is None:
            assert price is ours is None, name
            continue
        for end in ("low", "central", "high"):
            expected, found = getattr(price, end), getattr(ours, end)
            assert abs(found - expected) <= 1e-9 * abs(expected), (name, end, found, expected)


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(calls, tables, places)
def test_what_ran_elsewhere_is_more_than_nothing_or_unknown(
    told: dict[str, Any], table: dict[str, Any], place: dict[str, Any]
) -> None:
    told = {**told, "realness": "live", "locality": "remote", "status": "ok"}
    if told["input_tokens"] == 0:
        told["input_tokens"] = 1  # a call that says that it read and wrote nothing is believed
    try:
        prices = pricer(table, place)
    except ValueError:
        return
    _, impact = priced(told, prices)
    for figure in ("energy_j", "use_carbon_g", "hardware_carbon_g", "training_carbon_g", "water_site_l",
                   "water_source_l", "avoidable_carbon_g"):  # fmt: skip
        price = getattr(impact, figure)
        assert price is None or price.central > 0, figure
    if impact.priced:
        assert impact.use_carbon_g is not None
