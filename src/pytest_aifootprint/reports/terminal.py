"""The section "AI footprint" at the end of a pytest run."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Protocol

from pytest_aifootprint.records.model import RunFootprint
from pytest_aifootprint.reports import remarks
from pytest_aifootprint.reports.formatting import one_line, printable
from pytest_aifootprint.reports.remarks import Line
from pytest_aifootprint.reports.summary import headline, summarise

if TYPE_CHECKING:
    import pytest

TITLE = "AI footprint"
PERCENT = len(" [100%]") + 1  # pytest's progress, which it writes at the end of the line
_COLOUR = {"pass": {"green": True}, "fail": {"red": True}, "undecided": {"yellow": True}}


class TerminalReporter(Protocol):
    """What we use of pytest's."""

    @property
    def config(self) -> Any:
        """The ``pytest.Config``."""

    def write_sep(self, sep: str, title: str | None = None, fullwidth: int | None = None, **markup: bool) -> None:
        """Write a title across the width."""

    def write_line(self, line: str | bytes, **markup: bool) -> None:
        """Write one line."""


def write_summary(terminalreporter: TerminalReporter, run: RunFootprint, top: int = 10) -> None:
    """Write the section; under ``-q`` the headline and the verdicts alone.

    Args:
        terminalreporter: pytest's.
        run: what to print.
        top: rows of the ranking; 0 hides it.
    """
    config = terminalreporter.config
    width, encoding = config.get_terminal_writer().fullwidth, getattr(sys.stdout, "encoding", None)
    fold = knows_width(terminalreporter)
    lines: Iterable[Line]
    if config.get_verbosity() < 0:
        lines = [Line("", f"{TITLE}: {headline(run)}"), *remarks.budgets(run)]
        lines = [Line(line.label, printable(line.text, encoding), line.verdict) for line in lines]
        if fold:
            from pytest_aifootprint.reports.text import folded

            lines = [part for line in lines for part in folded(line, width)]
    else:
        # rich takes 30 ms to import: at the end of the run, where no test waits for it.
        from pytest_aifootprint.reports.text import render

        terminalreporter.write_sep("=", TITLE)
        lines = render(summarise(run, top), width, encoding, fold=fold)
    for line in lines:
        terminalreporter.write_line(printable(str(line), encoding), **_COLOUR.get(line.verdict, {}))


def write_generated(terminalreporter: TerminalReporter, lines: Iterable[str]) -> None:
    """Say where reports are, as pytest says it of its own; nothing under ``-q``, as there."""
    if terminalreporter.config.get_verbosity() < 0:
        return
    encoding = getattr(sys.stdout, "encoding", None)
    for line in lines:
        terminalreporter.write_sep("-", printable(one_line(line), encoding))


def write_between(terminalreporter: pytest.TerminalReporter, text: Callable[[int], str]) -> None:
    """Write a line of its own between two tests, wherever pytest's progress stands, and let it go on below.

    Args:
        terminalreporter: pytest's.
        text: that fits into a width.
    """
    writer = terminalreporter.config.get_terminal_writer()
    verbose = terminalreporter.showlongtestinfo
    line = printable(text(writer.fullwidth - (0 if verbose else PERCENT)), getattr(sys.stdout, "encoding", None))
    if writer.width_of_current_line:
        terminalreporter.write("\n")
    if verbose or terminalreporter.showfspath:
        # As behind a line of its own: what it writes next it begins with the end of this one.
        terminalreporter.write(line, flush=True)
        terminalreporter.currentfspath = TITLE
    else:
        # xdist writes one dot behind the other.
        terminalreporter.write(f"{line}\n", flush=True)


def knows_width(terminalreporter: TerminalReporter) -> bool:
    """Whether pytest's width is that of a terminal, or of ``COLUMNS``.

    In a pipe, a file or the log of a CI job it is a guess, and what reads there looks for whole lines.
    """
    columns = os.environ.get("COLUMNS", "")
    if columns.isdecimal() and int(columns[:9]) > 0:
        return True
    # The command's own writer has no such attribute.
    is_terminal = getattr(terminalreporter, "isatty", None)
    return bool(sys.stdout and sys.stdout.isatty() if is_terminal is None else is_terminal)


def one_line_verdict(run: RunFootprint) -> str:
    """What stands on stderr under ``-p no:terminal``: the first verdict that is no pass, the headline if all are."""
    broken = remarks.broken(run)
    if not broken:
        return printable(headline(run), getattr(sys.stderr, "encoding", None))
    more = f" (and {len(broken) - 1} more)" if len(broken) > 1 else ""
    return printable(f"budget {remarks.said(broken[0])}{more}", getattr(sys.stderr, "encoding", None))
