"""Whose time a machine and its cards had, and what of their manufacture nobody bears."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_aifootprint.attribution.balance import Kind
from pytest_aifootprint.attribution.lanes import Lane, Span
from pytest_aifootprint.attribution.shares import CardBusy, DomainShares, OwnerKey
from pytest_aifootprint.impacts import Pricer, resolve_grid
from pytest_aifootprint.meters.contract import Host, LoadModel, MemoryModel, Selection
from pytest_aifootprint.meters.hardware import Hardware
from pytest_aifootprint.meters.recorded import Recording
from pytest_aifootprint.quantities import Basis, Range, Watts
from pytest_aifootprint.records.cost import Accounts
from pytest_aifootprint.records.domains import MachineData, reserved_seconds
from pytest_aifootprint.records.hardware import HardwareUse, hardware_notices, hardware_uses, unattributed_g
from pytest_aifootprint.timeline.readings import BusyReadings

S = 1_000_000_000
RUN_S = 100.0
H100 = "NVIDIA H100 80GB HBM3"
VCPU_G_PER_S = 9e3 / (5 * 31_536_000 * 0.7)
H100_G_PER_S = 985.5e3 / (4 * 31_536_000 * 0.7)
KINDS: tuple[Kind, ...] = ("ai", "fixture", "other")


def kind(_worker: str, owner: int) -> Kind:
    return KINDS[owner % 3]


def machine(*cards: str, usable_cpus: float | None = None) -> MachineData:
    """A virtual machine with 4 CPUs and these cards, over 100 s."""
    domains = {f"gpu{n}": card for n, card in enumerate(cards)}
    watts = Watts(Range.of(1.1, 2.0, 3.6, "cpu_w"))
    model = LoadModel(
        "load model", "", watts, watts, 4, includes_ram=True, boundary="wall", source="", machine="vm",
        usable_cpus=usable_cpus,
    )  # fmt: skip
    counters = Recording(dict.fromkeys(domains, ()), cards=domains).meters
    host = Host("X", 4, None, virtual=True, memory_bytes=0, kind="vm", boot_id="here", usable_cpus=usable_cpus)
    return MachineData(Selection(host, counters, model, MemoryModel("", None, ""), ()), BusyReadings(), RUN_S)


def lane(worker: str, *tests: tuple[int, float, float, float], boot_id: str = "here") -> Lane:
    """Owner, from, to, CPU seconds."""
    made = Lane(worker, boot_id, 0, round(RUN_S * S))
    for owner, start, end, cpu_s in tests:
        made.add(Span(owner, 1, 1, round(start * S), round(end * S), 0, round(cpu_s * S)))
    return made


def card(domain: str, busy_s: dict[OwnerKey, float]) -> DomainShares:
    busy = CardBusy(busy_s, math.fsum(busy_s.values()), "scripted")
    return DomainShares(domain, "nvml", Basis.MEASURED, 0.0, {}, 0.0, 0.0, 0.0, busy=busy)


def pricer(declared: Hardware | None = None) -> Pricer:
    return Pricer(resolve_grid("100 g/kWh", {}), declared=declared)


def uses(
    data: MachineData, shares: list[DomainShares], *lanes: Lane, idle_shared: bool = False
) -> tuple[HardwareUse, ...]:
    reserved = reserved_seconds(data, lanes) if idle_shared else None
    return hardware_uses(shares, data, lanes, pricer(), kind, reserved)


TESTS = (lane("gw0", (0, 0, 20, 30.0), (1, 20, 30, 5.0)), lane("gw1", (2, 10, 30, 7.0), (3, 40, 50, 1.0)))
BUSY: dict[OwnerKey, float] = {("gw0", 0): 12.0, ("gw0", 1): 3.0, ("gw1", 2): 4.0, ("gw1", 3): 0.5}


def test_a_run_has_so_many_seconds_of_its_cpus_and_cards_and_what_nobody_bore_is_left() -> None:
    cpu, gpu = uses(machine(H100), [card("gpu0", BUSY)], *TESTS)

    assert (cpu.domain, cpu.row.key, cpu.n_cpu, cpu.capacity_s) == ("cpu", "vm", 4, 400)
    assert (cpu.ai_tests_s, cpu.shared_fixtures_s, cpu.other_tests_s) == pytest.approx((31, 5, 7))
    assert cpu.unattributed_s == pytest.approx(357)
    assert cpu.unattributed_g.central == pytest.approx(357 * VCPU_G_PER_S)
    assert (gpu.domain, gpu.name, gpu.row.key, gpu.n_cpu, gpu.capacity_s) == ("gpu0", H100, "h100", 1, 100)
    assert (gpu.ai_tests_s, gpu.shared_fixtures_s, gpu.other_tests_s) == pytest.approx((12.5, 3, 4))
    assert gpu.unattributed_g.central == pytest.approx(80.5 * H100_G_PER_S)
    assert unattributed_g((cpu, gpu)).central == pytest.approx(357 * VCPU_G_PER_S + 80.5 * H100_G_PER_S)
    assert unattributed_g((cpu, gpu)).factors.keys() == {"hw:vm", "hw:h100"}


def test_a_test_bears_its_cpu_seconds_and_the_busy_seconds_of_every_card() -> None:
    data = machine(H100, "NVIDIA L4")
    shares = [card("gpu0", BUSY), card("gpu1", {("gw0", 0): 2.0})]
    accounts = Accounts(shares, data, {one.worker: one for one in TESTS}, pricer())
    l4_g_per_s = 123.5e3 / (4 * 31_536_000 * 0.7)

    first, last = (accounts.cost([key], ()).carbon.hardware for key in (("gw0", 0), ("gw1", 3)))
    assert first is not None
    assert last is not None
    assert first.central == pytest.approx(30 * VCPU_G_PER_S + 12 * H100_G_PER_S + 2 * l4_g_per_s)
    assert first.factors.keys() == {"hw:vm", "hw:h100", "hw:l4"}
    assert last.central == pytest.approx(1 * VCPU_G_PER_S + 0.5 * H100_G_PER_S)


def test_without_a_card_the_cpu_seconds_are_all() -> None:
    (cpu,) = uses(machine(), [], *TESTS)
    assert cpu.unattributed_s == pytest.approx(357)


def test_only_the_cpus_that_the_run_may_use_stand_idle_for_it() -> None:
    (cpu,) = uses(machine(usable_cpus=1.5), [], *TESTS)
    assert cpu.capacity_s == 150


def test_a_machine_there_for_the_tests_alone_leaves_only_the_time_between_them() -> None:
    data = machine(H100)
    cpu, gpu = uses(data, [card("gpu0", BUSY)], *TESTS, idle_shared=True)

    # Nobody's window is open from 30 to 40 s and after 50 s.
    assert cpu.unattributed_s == pytest.approx(60 * 4)
    assert gpu.unattributed_s == pytest.approx(60)
    assert gpu.ai_tests_s == pytest.approx(10 + 5 + 10)
    assert gpu.shared_fixtures_s == pytest.approx(5)
    assert "reserved" in gpu.how
    reserved = reserved_seconds(data, TESTS)
    accounts = Accounts([card("gpu0", BUSY)], data, {one.worker: one for one in TESTS}, pricer(), reserved)
    carbon = accounts.cost([("gw1", 3)], ()).carbon.hardware
    assert carbon is not None
    assert carbon.central == pytest.approx(10 * 4 * VCPU_G_PER_S + 10 * H100_G_PER_S)


def test_workers_on_another_host_have_seconds_of_their_own() -> None:
    far = lane("gw9", (0, 0, 50, 25.0), boot_id="there")
    (cpu,) = uses(machine(), [], far)
    assert cpu.capacity_s == 800
    assert cpu.unattributed_s == pytest.approx(775)


times = st.lists(st.tuples(st.floats(0, 40), st.floats(0.01, 10), st.floats(0, 4)), max_size=5)


@given(times, times, st.lists(st.floats(0, 1), max_size=4), st.booleans())
def test_what_is_borne_and_what_is_not_are_all_of_it(
    first: list[tuple[float, float, float]],
    second: list[tuple[float, float, float]],
    busy: list[float],
    shared: bool,  # noqa: FBT001 - drawn
) -> None:
    lanes, accounts_of = [], {}
    for worker, drawn in (("gw0", first), ("gw1", second)):
        at, made = 0.0, []
        for owner, (wait, length, cpus) in enumerate(drawn):
            start = min(at + wait, 100.0)
            at = min(start + length, 100.0)
            # No more CPUs than there are, half of them for each worker.
            made.append((owner, start, at, (at - start) * cpus / 2))
        lanes.append(lane(worker, *made))
        accounts_of[worker] = lanes[-1]
    data = machine(H100)
    owners = [(one.worker, span.owner) for one in lanes for span in one.spans()]
    card_s = {key: 20 * part for key, part in zip(owners, busy, strict=False)}
    shares = [card("gpu0", card_s)]
    reserved = reserved_seconds(data, lanes) if shared else None
    found = hardware_uses(shares, data, lanes, pricer(), kind, reserved)
    for use in found:
        borne = (use.ai_tests_s, use.shared_fixtures_s, use.other_tests_s)
        assert min(*borne, use.unattributed_s) >= 0
        assert math.fsum((*borne, use.unattributed_s)) == pytest.approx(use.capacity_s, rel=1e-9)
    accounts = Accounts(shares, data, accounts_of, pricer(), reserved)
    of_owners = [accounts.cost([key], ()).carbon.hardware for key in set(owners)]
    whole = 400 * VCPU_G_PER_S + 100 * H100_G_PER_S
    borne_g = math.fsum(part.central for part in of_owners if part is not None)
    assert borne_g + unattributed_g(found).central == pytest.approx(whole, rel=1e-9)


def test_a_card_without_a_row_is_told_if_somebody_worked_on_it() -> None:
    data = machine(H100, "NVIDIA H200")
    worked, idle = card("gpu1", {("gw0", 0): 1.0}), card("gpu1", {("gw0", 0): 0.0})

    (notice,) = hardware_notices(uses(data, [card("gpu0", BUSY), worked], *TESTS), pricer())
    assert notice.code == "unknown-gpu-hardware"
    assert notice.message.startswith("gpu1: nobody published what making a NVIDIA H200 took")
    assert not list(hardware_notices(uses(data, [card("gpu0", BUSY), idle], *TESTS), pricer()))


def test_what_is_declared_prices_the_run() -> None:
    said = Hardware(embodied_kgco2e=(40, 40, 40), gpu_embodied_kgco2e=(100, 200, 300))
    rates = [pricer(said).hardware_g(1, "vm", 4), pricer(said).accelerator_g(1, "NVIDIA H200")]
    assert rates[0].central == pytest.approx(40e3 / 4 / (5 * 31_536_000 * 0.7))
    assert rates[1].central == pytest.approx(200e3 / (4 * 31_536_000 * 0.37))
