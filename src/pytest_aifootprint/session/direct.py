"""Objects that are registered only when somebody wants a test's cost at once: the -v suffix and limits on a test."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import pytest

from pytest_aifootprint.budgets import Limit
from pytest_aifootprint.budgets.verdicts import about, judge, measure
from pytest_aifootprint.options.marks import marker_limits
from pytest_aifootprint.records.model import CallFootprint, Verdict, live_calls
from pytest_aifootprint.records.raw import TestRun
from pytest_aifootprint.session.gate import unmetered, with_message
from pytest_aifootprint.session.listing import lists_calls, write_calls
from pytest_aifootprint.session.parts import must_raise
from pytest_aifootprint.session.presenter import Presenter
from pytest_aifootprint.session.pricing import Direct

SECTION = "AI footprint"
LIVE = "live=False"
MOST_LISTED = 100
"""Calls below a test over its limit; the JSON report has all."""


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
        self._calls: tuple[CallFootprint, ...] = ()
        self._lists_calls = lists_calls(presenter.config)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> Generator[None, object, object]:
        """Judge the final call report; make the suffix for the status word."""
        __tracebackhide__ = True
        if report.when == "call" and type(report) is pytest.TestReport and str(report.outcome) != "rerun":
            run = self._record_of(report)
            if run is not None and run.calls:
                self._pause(lambda: self._price_or_doubt(report, run))
        try:
            result = yield
            if self._calls:
                self._pause(self._list_calls)
            return result
        finally:
            self._suffix, self._calls = None, ()

    @pytest.hookimpl(wrapper=True)
    def pytest_report_teststatus(self, report: pytest.TestReport) -> Generator[None, Any, Any]:
        """Behind the status word, only while this very report is logged: never in the -rA lines."""
        status = yield
        if self._suffix is None or self._suffix[0] is not report or not status:
            return status
        category, letter, word = status
        suffix = f" ({self._suffix[1]})"
        return category, letter, (word[0] + suffix, word[1]) if isinstance(word, tuple) else word + suffix

    def _price_or_doubt(self, report: pytest.TestReport, run: TestRun) -> None:
        try:
            self._price(report, run)
        except Exception as error:
            if must_raise():
                raise
            self._presenter.collector.errors.append(f"price of {run.nodeid}: {type(error).__name__}: {error}")

    def _list_calls(self) -> None:
        try:
            write_calls(self._presenter.config, self._calls)
        except Exception as error:
            if must_raise():
                raise
            self._presenter.collector.errors.append(f"list of calls: {type(error).__name__}: {error}")

    def _price(self, report: pytest.TestReport, run: TestRun) -> None:
        from pytest_aifootprint.reports import formatting

        presenter = self._presenter
        direct = presenter.direct(run)
        mark = "~" if direct.provisional else ""
        self._suffix = (report, mark + formatting.suffix(direct.carbon.total))
        self._calls = direct.calls if self._lists_calls else ()
        for tell in presenter.on_direct:
            tell(report, run, direct)
        verdicts = verdicts_on(presenter, run, direct)
        if not verdicts:
            return
        presenter.test_verdicts[run.worker, run.index] = verdicts
        over = [v for v in verdicts if presenter.fails(v)]
        if over and report.outcome == "passed" and not hasattr(report, "wasxfail"):
            report.outcome = "failed"
            # Models and hosts have anybody's names: the terminal obeys none of them.
            report.longrepr = "\n".join(f"aifootprint: {formatting.one_line(v.message)}" for v in over)
            report.sections.append((SECTION, "\n".join(map(formatting.one_line, _call_lines(direct)))))


def verdicts_on(presenter: Presenter, run: TestRun, direct: Direct) -> tuple[Verdict, ...]:
    """What the limits of a test say of its direct cost; a test without a call has none to hold against them."""
    if not run.calls:
        return ()
    unpriced = sum(not c.impact.priced for c in direct.calls)
    doubts = [f"{unpriced} AI calls could not be priced"] if unpriced else []
    doubts += presenter.pricing.doubts
    live = ((call.model, call.device) for call in run.calls if call.realness == "live")
    selection = presenter.machine.selection
    unseen = unmetered(live, (m.domain for m in selection.counters), (m.name for m in selection.rejected))
    found = []
    for limit in presenter.limits_of(run):
        actual = measure(
            limit,
            carbon=direct.carbon,
            energy=direct.energy,
            water=direct.water,
            tokens=direct.tokens,
            calls=live_calls(direct.calls),
        )
        found.append(
            with_message(judge(limit, actual, presenter.settings.bound, run.nodeid, about(limit, doubts, unseen)))
        )
    return (*found, *_live_verdict(run))


def verdicts_at_end(presenter: Presenter, run: TestRun) -> tuple[Verdict, ...]:
    """What could not be said at the call report: of a test that had none, or that called a model in its teardown.

    A test with limits that passed without calling a model is undecided: either its mark is wrong or the call was not
    seen, and neither is a pass.
    """
    judged = (run.worker, run.index) in presenter.test_verdicts
    if judged:
        said = any(v.limit == LIVE for v in presenter.test_verdicts[run.worker, run.index])
        return () if said else _live_verdict(run)
    if run.calls:
        limited = presenter.limits_of(run) or _live_verdict(run)
        return verdicts_on(presenter, run, presenter.direct(run)) if limited else ()
    own_limits, live = marker_limits(run.marker, ()) if run.marker else ((), None)
    uses_ai = not presenter.collector.ai_fixtures.isdisjoint(run.users_of)
    if not own_limits or live is False or uses_ai or run.outcome not in {"passed", "failed"}:
        return ()
    return _undecided(run, own_limits[0], "it is marked but made no AI call")


def unpriced_verdict(presenter: Presenter, run: TestRun) -> tuple[Verdict, ...]:
    """Of a limited test whose price failed: undecided, never a pass."""
    limits = presenter.limits_of(run)
    return _undecided(run, limits[0], "it could not be priced") if limits else ()


def _undecided(run: TestRun, limit: Limit, reason: str) -> tuple[Verdict, ...]:
    message = f"{limit.text}: {reason}"
    return (Verdict(run.nodeid, limit.text, limit.kind, limit.value, None, "central", "undecided", message, reason),)


def _live_verdict(run: TestRun) -> tuple[Verdict, ...]:
    if not run.marker or marker_limits(run.marker, ())[1] is not False:
        return ()
    live = [call for call in run.calls if call.realness == "live"]
    if not live:
        return ()
    first, count = live[0], sum(call.count for call in live)
    reason = f"{count} live AI {'call was' if count == 1 else 'calls were'} made: {first.model or 'unknown model'}"
    reason += f" at {first.host}" if first.host else f" through {first.client}"
    return (Verdict(run.nodeid, LIVE, "calls", 0.0, None, "central", "fail", f"{LIVE}, but {reason}", reason),)


def _call_lines(direct: Direct) -> list[str]:
    """The calls of a test over its limit, one line each, in the words that ``-vv`` has for them."""
    from pytest_aifootprint.reports import formatting
    from pytest_aifootprint.reports.calls import emitted

    lines = []
    for priced in direct.calls[:MOST_LISTED]:
        call = priced.call
        parts = [call.realness, call.locality, call.operation, call.model or "unknown model"]
        if call.input_tokens is not None or call.output_tokens is not None:
            parts.append(f"{call.input_tokens or 0} + {call.output_tokens or 0} tokens")
        if call.count > 1:
            parts.append(f"x {call.count}")
        parts += filter(None, [emitted([priced]).removeprefix(", ")])
        lines.append("  ".join(parts))
    if len(direct.calls) > MOST_LISTED:
        lines.append(f"and {len(direct.calls) - MOST_LISTED} more calls")
    lines.append(f"in all  {formatting.suffix(direct.carbon.total)}")
    return lines
