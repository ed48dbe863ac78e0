"""Writing the reports at the end of a run: one that cannot be written takes nothing else along."""

from __future__ import annotations

import contextlib
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pytest_aifootprint.quantities import Notice
from pytest_aifootprint.quantities.changed import replace
from pytest_aifootprint.records.model import RunFootprint
from pytest_aifootprint.reports import REPORTS, Target
from pytest_aifootprint.reports.endpoints import Endpoint
from pytest_aifootprint.reports.formatting import one_line, printable
from pytest_aifootprint.session.parts import must_raise

_FOLDER = "aifootprint-"


class Written(NamedTuple):
    """What became of the reports.

    Attributes:
        run: with notices of what could not be written.
        all_files: whether all files were. A service that does not answer is a notice alone: what becomes of a build is
            not for a network to say.
        lines: one for each report that was, as pytest tells of its own.
    """

    run: RunFootprint
    all_files: bool
    lines: tuple[str, ...]


def write_reports(run: RunFootprint, reports: Sequence[tuple[str, Target, Any]], here: Path) -> Written:
    """Write each report; what could not be is told in a notice, and the JSON is saved somewhere.

    The JSON comes last: it has the notices about the others, and from it the others can be made again.

    Args:
        run: to report.
        reports: kind, target and anything else.
        here: a folder to save the JSON in where there is no temporary one.
    """
    whole, all_files = run, True
    lines: list[str] = []
    saved: Target | None = None
    for kind, target, _ in sorted(reports, key=lambda report: report[0] == "json"):
        problem = _written(kind, whole, target)
        if problem is None:
            saved = target if kind == "json" else saved
            done = f"sent {kind} report to" if isinstance(target, Endpoint) else f"generated {kind} report"
            lines.append(f"{done}: {target}")
        else:
            whole = _with(whole, f"{kind}:{target}: {problem}")
            all_files &= isinstance(target, Endpoint)
    if whole is not run:
        saved = saved or _save(whole, here)
        message = f"the JSON report is {saved}; aifootprint show {saved} --report KIND:PATH writes any other from it"
        whole = _with(whole, message if saved else "the JSON report could not be saved anywhere else")
    return Written(whole, all_files, tuple(lines))


def _with(run: RunFootprint, message: str) -> RunFootprint:
    return replace(run, notices=(*run.notices, Notice("report-not-written", one_line(message))))


def tell(notices: Sequence[Notice]) -> None:
    """Say on stderr what could not be written: with ``-q`` or without a terminal it is told nowhere else."""
    for number, notice in enumerate(notices):
        # Where the JSON report is instead, stands last.
        what = "" if number and notice is notices[-1] else "report not written: "
        line = f"aifootprint: {what}{notice.message}\n"
        sys.stderr.write(printable(line, getattr(sys.stderr, "encoding", None)))


def _written(kind: str, run: RunFootprint, target: Target) -> str | None:
    """None, or why it was not."""
    try:
        REPORTS[kind].write(run, target)
    except OSError as error:
        return error.strerror or str(error)
    except Exception as error:  # an error of ours must not take the other reports along
        if must_raise():
            raise
        return f"an error of this plugin: {type(error).__name__}: {error}"
    return None


def _save(run: RunFootprint, here: Path) -> Path | None:
    """Where the JSON could be saved; None if nowhere."""
    for folder in _folders(here):
        path = folder / REPORTS["json"].NAME
        if _written("json", run, path) is None:
            return path
        with contextlib.suppress(OSError):
            folder.rmdir()
    return None


def _folders(here: Path) -> Iterator[Path]:
    """New folders, each in a place where files may be made."""
    makers: tuple[Callable[[], str], ...] = (
        lambda: tempfile.mkdtemp(prefix=_FOLDER),
        lambda: tempfile.mkdtemp(prefix=_FOLDER, dir=here),
    )
    for make in makers:
        with contextlib.suppress(OSError):
            yield Path(make())
