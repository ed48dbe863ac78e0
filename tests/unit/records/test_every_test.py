"""A row for every test: what is kept of those that called no model, and rows that are made when they are read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import asdict

from pytest_aifootprint.attribution.fixtures import FixtureKey
from pytest_aifootprint.attribution.lanes import Lane
from pytest_aifootprint.detection.calls import AICall
from pytest_aifootprint.records.all_rows import AllRows
from pytest_aifootprint.records.collector import Collector
from pytest_aifootprint.records.raw import FixtureWindow, TestRun, book

JUDGE = FixtureKey("test_a.py", "judge", "")


def collector() -> Collector:
    return Collector(keep_all=True, lanes={"main": Lane("main", "boot")})


def a_test(index: int, *phases: int) -> TestRun:
    run = TestRun(index, f"test_a.py::test_{index}")
    for phase in phases or (0, 1, 2):
        t0, c0 = 1000 * index + 10 * phase, 100 * index + phase
        run.edges += (1, phase, t0, t0 + 10, c0, c0 + 1)
        run.outcomes.append((1, phase, "passed"))
    run.closed = True
    return run


def a_call() -> AICall:
    return AICall(operation="chat", client="httpx", locality="remote", realness="live", started_ns=0, duration_ns=0)


def test_a_record_that_was_not_kept_is_made_again_as_it_was() -> None:
    gathered = collector()
    runs = [a_test(0), a_test(1, 0, 2), a_test(2)]
    runs[2].users_of, runs[2].scopes = [JUDGE], (1,)
    for run in runs:
        gathered.add(run)
    assert gathered.tests == []
    assert [asdict(gathered.every.run(n)) for n in range(3)] == [asdict(run) for run in runs]


def test_a_record_is_found_though_another_threads_test_was_booked_in_between() -> None:
    gathered = collector()
    first, second = a_test(0), a_test(1)
    assert gathered.every.took(first)
    gathered.add(second)
    book(gathered.lanes["main"], first)
    assert [gathered.every.run(n).edges for n in range(2)] == [first.edges, second.edges]


SPECIAL: dict[str, Callable[[TestRun], Any]] = {
    "a call": lambda run: run.calls.append(a_call()),
    "a load": lambda run: run.loads.append(a_call()),
    "a mark": lambda run: setattr(run, "marker", {}),
    "a second attempt": lambda run: run.edges.extend((2, 1, 0, 1, 0, 1)),
    "another test beside it": lambda run: run.apart.append(6),
    "a piece": lambda run: run.pieces.extend((0, 1, 0, 1, 1, 1)),
    "a shared fixture's window": lambda run: run.windows.append(FixtureWindow(7, JUDGE, "module", "setup", run.nodeid)),
    "no windows": lambda run: run.edges.clear(),
}


@pytest.mark.parametrize("what", SPECIAL)
def test_a_record_with_more_in_it_is_kept(what: str) -> None:
    gathered, run = collector(), a_test(0)
    SPECIAL[what](run)
    gathered.add(run)
    assert gathered.every.kept(0) is run
    assert gathered.tests == [run]


def test_who_used_a_fixture_that_called_a_model_later_is_an_ai_test_in_its_place() -> None:
    gathered = collector()
    user, caller, other = a_test(0), a_test(1), a_test(2)
    user.users_of = [JUDGE]
    caller.windows = [FixtureWindow(7, JUDGE, "module", "teardown", caller.nodeid, calls=[a_call()])]
    for run in (user, caller, other):
        gathered.add(run)
    gathered.settle()
    assert [run.index for run in gathered.tests] == [0, 1]
    assert gathered.every.kept(0) is gathered.tests[0]
    assert gathered.every.kept(2) is None


def test_rows_are_made_in_their_place_whenever_they_are_read() -> None:
    made: list[int] = []

    def make(place: int) -> Any:
        made.append(place)
        return f"made {place}"

    told: Any = {1: "told 1", 99: "told 99"}
    rows: Any = AllRows(told, 150, make)
    assert len(rows) == 150
    assert rows.telling == ("told 1", "told 99")
    assert made == []
    as_list = [told.get(n, f"made {n}") for n in range(150)]
    assert list(rows) == as_list
    assert made == [n for n in range(150) if n not in told]
    assert (rows[0], rows[1], rows[-1], rows[98:101]) == ("made 0", "told 1", "made 149", tuple(as_list[98:101]))
    with pytest.raises(IndexError):
        rows[150]
