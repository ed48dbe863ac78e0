"""The hooks of a process that runs tests: windows and owners. No pricing here."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import pytest

from pytest_aifootprint.options import MARKER
from pytest_aifootprint.quantities.unfaked import REAL
from pytest_aifootprint.records.raw import TestRun, book
from pytest_aifootprint.session.running import Running
from pytest_aifootprint.session.windows import PHASE, OpenTest


class TestRunner:
    """Windows of every test, and its outcomes.

    Attributes:
        markers: keywords of a test's own marks, for the tests that have any. scopes: the user's limits on marks that
            mean a test, for the tests that any means.
        late_mark: reads the marks of a test again. on_late_mark: called when that gave others.
        on_report: called with each report of a test itself and its record so far. on_test: once a test is over.
        strangers: tests that reported here without having run here. recorder: of this process.
    """

    __test__ = False

    def __init__(
        self,
        running: Running,
        on_test: Callable[[TestRun], None],
        on_report: Callable[[pytest.TestReport, TestRun], None] | None = None,
    ) -> None:
        """Take the running half of this process."""
        self.recorder = running.recorder
        self.on_test = on_test
        self.on_report = on_report
        self.markers: dict[pytest.Item, dict[str, Any]] = {}
        self.late_mark: Callable[[pytest.Item], dict[str, Any] | None] | None = None
        self.on_late_mark: Callable[[], None] | None = None
        self.scopes: dict[pytest.Item, tuple[int, ...]] = {}
        self.strangers = 0
        self._running = running
        self._windows = running.windows
        self._clock = running.clock

    @property
    def run(self) -> TestRun | None:
        """The record of the test that runs here, now."""
        test = self._windows.here()
        return None if test is None else test.run

    def run_of(self, nodeid: str) -> TestRun | None:
        """The record of a test that is open."""
        # Plugins rename tests in their reports; where one test is open, it is that one.
        test = self._windows.only or self._windows.find(nodeid)
        return None if test is None else test.run

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """The whole of a test, all attempts: entered once."""
        __tracebackhide__ = True
        own = REAL.thread_time_ns()
        run = self._running.new_run(item.nodeid)
        run.marker = self.markers.get(item)
        run.scopes = self.scopes.get(item, ())
        self._running.own(run)
        self._clock.plugin_ns += REAL.thread_time_ns() - own
        test = self._running.enter(run)
        try:
            return (yield)
        finally:
            self.leave(test)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> None:
        """The edge that ends a phase, taken before a traceback is rendered. A subtest ends a part of the call phase."""
        phase = PHASE.get(call.when)
        windows = self._windows
        test = windows.only or windows.find(item.nodeid)
        if test is None or phase is None:
            return
        windows.cut(test, phase)
        own = REAL.thread_time_ns()
        run = test.run
        if self._running.subprocesses is not None:
            self._running.subprocesses.deliver(run)
        if phase == 2:
            self.recorder.flush(run)
        else:
            self.recorder.phase_over(run)
        if len(run.calls) > test.told:
            self._running.tell(test)
        if phase == 2:
            run.calls_until.append(len(run.calls))
            run.tally.clear()
        elif phase == 1:
            for mark in item.own_markers:
                if mark.name == MARKER:
                    self._read_again(item, run)
                    break
        elif test.loose:
            run.marker, run.scopes = self.markers.get(item), self.scopes.get(item, ())
        self._clock.plugin_ns += REAL.thread_time_ns() - own

    def _read_again(self, item: pytest.Item, run: TestRun) -> None:
        """A fixture or the test itself may have added a mark since tests were collected."""
        if self.late_mark is None:
            return
        try:
            marker = self.late_mark(item)
        except pytest.UsageError as error:
            self.recorder.error("a mark that was added while its test ran", error)
            return
        if marker != run.marker:
            run.marker = marker
            if self.on_late_mark is not None:
                self.on_late_mark()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> None:
        """The users of shared fixtures: what is active in the request at the end of the test."""
        windows = self._windows
        test = windows.only or windows.find(item.nodeid)
        if test is None:
            return
        run = test.run
        run.phase = "teardown"
        if test.loose:
            windows.begin(test)
        if self._running.users.keys:
            self._running.users.note(getattr(item, "_request", None), run.users_of)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note the outcome; a subtest's report is not the test's, but one that failed fails it since pytest 9."""
        phase = PHASE.get(report.when)
        test = self._windows.only or self._windows.find(report.nodeid)
        if type(report) is not pytest.TestReport:
            if test is not None and report.outcome == "failed" and phase == 1 and pytest.version_tuple >= (9,):
                test.run.outcomes.append((test.run.attempt, phase, "failed"))
            return
        if test is None or phase is None:
            # pytest-forked's word on a child that died is about no phase: nothing came back of what was called there.
            self.strangers += phase == 1 or (test is not None and not test.run.edges)
            return
        run = test.run
        outcome: str = report.outcome
        if hasattr(report, "wasxfail"):
            outcome = "xpassed" if outcome == "passed" else "xfailed"
        attempt = getattr(report, "rerun", None)
        run.outcomes.append((run.attempt if attempt is None else attempt + 1, phase, outcome))
        if self.on_report is not None:
            self.on_report(report, run)

    def open_cpu_s(self) -> float:
        """CPU seconds of the running phase until now."""
        return self._windows.open_cpu_s()

    def pause(self, work: Callable[[], None]) -> None:
        """Do our own work between two phases: its CPU and wall time are in no window."""
        own = REAL.thread_time_ns()
        work()
        self._clock.plugin_ns += REAL.thread_time_ns() - own
        self._windows.skip()

    def leave(self, test: OpenTest) -> None:
        """A test is over: book it and hand it on."""
        recorder, run = self.recorder, test.run
        if not test.group:
            self.strangers += bool(run.outcomes) and not run.edges
            if run.phase != "setup" or not run.edges:  # interrupted, or run in a fork that reports for it
                self._windows.cut(test, PHASE[run.phase])
        nobody = self._windows.leave(test)
        own = REAL.thread_time_ns()
        recorder.flush(run)
        if self._running.subprocesses is not None:
            self._running.subprocesses.deliver(run)
        if len(run.calls) > test.told:
            self._running.tell(test)
        run.closed = True
        run.tally.clear()
        self._running.children.started_by(run.index)
        if nobody:
            self._running.children.no_window(self._clock.last_ns)
        here = self._windows.here()
        recorder.current = None if here is None else here.run
        recorder.context.set(None)
        if not test.group:
            book(self._running.lane, run)
            self.on_test(run)
        self._clock.plugin_ns += REAL.thread_time_ns() - own
