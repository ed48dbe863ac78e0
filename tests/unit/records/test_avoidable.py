"""What had not been emitted had a test, or all AI tests, not run."""

from __future__ import annotations

import pytest

from pytest_aifootprint.attribution.fixtures import FixtureBill, FixtureKey
from pytest_aifootprint.quantities import EXACT_ZERO, Grams, Joules, Range
from pytest_aifootprint.records.amounts import Carbon, Energy
from pytest_aifootprint.records.avoidable import of_all, only_for, payer_names, share_of
from pytest_aifootprint.records.cost import Cost, sum_costs
from pytest_aifootprint.records.raw import TestRun

AI = payer_names([TestRun(1, "a", "gw0"), TestRun(2, "b", "gw1")])


def bill(*users: str, payers: tuple[str, ...] = ()) -> FixtureBill:
    return FixtureBill(FixtureKey("", "model", ""), "session", (("gw0", 3),), 1, users, users or payers)


def cost(grams: float) -> Cost:
    use = Grams(Range.times_over(grams, 2.0, "cpu_w"))
    joules = Joules(Range.times_over(100 * grams, 2.0, "cpu_w"))
    return Cost(Energy({"cpu": joules}), Carbon(use), avoidable_carbon_g=use)


def test_a_fixture_of_one_test_goes_with_it() -> None:
    assert share_of(bill("a"), cost(6)) == cost(6)


def test_a_fixture_of_two_tests_goes_with_neither_though_each_bears_its_half() -> None:
    share = share_of(bill("a", "b"), cost(6))

    assert share.avoidable_carbon_g == EXACT_ZERO
    assert (share.carbon, share.energy) == (cost(3).carbon, cost(3).energy)


def test_a_fixture_that_another_test_needs_too_goes_with_nobody() -> None:
    assert share_of(bill("a", "plain"), cost(6)).avoidable_carbon_g == EXACT_ZERO
    assert of_all([cost(1), cost(2)], [(bill("a", "plain"), cost(6))], AI).central == 3


def test_what_ai_tests_share_among_themselves_goes_with_all_of_them() -> None:
    own = [cost(1), cost(2)]
    shared = [(bill("a", "b"), cost(6)), (bill("a"), cost(10)), (bill("plain"), cost(100))]
    rows = [
        sum_costs([cost(1), share_of(*shared[0]), share_of(*shared[1])]).avoidable_carbon_g,
        sum_costs([cost(2), share_of(*shared[0])]).avoidable_carbon_g,
    ]

    assert [row.central for row in rows] == [11, 2]
    assert of_all(own, shared, AI).central == 19
    assert of_all(own, shared, AI).high == pytest.approx(38)


def test_the_same_test_in_two_runs_is_two_users() -> None:
    names = payer_names([TestRun(1, "a", "gw0"), TestRun(7, "a", "gw1")])
    twice = bill("a", "a\ngw1:7")

    assert share_of(twice, cost(6)).avoidable_carbon_g == EXACT_ZERO
    # Of the same test, one run asked a model and the other did not: the fixture is needed without AI, too.
    assert not only_for(twice, payer_names([TestRun(7, "a", "gw1")]))
    assert only_for(twice, names)
    assert not only_for(bill("a", "a\ngw1:8"), names)


def test_a_fixture_that_was_set_up_for_an_ai_test_and_failed_goes_with_it_and_one_for_nobody_never() -> None:
    assert share_of(bill(payers=("a",)), cost(6)) == cost(6)
    assert of_all([], [(bill(payers=("a",)), cost(6))], AI).central == 6
    assert of_all([], [(bill(), cost(6))], AI) == EXACT_ZERO
    assert not only_for(bill(), AI)
