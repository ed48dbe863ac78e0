"""The windows of the tests that are open in this process: nearly always one, sometimes several at the same time."""

from __future__ import annotations

import threading
from collections.abc import Callable

from msgspec import Struct, field

from pytest_aifootprint.attribution.concurrent import Concurrent, OpenWindow
from pytest_aifootprint.records.raw import FixtureWindow, TestRun
from pytest_aifootprint.session.clock import EdgeClock

PHASE = {"setup": 0, "call": 1, "teardown": 2}
_OF_THE_TEST = -1  # stands for the test's own owner number while a window is shared
_IN_PIECES = (-1, 0)


class OpenTest(Struct, eq=False):
    """A test between its first edge and its last.

    Attributes:
        run: its record. edge: (t, c) that began the running phase. stack: open windows of shared fixtures, nested.
        thread: that runs it. shared: its window since other tests ran at the same time, None until then.
        loose: run by a plugin that does not go through ``pytest_runtest_protocol``: its phases are not chained.
        group: what such a plugin runs them in: no test. told: how many of its calls other plugins were told of.
        weighed: what our own hooks cost is measured in it.
    """

    run: TestRun
    thread: int
    loose: bool = False
    edge: tuple[int, int] = (0, 0)
    stack: list[FixtureWindow] = field(default_factory=list)
    shared: OpenWindow | None = None
    group: bool = False
    told: int = 0
    weighed: bool = False


