"""Joules over time: every term's bins add up to the term of the balance, and lie where the work was."""

from __future__ import annotations

import math
import random
from array import array
from collections.abc import Callable, Sequence
from itertools import pairwise

import pytest

from pytest_aifootprint.attribution.balance import Kind, balance
from pytest_aifootprint.attribution.counters import counter_shares
from pytest_aifootprint.attribution.idle import IdlePower
from pytest_aifootprint.attribution.lanes import Lane
from pytest_aifootprint.attribution.over_time import bounds_of, joules_over_time
from pytest_aifootprint.attribution.reserved import reserve, share_idle
from pytest_aifootprint.attribution.shares import DomainShares, memory_shares, model_shares
from pytest_aifootprint.meters.contract import LoadModel, MemoryModel, Unreadable
from pytest_aifootprint.quantities import Basis, Range, Watts
from pytest_aifootprint.quantities.changed import replace
from pytest_aifootprint.timeline.readings import BusyReadings, CounterReadings

S = 1_000_000_000
HERE, THERE = "here", "there"
KINDS: dict[tuple[str, int], Kind] = {("main", 1): "ai", ("main", 2): "other", ("main", 3): "fixture"}
IDLE = IdlePower(20.0, Basis.MEASURED, 100, "quiet ticks")


def classify(worker: str, owner: int) -> Kind:
    return KINDS.get((worker, owner), "ai")


def bins(shares: DomainShares, lanes: Sequence[Lane], bounds: Sequence[int]) -> dict[str, list[float]]:
    """Joules over time, after seeing that they are all there."""
    found = joules_over_time(shares, lanes, classify, bounds, HERE)
    terms = balance(shares, classify)
    rest = terms.other_processes_j + terms.idle_j + terms.plugin_j
    want = {"ai": terms.ai_tests_j, "fixture": terms.shared_fixtures_j, "other": terms.other_tests_j, "rest": rest}
    assert {kind: math.fsum(column) for kind, column in found.items()} == pytest.approx(want, rel=1e-9, abs=1e-12)
    assert all(len(column) == len(bounds) - 1 and min(column) >= 0 for column in found.values())
    return found


def nested() -> Lane:
    """An AI test, 0 to 4 s, in whose first second a fixture takes all of its 2 CPU seconds; another test, 4 to 6 s."""
    lane = Lane("main", HERE, 0, 6 * S)
    lane.add((1, 0, 1, 0, 4 * S, 0, 5 * S))
    lane.add((3, 0, 1, 0, S, 0, 2 * S))
    lane.add((1, 0, -1, 0, S, 0, 2 * S))
    lane.add((2, 1, 1, 4 * S, 6 * S, 5 * S, 6 * S))
    return lane


def seconds(number: int) -> list[int]:
    return [i * S for i in range(number + 1)]


def test_a_model_goes_by_cpu_seconds_and_a_fixture_inside_a_test_keeps_its_own(vm: LoadModel) -> None:
    lane = nested()
    found = bins(model_shares(vm, [lane], 6.0, 12.0, boot_id=HERE), [lane], seconds(6))
    assert found["fixture"] == pytest.approx([4, 0, 0, 0, 0, 0])
    assert found["ai"] == pytest.approx([0, 2, 2, 2, 0, 0])
    assert found["other"] == pytest.approx([0, 0, 0, 0, 1, 1])
    # Idle and other processes: 2.4 W all the time, and 6 of 12 CPU seconds of others, who knows when.
    assert found["rest"] == pytest.approx([2.4 + 2.0] * 6)


