"""Why no verdict may be a pass, and the one line that a verdict is told in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from pytest_aifootprint.budgets.limits import is_use_only
from pytest_aifootprint.detection.seams import sees
from pytest_aifootprint.quantities import ZERO_G, Grams, Range
from pytest_aifootprint.records.model import RunFootprint, TestFootprint, Verdict
from pytest_aifootprint.reports import formatting

UNSEEN = frozenset({"remote-calls-outside-tests", "tests-elsewhere", "foreign-children"})
_NAMES = {"carbon_g": "carbon", "energy_j": "energy", "water_l": "water", "tokens": "tokens", "calls": "live calls"}
_RELATIONS = {"pass": "within", "fail": "over", "undecided": "undecided against"}
_KINDS = {"carbon_g": formatting.CARBON, "energy_j": formatting.ENERGY, "water_l": formatting.WATER}
_OF_TEST: dict[str, Callable[[TestFootprint], Range]] = {
    "carbon_g": lambda t: t.carbon.total,
    "energy_j": lambda t: t.energy.total,
    "water_l": lambda t: t.water.total,
    "tokens": lambda t: Range(float(t.tokens.all)),
    "calls": lambda t: Range(float(sum(c.call.count for c in t.calls if c.call.realness == "live"))),
}


def _use_of(test: TestFootprint) -> Grams:
    return test.carbon.use if test.carbon.use is not None else ZERO_G


def doubts_of(run: RunFootprint) -> list[str]:
    """What makes every verdict on the run undecided unless it fails: rule 6, fail closed."""
    doubts = [f"worker {w.id} was lost" for w in run.workers if not w.reported]
    doubts += [f"seam {name}: {state}" for name, state in sorted(run.seams.items()) if not sees(state)]
    if run.totals.unpriced_calls:
        doubts.append(f"{run.totals.unpriced_calls} AI calls could not be priced")
    doubts += [n.message for n in run.notices if n.code in UNSEEN]
    idle = [t.nodeid for t in run.tests if any(n.code == "marked-without-call" for n in t.notices)]
    if idle:
        doubts.append(f"{idle[0]} is marked but made no AI call" + (f" (and {len(idle) - 1} more)" if idle[1:] else ""))
    return doubts


def amount(kind: str, value: Range | None) -> str:
    """A limited quantity as people read it."""
    if value is None:
        return "unknown"
    return _KINDS[kind].text(value, None) if kind in _KINDS else f"{value.central:.0f}"


def with_message(verdict: Verdict, run: RunFootprint | None = None) -> Verdict:
    """The verdict with its message as one line: value, limit, what decided, and the worst test of a failed run."""
    kind = verdict.unit
    message = f"{_NAMES[kind]} {amount(kind, verdict.actual)} {_RELATIONS[verdict.verdict]} the limit {verdict.limit}"
    if verdict.bound != "central":
        message += f" (held against the {verdict.bound} end)"
    reason = verdict.reason
    if run is not None and verdict.verdict == "fail" and run.tests:
        of_test = _use_of if is_use_only(verdict.limit) else _OF_TEST[kind]
        worst = max(run.tests, key=lambda t: of_test(t).central)
        found = f"worst test: {worst.nodeid} with {amount(kind, of_test(worst))}"
        reason = f"{reason}; {found}" if reason else found
    if reason:
        message += f": {reason}"
    return replace(verdict, message=message, reason=reason)
