"""What the gate against a baseline does to unchanged runs and to doubled tests: the table of regression-gate.md.

``python tests/benchmarks/baseline_gate.py run*.json`` takes reports of unchanged runs of one suite, oldest first. Each
run is held against the k before it with a threshold of 10 %, and once more with each of its AI tests doubled.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from pytest_aifootprint.budgets.baseline import Baseline, updated
from pytest_aifootprint.budgets.regression import compare
from pytest_aifootprint.budgets.spread import spread_of
from pytest_aifootprint.quantities.changed import replace
from pytest_aifootprint.records.changes import RUN
from pytest_aifootprint.records.snapshot import FIXTURE, Snapshot, snapshot_of_report
from pytest_aifootprint.reports.saved.file import load

THRESHOLD = 0.1
RUNS = (1, 3, 5, 10)


def main() -> None:
    """Print a row for each length of the history."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("reports", type=Path, nargs="+")
    snapshots = [snapshot_of_report(load(path)) for path in parser.parse_args().reports]
    describe(snapshots)
    print("| k | unchanged runs that failed | doubled tests that were found |\n|---|---|---|")  # noqa: T201
    for k in RUNS:
        alarms = found = doubled = 0
        for number in range(k, len(snapshots)):
            baseline = baseline_of(snapshots[number - k : number])
            now = snapshots[number]
            alarms += bool(failing(now, baseline))
            for name in [name for name in now.spent if not name.startswith(FIXTURE)]:
                doubled += 1
                found += bool(failing(twice(now, name), baseline) & {name, RUN})
        print(f"| {k} | {alarms} of {max(len(snapshots) - k, 0)} | {found} of {doubled} |")  # noqa: T201


def describe(snapshots: Sequence[Snapshot]) -> None:
    """Joules of the tests that all runs have, and of the runs, and how much they spread."""
    names = [name for name in snapshots[0].spent if all(name in snapshot.spent for snapshot in snapshots)]
    counts = {name: {(s.spent[name].calls, s.spent[name].tokens) for s in snapshots} for name in names}
    tests = [
        spread_of([s.spent[name].energy_j.central for s in snapshots]) for name in names if not name.startswith(FIXTURE)
    ]
    joules = [sum(s.spent[name].energy_j.central * s.spent[name].share for name in names) for s in snapshots]
    grams = [sum(s.spent[name].carbon_g.central * s.spent[name].share for name in names) for s in snapshots]
    levels, spreads = [1e3 * spread.level for spread in tests], [spread.sd_log or 0.0 for spread in tests]
    print(f"{len(tests)} tests, counts alike in all runs: {all(len(seen) == 1 for seen in counts.values())}")  # noqa: T201
    print(f"tests: {min(levels):.0f} to {max(levels):.0f} mJ, s {min(spreads):.2f} to {max(spreads):.2f}")  # noqa: T201
    run, carbon = spread_of(joules), spread_of(grams)
    print(f"run: {run.level:.2f} J ({min(joules):.2f} to {max(joules):.2f} J), s {run.sd_log or 0:.2f}")  # noqa: T201
    print(f"carbon of the run: s {carbon.sd_log or 0:.2f}\n")  # noqa: T201


def baseline_of(snapshots: Sequence[Snapshot]) -> Baseline:
    """As ``aifootprint baseline update`` makes it, a report at a time."""
    baseline = Baseline(snapshots[0].project)
    for number, snapshot in enumerate(snapshots):
        baseline = updated(baseline, snapshot, str(number)).baseline
    return baseline


def failing(snapshot: Snapshot, baseline: Baseline) -> set[str]:
    """What takes more than is allowed: node ids, ``run``."""
    changes = compare(snapshot, baseline, "baseline", set(snapshot.spent), THRESHOLD).changes
    return {c.scope for c in changes if c.allowed is not None and c.actual.central > c.allowed}


def twice(snapshot: Snapshot, name: str) -> Snapshot:
    """With one test that takes twice the energy and carbon."""
    spent = snapshot.spent[name]
    more = replace(spent, energy_j=spent.energy_j.scale(2), carbon_g=spent.carbon_g.scale(2))
    return replace(snapshot, spent={**snapshot.spent, name: more})


if __name__ == "__main__":
    main()
