"""Joules of a card: scripted truths, and runs that were recorded on one."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from pytest_aifootprint.attribution.gpu import gpu_shares
from pytest_aifootprint.attribution.lanes import Lane, Span
from pytest_aifootprint.attribution.shares import DomainShares
from pytest_aifootprint.meters.contract import Unreadable
from pytest_aifootprint.meters.gpu import GpuSignals, Holders, ProcessLoad
from pytest_aifootprint.quantities import Basis
from pytest_aifootprint.timeline.readings import CounterReadings

RECORDINGS = Path(__file__).with_name("recordings")
S = 10**9
BARE_W, HELD_W, BUSY_W = 76.0, 122.0, 700.0


def lane(worker: str, *spans: tuple[int, float, float, int]) -> Lane:
    made = Lane(worker, "boot", 1, 20 * S)
    for owner, start, end, sign in spans:
        made.add(Span(owner, 1, sign, round(start * S), round(end * S), 0, 0))
    return made


def one_card(*busy: tuple[float, float], context_s: float = 5.0, pids: tuple[int, ...] = (10,)) -> GpuSignals:
    """20 s of a card: bare, then held by these processes, busy in between."""
    signals = GpuSignals(ancestors={pid: (pid, 1) for pid in pids})
    joules = 0.0
    for i in range(1001):
        t = i * 0.02
        watts = BUSY_W if any(a < t <= b + 1e-9 for a, b in busy) else BARE_W if t <= context_s + 1e-9 else HELD_W
        joules += watts * 0.02 if i else 0
        signals.power_t_ns.append(round(t * S))
        signals.power_w.append(watts)
        if i % 250 == 0:
            signals.counter_t_ns.append(round(t * S))
            signals.counter_j.append(joules)
        if i % 5 == 0:
            signals.load_t_ns.append(round(t * S))
            signals.load_percent.append(100 if any(a < t <= b + 0.2 for a, b in busy) else 0)
    signals.holders = [Holders(0, (), 0), Holders(round(context_s * S), pids, round((context_s - 0.2) * S))]
    return signals


def shares(
    signals: GpuSignals, *lanes: Lane, readings: CounterReadings | None = None, pids: dict[str, int] | None = None
) -> DomainShares:
    found = gpu_shares(
        readings or CounterReadings("gpu0", "nvml"),
        signals,
        lanes,
        {"main": 10, "gw0": 10, "gw1": 20} if pids is None else pids,
    )
    terms = [*found.owners.values(), found.other_processes_j, found.idle_j, found.plugin_j]
    assert math.fsum(terms) == pytest.approx(found.metered_j, rel=1e-9)
    assert min(terms) >= -1e-9
    return found


def test_a_test_gets_what_the_card_took_above_its_bare_idle() -> None:
    # A card that works while its test waits: no CPU second is spent.
    found = shares(one_card((8, 10)), lane("main", (1, 7, 11, 1), (2, 11, 14, 1)))
    assert found.owners["main", 1] == pytest.approx(2 * (BUSY_W - BARE_W) + 2 * (HELD_W - BARE_W), rel=0.01)
    assert found.idle_j == pytest.approx(20 * BARE_W, rel=0.01)
    assert found.basis is Basis.MEASURED
    assert found.notices == ()


def test_a_context_that_is_held_costs_the_tests_that_run_meanwhile() -> None:
    found = shares(one_card((8, 10)), lane("main", (1, 7, 11, 1), (2, 11, 14, 1)))
    assert found.owners["main", 2] == pytest.approx(3 * (HELD_W - BARE_W), rel=0.01)


def test_where_no_window_is_open_it_is_nobodys_test() -> None:
    found = shares(one_card((8, 10)), lane("main", (1, 9, 12, 1)))
    assert found.other_processes_j == pytest.approx((BUSY_W - BARE_W) + (3 + 8) * (HELD_W - BARE_W), rel=0.02)


def test_short_tests_between_two_readings_share_by_time_under_load() -> None:
    spans = [(i, 8 + i * 0.005, 8 + (i + 1) * 0.005, 1) for i in range(100)]
    found = shares(one_card((8, 8.5)), lane("main", *spans))
    for i in range(100):
        assert found.owners["main", i] == pytest.approx(0.005 * (BUSY_W - BARE_W), rel=0.02)


def test_a_test_that_comes_after_the_work_does_not_pay_for_it() -> None:
    found = shares(one_card((8, 9)), lane("main", (1, 7, 9, 1), (2, 9, 10, 1)))
    assert found.owners["main", 2] == pytest.approx(HELD_W - BARE_W, rel=0.02)


def test_a_shared_fixture_takes_its_time_out_of_the_test_around_it() -> None:
    found = shares(one_card((8, 10)), lane("main", (1, 7, 11, 1), (7, 8, 10, 1), (1, 8, 10, -1)))
    assert found.owners["main", 7] == pytest.approx(2 * (BUSY_W - BARE_W), rel=0.01)
    assert found.owners["main", 1] == pytest.approx(2 * (HELD_W - BARE_W), rel=0.02)


def test_tests_at_the_same_time_in_one_process_share_its_time() -> None:
    both = lane("main")
    both.flat_pieces.extend((1, 1, 8 * S, 10 * S, 0, S))
    both.flat_pieces.extend((2, 1, 8 * S, 10 * S, 0, S))
    found = shares(one_card((8, 10)), both)
    assert found.owners["main", 1] == found.owners["main", 2] == pytest.approx(BUSY_W - BARE_W, rel=0.01)


def test_a_worker_that_only_waits_does_not_pay_for_the_one_that_works() -> None:
    signals = one_card((8, 12), pids=(10, 20))
    signals.loads = [ProcessLoad(5 * S, 20 * S, {10: 99, 20: 0})]
    found = shares(signals, lane("gw0", (1, 7, 13, 1)), lane("gw1", (1, 7, 13, 1)))
    waits = found.owners["gw1", 1]
    assert waits == pytest.approx(6 * (HELD_W - BARE_W) / 2, rel=0.05)
    assert found.owners["gw0", 1] - waits == pytest.approx(4 * (BUSY_W - HELD_W), rel=0.02)


def test_a_process_that_is_not_ours_pays_for_itself() -> None:
    signals = one_card((8, 12), pids=(10, 900))
    signals.loads = [ProcessLoad(5 * S, 20 * S, {10: 25, 900: 75})]
    found = shares(signals, lane("main", (1, 8, 12, 1)))
    assert found.owners["main", 1] == pytest.approx(4 * ((HELD_W - BARE_W) / 2 + (BUSY_W - HELD_W) / 4), rel=0.02)


def test_which_rule_divided_a_card_is_said_where_it_was_not_the_best() -> None:
    signals = one_card((8, 12), pids=(10, 20))
    found = shares(signals, lane("gw0", (1, 7, 13, 1)), lane("gw1", (1, 7, 13, 1)))
    assert found.owners["gw0", 1] == pytest.approx(found.owners["gw1", 1])
    assert [n.code for n in found.notices] == ["gpu-share"]
    hidden = one_card((8, 12), pids=())
    found = shares(hidden, lane("main", (1, 8, 12, 1)))
    assert "shows no process of this run" in found.notices[0].message
    assert found.owners["main", 1] == pytest.approx(4 * (BUSY_W - BARE_W), rel=0.01)


def test_a_card_that_was_lost_is_a_gap_and_not_zero() -> None:
    readings = CounterReadings("gpu0", "nvml", gaps=[Unreadable(11 * S, "the GPU has fallen off the bus", "see dmesg")])
    signals = one_card((8, 9))
    del signals.counter_t_ns[3:], signals.counter_j[3:]
    last = next(i for i, t in enumerate(signals.power_t_ns) if t > 10 * S)
    del signals.power_t_ns[last:], signals.power_w[last:]
    signals.breaks_ns = [11 * S]
    found = shares(signals, lane("main", (1, 7, 10, 1)), readings=readings)
    assert found.metered_j == pytest.approx(5 * BARE_W + 4 * HELD_W + BUSY_W)
    (notice,) = found.notices
    assert notice.code == "counter-gap"
    assert "10 s of the run are not metered" in notice.message


def test_idle_stands_by_tick_for_those_who_share_it() -> None:
    found = shares(one_card((8, 10)))
    assert len(found.bounds_ns) == len(found.idle_by_tick_j) + 1 == 201
    assert math.fsum(found.idle_by_tick_j) == pytest.approx(found.idle_j)
    assert found.idle_by_tick_j[100] == pytest.approx(0.1 * BARE_W)


def test_nothing_read_at_all_is_no_energy_and_no_crash() -> None:
    assert shares(GpuSignals(), lane("main", (1, 7, 10, 1))).metered_j == 0


def test_lanes_of_another_host_are_not_metered_by_this_card() -> None:
    far = lane("gw9", (1, 8, 9, 1))
    far.boot_id = "other"
    found = gpu_shares(CounterReadings("gpu0", "nvml"), one_card((8, 9)), [far], {"gw9": 10}, boot_id="boot")
    assert found.owners == {}
    assert [n.code for n in found.notices] == ["other-host"]


def recorded(name: str) -> tuple[dict[str, Any], GpuSignals, list[Lane], dict[str, int]]:
    data: dict[str, Any] = json.loads((RECORDINGS / f"{name}.json").read_text())
    signals = GpuSignals()
    for t, mj in data["counter"]:
        signals.counter_t_ns.append(t * 1000)
        signals.counter_j.append(mj / 1e3)
    t = data["power_start"]
    for step, mw in zip([0, *data["power_dt"]], data["power_mw"], strict=True):
        t += step
        signals.power_t_ns.append(t * 1000)
        signals.power_w.append(mw / 1e3)
    t = data["load_start"]
    for step, percent in zip([0, *data["load_dt"]], data["load"], strict=True):
        t += step
        signals.load_t_ns.append(t * 1000)
        signals.load_percent.append(percent)
    signals.holders = [Holders(t * 1000, tuple(pids), max(0, t - 200_000) * 1000) for t, pids in data["holders"]]
    signals.loads = [
        ProcessLoad(a * 1000, b * 1000, {int(p): v for p, v in load.items()}) for a, b, load in data["loads"]
    ]
    signals.ancestors = {pid: (pid, 1) for h in signals.holders for pid in h.pids or ()}
    lanes, pids = [], {}
    for worker, found in data["lanes"].items():
        made = Lane(worker, "boot", found["start"] * 1000, found["end"] * 1000)
        for owner, phase, sign, t0, t1 in found["spans"]:
            made.add(Span(owner, phase, sign, t0 * 1000, t1 * 1000, 0, 0))
        lanes.append(made)
        pids[worker] = found["pid"]
    return data, signals, lanes, pids


def test_recorded_tests_of_5_ms_add_up_to_what_the_card_counted_around_them() -> None:
    data, signals, lanes, pids = recorded("h100_short_tests")
    found = shares(signals, *lanes, pids=pids)
    bare_w = found.idle_j / (signals.counter_t_ns[-1] - signals.counter_t_ns[0]) * S
    assert 70 < bare_w < 80
    (train,) = [r for r in data["regions"] if r[0] == "train"]
    short = [s for s in lanes[0].spans() if s.phase == 1 and train[1] * 1000 <= s.t0_ns and s.t1_ns <= train[2] * 1000]
    joules = [found.owners["main", s.owner] for s in short]
    assert len(joules) == 100
    assert min(joules) > 2
    counted_j = (train[4] - train[3]) / 1e3
    assert sum(joules) + bare_w * (train[2] - train[1]) / 1e6 == pytest.approx(counted_j, rel=0.05)


def test_recorded_workers_on_one_card_add_up() -> None:
    data, signals, lanes, pids = recorded("h100_two_workers")
    found = shares(signals, *lanes, pids=pids)
    first, last = min(r[1] for r in data["regions"]), max(r[2] for r in data["regions"])
    counted_j = (max(r[4] for r in data["regions"]) - min(r[3] for r in data["regions"])) / 1e3
    calls = [
        (n.worker, s.owner) for n in lanes for s in n.spans() if s.phase == 1 and s.t0_ns >= (first - 10_000) * 1000
    ]
    assert len(calls) == 6
    own = [found.owners[key] for key in calls]
    bare_w = found.idle_j / (signals.counter_t_ns[-1] - signals.counter_t_ns[0]) * S
    assert sum(own) + bare_w * (last - first) / 1e6 == pytest.approx(counted_j, rel=0.05)
    assert max(own) < 1.25 * min(own)  # equal work


def test_seconds_in_which_nobody_knows_what_the_card_took_are_those_of_the_windows_then() -> None:
    signals = one_card((8, 10))
    for kept in (signals.power_t_ns, signals.power_w):
        del kept[601:]  # until 12 s
    del signals.counter_t_ns[3:], signals.counter_j[3:]  # until 10 s
    signals.gaps_ns.append(round(12.5 * S))
    found = shares(signals, lane("main", (1, 7, 11, 1), (2, 11, 14, 1), (3, 14, 19, 1)))
    assert found.unread_s == {("main", 2): pytest.approx(2), ("main", 3): pytest.approx(5)}
    assert found.owners["main", 3] == 0
    del signals.counter_t_ns[:1], signals.counter_j[:1]  # from 5 s on
    assert shares(signals, lane("main", (1, 3, 6, 1))).unread_s == {("main", 1): pytest.approx(2)}
    assert shares(one_card((8, 10)), lane("main", (1, 7, 11, 1))).unread_s == {}
    assert shares(GpuSignals(), lane("main", (1, 7, 10, 1))).unread_s == {("main", 1): pytest.approx(3)}


def test_what_was_divided_by_which_rule_is_told() -> None:
    found = shares(one_card((8, 10)), lane("main", (1, 7, 11, 1)))
    assert list(found.shared_by_j) == ["alone"]
    assert found.shared_by_j["alone"] == pytest.approx(2 * (BUSY_W - HELD_W), rel=0.03)
