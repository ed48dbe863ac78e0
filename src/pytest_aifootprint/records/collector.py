"""Gathers what tests left behind, from one process or from many workers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pytest_aifootprint.attribution.fixtures import FixtureKey
from pytest_aifootprint.attribution.lanes import Lane
from pytest_aifootprint.detection.calls import AICall
from pytest_aifootprint.records.raw import FixtureWindow, TestRun, book, book_unnamed

AGAIN = "\n"
"""Stands between a node id and the run of it, in names of users: no node id has a line break."""


class Perhaps(NamedTuple):
    """A test that called no model but used shared fixtures. Its windows are in its lane."""

    worker: str
    owner: int
    nodeid: str
    outcome: str
    users_of: tuple[FixtureKey, ...]
    retry_owners: tuple[int, ...] = ()
    scopes: tuple[int, ...] = ()


class Loaded(NamedTuple):
    """Models that a test loaded: kept although its record may not be."""

    worker: str
    owners: tuple[int, ...]
    nodeid: str
    loads: list[AICall]


@dataclass(slots=True)
class Collector:
    """The raw run.

    Attributes:
        keep_all: keep the record of every test, also of those that called no model.
        lanes: one for each process that ran tests. tests: the records kept. n_tests: all tests.
        windows: of shared fixtures, with their worker. users: node ids of the tests that used a fixture.
        ai_fixtures: fixtures in whose windows a model was called: their users are AI tests.
        workers: id to whether it reported its end. seams: by worker. errors: of ours, one line each.
        usage_error: what a worker could not accept, such as a mark that cannot be read; then no test ran.
        overlapped: tests beside which others ran at the same time in one process.
        coarse: CPU of some child could only be read in ticks of the system, not by a clock.
        unwatched: Python programs that could not be watched although children are; foreign: other programs that were
            started with an AI provider's address; names and how often.
        strangers: tests that ran in a process which nobody meters, and only reported to one that is metered.
        left_out: tests that were collected and taken away again.
        loaded: what tests loaded.
        selected: how many tests of this run the user's expressions of marks mean, by their place in the list; empty if
            no process told. unknown_marks: of each, names that no test has and nobody registered.
        arming_ns: our CPU in the workers until metering began there.
        controller: what this plugin used in the process that gathers, where that runs no test itself; no spans.
        pids: of the processes that ran tests, by worker; a lost worker has none.
    """

    keep_all: bool = False
    lanes: dict[str, Lane] = field(default_factory=dict)
    tests: list[TestRun] = field(default_factory=list)
    n_tests: int = 0
    windows: list[tuple[str, FixtureWindow]] = field(default_factory=list)
    users: dict[FixtureKey, set[str]] = field(default_factory=dict)
    ai_fixtures: set[FixtureKey] = field(default_factory=set)
    unowned: list[AICall] = field(default_factory=list)
    workers: dict[str, bool] = field(default_factory=dict)
    seams: dict[str, dict[str, str]] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    usage_error: str | None = None
    strangers: int = 0
    overlapped: int = 0
    coarse: bool = False
    arming_ns: int = 0
    left_out: int = 0
    unwatched: Counter[str] = field(default_factory=Counter)
    foreign: Counter[str] = field(default_factory=Counter)
    controller: Lane | None = None
    pids: dict[str, int] = field(default_factory=dict)
    loaded: list[Loaded] = field(default_factory=list)
    selected: dict[int, int] = field(default_factory=dict)
    unknown_marks: dict[int, list[str]] = field(default_factory=dict)
    _perhaps: list[Perhaps] = field(default_factory=list)
    _keys: dict[tuple[FixtureKey, ...], tuple[FixtureKey, ...]] = field(default_factory=dict)

    def lane(self, worker: str, boot_id: str) -> Lane:
        """The lane of a worker, made when first asked for."""
        if worker not in self.lanes:
            self.lanes[worker] = Lane(worker, boot_id)
            self.workers.setdefault(worker, False)
        return self.lanes[worker]

    def add(self, run: TestRun) -> None:
        """A test is over: its spans go into its lane, and its record is kept only if a report may need it.

        A test that used a shared fixture without calling a model itself may still turn out to be an AI test: when the
        fixture's teardown calls one, or its set-up on another worker did. Of such tests a few words are kept. Of one
        that cannot, nothing: 100,000 of them are one owner in the balance.
        """
        self.n_tests += 1
        lane = self.lanes[run.worker]
        kept = bool(run.calls) or run.marker is not None or self.keep_all
        if not kept and not run.users_of and not run.loads and book_unnamed(lane, run):
            return
        book(lane, run)
        self.overlapped += bool(run.apart)
        if run.loads:
            self.loaded.append(Loaded(run.worker, run.owners, run.nodeid, run.loads))
        for window in run.windows:
            self.windows.append((run.worker, window))
            if window.calls:
                self.ai_fixtures.add(window.key)
        for key in run.users_of:
            users = self.users.setdefault(key, set())
            # The same test once more (``--dist each``, a file named twice) is another user: each bears a part.
            users.add(run.nodeid if run.nodeid not in users else f"{run.nodeid}{AGAIN}{run.worker}:{run.index}")
        if kept:
            self.tests.append(run)
        elif run.users_of:
            keys = tuple(run.users_of)
            self._perhaps.append(
                Perhaps(
                    run.worker,
                    run.index,
                    run.nodeid,
                    run.outcome,
                    self._keys.setdefault(keys, keys),
                    tuple(run.retry_owners),
                    run.scopes,
                )
            )

    def settle(self) -> None:
        """No test is to come: those that used a fixture which called a model are AI tests, whenever they ran."""
        late = [slim for slim in self._perhaps if not self.ai_fixtures.isdisjoint(slim.users_of)]
        self._perhaps.clear()
        runs: dict[tuple[str, int], tuple[TestRun, int]] = {}
        for slim in late:
            run = TestRun(slim.owner, slim.nodeid, slim.worker)
            run.closed, run.users_of = True, list(slim.users_of)
            run.retry_owners = list(slim.retry_owners)
            run.scopes = slim.scopes
            run.outcomes = [(len(run.owners), 1, slim.outcome)]
            runs.update({(slim.worker, owner): (run, n) for n, owner in enumerate(run.owners, 1)})
            self.tests.append(run)
        for lane in self.lanes.values() if late else ():
            for span in lane.spans():
                if span.sign > 0 and (found := runs.get((lane.worker, span.owner))) is not None:
                    found[0].edges += (found[1], span.phase, span.t0_ns, span.t1_ns, span.c0_ns, span.c1_ns)
            for piece in lane.pieces():
                if piece.time_ns and (found := runs.get((lane.worker, piece.owner))) is not None:
                    found[0].edges += (found[1], piece.phase, piece.t0_ns, piece.t1_ns, 0, piece.cpu_ns)

    def note_unseen(self, python: Mapping[str, int], foreign: Mapping[str, int]) -> None:
        """Programs that were started by a process and whose calls could not be seen."""
        self.unwatched.update(python)
        self.foreign.update(foreign)

    def note_scopes(self, told: Mapping[str, Any]) -> None:
        """Which tests the user's expressions of marks mean; every process collects the same tests."""
        self.selected.update(told["selected"])
        self.unknown_marks.update(told["unknown"])

    def end_of_worker(self, worker: str, output: dict[str, Any]) -> None:
        """A worker's own totals, at its end."""
        lane = self.lane(worker, output["boot_id"])
        lane.boot_id = output["boot_id"]
        lane.start_ns, lane.end_ns, lane.plugin_ns = output["start_ns"], output["end_ns"], output["plugin_ns"]
        lane.flat_ticks.extend(output["ticks"])
        lane.flat_pieces.extend(output["pieces"])
        self.arming_ns += output["arming_ns"]
        self.workers[worker] = True
        self.seams[worker] = dict(output["seams"])
        self.errors += output["errors"]
        self.usage_error = self.usage_error or output["usage_error"]
        self.strangers += output["strangers"]
        self.coarse |= output["coarse"]
        self.left_out = max(self.left_out, output["left_out"])
        self.note_unseen(*output["unseen_programs"])
        self.pids[worker] = output["pid"]
        self.note_scopes(output["scopes"])
        self.unowned += [AICall.from_wire(c) for c in output["unowned"]]
