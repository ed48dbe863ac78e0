"""Whose a card is, moment by moment."""

from __future__ import annotations

import pytest

from pytest_aifootprint.attribution.gpu_users import GpuUsers, Stretch
from pytest_aifootprint.attribution.lanes import Lane
from pytest_aifootprint.meters.gpu import GpuSignals, Holders, ProcessLoad

S = 10**9
END = 20
PIDS = {"gw0": 10, "gw1": 20}
CHAINS = {10: (10, 5, 1), 20: (20, 5, 1), 11: (11, 10, 5, 1), 900: (900, 1), 901: (901, 1)}


def users(
    holders: list[tuple[float, tuple[int, ...] | None]],
    loads: tuple[tuple[float, float, dict[int, int]], ...] = (),
    *,
    load: int = 50,
    chains: dict[int, tuple[int, ...]] | None = None,
) -> GpuUsers:
    signals = GpuSignals(ancestors=CHAINS if chains is None else chains)
    for i in range(END * 10 + 1):
        signals.load_t_ns.append(i * S // 10)
        signals.load_percent.append(load)
    signals.holders = [Holders(round(t * S), pids, max(0, round((t - 0.2) * S))) for t, pids in holders]
    signals.loads = [ProcessLoad(round(a * S), round(b * S), percent) for a, b, percent in loads]
    lanes = [Lane(worker, "boot", 0, END * S) for worker in PIDS]
    return GpuUsers(signals, lanes, PIDS, 0, END * S)


def at(found: GpuUsers, second: float) -> Stretch:
    (stretch,) = [s for s in found.stretches if s.start_ns <= second * S < s.end_ns]
    return stretch


def test_who_is_alone_gets_all_of_it() -> None:
    found = users([(0, ()), (5, (10,))])
    assert at(found, 10).active == at(found, 10).held == {0: 1}
    assert at(found, 10).rule == "alone"
    assert at(found, 2).active == {}
    assert not found.ours_at(2 * S)
    assert found.ours_at(10 * S)


def test_a_new_holder_may_have_been_there_since_the_look_before() -> None:
    found = users([(0, ()), (5, (10,))])
    assert at(found, 4.85).active == {0: 1}
    assert at(found, 4.7).active == {}


def test_a_child_process_belongs_to_the_worker_that_started_it() -> None:
    assert at(users([(0, (11,))]), 10).active == {0: 1}


def test_two_workers_share_by_how_busy_each_kept_the_card() -> None:
    found = users([(0, (10, 20))], ((0, 20, {10: 75, 20: 25}),))
    assert at(found, 10).active == {0: 0.75, 1: 0.25}
    assert at(found, 10).held == {0: 0.5, 1: 0.5}
    assert at(found, 10).rule == "load"


def test_what_others_kept_busy_is_nobody_of_ours() -> None:
    found = users([(0, (10, 900))], ((0, 20, {10: 20, 900: 60}),))
    assert at(found, 10).active == {0: 0.25}


def test_the_context_of_another_that_was_there_at_the_start_is_in_bare() -> None:
    assert at(users([(0, (900,)), (5, (10, 900))]), 10).held == {0: 1}
    assert at(users([(0, ()), (5, (10, 900))]), 10).held == {0: 0.5}


def test_neighbouring_looks_with_the_same_processes_are_pooled() -> None:
    # Five looks a second see one process at a time: 2 s are too few to tell a half from a third.
    loads = tuple(
        (t, t + 2.0, {10: 99 - p, 20: p}) for t, p in zip(range(0, 20, 2), [30, 70, 20, 80] * 3, strict=False)
    )
    found = users([(0, (10, 20))], loads)
    assert at(found, 9).active[0] == pytest.approx(0.5, abs=0.03)


def test_looks_with_other_processes_are_not_pooled() -> None:
    loads = ((0, 2, {10: 50, 20: 49}), (2, 4, {20: 99}), (4, 6, {10: 50, 20: 49}))
    assert at(users([(0, (10, 20))], loads), 3).active == {1: 1}


def test_without_the_drivers_help_all_count_alike() -> None:
    found = users([(0, (10, 20, 900))])
    assert at(found, 10).active == pytest.approx({0: 1 / 3, 1: 1 / 3})
    assert at(found, 10).rule == "time"


def test_a_stranger_outside_the_container_is_seen_by_its_load_alone() -> None:
    found = users([(0, (10,))], ((0, 20, {10: 33, 799: 66}),), chains={10: (10, 5, 1), 799: ()})
    assert at(found, 10).active == pytest.approx({0: 1 / 3})
    assert at(found, 10).held == {0: 1}


@pytest.mark.parametrize(
    ("holders", "chains"),
    [
        ([(0, None)], {}),
        ([(0, ())], {}),
        ([(0, (4711,))], {4711: ()}),
    ],
    ids=["the driver does not tell", "it shows nobody", "it shows pids of the host"],
)
def test_where_nobody_of_ours_shows_the_workers_count_alike(
    holders: list[tuple[float, tuple[int, ...] | None]], chains: dict[int, tuple[int, ...]]
) -> None:
    found = users(holders, chains=chains)
    assert found.invisible
    assert at(found, 10).active == {0: 0.5, 1: 0.5}


def test_a_process_that_is_there_and_not_ours_is_not_taken_for_us() -> None:
    found = users([(0, (900,))])
    assert not found.invisible
    assert at(found, 10).active == {}


def test_a_card_that_nobody_uses_is_nobodys() -> None:
    assert not users([(0, ())], load=0).invisible


def test_stretches_leave_no_gap() -> None:
    found = users([(0, ()), (3, (10,)), (7, (10, 20)), (12, (20,))], ((5.5, 8, {10: 9}),))
    assert found.stretches[0].start_ns == 0
    assert found.stretches[-1].end_ns == END * S
    assert all(a.end_ns == b.start_ns for a, b in zip(found.stretches, found.stretches[1:], strict=False))


def test_who_used_the_card_before_the_driver_stopped_telling_goes_on_using_it() -> None:
    found = users([(0, ()), (5, (10,)), (12, None)])
    assert not found.invisible
    assert (at(found, 10).active, at(found, 10).rule) == ({0: 1}, "alone")
    assert (at(found, 15).active, at(found, 15).rule) == ({0: 1}, "before")
    assert found.ours_at(15 * S)


def test_where_the_driver_stopped_telling_before_anybody_used_the_card_nobody_is_left_out() -> None:
    found = users([(0, ()), (5, None)], load=0)
    assert at(found, 3).active == {}
    assert (at(found, 10).active, at(found, 10).rule) == ({0: 0.5, 1: 0.5}, "unseen")


def test_the_load_of_a_process_that_has_gone_is_not_of_who_is_left() -> None:
    found = users([(0, (10, 900)), (5, (10,)), (10, (900,))], ((0, 20, {10: 20, 900: 60}),))
    assert at(found, 3).active == {0: 0.25}
    assert at(found, 7).active == {0: 1}
    assert at(found, 15).active == {}
