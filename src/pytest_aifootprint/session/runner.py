"""The hooks of a process that runs tests: windows, owners, users of shared fixtures. No pricing here."""

from __future__ import annotations

from collections.abc import Callable, Generator
from functools import partial
from typing import Any

import pytest

from pytest_aifootprint.attribution.fixtures import FixtureKey
from pytest_aifootprint.attribution.lanes import Lane
from pytest_aifootprint.detection.recorder import Owner, Recorder
from pytest_aifootprint.quantities.unfaked import REAL
from pytest_aifootprint.records.raw import FixtureWindow, TestRun, book
from pytest_aifootprint.session.clock import EdgeClock

_PARAM_LENGTH = 60
_PHASE = {"setup": 0, "call": 1, "teardown": 2}


class TestRunner:
    """Chained windows of every test, nested windows of shared fixtures, and the owner that calls belong to.

    Attributes:
        lane: where the spans go. markers: keywords of a test's own marks, for the tests that have any.
        on_report: called with each report of a test itself and its record so far. on_test: once a test is over.
    """

    __test__ = False

    def __init__(
        self,
        lane: Lane,
        clock: EdgeClock,
        recorder: Recorder,
        on_test: Callable[[TestRun], None],
        on_report: Callable[[pytest.TestReport, TestRun], None] | None = None,
    ) -> None:
        """Take what the session made."""
        self.lane = lane
        self.clock = clock
        self.recorder = recorder
        self.on_test = on_test
        self.on_report = on_report
        self.markers: dict[pytest.Item, dict[str, Any]] = {}
        self.run: TestRun | None = None
        self._owners = 0
        self._edge = (0, 0)
        self._stack: list[FixtureWindow] = []
        self._shared: dict[Any, FixtureKey] = {}

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """The whole of a test, all attempts: entered once."""
        __tracebackhide__ = True
        own = REAL.thread_time_ns()
        recorder = self.recorder
        run = self.run = TestRun(self._owner(), item.nodeid, self.lane.worker)
        run.marker = self.markers.get(item)
        recorder.current = run
        recorder.context.set(run)
        self.clock.plugin_ns += REAL.thread_time_ns() - own
        self._edge = self.clock.edge()
        try:
            return (yield)
        finally:
            own = REAL.thread_time_ns()
            recorder.flush(run)
            run.closed = True
            run.tally.clear()
            self.run = recorder.current = None
            recorder.context.set(None)
            self._stack.clear()
            book(self.lane, run)
            self.on_test(run)
            self.clock.plugin_ns += REAL.thread_time_ns() - own

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_makereport(self, call: pytest.CallInfo[None]) -> None:
        """The edge that ends a phase, taken before a traceback is rendered. A subtest ends a part of the call phase."""
        t0, c0 = self._edge
        self._edge = t1, c1 = self.clock.edge()
        own = REAL.thread_time_ns()
        run = self.run
        phase = _PHASE.get(call.when)
        if run is None or phase is None:
            return
        if phase == 0:
            run.attempt += 1
            run.phase = "call"
        elif phase == 2:
            self.recorder.flush(run)
            run.phase = "setup"
        run.edges += (run.attempt, phase, t0, t1, c0, c1)
        self.clock.plugin_ns += REAL.thread_time_ns() - own

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> None:
        """The users of shared fixtures: what is active in the request at the end of the test."""
        run = self.run
        if run is None:
            return
        run.phase = "teardown"
        # The one place that reads a private name of pytest: a cached fixture taken by getfixturevalue fires no hook.
        request = getattr(item, "_request", None)
        active = getattr(request, "_fixture_defs", None)
        if not active or not self._shared:
            return
        shared = self._shared
        for definition in active.values():
            key = shared.get(definition)
            if key is not None and key not in run.users_of:
                run.users_of.append(key)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note the outcome; a subtest's report is not the test's."""
        run = self.run
        if run is None or type(report) is not pytest.TestReport:
            return
        outcome: str = report.outcome
        if hasattr(report, "wasxfail"):
            outcome = "xpassed" if outcome == "passed" else "xfailed"
        attempt = getattr(report, "rerun", None)
        number = run.attempt if attempt is None else attempt + 1
        phase = _PHASE.get(report.when)
        if phase is None:
            return
        run.outcomes.append((number, phase, outcome))
        if self.on_report is not None:
            self.on_report(report, run)

    def open_cpu_s(self) -> float:
        """CPU seconds of the running phase until now."""
        return (self.clock.edge()[1] - self._edge[1]) / 1e9

    def pause(self, work: Callable[[], None]) -> None:
        """Do our own work between two phases: its CPU and wall time are in no window."""
        own = REAL.thread_time_ns()
        work()
        self.clock.plugin_ns += REAL.thread_time_ns() - own
        self._edge = self.clock.edge()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_fixture_setup(
        self, fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
    ) -> Generator[None, object, object]:
        """The set-up of a fixture of wider than function scope is a window of its own."""
        __tracebackhide__ = True
        if fixturedef.scope == "function" or self.run is None:
            return (yield)
        key = FixtureKey(fixturedef.baseid, fixturedef.argname, _param_of(request))
        self._shared[fixturedef] = key
        if key not in self.run.users_of:
            self.run.users_of.append(key)
        self._open(key, fixturedef.scope, "setup")
        try:
            return (yield)
        finally:
            self._close(key, "setup")
            # There is an end hook for a teardown but none for its begin: the finalizer added last runs first.
            fixturedef.addfinalizer(partial(self._open, key, fixturedef.scope, "teardown"))

    def pytest_fixture_post_finalizer(self, fixturedef: pytest.FixtureDef[Any]) -> None:
        """The end of a shared fixture's teardown."""
        if fixturedef.scope != "function" and (key := self._shared.get(fixturedef)) is not None:
            self._close(key, "teardown")

    def _open(self, key: FixtureKey, scope: str, kind: str) -> None:
        run = self.run
        if run is None:
            return
        window = FixtureWindow(self._owner(), key, scope, kind, run.nodeid)
        t, c = self.clock.edge()
        window.span = (t, 0, c, 0)
        outer = self._stack[-1] if self._stack else None
        window.inside = (outer.index, 0) if outer else (run.index, _PHASE[run.phase])
        self._stack.append(window)
        self._own(window)

    def _close(self, key: FixtureKey, kind: str) -> None:
        run = self.run
        position = next((i for i, w in enumerate(self._stack) if (w.key, w.kind) == (key, kind)), None)
        if run is None or position is None:
            return
        t1, c1 = self.clock.edge()
        # A window above it that never closed (its teardown raised) ends here, too.
        for window in reversed(self._stack[position:]):
            t0, _, c0, _ = window.span
            window.span = (t0, t1, c0, c1)
            self.recorder.flush(window)
            window.closed = True
            window.tally.clear()
            run.windows.append(window)
        del self._stack[position:]
        self._own(self._stack[-1] if self._stack else run)

    def _own(self, owner: Owner) -> None:
        self.recorder.current = owner
        self.recorder.context.set(owner)

    def _owner(self) -> int:
        self._owners += 1
        return self._owners - 1


def _param_of(request: pytest.FixtureRequest) -> str:
    """What tells the instances of a parametrised fixture apart, the same on every worker; "" without a parameter.

    The index alone does not: two modules may each give a session fixture their own first parameter.
    """
    if not hasattr(request, "param"):
        return ""
    index = getattr(request, "param_index", 0)
    if isinstance(request.param, (str, int, float, bool, bytes, type(None))):
        text = str(request.param)
        return text if len(text) <= _PARAM_LENGTH else f"{text[:_PARAM_LENGTH]}…{index}"
    return str(index)
