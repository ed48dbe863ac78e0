"""What changed against a baseline, in the JSON report and back from it."""

from __future__ import annotations

from typing import Any

from pytest_aifootprint.records.changes import Change, Changes
from pytest_aifootprint.reports.saved.told import Told
from pytest_aifootprint.reports.saved.values import finite, ranged


def changes_row(changes: Changes) -> dict[str, Any]:
    """In the JSON report."""
    return {
        "file": changes.file,
        "runs": changes.runs,
        "differs": list(changes.differs),
        "grids": list(changes.grids),
        "partial": changes.partial or None,
        "compared": changes.compared,
        "absent": changes.absent,
        "new": list(changes.new),
        "vanished": list(changes.vanished),
        "silent": list(changes.silent),
        "remodelled": list(changes.remodelled),
        "elsewhere": changes.elsewhere,
        "without_row": changes.without_row,
        "changes": [
            {
                "scope": change.scope,
                "unit": change.unit,
                "actual": ranged(change.actual),
                "before": finite(change.before),
                "runs": change.runs,
                "allowed": finite(change.allowed),
                "by_spread": change.by_spread,
            }
            for change in changes.changes
        ],
    }


def changes_of(row: Told) -> Changes:
    """What changed, of a saved report. Raises SavedError."""
    return Changes(
        file=row.text("file"),
        runs=row.whole("runs"),
        differs=row.texts("differs"),
        grids=row.texts("grids"),
        partial=row.maybe_text("partial") or "",
        compared=row.whole("compared"),
        absent=row.whole("absent"),
        new=row.texts("new"),
        vanished=row.texts("vanished"),
        silent=row.texts("silent"),
        remodelled=row.texts("remodelled"),
        elsewhere=row.whole("elsewhere"),
        without_row=row.whole("without_row"),
        changes=row.each("changes", _change),
    )


def _change(row: Told) -> Change:
    return Change(
        row.text("scope"), row.text("unit"), row.known("actual"), row.number("before"), row.whole("runs"),
        row.maybe_number("allowed"), row.flag("by_spread", default=False),
    )  # fmt: skip
