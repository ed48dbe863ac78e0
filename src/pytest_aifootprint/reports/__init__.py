"""What a run is told in: the terminal and the kinds of ``--aifootprint-report``. A new kind is a module and a row."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from pytest_aifootprint.records.model import RunFootprint
from pytest_aifootprint.reports import badge_report, csv_report, html_report, json_report, markdown_report


class ReportKind(Protocol):
    """A module that writes reports of one kind; ``NAME`` of the file where none is given."""

    NAME: str

    def probe(self, path: Path) -> None:
        """Before the run: raise ValueError, one line, if a report cannot be written there. Leaves nothing behind."""

    def write(self, run: RunFootprint, path: Path) -> None:
        """Write the report, all or nothing. Raises OSError with a ``strerror`` for people."""


REPORTS: dict[str, ReportKind] = {
    "badge": badge_report,
    "csv": csv_report,
    "html": html_report,
    "json": json_report,
    "markdown": markdown_report,
}


def report_writer(kind: str) -> ReportKind:
    """What writes reports of this kind.

    Raises:
        ValueError: for an unknown kind; the message names the valid ones.
    """
    try:
        return REPORTS[kind]
    except KeyError:
        raise ValueError(f"{kind!r} is no kind of report; valid: {', '.join(sorted(REPORTS))}") from None
