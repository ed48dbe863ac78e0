"""The hooks of a process that runs tests: windows, owners, users of shared fixtures. No pricing here."""

from __future__ import annotations

from collections.abc import Callable, Generator
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from pytest_aifootprint.attribution.fixtures import FixtureKey
from pytest_aifootprint.attribution.lanes import Lane
from pytest_aifootprint.detection.calls import AICall
from pytest_aifootprint.detection.recorder import Owner, Recorder
from pytest_aifootprint.quantities.unfaked import REAL
from pytest_aifootprint.records.raw import FixtureWindow, TestRun, book
from pytest_aifootprint.session.children import Children
from pytest_aifootprint.session.clock import EdgeClock
from pytest_aifootprint.session.loose import LooseCalls
from pytest_aifootprint.session.users import FixtureUsers
from pytest_aifootprint.session.windows import PHASE, OpenTest, Windows

if TYPE_CHECKING:
    from pytest_aifootprint.session.subprocesses import Subprocesses

_LOOSE = "aifootprint-loose"


class TestRunner:
    """Windows of every test, nested windows of shared fixtures, and the owner that calls belong to.

    Attributes:
        lane: where the spans go. markers: keywords of a test's own marks, for the tests that have any.
        on_report: called with each report of a test itself and its record so far. on_test: once a test is over.
        strangers: tests that reported here without having run here. config: whose hooks are called.
        subprocesses: watched children, None if they are not.
    """

    __test__ = False

    def __init__(  # noqa: PLR0913 # what a process that runs tests is made of
        self,
        lane: Lane,
        clock: EdgeClock,
        recorder: Recorder,
        children: Children,
        on_test: Callable[[TestRun], None],
        on_report: Callable[[pytest.TestReport, TestRun], None] | None = None,
    ) -> None:
        """Take what the session made."""
        self.lane = lane
        self.clock = clock
        self.recorder = recorder
        self.children = children
        self.on_test = on_test
        self.on_report = on_report
        self.markers: dict[pytest.Item, dict[str, Any]] = {}
        self.strangers = 0
        self.config: pytest.Config | None = None
        self.subprocesses: Subprocesses | None = None
        self._owners = 0
        self._windows = Windows(clock, self._owner)
        self._users = FixtureUsers()

    @property
    def run(self) -> TestRun | None:
        """The record of the test that runs here, now."""
        test = self._windows.here()
        return None if test is None else test.run

    def run_of(self, nodeid: str) -> TestRun | None:
        """The record of a test that is open."""
        test = self._windows.find(nodeid)
        return None if test is None else test.run

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """The whole of a test, all attempts: entered once."""
        __tracebackhide__ = True
        own = REAL.thread_time_ns()
        run = TestRun(self._owner(), item.nodeid, self.lane.worker)
        run.marker = self.markers.get(item)
        self._own(run)
        self.clock.plugin_ns += REAL.thread_time_ns() - own
        test = self._enter(run)
        try:
            return (yield)
        finally:
            self._leave(test)

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
        if self.subprocesses is not None:
            self.subprocesses.deliver(run)
        if phase == 2:
            self.recorder.flush(run)
        if len(run.calls) > test.told:
            self._tell(test)
        if phase == 2:
            run.calls_until.append(len(run.calls))
            run.tally.clear()
        elif phase == 0 and test.loose:
            run.marker = self.markers.get(item)
        self.clock.plugin_ns += REAL.thread_time_ns() - own

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
        if self._users.keys:
            self._users.note(getattr(item, "_request", None), run.users_of)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note the outcome; a subtest's report is not the test's."""
        if type(report) is not pytest.TestReport:
            return
        phase = PHASE.get(report.when)
        test = self._windows.only or self._windows.find(report.nodeid)
        if test is None or phase is None:
            self.strangers += phase == 1
            return
        run = test.run
        outcome: str = report.outcome
        if hasattr(report, "wasxfail"):
            outcome = "xpassed" if outcome == "passed" else "xfailed"
        attempt = getattr(report, "rerun", None)
        run.outcomes.append((run.attempt if attempt is None else attempt + 1, phase, outcome))
        if self.on_report is not None:
            self.on_report(report, run)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """A test that some plugin runs without the protocol, such as one of a group on one event loop."""
        only = self._windows.only
        if (only is not None and only.run.nodeid == nodeid) or self._windows.find(nodeid) is not None:
            return
        if self.config is not None and not self.config.pluginmanager.has_plugin(_LOOSE):
            self.config.pluginmanager.register(LooseCalls(self._windows, self._own), _LOOSE)
        run = TestRun(self._owner(), nodeid, self.lane.worker)
        self._enter(run, loose=True)
        self._own(run)

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """The end of such a test."""
        test = None if self._windows.only is not None else self._windows.find(nodeid)
        if test is not None and test.loose:
            self._leave(test)

    def open_cpu_s(self) -> float:
        """CPU seconds of the running phase until now."""
        return self._windows.open_cpu_s()

    def pause(self, work: Callable[[], None]) -> None:
        """Do our own work between two phases: its CPU and wall time are in no window."""
        own = REAL.thread_time_ns()
        work()
        self.clock.plugin_ns += REAL.thread_time_ns() - own
        self._windows.skip()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_fixture_setup(
        self, fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
    ) -> Generator[None, object, object]:
        """The set-up of a fixture of wider than function scope is a window of its own."""
        __tracebackhide__ = True
        if fixturedef.scope == "function" or (test := self._windows.here()) is None:
            return (yield)
        key, before = self._users.setting_up(fixturedef, request)
        if key not in test.run.users_of:
            test.run.users_of.append(key)
        self._open(key, fixturedef.scope, "setup")
        try:
            return (yield)
        finally:
            self._close(key, "setup")
            self._users.set_up(fixturedef, request, before)
            # There is an end hook for a teardown but none for its begin: the finalizer added last runs first.
            fixturedef.addfinalizer(partial(self._open, key, fixturedef.scope, "teardown"))

    def pytest_fixture_post_finalizer(self, fixturedef: pytest.FixtureDef[Any]) -> None:
        """The end of a shared fixture's teardown."""
        if fixturedef.scope != "function" and (key := self._users.keys.get(fixturedef)) is not None:
            self._close(key, "teardown")

    def _enter(self, run: TestRun, *, loose: bool = False) -> OpenTest:
        test, alone = self._windows.enter(run, loose=loose)
        if alone:
            self.children.window_again(test.edge[0])
        return test

    def _leave(self, test: OpenTest) -> None:
        recorder, run = self.recorder, test.run
        if not test.group:
            self.strangers += bool(run.outcomes) and not run.edges
            if run.phase != "setup" or not run.edges:  # interrupted, or run in a fork that reports for it
                self._windows.cut(test, PHASE[run.phase])
        nobody = self._windows.leave(test)
        own = REAL.thread_time_ns()
        recorder.flush(run)
        if self.subprocesses is not None:
            self.subprocesses.deliver(run)
        if len(run.calls) > test.told:
            self._tell(test)
        run.closed = True
        run.tally.clear()
        self.children.started_by(run.index)
        if nobody:
            self.children.no_window(self.clock.last_ns)
        here = self._windows.here()
        recorder.current = None if here is None else here.run
        recorder.context.set(None)
        if not test.group:
            book(self.lane, run)
            self.on_test(run)
        self.clock.plugin_ns += REAL.thread_time_ns() - own

    def _tell(self, test: OpenTest) -> None:
        """Tell other plugins of the calls that they have not been told of."""
        calls, test.told = test.run.calls[test.told :], len(test.run.calls)
        self._tell_of(calls, test.run.nodeid)

    def _tell_of(self, calls: list[AICall], nodeid: str) -> None:
        if not calls or self.config is None or not self.config.hook.pytest_aifootprint_call.get_hookimpls():
            return
        for call in calls:
            try:
                self.config.hook.pytest_aifootprint_call(config=self.config, nodeid=nodeid, call=call)
            except Exception as error:  # noqa: BLE001 - another plugin's error changes no result
                self.recorder.error("pytest_aifootprint_call", error)

    def _open(self, key: FixtureKey, scope: str, kind: str) -> None:
        test = self._windows.here()
        if test is None:
            return
        window = FixtureWindow(self._owner(), key, scope, kind, test.run.nodeid)
        self._windows.open_fixture(test, window)
        self._own(window)

    def _close(self, key: FixtureKey, kind: str) -> None:
        test = self._windows.here()
        if test is None:
            return
        position = next((i for i, w in enumerate(test.stack) if (w.key, w.kind) == (key, kind)), None)
        if position is None:
            return
        # A window above it that never closed (its teardown raised) ends here, too.
        for window in self._windows.close_fixture(test, position):
            self.recorder.flush(window)
            self._tell_of(window.calls, test.run.nodeid)
            window.closed = True
            window.tally.clear()
            test.run.windows.append(window)
            self.children.started_by(window.index)
        self._own(test.stack[-1] if test.stack else test.run)

    def _own(self, owner: Owner) -> None:
        self.recorder.current = owner
        self.recorder.context.set(owner)

    def _owner(self) -> int:
        self._owners += 1
        return self._owners - 1
