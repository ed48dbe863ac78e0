"""Embodied carbon by time in use (method, section 6)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_aifootprint.catalogue import default_catalogue
from pytest_aifootprint.impacts.hardware import accelerator_share_g, cpu_share_g, machine_row

MACHINES = default_catalogue().machines
YEAR_S = 31_536_000


@pytest.mark.parametrize(
    ("kind", "n_cpu", "expected"),
    [
        ("vm", 4, 9e3 * 1000 / (5 * YEAR_S * 0.7)),
        ("laptop", 8, 181e3 * (1000 / 8) / (4 * YEAR_S * 0.2)),
        ("desktop", 16, 277e3 * (1000 / 16) / (4 * YEAR_S * 0.2)),
        ("server", 128, 1200e3 * (1000 / 128) / (4 * YEAR_S * 0.7)),
    ],
)
def test_a_thousand_cpu_seconds_bear_their_part_of_the_machine(kind: str, n_cpu: int, expected: float) -> None:
    share = cpu_share_g(MACHINES[kind], 1000, n_cpu)

    assert share.central == pytest.approx(expected)
    assert share.factors.keys() == {f"hw:{kind}"}
    assert share.low < share.central < share.high


def test_a_gpu_brings_its_part_of_the_host() -> None:
    share = accelerator_share_g(MACHINES["h100"], 3600)

    assert share.central == pytest.approx((273 + 712.5) * 1000 * 3600 / (4 * YEAR_S * 0.7))


def test_footprint_life_and_utilisation_are_uncertain_independently() -> None:
    share = cpu_share_g(MACHINES["laptop"], 1, 1)
    worst = (350 / 181) * (4 / 3) * (0.2 / 0.1)

    assert 350 / 181 < share.high / share.central < worst


@given(st.floats(0, 1e6), st.floats(1e-3, 100), st.integers(1, 256))
def test_it_is_linear_in_cpu_seconds(seconds: float, k: float, n_cpu: int) -> None:
    machine = MACHINES["desktop"]

    once, scaled = cpu_share_g(machine, seconds, n_cpu), cpu_share_g(machine, seconds * k, n_cpu)

    assert scaled.central == pytest.approx(once.central * k)


def test_waiting_costs_nothing() -> None:
    assert cpu_share_g(MACHINES["vm"], 0.0, 2).central == 0


def test_an_unknown_machine_names_the_valid_ones() -> None:
    with pytest.raises(KeyError, match=r"toaster.*vm, laptop, desktop, server"):
        machine_row(MACHINES, "toaster")
