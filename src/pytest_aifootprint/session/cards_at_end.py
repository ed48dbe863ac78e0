"""Limits of tests that used a metered GPU: what it took is known when the run is over; then they are judged again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pytest_aifootprint.budgets.verdicts import OF_ENERGY, judge, measure
from pytest_aifootprint.quantities.changed import replace
from pytest_aifootprint.records.model import RunFootprint, TestFootprint, Verdict, live_calls
from pytest_aifootprint.records.unread import CODE as UNREAD
from pytest_aifootprint.session.gate import with_message

if TYPE_CHECKING:
    from pytest_aifootprint.records.raw import TestRun
    from pytest_aifootprint.session.presenter import Presenter

WITH_CARDS = "with what its GPU took, known at the end of the run"


def judged_again(presenter: Presenter, run: RunFootprint) -> RunFootprint:
    """The run with the verdicts of such tests; those of the presenter are changed likewise.

    At the call report a test's direct cost has no joules of a GPU in it, so what passed there may not pass now. A test
    that is over its limit only now has been reported already: its verdict fails the run.
    """
    if not any(meter.domain.startswith("gpu") for meter in run.meters):
        return run
    rows = {(row.worker, row.nodeid): row for row in run.tests}
    changed: dict[tuple[str, str], tuple[Verdict, ...]] = {}
    for test in presenter.collector.tests:
        row, key = rows.get((test.worker, test.nodeid)), (test.worker, test.index)
        before = presenter.test_verdicts.get(key, ())
        if row is None or not _used_a_card(row) or not any(_may_fall(verdict) for verdict in before):
            continue
        again = {verdict.limit: verdict for verdict in _judged(presenter, test, row)}
        after = tuple(again.get(verdict.limit, verdict) if _may_fall(verdict) else verdict for verdict in before)
        presenter.test_verdicts[key] = changed[row.worker, row.nodeid] = after
    if not changed:
        return run
    tests = (replace(row, verdicts=changed.get((row.worker, row.nodeid), row.verdicts)) for row in run.tests)
    return replace(run, tests=tuple(tests))


def _used_a_card(row: TestFootprint) -> bool:
    gpu = row.direct_energy.by_domain.get("gpu")
    return bool(row.direct_energy.unread) or (gpu is not None and gpu.central > 0)


def _may_fall(verdict: Verdict) -> bool:
    return verdict.verdict == "pass" and verdict.unit in OF_ENERGY


def _judged(presenter: Presenter, test: TestRun, row: TestFootprint) -> Iterator[Verdict]:
    for limit in presenter.limits_of(test):
        if limit.kind not in OF_ENERGY:
            continue
        actual = measure(
            limit,
            carbon=row.direct_carbon,
            energy=row.direct_energy,
            water=row.water,
            tokens=row.tokens,
            calls=live_calls(row.calls),
        )
        unread = [notice.message for notice in row.notices if notice.code == UNREAD]
        verdict = judge(limit, actual, presenter.settings.bound, row.nodeid, unread)
        reason = "; ".join(filter(None, (verdict.reason, WITH_CARDS)))
        yield with_message(replace(verdict, reason=reason))
