"""The badge: what shields.io draws from an endpoint, https://shields.io/badges/endpoint-badge (schema version 1)."""

from __future__ import annotations

import json
from pathlib import Path

from pytest_aifootprint.records.model import RunFootprint, worst
from pytest_aifootprint.reports import files, formatting
from pytest_aifootprint.reports.files import probe

__all__ = ["NAME", "badge", "probe", "write"]

NAME = "aifootprint-badge.json"
LABEL = "AI footprint"
_COLOURS = {"fail": "red", "undecided": "yellow", "pass": "brightgreen"}
NO_LIMIT, UNKNOWN = "blue", "lightgrey"


def write(run: RunFootprint, path: Path) -> None:
    """Write the badge: a new file takes the place of an old one when it is complete. Raises OSError, see ``files``."""
    files.write(path, "the badge", (json.dumps(badge(run), indent=2), "\n"), encoding="ascii")


def badge(run: RunFootprint) -> dict[str, object]:
    """The headline's carbon of the run, in the colour of the worst verdict on it or on a test; blue without a limit."""
    totals = run.totals
    colour = _COLOURS.get(worst(run.all_verdicts) or "", NO_LIMIT)
    if not (totals.calls_live or totals.calls_replayed or totals.calls_mocked):
        message = "0 AI calls"
    elif len(totals.carbon.unknown) == 3:
        message, colour = "unknown", UNKNOWN if colour == NO_LIMIT else colour
    else:
        message = formatting.suffix(totals.carbon.total)
    return {"schemaVersion": 1, "label": LABEL, "message": message, "color": colour}
