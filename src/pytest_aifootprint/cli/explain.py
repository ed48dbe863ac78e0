"""``aifootprint explain``: the equation of every number of a saved report, every input with its source."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pytest_aifootprint.cli.saying import NOT_DONE, say

if TYPE_CHECKING:
    from pytest_aifootprint.explain.lines import Section
    from pytest_aifootprint.explain.saved import Saved

DIFFERS = 1


def explain(
    what: Annotated[
        str | None, typer.Argument(metavar="[NODEID | MODEL]", help="A test, a shared fixture or a model.")
    ] = None,
    report: Annotated[Path, typer.Option(help="A report of --aifootprint-report json.")] = Path("aifootprint.json"),
    rows: Annotated[int, typer.Option(min=1, help="Tests that are listed one by one.")] = 20,
) -> None:
    """Show how a number is made: of the run as a whole, or of one test, shared fixture or model.

    Exit status 1 if the arithmetic comes to another number than the report has; 2 for what cannot be found or read.
    """
    from rich.console import Console

    from pytest_aifootprint.explain.lines import disagreements
    from pytest_aifootprint.explain.saved import BROKEN, Saved, SavedError
    from pytest_aifootprint.explain.text import write
    from pytest_aifootprint.quantities.sheets import EquationError
    from pytest_aifootprint.reports.saved.file import uncollected

    try:
        with uncollected():
            saved = Saved.read(report)
            found = _find(saved, what, rows)
            wrong = [] if found is None else disagreements(found[1])
    except (SavedError, EquationError) as error:
        say("explain", str(error))
        raise typer.Exit(NOT_DONE) from None
    except BROKEN as error:
        say("explain", f"{report}: not a report of this plugin: {error!r}")
        raise typer.Exit(NOT_DONE) from None
    if found is None:
        close = saved.close_to(what or "")
        hint = f"; did you mean {' or '.join(close)}?" if close else ""
        # Whoever asks for a test that ran wonders why it is not there.
        if what and "test" in what.casefold() and saved.report["totals"]["tests"] > len(saved.report["tests"]):
            hint += " (tests without an AI call have a row with --aifootprint-tests all)"
        say("explain", f"{report} has no test, fixture or model {what!r}{hint}")
        raise typer.Exit(NOT_DONE)
    title, sections = found
    write(title, sections, Console(highlight=False, markup=False, emoji=False))
    if wrong:
        names = ", ".join(dict.fromkeys(line.symbol for line in wrong))
        say("explain", f"the report has other numbers: {names}")
        raise typer.Exit(DIFFERS)


def _find(saved: Saved, what: str | None, rows: int) -> tuple[str, list[Section]] | None:
    """A title, and what there is to say."""
    from pytest_aifootprint.explain.models import explain_model
    from pytest_aifootprint.explain.owners import explain_fixture, explain_test
    from pytest_aifootprint.explain.run import explain_run

    if what is None:
        tool = saved.report["tool"]
        return (
            f"{saved.path}: run of {saved.report['run']['started_at']}, factors {tool['factors_version']}",
            explain_run(saved, rows),
        )
    if (test := saved.test(what)) is not None:
        return test["nodeid"], explain_test(saved, test)
    if (fixture := saved.fixture(what)) is not None:
        return f"fixture {fixture['id']}, borne by {fixture['payers']}", explain_fixture(saved, fixture)
    if models := saved.models(what):
        return models[0]["id"], [section for model in models for section in explain_model(saved, model)]
    return None
