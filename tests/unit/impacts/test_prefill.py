"""Reading a prompt (method, section 4)."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_aifootprint.catalogue import default_catalogue, llm_sizes
from pytest_aifootprint.detection.calls import AICall
from pytest_aifootprint.impacts import Pricer, resolve_grid
from pytest_aifootprint.impacts.models import Model, ModelIndex
from pytest_aifootprint.impacts.remote import (
    PrefillConstants,
    ServedModel,
    Tokens,
    layers_times_width,
    prefill_energy_j,
    prefill_flop,
)
from pytest_aifootprint.quantities import Range
from pytest_aifootprint.quantities.units import J_PER_WH

CONSTANTS = PrefillConstants.of(default_catalogue())
PUE = 1.2
N = 100e9
MODELS = sorted({(table, size.name) for (table, _), size in llm_sizes().items()})
INDEX = ModelIndex(default_catalogue(), {})
PRICER = Pricer(resolve_grid("WOR", {}))


def model_of(table: str, name: str) -> Model:
    return INDEX.find((name,), "chat", table)


def reading(model: Model, tokens: int, cached: int = 0) -> Range:
    """What a call that only reads takes, by the way that every call is priced."""
    served = ServedModel(model, "chat", default_catalogue())
    return served.serve(Tokens((float(tokens),) * 3, float(cached), (0.0,) * 3)).it_energy_j


@pytest.mark.parametrize(
    ("tokens", "low", "central", "high"),
    [
        (1_000, 0.056009, 0.186696, 0.560087),
        (10_000, 0.600867, 2.002888, 6.008665),
        (100_000, 10.086652, 33.622175, 100.866524),
    ],
)
def test_golden_watt_hours_of_a_prompt(tokens: int, low: float, central: float, high: float) -> None:
    energy = prefill_energy_j(N, tokens, 0, CONSTANTS).scale(PUE / J_PER_WH)

    assert (energy.low, energy.central, energy.high) == pytest.approx((low, central, high), rel=1e-5)
    assert energy.central == pytest.approx(central, abs=5e-7)
    assert energy.factors.keys() == {"prefill"}


def test_golden_watt_hours_of_a_prompt_that_is_mostly_cached() -> None:
    energy = prefill_energy_j(N, 100_000, 90_000, CONSTANTS).scale(PUE / J_PER_WH)

    # The central value stands in the method; the ends follow from kappa 0.01 and 0.25, eta 1.2e12 and 1.2e11.
    assert energy.central == pytest.approx(5.554880, rel=1e-6)
    assert (energy.low, energy.high) == pytest.approx((1.466464, 26.664641), rel=1e-6)


def test_golden_layers_times_width() -> None:
    assert layers_times_width(1e11) == pytest.approx(815597.4, rel=1e-6)


def test_a_cached_prompt_is_less_sure_than_a_fresh_one() -> None:
    fresh, cached = (prefill_energy_j(N, 1000, c, CONSTANTS) for c in (0, 1000))

    assert cached.high / cached.low > fresh.high / fresh.low


@given(n=st.integers(1, 10**6), c=st.integers(0, 10**6), size=st.floats(1e6, 1e13))
def test_cached_is_never_dearer_than_fresh(n: int, c: int, size: float) -> None:
    fresh = prefill_energy_j(size, n, 0, CONSTANTS)
    cached = prefill_energy_j(size, n, min(n, c), CONSTANTS)

    assert cached.central <= fresh.central * (1 + 1e-12)
    assert cached.high <= fresh.high * (1 + 1e-9)


@given(n=st.integers(0, 10**6), more=st.integers(1, 10**5), size=st.floats(1e6, 1e13))
def test_a_longer_prompt_is_never_cheaper(n: int, more: int, size: float) -> None:
    assert prefill_flop(size, n + more, 0, 0.05) > prefill_flop(size, n, 0, 0.05)


def test_more_cached_than_read_counts_as_all_cached() -> None:
    all_cached = prefill_energy_j(N, 10, 10, CONSTANTS)

    assert prefill_energy_j(N, 10, 99, CONSTANTS).central == pytest.approx(all_cached.central)


@pytest.mark.parametrize(("table", "name"), MODELS)
@given(n=st.integers(1, 10**6), more=st.integers(1, 10**5), share=st.floats(0, 1))
@settings(max_examples=15, deadline=None, database=None)
def test_of_every_model_a_longer_prompt_takes_more(table: str, name: str, n: int, more: int, share: float) -> None:
    model, cached = model_of(table, name), int(n * share)
    short, long = reading(model, n, cached), reading(model, n + more, cached)

    assert 0 < short.central < long.central
    assert short.low < long.low
    assert short.high < long.high


@given(n=st.integers(1, 10**6), share=st.floats(0, 1))
@settings(max_examples=15, deadline=None, database=None)
def test_of_all_models_a_larger_one_takes_more(n: int, share: float) -> None:
    by_size: dict[float, float] = {}
    for table, name in MODELS:
        model = model_of(table, name)
        assert model.active_b is not None
        energy_j = reading(model, n, int(n * share)).central
        assert by_size.setdefault(model.active_b[1], energy_j) == energy_j
    rising = [energy_j for _, energy_j in sorted(by_size.items())]

    assert len(rising) > 50
    assert all(smaller < larger for smaller, larger in pairwise(rising))


def whole(read: int, written: int | None) -> Range:
    """Wh of a call to gpt-4o, PUE included."""
    call = AICall(
        "chat", "test", "remote", "live", 0, 0,
        provider="openai", model="gpt-4o", input_tokens=read, output_tokens=written,
    )  # fmt: skip
    energy = PRICER.call(call).energy_j
    assert energy is not None
    return energy.scale(1 / J_PER_WH)


@pytest.mark.parametrize(("tokens", "epoch_wh"), [(10_000, 2.4), (100_000, 40.0)])
@pytest.mark.parametrize("written", [0, 500])
def test_epoch_s_figures_of_a_long_prompt_are_inside(tokens: int, epoch_wh: float, written: int) -> None:
    ours = whole(tokens, written)

    assert ours.low < epoch_wh < ours.high
    assert epoch_wh / 1.6 < ours.central < epoch_wh * 1.6


@pytest.mark.parametrize("written", [0, 500])
def test_ten_times_the_prompt_takes_more_than_ten_times_the_energy(written: int) -> None:
    assert whole(100_000, written).central / whole(10_000, written).central > 10
