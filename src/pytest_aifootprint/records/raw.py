"""What a run leaves behind before it is priced: tests, windows of shared fixtures, calls. Builtin types on the wire."""

from __future__ import annotations

import json
import struct
from functools import lru_cache
from typing import Any

from msgspec import Struct, field

from pytest_aifootprint.attribution.fixtures import FixtureKey
from pytest_aifootprint.attribution.lanes import CALL, PHASES, SPAN_FIELDS, TEARDOWN, UNNAMED, Lane
from pytest_aifootprint.detection.calls import AICall

EDGE_FIELDS = 6


class FixtureWindow(Struct):
    """One set-up or teardown of a fixture of wider than function scope. An owner of calls (``detection.recorder``).

    Attributes:
        index: the owner number in its lane. key: (base id, name, parameter). scope: ``class`` to ``session``.
        kind: ``setup`` or ``teardown``. nodeid: of the test during which it ran.
        span: (t0, t1, c0, c1) in ns. inside: (owner, phase) of the window around it; owner -1 if its CPU stands in
            pieces, because other tests ran at the same time.
    """

    index: int
    key: FixtureKey
    scope: str
    kind: str
    nodeid: str
    span: tuple[int, int, int, int] = (0, 0, 0, 0)
    inside: tuple[int, int] = (-1, 0)
    calls: list[AICall] = field(default_factory=list)
    phase: str = "fixture"
    closed: bool = False
    tally: dict[tuple[object, ...], AICall] = field(default_factory=dict)
    loads: list[AICall] = field(default_factory=list)

    def to_wire(self) -> list[Any]:
        """Builtin types only."""
        return [
            self.index, list(self.key), self.scope, self.kind, self.nodeid, list(self.span), list(self.inside),
            [c.to_wire() for c in self.calls], [c.to_wire() for c in self.loads],
        ]  # fmt: skip

    @classmethod
    def from_wire(cls, data: list[Any]) -> FixtureWindow:
        """The window that ``to_wire`` gave."""
        index, (base, name, param), scope, kind, nodeid, (t0, t1, c0, c1), (owner, phase), calls, loads = data
        window = cls(index, FixtureKey(base, name, param), scope, kind, nodeid, (t0, t1, c0, c1), (owner, phase))
        window.calls = [AICall.from_wire(c) for c in calls]
        window.loads = [AICall.from_wire(c) for c in loads]
        return window


class TestRun(Struct):
    """One test on one worker, all attempts. An owner of calls (``detection.recorder``).

    Attributes:
        index: the owner number in its lane. retry_owners: those of its second and later attempts.
        edges: flat, six integers a phase: attempt, phase (index in ``PHASES``), t0, t1, c0, c1.
        apart: where in ``edges`` phases begin whose CPU stands in ``pieces``, because other tests ran at the same time.
        pieces: flat, the fields of ``lanes.Piece``.
        calls_until: the number of calls when each attempt ended.
        outcomes: attempt, phase, outcome of every report, in order.
        users_of: shared fixtures that were active at its end. windows: those whose set-up or teardown ran inside.
        loads: models that it loaded; no calls.
        marker: keywords of its ``aifootprint`` marks, the nearest one winning; None without a mark.
        scopes: the user's limits on marks that mean this test, by their place in the list.
    """

    __test__ = False  # pytest would try to collect the name

    index: int
    nodeid: str
    worker: str = "main"
    phase: str = "setup"
    closed: bool = False
    attempt: int = 0
    marker: dict[str, Any] | None = None
    scopes: tuple[int, ...] = ()
    tally: dict[tuple[object, ...], AICall] = field(default_factory=dict)
    calls: list[AICall] = field(default_factory=list)
    loads: list[AICall] = field(default_factory=list)
    calls_until: list[int] = field(default_factory=list)
    edges: list[int] = field(default_factory=list)
    apart: list[int] = field(default_factory=list)
    pieces: list[int] = field(default_factory=list)
    outcomes: list[tuple[int, int, str]] = field(default_factory=list)
    retry_owners: list[int] = field(default_factory=list)
    users_of: list[FixtureKey] = field(default_factory=list)
    windows: list[FixtureWindow] = field(default_factory=list)

    @property
    def owners(self) -> tuple[int, ...]:
        """The owner numbers of all attempts, in order."""
        return (self.index, *self.retry_owners)

    def owner_of(self, attempt: int) -> int:
        """The owner number of an attempt, from 1; the last one's for a number beyond."""
        retries = self.retry_owners
        return retries[min(attempt - 2, len(retries) - 1)] if retries and attempt > 1 else self.index

    @property
    def retried_calls(self) -> list[AICall]:
        """The calls of all attempts but the last."""
        return self.calls[: self.calls_until[-2]] if len(self.calls_until) > 1 else []

    @property
    def outcome(self) -> str:
        """Of the last attempt: failed and error before skipped before passed."""
        outcomes = self.outcomes
        return self.outcome_of(max([a for a, _, _ in outcomes]) if outcomes else 0)

    def outcome_of(self, attempt: int) -> str:
        """As pytest counts it: ``error`` for a failed set-up or teardown."""
        reports = tuple([(phase, outcome) for a, phase, outcome in self.outcomes if a == attempt])
        return _outcome(reports, again=attempt < max(self.edges[::EDGE_FIELDS], default=0))

    @property
    def attempts(self) -> list[int]:
        """Numbers of the attempts, in order."""
        return sorted(set(self.edges[::EDGE_FIELDS]))

    def phase_seconds(self, attempt: int) -> dict[str, tuple[float, float]]:
        """Phase name to (wall seconds, CPU seconds) of one attempt; a window of a shared fixture is not taken out."""
        sums: dict[str, tuple[float, float]] = {}
        edges = self.edges
        for i in range(0, len(edges), EDGE_FIELDS):
            a, phase, t0, t1, c0, c1 = edges[i : i + EDGE_FIELDS]
            if a == attempt:
                wall, cpu = sums.get(PHASES[phase], (0.0, 0.0))
                sums[PHASES[phase]] = (wall + (t1 - t0) / 1e9, cpu + (c1 - c0) / 1e9)
        return sums

    def wall_s(self) -> float:
        """Seconds of all phases so far."""
        edges = self.edges
        return sum(edges[i + 3] - edges[i + 2] for i in range(0, len(edges), EDGE_FIELDS)) / 1e9

    def own_cpu_s(self) -> float:
        """CPU seconds of all phases so far, without the windows of shared fixtures inside."""
        edges = self.edges
        ns = sum(edges[i + 5] - edges[i + 4] for i in range(0, len(edges), EDGE_FIELDS))
        return (ns - sum(w.span[3] - w.span[2] for w in self.windows if w.inside[0] in self.owners)) / 1e9

    def to_wire(self) -> str:
        """One JSON string: what rides on a report from a worker."""
        return json.dumps(
            [
                self.index, self.edges, self.outcomes, self.users_of,
                [w.to_wire() for w in self.windows], [c.to_wire() for c in self.calls], self.marker,
                self.retry_owners, self.apart, self.pieces, self.calls_until, [c.to_wire() for c in self.loads],
                self.scopes,
            ],
            separators=(",", ":"),
        )  # fmt: skip

    @classmethod
    def from_wire(cls, text: str, nodeid: str, worker: str) -> TestRun:
        """The test that ``to_wire`` gave."""
        (
            index, edges, outcomes, users_of, windows, calls, marker, retries, apart, pieces, until, loads, scopes,
        ) = json.loads(text)  # fmt: skip
        run = cls(index, nodeid, worker)
        run.closed, run.marker, run.scopes = True, marker, tuple(scopes)
        run.edges, run.apart, run.pieces, run.calls_until, run.retry_owners = edges, apart, pieces, until, retries
        run.outcomes = [(a, p, o) for a, p, o in outcomes]
        run.users_of = [FixtureKey(b, n, p) for b, n, p in users_of]
        run.windows = [FixtureWindow.from_wire(w) for w in windows]
        run.calls = [AICall.from_wire(c) for c in calls]
        run.loads = [AICall.from_wire(c) for c in loads]
        return run


