"""Objects that are registered only when somebody wants a test's cost at once: the -v suffix and limits on a test."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import pytest

from pytest_aifootprint.budgets.verdicts import judge, live_calls, measure
from pytest_aifootprint.options.marks import marker_limits
from pytest_aifootprint.records.model import Verdict
from pytest_aifootprint.records.raw import TestRun
from pytest_aifootprint.session.gate import with_message
from pytest_aifootprint.session.presenter import Presenter
from pytest_aifootprint.session.pricing import Direct

SECTION = "AI footprint"


class DirectCost:
    """Prices an AI test on its final call report, before anybody else sees the report.

    Judging here, after the rerun decision, means that being over a limit never causes a rerun and never fails a
    subtest (``--reruns`` and subtests decide in makereport).

    Attributes:
        record_of: the record that belongs to a report so far, None for a report of no interest.
        pause: runs our work between two phases, outside every window.
    """

    def __init__(
        self,
        presenter: Presenter,
        record_of: Callable[[pytest.TestReport], TestRun | None],
        pause: Callable[[Callable[[], None]], None],
    ) -> None:
        """Take the presenter that knows limits and prices."""
        self._presenter = presenter
        self._record_of = record_of
        self._pause = pause
        self._suffix: tuple[pytest.TestReport, str] | None = None

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> Generator[None, object, object]:
        """Judge the final call report; make the suffix for the status word."""
        if report.when == "call" and type(report) is pytest.TestReport and str(report.outcome) != "rerun":
            run = self._record_of(report)
            if run is not None and (run.calls or run.marker):
                self._pause(lambda: self._price(report, run))
        try:
            return (yield)
        finally:
            self._suffix = None

    @pytest.hookimpl(wrapper=True)
    def pytest_report_teststatus(self, report: pytest.TestReport) -> Generator[None, Any, Any]:
        """Behind the status word, only while this very report is logged: never in the -rA lines."""
        status = yield
        if self._suffix is None or self._suffix[0] is not report or not status:
            return status
        category, letter, word = status
        suffix = f" ({self._suffix[1]})"
        return category, letter, (word[0] + suffix, word[1]) if isinstance(word, tuple) else word + suffix

    def _price(self, report: pytest.TestReport, run: TestRun) -> None:
        from pytest_aifootprint.reports import formatting

        presenter = self._presenter
        direct = presenter.pricing.direct(run)
        if run.calls:
            mark = "~" if direct.provisional else ""
            self._suffix = (report, mark + formatting.suffix(direct.carbon.total))
        verdicts = self._verdicts(run, direct)
        if not verdicts:
            return
        presenter.test_verdicts[run.worker, run.nodeid] = verdicts
        over = [v for v in verdicts if presenter.fails(v)]
        if over:
            presenter.failed_limits = True
        if over and report.outcome == "passed" and not hasattr(report, "wasxfail"):
            report.outcome = "failed"
            report.longrepr = "\n".join(f"aifootprint: {v.message}" for v in over)
            report.sections.append((SECTION, "\n".join(_call_lines(direct))))

    def _verdicts(self, run: TestRun, direct: Direct) -> tuple[Verdict, ...]:
        presenter = self._presenter
        limits = presenter.limits_of(run.marker)
        live = marker_limits(run.marker, ())[1] if run.marker else None
        calls = live_calls(direct.calls)
        found = []
        unpriced = sum(not c.impact.priced for c in direct.calls)
        doubts = [f"{unpriced} AI calls could not be priced"] if unpriced else []
        for limit in limits:
            actual = measure(
                limit,
                carbon=direct.carbon,
                energy=direct.energy,
                water=direct.water,
                tokens=direct.tokens,
                calls=calls,
            )
            verdict = judge(limit, actual, presenter.settings.bound, run.nodeid, doubts)
            found.append(with_message(verdict))
        if live is False and calls:
            first = next(c.call for c in direct.calls if c.call.realness == "live")
            message = f"live=False, but {calls} live AI call(s) were made: {first.model or 'unknown model'}"
            message += f" at {first.host}" if first.host else f" through {first.client}"
            found.append(Verdict(run.nodeid, "live=False", "calls", 0.0, None, "central", "fail", message, message))
        return tuple(found)


def _call_lines(direct: Direct) -> list[str]:
    """The calls of a test over its limit, one line each."""
    from pytest_aifootprint.reports import formatting

    lines = []
    for priced in direct.calls:
        call = priced.call
        parts = [call.realness, call.locality, call.operation, call.model or "unknown model"]
        if call.input_tokens is not None or call.output_tokens is not None:
            parts.append(f"{call.input_tokens or 0} + {call.output_tokens or 0} tokens")
        if call.count > 1:
            parts.append(f"x {call.count}")
        parts.append(f"{formatting.suffix(priced.carbon.total)} beside the local energy")
        lines.append("  ".join(parts))
    lines.append(f"in all  {formatting.suffix(direct.carbon.total)}")
    return lines
