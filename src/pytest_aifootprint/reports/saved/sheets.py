"""Sheets in the JSON report, there and back: how its numbers are made."""

from __future__ import annotations

from typing import Any

from pytest_aifootprint.quantities import Given, Range, Sheet, Step
from pytest_aifootprint.reports.saved.told import Told
from pytest_aifootprint.reports.saved.values import factors_of, finite


def sheet_row(sheet: Sheet) -> dict[str, Any]:
    """How numbers are made: inputs, equations, and which figure of a call each result is."""
    return {
        "given": [
            {
                "symbol": given.symbol,
                "what": given.what,
                "unit": given.unit,
                "central": finite(given.value.central),
                "factors": factors_of(given.value),
                "source": given.source,
                "year": given.year,
                "basis": given.basis,
            }
            for given in sheet.given
        ],
        "steps": [
            {
                "symbol": step.symbol,
                "equation": step.equation,
                "unit": step.unit,
                "what": step.what,
                "gathered": step.gathered or None,
            }
            for step in sheet.steps
        ],
        "answers": dict(sheet.answers),
    }


def sheet_of(name: str, row: Told) -> Sheet:
    """The sheet that ``sheet_row`` gave. Raises SavedError for what is none."""
    answers = row.told("answers")
    return Sheet(
        name,
        row.each("given", _given),
        row.each("steps", _step),
        {figure: answers.maybe_text(figure) for figure in answers.names()},
    )


def _given(row: Told) -> Given:
    central = row.number("central")
    if central < 0:
        raise row.error("central", "number of 0 or more")
    return Given(
        row.text("symbol"), row.text("what"), row.text("unit"), Range(central, row.factors("factors") or {}),
        row.text("source"), row.maybe_whole("year"), row.text("basis"),
    )  # fmt: skip


def _step(row: Told) -> Step:
    gathered = row.maybe_text("gathered") or ""
    return Step(row.text("symbol"), row.text("equation"), row.text("unit"), row.text("what"), gathered)
