"""The hooks of a process that runs tests: windows and owners. No pricing here."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING, Any

import pytest

from pytest_aifootprint.options import MARKER
from pytest_aifootprint.records.raw import TestRun
from pytest_aifootprint.session.own_cost import CALLS_EVERY, EVERY, FIRST, OwnCost
from pytest_aifootprint.session.running import Running
from pytest_aifootprint.session.windows import PHASE, OpenTest

if TYPE_CHECKING:
    from pytest_aifootprint.session.dispatch import HookCall

_REPORT = pytest.TestReport


class TestRunner:
    """Windows of every test, and its outcomes.

    Attributes:
        markers: keywords of a test's own marks, for the tests that have any. scopes: the user's limits on marks that
            mean a test, for the tests that any means.
        late_mark: reads the marks of a test again. on_late_mark: called when that gave others.
        on_report: called with each report of a test itself and its record so far. on_test: once a test is over.
        strangers: tests that reported here without having run here. recorder: of this process.
        calls: of the hooks for a test's protocol, for reports made and for reports told, what pytest's call takes.
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
        self._clock = clock = running.clock
        self._n_tests = 0
        self._begin, self._edge, self._word, self._end = (OwnCost(clock) for _ in range(4))
        self._beside = OwnCost(clock)
        self.calls: Sequence[HookCall] = ()

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
        self._n_tests += 1
        if self._n_tests % EVERY and self._n_tests > FIRST:
            test = self._enter(item)
            self._clock.plugin_ns += self._begin.mean_ns
        else:
            test = self._begin.weigh(self._enter, item)
            test.weighed = True
        try:
            return (yield)
        finally:
            self.leave(test)

    def _enter(self, item: pytest.Item) -> OpenTest:
        run = self._running.new_run(item.nodeid)
        if self.markers:
            run.marker = self.markers.get(item)
        if self.scopes:
            run.scopes = self.scopes.get(item, ())
        self._running.own(run)
        return self._running.enter(run)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> None:
        """The edge that ends a phase, taken before a traceback is rendered. A subtest ends a part of the call phase."""
        if self._windows.before_end is not None:
            self._windows.before_end()  # the test's own work, so not in what is weighed
        test = self._windows.only
        if test is None:
            test = self._windows.find(item.nodeid)
            if test is not None:
                self._beside.weigh(self._end_phase, test, item, call)
        elif test.weighed:
            self._edge.weigh(self._end_phase, test, item, call)
        else:
            self._end_phase(test, item, call)
            self._clock.plugin_ns += self._edge.mean_ns

    def _end_phase(self, test: OpenTest, item: pytest.Item, call: pytest.CallInfo[None]) -> None:
        phase = PHASE.get(call.when)
        if phase is None:
            return
        self._windows.cut(test, phase)
        run = test.run
        if self.recorder.pending or self._running.subprocesses is not None or len(run.calls) > test.told:
            self._clock.book(self._calls_of_phase, test, over=phase == 2)
        if phase == 1:
            run.phase = "teardown"
            if item.own_markers:
                self._look_again(item, run)
        elif phase == 2:
            run.calls_until.append(len(run.calls))
            if run.tally:
                run.tally.clear()
            if self._running.users.keys:
                # What is active in the request now is what the test used, in its own teardown, too.
                self._running.users.note(getattr(item, "_request", None), run.users_of)
        else:
            if call.excinfo is not None:
                run.phase = "teardown"
            if test.loose:
                run.marker, run.scopes = self.markers.get(item), self.scopes.get(item, ())

    def _calls_of_phase(self, test: OpenTest, *, over: bool) -> None:
        """Calls that wait for more, those of children, and those that nobody was told of yet."""
        if self._running.subprocesses is not None:
            self._running.subprocesses.deliver(test.run)
        if over:
            self.recorder.flush(test.run)
        else:
            self.recorder.phase_over(test.run)
        if len(test.run.calls) > test.told:
            self._running.tell(test)

    def _look_again(self, item: pytest.Item, run: TestRun) -> None:
        """A fixture or the test itself may have added a mark since tests were collected."""
        if self.late_mark is None or not any(mark.name == MARKER for mark in item.own_markers):
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
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note the outcome; a subtest's report is not the test's, but one that failed fails it since pytest 9."""
        test = self._windows.only
        if test is None or test.weighed:
            self._word.weigh(self._note, report)
            return
        said = report.__dict__
        if type(report) is _REPORT and "wasxfail" not in said and "rerun" not in said and report.when in PHASE:
            run = test.run
            run.outcomes.append((run.attempt, PHASE[report.when], report.outcome))
            if self.on_report is not None:
                self._clock.book(self.on_report, report, run)
        else:
            self._note(report)
        self._clock.plugin_ns += self._word.mean_ns

    def _note(self, report: pytest.TestReport) -> None:
        phase = PHASE.get(report.when)
        test = self._windows.only or self._windows.find(report.nodeid)
        if type(report) is not _REPORT:
            if test is not None and report.outcome == "failed" and phase == 1 and pytest.version_tuple >= (9,):
                test.run.outcomes.append((test.run.attempt, phase, "failed"))
            return
        if test is None or phase is None:
            # pytest-forked's word on a child that died is about no phase: nothing came back of what was called there.
            self.strangers += phase == 1 or (test is not None and not test.run.edges)
            return
        run = test.run
        said = report.__dict__
        outcome: str = report.outcome
        if "wasxfail" in said:
            outcome = "xpassed" if outcome == "passed" else "xfailed"
        attempt = said.get("rerun")
        run.outcomes.append((run.attempt if attempt is None else attempt + 1, phase, outcome))
        if self.on_report is not None:
            self._clock.book(self.on_report, report, run)

    def open_cpu_s(self) -> float:
        """CPU seconds of the running phase until now."""
        return self._windows.open_cpu_s()

    def pause(self, work: Callable[[], None]) -> None:
        """Do our own work between two phases: its CPU and wall time are in no window."""
        self._clock.book(work)
        self._windows.skip()

    def leave(self, test: OpenTest) -> None:
        """A test is over: hand it on."""
        if test.weighed or test.loose:
            self._end.weigh(self._leave, test)
            if self.calls and (self._n_tests <= FIRST or not self._n_tests % CALLS_EVERY):
                self._clock.book(self._weigh_calls)
        else:
            self._leave(test)
            self._clock.plugin_ns += self._end.mean_ns

    def _weigh_calls(self) -> None:
        """What pytest's calls of these hooks take; that of a test's protocol is booked where the test is over."""
        for call, costs in zip(self.calls, ((self._end,), (self._edge, self._beside), (self._word,)), strict=True):
            call.weigh()
            for cost in costs:
                cost.called_by(call.mean_ns)

    def _leave(self, test: OpenTest) -> None:
        recorder, run = self.recorder, test.run
        if not test.group:
            if not run.edges:  # interrupted, or run in a fork that reports for it
                self.strangers += bool(run.outcomes)
                self._windows.cut(test, PHASE[run.phase])
            elif run.phase != "setup":
                self._windows.cut(test, PHASE[run.phase])
        nobody = self._windows.leave(test)
        if recorder.pending or self._running.subprocesses is not None or len(run.calls) > test.told:
            self._clock.book(self._calls_of_phase, test, over=True)
        run.closed = True
        if run.tally:
            run.tally.clear()
        self._running.children.test_over(run.index, self._clock.last_ns if nobody else None)
        here = None if nobody else self._windows.here()
        recorder.current = None if here is None else here.run
        recorder.context.set(None)
        if not test.group:
            self.on_test(run)
