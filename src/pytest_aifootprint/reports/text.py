"""A summary as lines of text, for the terminal and the ``aifootprint`` command. rich draws the tables."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from io import StringIO
from typing import TypeVar

from msgspec import Struct
from rich.cells import cell_len, set_cell_size
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from pytest_aifootprint.quantities.changed import replace
from pytest_aifootprint.reports.formatting import printable
from pytest_aifootprint.reports.remarks import LABEL, Line
from pytest_aifootprint.reports.summary import Row, Summary

GAP = 3
LABELS = len("unattributed")
BAR = 10
READABLE_NAME = 34  # before it gets shorter, columns go: the JSON has them, and without a name a row says nothing
SHORTEST_NAME = 20
LONGEST_WORD = 24  # a longer one (a node id, a path) is folded rather than that the other columns have to make room
UNBOUNDED = 10_000
# Stands for a space that must not become the end of a line; no text has it, being unprintable it would be escaped.
_KEPT = "\ue000"
_KEPT_TOGETHER = re.compile("(?<=\\d) (?=[–-] \\d|%|[A-Za-zµ]{1,3}\\b)|(?<=[–÷/-]) (?=\\d)")  # noqa: RUF001 - of a range

T = TypeVar("T")


class Cell(Struct, frozen=True):
    """Text that is neither wrapped nor cut."""

    text: str

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        width = max(cell_len(line) for line in self.text.split("\n"))
        return Measurement(width, width)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        lines = self.text.split("\n")
        if options.justify == "right":  # which rich leaves to us where nothing may be cut
            lines = [" " * (options.max_width - cell_len(line)) + line for line in lines]
        yield Text("\n".join(lines), no_wrap=True, overflow="ignore")


class Words(Struct, frozen=True):
    """Text that is wrapped between words; a word too long for a line goes on in the next."""

    text: str

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        longest = max((cell_len(word) for word in self.text.split()), default=0)
        return Measurement(min(longest, LONGEST_WORD), cell_len(self.text))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Text(_KEPT_TOGETHER.sub(_KEPT, self.text), overflow="fold")


def shortened(name: str, width: int, gap: str = "…") -> str:
    """A node id in at most ``width`` cells: without its first folders, and if need be the middle of its parameters.

    ``gap`` stands for what was left out.
    """
    if cell_len(name) <= width:
        return name
    path, bracket, parameters = name.partition("[")
    leaf = path.rpartition("::")[2] + bracket + parameters
    gap = gap[: max(width, 1)]
    room = max(width - len(gap), 0)
    if cell_len(leaf) <= room:
        return f"{gap}{_end(name, room)}"
    return f"{set_cell_size(leaf, room - room // 2).rstrip()}{gap}{_end(leaf, room // 2)}"


def _end(text: str, width: int) -> str:
    return set_cell_size(text[::-1], width).rstrip()[::-1]


def render(summary: Summary, width: int, encoding: str | None = None, *, fold: bool = True) -> list[Line]:
    """The lines of a summary; each verdict still knows that it is one.

    Args:
        summary: what to print.
        width: of the terminal, in cells.
        encoding: what it can print, None for all there is. Stand-ins have other widths, so they come before the layout.
        fold: whether hints, budgets and notices are wrapped, too.
    """
    summary = _each(summary, lambda text: printable(text, encoding))
    lines = [line for part in _at_commas(summary.header, width) for line in _drawn(Words(part), width)]
    if summary.figures:
        figures = _figures(summary)
        if _size(figures).minimum > width:
            summary = _narrow(summary)
            figures = _figures(summary)
        lines += _drawn(figures, width)
    if summary.facts:
        lines += _drawn(_labelled([(label, Words(text)) for label, text in summary.facts]), width)
    if summary.ranking:
        lines += [Line("", ""), *_ranking(summary.ranking, width, printable("…", encoding), printable("█", encoding))]
    if summary.ranking_remark:
        lines += _drawn(Words(f"({summary.ranking_remark})"), width)
    if summary.ranking and summary.lines:
        lines.append(Line("", ""))
    return [*lines, *(part for line in summary.lines for part in (folded(line, width) if fold else (line,)))]


def folded(line: Line, width: int) -> list[Line]:
    """A labelled line in as many as it takes, indented under its text; each knows the verdict."""
    if cell_len(str(line)) <= width:
        return [line]
    grid = Table.grid(padding=(0, 2, 0, 0))
    if line.label:
        grid.add_column(min_width=LABEL, no_wrap=True)
        grid.add_row(Cell(line.label), Words(line.text))
    else:
        grid.add_row(Words(line.text))
    return [replace(part, verdict=line.verdict) for part in _drawn(grid, width)]


def _each(value: T, change: Callable[[str], str]) -> T:
    """The same with each text in it changed."""
    made: object = value
    if isinstance(value, str):
        made = change(value)
    elif isinstance(value, tuple):
        made = tuple(_each(part, change) for part in value)
    elif isinstance(value, Struct):
        made = type(value)(*(_each(getattr(value, name), change) for name in value.__struct_fields__))
    return made  # type: ignore[return-value]


def _at_commas(text: str, width: int) -> list[str]:
    """In lines that end at a comma or before the calls, as far as they fit: no number is parted from its noun."""
    lines = [""]
    for part in re.split("(?<=,) |(?<=model:) ", text):
        joined = f"{lines[-1]} {part}" if lines[-1] else part
        if lines[-1] and cell_len(joined) > width:
            lines.append(part)
        else:
            lines[-1] = joined
    return lines


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
    return [Line("", line.rstrip().replace(_KEPT, " ")) for line in capture.get().splitlines()]


def _size(table: RenderableType) -> Measurement:
    console = _console(UNBOUNDED)
    return Measurement.get(console, console.options, table)


def _grid() -> Table:
    return Table.grid(padding=(0, GAP, 0, 0))


def _labelled(rows: Sequence[tuple[str, RenderableType]]) -> Table:
    table = _grid()
    table.add_column(min_width=LABELS, no_wrap=True)
    table.add_column()
    for label, content in rows:
        table.add_row(Cell(label), content)
    return table


def _narrow(summary: Summary) -> Summary:
    """With what stands beside the figures in lines of its own."""
    beside = [(summary.figures[0].label, " · ".join(f"{name} {value}" for name, value in summary.parts))]
    beside += [(figure.label, figure.detail) for figure in summary.figures]
    return replace(
        summary,
        parts=(),
        asides=(),
        facts=(
            *((f"{label} by", text) for label, text in beside if text),
            *((label, f"{central}: {text}") for label, central, text in summary.asides),
            *summary.facts,
        ),
    )


def _figures(summary: Summary) -> Table:
    """Label, central value, and the rest: for figures with parts a table of its own, for asides a remark."""
    ranges = Cell("\n".join(["range", *(f.range for f in summary.figures)]))
    rest: RenderableType = ranges
    if summary.parts:
        parts = _grid()
        for name, _ in summary.parts:
            parts.add_column(name)
        parts.add_row(*(Cell(name) for name, _ in summary.parts))
        parts.add_row(*(Cell(value) for _, value in summary.parts))
        details = Table.grid()
        details.add_row(parts)
        for figure in summary.figures[1:]:
            details.add_row(Cell(figure.detail))
        rest = _grid()
        rest.add_row(ranges, details)
    table = _grid()
    table.add_column(min_width=LABELS, no_wrap=True)
    table.add_row(
        Cell("\n".join(["", *(f.label for f in summary.figures)])),
        Cell("\n".join(["central", *(f.central for f in summary.figures)])),
        rest,
    )
    for label, central, remark in summary.asides:
        table.add_row(Cell(label), Cell(central), Words(remark))
    return table


def _ranking(rows: Sequence[Row], width: int, gap: str, bar: str) -> list[Line]:
    """With the bar if the names fit beside it in full; a narrow terminal loses the range and the tokens too.

    Not drawn by rich, which takes 7 s for 10,000 rows.
    """
    columns = {
        "calls": [row.calls for row in rows],
        "tokens": [row.tokens for row in rows],
        "energy": [row.energy for row in rows],
        "carbon": [row.carbon for row in rows],
        "range": [row.range for row in rows],
        "": [bar * round(BAR * row.share) for row in rows],
    }
    sizes = {name: max(map(cell_len, (name, *cells))) for name, cells in columns.items()}
    title = "most carbon"
    longest = max(map(cell_len, (title, *(row.nodeid for row in rows))))
    for dropped, shortest in (
        ((), longest),
        (("",), READABLE_NAME),
        (("", "range"), READABLE_NAME),
        (("", "range", "tokens"), READABLE_NAME),
        (("", "range", "tokens"), SHORTEST_NAME),
        (("", "range", "tokens", "energy"), SHORTEST_NAME),
    ):
        kept = [name for name in columns if name not in dropped]
        taken = sum(GAP + sizes[name] for name in kept)
        if min(shortest, longest) + taken <= width:
            break
    names = min(longest, max(width - taken, min(shortest, longest), len(title)))
    cells = [[title, *(shortened(row.nodeid, names, gap) for row in rows)]]
    cells += [[name, *columns[name]] for name in kept]
    widths = [names, *(sizes[name] for name in kept)]
    right = [False, *(name in {"calls", "tokens"} for name in kept)]
    return [
        Line("", (" " * GAP).join(_padded(*cell) for cell in zip(row, widths, right, strict=True)).rstrip())
        for row in zip(*cells, strict=True)
    ]


def _padded(text: str, width: int, right: bool) -> str:  # noqa: FBT001 - one of three parallel columns
    space = " " * (width - cell_len(text))
    return space + text if right else text + space
