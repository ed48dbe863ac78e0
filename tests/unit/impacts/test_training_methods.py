"""How a model's training share is made: the method, its inputs, and what is told of them."""

# ruff: noqa: RUF001 - the signs of the page
import math
import statistics
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_aifootprint.catalogue import TrainingRow, default_catalogue, lookup_zone
from pytest_aifootprint.detection.calls import AICall
from pytest_aifootprint.impacts import CallImpact, ModelOverride, Pricer, resolve_grid
from pytest_aifootprint.impacts.training import (
    compute_energy_j,
    inference_share,
    multiplier_range,
    share_energy_j,
    training_flop,
)
from pytest_aifootprint.quantities import Range
from pytest_aifootprint.quantities.units import J_PER_KWH

CATALOGUE = default_catalogue()
ROWS = {row.model_id: row for row in CATALOGUE.training}
ETA = CATALOGUE.value("training.flop_per_joule")
GEMMA = "google/gemma-3-270m-it"
WORLD_G_PER_KWH = lookup_zone("WOR").g_per_kwh
USES = (1e6, 1e7, 1e8)


def sure(value: Any) -> Any:
    assert value is not None
    return value


def price(*tables: ModelOverride, model: str = GEMMA, grid: str = "FRA", **fields: Any) -> CallImpact:
    known: dict[str, Any] = {"client": "httpx", "locality": "local", "realness": "live", "provider": "local"}
    known |= {"started_ns": 0, "duration_ns": 10**9, "input_tokens": 100, "output_tokens": 50}
    call = AICall(operation="chat", model=model, **{**known, **fields})
    return Pricer(resolve_grid(grid, {}), {table.name: table for table in tables}).call(call)


# --- the catalogue ----------------------------------------------------------------------------------------------------


def derived_from() -> list[TrainingRow]:
    """Rows with size, tokens and energy; a child's energy is not that of all its tokens in all its layers."""
    return [row for row in CATALOGUE.training if row.tokens and row.parameters and row.kwh[1] and not row.parent]


def efficiency(row: TrainingRow) -> float:
    joules: float = sure(row.kwh[1]) * J_PER_KWH
    return training_flop(sure(row.parameters), sure(row.tokens)) / joules


def two_digits(value: float) -> float:
    return float(f"{value:.1e}")


def test_the_efficiency_of_training_is_what_the_published_trainings_give() -> None:
    logs = [math.log(efficiency(row)) for row in derived_from()]
    middle, gsd = statistics.mean(logs), math.exp(statistics.stdev(logs))
    spread = 1.645 * math.log(gsd)
    source = CATALOGUE.factors["training.flop_per_joule"].origin.source

    assert tuple(two_digits(math.exp(middle + end)) for end in (-spread, 0, spread)) == ETA
    assert f"the {len(logs)} rows" in source
    assert f"GSD {gsd:.2f}" in source


def test_nine_of_ten_published_trainings_are_inside_the_range_of_the_formula() -> None:
    outside = [row.model_id for row in derived_from() if not ETA[0] <= efficiency(row) <= ETA[2]]

    assert outside == ["gpt-3-175b"]  # V100s; the others ran on A100s, H100s and TPUs


@pytest.mark.parametrize(
    ("model", "device_hours", "watts"),
    [("phi-3-mini", 512 * 10 * 24, 700), ("phi-4-mini", 512 * 21 * 24, 400)],
)
def test_models_that_the_efficiency_was_not_derived_from_come_out_near_their_hours(
    model: str, device_hours: int, watts: int
) -> None:
    row = ROWS[model]
    computed = compute_energy_j(sure(row.parameters), sure(row.tokens), Range.of(*ETA, "eta_train"))

    assert row.kwh[1] is None
    assert f"{device_hours // 24 // 512} d" in row.hardware
    assert computed.central / J_PER_KWH == pytest.approx(device_hours * watts / 1000, rel=0.35)


def test_a_row_that_is_computed_says_where_its_tokens_were_read() -> None:
    computed = [row for row in CATALOGUE.training if not any((*row.kwh, *row.kgco2e))]

    assert {"gemma-3-270m", "qwen3-8b", "smollm2-135m", "all-minilm-l6-v2"} <= {row.model_id for row in computed}
    for row in computed:
        assert row.tokens, row.model_id
        assert row.parameters, row.model_id
        assert len(row.tokens_source) > 15, row.model_id
        assert row.origin.evidence.startswith("seen ("), row.model_id


