"""A counter with a scripted truth: each test gets its joules, and whatever happens the balance holds."""

from __future__ import annotations

import math
import random
from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_aifootprint.attribution.balance import TOLERANCE, Balance, Kind, balance, check
from pytest_aifootprint.attribution.counters import counter_shares
from pytest_aifootprint.attribution.idle import IdlePower
from pytest_aifootprint.attribution.lanes import Lane
from pytest_aifootprint.attribution.shares import DomainShares, OwnerKey
from pytest_aifootprint.meters.contract import LoadModel, MemoryModel, Unreadable
from pytest_aifootprint.quantities import Basis, Range, Watts
from pytest_aifootprint.quantities.changed import replace
from pytest_aifootprint.timeline.readings import BusyReadings, CounterReadings

S = 1_000_000_000
TICK = S // 10
IDLE_W, BUSY_W = 20.0, 15.0
IDLE = IdlePower(IDLE_W, Basis.MEASURED, 100, "quiet ticks")


@dataclass
class Machine:
    """A machine that takes 20 W, and 15 W for each busy CPU: who worked how much when is the script."""

    work: list[tuple[int, int, float]] = field(default_factory=list)  # from, to, CPUs
    lanes: list[Lane] = field(default_factory=list)
    truth: dict[OwnerKey, float] = field(default_factory=dict)

    def lane(self, worker: str, start: int, *tests: tuple[int, float], plugin_cpus: float = 0.0) -> Lane:
        """Tests one after the other, each so many ns long with so many CPUs busy."""
        lane = Lane(worker, "here", start)
        at, clock = start, 1000
        for owner, (duration, cpus) in enumerate(tests):
            used = round(duration * cpus)
            lane.add((owner, 1, 1, at, at + duration, clock, clock + used))
            self.work.append((at, at + duration, cpus))
            self.truth[worker, owner] = BUSY_W * used / S
            at, clock = at + duration, clock + used
        lane.end_ns = at
        lane.plugin_ns = round((at - start) * plugin_cpus)
        self.work.append((start, at, plugin_cpus))
        self.lanes.append(lane)
        return lane

    def busy_s(self, t: int) -> float:
        return math.fsum(max(0, min(t, end) - start) * cpus for start, end, cpus in self.work if start < t) / S

    def readings(self, *times: int) -> tuple[CounterReadings, BusyReadings]:
        busy = array("d", [self.busy_s(t) for t in times])
        joules = array("d", [IDLE_W * t / S + BUSY_W * b for t, b in zip(times, busy, strict=True)])
        return CounterReadings("cpu", "recorded", array("q", times), joules), BusyReadings(array("q", times), busy)

    def shares(self, end: int, fallback: LoadModel | None = None) -> DomainShares:
        return counter_shares(*self.readings(*range(0, end + 1, TICK)), self.lanes, IDLE, fallback=fallback)


def ai(_worker: str, _owner: int) -> Kind:
    return "ai"


def test_burn_sleep_child_is_one_to_zero_to_one() -> None:
    machine = Machine()
    # Edges lie inside ticks. A child's CPU is on its lane's clock like the process's own.
    machine.lane("main", 37_000_000, (2 * S, 1.0), (2 * S, 0.0), (2 * S, 1.0))
    shares = machine.shares(7 * S)
    burn, sleep, child = (shares.owners["main", i] for i in range(3))
    assert burn == pytest.approx(30.0, rel=1e-9)
    assert sleep == 0.0
    assert child == pytest.approx(30.0, rel=1e-9)
    assert shares.idle_j == pytest.approx(140.0)
    assert shares.metered_j == pytest.approx(200.0)
    assert shares.basis is Basis.MEASURED
    assert shares.notices == ()


