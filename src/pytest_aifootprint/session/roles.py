"""The roles of a process: the only one, or xdist's controller; a worker has a module of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_aifootprint.attribution.lanes import Lane
from pytest_aifootprint.options.settings import Settings
from pytest_aifootprint.quantities.unfaked import REAL
from pytest_aifootprint.records.raw import TestRun
from pytest_aifootprint.session.clock import EdgeClock
from pytest_aifootprint.session.own_cost import CALLS_EVERY, FIRST
from pytest_aifootprint.session.parts import RunningPart
from pytest_aifootprint.session.presenter import Presenter
from pytest_aifootprint.session.so_far import SoFar
from pytest_aifootprint.session.worker import ATTRIBUTE, OUTPUT

if TYPE_CHECKING:
    from pytest_aifootprint.session.scoping import MarkScopes

DIRECT = "aifootprint-direct"
SO_FAR = "aifootprint-so-far"


def wants_direct(presenter: Presenter) -> bool:
    """Whether tests must be priced at once for everybody: with -v, a default limit, or for another plugin's report."""
    verbosity = presenter.config.get_verbosity(pytest.Config.VERBOSITY_TEST_CASES)
    settings = presenter.settings
    limited = bool(settings.test_budgets) or any(scoped.each for scoped in settings.scoped)
    return verbosity > 0 or limited or bool(presenter.on_direct)


def mark_scopes(settings: Settings) -> tuple[list[str], str, str] | None:
    """The user's expressions of marks and where they were given, as builtin types; None without any."""
    expressions = [scoped.marks for scoped in settings.scoped]
    return (expressions, settings.scoped_origin.option, settings.scoped_origin.origin) if any(expressions) else None


class Single:
    """The only process: runs tests, gathers, prices, prints."""

    def __init__(self, config: pytest.Config, part: RunningPart, presenter: Presenter) -> None:
        """Register both halves."""
        self.part = part
        self.presenter = presenter
        so_far = SoFar(presenter, lambda: self._runner.run is None)
        config.pluginmanager.register(so_far, SO_FAR)
        told = mark_scopes(presenter.settings)
        self._scopes: MarkScopes | None = None
        if told is not None:
            from pytest_aifootprint.session.scoping import MarkScopes

            self._scopes = MarkScopes(*told)
        part.begin(config, on_test=so_far.add, scopes=self._scopes)
        collector = presenter.collector
        collector.lanes[part.lane.worker] = part.lane
        collector.workers[part.lane.worker] = True
        collector.pids[part.lane.worker] = REAL.getpid()
        presenter.metering_begins()
        presenter.machine.start(part)
        began_ns = REAL.thread_time_ns()
        presenter.before_build.append(self._end)
        config.pluginmanager.register(presenter, "aifootprint-presenter")
        self._runner.on_late_mark = lambda: self._judge_directly(config)
        if wants_direct(presenter):
            self._judge_directly(config)
        part.clock.plugin_ns += REAL.thread_time_ns() - began_ns

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """A mark may carry a limit: then tests are judged at once."""
        if self._runner.markers:
            self._judge_directly(session.config)

    @property
    def _runner(self) -> Any:
        return self.part.runner

    def _judge_directly(self, config: pytest.Config) -> None:
        if config.pluginmanager.has_plugin(DIRECT):
            return
        from pytest_aifootprint.session.direct import DirectCost

        direct = DirectCost(self.presenter, lambda report: self._runner.run_of(report.nodeid), self._runner.pause)
        config.pluginmanager.register(direct, DIRECT)

    def _end(self) -> None:
        part = self.part
        part.end()
        collector = self.presenter.collector
        collector.seams[part.lane.worker] = part.seams_status()
        collector.errors += [*part.recorder.errors, *part.clock.errors]
        collector.unowned += part.recorder.unowned
        collector.strangers += part.strangers
        collector.note_unseen(*part.unseen_programs)
        collector.coarse |= part.coarse
        if self._scopes is not None:
            collector.note_scopes(self._scopes.to_wire())
        collector.left_out = part.left_out.tests


