"""Ranges: a best estimate with the named sources of its uncertainty (method: section 3).

A range is a 90 % interval around an additive central value. It does not carry two ends but the *factors* that its
uncertainty comes from, each with the log change of the value when that factor is at its low or high end. So 37 calls
to one model stay as uncertain as one, two independent models are less uncertain together, and a factor that stands in
both parts of a quotient or a difference cancels.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

LogPair = tuple[float, float]

_NO_FACTORS: Mapping[str, LogPair] = MappingProxyType({})
_NONE: LogPair = (0.0, 0.0)


def _spread(pairs: Iterable[float]) -> float:
    return math.sqrt(math.fsum(x * x for x in pairs))


@dataclass(frozen=True, slots=True)
class Range:
    """A central value and the factors that make it uncertain.

    Attributes:
        central: the best estimate; columns of central values add up. Never negative.
        factors: factor name to ``(d, u)``, the log change of the value with that factor at its low and high end.
    """

    central: float
    factors: Mapping[str, LogPair] = field(default_factory=lambda: _NO_FACTORS)

    def __post_init__(self) -> None:
        if not (math.isfinite(self.central) and self.central >= 0):
            raise ValueError(f"a range needs a finite central value of 0 or more, got {self.central!r}")

    @classmethod
    def of(cls, low: float, central: float, high: float, factor: str) -> Range:
        """The range low - central - high, all of it due to ``factor``.

        Raises:
            ValueError: unless 0 < low <= central <= high.
        """
        if not 0 < low <= central <= high:
            raise ValueError(f"{factor}: a range needs 0 < low <= central <= high, got {low}, {central}, {high}")
        return cls(central, {factor: (math.log(low / central), math.log(high / central))})

    @classmethod
    def times_over(cls, central: float, spread: float, factor: str) -> Range:
        """The range ``central`` x/÷ ``spread``, all of it due to ``factor``. Raises ValueError if spread < 1."""
        if spread < 1:
            raise ValueError(f"{factor}: x/÷ {spread} is below 1")
        return cls(central, {factor: (-math.log(spread), math.log(spread))})

    @property
    def low(self) -> float:
        """The 5th percentile: every factor's own worst downward change, combined in quadrature."""
        return self.central * math.exp(-_spread(max(-d, -u, 0.0) for d, u in self.factors.values()))

    @property
    def high(self) -> float:
        """The 95th percentile: every factor's own worst upward change, combined in quadrature."""
        return self.central * math.exp(_spread(max(d, u, 0.0) for d, u in self.factors.values()))

    @property
    def widest_factor(self) -> str | None:
        """The factor that the width comes from most; None for an exact value."""
        if not self.factors:
            return None
        return max(self.factors, key=lambda name: abs(self.factors[name][1] - self.factors[name][0]))

    def scale(self, k: float) -> Range:
        """``k`` times this range; the uncertainty in logs stays. Raises ValueError if k is negative."""
        return Range(self.central * k, self.factors)

    def with_factor(self, spread: float, factor: str) -> Range:
        """The same central value with one more source of uncertainty, x/÷ ``spread``."""
        return self * Range.times_over(1.0, spread, factor)

    def __mul__(self, other: Range) -> Range:
        """The product: log changes add per factor."""
        if self.factors.keys().isdisjoint(other.factors):
            return Range(self.central * other.central, {**self.factors, **other.factors})
        names = self.factors.keys() | other.factors.keys()
        return Range(self.central * other.central, {n: _add(self.factors.get(n), other.factors.get(n)) for n in names})

    def __truediv__(self, other: Range) -> Range:
        """The quotient: a factor that both share cancels. Raises ZeroDivisionError for a zero divisor."""
        names = self.factors.keys() | other.factors.keys()
        return Range(self.central / other.central, {n: _sub(self.factors.get(n), other.factors.get(n)) for n in names})

    def __add__(self, other: Range) -> Range:
        """The sum of two ranges; see ``total``."""
        return total((self, other))


EXACT_ZERO = Range(0.0)


def _add(a: LogPair | None, b: LogPair | None) -> LogPair:
    (d1, u1), (d2, u2) = a or _NONE, b or _NONE
    return d1 + d2, u1 + u2


def _sub(a: LogPair | None, b: LogPair | None) -> LogPair:
    (d1, u1), (d2, u2) = a or _NONE, b or _NONE
    return d1 - d2, u1 - u2


def total(ranges: Iterable[Range]) -> Range:
    """The sum of ranges: centrals add; per factor, all members move together.

    Returns:
        The sum; ``EXACT_ZERO`` for no ranges, or for zeros alone.
    """
    parts = [r for r in ranges if r.central > 0]
    central = math.fsum(r.central for r in parts)
    if not central:
        return EXACT_ZERO
    if len(parts) == 1:
        return parts[0]
    names = {name for r in parts for name in r.factors}
    factors: dict[str, LogPair] = {}
    for name in names:
        pairs = [(r.central, r.factors.get(name, _NONE)) for r in parts]
        factors[name] = (
            math.log(math.fsum(c * math.exp(d) for c, (d, _) in pairs) / central),
            math.log(math.fsum(c * math.exp(u) for c, (_, u) in pairs) / central),
        )
    return Range(central, factors)


@dataclass(frozen=True, slots=True)
class Difference:
    """A minus B with shared factors cancelled; may cross zero, so it is no Range.

    Attributes:
        low: 5th percentile. central: A - B of the central values. high: 95th percentile.
    """

    low: float
    central: float
    high: float


def difference(a: Range, b: Range) -> Difference:
    """A - B by the algebra of method section 3: per factor D(e) = a(exp e_A - 1) - b(exp e_B - 1)."""
    ups: list[float] = []
    downs: list[float] = []
    for name in a.factors.keys() | b.factors.keys():
        (da, ua), (db, ub) = a.factors.get(name, _NONE), b.factors.get(name, _NONE)
        at_low = a.central * math.expm1(da) - b.central * math.expm1(db)
        at_high = a.central * math.expm1(ua) - b.central * math.expm1(ub)
        ups.append(max(at_low, at_high, 0.0))
        downs.append(max(-at_low, -at_high, 0.0))
    central = a.central - b.central
    return Difference(central - _spread(downs), central, central + _spread(ups))