class Windows:
    """Takes the edges. As long as one test is open its windows are chained; several share one CPU clock.

    Attributes:
        only: the open test, where there is exactly one and has been since it began. The fast path of every hook.
        before_end: called before the edge that ends a window, for ``cut`` by who calls that; None for nothing.
    """

    def __init__(self, clock: EdgeClock, new_owner: Callable[[], int]) -> None:
        """Take the clock, and who counts the owners of the lane."""
        self.only: OpenTest | None = None
        self.before_end: Callable[[], None] | None = None
        self._clock = clock
        self._new_owner = new_owner
        self._open: list[OpenTest] = []
        self._concurrent: Concurrent | None = None
        # Two tests in two threads take edges at the same time.
        self._lock = threading.Lock()

    def enter(self, run: TestRun, *, loose: bool = False) -> tuple[OpenTest, bool]:
        """A test begins.

        Returns:
            It, and whether it is the only one that is open.
        """
        test = OpenTest(run, threading.get_native_id(), loose=loose)
        with self._lock:
            test.edge = self._clock.chained()
            alone = not self._open
            self._open.append(test)
            if alone and not loose:
                self.only = test
            else:
                self._share(test)
        return test, alone

    def leave(self, test: OpenTest) -> bool:
        """A test is over. Returns whether no other is open."""
        with self._lock:
            if self.only is test:
                self.only = None
                self._open.clear()
                test.stack.clear()
                return True
            if test in self._open:
                self._open.remove(test)
            if self._concurrent is not None and test.shared is not None:
                self._concurrent.close(test.shared, *self._clock.edge())
            test.stack.clear()
            if not self._open:
                self._concurrent = None
            return not self._open

    def here(self) -> OpenTest | None:
        """The test that runs on this thread."""
        if self.only is not None:
            return self.only
        thread = threading.get_native_id()
        # Of several, the last: a loose one stands inside the group that its plugin runs.
        return next((t for t in reversed(self._open) if t.thread == thread), self._open[-1] if self._open else None)

    def find(self, nodeid: str) -> OpenTest | None:
        """The open test of this name: of several (the same test twice), that of this thread."""
        if self.only is not None:
            return self.only if self.only.run.nodeid == nodeid else None
        found = [test for test in self._open if test.run.nodeid == nodeid]
        here = self.here()
        return here if here in found else (found[-1] if found else None)

    def cut(self, test: OpenTest, phase: int) -> None:
        """The edge that ends a phase, and begins the next."""
        run = test.run
        with self._lock:
            now = self._clock.edge() if phase == 2 else self._clock.chained()
            t0, c0 = test.edge
            test.edge = now
            if phase == 0:
                if run.attempt:
                    self._owner_now(test)
                run.attempt += 1
                run.phase = "call"
            elif phase == 2:
                run.phase = "setup"
            if test.shared is None or self._concurrent is None:
                run.edges += (run.attempt, phase, t0, now[0], c0, now[1])
                return
            self._concurrent.edge(*now)
            self._book_shared(test, phase, t0, now[0])
            if test.loose:
                self._concurrent.close(test.shared, *now)

    def begin(self, test: OpenTest) -> None:
        """A phase of a loose test begins: nothing chained it to the one before."""
        with self._lock:
            if test.loose and test.shared is not None and self._concurrent is not None:
                test.edge = self._clock.edge()
                if test.shared not in self._concurrent.windows:
                    self._concurrent.open(test.shared, *test.edge)

    def pause(self, test: OpenTest) -> None:
        """A phase of a loose test is over; its report comes later."""
        if self.before_end is not None:
            self.before_end()
        with self._lock:
            if test.loose and test.shared is not None and self._concurrent is not None:
                self._concurrent.close(test.shared, *self._clock.edge())

    def skip(self) -> None:
        """What was done since the last edge was ours: it is in no window."""
        test = self.only
        if test is not None:
            test.edge = self._clock.edge()

    def open_fixture(self, test: OpenTest, window: FixtureWindow) -> None:
        """A window of a shared fixture begins inside a test."""
        run = test.run
        with self._lock:
            now = self._clock.edge()
            window.span = (now[0], 0, now[1], 0)
            outer = test.stack[-1] if test.stack else None
            window.inside = (outer.index, 0) if outer else (self._owner_now(test), PHASE[run.phase])
            test.stack.append(window)
            if test.shared is not None and self._concurrent is not None:
                self._concurrent.edge(*now)
                test.shared.owner = window.index
                window.inside = _IN_PIECES

    def close_fixture(self, test: OpenTest, position: int) -> list[FixtureWindow]:
        """The windows from this place of the stack on are over: one, or more where a teardown inside raised."""
        if self.before_end is not None:
            self.before_end()
        with self._lock:
            t1, c1 = self._clock.edge()
            closed = test.stack[position:][::-1]
            del test.stack[position:]
            for window in closed:
                t0, _, c0, _ = window.span
                window.span = (t0, t1, c0, c1)
            if test.shared is not None and self._concurrent is not None:
                self._concurrent.edge(t1, c1)
                test.shared.owner = test.stack[-1].index if test.stack else _OF_THE_TEST
            return closed

    def open_cpu_s(self) -> float:
        """CPU seconds of the running phase of this thread's test until now."""
        test = self.here()
        if test is None:
            return 0.0
        with self._lock:
            now = self._clock.edge()
            if test.shared is None or self._concurrent is None:
                return (now[1] - test.edge[1]) / 1e9
            self._concurrent.edge(*now)
            return sum(p.cpu_ns for p in test.shared.pieces if p.owner == _OF_THE_TEST) / 1e9

    def _share(self, test: OpenTest) -> None:
        """Another test is open already: from now on both share the clock; the first since its running phase began."""
        first, self.only = self.only, None
        if self._concurrent is None:
            self._concurrent = Concurrent(*(test.edge if first is None else first.edge))
        if first is not None and test.loose and first.thread == test.thread:
            first.group = True
        elif first is not None:
            first.shared = OpenWindow(_OF_THE_TEST, PHASE[first.run.phase], first.thread)
            self._concurrent.open(first.shared, *first.edge)
            for window in first.stack:
                self._concurrent.edge(window.span[0], window.span[2])
                first.shared.owner = window.index
                window.inside = _IN_PIECES
        test.shared = OpenWindow(_OF_THE_TEST, PHASE[test.run.phase], test.thread)
        self._concurrent.open(test.shared, *test.edge)

    def _book_shared(self, test: OpenTest, phase: int, t0_ns: int, t1_ns: int) -> None:
        run, shared = test.run, test.shared
        if shared is None:
            return
        owner, cpu_ns = run.owner_of(run.attempt), 0
        for piece in shared.pieces:
            if piece.owner == _OF_THE_TEST:
                cpu_ns += piece.cpu_ns
                run.pieces += piece._replace(owner=owner, phase=phase)
            else:
                run.pieces += piece
        shared.pieces.clear()
        shared.phase = PHASE[run.phase]
        run.apart.append(len(run.edges))
        run.edges += (run.attempt, phase, t0_ns, t1_ns, 0, cpu_ns)

    def _owner_now(self, test: OpenTest) -> int:
        """The owner number of the attempt that is running, or whose set-up is: every attempt has one of its own."""
        run = test.run
        if run.phase == "setup" and run.attempt > len(run.retry_owners):
            run.retry_owners.append(self._new_owner())
        return run.owner_of(run.attempt + 1 if run.phase == "setup" else run.attempt)
