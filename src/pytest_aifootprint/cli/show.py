"""``aifootprint show``: a saved JSON report as the run printed it, or as a report of any other kind."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from pytest_aifootprint.cli.saying import NOT_DONE, say

if TYPE_CHECKING:
    from rich.console import Console

    from pytest_aifootprint.records.model import RunFootprint
    from pytest_aifootprint.reports import Target

NARROWEST = 40
"""A terminal that says it is narrower does not know its width: pytest takes 80 for it, too."""


def show(
    file: Annotated[Path, typer.Argument(help="A report of --aifootprint-report json.")] = Path("aifootprint.json"),
    report: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KIND[:PATH]",
            help="Write a report instead, repeatable: html, json, csv, markdown, badge, junit, otel:URL.",
        ),
    ] = None,
    top: Annotated[int, typer.Option(min=0, help="Rows of the table of tests; 0 hides it.")] = 10,
    verbose: Annotated[
        int, typer.Option("--verbose", "-v", count=True, show_default=False, help="More, as with pytest -v.")
    ] = 0,
    quiet: Annotated[
        int, typer.Option("--quiet", "-q", count=True, show_default=False, help="The headline and the limits alone.")
    ] = 0,
) -> None:
    """Print a saved report as pytest did at the end of the run, or write it as reports of other kinds.

    Exit status 2 for a file that cannot be read, and for a report that cannot be written.
    """
    from pytest_aifootprint.reports.saved.file import SavedError
    from pytest_aifootprint.reports.saved.read import read

    try:
        wanted = _wanted(report or [], file)
        run = read(file)
    except (SavedError, ValueError) as error:
        _fail(str(error))
    if wanted:
        _write(run, wanted)
    else:
        _print(run, top, verbose - quiet)


def _wanted(texts: list[str], file: Path) -> list[tuple[str, Target]]:
    """Kind and target of each report, seen to before anything is read. Raises ValueError, one line."""
    from pytest_aifootprint.reports import probe, where

    found = [where(text, Path.cwd()) for text in texts]
    for number, (text, (kind, target)) in enumerate(zip(texts, found, strict=True)):
        try:
            probe(kind, target, [earlier for _, earlier in found[:number]])
        except ValueError as error:
            raise ValueError(f"--report {text}: {error}") from None
        if isinstance(target, Path) and target.exists() and file.exists() and target.samefile(file):
            raise ValueError(f"--report {text}: {target} is the file to show: it would be overwritten")
    return found


def _write(run: RunFootprint, wanted: list[tuple[str, Target]]) -> None:
    """Write each; one that cannot be written does not keep the others from it."""
    from pytest_aifootprint.reports import REPORTS

    broken = 0
    for kind, target in wanted:
        try:
            REPORTS[kind].write(run, target)
        except OSError as error:
            broken += 1
            say("show", f"{kind}:{target}: {error.strerror or error}")
    if broken:
        raise typer.Exit(NOT_DONE)


def _print(run: RunFootprint, top: int, verbosity: int) -> None:
    from pytest_aifootprint.reports.terminal import write_summary

    write_summary(_Screen(verbosity), run, top)


class _Screen:
    """This command's terminal, as far as a summary uses pytest's."""

    def __init__(self, verbosity: int) -> None:
        """``verbosity`` as of pytest: 1 for ``-v``, -1 for ``-q``."""
        from rich.console import Console

        columns = shutil.get_terminal_size().columns
        self._verbosity = verbosity
        self.fullwidth = columns if columns >= NARROWEST else 80
        self._console: Console = Console(highlight=False, markup=False, emoji=False, width=self.fullwidth)

    @property
    def config(self) -> _Screen:
        """What is asked of pytest's configuration."""
        return self

    def get_verbosity(self, _kind: str | None = None) -> int:
        """0, above it with ``-v``, below it with ``-q``."""
        return self._verbosity

    def get_terminal_writer(self) -> _Screen:
        """What knows ``fullwidth``."""
        return self

    def write_sep(self, sep: str, title: str | None = None, fullwidth: int | None = None, **markup: bool) -> None:
        """A line across the width, its title in the middle."""
        width = fullwidth or self.fullwidth
        text = f" {title} " if title else ""
        side = sep * max((width - len(text)) // (2 * len(sep)), 1)
        line = f"{side}{text}{side}"
        self.write_line(line + sep if len(line) + len(sep) <= width else line, **markup)

    def write_line(self, line: str | bytes, **markup: bool) -> None:
        """One line, in its colours where the terminal has any; what stands in a file is not obeyed by it."""
        from rich.text import Text

        from pytest_aifootprint.reports.formatting import one_line

        text = line if isinstance(line, str) else line.decode(errors="replace")
        style = " ".join(name for name, on in markup.items() if on)
        self._console.print(Text(one_line(text), style=style), soft_wrap=True)


def _fail(text: str) -> NoReturn:
    say("show", text)
    raise typer.Exit(NOT_DONE)
