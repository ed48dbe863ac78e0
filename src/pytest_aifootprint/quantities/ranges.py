"""Ranges: a best estimate with the named sources of its uncertainty (method: section 3).

A range is a 90 % interval around an additive central value. It does not carry two ends but the *factors* that its
uncertainty comes from, each with the log change of the value when that factor is at its low or high end. So 37 calls
to one model stay as uncertain as one, two independent models are less uncertain together, and a factor that stands in
both parts of a quotient or a difference cancels.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from operator import mul
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeVar, cast

from msgspec import Struct

if TYPE_CHECKING:
    # The type checker has it; when it runs, it is no dependency of ours.
    from typing_extensions import Self

LogPair = tuple[float, float]
OfUnit = TypeVar("OfUnit", bound="Range")
"""A range of some unit (``quantities.dimensions``), the same wherever it stands in a signature."""

_NO_FACTORS: Mapping[str, LogPair] = MappingProxyType({})
_NONE: LogPair = (0.0, 0.0)


# No figure of ours comes near; what a typing error makes does, and must not end a run: an end that no float holds is
# infinite, and never "not a number".
_LARGEST = sys.float_info.max
_LARGEST_LOG = math.log(_LARGEST)
_SAFE_LOG = _LARGEST_LOG / 2
_set = object.__setattr__


def _spread(changes: Iterable[float]) -> float:
    # Sorted, so that the order of the factors does not show in the last digit.
    return math.hypot(*sorted(changes))


def _times_exp(value: float, log: float) -> float:
    return value * math.exp(log) if log <= _LARGEST_LOG else value * math.inf if value else 0.0


def _log_ratio(part: float, whole: float) -> float:
    ratio = part / whole
    # Where the ratio is no float any more, the difference of the logs is one, with fewer digits.
    in_range = sys.float_info.min <= ratio <= _LARGEST
    return math.log(ratio) if in_range else math.log(part) - math.log(whole)


# Not a Struct: mypy 2.4 falls over a NewType of one, and every unit is a NewType of a Range.
@dataclass(frozen=True, slots=True, init=False)
class Range:
    """A central value and the factors that make it uncertain.

    Attributes:
        central: the best estimate; columns of central values add up. Never negative.
        factors: factor name to ``(d, u)``, the log change of the value with that factor at its low and high end.
    """

    central: float
    factors: Mapping[str, LogPair] = field(default_factory=lambda: _NO_FACTORS)

    def __init__(self, central: float, factors: Mapping[str, LogPair] = _NO_FACTORS) -> None:
        """Take both. Written out: a run makes a million of them.

        Raises:
            ValueError: for a central value below 0, or one that is not finite.
        """
        if not 0 <= central <= _LARGEST:
            raise ValueError(f"a range needs a finite central value of 0 or more, got {central!r}")
        _set(self, "central", central)
        _set(self, "factors", factors)

    @classmethod
    def of(cls, low: float, central: float, high: float, factor: str) -> Range:
        """The range low - central - high, all of it due to ``factor``.

        Raises:
            ValueError: unless 0 < low <= central <= high, and high is finite.
        """
        if not 0 < low <= central <= high <= _LARGEST:
            raise ValueError(f"{factor}: a range needs 0 < low <= central <= high, got {low}, {central}, {high}")
        return cls(central, {factor: (_log_ratio(low, central), _log_ratio(high, central))})

    @classmethod
    def times_over(cls, central: float, spread: float, factor: str) -> Range:
        """The range ``central`` x/÷ ``spread``, all of it due to ``factor``.

        Raises:
            ValueError: unless 1 <= spread < inf.
        """
        if not 1 <= spread <= _LARGEST:
            raise ValueError(f"{factor}: x/÷ {spread} is below 1, or no number")
        return cls(central, {factor: (-math.log(spread), math.log(spread))})

    @property
    def low(self) -> float:
        """The 5th percentile: every factor's own worst downward change, combined in quadrature."""
        return _times_exp(self.central, -_spread(max(-d, -u, 0.0) for d, u in self.factors.values()))

    @property
    def high(self) -> float:
        """The 95th percentile: every factor's own worst upward change, in quadrature; inf if no float holds it."""
        return _times_exp(self.central, _spread(max(d, u, 0.0) for d, u in self.factors.values()))

    @property
    def widest_factor(self) -> str | None:
        """The factor that the width comes from most, the first of those that are alike; None for an exact value."""
        if not self.factors:
            return None
        return max(sorted(self.factors), key=lambda name: abs(self.factors[name][1] - self.factors[name][0]))

    def scale(self, k: float) -> Self:
        """``k`` times this range; the uncertainty in logs stays. Raises ValueError if k is negative."""
        return type(self)(self.central * k, self.factors)

    def with_factor(self, spread: float, factor: str) -> Self:
        """The same central value with one more source of uncertainty, x/÷ ``spread``."""
        return type(self)(self.central, (self * Range.times_over(1.0, spread, factor)).factors)

    def __mul__(self, other: Range) -> Range:
        """The product, in a unit of its own: log changes add per factor."""
        return Range(self.central * other.central, _of_both(_PRODUCTS, _multiplied, self.factors, other.factors))

    def __truediv__(self, other: Range) -> Range:
        """The quotient: a factor that both share cancels. Raises ZeroDivisionError for a zero divisor."""
        return Range(self.central / other.central, _of_both(_QUOTIENTS, _divided, self.factors, other.factors))

    def __add__(self, other: Self) -> Self:
        """The sum of two ranges of one unit; see ``total``."""
        if not other.central:
            return self if self.central else cast("Self", EXACT_ZERO)
        return _pair(self, other) if self.central else other


