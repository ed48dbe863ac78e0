"""The CSV report: one row a test, for a spreadsheet or a data frame. Columns are only ever added at the end."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path

from pytest_aifootprint.detection.calls import REALNESSES
from pytest_aifootprint.quantities import Range
from pytest_aifootprint.records.model import RunFootprint, TestFootprint, worst
from pytest_aifootprint.reports import files, formatting
from pytest_aifootprint.reports.files import probe
from pytest_aifootprint.reports.saved.values import finite, ranged

__all__ = ["HEADER", "NAME", "lines", "probe", "rows", "write"]

NAME = "aifootprint.csv"
DOMAINS = ("cpu", "ram", "gpu", "remote", "local_server")
HEADER = (
    "nodeid", "worker", "outcome", "attempts", "duration_s", "ai",
    *(f"calls_{realness}" for realness in REALNESSES),
    "input_tokens", "output_tokens", "calls_without_tokens",
    "energy_j", "energy_j_low", "energy_j_high", *(f"energy_{domain}_j" for domain in DOMAINS),
    "carbon_g", "carbon_g_low", "carbon_g_high", "carbon_use_g", "carbon_training_g", "carbon_hardware_g",
    "water_l", "water_l_low", "water_l_high",
    "avoidable_carbon_g", "avoided_carbon_g", "direct_cpu_s", "direct_carbon_g", "verdict",
)  # fmt: skip
"""Central values where no end is named, as in tests[] of the JSON report. Unknown is an empty cell, not 0."""

# A spreadsheet takes a cell that begins so for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
# Where the comma is the decimal sign, spreadsheets part cells at these, unless they stand in quotes.
_PARTING = (";", "\t")
_NO_WORD = re.compile(r"^\W|[^\w .-]")
# Control characters but line breaks and tabs, what turns the direction of writing around, and halves of signs.
_OBEYED = re.compile(
    "[\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f-\\x9f\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069\\ud800-\\udfff]"
)

Cell = str | int | float | None


class _Line:
    """What ``csv`` writes to: gives each line back."""

    def write(self, text: str) -> str:
        return text


def write(run: RunFootprint, path: Path) -> None:
    """Write the report: a new file takes the place of an old one when it is complete. Raises OSError, see ``files``."""
    files.write(path, "the CSV report", lines(run))


def lines(run: RunFootprint) -> Iterator[str]:
    """The report as text, line by line; a name with a line break in it stands in quotes."""
    bare = csv.writer(_Line(), lineterminator="\n")
    quoted = csv.writer(_Line(), lineterminator="\n", quoting=csv.QUOTE_ALL)
    for row in rows(run):
        parted = any(sign in str(row[0]) for sign in _PARTING)
        yield (quoted if parted else bare).writerow(row)


def rows(run: RunFootprint) -> Iterator[tuple[Cell, ...]]:
    """The header, then a row for each test that has one, in the order in which they ran."""
    yield HEADER
    for test in run.tests:
        yield _row(test)


def _row(test: TestFootprint) -> tuple[Cell, ...]:
    calls = {realness: sum(c.call.count for c in test.calls if c.call.realness == realness) for realness in REALNESSES}
    tokens, energy, carbon = test.tokens, test.energy.by_domain, test.carbon
    return (
        _name(test.nodeid),
        _word(test.worker),
        _word(test.outcome),
        len(test.attempts),
        sum(attempt.duration_s for attempt in test.attempts),
        int(test.ai),
        *calls.values(),
        tokens.input,
        tokens.output,
        tokens.unknown_calls,
        *_ends(test.energy.total),
        *(_central(energy.get(domain)) for domain in DOMAINS),
        *_ends(carbon.known_total),
        *(_central(part) for _, part in carbon.parts),
        *_ends(test.water.total),
        _central(test.avoidable_carbon_g),
        _central(test.avoided_carbon_g),
        finite(test.direct_cpu_s),
        _central(test.direct_carbon.known_total),
        worst(test.verdicts) or "",
    )


def _name(nodeid: str) -> str:
    """The same test for pytest; no formula for a spreadsheet, and nothing that a terminal or a reader stumbles over."""
    shown = _OBEYED.sub(lambda found: formatting.one_line(found.group()), nodeid)
    return f"./{shown}" if shown.startswith(_FORMULA) else shown


def _word(text: str) -> str:
    """A word of ours, which a saved report may have changed."""
    return _NO_WORD.sub("_", text)


def _ends(value: Range | None) -> tuple[Cell, Cell, Cell]:
    row = ranged(value)
    return (None, None, None) if row is None else (row["central"], row["low"], row["high"])


def _central(value: Range | None) -> float | None:
    return None if value is None else finite(value.central)
