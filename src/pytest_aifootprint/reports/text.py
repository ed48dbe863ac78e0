"""A summary as lines of text, for the terminal and the ``aifootprint`` command. rich draws the tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import StringIO

from rich.cells import cell_len, set_cell_size
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from pytest_aifootprint.reports.remarks import Line
from pytest_aifootprint.reports.summary import Row, Summary

GAP = 3
LABELS = len("unattributed")
BAR = 10
READABLE_NAME = 34  # before it gets shorter, columns go: the JSON has them, and without a name a row says nothing
SHORTEST_NAME = 20
UNBOUNDED = 10_000


@dataclass(frozen=True, slots=True)
class Cell:
    """Text that is neither wrapped nor cut; a node id may be shortened, down to ``shortest``, for the other columns."""

    text: str
    shortest: int | None = None

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        width = max(cell_len(line) for line in self.text.split("\n"))
        return Measurement(width if self.shortest is None else min(self.shortest, width), width)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        text = self.text if self.shortest is None else shortened(self.text, options.max_width)
        yield Text(text, no_wrap=True, overflow="ellipsis")


def shortened(name: str, width: int) -> str:
    """A node id in at most ``width`` cells: without its first folders, and if need be the middle of its parameters."""
    if cell_len(name) <= width:
        return name
    path, bracket, parameters = name.partition("[")
    leaf = path.rpartition("::")[2] + bracket + parameters
    room = max(width - 1, 0)
    if cell_len(leaf) <= room:
        return f"…{_end(name, room)}"
    return f"{set_cell_size(leaf, room - room // 2).rstrip()}…{_end(leaf, room // 2)}"


def _end(text: str, width: int) -> str:
    return set_cell_size(text[::-1], width).rstrip()[::-1]


def render(summary: Summary, width: int) -> list[Line]:
    """The lines of a summary; each verdict still knows that it is one."""
    lines = [line for part in _at_commas(summary.header, width) for line in _drawn(_wrapping(part), width)]
    if summary.figures:
        lines += _drawn(_figures(summary), width)
    if summary.facts:
        lines += _drawn(_labelled([(label, _wrapping(text)) for label, text in summary.facts]), width)
    if summary.ranking:
        lines += [Line("", ""), *_drawn(_ranking(summary.ranking, width), width)]
    if summary.ranking and summary.lines:
        lines.append(Line("", ""))
    return [*lines, *summary.lines]


def _at_commas(text: str, width: int) -> list[str]:
    """In lines that end behind a comma, as far as that makes them fit: no number is parted from its noun."""
    lines = [""]
    for part in text.split(", "):
        joined = f"{lines[-1]}, {part}" if lines[-1] else part
        if lines[-1] and cell_len(joined) >= width:
            lines[-1] += ","
            lines.append(part)
        else:
            lines[-1] = joined
    return lines


def _wrapping(text: str) -> Text:
    return Text(text, overflow="fold")


def _console(width: int) -> Console:
    return Console(
        file=StringIO(), width=width, color_system=None, force_terminal=False, legacy_windows=False,
        markup=False, emoji=False, highlight=False,
    )  # fmt: skip


def _drawn(table: RenderableType, width: int) -> list[Line]:
    # A terminal that is too narrow wraps the lines; no figure is cut off.
    console = _console(max(width, _size(table).minimum))
    with console.capture() as capture:
        console.print(table)
    return [Line("", line.rstrip()) for line in capture.get().splitlines()]


def _size(table: RenderableType) -> Measurement:
    console = _console(UNBOUNDED)
    return Measurement.get(console, console.options, table)


def _grid() -> Table:
    return Table.grid(padding=(0, GAP, 0, 0))


def _labelled(rows: Sequence[tuple[str, RenderableType]]) -> Table:
    table = _grid()
    table.add_column(min_width=LABELS)
    table.add_column()
    for label, content in rows:
        table.add_row(Cell(label), content)
    return table


def _figures(summary: Summary) -> Table:
    """Label, central value, and the rest, which is a table of its own for the figures and a remark for the asides."""
    parts = _grid()
    for name, _ in summary.parts:
        parts.add_column(name)
    parts.add_row(*(Cell(name) for name, _ in summary.parts))
    parts.add_row(*(Cell(value) for _, value in summary.parts))
    carbon, *others = summary.figures
    details = Table.grid()
    details.add_row(parts)
    for figure in others:
        details.add_row(Cell(figure.detail))
    rest = _grid()
    rest.add_row(Cell("\n".join(["range", carbon.range, *(f.range for f in others)])), details)
    table = _grid()
    table.add_column(min_width=LABELS)
    table.add_row(
        Cell("\n".join(["", *(f.label for f in summary.figures)])),
        Cell("\n".join(["central", *(f.central for f in summary.figures)])),
        rest,
    )
    for label, central, remark in summary.asides:
        table.add_row(Cell(label), Cell(central), _wrapping(remark))
    return table


def _ranking(rows: Sequence[Row], width: int) -> Table:
    """With the bar if the names fit beside it in full; a narrow terminal loses the range and the tokens too."""
    table = _ranked(rows, (), READABLE_NAME)
    if _size(table).maximum <= width:
        return table
    without = (("bar",), ("bar", "range"), ("bar", "range", "tokens"))
    for dropped, name in (*((columns, READABLE_NAME) for columns in without), (without[-1], SHORTEST_NAME)):
        table = _ranked(rows, dropped, name)
        if _size(table).minimum <= width:
            break
    return table


def _ranked(rows: Sequence[Row], dropped: Sequence[str], shortest: int) -> Table:
    columns: dict[str, list[RenderableType]] = {
        "most carbon": [Cell(row.nodeid, shortest) for row in rows],
        "calls": [Cell(row.calls) for row in rows],
        "tokens": [Cell(row.tokens) for row in rows],
        "energy": [Cell(row.energy) for row in rows],
        "carbon": [Cell(row.carbon) for row in rows],
        "range": [Cell(row.range) for row in rows],
        "bar": [Cell("█" * round(BAR * row.share)) for row in rows],
    }
    kept = {name: cells for name, cells in columns.items() if name not in dropped}
    table = Table(box=None, padding=(0, GAP, 0, 0), pad_edge=False)
    for name in kept:
        table.add_column(
            "" if name == "bar" else name,
            justify="right" if name in {"calls", "tokens"} else "left",
            no_wrap=name != "most carbon",
        )
    for cells in zip(*kept.values(), strict=True):
        table.add_row(*cells)
    return table
