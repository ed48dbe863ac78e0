"""The half of a role that gathers, prices, judges and prints: in the only process, or in xdist's controller."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING

import pytest

from pytest_aifootprint.budgets import Limit
from pytest_aifootprint.meters.contract import Selection
from pytest_aifootprint.options.settings import Settings
from pytest_aifootprint.quantities import Notice
from pytest_aifootprint.quantities.changed import replace
from pytest_aifootprint.quantities.unfaked import REAL
from pytest_aifootprint.records.collector import Collector
from pytest_aifootprint.session.garbage import collector_paused
from pytest_aifootprint.session.machine import Machine
from pytest_aifootprint.session.parts import must_raise, told

if TYPE_CHECKING:
    # What prices, judges and prints is imported when the run is over, or when a test is to be priced at once.
    from pytest_aifootprint.records.model import RunFootprint, Verdict
    from pytest_aifootprint.records.raw import TestRun
    from pytest_aifootprint.session.pricing import Direct, Pricing
    from pytest_aifootprint.session.regression import BaselineGate


class Presenter:
    """From raw records to the report and the verdict.

    Attributes:
        collector: what arrived so far. machine: the meters. pricing: what prices a test before the run is over.
        footprint: the finished run; None until the session ends. on_direct: called with each final call report of a
            test that called a model, and its price at once; if there is none, tests are not priced for it.
        gate: against a baseline; None without one.
    """

    def __init__(
        self,
        config: pytest.Config,
        settings: Settings,
        selection: Selection,
        pricing: Pricing,
        environ: Mapping[str, str],
    ) -> None:
        """Take the meters; the role starts them."""
        self._environ = environ
        self.gate: BaselineGate | None = None
        self._pid = REAL.getpid()
        self.config = config
        self.settings = settings
        self.pricing = pricing
        self.collector = Collector(keep_all=settings.tests == "all")
        self.machine = Machine(selection)
        self.footprint: RunFootprint | None = None
        self.test_verdicts: dict[tuple[str, int], tuple[Verdict, ...]] = {}
        self.before_build: list[Callable[[], None]] = []
        self.on_direct: list[Callable[[pytest.TestReport, TestRun, Direct], None]] = []
        self._broken: str | None = None
        self._unsaid = False
        self._unwritten: Sequence[Notice] = ()
        self._written: Sequence[str] = ()
        self._refused = False
        self._stopped = False
        # Our CPU outside of the metered time: until it began (told by who armed), and from its end on (this thread's
        # clock).
        self.arming_ns: Callable[[], int] = lambda: 0
        self._armed_ns = self._stopped_ns = 0
        self._started_at = datetime.now(timezone.utc).isoformat(timespec="seconds")
        self._started_ns = REAL.monotonic_ns()

    def metering_begins(self) -> None:
        """From here on our CPU is in the metered time."""
        self._armed_ns = self.arming_ns()

    def limits_of(self, run: TestRun) -> tuple[Limit, ...]:
        """The limits of a test, of each kind the nearest: of its mark; of each test like it; of every AI test."""
        from pytest_aifootprint.options.marks import marker_limits

        settings = self.settings
        limits = marker_limits(run.marker, ())[0] if run.marker else ()
        likewise = [scoped.limit for n, scoped in enumerate(settings.scoped) if scoped.each and n in run.scopes]
        for farther in (likewise, settings.test_budgets):
            kinds = {limit.kind for limit in limits}
            limits += tuple(limit for limit in farther if limit.kind not in kinds)
        return limits

    def direct(self, run: TestRun) -> Direct:
        """The direct cost of a test so far."""
        return self.pricing.direct(run, len(self.collector.workers))

    def pytest_keyboard_interrupt(self) -> None:
        """Also of ``pytest.exit``, whose status may be any, and so tells nothing."""
        self._stopped = True

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Price, judge, write the reports; set the exit status where pytest would have said 0.

        Last, because after an interrupt pytest tears down what is left in its own hook of this name.
        """
        if REAL.getpid() != self._pid:
            return  # a child that a test forked and that ran on into pytest's end: the report is the parent's
        self._stopped_ns = REAL.thread_time_ns()
        self.machine.stop()
        unwritten = bool(self.settings.reports)
        try:
            for prepare in self.before_build:
                prepare()
            if self.collector.usage_error is not None:
                session.exitstatus = pytest.ExitCode.USAGE_ERROR
                sys.stderr.write(f"ERROR: {self.collector.usage_error}\n")
            # A verdict on a run that never began would be one on nothing.
            self._refused = session.exitstatus == pytest.ExitCode.USAGE_ERROR
            if self._refused:
                return
            with collector_paused():
                self._judge_what_is_left()
                self.footprint = self._build(session)
                unwritten = not self._write_reports(self.footprint)
        except Exception as error:  # an error of ours must not change a run; the gate fails closed below
            if must_raise():
                raise
            self._broken = f"{type(error).__name__}: {error}"
        settings = self.settings
        gated = bool(settings.budgets or settings.scoped or settings.test_budgets or self.test_verdicts)
        gated |= settings.fail_on_increase is not None
        failed = self._broken is not None and gated
        if self.footprint is not None:
            failed = any(self.fails(v) for v in self._all_verdicts(self.footprint))
        # As pytest ends where it cannot write its --junitxml.
        if (failed or unwritten) and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        self._unsaid = failed

    def pytest_unconfigure(self) -> None:
        """A failed verdict is said on stderr where there is no terminal report, or one without summaries.

        What could not be written, too, and not before: pytest's progress has ended its line only now.
        """
        if self._unwritten:
            from pytest_aifootprint.session.reporting import tell

            tell(self._unwritten)
        if not self._unsaid:
            return
        from pytest_aifootprint.reports.terminal import one_line_verdict

        line = one_line_verdict(self.footprint) if self.footprint else f"not priced: {self._broken}"
        sys.stderr.write(f"aifootprint: {line}\n")

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the summary; nothing here may raise, it would eat pytest's own last line."""
        if self._refused or REAL.getpid() != self._pid:
            return
        self._unsaid = False
        try:
            if self.footprint is None:
                terminalreporter.section("AI footprint")
                terminalreporter.write_line(f"not available, an error of this plugin: {self._broken}", red=True)
                return
            from pytest_aifootprint.reports.terminal import write_generated, write_summary

            write_summary(terminalreporter, self.footprint, self.settings.top)
            write_generated(terminalreporter, self._written)
        except Exception as error:  # see above
            if must_raise():
                raise
            terminalreporter.write_line(f"aifootprint: summary not printed: {type(error).__name__}: {error}", red=True)

    def _judge_what_is_left(self) -> None:
        """Limits of tests that had no call report (skipped in set-up), and live calls that came after it."""
        from pytest_aifootprint.session.direct import unpriced_verdict, verdicts_at_end

        for run in self.collector.tests:
            try:
                verdicts = verdicts_at_end(self, run)
            except Exception as error:  # one test without a price must not take the verdicts of the others along
                if must_raise():
                    raise
                self.collector.errors.append(f"limits of {run.nodeid}: {type(error).__name__}: {error}")
                verdicts = unpriced_verdict(self, run)
            if verdicts:
                before = self.test_verdicts.get((run.worker, run.index), ())
                self.test_verdicts[run.worker, run.index] = (*before, *verdicts)

    def fails(self, verdict: Verdict) -> bool:
        """Whether a verdict fails the build, or its test."""
        return verdict.verdict == "fail" or (verdict.verdict == "undecided" and self.settings.undecided == "fail")

    def _all_verdicts(self, run: RunFootprint) -> list[Verdict]:
        # Not those of the rows: with --aifootprint-tests marked, not every test that was judged has one.
        return [*run.all_verdicts, *(v for verdicts in self.test_verdicts.values() for v in verdicts)]

    def _build(self, session: pytest.Session) -> RunFootprint:
        from pytest_aifootprint.hints import hints_of
        from pytest_aifootprint.records.build import RunInfo, build
        from pytest_aifootprint.session.closed import closed_notices
        from pytest_aifootprint.session.environment import ci_environment, commit
        from pytest_aifootprint.session.gate import doubts_of, run_verdicts
        from pytest_aifootprint.session.project import project_of
        from pytest_aifootprint.session.selection import asked_for, why_partial

        info = RunInfo(
            started_at=self._started_at,
            duration_s=(REAL.monotonic_ns() - self._started_ns) / 1e9,
            python=sys.version.split()[0],
            pytest=pytest.__version__,
            ci=ci_environment(self._environ),
            commit=commit(self.config.rootpath, self._environ),
            rows=self.settings.tests,
            idle_shared=self.settings.idle == "share",
            scopes=[scoped.scope for scoped in self.settings.scoped],
            own_cpu_s=self._own_cpu_s,
        )
        run = build(self.collector, self.machine.data(), info, self.pricing.pricer, self.test_verdicts)
        if self.test_verdicts:
            from pytest_aifootprint.session.cards_at_end import judged_again

            run = judged_again(self, run)
        if self.pricing.extensions is not None:
            run = replace(run, notices=tuple(sorted({*run.notices, *self.pricing.extensions.notices})))
        run = replace(
            run,
            project=project_of(self.config.rootpath),
            partial=why_partial(session, self.collector.left_out, stopped=self._stopped),
            asked=asked_for(self.config),
        )
        doubts = [*doubts_of(run), *self.pricing.doubts]
        verdicts = run_verdicts(self.settings, run, doubts, self.test_verdicts)
        judged = (*verdicts, *(v for of_test in self.test_verdicts.values() for v in of_test))
        notices = (*closed_notices(judged, run, self.pricing.pricer.catalogue), *run.notices)
        run = replace(run, verdicts=verdicts, notices=notices, hints=hints_of(run))
        if self.gate is not None:
            run = self.gate.judged(run, self.settings.bound, doubts)
        return self._amend(run)

    def _own_cpu_s(self) -> float:
        """CPU seconds that we used before metering began and, until now, since it ended."""
        ended_ns = REAL.thread_time_ns() - self._stopped_ns
        return float(self._armed_ns + self.collector.arming_ns + ended_ns) / 1e9

    def _amend(self, run: RunFootprint) -> RunFootprint:
        try:
            self.config.hook.pytest_aifootprint_footprint(config=self.config, footprint=run)
        except Exception as error:  # a user's hook changes no result
            if must_raise():
                raise
            notice = Notice("hook-failed", f"pytest_aifootprint_footprint raised {told(error)}")
            run = replace(run, notices=(*run.notices, notice))
        return run

    def _write_reports(self, run: RunFootprint) -> bool:
        """Whether every report was written; the footprint tells of those that were not."""
        if not self.settings.reports:
            return True
        from pytest_aifootprint.session.reporting import write_reports

        written = write_reports(run, self.settings.reports, self.config.invocation_params.dir)
        self.footprint, self._written = written.run, written.lines
        self._unwritten = self.footprint.notices[len(run.notices) :]
        return written.all_files