def busy_machine() -> Machine:
    machine = Machine()
    machine.lane("gw0", 13_000_000, (S // 3, 1.0), (S // 7, 0.2), (2 * S, 3.0), (5_000_000, 0.9), plugin_cpus=0.01)
    machine.lane("gw1", 250_000_000, (S, 0.5), (S, 0.0), (S // 9, 1.0))
    machine.work += [(0, 3 * S, 2.5), (100_000_000, 900_000_000, 1.0), (2 * S, 2 * S + TICK, 40.0)]
    return machine


def test_beside_neighbours_each_test_gets_exactly_its_joules() -> None:
    machine = busy_machine()
    shares = machine.shares(3 * S)
    # Neighbours and rates are constant within a tick or not, watts per CPU second are: so CPU seconds decide alone.
    assert dict(shares.owners) == pytest.approx(machine.truth, rel=1e-9)
    assert shares.other_processes_j == pytest.approx(BUSY_W * (7.5 + 0.8 + 4.0), rel=1e-9)
    assert shares.plugin_j == pytest.approx(BUSY_W * machine.lanes[0].plugin_ns / S, rel=1e-9)
    assert shares.idle_j == pytest.approx(60.0, rel=1e-9)
    assert shares.clamped_j == 0.0
    assert check(balance(shares, ai)) <= TOLERANCE


TERMS = ("ai_tests_j", "shared_fixtures_j", "other_tests_j", "other_processes_j", "idle_j", "plugin_j")
KINDS: Mapping[OwnerKey, Kind] = {("gw0", 0): "ai", ("gw0", 1): "fixture", ("gw0", 2): "other", ("gw1", 0): "fixture"}


def assert_true(result: Balance) -> None:
    """Against the script, term by term."""
    machine = busy_machine()
    expected = dict.fromkeys(("ai", "fixture", "other"), 0.0)
    for owner, joules in machine.truth.items():
        expected[KINDS.get(owner, "ai")] += joules
    plugin_j = BUSY_W * machine.lanes[0].plugin_ns / S
    truth = (expected["ai"], expected["fixture"], expected["other"], BUSY_W * 12.3, 60.0, plugin_j)
    assert result.terms_j == pytest.approx(truth, abs=1e-6)
    assert check(result) <= TOLERANCE


def kind_of(worker: str, owner: int) -> Kind:
    return KINDS.get((worker, owner), "ai")


def test_every_term_is_the_scripts() -> None:
    assert_true(balance(busy_machine().shares(3 * S), kind_of))


@pytest.mark.parametrize(("source", "target"), [*permutations(TERMS, 2), *((term, "") for term in TERMS)])
def test_one_joule_moved_or_lost_does_not_pass(source: str, target: str) -> None:
    good = balance(busy_machine().shares(3 * S), kind_of)
    wrong = replace(good, **{source: getattr(good, source) - 1.0})
    if target:
        wrong = replace(wrong, **{target: getattr(good, target) + 1.0})
    else:
        assert check(wrong) > TOLERANCE
    with pytest.raises(AssertionError):
        assert_true(wrong)


def test_a_fixture_inside_a_tests_setup_is_taken_out_of_the_test() -> None:
    machine = Machine()
    lane = machine.lane("main", 0, (S, 0.5), (S, 0.5))
    start, end = 330_000_000, 660_000_000  # crosses ticks, inside the first test
    inside = (start, end, 1000 + start // 2, 1000 + end // 2)
    lane.add((9, 0, 1, *inside))
    lane.add((0, 0, -1, *inside))
    shares = machine.shares(2 * S)
    assert shares.owners["main", 9] == pytest.approx(BUSY_W * 0.165, rel=1e-9)
    assert shares.owners["main", 0] == pytest.approx(BUSY_W * 0.335, rel=1e-9)
    assert shares.clamped_j == 0.0


def test_a_lanes_own_ticks_say_when_in_a_long_test_the_cpu_was_used() -> None:
    # One test of a second that works in its second half only; the machine takes twice the watts a CPU second then.
    readings = CounterReadings("cpu", "recorded", array("q", [0, S // 2, S]), array("d", [0.0, 10.0, 60.0]))
    busy = BusyReadings(array("q", [0, S // 2, S]), array("d", [0.0, 0.5, 1.5]))
    lane = Lane("main", "here", 0, S)
    lane.add((0, 1, 1, 0, S, 0, S // 2))
    blind = counter_shares(readings, busy, [lane], replace(IDLE, power_w=0.0), fallback=None)
    assert blind.owners["main", 0] == pytest.approx(10.0 * 0.25 / 0.5 + 50.0 * 0.25)
    lane.flat_ticks.extend((S // 2, 0, 0))
    seeing = counter_shares(readings, busy, [lane], replace(IDLE, power_w=0.0), fallback=None)
    assert seeing.owners["main", 0] == pytest.approx(50.0 * 0.5)


def test_the_plugins_cpu_follows_its_ticks() -> None:
    readings = CounterReadings("cpu", "recorded", array("q", [0, S, 2 * S]), array("d", [0.0, 10.0, 40.0]))
    busy = BusyReadings(array("q", [0, S, 2 * S]), array("d", [0.0, 1.0, 2.0]))
    lane = Lane("main", "here", 1, 2 * S, plugin_ns=S // 2)
    lane.flat_ticks.extend((S, 0, S // 10))
    shares = counter_shares(readings, busy, [lane], replace(IDLE, power_w=0.0), fallback=None)
    assert shares.plugin_j == pytest.approx(10.0 * 0.1 + 30.0 * 0.4)


def test_energy_in_which_nobody_worked_is_idle() -> None:
    readings = CounterReadings("cpu", "recorded", array("q", [0, S]), array("d", [0.0, 500.0]))
    busy = BusyReadings(array("q", [0, S]), array("d", [4.0, 4.0]))
    shares = counter_shares(readings, busy, [], IDLE, fallback=None)
    assert (shares.idle_j, shares.other_processes_j, shares.metered_j) == (500.0, 0.0, 500.0)


def test_a_device_below_its_idle_power_is_idle_altogether() -> None:
    readings = CounterReadings("cpu", "recorded", array("q", [0, S]), array("d", [0.0, 5.0]))
    lane = Lane("main", "here", 0, S)
    lane.add((0, 1, 1, 0, S, 0, S))
    shares = counter_shares(readings, BusyReadings(), [lane], IDLE, fallback=None)
    assert (shares.idle_j, shares.owners["main", 0]) == (5.0, 0.0)
    assert [n.code for n in shares.notices] == ["busy-unknown"]


def test_a_gap_is_priced_by_the_model_and_said(vm: LoadModel) -> None:
    machine = Machine()
    machine.lane("main", 0, (S, 1.0), (S, 1.0), (S, 1.0))
    readings, busy = machine.readings(*range(0, 3 * S + 1, TICK))
    for i in range(10, 20):  # nothing could be read in the second test
        readings.gaps.append(Unreadable(readings.t_ns[i], "EACCES", "sudo chmod"))
    keep = [i for i in range(31) if not 10 <= i < 20]
    readings.t_ns, readings.energy_j = (
        array("q", [readings.t_ns[i] for i in keep]),
        array("d", [readings.energy_j[i] for i in keep]),
    )
    shares = counter_shares(readings, busy, machine.lanes, IDLE, fallback=vm)
    # The gap lasts from the last good reading, 0.9 s, to the next, 2.0 s: model's 2 W and 2.4 W idle there.
    assert shares.owners["main", 0] == pytest.approx(0.9 * BUSY_W + 0.1 * 2.0)
    assert shares.owners["main", 1] == pytest.approx(2.0)
    assert shares.owners["main", 2] == pytest.approx(BUSY_W)
    assert shares.idle_j == pytest.approx(1.9 * IDLE_W + 1.1 * 2.4)
    assert set(shares.energy_of(("main", 1)).factors) == {"cpu_w"}
    assert shares.energy_of(("main", 1)).high == pytest.approx(3.6)
    assert shares.energy_of(("main", 2)) == Range(shares.owners["main", 2])
    assert shares.energy_of(("main", 0)).high == pytest.approx(0.9 * BUSY_W + 0.36)
    assert shares.basis is Basis.MEASURED  # the modelled part is below 10 %
    assert [n.code for n in shares.notices] == ["counter-gap"]
    assert "10 times (EACCES; sudo chmod)" in shares.notices[0].message
    assert "1.1 s" in shares.notices[0].message
    assert check(balance(shares, ai)) <= TOLERANCE


@pytest.mark.parametrize("n_readings", [0, 1, 2])
def test_a_counter_that_breaks_leaves_no_zero(n_readings: int, vm: LoadModel) -> None:
    machine = Machine()
    machine.lane("main", TICK, (S, 1.0), (9 * S, 1.0))
    _, busy = machine.readings(0, 11 * S)
    readings, _ = machine.readings(*[0, 2 * TICK][:n_readings])
    shares = counter_shares(readings, busy, machine.lanes, IDLE, fallback=vm)
    assert shares.owners["main", 1] == pytest.approx(18.0)
    assert shares.basis is Basis.MODELLED
    assert [n.code for n in shares.notices] == ["counter-gap"]
    assert check(balance(shares, ai)) <= TOLERANCE


def test_time_before_and_after_the_readings_is_idle_by_the_model(vm: LoadModel) -> None:
    machine = Machine()
    machine.lane("main", 2 * S, (S, 1.0))
    machine.lanes[0].start_ns, machine.lanes[0].end_ns = S, 5 * S
    readings, busy = machine.readings(2 * S, 3 * S)
    shares = counter_shares(readings, busy, machine.lanes, IDLE, fallback=vm)
    assert shares.owners["main", 0] == pytest.approx(BUSY_W)
    assert shares.idle_j == pytest.approx(IDLE_W + 3 * 2.4)
    assert "3 s of the run" in shares.notices[0].message


def test_a_counter_that_falls_is_not_believed(vm: LoadModel) -> None:
    machine = Machine()
    machine.lane("main", 0, (S, 1.0))
    readings, busy = machine.readings(0, S // 2, S)
    readings.energy_j[2] = 1.0
    shares = counter_shares(readings, busy, machine.lanes, IDLE, fallback=vm)
    assert shares.owners["main", 0] == pytest.approx(0.5 * BUSY_W + 0.5 * 2.0)
    assert shares.owners["main", 0] >= 0


def test_without_a_model_a_gap_keeps_what_the_counter_took_over_it() -> None:
    machine = Machine()
    machine.lane("main", 0, (4 * S, 1.0))
    readings, busy = machine.readings(0, 2 * S)
    readings.gaps.append(Unreadable(S, "busy", "wait"))
    shares = counter_shares(readings, busy, machine.lanes, IDLE, fallback=None)
    assert shares.owners["main", 0] == pytest.approx(2 * BUSY_W)
    assert shares.metered_j == pytest.approx(70.0)
    assert "2 s of the run are not metered" in shares.notices[0].message


def test_memory_with_a_counter_is_divided_and_its_gaps_are_idle() -> None:
    machine = Machine()
    machine.lane("main", 0, (S, 1.0))
    model = MemoryModel("8 GB", Watts(Range.of(1, 3, 5, "ram_w")), "CCF")
    readings, busy = machine.readings(0, S // 2)
    readings.domain = "ram"
    shares = counter_shares(readings, busy, machine.lanes, IDLE, fallback=model)
    assert shares.owners["main", 0] == pytest.approx(0.5 * BUSY_W)
    assert shares.idle_j == pytest.approx(10.0 + 1.5)
    assert shares.idle.high == pytest.approx(10.0 + 2.5)


def test_another_host_is_priced_by_the_model(vm: LoadModel) -> None:
    machine = Machine()
    machine.lane("gw0", 0, (S, 1.0))
    far = Lane("gw1", "there", 5 * S, 7 * S)
    far.add((0, 1, 1, 5 * S, 7 * S, 0, S))
    readings, busy = machine.readings(0, S)
    lanes = [*machine.lanes, far]
    shares = counter_shares(readings, busy, lanes, IDLE, fallback=vm, boot_id="here")
    assert shares.owners["gw0", 0] == pytest.approx(BUSY_W)
    assert shares.owners["gw1", 0] == 2.0
    assert shares.energy_of(("gw1", 0)).high == pytest.approx(3.6)
    assert shares.idle_j == pytest.approx(20.0 + 2 * 2.4)
    assert [n.code for n in shares.notices] == ["other-host"]
    assert check(balance(shares, ai)) <= TOLERANCE
    unpriced = counter_shares(readings, busy, lanes, IDLE, fallback=None, boot_id="here")
    assert ("gw1", 0) not in unpriced.owners
    assert "not metered in this domain" in unpriced.notices[0].message


def test_a_card_is_divided_by_time_because_it_works_while_its_test_waits() -> None:
    machine = Machine()
    machine.lane("main", 0, (S, 0.0), (S, 1.0))
    readings = CounterReadings("gpu0", "nvml", array("q", [0, S, 2 * S, 3 * S]), array("d", [0.0, 300.0, 340.0, 400.0]))
    shares = counter_shares(
        readings, BusyReadings(), machine.lanes, replace(IDLE, power_w=40.0), fallback=None, weight="time"
    )
    assert shares.owners == {("main", 0): pytest.approx(260.0), ("main", 1): 0.0}
    assert shares.other_processes_j == pytest.approx(20.0)  # no test was running
    assert shares.idle_j == pytest.approx(120.0)
    assert shares.notices == ()
    # In the second second it took no more than idle: it did not work; in the third no test was running.
    assert shares.busy is not None
    assert shares.busy.owners == {("main", 0): pytest.approx(1.0)}
    assert shares.busy.whole_s == pytest.approx(2.0)
    assert "nobody tells its load" in shares.busy.how


def test_two_workers_divide_the_seconds_of_a_card() -> None:
    machine = Machine()
    machine.lane("gw0", 0, (S, 0.0))
    machine.lane("gw1", 0, (S, 1.0))
    readings = CounterReadings("gpu0", "nvml", array("q", [0, S]), array("d", [0.0, 300.0]))
    shares = counter_shares(readings, BusyReadings(), machine.lanes, IDLE, fallback=None, weight="time")
    assert shares.busy is not None
    assert list(shares.busy.owners.values()) == [pytest.approx(0.5), pytest.approx(0.5)]
    assert shares.busy.whole_s == pytest.approx(1.0)


def test_a_counter_of_the_cpu_has_no_busy_seconds_of_a_card() -> None:
    machine = Machine()
    machine.lane("main", 0, (S, 1.0))
    assert machine.shares(S).busy is None


def test_cpu_below_zero_in_a_tick_gets_nothing_and_is_counted() -> None:
    machine = Machine()
    lane = machine.lane("main", 0, (TICK, 1.0))
    lane.add((5, 1, 1, 0, TICK, TICK, TICK // 2))
    shares = machine.shares(TICK)
    assert shares.owners["main", 0] == pytest.approx(1.5)
    assert ("main", 5) not in shares.owners or shares.owners["main", 5] == 0.0
    assert shares.clamped_j == pytest.approx(0.75)
    assert check(balance(shares, ai)) <= TOLERANCE


# Whatever happens, the balance holds.

durations = st.integers(0, 400_000_000)
steps = st.floats(0, 400.0)


@st.composite
def lanes_of(draw: st.DrawFn) -> list[Lane]:
    lanes = []
    for number in range(draw(st.integers(0, 4))):
        rng = draw(st.randoms(use_true_random=False))
        start = rng.randrange(0, S)
        boot = "there" if draw(st.integers(0, 9)) == 0 else "here"
        lane = Lane(f"gw{number}", boot, rng.choice((0, start)), plugin_ns=rng.choice((0, rng.randrange(S))))
        at, clock, owner = start, rng.randrange(-S, S), 0
        for _ in range(rng.randrange(0, 12)):
            end = at + rng.choice((0, rng.randrange(1_000_000), rng.randrange(S)))
            after = clock + rng.choice((0, rng.randrange(2 * S), -rng.randrange(1000)))
            lane.add((owner, rng.randrange(3), 1, at, end, clock, after))
            if rng.random() < 0.5:  # a fixture inside
                t0, t1 = sorted(rng.randint(at, end) for _ in range(2))
                c0, c1 = sorted(rng.randint(min(clock, after), max(clock, after)) for _ in range(2))
                lane.add((100 + owner, 0, 1, t0, t1, c0, c1))
                lane.add((owner, 0, -1, t0, t1, c0, c1))
            if rng.random() < 0.5:
                lane.flat_ticks.extend((end, after, min(lane.plugin_ns, len(lane.flat_ticks) * 1_000_000)))
            at, clock = end, after
            owner += rng.choice((0, 1))
        lane.end_ns = rng.choice((0, at + rng.randrange(S)))
        lanes.append(lane)
    return lanes


@st.composite
def counters_of(draw: st.DrawFn) -> tuple[CounterReadings, BusyReadings]:
    readings, busy = CounterReadings("cpu", "recorded"), BusyReadings()
    t, joules, seconds = draw(st.integers(0, S)), draw(st.floats(0, 1e6)), draw(st.floats(0, 1e6))
    tells_busy = draw(st.booleans())
    for _ in range(draw(st.integers(0, 30))):
        t += draw(durations)
        joules += draw(steps) - draw(st.sampled_from([0.0, 0.0, 0.0, 5.0]))
        seconds += draw(st.floats(0, 3.0))
        if draw(st.integers(0, 9)) == 0:
            readings.gaps.append(Unreadable(t, "EIO", "none"))
        else:
            readings.t_ns.append(t)
            readings.energy_j.append(joules)
        if tells_busy:
            busy.t_ns.append(t)
            busy.busy_s.append(seconds)
    return readings, busy


@settings(max_examples=300, deadline=None)
@given(lanes=lanes_of(), counter=counters_of(), idle_w=st.floats(0, 100), how=st.sampled_from(["vm", "none", "gpu"]))
def test_the_balance_holds(
    lanes: list[Lane], counter: tuple[CounterReadings, BusyReadings], idle_w: float, how: str, vm: LoadModel
) -> None:
    def shares_of(lanes: list[Lane]) -> DomainShares:
        return counter_shares(
            *counter, lanes, replace(IDLE, power_w=idle_w), fallback=vm if how == "vm" else None,
            boot_id="here", weight="time" if how == "gpu" else "cpu",
        )  # fmt: skip

    shares = shares_of(lanes)
    result = balance(shares, lambda _worker, owner: ("ai", "fixture", "other")[owner % 3])
    assert check(result) <= TOLERANCE
    assert shares.clamped_j >= 0
    if shares.busy is not None:
        assert all(s >= 0 for s in shares.busy.owners.values())
        assert math.fsum(shares.busy.owners.values()) <= shares.busy.whole_s * (1 + 1e-12)
        assert how == "gpu"
    for owner, joules in shares.owners.items():
        assert shares.energy_of(owner).central == pytest.approx(joules, rel=1e-12)
        assert shares.energy_of(owner).low <= joules * (1 + 1e-12)

    rng = random.Random(0)
    mixed = []
    for lane in lanes:
        spans = list(lane.spans())
        rng.shuffle(spans)
        other = replace(lane, flat_spans=array("q", [value for span in spans for value in span]))
        mixed.append(other)
    rng.shuffle(mixed)
    again = shares_of(mixed)
    assert again.owners == shares.owners
    assert (again.idle_j, again.plugin_j, again.other_processes_j) == (
        shares.idle_j, shares.plugin_j, shares.other_processes_j,
    )  # fmt: skip


def test_a_busy_time_below_any_clock_is_none() -> None:
    readings = CounterReadings("cpu", "rapl", array("q", [0, S]), array("d", [0.0, 25.0]))
    busy = BusyReadings(array("q", [0, S]), array("d", [0.0, 2.3e-309]))
    result = counter_shares(readings, busy, [Lane("main", "here", 0, S)], IDLE, fallback=None)
    assert (result.idle_j, result.other_processes_j) == (25.0, 0.0)
