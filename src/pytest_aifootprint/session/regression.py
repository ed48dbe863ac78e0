"""The gate against a baseline: reads it before any test runs, and judges when the run is over."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from pytest_aifootprint.budgets import Limit, baseline_file
from pytest_aifootprint.budgets.baseline import Baseline, BaselineError, fingerprint, same_project, updated
from pytest_aifootprint.budgets.regression import PER_TOKEN, compare
from pytest_aifootprint.budgets.verdicts import judge
from pytest_aifootprint.options.settings import Settings
from pytest_aifootprint.quantities.changed import replace
from pytest_aifootprint.records.changes import RUN, Change, Changes
from pytest_aifootprint.records.model import RunFootprint, Verdict
from pytest_aifootprint.records.snapshot import FIXTURE, Snapshot, plain_id, snapshot_of_report, snapshot_of_run
from pytest_aifootprint.reports import changing, formatting
from pytest_aifootprint.reports.saved.file import SavedError, load
from pytest_aifootprint.session.gate import RELATIONS, told_unread
from pytest_aifootprint.session.project import project_of

TOLERANCE = 1e-4
"""Of a value on its limit: the baseline's have five digits."""


class BaselineGate:
    """A baseline and what of its tests ran.

    Attributes:
        ran: node ids.
    """

    def __init__(self, file: str, baseline: Baseline, threshold: float | None) -> None:
        """Take a baseline that was read; a threshold as a share, or None to compare only."""
        self._file = file
        self._baseline = baseline
        self._threshold = threshold
        self.ran: set[str] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note that a test ran, with or without an AI call."""
        name = plain_id(report.nodeid)
        if name in self._baseline.entries:
            self.ran.add(name)

    def judged(self, run: RunFootprint, bound: str, doubts: Sequence[str]) -> RunFootprint:
        """The run with its changes, notices about them, and verdicts on itself and on its tests."""
        snapshot = snapshot_of_run(run)
        changes = compare(snapshot, self._baseline, self._file, self.ran, self._threshold)
        notices = (*run.notices, *changing.notices(changes))
        verdicts: dict[str, list[Verdict]] = {}
        unread = {RUN: told_unread(run.notices)} | {
            plain_id(t.nodeid): told_unread(t.notices) for t in run.telling_tests
        }
        for change in changes.changes:
            if change.allowed is not None:
                more = [] if change.unit == "tokens" else unread.get(change.scope, [])
                found = self._verdict(change, changes, snapshot, bound, doubts, more)
                verdicts.setdefault(change.scope, []).append(found)
        of_fixtures = [
            v for scope, found in verdicts.items() if scope.startswith(FIXTURE) for v in found if v.verdict != "pass"
        ]
        tests = run.tests
        if verdicts.keys() - {RUN}:
            tests = tuple(
                replace(test, verdicts=(*test.verdicts, *verdicts.pop(name)))
                if test.ai and (name := plain_id(test.nodeid)) in verdicts
                else test
                for test in tests
            )
        of_run = (*run.verdicts, *verdicts.get(RUN, ()), *of_fixtures)
        return replace(run, changes=changes, notices=notices, verdicts=of_run, tests=tests)

    def _verdict(  # noqa: PLR0913 - a verdict is made from all of these
        self,
        change: Change,
        changes: Changes,
        snapshot: Snapshot,
        bound: str,
        doubts: Sequence[str],
        unread: Sequence[str],
    ) -> Verdict:
        assert self._threshold is not None
        assert change.allowed is not None
        before = change.before
        text = f"+{self._threshold * 100:g} % on baseline"
        unit = f"{change.unit}/baseline"
        # Of a baseline of nothing there is no share: any increase is too much.
        actual = change.actual.scale(1 / before) if before else None
        most = change.allowed / before if before else 0.0
        doubts = [*self._doubts(change, changes, snapshot), *(doubts if change.scope == RUN else ()), *unread]
        judged = judge(
            Limit(unit, most * (1 + TOLERANCE), text),
            change.actual if actual is None else actual,
            bound,
            change.scope,
            doubts,
        )
        if judged.verdict == "fail" and change.unit == PER_TOKEN and any(map(_of_factors, changes.differs)):
            # A remote call's joules do not depend on the machine, but on the factors.
            judged = replace(judged, verdict="undecided", reason="it may be the factors that changed")
        figures = changing.said(change)
        if change.by_spread:
            allows = formatting.increase(change.allowed / before - 1)
            figures += f"; the spread of these runs allows {allows}"
        reason = f"{figures}; {judged.reason}" if judged.reason else figures
        message = f"{changing.said(change)}: {RELATIONS[judged.verdict]} {text}"
        message += f": {judged.reason}" if judged.reason else ""
        return replace(judged, actual=actual, limit_value=most, reason=reason, message=message)

    def _doubts(self, change: Change, changes: Changes, snapshot: Snapshot) -> list[str]:
        entries = list(snapshot.spent.values()) if change.scope == RUN else [snapshot.spent[change.scope]]
        doubts = []
        if change.unit == "tokens" and any(spent.tokens is None for spent in entries):
            doubts.append("calls did not tell their tokens")
        if change.scope == RUN:
            if not (changes.compared or changes.silent) and (changes.partial or (changes.vanished and not changes.new)):
                doubts.append("no test of the baseline ran")
            if changes.without_row:
                doubts.append(f"{changes.without_row} AI tests without a row are not compared")
        elif snapshot.spent[change.scope].unpriced:
            doubts.append(f"{snapshot.spent[change.scope].unpriced} AI calls could not be priced")
        return doubts


def _of_factors(difference: str) -> bool:
    return difference.startswith("factors:")


def declared_baseline(config: pytest.Config, settings: Settings) -> BaselineGate | None:
    """The gate that the user asked for.

    Raises:
        pytest.UsageError: one line, for a baseline that is missing, cut off, of another version or another project.
    """
    if settings.baseline is None:
        return None
    path, value = settings.baseline
    try:
        baseline = read_baseline(path)
        _check_project(baseline, config.rootpath)
    except (SavedError, BaselineError) as error:
        raise value.error(str(error)) from None
    return BaselineGate(path.name, baseline, settings.fail_on_increase)


def read_baseline(path: Path) -> Baseline:
    """A baseline from a file of its own, or from a saved report.

    Raises:
        SavedError, BaselineError: one line with the file, what is wrong and what to do.
    """
    if not path.exists():
        raise BaselineError(f"{path}: no such file; make one of a saved report: aifootprint baseline update REPORT")
    document = load(path)
    try:
        if baseline_file.is_baseline(document):
            return baseline_file.read(document)
        snapshot = snapshot_of_report(document)
    except ValueError as error:
        raise BaselineError(f"{path}: {error}") from None
    if snapshot.lost:
        raise BaselineError(f"{path}: a report that lacks the tests of lost workers: {', '.join(snapshot.lost)}")
    return updated(Baseline(None), snapshot, fingerprint(document)).baseline


def _check_project(baseline: Baseline, rootpath: Path) -> None:
    here = project_of(rootpath)
    there = baseline.project
    if there is None:
        # A report from before reports said so: the tests tell.
        files = {re.split("::", name, maxsplit=1)[0] for name in baseline.entries if not name.startswith(FIXTURE)}
        if files and not any((rootpath / file).exists() for file in files):
            raise BaselineError(f"it is of another project: none of its {len(files)} test files is here")
    elif not same_project(there, here):
        raise BaselineError(
            f"it is of another project: of {there['name']!r} ({there['from']}), this is {here['name']!r} "
            f"({here['from']}); name the project in pyproject.toml, or make a baseline of its own"
        )
