"""Shared fixtures: who pays for what was set up once and used by many (method: section 2, design: rule 8).

A fixture of wider than function scope is set up by whichever test comes first, once on every worker. So all set-ups and
teardowns of a fixture on all workers are added up and divided by the number of different tests that used it, wherever
they ran: neither the order of the tests nor the number of workers decides who pays.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from msgspec import Struct

from pytest_aifootprint.attribution.shares import OwnerKey
from pytest_aifootprint.quantities import OfUnit


class FixtureKey(NamedTuple):
    """The same fixture on every worker: where it is defined, its name, its parameter ("" without)."""

    base_id: str
    name: str
    param: str


class FixtureWindow(Struct, frozen=True):
    """One set-up or teardown of a shared fixture.

    Attributes:
        worker, owner: its owner in the lane. scope: class, module, package or session. setup: False for a teardown.
        nodeid: the test that it was set up for; who pays if nobody could use it. None for a teardown.
    """

    worker: str
    owner: int
    key: FixtureKey
    scope: str
    setup: bool
    nodeid: str | None = None


class FixtureBill(Struct, frozen=True):
    """A shared fixture, what belongs to it, and who pays for it.

    Attributes:
        owners: its set-ups and teardowns on all workers. setups: how often it was set up.
        users: node ids of the tests that used it, sorted. payers: these; else those that it was being set up for; else
            none, and it stays unattributed.
    """

    key: FixtureKey
    scope: str
    owners: tuple[OwnerKey, ...]
    setups: int
    users: tuple[str, ...]
    payers: tuple[str, ...]

    @property
    def part(self) -> float:
        """The part of the whole that each payer bears; 0 if nobody pays."""
        return 1 / len(self.payers) if self.payers else 0.0

    def share_of(self, whole: OfUnit) -> OfUnit:
        """What each payer bears of the whole, as uncertain as that is: joules, grams, litres."""
        return whole.scale(self.part)


def fixture_bills(windows: Iterable[FixtureWindow], users: Mapping[FixtureKey, Iterable[str]]) -> list[FixtureBill]:
    """One bill for every fixture that was set up or torn down, in the order of their keys.

    Args:
        windows: of all workers, in any order.
        users: node ids of the tests that used each fixture, of all workers.

    Returns:
        The bills. ``energy_of_all(bill.owners)`` of a domain's shares is the whole, ``share_of`` what one test bears.
    """
    by_key: dict[FixtureKey, list[FixtureWindow]] = {}
    for window in windows:
        by_key.setdefault(window.key, []).append(window)
    bills = []
    for key in sorted(by_key):
        own = by_key[key]
        used_by = tuple(sorted(set(users.get(key, ()))))
        meant_for = tuple(sorted({w.nodeid for w in own if w.setup and w.nodeid is not None}))
        bills.append(
            FixtureBill(
                key=key,
                scope=own[0].scope,
                owners=tuple(sorted({(w.worker, w.owner) for w in own})),
                setups=sum(w.setup for w in own),
                users=used_by,
                payers=used_by or meant_for,
            )
        )
    return bills


def shares_by_test(bills: Sequence[FixtureBill]) -> dict[str, list[FixtureBill]]:
    """The bills that each test bears a share of, by node id."""
    found: dict[str, list[FixtureBill]] = {}
    for bill in bills:
        for nodeid in bill.payers:
            found.setdefault(nodeid, []).append(bill)
    return found


def whole_of(bill: FixtureBill, values: Mapping[OwnerKey, float]) -> float:
    """A plain number of the whole fixture, for example its CPU seconds: the sum over its set-ups and teardowns."""
    return math.fsum(values.get(owner, 0.0) for owner in bill.owners)
