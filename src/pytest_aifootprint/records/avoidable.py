"""What had not been emitted had tests not run (method: section 7). Shared fixtures go only with all their users."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from pytest_aifootprint.attribution.fixtures import FixtureBill
from pytest_aifootprint.quantities import ZERO_G, Grams, total
from pytest_aifootprint.quantities.changed import replace
from pytest_aifootprint.records.collector import AGAIN
from pytest_aifootprint.records.cost import Cost
from pytest_aifootprint.records.raw import TestRun


def share_of(bill: FixtureBill, whole: Cost) -> Cost:
    """What each payer bears of a shared fixture; avoidable by it alone only where nobody else uses the fixture."""
    share = whole.scale(bill.part)
    return share if len(bill.payers) == 1 else replace(share, avoidable_carbon_g=ZERO_G)


def of_all(own: Iterable[Cost], fixtures: Iterable[tuple[FixtureBill, Cost]], names: set[str]) -> Grams:
    """Grams CO2e that had not been emitted had all AI tests not run, but every other test.

    It is not the sum over single tests: what several of them share goes when all go, and with none of them alone.

    Args:
        own: of the AI tests, without shared fixtures.
        fixtures: all of the run, as a whole.
        names: of the AI tests, from ``payer_names``.

    Returns:
        Their own parts, and the fixtures that no other test needs.
    """
    theirs = (whole for bill, whole in fixtures if only_for(bill, names))
    return total(cost.avoidable_carbon_g for cost in (*own, *theirs))


def only_for(bill: FixtureBill, names: set[str]) -> bool:
    """Whether a shared fixture was set up for these tests alone."""
    return bool(bill.payers) and names.issuperset(bill.payers)


def payer_names(runs: Sequence[TestRun]) -> set[str]:
    """Names that these tests have among the payers of fixtures: a test that ran twice is two."""
    times = Counter(run.nodeid for run in runs)
    again = {f"{run.nodeid}{AGAIN}{run.worker}:{run.index}" for run in runs if times[run.nodeid] > 1}
    return times.keys() | again
