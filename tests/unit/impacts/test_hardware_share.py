"""Embodied carbon by time in use (method, section 6)."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_aifootprint.catalogue import default_catalogue
from pytest_aifootprint.impacts.hardware import (
    LocalHardware,
    accelerator_share_g,
    card_row,
    cpu_share_g,
    embodied_share_g,
    machine_row,
    rate_g_per_s,
)
from pytest_aifootprint.meters.hardware import Hardware
from pytest_aifootprint.quantities.changed import replace

MACHINES = default_catalogue().machines
CARDS = {key: row for key, row in MACHINES.items() if row.accelerator}
YEAR_S = 31_536_000
H100 = "NVIDIA H100 80GB HBM3"

# The table of the method, section 6.
METHOD = {
    "vm": ((5, 9, 16.4), (3, 5, 6), (0.5, 0.7, 1)),
    "laptop": ((120, 181, 350), (3, 4, 6), (0.1, 0.2, 0.4)),
    "desktop": ((180, 277, 550), (3, 4, 6), (0.1, 0.2, 0.4)),
    "server": ((634, 1200, 2102), (3, 4, 6), (0.5, 0.7, 1)),
    "h100": ((164, 273, 575), (3, 4, 5), (0.5, 0.7, 1)),
}
# Milligrams of one hour in use, worked out apart from the code: TE / (life x 8760 x U), the log changes in quadrature.
# Of one vCPU, of a whole machine, of one card with 5700/8 kg of its server.
HOURLY_MG = {
    "vm": (144.130397, 293.5420744, 691.5185596),
    "laptop": (10478.72433, 25827.62557, 70139.01535),
    "desktop": (15887.85713, 39526.25571, 109252.605),
    "server": (21208.02432, 48923.67906, 99938.18692),
    "h100": (25960.75069, 40178.57143, 67388.10927),
}


@pytest.mark.parametrize("kind", METHOD)
def test_the_table_is_the_one_of_the_method(kind: str) -> None:
    row = MACHINES[kind]

    assert (row.embodied_kg, row.life_years, row.utilisation) == METHOD[kind]


@pytest.mark.parametrize("kind", HOURLY_MG)
def test_an_hour_in_use_bears_the_methods_milligrams(kind: str) -> None:
    hour = rate_g_per_s(MACHINES[kind]).scale(3600 * 1000)

    assert (hour.low, hour.central, hour.high) == pytest.approx(HOURLY_MG[kind], rel=1e-6)


def test_the_standards_example_of_an_hour_of_a_server() -> None:
    # SCI, v1.1.0: 1000 kg over 4 years, 1 hour of all of it; the text prints 28 g.
    assert embodied_share_g(1000, 3600, 4) == pytest.approx(28.5388128, rel=1e-8)


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
    assert accelerator_share_g(MACHINES["h100"], 0.0).central == 0


@pytest.mark.parametrize("kind", ["toaster", "h100"])
def test_an_unknown_machine_names_the_valid_ones(kind: str) -> None:
    with pytest.raises(KeyError, match=rf"{kind}.*valid: vm, laptop, desktop, server\W*$"):
        machine_row(MACHINES, kind)


@pytest.mark.parametrize(
    ("name", "row"),
    [
        (H100, "h100"),
        ("NVIDIA A100-SXM4-80GB", "a100-sxm4-80gb"),
        ("A100-PCIE-40GB", "a100-pcie-40gb"),
        ("NVIDIA A100-PCIE-40GB", "a100-pcie-40gb"),
        ("NVIDIA L40S", "l40s"),
        ("NVIDIA L4", "l4"),
        ("Tesla T4", "t4"),
        ("NVIDIA B200", "b200"),
        ("nvidia b200", "b200"),
        # Others of the family are others: nobody published theirs.
        ("NVIDIA H100 PCIe", None),
        ("NVIDIA A100-SXM4-40GB", None),
        ("NVIDIA A100 80GB PCIe", None),
        ("NVIDIA L40", None),
        ("NVIDIA GB200", None),
        ("NVIDIA T400 4GB", None),
        ("", None),
    ],
)
def test_a_card_is_found_by_the_drivers_name_for_it(name: str, row: str | None) -> None:
    found = card_row(MACHINES, name)

    assert (found.key if found else None) == row
    assert LocalHardware(default_catalogue()).card(name).key == (row or "gpu")


def test_the_row_with_most_words_in_common_wins() -> None:
    general = replace(MACHINES["h100"], key="any-h100", names=("h100",))

    for rows in ({"a": general, "b": MACHINES["h100"]}, {"b": MACHINES["h100"], "a": general}):
        found = [card_row(rows, name) for name in (H100, "NVIDIA H100 PCIe")]
        assert [row.key if row else None for row in found] == ["h100", "any-h100"]


def test_a_card_without_a_row_may_be_any_of_those_that_have_one() -> None:
    unknown, known = CARDS["gpu"], [row for key, row in CARDS.items() if key != "gpu"]

    assert unknown.embodied_kg[0] == min(row.embodied_kg[0] for row in known)
    assert unknown.embodied_kg[2] == max(row.embodied_kg[2] for row in known)
    published = [row.embodied_kg[1] for row in known] + [575.1]
    assert unknown.embodied_kg[1] == pytest.approx(math.sqrt(min(published) * max(published)), rel=1e-3)
    assert unknown.life_years[0] <= min(row.life_years[0] for row in MACHINES.values())
    assert unknown.utilisation[0] <= min(row.utilisation[0] for row in MACHINES.values())


def test_a_card_without_a_row_is_told_with_its_range_and_what_to_do() -> None:
    rows = LocalHardware(default_catalogue())

    notice = rows.card_notice("gpu1", "NVIDIA H200")
    assert notice is not None
    assert notice.code == "unknown-gpu-hardware"
    assert notice.message == (
        "gpu1: nobody published what making a NVIDIA H200 took: 35 to 1249 kg stand for it; declare gpu_embodied_kgco2e"
    )
    nameless = rows.card_notice("gpu0", "")
    assert nameless is not None
    assert "nobody told which card it is" in nameless.message
    assert rows.card_notice("gpu0", H100) is None
    declared = LocalHardware(default_catalogue(), Hardware(gpu_embodied_kgco2e=(200, 200, 200)))
    assert declared.card_notice("gpu1", "NVIDIA H200") is None


# What the user declares takes the place of the row's.


def exact(value: float) -> tuple[float, float, float]:
    return value, value, value


def test_a_machine_of_which_all_is_declared_is_exact() -> None:
    said = Hardware(embodied_kgco2e=exact(320), lifetime_years=exact(6), utilisation=exact(0.25))
    share = cpu_share_g(LocalHardware(default_catalogue(), said).machine("laptop"), 1000, 8)

    assert share.central == pytest.approx(320e3 * (1000 / 8) / (6 * YEAR_S * 0.25))
    assert share.low == share.central == share.high
    assert share.factors == {}


def test_what_is_declared_narrows_and_the_rest_stays() -> None:
    said = Hardware(lifetime_years=(5, 6, 7))
    row = LocalHardware(default_catalogue(), said).machine("laptop")
    wide, narrow = rate_g_per_s(MACHINES["laptop"]), rate_g_per_s(row)

    assert row.embodied_kg == MACHINES["laptop"].embodied_kg
    assert row.origin.source == f"declared: lifetime; else {MACHINES['laptop'].origin.source}"
    assert narrow.central == pytest.approx(wide.central * 4 / 6)
    assert narrow.high / narrow.low < wide.high / wide.low
    assert narrow.factors.keys() == {"hw:laptop"}


def test_a_declared_footprint_is_of_the_whole_virtual_machine_and_not_of_each_cpu() -> None:
    row = LocalHardware(default_catalogue(), Hardware(embodied_kgco2e=exact(40))).machine("vm")

    assert cpu_share_g(row, 1000, 4).central == pytest.approx(40e3 * (1000 / 4) / (5 * YEAR_S * 0.7))
    assert cpu_share_g(LocalHardware(default_catalogue()).machine("vm"), 1000, 4).central == pytest.approx(
        9e3 * 1000 / (5 * YEAR_S * 0.7)
    )


def test_a_declared_card_gets_no_part_of_a_server_and_is_of_every_card() -> None:
    said = Hardware(gpu_embodied_kgco2e=exact(200), gpu_lifetime_years=exact(5), gpu_utilisation=exact(0.5))
    rows = LocalHardware(default_catalogue(), said)

    for name in (H100, "NVIDIA H200"):
        share = accelerator_share_g(rows.card(name), 1000)
        assert share.central == share.high == pytest.approx(200e3 * 1000 / (5 * YEAR_S * 0.5))
    # A machine's own figures are not its cards'.
    assert rows.machine("laptop") == MACHINES["laptop"]
    assert LocalHardware(default_catalogue(), Hardware(utilisation=exact(0.5))).card(H100) == MACHINES["h100"]


def test_a_life_that_is_declared_leaves_the_cards_server_in() -> None:
    rows = LocalHardware(default_catalogue(), Hardware(gpu_lifetime_years=exact(5)))

    assert accelerator_share_g(rows.card(H100), 1).central == pytest.approx(985.5e3 / (5 * YEAR_S * 0.7))
