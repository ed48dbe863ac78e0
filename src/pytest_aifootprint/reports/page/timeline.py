"""The run over time on the HTML page: geometry, what it says in words, and a short table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from msgspec import Struct

from pytest_aifootprint.records.model import RunFootprint
from pytest_aifootprint.reports import formatting
from pytest_aifootprint.reports.page import charts
from pytest_aifootprint.reports.page.charts import Slice

if TYPE_CHECKING:
    from pytest_aifootprint.records.timeline import Timeline

TABLE_ROWS = 12
TERM_NAMES = {
    "ai_tests": "AI tests",
    "shared_fixtures": "shared fixtures",
    "other_tests": "other tests",
    "rest": "idle and others",
}


class PowerChart(Struct, frozen=True):
    """The power of one domain over the run: areas on top of each other."""

    domain: str
    areas: Sequence[tuple[str, str]]
    most: str
    label: str


class TimelineView(Struct, frozen=True):
    """Charts of power, rows of marks for calls, and the same as a table of a few rows."""

    charts: Sequence[PowerChart]
    quiet: str
    calls: Sequence[tuple[str, Sequence[Slice], str]]
    end: str
    middle: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]


HEIGHT = 40.0


def timeline(run: RunFootprint) -> TimelineView | None:
    """The run over time; None where nobody put it together."""
    line = run.timeline
    if line is None or not line.start_s:
        return None
    powers, quiet = [], []
    for domain, terms in line.power_w.items():
        sums = [sum(column) for column in zip(*(terms[t] for t in charts.TERMS), strict=True)]
        if not any(any(terms[term]) for term in charts.TERMS[:3]):
            if any(sums):
                mean = math.fsum(sums) / len(sums)
                quiet.append(f"{domain}: {formatting.power(mean)} on average, none of it for tests")
            continue
        most = max(sums)
        areas = charts.areas([(term, terms[term]) for term in charts.TERMS], most, HEIGHT)
        powers.append(PowerChart(domain, areas, formatting.power(most), _told(domain, terms, line)))
    calls = []
    for realness, column in line.calls_open.items():
        if any(column):
            begun = sum(line.calls_begun.get(realness, ()))
            calls.append((realness, charts.ticks(column), formatting.counted(begun, f"{realness} call")))
    end_s = line.bin_s * len(line.start_s)
    head, rows = _table(line)
    middle, end = formatting.seconds(end_s / 2), formatting.seconds(end_s)
    return TimelineView(powers, "; ".join(quiet), calls, end, middle, head, rows)


def _told(domain: str, terms: Mapping[str, Sequence[float]], line: Timeline) -> str:
    said = []
    for term in charts.TERMS:
        column = terms[term]
        if any(column):
            joules = formatting.joules(math.fsum(column) * line.bin_s)
            at = formatting.seconds(line.start_s[max(range(len(column)), key=column.__getitem__)])
            peak = formatting.power(max(column))
            said.append(f"{TERM_NAMES[term]} {joules}" + (f", at most {peak} at {at}" if term != "rest" else ""))
    return f"Power of {domain} over the run: {'; '.join(said)}."


def _table(line: Timeline) -> tuple[list[str], list[list[str]]]:
    """Neighbouring bins together: a few rows that can be read aloud."""
    number = len(line.start_s)
    step = max(math.ceil(number / TABLE_ROWS), 1)
    columns = [
        (f"{domain}, {TERM_NAMES[term]}", terms[term])
        for domain, terms in line.power_w.items()
        for term in charts.TERMS
        if any(terms[term])
    ]
    begun = [(f"{realness} calls", column) for realness, column in line.calls_begun.items() if any(column)]
    rows = []
    for i in range(0, number, step):
        mine = range(i, min(i + step, number))
        row = [formatting.seconds(line.start_s[i])]
        row += [formatting.power(math.fsum(column[j] for j in mine) / len(mine)) for _, column in columns]
        row += [formatting.count(sum(counts[j] for j in mine)) for _, counts in begun]
        rows.append(row)
    return ["from", *(name for name, _ in columns), *(name for name, _ in begun)], rows
