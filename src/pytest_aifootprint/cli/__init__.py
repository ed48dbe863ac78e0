"""The ``aifootprint`` command: a file for each command, which imports what it needs when it runs."""

from __future__ import annotations

import io
import sys
from typing import Annotated

import typer

from pytest_aifootprint.cli.baseline import baseline
from pytest_aifootprint.cli.compare import compare
from pytest_aifootprint.cli.doctor import doctor
from pytest_aifootprint.cli.explain import explain
from pytest_aifootprint.cli.models import models
from pytest_aifootprint.cli.show import show

app = typer.Typer(name="aifootprint", no_args_is_help=True, add_completion=False, rich_markup_mode=None)
app.add_typer(baseline)
app.command()(compare)
app.command()(doctor)
app.command()(explain)
app.command()(models)
app.command()(show)


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"pytest-aifootprint {version('pytest-aifootprint')}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")] = False,
) -> None:
    """Energy, carbon and water of AI-assisted tests."""
    del version
    for stream in (sys.stdout, sys.stderr):
        # A terminal that has no sign for "µ" gets its number, never an error of ours.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
