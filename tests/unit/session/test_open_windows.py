"""Edges of tests that are open at the same time, on scripted clocks."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest

from pytest_aifootprint.attribution.fixtures import FixtureKey
from pytest_aifootprint.attribution.lanes import Lane
from pytest_aifootprint.quantities.unfaked import REAL
from pytest_aifootprint.records.raw import FixtureWindow, TestRun, book
from pytest_aifootprint.session.clock import EdgeClock
from pytest_aifootprint.session.windows import OpenTest, Windows

KEY = FixtureKey("", "shared", "")


class Machine:
    """Threads that work when they are told to: wall time, the process's CPU, and each thread's."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.t_ns = self.cpu_ns = 0
        self.threads: dict[int, int] = {}
        monkeypatch.setattr(REAL, "monotonic_ns", lambda: self.t_ns)
        monkeypatch.setattr(REAL, "clock_gettime_ns", lambda clock: self.threads.get(~(clock >> 3), 0))
        owners = count()
        self.windows = Windows(EdgeClock(lambda: self.cpu_ns), lambda: next(owners))
        self.lane = Lane("main", "boot")
        self._owners = owners

    def run(self, name: str) -> TestRun:
        return TestRun(next(self._owners), name)

    def work(self, wall: int, **by_thread: int) -> None:
        self.t_ns += wall
        for ns in by_thread.values():
            self.cpu_ns += ns

    def in_thread(self, thread: int, ns: int) -> None:
        self.threads[thread] = self.threads.get(thread, 0) + ns

    def cpu(self, *runs: TestRun) -> dict[int, int]:
        for run in runs:
            book(self.lane, run)
        return dict(self.lane.cpu_ns_by_owner())


