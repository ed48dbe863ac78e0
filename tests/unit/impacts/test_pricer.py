"""What a call costs, by locality, realness and what is known of it."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_aifootprint.detection.calls import AICall
from pytest_aifootprint.impacts import CallImpact, ModelOverride, Pricer, resolve_grid
from pytest_aifootprint.impacts.codecarbon_csv import MeteredTraining
from pytest_aifootprint.impacts.training import multiplier_of_share, share_energy_j
from pytest_aifootprint.quantities import EXACT_ZERO, Basis, GramsPerKwh, Joules, LitresPerKwh, Range, total
from pytest_aifootprint.quantities.changed import replace
from pytest_aifootprint.quantities.units import J_PER_KWH, J_PER_WH

FRANCE = resolve_grid("FRA", {})
PRICER = Pricer(FRANCE)
COSTS = (
    "energy_j",
    "use_carbon_g",
    "hardware_carbon_g",
    "training_carbon_g",
    "training_energy_j",
    "water_site_l",
    "water_source_l",
    "avoidable_carbon_g",
)


def a_call(operation: str = "chat", **fields: Any) -> AICall:
    known: dict[str, Any] = {"client": "httpx", "locality": "remote", "realness": "live"}
    known |= {"started_ns": 0, "duration_ns": 10**9, "provider": "openai", "model": "gpt-4o"}
    return AICall(operation=operation, **{**known, **fields})


def price(operation: str = "chat", **fields: Any) -> CallImpact:
    return PRICER.call(a_call(operation, **fields))


def without_sheet(impact: CallImpact) -> CallImpact:
    """What can be compared of two prices: sheets are told apart by which they are."""
    return replace(impact, sheet=None)


def codes(impact: CallImpact) -> set[str]:
    return {notice.code for notice in impact.notices}


def costs(impact: CallImpact) -> list[Range | None]:
    return [getattr(impact, name) for name in COSTS]


def sure(value: Range | None) -> Range:
    assert value is not None
    return value


# --- remote, live -----------------------------------------------------------------------------------------------------


def test_a_live_remote_call_has_every_part_and_names_its_inputs() -> None:
    impact = price(input_tokens=1000, output_tokens=300)

    assert all(part is not None and part.central > 0 for part in costs(impact))
    assert impact.avoided_carbon_g == EXACT_ZERO
    assert impact.priced
    assert impact.basis is Basis.ESTIMATED
    assert sure(impact.use_carbon_g).factors.keys() == {
        "method:ecologits",
        "model:gpt-4o",
        "prefill",
        "pue:openai",
        "grid:USA",
    }
    assert "300 tokens (ecologits)" in impact.equation
    assert "1.2 PUE" in impact.equation
    assert "USA" in impact.equation
    assert impact.source == "ecologits: openai/gpt-4o"
    assert impact.training.method == "share"


def test_parts_hang_together() -> None:
    impact = price(input_tokens=1000, output_tokens=300)
    energy_kwh = sure(impact.energy_j).central / J_PER_KWH
    usa = PRICER.remote_grids()["openai"]

    assert sure(impact.use_carbon_g).central == pytest.approx(energy_kwh * usa.carbon_g_per_kwh.central)
    assert sure(impact.water_site_l).central == pytest.approx(energy_kwh / 1.2 * 0.569)
    assert usa.water_l_per_kwh is not None
    assert sure(impact.water_source_l).central == pytest.approx(energy_kwh * usa.water_l_per_kwh.central)
    assert sure(impact.training_energy_j).central == pytest.approx(sure(impact.energy_j).central * 0.43)
    assert sure(impact.avoidable_carbon_g).central == pytest.approx(sure(impact.use_carbon_g).central * 0.9)


def test_site_water_is_on_it_energy_so_pue_cancels() -> None:
    assert "pue:openai" not in sure(price(input_tokens=0, output_tokens=10).water_site_l).factors


def test_avoidable_is_use_less_a_standby_of_0_to_75_percent() -> None:
    impact = price(input_tokens=10, output_tokens=10)
    share = sure(impact.avoidable_carbon_g) / sure(impact.use_carbon_g)

    assert (share.low, share.central, share.high) == pytest.approx((0.25, 0.9, 1.0))


def test_the_users_own_grid_has_no_say_in_remote_calls() -> None:
    call = a_call(input_tokens=10, output_tokens=10)

    assert costs(Pricer(resolve_grid("POL", {})).call(call)) == costs(PRICER.call(call))


def test_how_long_the_call_took_has_no_say() -> None:
    fields: dict[str, Any] = {"input_tokens": 10, "output_tokens": 10}

    assert costs(price(duration_ns=10**7, **fields)) == costs(price(duration_ns=10**11, **fields))


def test_a_cached_prompt_is_cheaper_though_everything_else_is_equal() -> None:
    fields: dict[str, Any] = {"input_tokens": 10_000, "output_tokens": 10}

    assert sure(price(cached_input_tokens=9_000, **fields).energy_j).central < sure(price(**fields).energy_j).central


def test_one_model_costs_each_provider_its_own_grid() -> None:
    fields: dict[str, Any] = {"model": "mistral-large-2407", "input_tokens": 10, "output_tokens": 10}
    sweden, world = (sure(price(provider=p, **fields).use_carbon_g) for p in ("mistralai", "groq"))

    assert sweden.central < world.central / 5


def test_a_size_that_is_guessed_reads_at_its_arithmetic_mean() -> None:
    guessed = price("embedding", model="gpt-4o", input_tokens=1000)
    declared = Pricer(FRANCE, {"gpt-4o": ModelOverride("gpt-4o", params=88e9)})

    assert sure(guessed.energy_j).central == pytest.approx(
        sure(declared.call(a_call("embedding", input_tokens=1000)).energy_j).central
    )


def test_azure_is_openai() -> None:
    fields: dict[str, Any] = {"input_tokens": 10, "output_tokens": 10}

    assert costs(price(provider="azure-openai", **fields)) == costs(price(**fields))


def test_thirty_seven_calls_are_as_uncertain_as_one() -> None:
    one = sure(price(input_tokens=100, output_tokens=100).energy_j)
    many = total([one] * 37)

    assert many.high / many.central == pytest.approx(one.high / one.central)


def test_a_row_of_equal_calls_is_one_call_times_their_number() -> None:
    one, ten = (price(input_tokens=100, output_tokens=100, count=n) for n in (1, 10))

    for single, tenfold in zip(costs(one), costs(ten), strict=True):
        assert sure(tenfold).central == pytest.approx(10 * sure(single).central)
        assert sure(tenfold).high == pytest.approx(10 * sure(single).high)


@pytest.mark.parametrize("operation", ["embedding", "rerank", "moderation"])
def test_what_writes_nothing_pays_only_for_reading(operation: str) -> None:
    impact = price(operation, model="text-embedding-x-8b", input_tokens=1000)

    assert sure(impact.energy_j).central > 0
    assert "method:ecologits" not in sure(impact.energy_j).factors
    assert sure(impact.hardware_carbon_g).central > 0
    assert codes(impact) == set()


def test_an_image_is_priced_by_the_piece() -> None:
    one, four = (price("image", model="gpt-image-1", samples=n) for n in (None, 4))

    assert sure(four.energy_j).central == pytest.approx(4 * sure(one.energy_j).central)
    assert 0.05 < sure(one.energy_j).central / J_PER_WH < 5
    assert one.basis is Basis.ASSUMED


# --- remote, not known ------------------------------------------------------------------------------------------------


def test_an_unknown_model_costs_a_class_range_and_says_so() -> None:
    impact = price(model="frobnicator", input_tokens=100, output_tokens=300)
    energy = sure(impact.energy_j)

    assert codes(impact) == {"unknown-model"}
    assert impact.basis is Basis.ASSUMED
    assert energy.central > 0
    assert energy.high / energy.low > 4.5**2
    assert energy.widest_factor == "model:frobnicator"


def test_no_model_at_all_is_an_unknown_model() -> None:
    assert "unknown-model" in codes(price(model=None, input_tokens=1, output_tokens=1))


def test_unknown_tokens_cost_a_class_range_and_say_so() -> None:
    impact = price()
    energy = sure(impact.energy_j)

    assert codes(impact) == {"unknown-tokens"}
    assert impact.basis is Basis.ASSUMED
    assert "tokens:chat" in energy.factors
    assert sure(price(input_tokens=20, output_tokens=60).energy_j).central < energy.central
    assert energy.central < sure(price(input_tokens=2000, output_tokens=1500).energy_j).central


def test_one_known_side_leaves_only_the_other_to_the_class() -> None:
    assert codes(price(input_tokens=20)) == {"unknown-tokens"}
    assert codes(price("embedding", model="e-7b", input_tokens=20)) == set()
    assert codes(price("embedding", model="e-7b")) == {"unknown-tokens"}


def test_an_unknown_provider_runs_somewhere_in_the_world_and_says_so() -> None:
    impact = price(provider="nobody", model="llama-3.1-8b-instant", input_tokens=10, output_tokens=10)

    assert codes(impact) == {"unknown-provider"}
    assert "grid:nobody" in sure(impact.use_carbon_g).factors
    assert PRICER.remote_grids()["nobody"].zone == "WOR"
    assert codes(price(provider=None, input_tokens=1, output_tokens=1)) == {"unknown-provider"}


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, "error"])
def test_an_error_without_usage_generated_nothing_that_anybody_told_of(status: int | str) -> None:
    impact = price(status=status)

    assert costs(impact) == [EXACT_ZERO] * len(COSTS)
    assert impact.basis is Basis.ASSUMED
    assert str(status) in impact.equation
    assert codes(impact) == ({"no-answer"} if status == "error" else set())


def test_an_error_with_usage_is_priced() -> None:
    assert sure(price(status=500, input_tokens=10, output_tokens=10).energy_j).central > 0


def test_training_at_a_provider_cannot_be_priced_and_is_not_nothing() -> None:
    impact = price("training")

    assert not impact.priced
    assert costs(impact) == [None] * len(COSTS)
    assert codes(impact) == {"unpriced-training"}


# --- replayed and mocked ----------------------------------------------------------------------------------------------


def test_a_replay_costs_nothing_and_avoids_what_the_live_call_uses() -> None:
    fields: dict[str, Any] = {"input_tokens": 100, "output_tokens": 100}
    live, replayed = (price(realness=r, **fields) for r in ("live", "replayed"))

    assert costs(replayed) == [EXACT_ZERO] * len(COSTS)
    assert replayed.avoided_carbon_g == live.use_carbon_g
    assert live.avoided_carbon_g == EXACT_ZERO


def test_a_mock_costs_nothing_and_avoids_nothing() -> None:
    mocked = price(realness="mocked", input_tokens=100, output_tokens=100)

    assert costs(mocked) == [EXACT_ZERO] * len(COSTS)
    assert mocked.avoided_carbon_g == EXACT_ZERO
    assert mocked.notices == ()


def test_what_a_local_replay_avoided_is_unknown() -> None:
    impact = price(locality="local", realness="replayed", input_tokens=10, output_tokens=10)

    assert costs(impact) == [EXACT_ZERO] * len(COSTS)
    assert impact.avoided_carbon_g is None
    assert codes(impact) == {"avoided-unknown"}


# --- local ------------------------------------------------------------------------------------------------------------


def local(operation: str = "chat", **fields: Any) -> CallImpact:
    return price(operation, **{"locality": "local", "provider": "local", "model": "llama3.1:8b", **fields})


def test_a_local_call_is_metered_elsewhere_and_bears_the_training_of_a_served_one() -> None:
    impact = local(input_tokens=100, output_tokens=500)
    served = price(provider="unknown", model="llama3.1:8b", input_tokens=100, output_tokens=500)

    metered_elsewhere = [p for n, p in zip(COSTS, costs(impact), strict=True) if not n.startswith("training")]
    assert metered_elsewhere == [EXACT_ZERO] * len(metered_elsewhere)
    assert impact.training_energy_j == served.training_energy_j
    assert sure(impact.training_energy_j).central == pytest.approx(0.43 * sure(served.energy_j).central)


def test_training_is_priced_where_it_happened_not_where_we_are() -> None:
    call = a_call(locality="local", model="bigscience/bloom", input_tokens=100, output_tokens=500)
    here, elsewhere = PRICER.call(call), Pricer(resolve_grid("POL", {})).call(call)
    intensity = sure(here.training_carbon_g) / sure(here.training_energy_j)

    assert here.training_carbon_g == elsewhere.training_carbon_g
    assert intensity.central * J_PER_KWH == pytest.approx(57)
    assert intensity.factors.keys() >= {"train:bloom-176b"}
    assert here.training.kwh == 433196
    assert sure(here.training.carbon_kg).central == 50500


def test_without_a_row_training_is_priced_at_the_providers_zone_else_the_world() -> None:
    fields: dict[str, Any] = {"model": "somebodys-7b", "input_tokens": 10, "output_tokens": 10}

    remote = sure(price(**fields).training_carbon_g)
    nowhere = sure(local(**fields).training_carbon_g)

    assert "grid:USA" in remote.factors
    assert "grid:WOR" in nowhere.factors


@pytest.mark.parametrize("model", ["LogisticRegression", None])
def test_a_small_model_without_a_row_has_an_unknown_training_share(model: str | None) -> None:
    impact = local("inference", client="sklearn", provider=None, model=model, samples=100, count=3)

    assert impact.training_carbon_g is None
    assert impact.training_energy_j is None
    assert impact.training.method == "unknown"
    assert codes(impact) == {"training-unknown"}
    assert impact.energy_j == EXACT_ZERO
    assert impact.priced


def test_an_in_process_model_of_known_size_and_tokens_has_a_share() -> None:
    impact = local("inference", provider=None, model="org/bert", parameters=110_000_000, input_tokens=128)

    assert sure(impact.training_carbon_g).central > 0
    assert not PRICER.needs_ecologits(a_call("inference", locality="local", input_tokens=128, output_tokens=0))


def test_training_in_this_run_stands_in_use_and_nowhere_else() -> None:
    pricer = Pricer(FRANCE)
    fit = a_call("training", locality="local", provider=None, model="LogisticRegression")
    predict = a_call("inference", locality="local", provider=None, model="LogisticRegression")
    before = pricer.call(predict)
    pricer.note_training([fit])
    after = pricer.call(predict)

    assert pricer.call(fit).training.method == "measured"
    assert before.training.method == "unknown"
    assert (after.training.method, after.training_carbon_g) == ("measured", EXACT_ZERO)


def test_a_local_calls_unknown_tokens_are_said() -> None:
    assert codes(local()) == {"unknown-tokens"}


# --- what the user declares -------------------------------------------------------------------------------------------


def test_declared_uses_switch_to_the_count_method() -> None:
    override = ModelOverride("gpt-4o", training_kwh=1000, training_gco2e=5e5, expected_uses=(1e3, 1e4, 1e5))
    impact = Pricer(FRANCE, {"gpt-4o": override}).call(a_call(input_tokens=1, output_tokens=1))
    carbon = sure(impact.training_carbon_g)

    assert impact.training.method == "count"
    assert (carbon.low, carbon.central, carbon.high) == pytest.approx((5, 50, 500))
    assert sure(impact.training_energy_j).central == pytest.approx(0.1 * J_PER_KWH)
    assert sure(impact.training.lifetime_uses).central == 1e4
    assert sure(impact.training.carbon_kg).central == pytest.approx(500)


def test_a_metered_training_is_divided_as_it_stands_in_its_file() -> None:
    kg = 0.4389616300445631
    assert kg * 1000 / 1000 != kg
    metered = MeteredTraining(1.25, kg, "emissions.csv: 1 run")
    override = ModelOverride("m", expected_uses=(100, 1000, 10_000), metered=metered, parent="p")
    local = a_call("inference", locality="local", provider=None, model="m")
    impact = Pricer(FRANCE, {"m": override}).call(local)

    assert impact.training.kwh == 1.25
    assert impact.training.carbon_kg == Range(kg)
    assert sure(impact.training_carbon_g).central == kg * 1000 / 1000
    assert sure(impact.training_energy_j).central == 1.25 * J_PER_KWH / 1000
    assert impact.training.source == "emissions.csv: 1 run; the training of its parent p is not in it"
    assert impact.source == impact.training.source
    assert without_sheet(impact) == without_sheet(Pricer(resolve_grid("POL", {}), {"m": override}).call(local))


def test_one_number_of_uses_gets_an_assumed_range() -> None:
    override = ModelOverride("m-7b", training_gco2e=1e6, expected_uses=1e4)
    carbon = sure(Pricer(FRANCE, {"m-7b": override}).call(a_call(model="m-7b", output_tokens=1)).training_carbon_g)

    assert (carbon.low, carbon.central, carbon.high) == pytest.approx((10, 100, 1000))


def test_counted_uses_of_a_published_training_need_no_figure() -> None:
    pricer = Pricer(FRANCE, {"bigscience/bloom": ModelOverride("bigscience/bloom", expected_uses=(1e6, 1e7, 1e8))})
    impact = pricer.call(a_call("inference", locality="local", provider=None, model="bigscience/bloom"))

    assert sure(impact.training_carbon_g).central == pytest.approx(50_500_000 / 1e7)


def test_a_childs_count_does_not_contain_its_parents_training() -> None:
    override = ModelOverride("our-tune", training_kwh=100, expected_uses=(1, 10, 100), parent="llama-3.1-8b")
    impact = Pricer(FRANCE, {"our-tune": override}).call(a_call(model="our-tune", input_tokens=1, output_tokens=1))

    assert sure(impact.training_energy_j).central == pytest.approx(10 * J_PER_KWH)
    assert "parent llama-3.1-8b is not in it" in impact.training.source


def test_uses_without_any_training_figure_stay_with_the_share() -> None:
    override = ModelOverride("gpt-4o", expected_uses=10)
    impact = Pricer(FRANCE, {"gpt-4o": override}).call(a_call(input_tokens=1, output_tokens=1))

    assert impact.training.method == "share"


# --- this machine -----------------------------------------------------------------------------------------------------


def test_local_joules_have_this_machines_grid_and_no_data_centre() -> None:
    energy = Joules(Range(J_PER_KWH))
    site, source = PRICER.local_water(energy)

    assert PRICER.local_carbon_g(energy).central == pytest.approx(56.0, rel=1e-3)
    assert site == EXACT_ZERO
    assert source.central == pytest.approx(3.6737)


def test_a_machine_in_a_data_centre_has_its_pue_and_wue() -> None:
    pricer = Pricer(resolve_grid("100 g/kWh", {}), wue_local_l_per_kwh=LitresPerKwh(Range(2.0)))
    energy = Joules(Range(J_PER_KWH))
    at_wall = energy.scale(1.5)
    site, source = pricer.local_water(at_wall, energy)

    assert pricer.local_carbon_g(at_wall).central == pytest.approx(150)
    assert site.central == pytest.approx(2)
    assert source.central == pytest.approx(1.5 * 3.908)


def test_the_hardware_share_is_by_cpu_seconds() -> None:
    assert PRICER.hardware_g(1000, "vm", 4).central == pytest.approx(9e6 / (5 * 31_536_000 * 0.7))
    assert PRICER.accelerator_g(10, "NVIDIA H100 80GB HBM3").central > 0


# --- golden and laws --------------------------------------------------------------------------------------------------


def test_golden_share_of_a_thousand_watt_hours() -> None:
    multiplier = Range.of(0.111, 0.43, 1.0, "phi")
    energy = share_energy_j(Joules(Range(1000 * J_PER_WH)), multiplier)
    from pytest_aifootprint.impacts import Grid
    from pytest_aifootprint.impacts.electricity import carbon_g

    usa = Grid("USA", GramsPerKwh(Range(384)), None, "golden", None)

    assert energy.central / J_PER_WH == pytest.approx(430)
    assert carbon_g(energy, usa).central == pytest.approx(165.12)
    assert multiplier_of_share(0.9) == pytest.approx(0.111, rel=2e-3)
    assert multiplier_of_share(0.7) == pytest.approx(0.43, rel=4e-3)
    assert multiplier_of_share(0.5) == 1


TOKENS = st.integers(0, 200_000)
MODELS = st.sampled_from(["gpt-4o", "gpt-5-mini", "mixtral-8x7b", "frobnicator"])


@settings(deadline=None, max_examples=60)
@given(MODELS, TOKENS, TOKENS, st.integers(0, 1000), st.integers(0, 1000))
def test_more_tokens_are_never_cheaper(model: str, read: int, written: int, more: int, longer: int) -> None:
    less = price(model=model, input_tokens=read, output_tokens=written)
    most = price(model=model, input_tokens=read + more, output_tokens=written + longer)

    for small, large in zip(costs(less), costs(most), strict=True):
        assert sure(large).central >= sure(small).central * (1 - 1e-12)


@settings(deadline=None, max_examples=60)
@given(MODELS, TOKENS, TOKENS, st.integers(0, 200_000))
def test_a_cached_prompt_is_never_dearer(model: str, read: int, written: int, cached: int) -> None:
    fields: dict[str, Any] = {"model": model, "input_tokens": read, "output_tokens": written}
    fresh, with_cache = price(**fields), price(cached_input_tokens=min(cached, read), **fields)

    for whole, part in zip(costs(fresh), costs(with_cache), strict=True):
        assert sure(part).central <= sure(whole).central * (1 + 1e-12)


@settings(deadline=None, max_examples=30)
@given(MODELS, TOKENS, TOKENS)
def test_cost_and_avoided_never_meet_in_one_call(model: str, read: int, written: int) -> None:
    for realness in ("live", "replayed", "mocked"):
        impact = price(model=model, realness=realness, input_tokens=read, output_tokens=written)
        assert sure(impact.energy_j).central * sure(impact.avoided_carbon_g).central == 0


def test_a_price_does_not_depend_on_what_was_priced_before() -> None:
    call = a_call(input_tokens=7, output_tokens=7)
    fresh = Pricer(FRANCE)
    for n in range(20):
        fresh.call(a_call(model=f"m{n}-7b", input_tokens=n, output_tokens=n))

    assert without_sheet(fresh.call(call)) == without_sheet(PRICER.call(call))


@pytest.mark.parametrize(
    ("fields", "needed"),
    [
        ({}, True),
        ({"realness": "replayed"}, True),
        ({"realness": "mocked"}, False),
        ({"status": 429}, False),
        ({"operation": "embedding"}, False),
        ({"operation": "image"}, False),
        ({"locality": "local"}, True),
        ({"locality": "local", "realness": "replayed"}, False),
        ({"locality": "local", "operation": "inference"}, False),
        ({"locality": "local", "operation": "inference", "output_tokens": 5}, True),
        ({"locality": "local", "operation": "training"}, False),
    ],
)
def test_ecologits_is_needed_for_generations_alone(fields: dict[str, Any], needed: bool) -> None:  # noqa: FBT001
    assert PRICER.needs_ecologits(a_call(**{"operation": "chat", **fields})) is needed


def test_notices_of_equal_calls_are_equal_so_that_a_report_prints_them_once() -> None:
    one, two = (price(model="frobnicator", provider="nobody", output_tokens=None, input_tokens=n) for n in (1, 2))

    assert one.notices == two.notices
