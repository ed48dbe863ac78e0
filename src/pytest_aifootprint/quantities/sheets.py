"""Sheets: how a number is made, as data. Inputs with their sources, and equations that make the rest from them.

An equation is text that a person reads, and a calculation that ``Sheet.results`` does: what is printed is what was
computed. It is read by a walker of its own that knows arithmetic alone, because sheets come from saved reports, too.
"""

from __future__ import annotations

import ast
import functools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from pytest_aifootprint.quantities.ranges import EXACT_ZERO, LogPair, Range

Value = Range | Sequence[Range]
Numbers = Mapping[str, float | Sequence[float]]


class EquationError(ValueError):
    """An equation that cannot be calculated; the message names the equation and why."""


@dataclass(frozen=True, slots=True)
class Given:
    """An input.

    Attributes:
        symbol: its name in equations. what: it is, in words. unit: of the value; "" for a plain number.
        value: with the factors that make it uncertain.
        source, year: of the figure; year None where the source has none.
        basis: how it came about: measured, modelled, declared, or the evidence of a catalogue's row.
    """

    symbol: str
    what: str
    unit: str
    value: Range
    source: str
    year: int | None
    basis: str


@dataclass(frozen=True, slots=True)
class Step:
    """A value that is made from others.

    Attributes:
        symbol: its name in later equations. equation: the right side, in Python's arithmetic.
        unit, what: as of an input.
        gathered: the one factor under whose name the uncertainty of this value is known from here on; "": it keeps
            those of what it is made from.
    """

    symbol: str
    equation: str
    unit: str
    what: str
    gathered: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Sheet:
    """Inputs and the steps from them to the results.

    Attributes:
        name: tells it from the others of a report.
        given, steps: in the order in which they are read.
        answers: the figures of a report that it makes, and the symbol that each is; None: this figure is unknown. A
            figure that is not among them is 0.
    """

    name: str
    given: tuple[Given, ...]
    steps: tuple[Step, ...]
    answers: Mapping[str, str | None] = field(default_factory=dict)

    def results(self, told: Mapping[str, Range] | None = None) -> dict[str, Range]:
        """Every input and every result, by symbol.

        Args:
            told: inputs that differ from use to use, such as the tokens of one call.

        Raises:
            EquationError: for an equation that is no arithmetic, or that needs what neither stands here nor was told.
        """
        values: dict[str, Value] = {given.symbol: given.value for given in self.given}
        values.update(told or {})
        for step in self.steps:
            values[step.symbol] = calculate(step.equation, values, step.gathered)
        return {symbol: value for symbol, value in values.items() if isinstance(value, Range)}

    def makes(self, symbol: str) -> bool:
        """Whether one of its steps has this symbol."""
        return any(step.symbol == symbol for step in self.steps)

    def needs(self, symbol: str) -> bool:
        """Whether one of its steps takes this symbol from elsewhere."""
        return not self.makes(symbol) and any(symbol in _names(step.equation) for step in self.steps)

    def pruned(self) -> Sheet:
        """Only what its answers need."""
        wanted = {symbol for symbol in self.answers.values() if symbol is not None}
        steps: list[Step] = []
        for step in reversed(self.steps):
            if step.symbol in wanted:
                steps.insert(0, step)
                wanted.update(_names(step.equation))
        return Sheet(self.name, tuple(g for g in self.given if g.symbol in wanted), tuple(steps), self.answers)

    def answering(self, answers: Mapping[str, str | None]) -> Sheet:
        """The same, for these figures of a report."""
        return Sheet(self.name, self.given, self.steps, answers)

    def __or__(self, other: Sheet) -> Sheet:
        """Both, one after the other: ``other`` may use what this one has, and gives its name if it has one."""
        return Sheet(
            other.name or self.name,
            (*self.given, *other.given),
            (*self.steps, *other.steps),
            {**self.answers, **other.answers},
        )


