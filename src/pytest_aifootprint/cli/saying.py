"""What every command says on stderr, in one line."""

from __future__ import annotations

import sys

import typer

NOT_DONE = 2
"""Exit status where a file cannot be read, found or written."""
MOST_SIGNS = 1000


def say(command: str, text: str) -> None:
    """One line for people; what a file says is not obeyed by the terminal."""
    from pytest_aifootprint.reports.formatting import one_line, printable

    line = printable(one_line(text)[:MOST_SIGNS], getattr(sys.stderr, "encoding", None))
    typer.echo(f"aifootprint {command}: {line}", err=True)
