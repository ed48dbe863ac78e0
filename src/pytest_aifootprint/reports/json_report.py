"""The JSON report: schema_version 1, described in ``records/report.schema.json`` and docs/reference/json-report.md."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pytest_aifootprint.records.model import RunFootprint, TestFootprint
from pytest_aifootprint.reports import files
from pytest_aifootprint.reports.files import probe
from pytest_aifootprint.reports.saved import rows
from pytest_aifootprint.reports.saved.changes import changes_row
from pytest_aifootprint.reports.saved.file import SCHEMA_VERSION
from pytest_aifootprint.reports.saved.models import hint_row, model_row
from pytest_aifootprint.reports.saved.sheets import sheet_row
from pytest_aifootprint.reports.saved.values import plain

__all__ = ["NAME", "as_dict", "chunks", "probe", "write"]

NAME = "aifootprint.json"


def write(run: RunFootprint, path: Path) -> None:
    """Write the report: a new file takes the place of an old one when it is complete. Raises OSError, see ``files``."""
    files.write(path, "the JSON report", chunks(run), encoding="ascii")


def chunks(run: RunFootprint) -> Iterator[str]:
    """The report as text, a test a line: one on 100,000 tests is never in memory as a whole."""
    yield "{\n"
    head = {
        "schema_version": SCHEMA_VERSION,
        "tool": {"name": "pytest-aifootprint", "version": run.version, "factors_version": run.factors_version},
        "run": rows.run_row(run),
        "totals": rows.totals_row(run),
        "balance": {domain: rows.balance_row(balance) for domain, balance in run.balance.items()},
    }
    for key, value in head.items():
        yield f"{_dumps(key)}:{_dumps(value)},\n"
    yield from _array("tests", (_test(test) for test in run.tests))
    yield from _array("fixtures", (_dumps(rows.fixture_row(fixture)) for fixture in run.fixtures))
    yield from _array("models", (_dumps(model_row(model)) for model in run.models))
    tail = {
        "verdicts": [rows.verdict_row(verdict) for verdict in run.verdicts],
        "hints": [hint_row(hint) for hint in run.hints],
        "notices": [rows.notice_row(notice) for notice in run.notices],
        "baseline": None if run.changes is None else changes_row(run.changes),
        "seams": dict(run.seams),
        "sheets": {name: sheet_row(sheet) for name, sheet in run.sheets.items()},
    }
    yield ",\n".join(f"{_dumps(key)}:{_dumps(value)}" for key, value in tail.items())
    yield "\n}\n"


def as_dict(run: RunFootprint) -> dict[str, Any]:
    """The whole report as builtin types, as reading the file would give it."""
    report: dict[str, Any] = json.loads("".join(chunks(run)))
    return report


def _test(test: TestFootprint) -> str:
    """A test's row. What is its own is often all that it has: the same text is made once and stands twice."""
    row = rows.test_row(test)
    direct = row.pop("direct")
    energy, carbon = row.pop("energy_j"), row.pop("carbon_g")
    cost = f'"energy_j":{_dumps(energy)},"carbon_g":{_dumps(carbon)}'
    own = cost
    if direct["energy_j"] is not energy or direct["carbon_g"] is not carbon:
        own = f'"energy_j":{_dumps(direct["energy_j"])},"carbon_g":{_dumps(direct["carbon_g"])}'
    rest = _dumps({key: value for key, value in direct.items() if key not in {"energy_j", "carbon_g"}})
    return f'{_dumped(row)[:-1]},{cost},"direct":{rest[:-1]},{own}}}}}'


def _dumped(row: dict[str, Any]) -> str:
    """As text. What JSON cannot say stands in phases alone, and seldom: no time is spent on looking for it."""
    try:
        return _dumps(row)
    except (TypeError, ValueError):
        return _dumps(plain(row))


def _array(key: str, values: Iterable[str]) -> Iterator[str]:
    yield f"{_dumps(key)}:["
    separator = "\n"
    for value in values:
        yield separator + value
        separator = ",\n"
    yield "],\n"


_encoder = json.JSONEncoder(allow_nan=False, separators=(",", ":"), check_circular=False)
_dumps = _encoder.encode
