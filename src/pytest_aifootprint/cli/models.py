"""``aifootprint models [NAME]``: what is known of models, and how the training share of one is made."""

# ruff: noqa: RUF001 - the signs that every report prints
from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pytest_aifootprint.cli.project import project_table

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

WIDE = 120
"""Columns from which the table has room for its sources."""
NOT_KNOWN = 1

Facts = Mapping[str, Any]


def models(
    name: Annotated[str | None, typer.Argument(help="A model, as your code names it.", show_default=False)] = None,
    provider: Annotated[str | None, typer.Option(help="Who serves it.", show_default=False)] = None,
    operation: Annotated[
        str | None,
        typer.Option(
            help="What it is called for: chat, completion, embedding, rerank, moderation, classification, or inference "
            "(in the process). Default: what its name tells.",
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List what is known of models; of one: its size, lineage, training, and how its training share is made.

    Exit status 1 for a model that nothing is known of; its class range and close matches are printed.
    """
    from pytest_aifootprint.catalogue import default_catalogue
    from pytest_aifootprint.cli import model_facts

    if name is not None and not name.strip():
        raise typer.BadParameter("the name of a model is empty")
    if operation not in (None, *model_facts.OPERATIONS):
        raise typer.BadParameter(
            f"{operation!r} is not valid; valid: {', '.join(model_facts.OPERATIONS)}", param_hint="--operation"
        )
    catalogue = default_catalogue()
    project = Path("pyproject.toml")
    declared = project_table(project, "models")
    tables, error = model_facts.declared_tables(declared, project.absolute().parent, catalogue)
    if name is None:
        facts = model_facts.everything(catalogue, tables)
    else:
        facts = model_facts.one(name, provider, tables, catalogue, operation)
    facts["declared_error"] = error
    if as_json:
        typer.echo(json.dumps(facts, indent=2))
    else:
        from rich.console import Console

        show = show_all if name is None else show_one
        show(facts, Console(highlight=False, markup=False, emoji=False, soft_wrap=False))
    if name is not None and not facts["known"]:
        raise typer.Exit(NOT_KNOWN)


def show_all(facts: Facts, console: Console) -> None:
    """Print the table of trainings, and what else is known."""
    wide = console.width >= WIDE
    console.print(_table(facts["trainings"], wide=wide))
    console.print()
    for note in _notes(facts, wide=wide):
        console.print(_plain(note))
    _error(facts, console)


def _table(trainings: Sequence[Facts], *, wide: bool) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("model", overflow="fold")
    for column in ("size", "energy", "carbon"):
        table.add_column(column, justify="right", no_wrap=True)
    for column in ("known", "sure", *(("method",) if wide else ()), "year"):
        table.add_column(column, no_wrap=True)
    if wide:
        table.add_column("basis", overflow="fold", ratio=2)
        table.add_column("source", overflow="fold", ratio=3)
    for row in trainings:
        whole = row["whole"]
        name = row["id"] + ("" if row["match"] else " *")
        carbon = ("~" if row["kgco2e"] and not row["kgco2e_published"] else "") + _kg(row["kgco2e"])
        method = {"computed": "compute", None: "–"}.get(whole, "count")
        cells = [name, _size(row), _kwh(row["kwh"]), carbon, whole or "upper end", row["confidence"]]
        cells += [method, str(row["year"])] if wide else [str(row["year"])]
        cells += [row["basis"] or "6 N D / eta_train", row["source"]] if wide else []
        table.add_row(*map(_plain, cells))
    return table


def _notes(facts: Facts, *, wide: bool) -> Iterator[str]:
    if not wide:
        yield f"Basis and sources: at {WIDE} columns or more, with a NAME, or with --json."
    trainings, sizes = facts["trainings"], facts["sizes"]
    computed = sum(row["whole"] == "computed" for row in trainings)
    yield f"{len(trainings)} trainings, {computed} of them computed: 6 N D / eta_train of size and tokens."
    yield "~ carbon at the world's average grid; a model's provider, or training_grid, tells a better one."
    yield "* a project's total, or the authors' own runs: no model of that name takes it."
    yield (
        "A call bears a share of its use, or, with expected_uses declared, the training divided by them (method count; "
        "compute where it is computed): aifootprint models NAME."
    )
    by_provider = ", ".join(f"{provider} {number}" for provider, number in sizes["by_provider"].items())
    yield f"{sizes['models_and_aliases']} sizes and aliases of {sizes['source']}: {by_provider}"
    if facts["declared"]:
        yield f"declared in pyproject.toml: {', '.join(facts['declared'])}"


def show_one(facts: Facts, console: Console) -> None:
    """Print what is known of one model."""
    from rich.table import Table

    def lines(title: str, rows: list[tuple[str, str]]) -> None:
        console.print(_plain(title, style="bold"))
        table = Table.grid(padding=(0, 2))
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        for label, text in rows:
            table.add_row(_plain("  " + label), _plain(text))
        console.print(table)
        console.print()

    resolved = facts["resolved"]
    how = f" ({resolved['kind']}, {resolved['basis']})" if resolved["basis"] else ""
    rows = [("model", resolved["id"]), ("found by", resolved["source"] + how)]
    rows += [("active", f"{_ends(resolved['active_b'])} billion parameters")] if resolved["active_b"] else []
    rows += [("in all", f"{_ends(resolved['total_b'])} billion parameters")] if resolved["total_b"] else []
    rows += [("notice", resolved["notice"])] if resolved["notice"] else []
    if not facts["known"]:
        matches = ", ".join(facts["close_matches"]) or "none"
        rows.append(("close", f"{matches} (aifootprint models lists all trainings)"))
    lines(f"How {facts['name']!r} is resolved", rows)
    if facts["declared"]:
        lines("Your table in pyproject.toml", [(key, _said(value)) for key, value in facts["declared"].items()])
    if facts["lineage"]:
        lines(
            "Made from (in none of the figures below)",
            [(parent["name"], _whole(parent)) for parent in facts["lineage"]],
        )
    if facts["training_row"]:
        lines("Its training in the catalogue", _row_lines(facts["training_row"]))
    lines(*_share_lines(facts))
    _error(facts, console)


def _share_lines(facts: Facts) -> tuple[str, list[tuple[str, str]]]:
    told, provider = facts["training"], facts["provider"]
    per_call = told["per_call"]
    where = f"{provider['name']} (trains in {provider['training_zone']})"
    tokens = f"{per_call['input_tokens']:,} tokens read" if per_call["input_tokens"] else "one inference"
    tokens += f", {per_call['output_tokens']} written" if per_call["output_tokens"] else ""
    operation = facts["operation"]
    rows = [("operation", operation["name"] + ("" if operation["given"] else "; another: --operation"))]
    rows.append(("provider", where + ("" if provider["given"] else "; another: --provider")))
    rows.append(("method", f"{told['method']}: {_METHODS[told['method']]}{_instead(facts)}"))
    if told["whole"] is not None:
        kwh = {"low": told["kwh"], "central": told["kwh"], "high": told["kwh"]} if told["kwh"] is not None else None
        rows.append(("whole", f"{told['whole']}: {_kwh(kwh)}, {_kg(told['carbon_kg'])}CO2e"))
    if told["parent"]:
        rows.append(("left out", f"the training of its parent {told['parent']}"))
    for given in told["inputs"]:
        year = "" if given["year"] is None or str(given["year"]) in given["source"] else f", {given['year']}"
        value = f"{_ends(given['value'])} {given['unit']}".rstrip()
        rows.append((given["symbol"], f"{value}: {given['what']} [{given['source']}{year}]"))
    rows += [
        (step["symbol"], f"{step['equation']} = {_ends(step['value'])} {step['unit']}".rstrip())
        for step in told["steps"]
    ]
    if per_call["carbon_g"] is None:
        rows.append(("a call", f"unknown, not 0: {told['source']}"))
    else:
        carbon, energy = _carbon(per_call["carbon_g"]), _energy(per_call["energy_j"])
        rows.append(("a call", f"{carbon} and {energy} of training for {tokens}"))
    return f"Its training share in a call, {tokens}", rows


_METHODS = {
    "share": "a share of what the call uses",
    "count": "the whole training over the declared uses",
    "compute": "the training computed from size and tokens, over the declared uses",
    "measured": "trained in this run",
    "unknown": "nothing to make a share from",
}


def _instead(facts: Facts) -> str:
    """What would make it another method than the share."""
    told, declared = facts["training"], facts["declared"] or {}
    if told["method"] != "share" or "training_method" in declared:
        return ""
    wanted = [] if told["whole"] else ["training_kwh, training_gco2e, codecarbon_csv or training_tokens"]
    wanted += [] if "expected_uses" in declared else ["expected_uses"]
    return f"; declare {' and '.join(wanted)} to divide the whole instead" if wanted else ""


def _row_lines(row: Facts) -> list[tuple[str, str]]:
    origin = row["origin"]
    said = [(key, _said(value)) for key, value in row.items() if key not in _SHOWN_APART and _tells(value)]
    return [*said, ("source", origin["source"]), ("year", str(origin["year"])), ("evidence", origin["evidence"])]


_SHOWN_APART = ("origin", "match")


def _tells(value: Any) -> bool:
    return value not in (None, "", (), []) and value != (None, None, None)


def _said(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join("–" if v is None else _said(v) for v in value)
    if isinstance(value, dict):
        return ", ".join(f"{key} {_said(v)}" for key, v in value.items())
    return f"{value:,.10g}" if isinstance(value, float) else str(value)


def _size(row: Facts) -> str:
    if row["params_b"] is None:
        return "–"
    active = f" (a {row['active_params_b']:g})" if row["active_params_b"] else ""
    return f"{row['params_b']:g} B{active}"


def _whole(parent: Facts) -> str:
    if parent["whole"] is None:
        return "nothing is known of its training"
    kwh = parent["kwh"]
    energy = "" if kwh is None else f"{_kwh({'central': kwh})}, "
    return f"{parent['whole']}: {energy}{_kg(parent['kgco2e'])}CO2e"


def _kwh(ends: Facts | None) -> str:
    from pytest_aifootprint.quantities.units import J_PER_KWH
    from pytest_aifootprint.reports import formatting

    return formatting.energy(None if ends is None else ends["central"] * J_PER_KWH)


def _kg(ends: Facts | None) -> str:
    from pytest_aifootprint.reports import formatting

    return formatting.carbon(None if ends is None else ends["central"] * 1000)


def _carbon(ends: Facts) -> str:
    from pytest_aifootprint.reports import formatting

    low, central, high = (formatting.carbon(ends[key]) for key in ("low", "central", "high"))
    return f"{central}CO2e ({low} – {high})"


def _energy(ends: Facts | None) -> str:
    from pytest_aifootprint.reports import formatting

    if ends is None:
        return "an unknown energy"
    low, central, high = (formatting.energy(ends[key]) for key in ("low", "central", "high"))
    return f"{central} ({low} – {high})"


def _ends(ends: Facts | None) -> str:
    if ends is None:
        return "–"
    low, central, high = (f"{ends[key]:.4g}" for key in ("low", "central", "high"))
    return central if low == high else f"{central} ({low} – {high})"


def _plain(text: str, style: str = "") -> Text:
    from rich.text import Text

    return Text(text, style=style)


def _error(facts: Facts, console: Console) -> None:
    if facts["declared_error"]:
        console.print(_plain(f"left out, a run would stop here: {facts['declared_error']}"))
