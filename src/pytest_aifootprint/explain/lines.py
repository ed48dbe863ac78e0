"""What an explanation consists of: inputs, equations with their results, tables; each result beside the report's."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct, field

from pytest_aifootprint.quantities import Given, Range, Sheet
from pytest_aifootprint.quantities.sheets import Value, calculate
from pytest_aifootprint.reports import formatting

TOLERANCE = 1e-6


class Line(Struct, frozen=True):
    """A result.

    Attributes:
        symbol, equation: how it is made, from what stands in the explanation.
        value: None: unknown. unit, what: of it.
        reported: low, central and high as the report has it; None: it does not have it.
        printed: as the terminal prints it.
    """

    symbol: str
    equation: str
    value: Range | None
    unit: str
    what: str
    reported: Mapping[str, float] | None = None
    printed: str = ""

    @property
    def agrees(self) -> bool:
        """Whether the report says the same, to a millionth."""
        if self.reported is None:
            return True
        if self.value is None:
            return False
        ours = {"low": self.value.low, "central": self.value.central, "high": self.value.high}
        return all(math.isclose(ours[k], self.reported[k], rel_tol=TOLERANCE, abs_tol=1e-300) for k in ours)


class Table(Struct, frozen=True):
    """Rows of amounts; a column is a symbol that equations sum up. None: unknown."""

    title: str
    columns: tuple[tuple[str, str], ...]
    rows: tuple[tuple[str, tuple[Range | str | None, ...]], ...]


class Section(Struct, frozen=True):
    """A heading, and what stands under it."""

    title: str
    text: tuple[str, ...] = ()
    given: tuple[Given, ...] = ()
    lines: tuple[Line, ...] = ()
    tables: tuple[Table, ...] = ()


class Book(Struct):
    """Makes lines: what one has made, the next may use."""

    values: dict[str, Value] = field(default_factory=dict)
    lines: list[Line] = field(default_factory=list)

    def make(  # noqa: PLR0913 - a line is made from all of these
        self,
        symbol: str,
        equation: str,
        unit: str,
        what: str,
        reported: Any = None,
        *,
        gathered: str = "",
        printed: str = "",
    ) -> Range:
        """Calculate a line and keep it."""
        value = calculate(equation, self.values, gathered)
        self.values[symbol] = value
        self.lines.append(Line(symbol, equation, value, unit, what, reported, printed or _printed(value, unit)))
        return value

    def unknown(self, symbol: str, equation: str, unit: str, what: str) -> None:
        """A line of which nothing is known: it is no number, and in no sum."""
        self.lines.append(Line(symbol, equation, None, unit, what))

    def range_of(self, symbol: str) -> Range:
        """A value that is one number."""
        value = self.values[symbol]
        assert isinstance(value, Range)
        return value

    def follow(self, sheet: Sheet, told: Mapping[str, Range], reported: Mapping[str, Any] | None = None) -> None:
        """The lines of a sheet; ``reported`` by symbol."""
        self.values.update({given.symbol: given.value for given in sheet.given})
        self.values.update(told)
        for step in sheet.steps:
            said = (reported or {}).get(step.symbol)
            self.make(step.symbol, step.equation, step.unit, step.what, said, gathered=step.gathered)


def _printed(value: Range, unit: str) -> str:
    """As a report prints it; of what the terminal has no unit for, nothing."""
    kinds = {"g": formatting.CARBON, "L": formatting.WATER, "J": formatting.ENERGY}
    return kinds[unit].text(value, None) if unit in kinds else ""


def known(values: Iterable[Range | None]) -> Sequence[Range]:
    """Those that are known."""
    return [value for value in values if value is not None]


def disagreements(sections: Iterable[Section]) -> list[Line]:
    """Results that the report has another number for."""
    return [line for section in sections for line in section.lines if not line.agrees]
