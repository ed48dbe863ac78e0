"""Verdicts: pass, fail or undecided (method: section 8). Fail closed: what could not be priced is never a pass."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_aifootprint.budgets.limits import Limit
from pytest_aifootprint.quantities import Range
from pytest_aifootprint.records.model import CallFootprint, Carbon, Energy, RunFootprint, Tokens, Verdict, Water

ROUNDING = 1e-9
MOST_DOUBTS = 3
"""That one line can hold; a notice has each."""


def judge(limit: Limit, actual: Range | None, bound: str, scope: str, doubts: Sequence[str] = ()) -> Verdict:
    """Hold a value against a limit.

    Args:
        limit: what is allowed.
        actual: what it came to; None if it is not known.
        bound: which end of the range decides: ``low``, ``central`` or ``high``.
        scope: ``run`` or a node id.
        doubts: reasons for which no verdict can be a pass, whatever the bound (a lost worker, unpriced calls, ...).
            They do not save a value that is over its limit anyway.

    Returns:
        The verdict with its reason; the message, which has figures, is written by those who print.
    """
    low, central, high = (actual.low, actual.central, actual.high) if actual else (0.0, 0.0, 0.0)
    # The ends went through logarithms: 30 may come back as 30.000000000000004, which is not over 30.
    allowed = limit.value * (1 + ROUNDING)
    over = {"low": low, "central": central, "high": low}[bound] > allowed
    within = {"low": high, "central": central, "high": high}[bound] <= allowed
    crosses = low <= allowed < high
    if actual is None:
        word, why = "undecided", "not known"
    elif over:
        word, why = "fail", "the range crosses the limit" if crosses else ""
    elif doubts:
        more = f"; and {len(doubts) - MOST_DOUBTS} more" if len(doubts) > MOST_DOUBTS else ""
        word, why = "undecided", "; ".join(doubts[:MOST_DOUBTS]) + more
    elif within:
        word, why = "pass", "the range crosses the limit" if crosses else ""
    elif bound == "low":
        word, why = "pass", "the range crosses the limit"
    else:
        word, why = "undecided", "the range crosses the limit"
    return Verdict(scope, limit.text, limit.kind, limit.value, actual, bound, word, message="", reason=why)


def measure(  # noqa: PLR0913 - one argument for each kind of quantity that can be limited
    limit: Limit, *, carbon: Carbon, energy: Energy, water: Water | None, tokens: Tokens, calls: int
) -> Range | None:
    """What the limit is held against, None if a part of it is unknown."""
    if limit.kind == "carbon_g":
        return carbon.use if limit.use_only else carbon.total
    if limit.kind == "energy_j":
        return energy.total
    if limit.kind == "water_l":
        return water.total if water is not None else None
    if limit.kind == "tokens":
        return None if tokens.unknown_calls else Range(float(tokens.all))
    return Range(float(calls))


def live_calls(calls: Sequence[CallFootprint]) -> int:
    """How many calls really ran a model."""
    return sum(c.call.count for c in calls if c.call.realness == "live")


def judge_run(limits: Sequence[Limit], run: RunFootprint, bound: str, doubts: Sequence[str]) -> tuple[Verdict, ...]:
    """The verdicts of a run on its limits."""
    totals = run.totals
    return tuple(
        judge(
            limit,
            measure(
                limit,
                carbon=totals.carbon,
                energy=totals.energy,
                water=totals.water,
                tokens=totals.tokens,
                calls=totals.calls_live,
            ),
            bound,
            "run",
            doubts,
        )
        for limit in limits
    )
