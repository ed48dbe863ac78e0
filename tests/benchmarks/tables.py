"""From runs to tables: the same rows for the terminal and for the documentation."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from measuring import Run, Series, spread
from suites import PIECES
from tools import OURS

AGAIN = f"{OURS} (again)"
"""The second of two identical runs of ours in every round."""

Results = Mapping[tuple[str, str], Series]
"""By the tool's name and the suite's."""

TESTS = ("test_burn", "test_sleep", "test_child")
_NONE = "\N{EN DASH}"
WORKERS = ("n0", "n1", "n2", "n4")


@dataclass(frozen=True, slots=True)
class Table:
    """A title and rows of text; the first row is the heading."""

    title: str
    rows: list[list[str]]

    def markdown(self) -> str:
        """As the documentation has it."""
        heading, *rest = self.rows
        lines = [heading, ["---"] * len(heading), *rest]
        return f"### {self.title}\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines)


@dataclass(frozen=True, slots=True)
class Goal:
    """What is to be reached, what was, and whether that is enough. ``worst``: over all runs, not the median."""

    what: str
    worst: float
    limit: float

    @property
    def reached(self) -> bool:
        """A figure that is not there reaches nothing."""
        return self.worst <= self.limit


def all_tables(results: Results, names: Sequence[str]) -> list[Table]:
    """Every table; ``names`` of the tools in order, ours first."""
    return [
        _kinds(results, names, "alone", "Burn, sleep, and the same burn in a child process"),
        _kinds(results, names, "neighbour", "The same beside a neighbour on every core"),
        _workers(results, names),
        _retries(results, names),
        _identical(results),
    ]


def goals(results: Results) -> list[Goal]:
    """Of our own, over all runs of both series; nan if a run is missing."""
    both = (OURS, AGAIN)
    alone = [run for name in both for run in results[name, "alone"].runs]
    beside = [run for name in both for run in results[name, "neighbour"].runs]
    spread_out = [run for name in both for suite in WORKERS for run in results[name, suite].runs]
    retried = [run for name in both for run in results[name, "retries"].runs]
    return [
        Goal("sleep / burn, joules", _worst(_of(run, "test_sleep") for run in alone), 0.01),
        Goal("child / burn, joules, off 1 by", _worst(abs(_of(run, "test_child") - 1) for run in alone), 0.03),
        Goal("beside a neighbour, CPU s booked / own, off 1 by", _worst(run.worst_cpu for run in beside), 0.02),
        Goal("over -n, sum of CPU s booked / own, off 1 by", _worst(_sum_error(run) for run in spread_out), 0.02),
        Goal("over -n, tests lost", _worst(float(PIECES - len(run.rows)) for run in spread_out), 0),
        Goal("retries, CPU s booked / own, off 1 by", _worst(run.worst_cpu for run in retried), 0.02),
    ]


def _worst(values: Iterable[float]) -> float:
    found = list(values)
    # max() of a list with a nan in it depends on the order.
    return math.nan if not found or any(map(math.isnan, found)) else max(found)


def _of(run: Run, test: str) -> float:
    return run.sum_of(test, "cpu_j") / run.sum_of("test_burn", "cpu_j")


def _sum_error(run: Run) -> float:
    return abs(run.total("cpu_s") / math.fsum(run.truth.values()) - 1)


def _kinds(results: Results, names: Sequence[str], suite: str, title: str) -> Table:
    heading = ["tool", "CPU joules", "burn : sleep : child", "± over the runs", "joules in all", "CPU s booked / own"]
    rows = [heading]
    for name in names:
        series = results[name, suite]
        if series.failure is not None or not series.runs:
            rows.append([name, _failed(series), *[""] * (len(heading) - 2)])
            continue
        cpu_j = [series.mid(test, "cpu_j") for test in TESTS]
        errors = [run.worst_cpu for run in series.runs]
        rows.append([
            name,
            " / ".join(map(_number, cpu_j)),
            " : ".join(_ratio(j, cpu_j[0]) for j in cpu_j),
            _percent(spread(series.each("test_burn", "cpu_j"))),
            " / ".join(_number(series.mid(test, "energy_j")) for test in TESTS),
            "not told" if math.isnan(max(errors)) else f"1 ± {max(errors):.2%}",
        ])  # fmt: skip
    return Table(title, rows)


def _workers(results: Results, names: Sequence[str]) -> Table:
    rows = [["tool", "no workers", "-n 1", "-n 2", "-n 4", "CPU s booked / own"]]
    for name in names:
        cells = [name]
        base = _j_per_own_s(results[name, "n0"], "energy_j")
        for suite in WORKERS:
            series = results[name, suite]
            if series.failure is not None or not series.runs:
                cells.append(_failed(series))
                continue
            found = int(median(len(run.rows) for run in series.runs))
            negative = sum(row.energy_j < 0 for run in series.runs for rows_ in run.rows.values() for row in rows_)
            text = f"{_ratio(_j_per_own_s(series, 'energy_j', known_only=True), base)} ({found} of {PIECES} tests"
            cells.append(text + (f", {negative} below 0)" if negative else ")"))
        errors = [_sum_error(run) for suite in WORKERS for run in results[name, suite].runs]
        told = errors and not math.isnan(max(errors))
        rows.append([*cells, f"1 ± {max(errors):.2%}" if told else "not told"])
    return Table(f"The sum over {PIECES} tests, with and without workers (1 = without)", rows)


def _j_per_own_s(series: Series, what: str, *, known_only: bool = False) -> float:
    """All joules that were billed for a CPU second that the tests used; lost tests are missing in it."""
    each = []
    for run in series.runs:
        billed = [run.sum_of(test, what) for test in run.truth]
        if known_only:
            billed = [j for j in billed if not math.isnan(j)]
        each.append(math.fsum(billed) / math.fsum(run.truth.values()))
    return median(each) if each else math.nan


def _retries(results: Results, names: Sequence[str]) -> Table:
    rows = [["tool", "joules, three attempts", "joules, one", "ratio", "CPU s booked / own"]]
    for name in names:
        series = results[name, "retries"]
        if series.failure is not None or not series.runs:
            rows.append([name, _failed(series), "", "", ""])
            continue
        thrice, once = series.mid("test_retried", "energy_j"), series.mid("test_once", "energy_j")
        error = max(run.worst_cpu for run in series.runs)
        told = "not told" if math.isnan(error) else f"1 ± {error:.2%}"
        rows.append([name, _number(thrice), _number(once), _ratio(thrice, once), told])
    return Table("A test that passes at its third attempt, and one that passes at once", rows)


def _identical(results: Results) -> Table:
    rows = [["CPU joules of ours", "first", "second", "difference"]]
    for suite, tests in (("alone", TESTS), ("neighbour", TESTS), ("retries", ("test_retried", "test_once"))):
        for test in tests:
            one, two = (results[name, suite].mid(test, "cpu_j") for name in (OURS, AGAIN))
            rows.append([f"{suite}, {test}", _number(one), _number(two), _percent(abs(two / one - 1) if one else 0)])
    for suite in WORKERS:
        one, two = (_total_j(results[name, suite]) for name in (OURS, AGAIN))
        rows.append([f"{suite}, sum", _number(one), _number(two), _percent(abs(two / one - 1))])
    return Table("Two identical runs of ours", rows)


def _total_j(series: Series) -> float:
    return median(run.total("cpu_j") for run in series.runs) if series.runs else math.nan


def _failed(series: Series) -> str:
    return series.failure or "no run"


def _number(value: float) -> str:
    if math.isnan(value):
        return _NONE
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"


def _ratio(value: float, one: float) -> str:
    return _NONE if math.isnan(value) or math.isnan(one) or not one else f"{value / one:.3f}"


def _percent(value: float) -> str:
    return _NONE if math.isnan(value) else f"{value:.2%}"
