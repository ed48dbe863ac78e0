"""Reading tables of figures, ours or the user's: every error names the place and what is valid.

The one reader for the data files of the catalogue, of the meters, and for what users and their plugins declare.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from msgspec import Struct

Triple = tuple[float, float, float]
Row = TypeVar("Row")

FIRST_YEAR = 1990
LAST_YEAR = 2100


class CatalogueError(ValueError):
    """A table that cannot be used; the message is one line: where, which field, what is wrong."""


class Fields:
    """The fields of one table, taken one by one; ``done`` refuses what nobody asked for."""

    def __init__(self, where: str, table: Mapping[str, Any]) -> None:
        """``where`` names the table in errors: ``training.toml: bloom-176b``."""
        self._where = where
        self._table = table
        self._known: list[str] = []

    def error(self, message: str) -> CatalogueError:
        """The error to raise, with the place in front."""
        return CatalogueError(f"{self._where}: {message}")

    def text(self, name: str, default: str | None = None) -> str:
        """A text that is not empty; ``default`` None makes it required. Raises CatalogueError."""
        value = self._take(name)
        if value is None:
            if default is None:
                raise self.error(f"{name} is missing")
            return default
        if not isinstance(value, str) or not value.strip():
            raise self.error(f"{name} must be a text, got {value!r}")
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts; empty if it is not there. Raises CatalogueError."""
        value = self._take(name)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(v, str) and v for v in value):
            raise self.error(f"{name} must be a list of texts, got {value!r}")
        return tuple(value)

    def flag(self, name: str, *, default: bool) -> bool:
        """True or false. Raises CatalogueError."""
        value = self._take(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise self.error(f"{name} must be true or false, got {value!r}")
        return value

    def number(self, name: str) -> float | None:
        """A finite number of 0 or more; None if it is not there. Raises CatalogueError."""
        value = self._take(name)
        return None if value is None else self._number(name, value)

    def required_number(self, name: str) -> float:
        """A finite number of 0 or more. Raises CatalogueError, also if it is not there."""
        value = self.number(name)
        if value is None:
            raise self.error(f"{name} is missing")
        return value

    def triple(self, name: str) -> Triple | None:
        """``[low, central, high]``, in this order and 0 or more; None if it is not there. Raises CatalogueError."""
        value = self._take(name)
        if value is None:
            return None
        numbers = self._numbers(name, value, 3)
        low, central, high = numbers
        if not low <= central <= high:
            raise self.error(f"{name} must be [low, central, high] in rising order, got {value!r}")
        return low, central, high

    def span(self, name: str) -> Triple | None:
        """``[low, high]``, both above 0, with its geometric middle; None if it is not there. Raises CatalogueError."""
        value = self._take(name)
        if value is None:
            return None
        low, high = self._numbers(name, value, 2)
        if not 0 < low <= high:
            raise self.error(f"{name} must be [low, high] above 0 in rising order, got {value!r}")
        return low, math.sqrt(low * high), high

    def raw(self, name: str) -> Any:
        """Whatever stands there; None if nothing does."""
        return self._take(name)

    def done(self) -> None:
        """Raises CatalogueError if the table has a field that nobody asked for."""
        unknown = sorted(self._table.keys() - set(self._known))
        if unknown:
            raise self.error(f"unknown key {unknown[0]!r}; valid: {', '.join(self._known)}")

    def _take(self, name: str) -> Any:
        if name not in self._known:
            self._known.append(name)
        return self._table.get(name)

    def _numbers(self, name: str, value: Any, count: int) -> list[float]:
        if not isinstance(value, list) or len(value) != count:
            raise self.error(f"{name} must be a list of {count} numbers, got {value!r}")
        return [self._number(name, v) for v in value]

    def _number(self, name: str, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self.error(f"{name} must be a number, got {value!r}")
        if not math.isfinite(value) or value < 0:
            raise self.error(f"{name} must be finite and 0 or more, got {value!r}")
        return float(value)


class Origin(Struct, frozen=True):
    """Where a row's figures come from: the publication, its year, and how it was read."""

    source: str
    year: int
    evidence: str


class Factor(Struct, frozen=True):
    """A constant with its range, or a 90 % factor x/÷ that is put on something else."""

    key: str
    value: Triple | None
    times_over: float | None
    unit: str
    origin: Origin


def place(where: str, table: Mapping[str, Any], key: str) -> str:
    """How errors name a row: ``machines.toml: vm``."""
    name = table.get(key)
    return f"{where}: {name}" if name else f"{where}: a row without {key}"


def origin(fields: Fields) -> Origin:
    """Source, year and evidence, without which no row is read. Raises CatalogueError."""
    source, year, evidence = fields.text("source"), fields.required_number("year"), fields.text("evidence")
    if not (year == int(year) and FIRST_YEAR <= year <= LAST_YEAR):
        raise fields.error(f"year must be a year, got {year:g}")
    return Origin(source, int(year), evidence)


def positive(fields: Fields, name: str) -> Triple:
    """``[low, central, high]`` above 0. Raises CatalogueError, also if it is not there."""
    value = fields.triple(name)
    if value is None or value[0] <= 0:
        raise fields.error(f"{name} must be [low, central, high] above 0")
    return value


def factor(where: str, table: Mapping[str, Any]) -> Factor:
    """Read a constant or a spread. Raises CatalogueError."""
    f = Fields(place(where, table, "key"), table)
    row = Factor(f.text("key"), f.triple("value"), f.number("times_over"), f.text("unit"), origin(f))
    f.done()
    if (row.value is None) == (row.times_over is None):
        raise f.error("a factor needs either value or times_over")
    if row.times_over is not None and row.times_over < 1:
        raise f.error(f"times_over must be 1 or more, got {row.times_over}")
    if row.value is not None:
        # Nothing is divided by a share, and a share may be 0.
        is_share = row.unit.split()[0] == "share"
        if is_share and row.value[2] > 1:
            raise f.error(f"value is a share and must be 1 or less, got {row.value[2]:g}")
        if not is_share and row.value[0] <= 0:
            raise f.error(f"value must be above 0, got {row.value[0]:g}")
    return row


def read_toml(path: Path) -> dict[str, Any]:
    """The content of a data file.

    Raises:
        CatalogueError: one line with the file's name, if it is not there, cannot be read, or is no TOML.
    """
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib

    try:
        return tomllib.loads(path.read_bytes().decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CatalogueError(f"{path.name}: {error}") from None
    except OSError as error:
        raise CatalogueError(f"{path.name}: cannot be read: {error.strerror or error}") from None


def read_rows(
    file: str,
    tables: Any,
    read: Callable[[str, Mapping[str, Any]], Row],
    names: Callable[[Row], Iterable[str]],
) -> tuple[Row, ...]:
    """Rows of one array of tables.

    Args:
        file: named in errors.
        tables: what stands in the file under the array's name.
        read: one table to one row.
        names: of a row; no two rows share one.

    Raises:
        CatalogueError: for a row that ``read`` refuses, for a name that stands there twice, for what is no array.
    """
    if not isinstance(tables, list) or not all(isinstance(table, Mapping) for table in tables):
        raise CatalogueError(f"{file}: rows must be tables in double brackets, got {tables!r:.60}")
    rows = tuple(read(file, table) for table in tables)
    seen: set[str] = set()
    for row in rows:
        for name in names(row):
            if name in seen:
                raise CatalogueError(f"{file}: {name} stands there twice")
            seen.add(name)
    return rows
