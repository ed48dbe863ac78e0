"""Busy seconds of a card: the load says how long, power says when."""

from __future__ import annotations

import math
import random
from itertools import accumulate

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from test_gpu_shares import S, lane, one_card, recorded, shares  # type: ignore[import-not-found]

from pytest_aifootprint.attribution.gpu_busy import BY_HOLDING, BY_LOAD, busy_time, fill
from pytest_aifootprint.attribution.gpu_curve import COUNTED, Curve
from pytest_aifootprint.meters.gpu import GpuSignals, ProcessLoad

amounts = st.just(0.0) | st.floats(1e-6, 100)
weights_or_none = st.just(0.0) | st.floats(1e-6, 1e3)
parts = st.lists(st.tuples(weights_or_none, st.just(0.0) | st.floats(1e-6, 10)), max_size=12)


def loaded_s(signals: GpuSignals) -> float:
    """Load x time, at its face."""
    t, percent = signals.load_t_ns, signals.load_percent
    return math.fsum(percent[i] / 100 * (t[i] - t[i - 1]) / S for i in range(1, len(t)))


def curve(*above_rest_w: float, tick_s: float = 0.1) -> tuple[Curve, list[float]]:
    """Ticks of this length, and their joules above rest."""
    n = len(above_rest_w)
    t_ns = [round(i * tick_s * S) for i in range(n + 1)]
    joules = [w * tick_s for w in above_rest_w]
    return Curve(t_ns, joules, [COUNTED] * n), joules


def load(*percent: int, step_s: float = 0.1) -> GpuSignals:
    """A look at the start, and one at the end of each step."""
    signals = GpuSignals()
    for i, p in enumerate((0, *percent)):
        signals.load_t_ns.append(round(i * step_s * S))
        signals.load_percent.append(p)
    return signals


@given(parts, amounts)
def test_filling_gives_by_weight_and_nobody_more_than_there_is_room_for(
    of: list[tuple[float, float]], amount: float
) -> None:
    weights, room = [w for w, _ in of], [r for _, r in of]
    shares = fill(weights, room, amount)
    weighty = math.fsum(r for w, r in of if w > 0)
    assert math.fsum(shares) == pytest.approx(min(amount, weighty), rel=1e-9, abs=1e-9)
    assert all(0 <= s <= r * (1 + 1e-9) for s, r in zip(shares, room, strict=True))
    assert all(s == 0 for s, w in zip(shares, weights, strict=True) if w == 0)
    free = [s / w for s, w, r in zip(shares, weights, room, strict=True) if w > 0 and s < r * (1 - 1e-9)]
    assert max(free, default=0) == pytest.approx(min(free, default=0), rel=1e-6, abs=1e-300)


def test_load_that_comes_late_is_placed_where_the_card_took_power() -> None:
    # Work from 0.2 s to 0.4 s; the driver tells of it 0.2 s later.
    ticks, joules = curve(0, 0, 500, 500, 0, 0, 0, 0)
    found = busy_time(load(0, 0, 0, 0, 100, 100, 0, 0), ticks, joules)
    assert found.whole_s == pytest.approx(0.2)
    assert found.track.between(round(0.2 * S), round(0.4 * S)) == pytest.approx(0.2)
    assert found.how == BY_LOAD


def test_half_the_power_for_as_long_is_as_busy() -> None:
    ticks, joules = curve(*[600] * 10, *[300] * 10)
    found = busy_time(load(*[100] * 20), ticks, joules)
    assert found.track.between(0, S) == pytest.approx(1)
    assert found.track.between(S, 2 * S) == pytest.approx(1)


def test_a_card_that_works_a_quarter_of_the_time_is_busy_for_a_quarter_of_it() -> None:
    ticks, joules = curve(*[200] * 40)
    assert busy_time(load(*[25] * 40), ticks, joules).whole_s == pytest.approx(1)