def test_a_counter_says_when_each_joule_was_taken() -> None:
    lane = Lane("main", HERE, 0, 4 * S)
    lane.add((1, 1, 1, 0, 2 * S, 0, 2 * S))
    lane.add((2, 1, 1, 2 * S, 4 * S, 2 * S, 4 * S))
    took = [30.0, 60.0, 40.0, 20.0]
    readings = CounterReadings("cpu", "rapl", array("q", seconds(4)), array("d", [0.0, 30.0, 90.0, 130.0, 150.0]))
    busy = BusyReadings(array("q", seconds(4)), array("d", [0.0, 1.0, 2.0, 4.0, 5.0]))
    shares = counter_shares(readings, busy, [lane], IDLE, fallback=None, boot_id=HERE)
    found = bins(shares, [lane], seconds(4))
    assert found["ai"] == pytest.approx([10, 40, 0, 0])
    assert found["other"] == pytest.approx([0, 0, 10, 0])
    assert [sum(column) for column in zip(*found.values(), strict=True)] == pytest.approx(took)
    halves = bins(shares, [lane], [i * S // 2 for i in range(9)])
    assert halves["ai"] == pytest.approx([5, 5, 20, 20, 0, 0, 0, 0])


def test_what_a_counter_did_not_say_is_where_the_model_prices_it(vm: LoadModel) -> None:
    lane = nested()
    gap = Unreadable(3 * S, "EACCES", "chmod")
    readings = CounterReadings("cpu", "rapl", array("q", [0, 2 * S, 4 * S]), array("d", [0.0, 90.0, 190.0]), [gap])
    shares = counter_shares(readings, BusyReadings(), [lane], IDLE, fallback=vm, boot_id=HERE)
    found = bins(shares, [lane], [-S, *seconds(7)])
    assert [column[0] for column in found.values()] == [0, 0, 0, 0]
    assert found["other"][5:7] == pytest.approx([1, 1])


def test_a_card_goes_by_time_and_by_what_it_took_above_idle() -> None:
    lane = Lane("main", HERE, 0, 4 * S)
    lane.add((1, 1, 1, 0, 2 * S, 0, 0))
    lane.add((2, 1, 1, 2 * S, 4 * S, 0, 0))
    shares = DomainShares(
        "gpu0", "nvml", Basis.MEASURED, 200.0, {("main", 1): 90.0, ("main", 2): 30.0}, 0.0, 80.0, 0.0,
        bounds_ns=[S // 2, *seconds(4)[1:]], idle_by_tick_j=[20.0] * 4, metered_by_tick_j=[20.0, 110.0, 35.0, 35.0],
    )  # fmt: skip
    found = bins(shares, [lane], seconds(4))
    assert found["ai"] == pytest.approx([0, 90, 0, 0])
    assert found["other"] == pytest.approx([0, 0, 15, 15])


def test_a_worker_on_another_machine_is_taken_as_begun_with_the_run(vm: LoadModel) -> None:
    lane, far = nested(), Lane("gw9", THERE, 100 * S, 103 * S)
    far.add((1, 1, 1, 101 * S, 102 * S, 0, S))
    shares = model_shares(vm, [lane, far], 6.0, 6.0, boot_id=HERE)
    found = bins(shares, [lane, far], seconds(6))
    assert found["ai"] == pytest.approx([0, 4, 2, 2, 0, 0])


def test_shared_idle_power_goes_by_the_time_of_windows(vm: LoadModel) -> None:
    lane = Lane("main", HERE, 0, 4 * S)
    lane.add((1, 1, 1, S, 3 * S, 0, 0))
    shares = model_shares(vm, [lane], 4.0, 0.0, boot_id=HERE)
    shared = share_idle(shares, reserve([lane], (0, 4 * S)), (shares.idle_j,))
    found = bins(shared, [lane], seconds(4))
    assert found["ai"] == pytest.approx([0, 2.4, 2.4, 0])


def test_memory_that_is_all_idle_is_nobodys_and_even() -> None:
    model = MemoryModel("no counter", Watts(Range(3.0)), "CCF")
    shares = memory_shares(model, 4.0)
    assert shares is not None
    assert bins(shares, [nested()], seconds(4))["rest"] == pytest.approx([3.0] * 4)


def test_an_owner_with_joules_and_no_window_is_even() -> None:
    shares = DomainShares("cpu", "m", Basis.MODELLED, 8.0, {("main", 1): 8.0}, 0.0, 0.0, 0.0, modelled=None)
    assert bins(shares, [], seconds(4))["ai"] == pytest.approx([2.0] * 4)


@pytest.mark.parametrize("seed", range(20))
def test_whatever_the_run_was_the_bins_add_up(vm: LoadModel, seed: int) -> None:
    rng = random.Random(seed)
    lanes = [_random_lane(rng, f"gw{n}", S + n * 1000) for n in range(3)]
    start, end = 0, max(lane.end_ns for lane in lanes) + S
    times = sorted({start, end, *(rng.randrange(start, end) for _ in range(40))})
    energy = array("d", [0.0])
    for before, after in pairwise(times):
        energy.append(energy[-1] + rng.uniform(0, 60) * (after - before) / S)
    busy = BusyReadings(array("q", times), array("d", [2.5 * t / S for t in times]))
    counter = CounterReadings("cpu", "rapl", array("q", times), energy)
    every: list[Callable[[], DomainShares]] = [
        lambda: model_shares(vm, lanes, (end - start) / S, 99.0, boot_id=HERE),
        lambda: counter_shares(counter, busy, lanes, IDLE, fallback=vm, boot_id=HERE),
    ]
    for make in every:
        shares = make()
        first, last = bounds_of(lanes, [shares], start, end)
        number = rng.choice((1, 7, 200))
        bins(shares, lanes, [first + (last - first) * i // number for i in range(number + 1)])
    # A counter's bins are what it took, to the joule: nothing is put where it was not.
    found = joules_over_time(shares, lanes, classify, times, HERE)
    took = [b - a for a, b in pairwise(energy)]
    assert [sum(column) for column in zip(*found.values(), strict=True)] == pytest.approx(took, rel=1e-6, abs=1e-6)


def _random_lane(rng: random.Random, worker: str, start: int) -> Lane:
    lane = Lane(worker, HERE, start)
    at, clock = start, rng.randrange(S)
    for owner in range(30):
        length = rng.randrange(1, S // 2)
        used = round(length * rng.random() * 1.5)
        lane.add((owner, 1, 1, at, at + length, clock, clock + used))
        if rng.random() < 0.3:
            inner = (at, at + length // 2, clock, clock + used // 3)
            lane.add((100 + owner, 0, 1, *inner))
            lane.add((owner, 1, -1, *inner))
        at, clock = at + length + rng.randrange(S // 10), clock + used
    lane.end_ns, lane.plugin_ns = at, S // 50
    return lane


def test_bounds_go_round_everything(vm: LoadModel) -> None:
    lane = nested()
    shares = model_shares(vm, [lane], 6.0, 6.0, boot_id=HERE)
    assert bounds_of([lane], [shares], S, 2 * S) == (0, 6 * S)
    assert bounds_of([lane], [replace(shares, bounds_ns=[-S, 9 * S])], S, 2 * S) == (-S, 9 * S)