class Controller:
    """xdist's controller: gathers from its workers, prices, prints. Runs no test and arms no seam."""

    def __init__(self, config: pytest.Config, presenter: Presenter) -> None:
        """Register the half that prints."""
        from pytest_aifootprint.session.direct import DirectCost
        from pytest_aifootprint.session.dispatch import Unreported, hook_calls

        self.presenter = presenter
        self._last: dict[str, TestRun] = {}
        self._failed: dict[tuple[str, int], int] = {}
        presenter.before_build.append(self._finish_all)
        self._so_far = SoFar(presenter, lambda: True)
        config.pluginmanager.register(self._so_far, SO_FAR)
        sampler = presenter.machine.sampler
        self._clock = clock = EdgeClock(lambda: 0, lambda: sampler.cpu_ns)
        # Marks are known to the workers only, so every call report that carries a record is looked at.
        direct = DirectCost(presenter, self._record_of, clock.book)
        (self._call,) = hook_calls([self, direct], {"pytest_runtest_logreport": {"report": Unreported()}})
        self._n_reports = 0
        presenter.metering_begins()
        presenter.machine.start()
        presenter.collector.controller = self._lane = Lane(
            "controller", presenter.machine.selection.host.boot_id, start_ns=REAL.monotonic_ns()
        )
        config.pluginmanager.register(presenter, "aifootprint-presenter")
        config.pluginmanager.register(direct, DIRECT)

    def pytest_configure_node(self, node: Any) -> None:
        """Tell a worker whether to note its CPU clock at ticks, and which expressions of marks to look for."""
        node.workerinput[OUTPUT] = {
            "ticks": bool(self.presenter.machine.selection.counters),
            "scopes": mark_scopes(self.presenter.settings),
        }
        self.presenter.collector.workers.setdefault(node.gateway.id, False)

    def pytest_testnodedown(self, node: Any) -> None:
        """A worker's end: its totals; a lost one has none and stays unreported."""
        # xdist says it twice of a worker that was interrupted: the first time takes the output.
        data = (getattr(node, "workeroutput", None) or {}).pop(OUTPUT, None)
        if data is None:
            return
        worker = node.gateway.id
        self._clock.book(self._take_all, worker, data)

    def _take_all(self, worker: str, data: dict[str, Any]) -> None:
        for nodeid, text in data["unsent"]:
            self._take(TestRun.from_wire(text, nodeid, worker))
        self.presenter.collector.end_of_worker(worker, data)

    def _record_of(self, report: pytest.TestReport) -> TestRun | None:
        text = report.__dict__.get(ATTRIBUTE)
        return None if text is None else TestRun.from_wire(text, report.nodeid, _worker_of(report))

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Pop the record off the report: kept reports would keep it, too."""
        text = report.__dict__.pop(ATTRIBUTE, None)
        self._clock.plugin_ns += self._call.mean_ns
        if text is not None:
            self._clock.book(self._hear, report, text)

    def _hear(self, report: pytest.TestReport, text: str) -> None:
        self._n_reports += 1
        if self._n_reports <= FIRST or not self._n_reports % CALLS_EVERY:
            self._call.weigh()
        if report.when == "teardown":
            self._take(TestRun.from_wire(text, report.nodeid, _worker_of(report)))
        elif report.when == "call" and report.failed:
            # Failed here, over a limit: its worker knows of none.
            run = TestRun.from_wire(text, report.nodeid, _worker_of(report))
            self._failed[run.worker, run.index] = run.attempts[-1] if run.attempts else 1

    def _take(self, run: TestRun) -> None:
        attempt = self._failed.get((run.worker, run.index))
        if attempt is not None:
            run.outcomes = [(a, p, "failed" if (a, p) == (attempt, 1) else outcome) for a, p, outcome in run.outcomes]
        # A later attempt's record replaces the earlier one, so a test is booked when the next one arrives.
        before = self._last.get(run.worker)
        if before is not None and before.index != run.index:
            self._finish(before)
        self._last[run.worker] = run

    def _finish(self, run: TestRun) -> None:
        self.presenter.collector.lane(run.worker, self.presenter.machine.selection.host.boot_id)
        self._so_far.add(run)

    def _finish_all(self) -> None:
        self._lane.end_ns, self._lane.plugin_ns = REAL.monotonic_ns(), self._clock.own_ns()
        for run in self._last.values():
            self._finish(run)
        self._last.clear()


def _worker_of(report: pytest.TestReport) -> str:
    return str(getattr(report, "worker_id", None) or report.node.gateway.id)