# --- the formula ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("parameters", "tokens", "flop"), [(175e9, 300e9, 3.14e23), (405e9, 15.6e12, 3.8e25)])
def test_six_n_d_is_what_makers_print(parameters: float, tokens: float, flop: float) -> None:
    assert training_flop(parameters, tokens) == pytest.approx(flop, rel=5e-3)


def test_an_inefficient_training_takes_more() -> None:
    energy = compute_energy_j(1e9, 1e12, Range.of(1e11, 2e11, 8e11, "eta_train"))

    assert (energy.low, energy.central, energy.high) == pytest.approx((7.5e9, 3e10, 6e10))


def test_a_high_share_of_inference_is_a_low_share_of_training() -> None:
    multiplier = multiplier_range((0.5, 0.8, 0.9), "phi:m")

    assert (multiplier.low, multiplier.central, multiplier.high) == pytest.approx((1 / 9, 0.25, 1))
    assert multiplier.factors.keys() == {"phi:m"}
    assert multiplier_range((0.8, 0.8, 0.8), "phi:m").factors == {}


@given(st.lists(st.floats(0.01, 0.99), min_size=3, max_size=3).map(sorted))
def test_phi_comes_back_from_its_multiplier(ends: list[float]) -> None:
    low, central, high = ends
    phi = inference_share(multiplier_range((low, central, high), "phi:m"))

    assert (phi.low, phi.central, phi.high) == pytest.approx((low, central, high))


# --- which method -----------------------------------------------------------------------------------------------------


def test_without_uses_the_share_stays_and_the_computed_whole_stands_beside_it() -> None:
    impact = price()
    told = impact.training

    assert told.method == "share"
    assert told.whole == "computed"
    assert sure(told.kwh) == pytest.approx(6 * 0.27e9 * 6e12 / ETA[1] / J_PER_KWH)
    assert sure(told.carbon_kg).central == pytest.approx(sure(told.kwh) * WORLD_G_PER_KWH / 1000)
    assert sure(told.carbon_kg).factors.keys() == {"eta_train", "train:gemma-3-270m", "grid:WOR"}
    assert told.tokens == 6e12
    assert sure(told.phi).central == pytest.approx(0.6993, abs=1e-4)
    assert "270M with 6 trillion tokens" in told.source
    assert sure(impact.training_energy_j).factors.keys() >= {"phi"}


def test_with_uses_one_call_bears_its_part_of_the_computed_whole() -> None:
    impact = price(ModelOverride(GEMMA, expected_uses=USES))
    kwh = 6 * 0.27e9 * 6e12 / ETA[1] / J_PER_KWH

    assert impact.training.method == "compute"
    assert sure(impact.training_energy_j).central == pytest.approx(kwh * J_PER_KWH / 1e7)
    assert sure(impact.training_carbon_g).central == pytest.approx(kwh * WORLD_G_PER_KWH / 1e7)
    assert sure(impact.training_energy_j).factors.keys() == {
        "eta_train", "train:gemma-3-270m", f"uses:{GEMMA}"
    }  # fmt: skip
    assert impact.equation == (
        "training: E_train = 6 N D / eta = 6 x 2.7e+08 x 6e+12 / 2.7e+11 FLOP/J = 1e+04 kWh; "
        "I_train / N_life = 1e+04 kWh / 1e+07 uses"
    )


def test_a_published_training_goes_before_a_computed_one_unless_the_user_says_so() -> None:
    bloom = "bigscience/bloom"
    counted = price(ModelOverride(bloom, expected_uses=USES), model=bloom)
    computed = price(ModelOverride(bloom, expected_uses=USES, training_method="compute"), model=bloom)

    assert (counted.training.method, counted.training.whole) == ("count", "published")
    assert counted.training.kwh == 433_196
    assert (computed.training.method, computed.training.whole) == ("compute", "computed")
    assert computed.training.kwh == pytest.approx(6 * 176.247e9 * 366e9 / ETA[1] / J_PER_KWH)
    intensity = sure(computed.training_carbon_g) / sure(computed.training_energy_j)
    assert intensity.central * J_PER_KWH == pytest.approx(57)