@lru_cache(maxsize=256)
def _outcome(reports: tuple[tuple[int, str], ...], *, again: bool) -> str:
    """Of an attempt, from the phase and outcome of its reports, and whether another followed: few of a run differ."""
    found = set(reports)
    if (1, "failed") in found:
        return "failed"
    if {(0, "failed"), (2, "failed")} & found:
        return "error"
    words = {outcome for _, outcome in found}
    if not any(phase == 1 for phase, _ in found):
        # No report of the call: it was repeated by a plugin that keeps the report to itself (flaky), or broken off.
        words = words - {"passed"} or ({"rerun"} if again else set())
    return next((w for w in ("rerun", "xfailed", "xpassed", "skipped", "passed") if w in words), "unknown")


_ONE_SPAN = struct.Struct(f"{SPAN_FIELDS}q").pack
_THREE_PHASES = 3 * EDGE_FIELDS


def is_plain(run: TestRun) -> bool:
    """Whether its spans say all of a test's time: one attempt, nothing else ran at the same time or inside."""
    return set(run.edges[::EDGE_FIELDS]) == {1} and not (
        run.apart or run.pieces or run.windows or run.retry_owners or run.loads or run.calls_until[1:]
    )


def book_unnamed(lane: Lane, run: TestRun) -> bool:
    """Put a test of which no report will ever speak into its lane, as one span of all such tests together.

    Returns:
        Whether that could be done: one attempt of three phases, nothing else ran at the same time or inside.
    """
    edges = run.edges
    if len(edges) != _THREE_PHASES or run.apart or run.windows or run.retry_owners or edges[13] != TEARDOWN:
        return False
    # Packed, because an array takes number by number 2.5 times as slowly (timeit: 0.30 us, 0.12 packed).
    lane.flat_spans.frombytes(_ONE_SPAN(UNNAMED, CALL, 1, edges[2], edges[15], edges[4], edges[17]))
    return True


def book(lane: Lane, run: TestRun) -> None:
    """Put a test's windows, and those of shared fixtures inside it, into its lane."""
    edges = run.edges
    for i in range(0, len(edges), EDGE_FIELDS):
        if i not in run.apart:
            lane.flat_spans.extend((run.owner_of(edges[i]), edges[i + 1], 1, *edges[i + 2 : i + 6]))
    for window in run.windows:
        owner, phase = window.inside
        if owner >= 0:
            lane.flat_spans.extend((window.index, 0, 1, *window.span))
            lane.flat_spans.extend((owner, phase, -1, *window.span))
    lane.flat_pieces.extend(run.pieces)
