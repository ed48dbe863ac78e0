from __future__ import annotations

import random

import pytest

from pytest_aifootprint.attribution.fixtures import FixtureKey, FixtureWindow, fixture_bills, shares_by_test, whole_of
from pytest_aifootprint.attribution.lanes import Lane
from pytest_aifootprint.attribution.shares import model_shares
from pytest_aifootprint.meters.contract import LoadModel
from pytest_aifootprint.quantities import EXACT_ZERO, Range

MODEL = FixtureKey("", "model", "")
SERVER = FixtureKey("tests/test_a.py", "server", "v1")

WINDOWS = [
    FixtureWindow("gw0", 3, MODEL, "session", setup=True, nodeid="a"),
    FixtureWindow("gw0", 9, MODEL, "session", setup=False),
    FixtureWindow("gw1", 2, MODEL, "session", setup=True, nodeid="c"),
    FixtureWindow("gw1", 5, SERVER, "module", setup=True, nodeid="c"),
]
USERS = {MODEL: ["a", "b", "c", "d", "a"], SERVER: ["c"]}


def test_setups_and_teardowns_of_all_workers_are_divided_by_distinct_users() -> None:
    model, server = fixture_bills(WINDOWS, USERS)
    assert model.owners == (("gw0", 3), ("gw0", 9), ("gw1", 2))
    assert (model.setups, model.users, model.payers) == (2, ("a", "b", "c", "d"), ("a", "b", "c", "d"))
    assert model.share_of(Range(20.0)).central == 5.0
    assert (server.scope, server.setups, server.part) == ("module", 1, 1.0)
    assert whole_of(model, {("gw0", 3): 1.0, ("gw1", 2): 2.5, ("gw1", 5): 50.0}) == 3.5


def test_a_share_is_as_uncertain_as_the_whole() -> None:
    share = fixture_bills(WINDOWS, USERS)[0].share_of(Range.of(10, 20, 60, "cpu_w"))
    assert (share.low, share.central, share.high) == pytest.approx((2.5, 5.0, 15.0))


def test_a_fixture_that_nobody_could_use_is_paid_by_whom_it_was_set_up_for() -> None:
    model, server = fixture_bills(WINDOWS, {SERVER: ["x"]})
    assert (model.users, model.payers, model.part) == ((), ("a", "c"), 0.5)
    assert server.payers == ("x",)


def test_a_fixture_for_nobody_stays_unattributed() -> None:
    (bill,) = fixture_bills([FixtureWindow("main", 1, MODEL, "session", setup=False, nodeid="z")], {})
    assert (bill.payers, bill.part, bill.share_of(Range(9.0))) == ((), 0.0, EXACT_ZERO)
    assert shares_by_test([bill]) == {}


def test_neither_order_nor_worker_decides_who_pays() -> None:
    mixed, users = WINDOWS[:], {MODEL: ["d", "c", "b", "a"], SERVER: ["c"]}
    random.Random(2).shuffle(mixed)
    assert fixture_bills(mixed, users) == fixture_bills(WINDOWS, USERS)


def test_each_test_finds_its_bills() -> None:
    bills = fixture_bills(WINDOWS, USERS)
    assert shares_by_test(bills) == {"a": [bills[0]], "b": [bills[0]], "c": bills, "d": [bills[0]]}


def test_shares_add_up_to_what_the_fixtures_took(vm: LoadModel) -> None:
    lanes = [Lane("gw0", "b"), Lane("gw1", "b")]
    for lane, owner, ns in ((lanes[0], 3, 10**9), (lanes[0], 9, 10**8), (lanes[1], 2, 2 * 10**9), (lanes[1], 5, 10**7)):
        lane.add((owner, 0, 1, 0, 10**9, 0, ns))
    shares = model_shares(vm, lanes, 10.0, 5.0)
    bills = fixture_bills(WINDOWS, USERS)
    paid = [
        bill.share_of(shares.energy_of_all(bill.owners)).central
        for own in shares_by_test(bills).values()
        for bill in own
    ]
    assert sum(paid) == pytest.approx(2.0 * 3.11)
