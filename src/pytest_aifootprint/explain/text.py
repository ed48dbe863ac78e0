"""An explanation as text: numbers in base units with six digits, so that a reader can calculate with them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from pytest_aifootprint.explain.lines import Line, Section, Table
from pytest_aifootprint.quantities import Given, Range
from pytest_aifootprint.reports import formatting

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.text import Text

INDENT = 2
COLUMN = 19


def write(title: str, sections: Sequence[Section], console: Console) -> None:
    """Print an explanation."""
    console.print(_plain(title, style="bold"))
    for section in sections:
        console.print()
        console.print(_plain(section.title, style="bold"))
        for part in _parts(section, console.width):
            console.print(part)


def _plain(*lines: str, style: str = "") -> Text:
    """Lines as they are, but for what a terminal would obey: a report may be anybody's."""
    from rich.text import Text

    return Text("\n".join(formatting.one_line(str(line)) for line in lines), style=style)


def _parts(section: Section, width: int) -> Iterator[RenderableType]:
    from rich.padding import Padding

    for text in section.text:
        yield Padding(_plain(text), (0, 0, 0, INDENT), expand=False)
    if section.given:
        before = [None, *(g.source for g in section.given)]
        yield _facts(
            [
                (g.symbol, f"{amount(g.value, g.unit)}   {g.what}", "" if g.source == said else _origin(g))
                for g, said in zip(section.given, before, strict=False)
            ]
        )
    named: tuple[str, ...] = ()
    for table in section.tables:
        names = tuple(name for name, _ in table.rows)
        yield from _table(table, width, named=names == named)
        named = names
    if section.lines:
        yield _facts([(line.symbol, f"= {line.equation}", _result(line)) for line in section.lines])


def _facts(rows: Sequence[tuple[str, str, str]]) -> RenderableType:
    """A name, and beside it one line on another."""
    from rich.table import Table as Grid

    grid = Grid.grid(padding=(0, 2, 0, 0))
    grid.add_column(min_width=8, no_wrap=True)
    grid.add_column(overflow="fold")
    for name, first, second in rows:
        grid.add_row(_plain(" " * INDENT + name), _plain(*((first, second) if second else (first,))))
    return grid


def _origin(given: Given) -> str:
    year = "" if given.year is None or str(given.year) in given.source else f", {given.year}"
    basis = f" ({given.basis})" if given.basis else ""
    return f"from {given.source}{year}{basis}"


def _result(line: Line) -> str:
    printed = f" [{line.printed}]" if line.printed else ""
    wrong = "" if line.agrees or line.reported is None else f"; THE REPORT HAS {line.reported['central']:.6g}"
    return f"= {amount(line.value, line.unit)}{printed}   {line.what}{wrong}"


def amount(value: Range | None, unit: str) -> str:
    """A number with its unit and its range; "unknown" where there is none."""
    if value is None:
        return "unknown"
    span = f" ({value.low:.5g} - {value.high:.5g})" if value.factors and value.central else ""
    return f"{value.central:.6g}{f' {unit}' if unit else ''}{span}"


def _table(table: Table, width: int, *, named: bool) -> Iterator[RenderableType]:
    """As many columns beside each other as fit; the rows are numbered and named once (``named``: above)."""
    from rich.padding import Padding
    from rich.table import Table as Grid

    yield Padding(_plain(f"{table.title}:"), (1, 0, 0, INDENT), expand=False)
    for number, (name, _) in enumerate(() if named else table.rows, 1):
        yield Padding(_plain(f"#{number} {name}"), (0, 0, 0, INDENT), expand=False)
    fitting = max(1, (width - INDENT - 6) // COLUMN)
    for first in range(0, len(table.columns), fitting):
        columns = table.columns[first : first + fitting]
        grid = Grid(box=None, padding=(0, 2, 0, 0), pad_edge=False)
        units = any(unit for _, unit in columns)
        grid.add_column("  #", justify="right")
        for symbol, unit in columns:
            head = _plain(symbol, unit) if units else _plain(symbol)
            grid.add_column(head, justify="right", no_wrap=True)
        for number, (_, cells) in enumerate(table.rows, 1):
            grid.add_row(str(number), *(_plain(_cell(cell)) for cell in cells[first : first + fitting]))
        yield grid


def _cell(cell: Range | str | None) -> str:
    if isinstance(cell, Range):
        return f"{cell.central:.6g}"
    return "unknown" if cell is None else cell
