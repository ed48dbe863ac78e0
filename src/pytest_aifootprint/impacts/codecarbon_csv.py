"""A training that CodeCarbon metered: its ``emissions.csv``, as CodeCarbon 2.2 to 3.x write it.

What was found in CodeCarbon's source, from 1.0 to 3.3: ``emissions`` is in kg CO2e and ``energy_consumed`` in kWh (PUE
included) in every version. 1.x has no ``run_id``, and nothing before 2.2 has ``codecarbon_version``. ``flush()`` and
``stop()`` each append a row of the *whole* run so far, so the last row of a ``run_id`` is the run. The file of tasks
(``emissions_base_RUN.csv``, since 2.3) has a row for each task with what that task alone took.
"""

from __future__ import annotations

import csv
import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from msgspec import Struct

from pytest_aifootprint.quantities.units import J_PER_KWH

COLUMNS = ("run_id", "project_name", "emissions", "energy_consumed", "codecarbon_version")
TASK = "task_name"
VERSIONS_READ = "2.x and 3.x"
MOST_NAMED = 5
G_PER_KG = 1000.0

_VERSION = re.compile(r"[23]\.\d[\w.+-]*", re.ASCII)
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
# Rows of a run only grow; pandas, through which old versions sent them again, may change the last digit.
_SLACK = 1e-9


class MeteredTraining(Struct, frozen=True):
    """What a training took: of one run exactly the numbers in the file, of several their sum.

    Attributes:
        kwh, kg_co2e: of all runs together. source: file name, number of runs, versions of CodeCarbon.
    """

    kwh: float
    kg_co2e: float
    source: str


class _Row(Struct, frozen=True):
    line: int
    run: str
    project: str
    task: str | None
    emissions: str
    energy: str
    version: str


def read_codecarbon_csv(
    path: Path, shown: str, *, projects: Sequence[str] = (), runs: Sequence[str] = ()
) -> MeteredTraining:
    """Read the runs of a file, all of them or those that are selected.

    Args:
        path: the file.
        shown: what errors call it.
        projects: values of ``project_name`` to take.
        runs: values of ``run_id`` to take. Both empty: everything.

    Raises:
        ValueError: one line that says what is wrong, in which line of the file, and what is read.
    """
    rows = list(_selected(_rows(path, shown), shown, projects, runs))
    by_run: dict[str, list[_Row]] = {}
    for row in rows:
        if not _VERSION.fullmatch(row.version):
            what = f"CodeCarbon {row.version!r}" if row.version else "no version of CodeCarbon"
            raise ValueError(f"{shown}: line {row.line} says {what} in codecarbon_version; read are {VERSIONS_READ}")
        by_run.setdefault(row.run, []).append(row)
    whole = [_whole_run(shown, mine) for mine in by_run.values()]
    kwh = _sum(shown, "energy_consumed", [energy for energy, _ in whole], J_PER_KWH)
    if not kwh:
        raise ValueError(f"{shown}: energy_consumed is 0: CodeCarbon metered nothing")
    # This may be 0: CodeCarbon's grid of a country of water power is.
    kg = _sum(shown, "emissions", [emissions for _, emissions in whole], G_PER_KG)
    versions = ", ".join(dict.fromkeys(row.version for row in rows))
    count = f"{len(whole)} run{'s' if len(whole) > 1 else ''}"
    return MeteredTraining(kwh, kg, f"{path.name}: {count} metered by CodeCarbon {versions}, declared by the user")


def _rows(path: Path, shown: str) -> list[_Row]:
    lines = _lines(path, shown)
    if not lines:
        raise ValueError(f"{shown}: is empty; valid: the emissions.csv that CodeCarbon writes")
    _, header = lines[0]
    missing = [name for name in COLUMNS if name not in header]
    if missing:
        said = f"{shown}: no column {', '.join(missing)}"
        why = "; CodeCarbon writes it since 2.2" if missing == ["codecarbon_version"] else ""
        raise ValueError(f"{said}{why}; valid: the emissions.csv of CodeCarbon {VERSIONS_READ}")
    twice = [name for name in (*COLUMNS, TASK) if header.count(name) > 1]
    if twice:
        raise ValueError(f"{shown}: the column {twice[0]} stands there more than once")
    if len(lines) == 1:
        raise ValueError(f"{shown}: has a header and no row: no run was written to it")
    places = {name: header.index(name) for name in (*COLUMNS, TASK) if name in header}
    found = []
    for line, cells in lines[1:]:
        if len(cells) != len(header):
            raise ValueError(f"{shown}: line {line} has {len(cells)} fields, the header has {len(header)}")
        run, project, emissions, energy, version = (cells[places[name]] for name in COLUMNS)
        task = cells[places[TASK]] if TASK in places else None
        found.append(_Row(line, run, project, task, emissions, energy, version))
    return found


