"""A dedicated machine: its idle power goes by the time that each window had it."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_aifootprint.attribution.balance import TOLERANCE, balance, check
from pytest_aifootprint.attribution.lanes import Lane
from pytest_aifootprint.attribution.reserved import reserve, share_idle
from pytest_aifootprint.attribution.shares import model_shares
from pytest_aifootprint.meters.contract import LoadModel
from pytest_aifootprint.quantities import Range, Watts

S = 1_000_000_000
MODEL = LoadModel(
    name="model", reason="", active_w=Watts(Range.of(1, 2, 3, "cpu_w")),
    idle_w_per_cpu=Watts(Range.of(0.5, 1, 2, "idle_w")), n_cpu=4,
    includes_ram=True, boundary="wall", source="", machine="vm",
)  # fmt: skip


def lane(worker: str, *spans: tuple[int, int, int]) -> Lane:
    made = Lane(worker, "boot", 0, 100 * S)
    for owner, start, end in spans:
        made.add((owner, 1, 1, start * S, end * S, 0, 0))
    return made


def test_who_is_alone_has_the_machine_and_nobody_has_it_between_tests() -> None:
    reserved = reserve([lane("main", (1, 10, 30), (2, 40, 45))], [0, 100 * S])
    assert reserved.seconds() == pytest.approx({("main", 1): 20, ("main", 2): 5})
    assert reserved.nobody[0] == pytest.approx(75 * S)


def test_open_windows_of_all_workers_share_every_moment_equally() -> None:
    lanes = [lane("gw0", (1, 0, 60)), lane("gw1", (1, 30, 90))]
    reserved = reserve(lanes, [0, 100 * S]).seconds()
    assert reserved == pytest.approx({("gw0", 1): 45, ("gw1", 1): 45})


def test_a_fixture_inside_a_test_has_it_in_its_place() -> None:
    busy = lane("main", (1, 0, 50))
    busy.add((7, 0, 1, 10 * S, 30 * S, 0, 0))
    busy.add((1, 0, -1, 10 * S, 30 * S, 0, 0))
    assert reserve([busy], [0, 100 * S]).seconds() == pytest.approx({("main", 1): 30, ("main", 7): 20})


def test_tests_at_the_same_time_in_one_process_share_too() -> None:
    busy = Lane("main", "boot")
    busy.flat_pieces.extend((1, 1, 0, 10 * S, 5, 5 * S))
    busy.flat_pieces.extend((2, 1, 0, 10 * S, 5, 5 * S))
    busy.flat_pieces.extend((3, 0, 0, 10 * S, 5, 0))  # a server's CPU: it opens no window
    assert reserve([busy], [0, 20 * S]).seconds() == pytest.approx({("main", 1): 5, ("main", 2): 5})


def test_each_tick_is_divided_by_itself() -> None:
    reserved = reserve([lane("main", (1, 0, 15), (2, 15, 20))], [0, 10 * S, 20 * S, 30 * S])
    assert [dict(tick) for tick in reserved.owners] == [
        {("main", 1): 10 * S},
        {("main", 1): 5 * S, ("main", 2): 5 * S},
        {},
    ]
    assert list(reserved.nobody) == [0, 0, 10 * S]


def test_idle_joules_move_to_who_had_the_machine_and_the_balance_holds() -> None:
    lanes = [lane("main", (1, 10, 30), (2, 40, 45))]
    shares = model_shares(MODEL, lanes, 100.0, 0.0)
    shared = share_idle(shares, reserve(lanes, [0, 100 * S]), (shares.idle_j,))
    assert shared.energy_of(("main", 1)).central == pytest.approx(80)  # 4 CPUs x 1 W x 20 s
    assert shared.energy_of(("main", 1)).high == pytest.approx(160)
    assert shared.active_of_all([("main", 1)]).central == 0
    terms = balance(shared, lambda _, owner: "ai" if owner == 1 else "other")
    assert (terms.ai_tests_j, terms.other_tests_j, terms.idle_j) == pytest.approx((80, 20, 300))
    assert check(terms) <= TOLERANCE


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 50), st.integers(1, 60)), max_size=12),
    st.lists(st.integers(1, 99), max_size=4, unique=True),
    st.randoms(use_true_random=False),
)
def test_all_time_is_somebody_s_or_nobody_s_and_order_changes_nothing(
    tests: list[tuple[int, int, int]], cuts: list[int], order: random.Random
) -> None:
    bounds = [0, *(cut * S for cut in sorted(cuts)), 100 * S]
    lanes = [lane(f"gw{n}") for n in range(3)]
    ends = [0, 0, 0]
    for owner, (worker, wait, length) in enumerate(tests):
        start = ends[worker] + wait
        ends[worker] = start + length
        lanes[worker].add((owner, 1, 1, start * S, ends[worker] * S, 0, 0))
    reserved = reserve(lanes, bounds)
    for tick, owners in enumerate(reserved.owners):
        assert sum(owners.values()) + reserved.nobody[tick] == pytest.approx(bounds[tick + 1] - bounds[tick])
    shuffled = [lane(one.worker) for one in lanes]
    for one, other in zip(lanes, shuffled, strict=True):
        spans = list(one.spans())
        order.shuffle(spans)
        for span in spans:
            other.add(span)
    order.shuffle(shuffled)
    assert reserve(shuffled, bounds).seconds() == pytest.approx(reserved.seconds())
