"""Gathers what tests left behind, from one process or from many workers."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from threading import Lock
from typing import Any, NamedTuple

from msgspec import Struct, field

from pytest_aifootprint.attribution.fixtures import FixtureKey
from pytest_aifootprint.attribution.lanes import SPAN_FIELDS, Lane
from pytest_aifootprint.detection.calls import AICall
from pytest_aifootprint.records.raw import EDGE_FIELDS, FixtureWindow, TestRun, book, book_unnamed, is_plain

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


class Said(NamedTuple):
    """What many tests that called no model have in common."""

    worker: str
    outcomes: tuple[tuple[int, int, str], ...]
    users_of: tuple[FixtureKey, ...]
    scopes: tuple[int, ...]
    phases: int


class EveryTest:
    """Every test of a run, in the order in which they ended, where each gets a row.

    Of one that called no model it keeps a few words, in columns, beside the spans in its lane: from them its record is
    made again whenever it is asked for. 100,000 records would be 1.1 million objects for the garbage collector.
    """

    def __init__(self, lanes: Mapping[str, Lane]) -> None:
        """Nothing yet."""
        self._lanes = lanes
        self._records: list[TestRun | Said] = []
        self._nodeids: list[str] = []
        self._owners = array("q")
        self._places = array("q")
        self._one = Lock()
        self._alike: dict[Said, Said] = {}

    def __len__(self) -> int:
        """How many."""
        return len(self._records)

    def add(self, run: TestRun) -> None:
        """A test whose record is kept."""
        self._add(run, run, 0)

    def took(self, run: TestRun) -> bool:
        """A test that called no model, if the next spans in its lane say all but a few words of it."""
        if not is_plain(run):
            return False
        phases = len(run.edges) // EDGE_FIELDS
        said = Said(run.worker, tuple(run.outcomes), tuple(run.users_of), run.scopes, phases)
        self._add(run, self._alike.setdefault(said, said), len(self._lanes[run.worker].flat_spans))
        return True

    def _add(self, run: TestRun, record: TestRun | Said, place: int) -> None:
        with self._one:  # tests may end in several threads
            self._records.append(record)
            self._nodeids.append(run.nodeid)
            self._owners.append(run.index)
            self._places.append(place)

    def keep_users_of(self, called: set[FixtureKey]) -> list[TestRun]:
        """Those that used one of these fixtures get a record of their own, which is kept; all that are kept."""
        used = {said for said in self._alike if not called.isdisjoint(said.users_of)}
        for number, record in enumerate(self._records if used else ()):
            if isinstance(record, Said) and record in used:
                self._records[number] = self.run(number)
        return [record for record in self._records if isinstance(record, TestRun)]

    def kept(self, number: int) -> TestRun | None:
        """The record of a test; None if nothing of it but its cost is to be told."""
        record = self._records[number]
        return record if isinstance(record, TestRun) else None

    def run(self, number: int) -> TestRun:
        """The record of a test."""
        record = self._records[number]
        if isinstance(record, TestRun):
            return record
        run = TestRun(self._owners[number], self._nodeids[number], record.worker)
        run.closed, run.scopes = True, record.scopes
        run.outcomes, run.users_of = list(record.outcomes), list(record.users_of)
        flat, place = self._lanes[record.worker].flat_spans, self._places[number]
        places: Sequence[int] = range(place, place + record.phases * SPAN_FIELDS, SPAN_FIELDS)
        if [flat[at] for at in places] != [run.index] * record.phases:
            # Another thread's test was booked in between.
            places = [at for at in range(0, len(flat), SPAN_FIELDS) if flat[at] == run.index]
        for at in places:
            run.edges += (1, flat[at + 1], *flat[at + 3 : at + 7])
        return run


class Collector(Struct):
    """The raw run.

    Attributes:
        keep_all: every test gets a row, also those that called no model: they are in ``every``.
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
    every: EveryTest = field(default_factory=lambda: EveryTest({}))

    def __post_init__(self) -> None:
        """Every test is told from its lane."""
        self.every = EveryTest(self.lanes)

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
        kept = bool(run.calls) or run.marker is not None or (self.keep_all and not self.every.took(run))
        if not (kept or run.users_of or run.loads or self.keep_all) and book_unnamed(lane, run):
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
            if self.keep_all:
                self.every.add(run)
        elif run.users_of and not self.keep_all:
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
        if self.keep_all:
            self.tests[:] = self.every.keep_users_of(self.ai_fixtures)
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
