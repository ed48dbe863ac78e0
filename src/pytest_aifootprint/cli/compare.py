"""``aifootprint compare``: what changed between two saved reports, and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pytest_aifootprint.cli.saying import MOST_SIGNS, NOT_DONE, say

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from pytest_aifootprint.records.decomposition import Account
    from pytest_aifootprint.records.snapshot import Snapshot, Spent

UNBOUNDED = 10_000
FELT = 1e-6
GAP = 2
SHORTEST_NAME = 16
"""With both, most figures of two reports fit beside a name at 80 columns."""

Rows = Sequence[Sequence[str]]


def compare(
    a: Annotated[Path, typer.Argument(metavar="A", help="A report of --aifootprint-report json.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="Another, to be compared with it.")],
    rows: Annotated[int, typer.Option(min=0, help="Tests and models that are listed, most changed first.")] = 20,
) -> None:
    """Show what changed from A to B: in all, why, by model and by test.

    Exit status 0 whatever changed; 2 for a file that cannot be read.
    """
    from pytest_aifootprint.reports.saved.file import SavedError

    try:
        before, after = _read(a), _read(b)
    except SavedError as error:
        say("compare", str(error))
        raise typer.Exit(NOT_DONE) from None
    from rich.console import Console

    console = Console(highlight=False, markup=False, emoji=False)
    for line in _head(a, b, before, after):
        console.print(line, soft_wrap=True)
    for title, columns, lines in _tables(before, after, rows):
        _draw(console, title, _table(columns, lines, console.width))


class Side:
    """A report, ready to be compared."""

    def __init__(self, report: Mapping[str, Any], account: Account, snapshot: Snapshot) -> None:
        """Take all three views of it."""
        run = report["run"]
        self.started_at = str(run["started_at"])
        self.commit = str(run.get("commit") or "")
        self.account = account
        self.snapshot = snapshot


def _read(path: Path) -> Side:
    from pytest_aifootprint.budgets.baseline_file import is_baseline
    from pytest_aifootprint.records.decomposition import account_of
    from pytest_aifootprint.records.snapshot import BROKEN, snapshot_of_report
    from pytest_aifootprint.reports.saved.file import SavedError, load

    report = load(path)
    if is_baseline(report):
        raise SavedError(f"{path}: a baseline, not a report; pytest --aifootprint-baseline compares with it")
    try:
        return Side(report, account_of(report), snapshot_of_report(report))
    except BROKEN as error:
        raise SavedError(f"{path}: not a report of this plugin: {error!r}"[:MOST_SIGNS]) from None


def _table(columns: Sequence[str], lines: Rows, width: int) -> Table:
    """Names are shortened for the figures beside them."""
    from rich.cells import cell_len
    from rich.table import Table

    from pytest_aifootprint.reports.text import Cell, shortened

    figures = list(zip(columns, *lines, strict=True))[1:]
    room = max(SHORTEST_NAME, width - sum(GAP + max(map(cell_len, column)) for column in figures))
    table = Table(box=None, padding=(0, GAP, 0, 0), pad_edge=False)
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left", no_wrap=bool(number))
    for name, *cells in lines:
        table.add_row(Cell(shortened(name, room)), *map(Cell, cells))
    return table


def _draw(console: Console, title: str, table: Table) -> None:
    """Too narrow a terminal wraps the lines: no figure is cut off."""
    from rich.console import Console
    from rich.measure import Measurement

    def page(width: int) -> Console:
        return Console(file=StringIO(), width=width, color_system=None, highlight=False, markup=False, emoji=False)

    console.print(f"\n{title}")
    wide = page(UNBOUNDED)
    needed = Measurement.get(wide, wide.options, table).minimum
    drawn = page(max(console.width, needed))
    with drawn.capture() as capture:
        drawn.print(table)
    for line in capture.get().splitlines():
        console.print(line.rstrip(), soft_wrap=True)


def _head(a: Path, b: Path, before: Side, after: Side) -> Iterator[str]:
    """Which reports, and in what they are not alike beside their tests."""
    from pytest_aifootprint.reports import formatting

    for name, path, side in (("A", a, before), ("B", b, after)):
        commit = f", commit {side.commit[:12]}" if side.commit else ""
        yield formatting.one_line(f"{name}  {path}: run of {side.started_at}{commit}")
    for what, one, other in _conditions(before, after):
        if one != other:
            yield formatting.one_line(f"{what} differ: {one} → {other}")
    for name, path, side in (("A", a, before), ("B", b, after)):
        if side.snapshot.lost:
            lost = ", ".join(side.snapshot.lost)
            yield formatting.one_line(f"{name}  {path} lacks the tests of lost workers: {lost}")
        if side.account.unpriced:
            yield f"{name}  {formatting.counted(side.account.unpriced, 'call')} could not be priced: not in its figures"
        if side.snapshot.without_row:
            yield f"{name}  {side.snapshot.without_row} AI tests have no row (--aifootprint-tests marked)"


def _conditions(before: Side, after: Side) -> Iterator[tuple[str, str, str]]:
    old, new = before.snapshot, after.snapshot
    project = [side.project["name"] if side.project else "unknown" for side in (old, new)]
    yield "projects", project[0], project[1]
    yield "factors", old.setting.factors, new.setting.factors
    machines = [
        f"{m['cpu']} ({m['kind']}; {', '.join(m['meters'])})" for m in (old.setting.machine, new.setting.machine)
    ]
    yield "machines", machines[0], machines[1]
    for name in sorted(old.setting.grids.keys() & new.setting.grids.keys()):
        label = "grids of this machine" if name == "local" else f"grids of {name}"
        yield label, f"{old.setting.grids[name]:g} g/kWh", f"{new.setting.grids[name]:g} g/kWh"


def _tables(before: Side, after: Side, most: int) -> Iterator[tuple[str, Sequence[str], Rows]]:
    yield "in all", ("", "A", "B", "change"), _totals(before, after)
    yield "why carbon changed", ("cause", "change", "of A"), _causes(before, after)
    if most:
        models = _models(before.account, after.account, most)
        if models:
            yield "models, most changed first", ("model", "calls", "tokens", "energy per token", "use"), models
        tests = _tests(before.snapshot, after.snapshot, most)
        if tests:
            columns = ("test", "calls", "tokens", "energy", "carbon", "change")
            yield "tests by themselves, most changed first", columns, tests


def _arrow(one: str, other: str) -> str:
    return one if one == other else f"{one} → {other}"


def _change(before: float | None, after: float | None) -> str:
    from pytest_aifootprint.reports import formatting

    if before is None or after is None:
        return ""
    if before:
        return formatting.increase(after / before - 1)
    return "new" if after else ""


def _totals(before: Side, after: Side) -> Rows:
    from pytest_aifootprint.reports import formatting

    old, new = before.account, after.account
    counts = (
        ("AI tests", old.tests, new.tests),
        ("live calls", old.calls, new.calls),
        ("tokens", old.tokens, new.tokens),
    )
    parts = (
        ("use", old.use_g, new.use_g),
        ("training", old.training_g, new.training_g),
        ("hardware", old.hardware_g, new.hardware_g),
    )
    grams = (
        ("carbon", old.total_g, new.total_g),
        *(
            (f"  {part}", None if part in old.unknown else a, None if part in new.unknown else b)
            for part, a, b in parts
        ),
    )
    return [
        *((label, formatting.count(a), formatting.count(b), _change(a, b)) for label, a, b in counts),
        (
            "energy",
            formatting.energy(old.energy_j),
            formatting.energy(new.energy_j),
            _change(old.energy_j, new.energy_j),
        ),
        *((label, formatting.carbon(a), formatting.carbon(b), _change(a, b)) for label, a, b in grams),
    ]


def _causes(before: Side, after: Side) -> Rows:
    from pytest_aifootprint.records.decomposition import causes
    from pytest_aifootprint.reports import formatting

    whole = before.account.total_g
    change = after.account.total_g - whole
    by_cause = causes(before.account, after.account)
    found = {cause: grams for cause, grams in by_cause.items() if abs(grams) > FELT * max(whole, after.account.total_g)}
    unit = formatting.carbon_unit([max(map(abs, [*found.values(), change]), default=0.0)])

    def row(cause: str, grams: float) -> tuple[str, str, str]:
        sign = "+" if grams > 0 else "-" if grams < 0 else ""
        return cause, sign + formatting.carbon(abs(grams), unit), formatting.increase(grams / whole) if whole else ""

    return [*(row(cause, grams) for cause, grams in found.items()), row("in all", change)]


def _models(before: Account, after: Account, most: int) -> Rows:
    from pytest_aifootprint.records.decomposition import ModelUse
    from pytest_aifootprint.reports import changing, formatting

    def per_token(use: ModelUse) -> str:
        return changing.amount("energy_j_per_token", use.energy_j / use.tokens) if use.tokens else formatting.UNKNOWN

    pairs = [
        (name, before.models.get(name, ModelUse()), after.models.get(name, ModelUse()))
        for name in before.models.keys() | after.models.keys()
    ]
    pairs.sort(key=lambda p: (-abs(p[2].use_g - p[1].use_g), p[0]))
    return [
        (
            formatting.one_line(f"{name[0]} ({name[1]})" if name[1] else name[0]),
            _arrow(formatting.count(round(old.calls)), formatting.count(round(new.calls))),
            _arrow(*(formatting.count(None if use.tokens is None else round(use.tokens)) for use in (old, new))),
            _arrow(per_token(old), per_token(new)),
            _arrow(formatting.carbon(old.use_g), formatting.carbon(new.use_g)),
        )
        for name, old, new in pairs[:most]
    ]


def _tests(before: Snapshot, after: Snapshot, most: int) -> Rows:
    from pytest_aifootprint.reports import formatting

    names = before.spent.keys() | after.spent.keys()
    pairs = [(name, before.spent.get(name), after.spent.get(name)) for name in names]
    pairs.sort(key=lambda p: (-abs(_grams(p[2]) - _grams(p[1])), p[0]))

    def cell(old: Spent | None, new: Spent | None, said: Any) -> str:
        return _arrow(*(formatting.UNKNOWN if spent is None else said(spent) for spent in (old, new)))

    return [
        (
            formatting.one_line(name),
            cell(old, new, lambda s: formatting.count(s.calls)),
            cell(old, new, lambda s: formatting.count(s.tokens)),
            cell(old, new, lambda s: formatting.energy(s.energy_j)),
            cell(old, new, lambda s: formatting.carbon(s.carbon_g)),
            "new" if old is None else "gone" if new is None else _change(_grams(old), _grams(new)),
        )
        for name, old, new in pairs[:most]
    ]


def _grams(spent: Spent | None) -> float:
    return spent.carbon_g.central if spent is not None else 0.0
