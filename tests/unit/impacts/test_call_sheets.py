"""Sheets of calls: what they calculate, by equations that a person reads, is the price."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_aifootprint.detection.calls import AICall
from pytest_aifootprint.detection.servers import UNSEEN
from pytest_aifootprint.impacts import ModelOverride, Pricer, resolve_grid
from pytest_aifootprint.impacts.contract import CallImpact
from pytest_aifootprint.quantities import EXACT_ZERO, Range
from pytest_aifootprint.quantities.units import J_PER_KWH

FIGURES = (
    "energy_j",
    "use_carbon_g",
    "hardware_carbon_g",
    "training_carbon_g",
    "training_energy_j",
    "water_site_l",
    "water_source_l",
    "avoidable_carbon_g",
    "avoided_carbon_g",
)
TABLES: Mapping[str, Mapping[str, Any]] = {
    "counted": {"training_kwh": 100.0, "expected_uses": [1e5, 1e6, 1e7]},
    "grams-only": {"training_gco2e": 5000.0, "expected_uses": 1e6},
    "acme/small": {"params": "66M"},
    "computed": {"params": "7B", "training_tokens": 2e12, "expected_uses": 1e6},
    "computed-there": {"params": "7B", "training_tokens": 2e12, "expected_uses": 1e6, "training_grid": "SWE"},
    "bloom": {"expected_uses": [1e6, 1e7, 1e8]},
    "own-phi": {"params": "7B", "inference_share": [0.5, 0.8, 0.9]},
}
DATA_CENTRE: Mapping[str, Any] = {"pue_local": Range.of(1.1, 1.2, 1.5, "pue:local"), "wue_local_l_per_kwh": Range(0.3)}


def pricer(*, in_a_data_centre: bool = False) -> Pricer:
    models = {name: ModelOverride.from_table(name, table, Path()) for name, table in TABLES.items()}
    return Pricer(resolve_grid("FRA", {}), models, **(DATA_CENTRE if in_a_data_centre else {}))


def call(
    operation: str = "chat",
    model: str | None = "gpt-4o",
    provider: str | None = "openai",
    locality: str = "remote",
    realness: str = "live",
    **more: Any,
) -> AICall:
    return AICall(operation, "test", locality, realness, 0, 0, model=model, provider=provider, **more)


def told(row: AICall) -> Mapping[str, Range]:
    """What differs between calls of one sheet, as the report has it."""
    numbers = {
        "n": row.input_tokens,
        "c": row.cached_input_tokens or 0,
        "out": row.output_tokens,
        "items": row.samples or 1,
        "media_s": row.media_s,
    }
    return {name: Range(float(number)) for name, number in numbers.items() if number is not None}


def answers(impact: CallImpact, row: AICall) -> dict[str, Range | None]:
    sheet = impact.sheet
    assert sheet is not None
    given_here = {one.symbol for one in sheet.given}
    values = sheet.results({name: value for name, value in told(row).items() if name not in given_here})
    return {
        name: None if (symbol := sheet.answers.get(name, "")) is None else values[symbol] if symbol else EXACT_ZERO
        for name in FIGURES
    }


def agrees(row: AICall, priced: Pricer) -> None:
    impact = priced.call(row)
    for name, ours in answers(impact, row).items():
        price: Range | None = getattr(impact, name)
        if price is None:
            assert ours is None, name
            continue
        assert ours is not None, name
        expected = (price.low, price.central, price.high)
        assert (ours.low, ours.central, ours.high) == pytest.approx(expected, rel=1e-9), name
        assert ours.factors.keys() >= {f for f, pair in price.factors.items() if any(pair)}, name


CALLS = {
    "closed": call(input_tokens=1000, output_tokens=200, cached_input_tokens=300),
    "open": call(model="meta-llama/Llama-3.1-70B-Instruct", provider="hf", input_tokens=10, output_tokens=5),
    "measured speed": call(model="gpt-5", input_tokens=10, output_tokens=5),
    "unknown model": call(model="never-heard-of", provider="acme", input_tokens=1000, output_tokens=200),
    "unknown tokens": call(),
    "unknown both": call(model="never-heard-of"),
    "unknown output": call(input_tokens=50),
    "untold, and some cached": call(cached_input_tokens=200),
    "untold, and a few cached": call(cached_input_tokens=30),
    "more cached than read": call(input_tokens=50, cached_input_tokens=90, output_tokens=1),
    "nothing written": call(input_tokens=50, output_tokens=0),
    "embedding": call("embedding", "text-embedding-3-small", input_tokens=77),
    "embedding, tokens unknown": call("embedding", "text-embedding-3-small"),
    "image": call("image", "dall-e-3", samples=3),
    "audio": call("audio", "whisper-1"),
    "video": call("video", "sora-2", samples=2),
    "video of 8 s": call("video", "sora-2", media_s=8.0),
    "family": call(model="gpt-5.9-mini", input_tokens=1000, output_tokens=200),
    "family of one size": call(model="claude-opus-9", provider="anthropic", input_tokens=10, output_tokens=2),
    "not believed": call(input_tokens=10**12, output_tokens=5),
    "replayed": call(realness="replayed", input_tokens=100, output_tokens=20),
    "local server": call(model="llama-3.2-1b", provider="local", locality="local", input_tokens=37, output_tokens=11),
    "server unseen": call(
        model="llama-3.2-1b", provider="local", locality="local", input_tokens=37, output_tokens=11, notices=(UNSEEN,)
    ),
    "counted": call(model="counted", provider=None, operation="inference", locality="local"),
    "counted, unseen": call(model="counted", provider="local", locality="local", input_tokens=3, notices=(UNSEEN,)),
    "grams only": call(model="grams-only", provider=None, operation="inference", locality="local"),
    "remote, counted": call(model="counted", provider="acme", input_tokens=3, output_tokens=4),
    "in the process": call("inference", "acme/small", None, "local", input_tokens=12, parameters=66_000_000, file="x"),
    "computed": call(model="computed", provider="acme", input_tokens=3, output_tokens=4),
    "computed, local": call("inference", "computed", None, "local"),
    "computed at a grid": call("inference", "computed-there", None, "local"),
    "published over uses": call(model="bigscience/bloom", provider="hf", input_tokens=3, output_tokens=4),
    "table over uses": call(model="bloom", provider="hf", input_tokens=3, output_tokens=4),
    "own phi": call(model="own-phi", provider="acme", input_tokens=3, output_tokens=4),
    "tokens read somewhere": call(model="google/gemma-3-270m", provider="hf", input_tokens=3, output_tokens=4),
    "training unknown": call("inference", "sklearn.SVC", None, "local", parameters=100),
}  # fmt: skip


@pytest.mark.parametrize("in_a_data_centre", [False, True], ids=["bare", "data centre"])
@pytest.mark.parametrize("row", CALLS.values(), ids=CALLS)
def test_the_sheet_of_a_call_gives_its_price(row: AICall, *, in_a_data_centre: bool) -> None:
    agrees(row, pricer(in_a_data_centre=in_a_data_centre))


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 10**6), st.integers(0, 10**6), st.integers(0, 10**5), st.sampled_from(["gpt-4o", "x-7b", "?"]))
def test_one_sheet_holds_for_every_length(read: int, cached: int, written: int, model: str) -> None:
    agrees(call(model=model, input_tokens=read, cached_input_tokens=cached, output_tokens=written), PRICER)


PRICER = pricer()


def test_equal_calls_share_a_sheet_and_no_two_sheets_have_one_name() -> None:
    priced = pricer()
    sheets = [priced.call(row).sheet for row in (*CALLS.values(), *CALLS.values())]
    again = priced.call(call(input_tokens=7, output_tokens=200)).sheet
    assert again is sheets[0]
    names: dict[str, int] = {}
    for sheet in sheets:
        if sheet is not None and sheet.steps:
            assert names.setdefault(sheet.name, id(sheet)) == id(sheet), sheet.name


def test_every_input_says_where_it_comes_from() -> None:
    priced = pricer(in_a_data_centre=True)
    for row in CALLS.values():
        sheet = priced.call(row).sheet
        assert sheet is not None
        for one in sheet.given:
            assert one.source, one
            assert one.basis, one
            assert one.what, one


def test_the_inputs_are_in_the_units_that_the_equations_take() -> None:
    sheet = pricer().call(CALLS["closed"]).sheet
    assert sheet is not None
    intensity = next(one for one in sheet.given if one.symbol == "I")
    assert intensity.unit == "g/kWh"
    assert intensity.value.central == pytest.approx(369.473)
    use = sheet.results(told(CALLS["closed"]))
    assert use["use"].central == pytest.approx(use["E"].central / J_PER_KWH * 369.473)
