"""Reading a prompt (method, section 4)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_aifootprint.catalogue import default_catalogue
from pytest_aifootprint.impacts.remote import PrefillConstants, layers_times_width, prefill_energy_j, prefill_flop
from pytest_aifootprint.quantities.units import J_PER_WH

CONSTANTS = PrefillConstants.of(default_catalogue())
PUE = 1.2
N = 100e9


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
    assert energy.factors.keys() == {"prefill"}


def test_golden_watt_hours_of_a_prompt_that_is_mostly_cached() -> None:
    energy = prefill_energy_j(N, 100_000, 90_000, CONSTANTS).scale(PUE / J_PER_WH)

    assert energy.central == pytest.approx(5.554880, rel=1e-5)


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