def test_what_the_user_declares_goes_before_everything() -> None:
    table = ModelOverride(GEMMA, training_kwh=50, expected_uses=USES, training_tokens=1e9)

    assert price(table).training.whole == "declared"
    assert price(table).training.kwh == 50


def test_the_users_own_tokens_and_size_are_exact() -> None:
    table = ModelOverride("ours", params=1e9, training_tokens=1e12, expected_uses=USES)
    impact = price(table, model="ours")

    assert impact.training.tokens == 1e12
    assert sure(impact.training_energy_j).factors.keys() == {"eta_train", "uses:ours"}
    assert "declared by the user" in impact.training.source


def test_the_users_tokens_go_before_the_rows() -> None:
    ours = price(ModelOverride(GEMMA, training_tokens=1e9, expected_uses=USES)).training

    assert ours.tokens == 1e9
    assert ours.kwh == pytest.approx(6 * 0.27e9 * 1e9 / ETA[1] / J_PER_KWH)


def test_the_share_method_can_be_asked_for_although_uses_are_declared() -> None:
    impact = price(ModelOverride(GEMMA, training_kwh=50, expected_uses=USES, training_method="share"))

    assert impact.training.method == "share"
    assert impact.training.kwh == 50
    assert impact.training_energy_j == price().training_energy_j


def test_a_models_own_phi_has_a_factor_of_its_own() -> None:
    own = price(ModelOverride(GEMMA, inference_share=(0.8, 0.9, 0.95)))
    exact = price(ModelOverride(GEMMA, inference_share=(0.9, 0.9, 0.9)))
    everybodys = sure(price().training_energy_j)

    assert sure(own.training_energy_j).central == pytest.approx(everybodys.central / 0.43 / 9)
    assert {f for f in sure(own.training_energy_j).factors if f.startswith("phi")} == {f"phi:{GEMMA}"}
    assert not any(f.startswith("phi") for f in sure(exact.training_energy_j).factors)
    assert sure(exact.training.phi).central == pytest.approx(0.9)
    assert "declared by the user" in own.training.source


@pytest.mark.parametrize("grid", ["FRA", "POL"])
def test_a_declared_place_of_training_is_taken_and_the_users_own_grid_never(grid: str) -> None:
    declared = price(ModelOverride(GEMMA, training_grid="SWE", expected_uses=USES), grid=grid)
    number = price(ModelOverride(GEMMA, training_grid="100 g/kWh"), grid=grid)
    nowhere = price(grid=grid)

    def g_per_kwh(impact: CallImpact) -> float:
        grams, joules = sure(impact.training_carbon_g), sure(impact.training_energy_j)
        return float(grams.central / joules.central * J_PER_KWH)

    assert g_per_kwh(declared) == pytest.approx(lookup_zone("SWE").g_per_kwh)
    assert g_per_kwh(number) == pytest.approx(100)
    assert g_per_kwh(nowhere) == pytest.approx(WORLD_G_PER_KWH)


def test_a_place_that_was_not_needed_is_none_of_the_runs() -> None:
    """A figure of its grid would be said to be old, and changes nothing."""
    table = ModelOverride("ours", training_gco2e=1e6, expected_uses=USES)
    pricer = Pricer(resolve_grid("FRA", {}), {"ours": table})
    call = AICall("inference", "x", "local", "live", 0, 1, model="ours")

    assert pricer.call(call).training.method == "count"
    assert [grid.zone for grid in pricer.grids()] == ["FRA"]


def test_the_provider_stands_in_for_a_place_that_nobody_tells() -> None:
    impact = price(locality="remote", provider="google")

    assert "grid:USA" in sure(impact.training.carbon_kg).factors


def test_a_model_whose_tokens_nobody_tells_has_an_unknown_share_but_its_whole_is_told() -> None:
    name = "sentence-transformers/all-MiniLM-L6-v2"
    fields: dict[str, Any] = {"locality": "local", "provider": None, "client": "sentence_transformers"}
    call = AICall("inference", model=name, realness="live", started_ns=0, duration_ns=1, samples=3, **fields)
    impact = Pricer(resolve_grid("FRA", {})).call(call)

    assert impact.training_carbon_g is None
    assert impact.training.method == "unknown"
    assert impact.training.whole == "computed"
    assert impact.training.parent == "nreimers/MiniLM-L6-H384-uncased"
    [notice] = impact.notices
    assert notice.code == "training-unknown"
    assert "neither expected_uses nor what a served call takes is known" in notice.message