def _lines(path: Path, shown: str) -> list[tuple[int, list[str]]]:
    """Line numbers and fields of all lines that are not blank."""
    try:
        if not path.is_file():
            what = "is not a file" if path.exists() else "is not there"
            raise ValueError(f"{shown}: {what}; looked for {str(path)!r}: relative to the folder of pyproject.toml")
        # A byte order mark is what a spreadsheet adds.
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            return [(reader.line_num, cells) for cells in reader if cells]
    except OSError as error:
        raise ValueError(f"{shown}: cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"{shown}: is not UTF-8 text: {error.reason} at byte {error.start}") from None
    except csv.Error as error:
        raise ValueError(f"{shown}: is not a CSV file: line {reader.line_num}: {error}") from None


def _selected(rows: list[_Row], shown: str, projects: Sequence[str], runs: Sequence[str]) -> Iterable[_Row]:
    for key, column, wanted, there in (
        ("codecarbon_project", "project_name", projects, [row.project for row in rows]),
        ("codecarbon_run", "run_id", runs, [row.run for row in rows]),
    ):
        for value in wanted:
            if value not in there:
                raise ValueError(f"{shown}: no {column} is {key} {value!r}; there are {_named(there)}")
    found = [row for row in rows if (not projects or row.project in projects) and (not runs or row.run in runs)]
    if not found:
        pairs = [f"{row.run} of {row.project}" for row in rows]
        raise ValueError(f"{shown}: no run is in both codecarbon_project and codecarbon_run; there are {_named(pairs)}")
    return found


def _named(values: Iterable[str]) -> str:
    distinct = list(dict.fromkeys(values))
    more = f" and {len(distinct) - MOST_NAMED} more" if len(distinct) > MOST_NAMED else ""
    return ", ".join(repr(value) for value in distinct[:MOST_NAMED]) + more


def _whole_run(shown: str, rows: list[_Row]) -> tuple[float, float]:
    """(kWh, kg) of one run: its last row; of a file of tasks, all of its tasks."""
    numbers = [
        (_number(shown, row, "energy_consumed", row.energy), _number(shown, row, "emissions", row.emissions))
        for row in rows
    ]
    if rows[0].task is not None:
        task, times = Counter(row.task for row in rows).most_common(1)[0]
        if times > 1:
            raise ValueError(f"{shown}: the task {task!r} of run {rows[0].run!r} stands there more than once")
        return math.fsum(energy for energy, _ in numbers), math.fsum(emissions for _, emissions in numbers)
    for column, place in (("energy_consumed", 0), ("emissions", 1)):
        for row, before, after in zip(rows[1:], numbers, numbers[1:], strict=False):
            if after[place] < before[place] * (1 - _SLACK):
                raise ValueError(
                    f"{shown}: line {row.line}: {column} of run {row.run!r} falls from {before[place]!r} to "
                    f"{after[place]!r}; CodeCarbon's rows of one run only grow"
                )
    return numbers[-1]


def _number(shown: str, row: _Row, column: str, text: str) -> float:
    value = float(text) if _NUMBER.fullmatch(text) else math.nan
    if not (math.isfinite(value) and value >= 0):
        raise ValueError(f"{shown}: line {row.line}: {column} must be a number of 0 or more, got {text!r}")
    return value


def _sum(shown: str, column: str, values: list[float], unit: float) -> float:
    """The sum; refused where no number can hold it in our own unit."""
    try:
        whole = values[0] if len(values) == 1 else math.fsum(values)
    except OverflowError:
        whole = math.inf
    if not math.isfinite(whole * unit):
        raise ValueError(f"{shown}: {column} is too large: {whole!r}")
    return whole
