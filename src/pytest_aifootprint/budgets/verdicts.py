"""Verdicts: pass, fail or undecided (method: section 8). Fail closed: what could not be priced is never a pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pytest_aifootprint.budgets.limits import Limit, ScopedLimit
from pytest_aifootprint.quantities import Range
from pytest_aifootprint.quantities.changed import replace
from pytest_aifootprint.records.amounts import Carbon, Energy, Tokens, Water
from pytest_aifootprint.records.model import RunFootprint, Verdict

if TYPE_CHECKING:
    from pytest_aifootprint.records.scopes import ScopeFootprint

OF_ENERGY = frozenset({"carbon_g", "energy_j", "water_l"})
NO_CALL = "no AI call seen, every seam armed"
NO_CALL_THERE = "no AI call seen in these tests, every seam armed"
NO_CALL_TO_IT = "no call to such a model seen, every seam armed"
NO_TEST = "no test of this run"
NO_TEST_RAN = "no test ran"
ROUNDING = 1e-9
MOST_DOUBTS = 3
"""That one line can hold; a notice has each."""


def judge(limit: Limit, actual: Range | None, bound: str, scope: str, doubts: Sequence[str] = ()) -> Verdict:
    """Hold a value against a limit.

    Args:
        limit: what is allowed.
        actual: what it came to; None if it is not known.
        bound: which end of the range decides: ``low``, ``central`` or ``high``.
        scope: ``run``, a node id, or a part of the run.
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
        word, why = "undecided", several(doubts)
    elif within:
        word, why = "pass", "the range crosses the limit" if crosses else ""
    elif bound == "low":
        word, why = "pass", "the range crosses the limit"
    else:
        word, why = "undecided", "the range crosses the limit"
    return Verdict(scope, limit.text, limit.kind, limit.value, actual, bound, word, message="", reason=why)


def several(doubts: Sequence[str], between: str = "; ") -> str:
    """Doubts, or names, as far as one line holds them."""
    more = f"{between}and {len(doubts) - MOST_DOUBTS} more" if len(doubts) > MOST_DOUBTS else ""
    return between.join(doubts[:MOST_DOUBTS]) + more


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


def judge_run(
    limits: Sequence[Limit], run: RunFootprint, bound: str, doubts: Sequence[str], unmetered: Sequence[str] = ()
) -> tuple[Verdict, ...]:
    """The verdicts of a run on its limits; a pass without a call says so.

    Args:
        limits: on the run.
        run: the finished run.
        bound: which end of the range decides.
        doubts: reasons for which no verdict can be a pass.
        unmetered: reasons for which none in joules, grams or litres can.
    """
    totals = run.totals
    nothing = not (totals.calls_live or totals.calls_replayed or totals.calls_mocked)
    found = (
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
            about(limit, doubts, unmetered),
        )
        for limit in limits
    )
    why = NO_CALL if totals.tests else NO_TEST_RAN
    return tuple(_saying(why, verdict) if nothing else verdict for verdict in found)


def judge_scopes(
    limits: Sequence[ScopedLimit],
    run: RunFootprint,
    bound: str,
    doubts: Sequence[str],
    unmetered: Sequence[str] = (),
) -> tuple[Verdict, ...]:
    """The verdicts on parts of the run, as ``judge_run``; those on every single test are given when it is over."""
    called = [model.id for model in run.models if model.calls]
    return tuple(
        _judge_scope(scoped.limit, scope, bound, about(scoped.limit, doubts, unmetered), called)
        for scoped, scope in zip(limits, run.scopes, strict=True)
        if not scoped.each
    )


def about(limit: Limit, doubts: Sequence[str], unmetered: Sequence[str]) -> list[str]:
    """The doubts that concern a limit: tokens and calls are counted, whatever was not metered."""
    return [*doubts, *(unmetered if limit.kind in OF_ENERGY else ())]


def _judge_scope(
    limit: Limit, scope: ScopeFootprint, bound: str, doubts: Sequence[str], called: Sequence[str]
) -> Verdict:
    if scope.selected == 0 and not scope.doubts:
        # What was lost or could not be seen was no test with these marks.
        return _saying(NO_TEST, judge(limit, Range(0.0), bound, scope.name))
    actual = _of_scope(limit, scope)
    verdict = judge(limit, actual, bound, scope.name, [*scope.doubts, *doubts])
    if actual is None and scope.unknown and limit.kind in OF_ENERGY:
        return replace(verdict, reason=scope.unknown)
    if scope.seen:
        return verdict
    # A pattern with a typing error means no model at all: whoever reads which were called sees it.
    others = f"; called: {several(called, ', ')}" if called else ""
    return _saying(f"{NO_CALL_TO_IT}{others}" if scope.of_model else NO_CALL_THERE, verdict)


def _of_scope(limit: Limit, scope: ScopeFootprint) -> Range | None:
    if limit.kind == "tokens":
        return None if scope.tokens is None else Range(scope.tokens)
    if limit.kind == "calls":
        return Range(scope.calls)
    if limit.kind == "carbon_g" and scope.carbon is not None:
        return scope.carbon.use if limit.use_only else scope.carbon.total
    of_kind: dict[str, Energy | Water | None] = {"energy_j": scope.energy, "water_l": scope.water}
    part = of_kind.get(limit.kind)
    return None if part is None else part.total


def _saying(why: str, verdict: Verdict) -> Verdict:
    return replace(verdict, reason=why) if verdict.verdict == "pass" else verdict
