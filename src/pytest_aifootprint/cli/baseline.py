"""``aifootprint baseline``: the file that a run is compared with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pytest_aifootprint.cli.saying import NOT_DONE, say

if TYPE_CHECKING:
    from pytest_aifootprint.budgets.baseline import Baseline, Update

NAME = "aifootprint-baseline.json"
MOST_NAMES = 3

baseline = typer.Typer(
    name="baseline", no_args_is_help=True, rich_markup_mode=None, help="The file that a run is compared with."
)


@baseline.callback()
def about() -> None:
    """The file that a run is compared with (--aifootprint-baseline)."""


@baseline.command()
def update(
    report: Annotated[Path, typer.Argument(help="A report of --aifootprint-report json.")] = Path("aifootprint.json"),
    file: Annotated[Path, typer.Option("--baseline", metavar="FILE", help="Made if it is missing.")] = Path(NAME),
    accept: Annotated[
        bool, typer.Option("--accept", help="Take what changed for the new level at once, not for noise.")
    ] = False,
) -> None:
    """Add the values of a saved report to the baseline, for git: a test a line, its last ten values.

    The same report twice changes nothing. Exit status 2, and the file as it was, for what cannot be read or written.
    """
    from pytest_aifootprint.budgets import baseline_file
    from pytest_aifootprint.budgets.baseline import BaselineError
    from pytest_aifootprint.reports import files
    from pytest_aifootprint.reports.saved.file import SavedError

    try:
        done = _updated(report, file, accept=accept)
        if not done.known:
            files.write(file, "the baseline", baseline_file.chunks(done.baseline), encoding="ascii")
    except (SavedError, BaselineError, OSError) as error:
        say("baseline update", f"{error.filename}: {error.strerror}" if isinstance(error, OSError) else str(error))
        raise typer.Exit(NOT_DONE) from None
    for line in _told(done, file):
        typer.echo(line)


def _updated(report: Path, file: Path, *, accept: bool) -> Update:
    from pytest_aifootprint.budgets import baseline_file
    from pytest_aifootprint.budgets.baseline import BaselineError, fingerprint, updated
    from pytest_aifootprint.records.snapshot import snapshot_of_report
    from pytest_aifootprint.reports.saved.file import load

    document = load(report)
    if baseline_file.is_baseline(document):
        raise BaselineError(f"{report}: a baseline, not a report")
    try:
        snapshot = snapshot_of_report(document)
    except ValueError as error:
        raise BaselineError(f"{report}: {error}") from None
    if snapshot.lost:
        raise BaselineError(f"{report}: it lacks the tests of lost workers: {', '.join(snapshot.lost)}")
    before = _existing(file)
    _check_project(before, snapshot.project, report, file)
    return updated(before, snapshot, fingerprint(document), accept=accept)


def _existing(file: Path) -> Baseline:
    from pytest_aifootprint.budgets import baseline_file
    from pytest_aifootprint.budgets.baseline import Baseline, BaselineError
    from pytest_aifootprint.reports.saved.file import load

    if not file.exists():
        return Baseline(None)
    document = load(file)
    if not baseline_file.is_baseline(document):
        raise BaselineError(f"{file}: not a baseline; its values would be lost")
    try:
        return baseline_file.read(document)
    except BaselineError as error:
        raise BaselineError(f"{file}: {error}") from None


def _check_project(before: Baseline, project: object, report: Path, file: Path) -> None:
    from pytest_aifootprint.budgets.baseline import BaselineError, same_project

    if isinstance(project, dict) and before.project and not same_project(before.project, project):
        raise BaselineError(f"{report}: of project {project['name']!r}, but {file} is of {before.project['name']!r}")


def _told(done: Update, file: Path) -> list[str]:
    from pytest_aifootprint.budgets.spread import FEWEST, MOST_VALUES
    from pytest_aifootprint.reports import formatting

    if done.known:
        return [f"{file}: this report is in it already, nothing changed"]
    runs = max((len(p.values) for e in done.baseline.entries.values() for p in e.past.values()), default=0)
    of_runs = f"{formatting.counted(done.added, 'value')} added, {runs} of at most {MOST_VALUES} runs"
    lines = [f"{file}: {of_runs}"]
    for names, what in (
        (done.begun, "new"),
        (done.anew, "of another level or model than before: their history begins anew"),
        (done.dropped, "gone from the suite: dropped"),
        (done.left_out, "failed, were skipped or have calls without a price: left out"),
    ):
        if names:
            listed = ", ".join(map(formatting.one_line, names[:MOST_NAMES])) + (", …" if names[MOST_NAMES:] else "")
            lines.append(f"  {len(names)} {what}: {listed}")
    if runs < FEWEST:
        lines.append(f"  the spread between runs is known from {FEWEST} on; until then the threshold alone decides")
    return lines