def test_load_at_the_end_of_a_long_work_that_found_no_room_is_of_the_time_before() -> None:
    # Work from the first moment to 10 s; the load begins and ends 0.2 s late, over the end of a block of 10 s.
    ticks, joules = curve(*[500] * 100, *[0] * 10)
    found = busy_time(load(0, 0, *[100] * 100, *[0] * 8), ticks, joules)
    assert found.whole_s == pytest.approx(10)
    assert found.track.between(0, 10 * S) == pytest.approx(10)


def test_faint_work_of_its_own_has_its_seconds() -> None:
    # A hundredth of the highest power: beside strong work it would be taken for noise.
    ticks, joules = curve(500, 500, *[0] * 30, 5, 5, *[0] * 10)
    found = busy_time(load(100, 100, *[0] * 30, 100, 100, *[0] * 10), ticks, joules)
    assert found.track.between(0, round(0.2 * S)) == pytest.approx(0.2)
    assert found.track.between(round(3.2 * S), round(3.4 * S)) == pytest.approx(0.2)


def test_load_does_not_go_back_over_a_pause() -> None:
    # The first work kept the card busy half of the time; the second drew power for less time than the driver tells.
    ticks, joules = curve(*[500] * 4, *[0] * 30, 500, *[0] * 10)
    found = busy_time(load(*[50] * 4, *[0] * 30, *[100] * 5, *[0] * 6), ticks, joules)
    assert found.track.between(0, round(0.4 * S)) == pytest.approx(0.2)
    assert found.track.between(round(3.4 * S), round(3.5 * S)) == pytest.approx(0.1)


def test_a_look_that_failed_is_as_the_one_before_it() -> None:
    ticks, joules = curve(*[500] * 4)
    assert busy_time(load(50, -1, -1, 50), ticks, joules).whole_s == pytest.approx(0.2)


def test_a_driver_that_tells_no_load_leaves_the_time_in_which_power_was_taken() -> None:
    ticks, joules = curve(0, 5, 500, 0)
    found = busy_time(load(-1, -1, -1, -1, step_s=0.1), ticks, joules)
    assert busy_time(GpuSignals(), ticks, joules).how == BY_HOLDING
    assert busy_time(GpuSignals(), ticks, joules).whole_s == pytest.approx(0.2)
    assert found.whole_s == pytest.approx(0.0)  # the first look told of a card at rest


