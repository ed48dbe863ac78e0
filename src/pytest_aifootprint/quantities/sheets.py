"""Sheets: how a number is made, as data. Inputs with their sources, and equations that make the rest from them.

An equation is text that a person reads, and a calculation that ``Sheet.results`` does: what is printed is what was
computed. It is read by a walker of its own that knows arithmetic alone, because sheets come from saved reports, too.
"""

from __future__ import annotations

import ast
import functools
import math
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence

from msgspec import Struct, field

from pytest_aifootprint.quantities.ranges import EXACT_ZERO, LogPair, Range

Value = Range | Sequence[Range]
Numbers = Mapping[str, float | Sequence[float]]
Walk = Callable[[Numbers], float]


MOST_SAID = 80
_TO_NOTHING = -300.0
"""The log change of what is nothing at an end of its inputs: as good as nothing beside anything else."""


class EquationError(ValueError):
    """An equation that cannot be calculated; the message names the equation and why."""


class Given(Struct, frozen=True):
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


class Step(Struct, frozen=True):
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


class Sheet(Struct, frozen=True, eq=False):
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
    centrals: dict[str, float | list[float]] = {}
    carriers: dict[str, list[str]] = {}
    for name, value in needed.items():
        if isinstance(value, Range):
            centrals[name] = value.central
            names: Iterable[str] = value.factors
        else:
            centrals[name] = [r.central for r in value]
            names = dict.fromkeys(factor for r in value for factor in r.factors)
        for factor in names:
            carriers.setdefault(factor, []).append(name)
    central = walk(centrals)
    if not (math.isfinite(central) and central >= 0):
        raise EquationError(f"{_said(equation)} comes to {central!r}: a quantity is finite and 0 or more")
    if not central:
        return EXACT_ZERO
    ends: dict[str, LogPair] = {}
    for factor, moved in carriers.items():
        low, high = (walk(centrals | {n: _at(needed[n], factor, end) for n in moved}) for end in (0, 1))
        ends[factor] = (_log(low / central, equation), _log(high / central, equation))
    whole = Range(central, ends)
    if not gathered or not ends:
        return whole
    return Range.of(whole.low, central, whole.high, gathered)


def _said(equation: str) -> str:
    """An equation in a message: a line, however long it is."""
    return repr(equation if len(equation) <= MOST_SAID else f"{equation[:MOST_SAID]}...")


def _log(ratio: float, equation: str) -> float:
    if not ratio:
        return _TO_NOTHING
    if not (math.isfinite(ratio) and ratio > 0):
        raise EquationError(f"{_said(equation)} is not above 0 at an end of its inputs")
    return math.log(ratio)


def _at(value: Value, factor: str, end: int) -> float | list[float]:
    if isinstance(value, Range):
        return _one(value, factor, end)
    return [_one(r, factor, end) for r in value]


def _one(value: Range, factor: str, end: int) -> float:
    pair = value.factors.get(factor)
    return value.central if pair is None else value.central * math.exp(pair[end])


_OPERATORS: Mapping[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: math.pow,
}
_FUNCTIONS: Mapping[str, Callable[[Iterable[float]], float]] = {"min": min, "max": max, "sum": math.fsum}


@functools.lru_cache(maxsize=1024)
def _tree(equation: str) -> ast.expr:
    try:
        return ast.parse(equation, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise EquationError(f"{_said(equation)} is no equation") from None


@functools.lru_cache(maxsize=1024)
def _names(equation: str) -> tuple[str, ...]:
    called = {node.func for node in ast.walk(_tree(equation)) if isinstance(node, ast.Call)}
    names = (node.id for node in ast.walk(_tree(equation)) if isinstance(node, ast.Name) and node not in called)
    return tuple(dict.fromkeys(names))


@functools.lru_cache(maxsize=1024)
def _parsed(equation: str) -> Walk:
    made = _made(_tree(equation), equation)

    def walk(values: Numbers) -> float:
        try:
            return made(values)
        except (ArithmeticError, ValueError, RecursionError) as error:
            if isinstance(error, EquationError):
                raise
            raise EquationError(f"{_said(equation)} cannot be calculated: {error}") from None

    return walk


def _made(node: ast.expr, equation: str) -> Walk:
    """What calculates a part of an equation: functions inside each other, made once."""
    if isinstance(node, ast.Constant) and type(node.value) in {int, float}:
        number = float(node.value)  # type: ignore[arg-type]
        return lambda _: number
    if isinstance(node, ast.Name):
        return _named(node.id, equation)
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        apply = _OPERATORS[type(node.op)]
        left, right = _made(node.left, equation), _made(node.right, equation)
        return lambda values: apply(left(values), right(values))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
        function = _FUNCTIONS.get(node.func.id)
        if function is not None:
            return _applied(function, node.args, equation)
    raise EquationError(f"{_said(equation)} is more than arithmetic")


def _named(name: str, equation: str) -> Walk:
    def value(values: Numbers) -> float:
        found = values.get(name)
        if isinstance(found, (int, float)):
            return float(found)
        raise EquationError(f"{_said(equation)} needs {name}, which nobody told")

    return value


def _applied(function: Callable[[Iterable[float]], float], nodes: Sequence[ast.expr], equation: str) -> Walk:
    column = nodes[0].id if len(nodes) == 1 and isinstance(nodes[0], ast.Name) else ""
    parts = [_made(node, equation) for node in nodes]

    def value(values: Numbers) -> float:
        found = values.get(column) if column else None
        if isinstance(found, Sequence):
            return function(found)
        return function(part(values) for part in parts)

    return value
