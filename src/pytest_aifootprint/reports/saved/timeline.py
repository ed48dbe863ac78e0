"""The run over time in the JSON report: as builtin types, and back."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from pytest_aifootprint.reports.saved.file import SavedError
from pytest_aifootprint.reports.saved.values import finite

if TYPE_CHECKING:
    from pytest_aifootprint.records.timeline import Timeline

_TERMS = ("ai_tests", "shared_fixtures", "other_tests", "rest")
_MOST_BINS = 100_000  # ours has 200; a file that claims more than any does is not drawn


def timeline_row(timeline: Timeline) -> dict[str, Any]:
    """Columns with an entry for each bin."""
    return {
        "bin_s": finite(timeline.bin_s),
        "start_s": [round(start_s, 9) for start_s in timeline.start_s],
        "power_w": {
            domain: {term: [finite(watts) for watts in column] for term, column in terms.items()}
            for domain, terms in timeline.power_w.items()
        },
        "calls_begun": {realness: list(column) for realness, column in timeline.calls_begun.items()},
        "calls_open": {realness: list(column) for realness, column in timeline.calls_open.items()},
    }


def timeline_of(row: Any) -> Timeline | None:
    """The timeline of a saved report; None where it has none, as one of an older version.

    Raises:
        SavedError: for what is no timeline.
    """
    if row is None:
        return None
    from pytest_aifootprint.records.timeline import Timeline

    try:
        number = len(row["start_s"])
        found = Timeline(
            bin_s=_numbers([row["bin_s"]], 1)[0],
            start_s=_numbers(row["start_s"], number),
            power_w={
                domain: {term: _numbers(terms[term], number) for term in _TERMS}
                for domain, terms in row["power_w"].items()
            },
            calls_begun={name: _counts(column, number) for name, column in row["calls_begun"].items()},
            calls_open={name: _counts(column, number) for name, column in row["calls_open"].items()},
        )
    except (LookupError, TypeError, AttributeError, ValueError, OverflowError) as error:
        raise SavedError(f"run.timeline is no timeline: {type(error).__name__}: {error}"[:200]) from None
    if not 0 < number <= _MOST_BINS or not found.bin_s:
        raise SavedError(f"run.timeline is no timeline: it has {number} bins of {found.bin_s:.6g} s")
    return found


def _numbers(column: Any, number: int) -> tuple[float, ...]:
    values = tuple(float(value) for value in column if type(value) in {int, float})
    if len(values) != number or len(column) != number:
        raise ValueError("a column has too few numbers or too many")
    if not all(math.isfinite(value) and value >= 0 for value in values):
        raise ValueError("a number is not finite, or below 0")
    return values


def _counts(column: Any, number: int) -> tuple[int, ...]:
    values = tuple(value for value in column if type(value) is int and value >= 0)
    if len(values) != number or len(column) != number:
        raise ValueError("a column has too few counts or too many")
    return values