@pytest.mark.parametrize(("period_s", "wrong"), [(1 / 6, 0.1), (0.2, 0.1), (0.5, 0.18), (1.0, 0.22)])
@pytest.mark.parametrize("look_ms", [100, 200])
@pytest.mark.parametrize("seed", range(3))
def test_whatever_the_drivers_period_the_sum_is_true_and_most_of_it_stands_with_its_test(
    period_s: float, wrong: float, look_ms: int, seed: int
) -> None:
    # Tests of 5 ms to 3 s, a third of which only wait, others at 150 to 600 W with and without pauses of the card.
    rng = random.Random(seed)
    ms, worked, drawn_w = 1000, [0.0] * 1000, [0.0] * 1000
    tests: list[tuple[int, int]] = []
    while len(tests) < 100:
        length = rng.choice([5, 50, 300, 1000, 3000])
        share, watts = rng.choice([0, 0.25, 1]), rng.choice([150, 300, 600])
        tests.append((ms, ms + length))
        worked += [share] * length
        drawn_w += [share * watts] * length
        pause = rng.choice([0, 2, 300])
        worked += [0.0] * pause
        drawn_w += [0.0] * pause
        ms += length + pause
    worked += [0.0] * 2000
    drawn_w += [0.0] * 2000
    so_far = [0.0, *accumulate(w / 1000 for w in worked)]
    n = len(worked) // 20
    joules = [sum(drawn_w[20 * i : 20 * i + 20]) / 1000 + max(rng.gauss(0, 5), 0) * 0.02 for i in range(n)]
    signals = GpuSignals()
    for at_ms in range(0, n * 20, look_ms):
        period_ms = period_s * 1000
        told = round((at_ms / period_ms // 1) * period_ms)
        busy_s = so_far[told] - so_far[max(round(told - period_ms), 0)]
        signals.load_t_ns.append(at_ms * S // 1000)
        signals.load_percent.append(min(round(100 * busy_s / period_s), 100))
    ticks = Curve([i * S // 50 for i in range(n + 1)], joules, [COUNTED] * n)

    found = busy_time(signals, ticks, joules)

    assert found.whole_s == pytest.approx(so_far[-1], rel=0.01)
    off = [found.track.between(a * S // 1000, b * S // 1000) - (so_far[b] - so_far[a]) for a, b in tests]
    assert math.fsum(map(abs, off)) < wrong * so_far[-1]


def test_no_tick_is_busy_that_took_nothing_above_rest() -> None:
    ticks, joules = curve(0, 0, 0)
    assert busy_time(load(100, 100, 100), ticks, joules).whole_s == 0


def test_a_test_has_the_seconds_in_which_the_card_worked_for_it() -> None:
    found = shares(one_card((8, 10)), lane("main", (1, 7, 11, 1), (2, 11, 14, 1)))
    assert found.busy.owners["main", 1] == pytest.approx(2, rel=0.01)
    assert found.busy.owners["main", 2] == 0  # it held a context; the card did nothing for it
    assert found.busy.whole_s == pytest.approx(2, rel=0.01)
    assert found.busy.of_all([("main", 1), ("main", 2), ("gw9", 9)]) == found.busy.owners["main", 1]


def test_work_outside_of_every_window_is_nobodys_time() -> None:
    found = shares(one_card((8, 10)), lane("main", (1, 9, 12, 1)))
    assert found.busy.owners == {("main", 1): pytest.approx(1, rel=0.01)}
    assert found.busy.whole_s == pytest.approx(2, rel=0.01)


def test_a_shared_fixture_takes_its_busy_seconds_out_of_the_test_around_it() -> None:
    found = shares(one_card((8, 10)), lane("main", (1, 7, 11, 1), (1, 8, 9, -1), (2, 8, 9, 1)))
    assert found.busy.owners["main", 1] == pytest.approx(1, rel=0.01)
    assert found.busy.owners["main", 2] == pytest.approx(1, rel=0.01)


def test_workers_on_one_card_share_its_seconds_by_how_busy_each_kept_it() -> None:
    signals = one_card((8, 10), pids=(10, 20))
    signals.loads = [ProcessLoad(5 * S, 20 * S, {10: 75, 20: 25})]
    found = shares(signals, lane("gw0", (1, 7, 11, 1)), lane("gw1", (1, 7, 11, 1)))
    assert found.busy.owners["gw0", 1] == pytest.approx(1.5, rel=0.01)
    assert found.busy.owners["gw1", 1] == pytest.approx(0.5, rel=0.01)


def test_what_a_stranger_worked_is_none_of_ours() -> None:
    signals = one_card((8, 10), pids=(10, 900))
    signals.loads = [ProcessLoad(5 * S, 20 * S, {10: 25, 900: 75})]
    found = shares(signals, lane("main", (1, 7, 11, 1)))
    assert found.busy.owners["main", 1] == pytest.approx(0.5, rel=0.01)
    assert found.busy.whole_s == pytest.approx(2, rel=0.01)


def test_recorded_load_is_all_placed_and_a_test_that_waits_gets_none_of_it() -> None:
    data, signals, lanes, pids = recorded("h100_short_tests")
    found = shares(signals, *lanes, pids=pids)
    assert found.busy.whole_s == pytest.approx(loaded_s(signals), rel=1e-6) == pytest.approx(2.890, abs=5e-4)
    (train,) = [r for r in data["regions"] if r[0] == "train"]
    calls = [s for s in lanes[0].spans() if s.phase == 1]
    short = [s for s in calls if train[1] * 1000 <= s.t0_ns and s.t1_ns <= train[2] * 1000]
    in_train_s = found.busy.of_all([("main", s.owner) for s in short])
    assert (in_train_s, (train[2] - train[1]) / 1e6) == pytest.approx((0.600, 0.617), abs=5e-4)
    # Two tests that sleep for 1.5 s after others' work, to which the driver's late load belongs.
    after = [s for s in calls if s.t0_ns > train[2] * 1000]
    assert [s.t1_ns - s.t0_ns > S for s in after] == [True, False, True]
    assert [found.busy.owners["main", s.owner] for s in after] == pytest.approx([0.015, 0, 0], abs=1e-3)


def test_recorded_workers_share_the_cards_seconds() -> None:
    _, signals, lanes, pids = recorded("h100_two_workers")
    found = shares(signals, *lanes, pids=pids)
    calls = [(n.worker, s.owner) for n in lanes for s in n.spans() if s.phase == 1]
    seconds = [found.busy.owners[key] for key in calls]
    assert math.fsum(seconds) <= found.busy.whole_s
    assert max(seconds) < 1.25 * min(seconds)  # equal work
    # Three tests on each of two workers, one after the other, keep the card busy all the time.
    spans = [s for n in lanes for s in n.spans() if s.phase == 1]
    both_s = (max(s.t1_ns for s in spans) - min(s.t0_ns for s in spans)) / S
    assert (math.fsum(seconds), both_s) == pytest.approx((16.07, 16.17), abs=5e-3)
    assert (min(seconds), max(seconds)) == pytest.approx((2.45, 2.93), abs=5e-3)


@pytest.mark.parametrize("name", ["h100_short_tests", "h100_two_workers"])
@pytest.mark.parametrize("first", [0, 1])
def test_recorded_work_comes_to_the_same_where_the_card_is_looked_at_half_as_often(name: str, first: int) -> None:
    _, signals, lanes, pids = recorded(name)
    often = shares(signals, *lanes, pids=pids)
    signals.load_t_ns, signals.load_percent = signals.load_t_ns[first::2], signals.load_percent[first::2]
    seldom = shares(signals, *lanes, pids=pids)
    assert seldom.idle_j == pytest.approx(often.idle_j, rel=1e-3)
    assert seldom.owners == pytest.approx(often.owners, rel=1e-3, abs=0.02)
    assert seldom.busy.owners == pytest.approx(often.busy.owners, abs=0.05)


spans = st.lists(st.tuples(st.integers(0, 150), st.integers(1, 49)), max_size=6)
works = st.lists(st.tuples(st.integers(50, 190), st.integers(1, 30)), max_size=3)


@settings(max_examples=60, deadline=None)
@given(works, spans, spans, st.sampled_from(["", "load", "strangers"]), st.booleans())
def test_owners_never_have_more_than_the_cards_busy_seconds_nor_than_their_own_time(
    worked: list[tuple[int, int]],
    first: list[tuple[int, int]],
    second: list[tuple[int, int]],
    who: str,
    told: bool,  # noqa: FBT001 - drawn
) -> None:
    busy = [(a / 10, min((a + n) / 10, 20)) for a, n in worked]
    signals = one_card(*busy, pids=(10, 20, 900) if who == "strangers" else (10, 20))
    if who:
        signals.loads = [ProcessLoad(5 * S, 20 * S, {10: 30, 20: 50, **({900: 20} if who == "strangers" else {})})]
    if not told:
        signals.load_percent = type(signals.load_percent)("b", [-1] * len(signals.load_t_ns))
    lanes = []
    for worker, drawn in (("gw0", first), ("gw1", second)):
        at, made = 0.0, []
        for owner, (wait, length) in enumerate(drawn):
            at += wait / 50
            made.append((owner, at, min(at + length / 10, 20.0), 1))
            at += length / 10
        lanes.append(lane(worker, *(s for s in made if s[1] < s[2])))
    assume(lanes)
    found = shares(signals, *lanes).busy
    assert all(s >= -1e-9 for s in found.owners.values())
    assert math.fsum(found.owners.values()) <= found.whole_s + 1e-9
    assert found.whole_s <= 20 + 1e-9
    for one in lanes:
        for span in one.spans():
            assert found.owners[one.worker, span.owner] <= (span.t1_ns - span.t0_ns) / S + 1e-9
