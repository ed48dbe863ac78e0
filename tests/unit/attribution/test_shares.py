from __future__ import annotations

import math
import random

import pytest

from pytest_aifootprint.attribution.balance import balance, check
from pytest_aifootprint.attribution.lanes import Lane
from pytest_aifootprint.attribution.shares import cpu_seconds, memory_shares, model_shares
from pytest_aifootprint.meters.contract import LoadModel, MemoryModel
from pytest_aifootprint.quantities import EXACT_ZERO, Basis, Range, Watts

S = 1_000_000_000


def lane(worker: str = "main", *cpu_s: float, boot_id: str = "here", plugin_s: float = 0.0) -> Lane:
    """One test after the other, one second each, with these CPU seconds."""
    made = Lane(worker, boot_id, 100 * S, (100 + len(cpu_s)) * S, int(plugin_s * S))
    clock = 0
    for owner, seconds in enumerate(cpu_s):
        used = int(seconds * S)
        made.add((owner, 1, 1, (100 + owner) * S, (101 + owner) * S, clock, clock + used))
        clock += used
    return made


def test_an_owner_gets_watts_times_its_cpu_seconds(vm: LoadModel) -> None:
    shares = model_shares(vm, [lane("main", 2.0, 0.0, 2.0, plugin_s=0.5)], 10.0, 7.0)
    assert [shares.owners["main", i] for i in range(3)] == [4.0, 0.0, 4.0]
    assert shares.plugin_j == 1.0
    assert shares.other_processes_j == 5.0
    assert shares.idle_j == pytest.approx(24.0)
    assert shares.metered_j == pytest.approx(38.0)
    assert shares.basis is Basis.MODELLED


def test_a_neighbour_does_not_change_an_owners_joules(vm: LoadModel) -> None:
    quiet, loud = (model_shares(vm, [lane("main", 2.0, 1.0)], 10.0, busy) for busy in (3.0, 3000.0))
    assert quiet.owners == loud.owners
    assert loud.other_processes_j - quiet.other_processes_j == pytest.approx(2.0 * 2997)


def test_a_second_worker_does_not_change_an_owners_joules(vm: LoadModel) -> None:
    alone = model_shares(vm, [lane("gw0", 2.0)], 10.0, 9.0)
    both = model_shares(vm, [lane("gw0", 2.0), lane("gw1", 3.0)], 10.0, 9.0)
    assert both.owners["gw0", 0] == alone.owners["gw0", 0]
    assert both.metered_j == alone.metered_j


def test_a_machine_that_says_less_than_its_tests_is_not_believed(vm: LoadModel) -> None:
    shares = model_shares(vm, [lane("main", 2.0)], 1.0, 1.5)
    assert shares.other_processes_j == 0.0
    assert shares.owners["main", 0] == 4.0


def test_where_nobody_tells_how_busy_the_machine_was_there_are_no_other_processes(vm: LoadModel) -> None:
    shares = model_shares(vm, [lane("main", 2.0)], 1.0, None)
    assert shares.other_processes_j == 0.0
    assert [n.code for n in shares.notices] == ["busy-unknown"]


def test_an_owners_range_is_that_of_the_watts_and_idles_that_of_idle(vm: LoadModel) -> None:
    shares = model_shares(vm, [lane("main", 2.0, 0.0)], 10.0, 2.0)
    energy = shares.energy_of(("main", 0))
    assert (energy.low, energy.central, energy.high) == pytest.approx((2.2, 4.0, 7.2))
    assert set(energy.factors) == {"cpu_w"}
    assert (shares.idle.low, shares.idle.high) == pytest.approx((16.0, 40.0))
    assert set(shares.idle.factors) == {"idle_w"}
    assert shares.energy_of(("main", 1)) == shares.energy_of(("gw7", 99)) == EXACT_ZERO


def test_several_owners_are_as_uncertain_as_one(vm: LoadModel) -> None:
    shares = model_shares(vm, [lane("main", 2.0, 3.0)], 10.0, 5.0)
    energy = shares.energy_of_all([("main", 0), ("main", 1)])
    assert (energy.low, energy.central, energy.high) == pytest.approx((5.5, 10.0, 18.0))
    assert shares.energy_of_all([]) == EXACT_ZERO


def test_an_owner_below_zero_gets_nothing_and_is_counted(vm: LoadModel) -> None:
    odd = lane("main", 2.0)
    odd.add((5, 1, 1, 0, S, 3 * S, 2 * S))
    shares = model_shares(vm, [odd], 1.0, 2.0)
    assert shares.owners["main", 5] == 0.0
    assert shares.clamped_j == 2.0
    assert check(balance(shares, lambda *_: "other")) <= 1e-9


def test_another_host_is_priced_by_the_same_model_with_its_own_idle(vm: LoadModel) -> None:
    lanes = [lane("gw0", 2.0), lane("gw1", 3.0, 1.0, boot_id="there", plugin_s=0.25)]
    shares = model_shares(vm, lanes, 10.0, 2.0, boot_id="here")
    assert shares.owners == {("gw0", 0): 4.0, ("gw1", 0): 6.0, ("gw1", 1): 2.0}
    assert shares.idle_j == pytest.approx(2.4 * 10 + 2.4 * 2)
    assert shares.other_processes_j == 0.0
    assert shares.plugin_j == 0.5
    assert [n.code for n in shares.notices] == ["other-host"]
    assert check(balance(shares, lambda *_: "ai")) <= 1e-9


def test_the_order_of_spans_and_lanes_does_not_matter(vm: LoadModel) -> None:
    rng = random.Random(1)
    lanes = [lane(f"gw{w}", *(rng.random() for _ in range(200)), plugin_s=rng.random()) for w in range(5)]
    before = model_shares(vm, lanes, 100.0, 700.0)
    mixed = []
    for one in lanes:
        spans = list(one.spans())
        rng.shuffle(spans)
        other = Lane(one.worker, one.boot_id, one.start_ns, one.end_ns, one.plugin_ns)
        for span in spans:
            other.add(span)
        mixed.append(other)
    rng.shuffle(mixed)
    assert model_shares(vm, mixed, 100.0, 700.0) == before


def test_memory_stands_in_idle_or_in_the_cpus_figure() -> None:
    power = Watts(Range.of(1.5, 3.9, 6.3, "ram_w"))
    shares = memory_shares(MemoryModel("10 GB", power, "CCF"), 100.0)
    assert shares is not None
    assert (shares.idle_j, shares.metered_j, shares.owners) == (390.0, 390.0, {})
    assert (shares.idle.low, shares.idle.high) == pytest.approx((150.0, 630.0))
    assert check(balance(shares, lambda *_: "ai")) == 0.0
    assert memory_shares(MemoryModel("in cpu", None, "CCF"), 100.0) is None


def test_cpu_seconds_are_those_of_the_spans() -> None:
    owners, plugin, clamped = cpu_seconds([lane("gw0", 0.5, plugin_s=0.125), lane("gw1", 1.5)])
    assert owners == {("gw0", 0): 0.5, ("gw1", 0): 1.5}
    assert (plugin, clamped) == (0.125, 0.0)
    assert math.fsum(owners.values()) == 2.0