EXACT_ZERO = Range(0.0)

UNNAMED = "saved:"
"""How the name of a factor begins that a saved range was given because nobody told its own."""


@dataclass(frozen=True, slots=True, init=False)
class ToldRange(Range):
    """A range that somebody else calculated: its ends are theirs to the last digit, whatever its factors come to.

    Attributes:
        factors: as they were told, widest first; else one of its own, whose name begins with ``UNNAMED``.
        ends: low and high, as told; None once it was scaled or added: then they follow from the factors.
    """

    ends: tuple[float, float] | None = None

    def __init__(
        self, central: float, factors: Mapping[str, LogPair] = _NO_FACTORS, ends: tuple[float, float] | None = None
    ) -> None:
        """Take all three. Raises ValueError as ``Range`` does."""
        Range.__init__(self, central, factors)
        _set(self, "ends", ends)

    @property
    def low(self) -> float:
        """The 5th percentile, as told."""
        return Range(self.central, self.factors).low if self.ends is None else self.ends[0]

    @property
    def high(self) -> float:
        """The 95th percentile, as told."""
        return Range(self.central, self.factors).high if self.ends is None else self.ends[1]

    @property
    def widest_factor(self) -> str | None:
        """The first of those that were told; None if none was."""
        named = [name for name in self.factors if not name.startswith(UNNAMED)]
        if not named or self.ends is not None:
            return named[0] if named else None
        return Range(self.central, {name: self.factors[name] for name in named}).widest_factor


Factors = Mapping[str, LogPair]
_Known = dict[tuple[int, int], tuple[Factors, Factors, Factors]]
_PRODUCTS: _Known = {}
_QUOTIENTS: _Known = {}
_SUMS: dict[tuple[int, int, float, float], tuple[Factors, Factors, Factors]] = {}
_MOST_KNOWN = 256


def _of_both(known: _Known, make: Callable[[Factors, Factors], Factors], a: Factors, b: Factors) -> Factors:
    """What is made of two sets of factors, made once: a run has many values and few sets.

    They are told apart by identity, which is theirs alone as long as they are held here.
    """
    found = known.get((id(a), id(b)))
    if found is None:
        if len(known) >= _MOST_KNOWN:
            known.clear()
        found = known[id(a), id(b)] = (a, b, make(a, b))
    return found[2]


def _multiplied(a: Factors, b: Factors) -> Factors:
    if a.keys().isdisjoint(b):
        return {**a, **b}
    return {name: _add(a.get(name), b.get(name)) for name in a.keys() | b.keys()}


def _divided(a: Factors, b: Factors) -> Factors:
    return {name: _sub(a.get(name), b.get(name)) for name in a.keys() | b.keys()}


def _add(a: LogPair | None, b: LogPair | None) -> LogPair:
    (d1, u1), (d2, u2) = a or _NONE, b or _NONE
    return d1 + d2, u1 + u2


def _sub(a: LogPair | None, b: LogPair | None) -> LogPair:
    (d1, u1), (d2, u2) = a or _NONE, b or _NONE
    return d1 - d2, u1 - u2


def total(ranges: Iterable[OfUnit]) -> OfUnit:
    """The sum of ranges of one unit: centrals add; per factor, all members move together.

    Returns:
        The sum; ``EXACT_ZERO`` for no ranges, or for zeros alone.

    Raises:
        ValueError: one line, for a sum that no float holds.
    """
    if type(ranges) is list and len(ranges) == 1 and ranges[0].central > 0:
        return cast("OfUnit", ranges[0])
    parts = [r for r in ranges if r.central > 0]
    if not parts:
        # Nothing is as much in every unit.
        return cast("OfUnit", EXACT_ZERO)
    if len(parts) == 1:
        return parts[0]
    if len(parts) == 2:
        return _pair(*parts)
    try:
        central = math.fsum(r.central for r in parts)
    except OverflowError:
        raise ValueError("a sum of ranges is larger than any number") from None
    carriers: dict[str, tuple[list[float], list[float], list[float]]] = {}
    for r in parts:
        share = r.central / central
        for name, (d, u) in r.factors.items():
            shares, lows, highs = carriers.setdefault(name, ([], [], []))
            shares.append(share)
            lows.append(d)
            highs.append(u)
    return type(parts[0])(central, {name: _common(*found, len(parts)) for name, found in carriers.items()})


