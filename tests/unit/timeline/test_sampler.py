"""The sampler, with a clock that only moves when somebody waits."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

import pytest

from pytest_aifootprint.meters.contract import Reading, Unreadable
from pytest_aifootprint.meters.gpu import GpuSignals
from pytest_aifootprint.quantities import Basis
from pytest_aifootprint.timeline.busy import BusyTimes
from pytest_aifootprint.timeline.sampler import MAX_ERRORS, Sampler

TICK = 100_000_000
BUSY = BusyTimes(1.5, 0.5)


class World:
    """A clock, and an event that turns it instead of waiting; after so many waits it is set."""

    def __init__(self, waits: int, now: int = 0) -> None:
        self.now = now
        self.waits = waits
        self.waited: list[float] = []
        self.cpu_ns = 0

    def clock(self) -> int:
        return self.now

    def thread_clock(self) -> int:
        return self.cpu_ns

    def event(self) -> threading.Event:
        world = self

        class Waiting(threading.Event):
            def wait(self, timeout: float | None = None) -> bool:
                assert timeout is not None
                world.waited.append(timeout)
                world.now += round(timeout * 1e9)
                world.cpu_ns += 40_000
                if len(world.waited) > world.waits:
                    self.set()
                return self.is_set()

        return Waiting()


class Meter:
    name = "fake"
    basis = Basis.MEASURED
    reason = "a test"

    def __init__(self, world: World, read: Callable[[int], Reading | Unreadable], domain: str = "cpu") -> None:
        self.domain = domain
        self._world = world
        self._read = read

    def read(self) -> Reading | Unreadable:
        return self._read(self._world.now)

    def close(self) -> None:
        raise AssertionError("the sampler does not own its meters")


def ten_watts(t_ns: int) -> Reading:
    return Reading(t_ns, t_ns / 1e8)


def sampler(world: World, *meters: Meter, tick: Callable[[int], object] | None = None, busy: object = BUSY) -> Sampler:
    def read_busy() -> BusyTimes | None:
        if isinstance(busy, Exception):
            raise busy
        assert busy is None or isinstance(busy, BusyTimes)
        return busy

    return Sampler(meters, read_busy, tick, clock=world.clock, thread_clock=world.thread_clock, stopped=world.event())


def test_ticks_fall_on_the_grid_whatever_the_start() -> None:
    world = World(waits=3, now=30_000_000)
    seen: list[int] = []
    s = sampler(world, Meter(world, ten_watts), tick=seen.append)
    s.start()
    s._thread.join() if s._thread else pytest.fail("no thread")
    s.stop()
    assert seen[:4] == [30_000_000, TICK, 2 * TICK, 3 * TICK]
    assert world.waited == [0.07, 0.1, 0.1, 0.1]
    assert s.readings["cpu"].t_ns.tolist() == seen
    assert s.readings["cpu"].energy_j.tolist() == [t / 1e8 for t in seen]
    assert s.busy.t_ns.tolist() == seen
    assert s.busy.busy_s.tolist() == [1.5] * len(seen)
    assert s.busy.steal_s.tolist() == [0.5] * len(seen)
    assert s.errors == []


def test_a_tick_that_took_too_long_skips_to_the_next_on_the_grid() -> None:
    world = World(waits=3)

    def slow(t_ns: int) -> Reading:
        if t_ns == TICK:
            world.now += 250_000_000
        return ten_watts(t_ns)

    s = sampler(world, Meter(world, slow))
    s.run()
    assert s.readings["cpu"].t_ns.tolist() == [TICK, 4 * TICK, 5 * TICK]


def test_the_thread_knows_its_own_cpu() -> None:
    world = World(waits=5)
    seen: list[int] = []
    s = sampler(world, Meter(world, ten_watts), tick=lambda _: seen.append(s.cpu_ns))
    s.run()
    # Known at every tick, not only at the end: windows that close in between have it taken out.
    assert seen == [0, 40_000, 80_000, 120_000, 160_000]
    assert s.cpu_ns == 6 * 40_000


def test_without_a_counter_there_is_no_thread_but_both_ends_are_read() -> None:
    world = World(waits=0)
    before = threading.active_count()
    s = sampler(world)
    s.start()
    assert threading.active_count() == before
    world.now = 7
    s.stop()
    assert s.busy.t_ns.tolist() == [0, 7]
    assert world.waited == []


@pytest.mark.parametrize(("domains", "times"), [(("gpu0",), 2), (("cpu", "gpu0"), 5)], ids=["a card", "a CPU, too"])
def test_beside_cards_alone_how_busy_the_machine_was_is_read_at_both_ends(domains: tuple[str, ...], times: int) -> None:
    world = World(waits=3)
    meters = [Meter(world, lambda t: Reading(t, 1.0), domain) for domain in domains]
    meters[-1].signals = GpuSignals()  # type: ignore[attr-defined]  # what makes it the meter of a card
    sampler = Sampler(meters, lambda: BUSY, clock=world.clock, stopped=world.event())
    sampler.sample()
    sampler.run()
    sampler.sample()
    assert len(sampler.readings["gpu0"].t_ns) == 5
    assert len(sampler.busy.busy_s) == times


def test_stop_takes_the_last_reading_and_a_second_stop_nothing() -> None:
    world = World(waits=0)
    s = sampler(world, Meter(world, ten_watts))
    s.start()
    s.stop()
    count = len(s.readings["cpu"].t_ns)
    assert count == 2
    s.stop()
    s.start()
    assert len(s.readings["cpu"].t_ns) == count


def test_a_stop_without_a_start_reads_nothing() -> None:
    s = sampler(World(waits=0))
    s.stop()
    assert s.busy.t_ns.tolist() == []


def test_an_unreadable_counter_is_a_gap_and_no_reading() -> None:
    world = World(waits=3)

    def moody(t_ns: int) -> Reading | Unreadable:
        return Unreadable(t_ns, "away", "wait") if t_ns == 2 * TICK else ten_watts(t_ns)

    s = sampler(world, Meter(world, moody), Meter(world, ten_watts, "ram"))
    s.run()
    assert s.readings["cpu"].t_ns.tolist() == [TICK, 3 * TICK]
    assert s.readings["cpu"].gaps == [Unreadable(2 * TICK, "away", "wait")]
    assert len(s.readings["ram"].t_ns) == 3
    assert s.errors == []


def test_our_errors_end_nothing_and_are_kept(capsys: pytest.CaptureFixture[str]) -> None:
    world = World(waits=2)

    def broken(_: int) -> Reading:
        raise RuntimeError("boom")

    s = sampler(world, Meter(world, broken), Meter(world, ten_watts, "ram"), tick=broken, busy=OSError("no /proc"))
    s.run()
    assert [g.reason for g in s.readings["cpu"].gaps] == ["fake failed: RuntimeError: boom"] * 2
    assert len(s.readings["ram"].t_ns) == 2
    assert s.errors[:3] == [
        "tick callback: RuntimeError: boom", "busy seconds: OSError: no /proc", "fake cpu: RuntimeError: boom"
    ]  # fmt: skip
    assert capsys.readouterr() == ("", "")


def test_errors_do_not_pile_up() -> None:
    world = World(waits=100)
    s = sampler(world, busy=OSError("no /proc"))
    s.run()
    assert len(s.errors) == MAX_ERRORS


def test_a_platform_that_does_not_tell_of_steal_leaves_it_empty() -> None:
    s = sampler(World(waits=2), busy=BusyTimes(1.5, None))
    s.run()
    assert (s.busy.busy_s.tolist(), s.busy.steal_s.tolist()) == ([1.5, 1.5], [])


def test_a_platform_that_does_not_tell_leaves_busy_empty() -> None:
    world = World(waits=2)
    s = sampler(world, busy=None)
    s.run()
    assert s.busy.t_ns.tolist() == []
    assert s.errors == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_touches_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(waits=0)
    s = sampler(world, Meter(world, ten_watts))
    s.start()
    with monkeypatch.context() as patched:
        patched.setattr("pytest_aifootprint.timeline.sampler.os.getpid", lambda: -2)
        s.stop()
        s.start()
    assert len(s.readings["cpu"].t_ns) == 1
    s.stop()
    assert len(s.readings["cpu"].t_ns) == 2


def test_a_counter_that_hangs_does_not_hang_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_aifootprint.timeline.sampler._JOIN_S", 0.0)
    release, entered = threading.Event(), threading.Event()
    world = World(waits=1)
    calls: list[int] = []

    def hanging(t_ns: int) -> Reading:
        calls.append(t_ns)
        if len(calls) == 2:
            entered.set()
            release.wait()
        return ten_watts(t_ns)

    s = sampler(world, Meter(world, hanging))
    s.start()
    entered.wait()
    s.stop()
    assert "a counter hangs" in s.errors[0]
    release.set()
    thread = s._thread
    assert thread is not None
    thread.join()


def test_a_real_thread_stops_at_once() -> None:
    s = Sampler([Meter(World(0), ten_watts)], lambda: None, period_ns=10**15)
    s.start()
    s.stop()
    assert s._thread is not None
    assert not s._thread.is_alive()
    assert s._thread.daemon
    assert len(s.readings["cpu"].t_ns) == 2
