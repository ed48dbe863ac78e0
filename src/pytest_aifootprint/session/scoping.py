"""Which tests the user's expressions of marks mean: known where tests are collected, in each worker if there are."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from typing import Any

import pytest

from pytest_aifootprint.budgets.expressions import MarkExpression
from pytest_aifootprint.options import option_error

MOST_KNOWN = 12


class MarkScopes:
    """The expressions of a run, by their place in the user's list of limits.

    Attributes:
        selected: how many tests of this run each expression means. unknown: names in it that no test has and nobody
            registered, where that could be a matter of what was collected.
    """

    def __init__(self, expressions: Sequence[str], option: str, origin: str) -> None:
        """Take expressions that were read before, an empty one for a limit on a model; and where they were given."""
        self._expressions = {n: MarkExpression(text) for n, text in enumerate(expressions) if text}
        self._option, self._origin = option, origin
        self._known: dict[frozenset[str], tuple[int, ...]] = {}
        self.selected: dict[int, int] = {}
        self.unknown: dict[int, list[str]] = {}

    def look(
        self, collected: Iterable[pytest.Item], selected: Iterable[pytest.Item], registered: set[str], *, whole: bool
    ) -> dict[pytest.Item, tuple[int, ...]]:
        """Which of the selected tests each expression means.

        Args:
            collected: all tests, also those that -k, -m or a plugin took away.
            selected: those that will run.
            registered: names of marks that the project or a plugin declares.
            whole: everything that should be collected was.

        Returns:
            For each test that is meant at all, the places of the expressions that mean it.

        Raises:
            pytest.UsageError: for a mark that nobody knows: a typing error would be a gate that always passes.
        """
        if not self._expressions:
            return {}
        known = set(registered)
        seen = 0
        for item in collected:
            known |= _marks(item)
            seen += 1
        for n, expression in self._expressions.items():
            for name in expression.names:
                if name in known:
                    continue
                if whole and seen:
                    raise option_error(self._option, self._origin, _unknown(expression.text, name, known))
                self.unknown.setdefault(n, []).append(name)
        self.selected = dict.fromkeys(self._expressions, 0)
        return {item: found for item in selected if (found := self._meaning(_marks(item)))}

    def _meaning(self, marks: frozenset[str]) -> tuple[int, ...]:
        found = self._known.get(marks)
        if found is None:
            found = tuple(n for n, expression in self._expressions.items() if expression.matches(marks))
            self._known[marks] = found
        for n in found:
            self.selected[n] += 1
        return found

    def to_wire(self) -> dict[str, Any]:
        """Builtin types only: what the controller has to know."""
        return {"selected": list(self.selected.items()), "unknown": list(self.unknown.items())}


def registered_marks(config: pytest.Config) -> set[str]:
    """Names of the marks that the project or a plugin declares."""
    lines: list[str] = config.getini("markers")
    return {re.split(r"[:(]", line, maxsplit=1)[0].strip() for line in lines}


def _marks(item: pytest.Item) -> frozenset[str]:
    return frozenset(mark.name for mark in item.iter_markers())


def _unknown(expression: str, name: str, known: set[str]) -> str:
    from pytest_aifootprint.reports import formatting

    close = difflib.get_close_matches(name, known, n=1)
    guess = f", did you mean {close[0]!r}?" if close else ""
    return (
        f"{expression!r}: no test has the mark {name!r}, and it is not registered{guess}; valid: a mark of a test, or "
        f'one that is registered under "markers" ({formatting.listed(sorted(known), MOST_KNOWN)})'
    )
