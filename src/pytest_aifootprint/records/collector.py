"""Gathers what tests left behind, from one process or from many workers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pytest_aifootprint.attribution.fixtures import FixtureKey
from pytest_aifootprint.attribution.lanes import Lane
from pytest_aifootprint.detection.calls import AICall
from pytest_aifootprint.records.raw import FixtureWindow, TestRun


@dataclass(slots=True)
class Collector:
    """The raw run.

    Attributes:
        keep_all: keep the record of every test, also of those that called no model.
        lanes: one for each process that ran tests. tests: the records kept. n_tests: all tests.
        windows: of shared fixtures, with their worker. users: node ids of the tests that used a fixture.
        ai_fixtures: fixtures in whose windows a model was called: their users are AI tests.
        workers: id to whether it reported its end. seams: by worker. errors: of ours, one line each.
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

    def lane(self, worker: str, boot_id: str) -> Lane:
        """The lane of a worker, made when first asked for."""
        if worker not in self.lanes:
            self.lanes[worker] = Lane(worker, boot_id)
            self.workers.setdefault(worker, False)
        return self.lanes[worker]

    def add(self, run: TestRun) -> None:
        """A test is over. Its spans are in its lane already; its record is kept only if a report may need it."""
        self.n_tests += 1
        for window in run.windows:
            self.windows.append((run.worker, window))
            if window.calls:
                self.ai_fixtures.add(window.key)
        for key in run.users_of:
            self.users.setdefault(key, set()).add(run.nodeid)
        if run.calls or run.marker is not None or self.keep_all or not self.ai_fixtures.isdisjoint(run.users_of):
            self.tests.append(run)

    def end_of_worker(self, worker: str, output: dict[str, Any]) -> None:
        """A worker's own totals, at its end."""
        lane = self.lane(worker, output["boot_id"])
        lane.start_ns, lane.end_ns, lane.plugin_ns = output["start_ns"], output["end_ns"], output["plugin_ns"]
        lane.flat_ticks.extend(output["ticks"])
        self.workers[worker] = True
        self.seams[worker] = dict(output["seams"])
        self.errors += output["errors"]
        self.unowned += [AICall.from_wire(c) for c in output["unowned"]]
