"""Sheets in the JSON report: how its numbers are made."""

from __future__ import annotations

from typing import Any

from pytest_aifootprint.quantities import Sheet
from pytest_aifootprint.reports.json_values import factors_of, finite


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
