"""Whose a card is that is split by MIG."""

from __future__ import annotations

import pytest

from pytest_aifootprint.attribution.gpu_curve import energy_curve
from pytest_aifootprint.attribution.gpu_idle import gpu_idle
from pytest_aifootprint.attribution.gpu_mig import mig_notice
from pytest_aifootprint.attribution.gpu_users import GpuUsers, Stretch
from pytest_aifootprint.attribution.lanes import Lane
from pytest_aifootprint.meters.gpu import GpuSignals, Holders, Mig
from pytest_aifootprint.quantities import Basis

S = 10**9
END = 20
PIDS = {"gw0": 10, "gw1": 20}
CHAINS = {10: (10, 5, 1), 20: (20, 5, 1), 11: (11, 10, 5, 1), 900: (900, 1), 901: (901, 1)}
Look = tuple[tuple[int, ...] | None, ...]


def signals_of(
    *looks: tuple[float, Look],
    unseen: float = 0.0,
    mine: frozenset[int] = frozenset(),
    chains: dict[int, tuple[int, ...]] | None = None,
) -> GpuSignals:
    signals = GpuSignals(ancestors=CHAINS if chains is None else chains, mig=Mig((14.0, 28.0, 42.0), unseen, mine))
    for i in range(END * 5 + 1):
        signals.load_t_ns.append(i * S // 5)
        signals.load_percent.append(-1)
    for t, parts in looks:
        pids = None if all(p is None for p in parts) else tuple(sorted({pid for p in parts for pid in p or ()}))
        signals.holders.append(Holders(round(t * S), pids, max(0, round((t - 0.2) * S)), parts))
    return signals


def users(signals: GpuSignals) -> GpuUsers:
    return GpuUsers(signals, [Lane(worker, "boot", 0, END * S) for worker in PIDS], PIDS, 0, END * S)


def at(signals: GpuSignals, second: float = 10) -> Stretch:
    (stretch,) = [s for s in users(signals).stretches if s.start_ns <= second * S < s.end_ns]
    return stretch


def test_who_alone_holds_an_instance_gets_all_that_the_card_takes_above_idle() -> None:
    found = at(signals_of((0, ((10,), (), ()))))
    assert found.active == found.held == {0: 1}
    assert found.ours


def test_instances_that_are_held_share_by_their_multiprocessors() -> None:
    assert at(signals_of((0, ((10,), (20,), ())))).active == pytest.approx({0: 14 / 42, 1: 28 / 42})
    assert at(signals_of((0, ((10,), (), (900,))))).active == pytest.approx({0: 14 / 56})


def test_within_an_instance_those_who_hold_it_count_alike() -> None:
    assert at(signals_of((0, ((10, 11, 900), (), (20,))))).active == pytest.approx({0: 7 / 56, 1: 42 / 56})


def test_a_process_on_two_instances_has_a_part_of_both() -> None:
    assert at(signals_of((0, ((10,), (11,), (901,))))).active == pytest.approx({0: 42 / 84})


def test_an_instance_that_does_not_tell_who_holds_it_counts_as_held_by_others() -> None:
    assert at(signals_of((0, ((10,), None, ())))).active == pytest.approx({0: 14 / 42})


def test_instances_that_are_not_to_be_seen_count_as_held_by_others() -> None:
    assert at(signals_of((0, ((10,), (), ())), unseen=14.0)).active == pytest.approx({0: 0.5})


def test_a_new_holder_may_have_been_there_since_the_look_before() -> None:
    signals = signals_of((0, ((), (), ())), (5, ((10,), (), ())), (12, ((10,), (20,), ())))
    assert at(signals, 4.7).active == {}
    assert at(signals, 4.85).active == at(signals, 8).active == {0: 1}
    assert at(signals, 11.85).active == pytest.approx({0: 14 / 42, 1: 28 / 42})


def test_where_an_instance_stops_telling_those_that_held_it_before_do() -> None:
    signals = signals_of((0, ((10,), (20,), ())), (5, ((10,), None, ())), (12, (None, None, ())))
    assert at(signals, 8).active == at(signals, 15).active == pytest.approx({0: 14 / 42, 1: 28 / 42})


def test_an_instance_that_stops_telling_of_nobody_counts_as_held_by_others() -> None:
    assert at(signals_of((0, ((10,), (20,), ())), (5, ((10,), (20,), None)))).active == pytest.approx(
        {0: 1 / 6, 1: 2 / 6}
    )


def test_before_the_first_look_the_card_is_nobodys() -> None:
    assert at(signals_of((5, ((10,), (), ()))), 1).active == {}


@pytest.mark.parametrize("mine", [frozenset({0, 1}), frozenset[int]()], ids=["named", "not named"])
def test_where_nobody_of_ours_shows_the_named_instances_are_ours(mine: frozenset[int]) -> None:
    # As in a container whose driver gives the host's pids, of which none is to be seen here.
    signals = signals_of((0, ((4711,), (), (4712,))), unseen=14.0, mine=mine, chains={4711: (), 4712: ()})
    assert users(signals).invisible
    # Named: 14 and 28, beside the 42 that another holds and 14 unseen. Not named: all that are to be seen.
    part = 42 / 98 if mine else 84 / 98
    assert at(signals).active == pytest.approx({0: part / 2, 1: part / 2})


def test_where_no_instance_tells_its_holders_all_of_them_count() -> None:
    signals = signals_of((0, (None, None, None)), mine=frozenset({2}))
    assert at(signals).active == pytest.approx({0: 0.25, 1: 0.25})


def with_counter(signals: GpuSignals) -> GpuSignals:
    """80 W for 5 s, 200 W afterwards."""
    joules = 0.0
    for i in range(END * 10 + 1):
        signals.counter_t_ns.append(i * S // 10)
        signals.counter_j.append(joules)
        joules += 8 if i < 50 else 20
    return signals


def test_without_any_utilisation_the_card_is_bare_while_nobody_holds_an_instance() -> None:
    signals = with_counter(signals_of((0, ((), (), ())), (5, ((10,), (), ()))))
    found = gpu_idle(energy_curve(signals), signals, users(signals).surely_at)
    assert found.bare_w == pytest.approx(80)
    assert found.held_w is None
    assert found.basis is Basis.MEASURED


def test_what_a_card_took_beside_unseen_instances_is_an_assumed_idle() -> None:
    signals = with_counter(signals_of((0, ((), (), ())), (5, ((10,), (), ())), unseen=14.0))
    found = gpu_idle(energy_curve(signals), signals, users(signals).surely_at)
    assert found.bare_w == pytest.approx(80)
    assert found.basis is Basis.ASSUMED


@pytest.mark.parametrize("parts", [((900,), (), ()), (None, (), ())], ids=["held by another", "not told"])
def test_a_card_of_which_an_instance_is_or_may_be_held_is_not_at_rest(parts: Look) -> None:
    signals = with_counter(signals_of((0, parts), (5, ((10,), (), ()))))
    found = gpu_idle(energy_curve(signals), signals, users(signals).surely_at)
    assert (found.bare_w, found.basis) == (0, Basis.ASSUMED)


def test_the_notice_says_what_was_assumed() -> None:
    plain = mig_notice("gpu0", signals_of((0, ((10,), (), ()))), invisible=False)
    assert plain.code == "gpu-mig"
    assert "as if all of them worked alike" in plain.message
    assert "not" not in plain.message
    said = mig_notice("gpu0", signals_of((0, ((10,), None, ())), unseen=28.0), invisible=True).message
    assert "no process of this run" in said
    assert "1 of 3 instances do not tell" in said
    assert "25% of the card" in said