@pytest.mark.parametrize("method", ["count", "compute"])
def test_a_method_without_its_inputs_is_unknown_never_another_one(method: str) -> None:
    impact = price(
        ModelOverride("gpt-4o", expected_uses=USES, training_method=method), model="gpt-4o", locality="remote"
    )

    assert impact.training_carbon_g is None
    assert impact.training.method == "unknown"
    assert f"training_method = '{method}' lacks" in impact.training.source
    [notice] = [notice for notice in impact.notices if notice.code == "training-unknown"]
    assert notice.message.startswith("the training share of gpt-4o is unknown, not 0: training_method = ")


def test_only_a_disclosed_size_is_computed_with() -> None:
    """Ecologits guesses gpt-4o's size: six N D of a guess would look like a figure."""
    impact = price(ModelOverride("gpt-4o", training_tokens=1e13, expected_uses=USES), model="gpt-4o", locality="remote")

    assert impact.training.method == "share"
    assert impact.training.whole is None


def test_the_share_is_the_products_own_function() -> None:
    impact = price(locality="remote", provider="unknown")

    assert impact.training_energy_j == share_energy_j(
        sure(impact.energy_j), Range.of(*CATALOGUE.value("phi.multiplier"), "phi")
    )


# --- the page ---------------------------------------------------------------------------------------------------------

PAGE = Path(__file__).parents[3] / "docs" / "explanation" / "numbers.md"


def test_the_page_works_its_examples_with_the_figures_of_the_catalogue() -> None:
    page = " ".join(PAGE.read_text(encoding="utf-8").split())
    served = price(model="gpt-4o", locality="remote", provider="openai", input_tokens=1000, output_tokens=200)
    ref, share = (sure(joules).central / 3600 for joules in (served.energy_j, served.training_energy_j))
    milligrams = sure(served.training_carbon_g).central * 1000
    bloom, gemma = ROWS["bloom-176b"], ROWS["gemma-3-270m"]
    joules = training_flop(sure(gemma.parameters), sure(gemma.tokens)) / ETA[1]
    kwh = joules / J_PER_KWH
    kg = kwh * WORLD_G_PER_KWH / 1000
    rated_kwh = {"phi-3-mini": 512 * 240 * 0.7, "phi-4-mini": 512 * 504 * 0.4}
    phi3, phi4 = (
        training_flop(sure(ROWS[name].parameters), sure(ROWS[name].tokens)) / ETA[1] / J_PER_KWH / rated
        for name, rated in rated_kwh.items()
    )
    use_g = 36e3 / J_PER_KWH * 56
    years = 24_690 / 19 / 365.25 * 394 / 57 * 19 / 20.006

    for said in (
        f"{ref:.3f} × 0.43 = {share:.3f} Wh of training, at the USA's 369.5 g/kWh {milligrams:.0f} mgCO2e",
        f"10,000,000 uses are {sure(bloom.kwh[1]) / 1e4:.1f} Wh and {sure(bloom.kgco2e[1]) / 1e4:.2f} gCO2e a call",
        f"6 × 2.7e8 × 6e12 / 2.7e11 = {joules / 1e10:.1f}e10 J = {kwh:,.0f} kWh, at the world's",
        f"at the world's {WORLD_G_PER_KWH:.0f} g/kWh {kg:,.0f} kg; over 10,000,000 uses {kwh / 1e4:.0f} Wh",
        f"10,000,000 uses {kwh / 1e4:.0f} Wh and {kg / 1e4:.3f} gCO2e a call",
        f"come out {phi3:.1f} and {phi4:.1f} times",
        f"η_train = {ETA[1] / 1e11:.1f}e11 FLOP/J ({ETA[0] / 1e11:.1f}e11 to {ETA[2] / 1e11:.1f}e11)",
        f"which is what the {len(derived_from())} trainings",
        f"36 kJ at 56 g/kWh is {use_g:.2f} gCO2e of use; over four predictions {use_g / 4:.2f} g each",
        f"3.56 × 394/57 × 19/20.0 = {years:.1f}",
    ):
        assert said in page, said
