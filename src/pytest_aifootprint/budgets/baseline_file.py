"""The file of a baseline: JSON for git, a test a line, sorted, nothing in it that changes for nothing."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

from pytest_aifootprint.budgets.baseline import Baseline, BaselineError, Entry, LogPair, Past, Value
from pytest_aifootprint.records.snapshot import Setting

KIND = "aifootprint-baseline"
SCHEMA_VERSION = 1
COLUMNS = list(Value._fields)

Row = Mapping[str, Any]


def chunks(baseline: Baseline) -> Iterator[str]:
    """The file as text."""
    project = dict(baseline.project) if baseline.project else None
    head = {"kind": KIND, "schema_version": SCHEMA_VERSION, "project": project, "columns": COLUMNS}
    yield "{\n"
    yield "".join(f"{_dumps(key)}: {_dumps(value)},\n" for key, value in head.items())
    yield from _lines("settings", {name: _setting_row(s) for name, s in baseline.settings.items()})
    yield ",\n"
    yield from _lines("reports", {str(n): mark for n, mark in baseline.reports.items()}, numbers=True)
    yield ",\n"
    yield from _lines("tests", {key: _entry_row(entry) for key, entry in baseline.entries.items()})
    yield "\n}\n"


def _lines(name: str, rows: Row, *, numbers: bool = False) -> Iterator[str]:
    yield f"{_dumps(name)}: {{"
    separator = "\n"
    for key in sorted(rows, key=int if numbers else str):
        yield f"{separator}{_dumps(key)}: {_dumps(rows[key])}"
        separator = ",\n"
    yield "\n}" if rows else "}"


def _setting_row(setting: Setting) -> Row:
    return {"machine": dict(setting.machine), "factors": setting.factors, "grids": dict(setting.grids)}


def _entry_row(entry: Entry) -> Row:
    past = {
        name: {
            "values": [list(value) for value in past.values],
            "energy_factors": {factor: list(pair) for factor, pair in past.energy_factors.items()},
            "carbon_factors": {factor: list(pair) for factor, pair in past.carbon_factors.items()},
        }
        for name, past in entry.past.items()
    }
    return {"models": list(entry.models), "share": entry.share, "past": past}


_dumps = json.JSONEncoder(sort_keys=True, allow_nan=False, separators=(",", ":")).encode


def is_baseline(document: Row) -> bool:
    """Whether a JSON document says that it is a baseline."""
    return document.get("kind") == KIND


def read(document: Row) -> Baseline:
    """A baseline from its file's content.

    Raises:
        BaselineError: for another version, or a file that was edited or cut into something else.
    """
    version = document.get("schema_version")
    if version != SCHEMA_VERSION:
        raise BaselineError(f"schema_version {version!r}; this version of the plugin reads {SCHEMA_VERSION}")
    try:
        return _read(document)
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise BaselineError(f"not a whole baseline: {type(error).__name__}: {error}"[:300]) from None


def _read(document: Row) -> Baseline:
    if document["columns"] != COLUMNS:
        raise ValueError(f"columns {document['columns']!r}")
    project = document["project"]
    if project is not None:
        project = {"name": _text(project["name"]), "from": _text(project["from"])}
    settings = {name: _setting(row) for name, row in document["settings"].items()}
    entries = {name: _entry(row) for name, row in document["tests"].items()}
    reports = {int(number): _text(mark) for number, mark in document["reports"].items()}
    known = {name for entry in entries.values() for name in entry.past}
    if not known <= settings.keys():
        raise ValueError(f"values of settings that are not told: {', '.join(sorted(known - settings.keys()))}")
    runs = {value.run for entry in entries.values() for past in entry.past.values() for value in past.values}
    if not runs <= reports.keys():
        raise ValueError("values of reports that are not told")
    return Baseline(project, settings, reports, entries)


def _setting(row: Row) -> Setting:
    grids = {_text(name): _number(value) for name, value in row["grids"].items()}
    return Setting(dict(row["machine"]), _text(row["factors"]), grids)


def _entry(row: Row) -> Entry:
    past = {
        name: Past(
            tuple(_value(value) for value in p["values"]), _factors(p["energy_factors"]), _factors(p["carbon_factors"])
        )
        for name, p in row["past"].items()
    }
    if not past or not all(p.values for p in past.values()):
        raise ValueError("a test without a value")
    return Entry(tuple(_text(model) for model in row["models"]), _number(row["share"]), past)


def _value(row: list[Any]) -> Value:
    run, calls, tokens, energy_j, carbon_g, remote_j, remote_tokens = row
    return Value(
        _count(run),
        _count(calls),
        None if tokens is None else _count(tokens),
        _number(energy_j),
        None if carbon_g is None else _number(carbon_g),
        _number(remote_j),
        _count(remote_tokens),
    )


def _factors(row: Row) -> dict[str, LogPair]:
    found = {}
    for name, (down, up) in row.items():
        pair = float(down), float(up)
        if not all(map(math.isfinite, pair)):
            raise ValueError(f"factor {name}: {pair}")
        found[_text(name)] = pair
    return found


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not (math.isfinite(value) and value >= 0):
        raise ValueError(f"{value!r} is no quantity")
    return float(value)


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"{value!r} is no count")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value
