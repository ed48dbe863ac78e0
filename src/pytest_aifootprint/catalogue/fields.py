"""Reading one table of a data file, or of the user's configuration: every error names the place and what is valid."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

Triple = tuple[float, float, float]


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
