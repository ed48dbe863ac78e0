"""The values of a saved report, each checked for its type: where one is not what it should be, the error says where.

A key that is not there is an older report's and has its default; null is unknown, never 0. Keys that nobody asks for
are a newer report's and are left alone.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from pytest_aifootprint.quantities import EXACT_ZERO, UNNAMED, Basis, Notice, Range, ToldRange
from pytest_aifootprint.quantities.ranges import LogPair
from pytest_aifootprint.reports.saved.file import SavedError

Made = TypeVar("Made")
Factors = Mapping[str, LogPair]

_FAR = 1000.0
"""The log of what no float holds: its exponential is 0, or too large to be told."""

_MOST = 1 << 63
"""No count of ours comes near; what is larger may be no float."""

# A range is independent of every other whose factors are not told, those of other reports too.
_numbers = itertools.count(1)
_SHOWN = 60


class Told:
    """An object of a saved report."""

    __slots__ = ("_row", "_where")

    def __init__(self, row: Any, where: str) -> None:
        """Take it; ``where`` it stands, for errors. Raises SavedError if it is no object."""
        if type(row) is not dict:
            raise SavedError(f"{where or 'report'} is no object, but {_shown(row)}")
        self._row: dict[str, Any] = row
        self._where = where

    def error(self, key: str, wanted: str) -> SavedError:
        """The error for a key."""
        place = f"{self._where}.{key}" if self._where else key
        if key not in self._row:
            return SavedError(f"{place} is missing: {wanted} is wanted")
        return SavedError(f"{place} is no {wanted}, but {_shown(self._row[key])}")

    def names(self) -> Iterable[str]:
        """All that are there."""
        return self._row.keys()

    def has(self, key: str) -> bool:
        """Whether it is there and known."""
        return self._row.get(key) is not None

    def raw(self, key: str) -> Any:
        """A value whatever it is; None if it is not there."""
        return self._row.get(key)

    def text(self, key: str, default: str | None = None) -> str:
        """A text. Raises SavedError, without a default also if it is not there."""
        value = self._row.get(key, default)
        if type(value) is not str:
            raise self.error(key, "text")
        return value

    def maybe_text(self, key: str) -> str | None:
        """A text; None if it is unknown. Raises SavedError."""
        return None if self._row.get(key) is None else self.text(key)

    def flag(self, key: str, *, default: bool) -> bool:
        """True or false. Raises SavedError."""
        value = self._row.get(key, default)
        if type(value) is not bool:
            raise self.error(key, "true or false")
        return value

    def whole(self, key: str, default: int | None = 0) -> int:
        """A whole number of 0 or more. Raises SavedError, without a default also if it is not there."""
        value = self._row.get(key, default)
        if type(value) is not int or not 0 <= value <= _MOST:
            raise self.error(key, "whole number of 0 or more")
        return value

    def maybe_whole(self, key: str) -> int | None:
        """A whole number of 0 or more; None if it is unknown. Raises SavedError."""
        return None if self._row.get(key) is None else self.whole(key)

    def number(self, key: str, default: float = 0.0) -> float:
        """A finite number, as it stands there. Raises SavedError."""
        value = self._row.get(key)
        if value is None:
            return default
        if type(value) is not float and type(value) is not int:
            raise self.error(key, "number")
        return self._finite(key, value)

    def maybe_number(self, key: str) -> float | None:
        """A finite number; None if it is unknown. Raises SavedError."""
        return None if self._row.get(key) is None else self.number(key)

    def _finite(self, key: str, value: float) -> float:
        try:
            finite = math.isfinite(value)
        except OverflowError:  # a whole number that no float holds
            finite = False
        if not finite:
            raise self.error(key, "finite number")
        return value

    def told(self, key: str) -> Told:
        """An object; an empty one if it is not there. Raises SavedError."""
        value = self._row.get(key)
        return Told({} if value is None else value, f"{self._where}.{key}" if self._where else key)

    def table(self, key: str) -> dict[str, Told]:
        """An object of objects, by name. Raises SavedError."""
        inner = self.told(key)
        return {name: inner.told(name) for name in inner.names()}

    def each(self, key: str, make: Callable[[Told], Made]) -> tuple[Made, ...]:
        """What is made of each object of a list; of none if it is not there. Raises SavedError."""
        rows = self._row.get(key)
        if not rows and (rows is None or type(rows) is list):
            return ()
        if type(rows) is not list:
            raise self.error(key, "list")
        place = f"{self._where}.{key}" if self._where else key
        return tuple(make(Told(row, f"{place}[{number}]")) for number, row in enumerate(rows))

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of texts. Raises SavedError."""
        values = self._row.get(key)
        if values is None:
            return ()
        if type(values) is not list or not all(type(value) is str for value in values):
            raise self.error(key, "list of texts")
        return tuple(values)

    def mapping(self, key: str) -> dict[str, Any]:
        """An object as it is, ranges made of what looks like one. Raises SavedError."""
        inner = self.told(key)
        return {name: inner.anything(name) for name in inner.names()}

    def anything(self, key: str) -> Any:
        """A value as it is; a range, if it looks like one. Raises SavedError."""
        value = self._row[key]
        if type(value) is dict and value.keys() == {"low", "central", "high"}:
            return self.range(key)
        return self.mapping(key) if type(value) is dict else value

    def basis(self, key: str) -> Basis:
        """How sure a number is. Raises SavedError."""
        try:
            return Basis(self._row.get(key))
        except ValueError:
            raise self.error(key, f"basis ({', '.join(Basis)})") from None

    def range(self, key: str, factors: Factors | None = None) -> Range | None:
        """A range with the ends that it has; None if it is unknown.

        Args:
            key: of it.
            factors: that make it uncertain, if they were told.

        Raises:
            SavedError: for one that is none.
        """
        row = self._row.get(key)
        if row is None:
            return None
        try:
            low, central, high = row["low"], row["central"], row["high"]
            if not (type(low) is type(central) is type(high) is float):
                low, central, high = (_as_float(value) for value in (low, central, high))
            if 0 <= low <= central <= high < math.inf:
                if not central:
                    return EXACT_ZERO
                if low < high or factors:
                    return ToldRange(central, factors or _own(low, central, high), (low, high))
                return Range(central)
        except (TypeError, KeyError, OverflowError):
            pass
        raise self.error(key, "range (low, central and high, 0 <= low <= central <= high)")

    def known(self, key: str) -> Range:
        """A range that an older report may not have: then it is 0. Raises SavedError."""
        found = self.range(key)
        return EXACT_ZERO if found is None else found

    def factors(self, key: str) -> Factors | None:
        """Factors by name, widest first; None if there are none. Raises SavedError."""
        rows = self.each(key, lambda row: (row.text("name"), (_log(row, "low", -_FAR), _log(row, "high", _FAR))))
        return dict(rows) or None


def _as_float(value: Any) -> float:
    if type(value) not in {int, float}:
        raise TypeError
    return float(value)


def _own(low: float, central: float, high: float) -> Factors:
    down = math.log(low) - math.log(central) if low else -_FAR
    return {f"{UNNAMED}{next(_numbers)}": (down, math.log(high) - math.log(central))}


def _log(row: Told, key: str, beyond: float) -> float:
    if not row.has(key):
        return beyond
    value = row.number(key)
    if value < 0:
        raise row.error(key, "number of 0 or more")
    return math.log(value) if value else -_FAR


def notices(row: Told, key: str = "notices") -> tuple[Notice, ...]:
    """What a reader has to know. Raises SavedError."""
    return row.each(key, lambda notice: Notice(notice.text("code"), notice.text("message")))


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
