"""What a run is told in: the terminal and the kinds of ``--aifootprint-report``. A new kind is a module and a row."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path
from typing import Protocol

from pytest_aifootprint.records.model import RunFootprint
from pytest_aifootprint.reports import badge_report, csv_report, json_report, markdown_report


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
    "json": json_report,
    "markdown": markdown_report,
}


def where(text: str, folder: Path) -> tuple[str, Path]:
    """Kind and path of a report as people ask for it, ``KIND[:PATH]``; without a path, its own name in ``folder``.

    ``~`` and ``$NAME`` are of the user's home and environment. Whether there is such a kind, ``report_writer`` knows.
    """
    kind, _, path = text.partition(":")
    path = path or (REPORTS[kind].NAME if kind in REPORTS else kind)
    return kind, folder / Path(os.path.expandvars(path)).expanduser()


def probe(kind: str, path: Path, earlier: Collection[Path] = ()) -> None:
    """Before the run: see whether this report can be written there, beside those that were asked for earlier.

    Raises:
        ValueError: one line, also for an unknown kind.
    """
    report_writer(kind).probe(path)
    if path in earlier and (path.is_file() or not path.exists()):
        raise ValueError(f"{path} is to be two reports; a report needs a file of its own")


def report_writer(kind: str) -> ReportKind:
    """What writes reports of this kind.

    Raises:
        ValueError: for an unknown kind; the message names the valid ones.
    """
    try:
        return REPORTS[kind]
    except KeyError:
        raise ValueError(f"{kind!r} is no kind of report; valid: {', '.join(sorted(REPORTS))}") from None
