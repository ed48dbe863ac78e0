"""What is noise and what is an increase: values of unchanged tests spread from run to run.

The rule, its sources and what it does to unchanged and to doubled tests: docs/explanation/regression-gate.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from statistics import median

from msgspec import Struct

MOST_VALUES = 10
"""Of each test that a baseline keeps."""
FEWEST = 3
"""Values from which a spread is told; below that the threshold alone decides."""
FALSE_ALARM = 0.05
"""How often a run in which nothing changed may fail because of noise alone, over all that is compared in it."""
STEP_ALARM = 0.001
"""How often an unchanged test's history may be taken for two levels."""
ACCEPT_ALARM = 0.1
"""The same where the user says that the new level is meant."""
ENOUGH = 5
"""Noisy tests from which it is told what they have in common."""
NOISY = 0.02
"""A spread (of logarithms) above which a test is noisy: tokens and what is priced by them do not spread."""
SMALLEST_STEP = 0.05
"""A change below this share is none that a history begins anew for."""


class Spread(Struct, frozen=True):
    """A history.

    Attributes:
        level: what is expected: the geometric mean of three or more values, else the last one.
        sd_log: standard deviation of their logarithms; None where there are too few values, or one is 0.
        n: how many values.
    """

    level: float
    sd_log: float | None
    n: int


def spread_of(values: Sequence[float]) -> Spread:
    """The level and the spread of a history, oldest value first; it has at least one."""
    n = len(values)
    if n < FEWEST or min(values) <= 0:
        return Spread(values[-1], None, n)
    logs = [math.log(value) for value in values]
    mean = math.fsum(logs) / n
    return Spread(math.exp(mean), math.sqrt(math.fsum((log - mean) ** 2 for log in logs) / (n - 1)), n)


def upper_bound(spread: Spread, alpha: float) -> float:
    """The value that one more run of the same stays below with probability 1 - alpha.

    One-sided prediction interval for one future observation, normal with unknown mean and variance, on logarithms:
    ``exp(mean + t(1 - alpha, n - 1) * s * sqrt(1 + 1/n))`` (Hahn and Meeker, Statistical Intervals, 1991, section 4.7;
    Student's t has n - 1 degrees of freedom). Without a spread it is the level.
    """
    if not spread.sd_log:
        return spread.level
    margin = t_quantile(alpha, spread.n - 1) * spread.sd_log * math.sqrt(1 + 1 / spread.n)
    return spread.level * math.exp(min(margin, 700.0))


def allowed(spread: Spread, threshold: float, alpha: float) -> tuple[float, bool]:
    """The most that passes, and whether it is the spread that allows so much.

    ``max(level * (1 + threshold), upper_bound)``: an increase fails when it is larger than the threshold *and* than
    what the history knows as noise.
    """
    by_threshold = spread.level * (1 + threshold)
    by_spread = upper_bound(spread, alpha)
    return max(by_threshold, by_spread), by_spread > by_threshold


def each_alpha(n_compared: int) -> float:
    """The share of ``FALSE_ALARM`` for each of so many comparisons (Bonferroni): together they stay below it."""
    return FALSE_ALARM / max(n_compared, 1)


def step(values: Sequence[float], value: float, alarm: float = STEP_ALARM) -> int:
    """Whether a value is of another level than the history: 1 above it, -1 below it, else 0.

    Two-sided prediction interval at ``alarm``, and a change of more than ``SMALLEST_STEP``; of a history that does not
    spread at all, any change. Fewer than three values tell no step: their level is the last value anyway.
    """
    if len(values) < FEWEST:
        return 0
    spread = spread_of(values)
    direction = (value > spread.level) - (value < spread.level)
    if not spread.sd_log or value <= 0:
        return direction if not math.isclose(value, spread.level, rel_tol=1e-9) else 0
    change = abs(math.log(value / spread.level))
    margin = t_quantile(alarm / 2, spread.n - 1) * spread.sd_log * math.sqrt(1 + 1 / spread.n)
    return direction if change > max(margin, math.log1p(SMALLEST_STEP)) else 0


def continued(values: Sequence[float], value: float, *, accept: bool = False) -> int:
    """How many of the last values still belong to the level of a new one; all of them unless it moved.

    One value off the level may be noise (a busy machine), so a history begins anew with the second one in a row; at
    once where it did not spread, and where the user accepts the new level.
    """
    n = len(values)
    if accept or (n >= FEWEST and not spread_of(values).sd_log):
        return 0 if step(values, value, ACCEPT_ALARM if accept else STEP_ALARM) else n
    first, second = (step(values[:-1], one) for one in (values[-1], value)) if n else (0, 0)
    return 1 if first and first == second else n


def common_rise(increases: Sequence[float]) -> float:
    """By what noisy tests rose together, as a log: the median of theirs, if there are enough of them; not below 0.

    A busy machine makes every test take more CPU. What all have in common is judged once, by the run's total.
    """
    return max(median(increases), 0.0) if len(increases) >= ENOUGH else 0.0


def t_within(t: float, nu: int) -> float:
    """The probability that Student's t with ``nu`` degrees of freedom is between -t and t.

    Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.3 (nu odd) and 26.7.4 (nu even).
    """
    theta = math.atan(t / math.sqrt(nu))
    cos, sin = math.cos(theta), math.sin(theta)
    if nu % 2:
        term = cos if nu > 1 else 0.0
        series = term
        for k in range(2, nu - 2, 2):
            term *= cos * cos * k / (k + 1)
            series += term
        return 2 / math.pi * (theta + sin * series)
    term = series = 1.0
    for k in range(1, nu - 2, 2):
        term *= cos * cos * k / (k + 1)
        series += term
    return sin * series


@lru_cache(maxsize=256)
def t_quantile(alpha: float, nu: int) -> float:
    """The t that Student's t with ``nu`` degrees of freedom is above with probability ``alpha`` (below one half)."""
    wanted = 1 - 2 * alpha
    low, high = 0.0, 1.0
    while t_within(high, nu) < wanted and high < 1e9:
        low, high = high, 2 * high
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if t_within(middle, nu) < wanted else (low, middle)
    return (low + high) / 2
