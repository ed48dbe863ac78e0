"""The run over time, as builtin types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_aifootprint.reports.json_values import finite

if TYPE_CHECKING:
    from pytest_aifootprint.records.timeline import Timeline


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