def calculate(equation: str, values: Mapping[str, Value], gathered: str = "") -> Range:
    """The value of an equation with its uncertainty: what it is with each factor at its low and at its high end.

    For products, quotients and sums this is the algebra of method section 3; it holds for powers, too.

    Raises:
        EquationError: see ``Sheet.results``; also for a value that is negative or not finite.
    """
    walk = _parsed(equation)
    needed = {name: values[name] for name in _names(equation) if name in values}
    ranges = [r for value in needed.values() for r in ((value,) if isinstance(value, Range) else value)]
    factors = dict.fromkeys(name for r in ranges for name in r.factors)
    central = walk({name: _at(value, None, 0) for name, value in needed.items()})
    if not (math.isfinite(central) and central >= 0):
        raise EquationError(f"{equation!r} comes to {central!r}: a quantity is finite and 0 or more")
    if not central:
        return EXACT_ZERO
    ends: dict[str, LogPair] = {}
    for factor in factors:
        low, high = (walk({name: _at(value, factor, end) for name, value in needed.items()}) for end in (0, 1))
        ends[factor] = (_log(low / central, equation), _log(high / central, equation))
    whole = Range(central, ends)
    if not gathered or not ends:
        return whole
    return Range.of(whole.low, central, whole.high, gathered)


def _log(ratio: float, equation: str) -> float:
    if not (math.isfinite(ratio) and ratio > 0):
        raise EquationError(f"{equation!r} is not above 0 at an end of its inputs")
    return math.log(ratio)


def _at(value: Value, factor: str | None, end: int) -> float | list[float]:
    if isinstance(value, Range):
        return _one(value, factor, end)
    return [_one(r, factor, end) for r in value]


def _one(value: Range, factor: str | None, end: int) -> float:
    pair = value.factors.get(factor) if factor is not None else None
    return value.central if pair is None else value.central * math.exp(pair[end])


_OPERATORS: Mapping[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b,
    ast.Pow: math.pow,
}
_FUNCTIONS: Mapping[str, Callable[[Iterable[float]], float]] = {"min": min, "max": max, "sum": math.fsum}


@functools.lru_cache(maxsize=1024)
def _tree(equation: str) -> ast.expr:
    try:
        return ast.parse(equation, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise EquationError(f"{equation!r} is no equation") from None


@functools.lru_cache(maxsize=1024)
def _names(equation: str) -> tuple[str, ...]:
    called = {node.func for node in ast.walk(_tree(equation)) if isinstance(node, ast.Call)}
    names = (node.id for node in ast.walk(_tree(equation)) if isinstance(node, ast.Name) and node not in called)
    return tuple(dict.fromkeys(names))


def _parsed(equation: str) -> Callable[[Numbers], float]:
    tree = _tree(equation)

    def walk(values: Numbers) -> float:
        try:
            return _number(tree, values, equation)
        except (ArithmeticError, ValueError) as error:
            if isinstance(error, EquationError):
                raise
            raise EquationError(f"{equation!r} cannot be calculated: {error}") from None

    return walk


def _number(node: ast.expr, values: Numbers, equation: str) -> float:
    if isinstance(node, ast.Constant) and type(node.value) in {int, float}:
        return float(node.value)  # type: ignore[arg-type]
    if isinstance(node, ast.Name):
        found = values.get(node.id)
        if isinstance(found, (int, float)):
            return float(found)
        raise EquationError(f"{equation!r} needs {node.id}, which nobody told")
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        left, right = _number(node.left, values, equation), _number(node.right, values, equation)
        return _OPERATORS[type(node.op)](left, right)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
        function = _FUNCTIONS.get(node.func.id)
        if function is not None:
            return function(_arguments(node.args, values, equation))
    raise EquationError(f"{equation!r} is more than arithmetic")


def _arguments(nodes: Sequence[ast.expr], values: Numbers, equation: str) -> list[float]:
    if len(nodes) == 1 and isinstance(nodes[0], ast.Name):
        column = values.get(nodes[0].id)
        if isinstance(column, Sequence):
            return list(column)
    return [_number(node, values, equation) for node in nodes]
