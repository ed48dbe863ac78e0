"""Expressions of pytest marks, as ``-m`` takes them: ``slow_llm and not nightly``. pytest has no public one."""

from __future__ import annotations

import ast
import re
from collections.abc import Set as AbstractSet

VALID = "valid: names of marks with and, or, not and parentheses, as pytest -m takes them"
OPERATORS = frozenset({"and", "or", "not"})
# pytest takes more for a name than Python does (a dash, a dot): to the parser each name is one of ours.
_WORD = re.compile(r"[^\s()]+")


class ExpressionError(ValueError):
    """What is no expression of marks; the message says what is valid."""


class MarkExpression:
    """One expression, to be held against the marks of many tests.

    Attributes:
        text: as written, with single blanks. names: of the marks in it, in order.
    """

    def __init__(self, text: str) -> None:
        """Read it.

        Raises:
            ExpressionError: for what is no expression, one line.
        """
        self.text = " ".join(text.split())
        self._words: dict[str, str] = {}
        try:
            tree = ast.parse(_WORD.sub(self._stand_in, self.text), mode="eval").body
            self._check(tree)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            raise ExpressionError(f"{self.text!r} is no expression of marks; {VALID}") from None
        self._tree = tree

    @property
    def names(self) -> tuple[str, ...]:
        """The marks that it speaks of."""
        return tuple(dict.fromkeys(self._words.values()))

    def matches(self, marks: AbstractSet[str]) -> bool:
        """Whether a test with these marks is meant."""
        return self._holds(self._tree, marks)

    def _stand_in(self, word: re.Match[str]) -> str:
        if word[0] in OPERATORS:
            return word[0]
        name = f"m{len(self._words)}"
        self._words[name] = word[0]
        return name

    def _check(self, tree: ast.expr) -> None:
        if isinstance(tree, ast.BoolOp):
            for part in tree.values:
                self._check(part)
        elif isinstance(tree, ast.UnaryOp):
            self._check(tree.operand)
        elif not isinstance(tree, ast.Name):
            raise ExpressionError(type(tree).__name__)

    def _holds(self, tree: ast.expr, marks: AbstractSet[str]) -> bool:
        if isinstance(tree, ast.BoolOp):
            return (all if isinstance(tree.op, ast.And) else any)(self._holds(part, marks) for part in tree.values)
        if isinstance(tree, ast.UnaryOp):
            return not self._holds(tree.operand, marks)
        assert isinstance(tree, ast.Name)
        return self._words[tree.id] in marks