def _pair(a: OfUnit, b: OfUnit) -> OfUnit:
    """The sum of two, as ``total`` defines it to the last bit: most sums of a run are of two, a test and its calls."""
    central = a.central + b.central
    if central > _LARGEST:
        raise ValueError("a sum of ranges is larger than any number")
    of_a, of_b = a.central / central, b.central / central
    # Two things that a load model prices by CPU seconds stand in one ratio, test after test.
    key = id(a.factors), id(b.factors), of_a, of_b
    found = _SUMS.get(key)
    if found is None:
        if len(_SUMS) >= _MOST_KNOWN:
            _SUMS.clear()
        found = _SUMS[key] = a.factors, b.factors, _added(a.factors, b.factors, of_a, of_b)
    return type(a)(central, found[2])


def _added(a: Factors, b: Factors, of_a: float, of_b: float) -> Factors:
    """Of the sum of two; and what they are of it."""
    factors: dict[str, LogPair] = {}
    rest = max(1 - of_a, 0.0)
    for name, (d, u) in a.items():
        other = b.get(name)
        if other is None:
            factors[name] = _mix_alone(of_a, d, rest), _mix_alone(of_a, u, rest)
        else:
            factors[name] = _mix(of_a, d, of_b, other[0]), _mix(of_a, u, of_b, other[1])
    rest = max(1 - of_b, 0.0)
    for name, (d, u) in b.items():
        if name not in factors:
            factors[name] = _mix_alone(of_b, d, rest), _mix_alone(of_b, u, rest)
    return factors


def _mix(share_a: float, log_a: float, share_b: float, log_b: float) -> float:
    """``_log_mean_exp`` of two."""
    if log_a == log_b:
        return log_a
    if -_SAFE_LOG < log_a < _SAFE_LOG and -_SAFE_LOG < log_b < _SAFE_LOG:
        return math.log(share_a * math.exp(log_a) + share_b * math.exp(log_b))
    return _log_mean_exp([share_a, share_b], [log_a, log_b])


def _mix_alone(share: float, log: float, rest: float) -> float:
    """The same where the factor is in one of the two alone."""
    if log and -_SAFE_LOG < log < _SAFE_LOG:
        return math.log(share * math.exp(log) + rest)
    return _mix(share, log, rest, 0.0)


def _common(shares: list[float], lows: list[float], highs: list[float], n_parts: int) -> LogPair:
    """The log change of a sum of ``n_parts`` when one factor is at its low and at its high end.

    Of each part that has the factor: its share of the sum and its log changes. The others do not move.
    """
    if len(shares) < n_parts:
        shares = [*shares, max(1 - math.fsum(shares), 0.0)]
        lows, highs = [*lows, 0.0], [*highs, 0.0]
    return _log_mean_exp(shares, lows), _log_mean_exp(shares, highs)


def _log_mean_exp(shares: list[float], logs: list[float]) -> float:
    """``ln(sum of share x exp(log))``, of shares whose sum is 1, without leaving the range of floats."""
    if logs.count(logs[0]) == len(logs):
        # Calls to one model stay exactly as uncertain as one.
        return logs[0]
    if max(logs) < _SAFE_LOG and min(logs) > -_SAFE_LOG:
        return math.log(math.fsum(map(mul, shares, map(math.exp, logs))))
    present = [(share, log) for share, log in zip(shares, logs, strict=True) if share > 0]
    largest = max(log for _, log in present)
    return largest + math.log(math.fsum(share * math.exp(log - largest) for share, log in present))


class Difference(Struct, frozen=True):
    """A minus B with shared factors cancelled; may cross zero, so it is no Range.

    Attributes:
        low: 5th percentile. central: A - B of the central values. high: 95th percentile. An end that no float holds is
            infinite.
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
        at_low = _change(a, da) - _change(b, db)
        at_high = _change(a, ua) - _change(b, ub)
        if math.isnan(at_low) or math.isnan(at_high):
            at_low, at_high = -math.inf, math.inf  # two changes that no float holds: nothing is known of what is left
        ups.append(max(at_low, at_high, 0.0))
        downs.append(max(-at_low, -at_high, 0.0))
    central = a.central - b.central
    return Difference(central - _spread(downs), central, central + _spread(ups))


def _change(value: Range, log: float) -> float:
    return _times_exp(value.central, log) if log > _SAFE_LOG else value.central * math.expm1(log)