class Thread:
    """A thread that does one thing after the other, when asked."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._pool = pool
        self.id = pool.submit(threading.get_native_id).result()

    def do(self, work: Callable[[], OpenTest]) -> OpenTest:
        return self._pool.submit(work).result()


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(monkeypatch)


def phases(machine: Machine, test: OpenTest) -> None:
    for phase in range(3):
        machine.windows.cut(test, phase)
        if phase == 1:
            test.run.phase = "teardown"


def test_three_overlapping_windows_get_what_their_threads_used(machine: Machine) -> None:
    with ThreadPoolExecutor(1) as a, ThreadPoolExecutor(1) as b, ThreadPoolExecutor(1) as c:
        threads = [Thread(pool) for pool in (a, b, c)]
        runs = [machine.run(name) for name in ("one", "two", "three")]
        opened = []
        for n, (thread, run) in enumerate(zip(threads, runs, strict=True)):
            opened.append(thread.do(lambda run=run: machine.windows.enter(run)[0]))  # type: ignore[misc]
            # Each of those that are open works, the first twice as much; 30 ns are of nobody's thread.
            for m in range(n + 1):
                machine.in_thread(threads[m].id, 100 if m else 200)
            machine.work(1000, all=200 + 100 * n + 30)
        for test in opened:
            phases(machine, test)
            machine.windows.leave(test)
        used = machine.cpu(*runs)
    assert used == {0: 600 + 30 + 15 + 10, 1: 200 + 15 + 10, 2: 100 + 10}
    assert sum(used.values()) == machine.cpu_ns
    assert [run.wall_s() * 1e9 for run in runs] == pytest.approx([3000, 2000, 1000])


def test_what_came_before_the_second_test_is_the_first_ones_alone(machine: Machine) -> None:
    one, two = machine.run("one"), machine.run("two")
    first, _ = machine.windows.enter(one)
    machine.work(10, all=500)
    second, alone = machine.windows.enter(two)
    assert not alone
    machine.work(10, all=40)
    for test in (first, second):
        phases(machine, test)
        machine.windows.leave(test)
    assert machine.cpu(one, two) == {0: 520, 1: 20}


def test_a_fixture_beside_another_test_is_its_own_owner(machine: Machine) -> None:
    one, two = machine.run("one"), machine.run("two")
    machine.windows.enter(one)
    second, _ = machine.windows.enter(two)
    machine.work(10, all=20)
    window = FixtureWindow(7, KEY, "session", "setup", "two")
    machine.windows.open_fixture(second, window)
    machine.work(10, all=300)
    two.windows += machine.windows.close_fixture(second, 0)
    machine.work(10, all=40)
    phases(machine, second)
    assert machine.cpu(two) == {1: 10 + 20, 7: 150}


def test_a_fixture_that_is_open_when_another_test_begins_keeps_what_it_used(machine: Machine) -> None:
    one, two = machine.run("one"), machine.run("two")
    first, _ = machine.windows.enter(one)
    machine.work(10, all=100)
    window = FixtureWindow(7, KEY, "session", "setup", "one")
    machine.windows.open_fixture(first, window)
    machine.work(10, all=200)
    machine.windows.enter(two)
    machine.work(10, all=60)
    one.windows += machine.windows.close_fixture(first, 0)
    phases(machine, first)
    assert machine.cpu(one) == {0: 100, 7: 230}


def test_a_test_that_runs_alone_again_pays_for_all_that_follows(machine: Machine) -> None:
    one, two, three = machine.run("one"), machine.run("two"), machine.run("three")
    first, _ = machine.windows.enter(one)
    second, _ = machine.windows.enter(two)
    phases(machine, first)
    machine.windows.leave(first)
    machine.work(10, all=70)
    phases(machine, second)
    machine.windows.leave(second)
    third, alone = machine.windows.enter(three)
    machine.work(10, all=9)
    phases(machine, third)
    assert alone
    assert machine.windows.only is third
    assert machine.cpu(two, three) == {1: 70, 2: 9}


def test_every_attempt_is_an_owner_of_its_own(machine: Machine) -> None:
    run = machine.run("again")
    test, _ = machine.windows.enter(run)
    for ns in (100, 30):
        machine.work(10, all=ns)
        phases(machine, test)
    machine.windows.leave(test)
    assert run.owners == (0, 1)
    assert machine.cpu(run) == {0: 100, 1: 30}
    assert run.attempts == [1, 2]


def test_loose_tests_on_one_loop_share_only_while_their_own_phases_run(machine: Machine) -> None:
    windows = machine.windows
    group, _ = windows.enter(machine.run("group"))
    runs = [machine.run("a"), machine.run("b")]
    opened = []
    for run, ns in zip(runs, (11, 22), strict=True):
        test, _ = windows.enter(run, loose=True)
        machine.work(10, all=ns)
        windows.cut(test, 0)
        opened.append(test)
    for test in opened:
        windows.begin(test)
    machine.work(10, all=100)
    windows.pause(opened[0])
    machine.work(10, all=1000)
    windows.pause(opened[1])
    machine.work(10, all=5)  # the plugin that runs them
    for test in opened:
        windows.cut(test, 1)
        test.run.phase = "teardown"
    for test, ns in zip(opened, (3, 4), strict=True):
        windows.begin(test)
        machine.work(10, all=ns)
        windows.cut(test, 2)
        windows.leave(test)
    assert group.group
    assert machine.cpu(*runs) == {1: 11 + 50 + 3, 2: 22 + 50 + 1000 + 4}


def test_the_phase_of_a_loose_test_is_over_when_what_it_started_is(machine: Machine) -> None:
    windows = machine.windows
    windows.enter(machine.run("group"))
    run = machine.run("a")
    test, _ = windows.enter(run, loose=True)
    windows.cut(test, 0)
    windows.begin(test)
    windows.before_end = lambda: machine.work(10, all=70)
    windows.pause(test)
    windows.before_end = None
    machine.work(10, all=5)  # the plugin that runs them
    windows.cut(test, 1)
    assert machine.cpu(run)[run.index] == 70
