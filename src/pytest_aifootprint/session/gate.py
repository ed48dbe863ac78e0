"""Why no verdict may be a pass, and the one line that a verdict is told in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from pytest_aifootprint.budgets.limits import Limit, is_use_only
from pytest_aifootprint.budgets.verdicts import judge, judge_run, judge_scopes, several
from pytest_aifootprint.detection.seams import sees
from pytest_aifootprint.options.settings import Settings
from pytest_aifootprint.quantities import ZERO_G, Grams, Notice, Range
from pytest_aifootprint.quantities.changed import replace
from pytest_aifootprint.records.model import RunFootprint, TestFootprint, Verdict, live_calls
from pytest_aifootprint.records.unread import CODE as UNREAD
from pytest_aifootprint.reports import formatting
from pytest_aifootprint.session.selection import STOPPED

if TYPE_CHECKING:
    from pytest_aifootprint.records.scopes import ScopeFootprint

UNSEEN = frozenset({"remote-calls-outside-tests", "tests-elsewhere", "foreign-children"})
MOST_NAMED = 3
# How the frameworks name devices that no CPU counter sees.
ACCELERATORS = ("cuda", "rocm", "mps", "xpu", "tpu", "gpu", "dml", "migraphx")
_NAMES = {"carbon_g": "carbon", "energy_j": "energy", "water_l": "water", "tokens": "tokens", "calls": "live calls"}
RELATIONS = {"pass": "within", "fail": "over", "undecided": "undecided against"}
_KINDS = {"carbon_g": formatting.CARBON, "energy_j": formatting.ENERGY, "water_l": formatting.WATER}
_OF_TEST: dict[str, Callable[[TestFootprint], Range]] = {
    "carbon_g": lambda t: t.carbon.total,
    "energy_j": lambda t: t.energy.total,
    "water_l": lambda t: t.water.total,
    "tokens": lambda t: Range(float(t.tokens.all)),
    "calls": lambda t: Range(float(live_calls(t.calls))),
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
    idle = [t.nodeid for t in run.telling_tests if any(n.code == "marked-without-call" for n in t.notices)]
    if idle:
        doubts.append(f"{idle[0]} is marked but made no AI call" + (f" (and {len(idle) - 1} more)" if idle[1:] else ""))
    return doubts


def unmetered(
    calls: Iterable[tuple[str | None, str | None]], domains: Iterable[str], rejected: Iterable[str]
) -> list[str]:
    """Why nothing in joules, grams or litres may pass: models that ran on a device which no meter here sees.

    Args:
        calls: model and device of live calls.
        domains: that are metered.
        rejected: names of meters that do not work here.
    """
    cards = [domain for domain in domains if domain.startswith("gpu")]
    # Which card a framework calls cuda:0 is not told: it may be any that is visible.
    without = [card for name in rejected if (card := name.rpartition(" ")[2]).startswith("gpu")]
    if cards and not without:
        return []
    why = f"and {formatting.listed(without, MOST_NAMED)} has no meter" if cards else "which nothing here meters"
    return sorted({f"{model or 'a model'} ran on {device}, {why}" for model, device in calls if _far(device)})


def told_unread(notices: Iterable[Notice]) -> list[str]:
    """Why nothing in joules, grams or litres may pass: a card that has a meter could not be read."""
    return [notice.message for notice in notices if notice.code == UNREAD]


def _far(device: str | None) -> bool:
    return device is not None and device.startswith(ACCELERATORS)


def run_verdicts(
    settings: Settings, run: RunFootprint, doubts: Sequence[str], of_tests: Mapping[tuple[str, int], Sequence[Verdict]]
) -> tuple[Verdict, ...]:
    """What the limits say of the run and of parts of it, with their messages.

    Args:
        settings: have the limits.
        run: the finished run, without its verdicts.
        doubts: why no verdict may be a pass.
        of_tests: the verdicts on single tests, by worker and owner number. Those that are no pass and whose tests have
            no row stand with those on the run: nobody would see them.
    """
    devices = [(model.id, device) for model in run.models if model.calls for device in model.devices]
    rejected = (meter["name"] for meter in run.rejected_meters)
    unseen = unmetered(devices, (meter.domain for meter in run.meters), rejected)
    unseen += told_unread(run.notices)
    found = [
        *judge_run(settings.budgets, run, settings.bound, doubts, unseen),
        *judge_scopes(settings.scoped, run, settings.bound, doubts, unseen),
    ]
    if not found and doubts:
        found += _unsure(settings, of_tests.values(), doubts)
    rows = {(test.worker, test.nodeid) for test in run.telling_tests}
    without_row = [
        verdict
        for (worker, _), verdicts in of_tests.items()
        for verdict in verdicts
        if verdict.verdict != "pass" and (worker, verdict.scope) not in rows
    ]
    return (*(with_message(verdict, run) for verdict in found), *without_row)


def _unsure(settings: Settings, of_tests: Iterable[Sequence[Verdict]], doubts: Sequence[str]) -> Iterator[Verdict]:
    """Where all limits are on single tests: calls that nobody saw are in none of their verdicts."""
    said = [verdict for verdicts in of_tests for verdict in verdicts]
    if any(verdict.verdict == "undecided" for verdict in said):
        return
    limits = [scoped.limit for scoped in settings.scoped if scoped.each]
    limits += settings.test_budgets
    limits += [Limit(v.unit, v.limit_value, v.limit) for v in said if v.actual is not None]
    for limit in limits[:1]:
        verdict = judge(replace(limit, text=f"each test: {limit.text}"), None, settings.bound, "run")
        yield replace(verdict, reason=several(doubts))


def amount(kind: str, value: Range | None) -> str:
    """A limited quantity as people read it."""
    if value is None:
        return "unknown"
    return _KINDS[kind].text(value, None) if kind in _KINDS else formatting.exact_count(value.central)


def with_message(verdict: Verdict, run: RunFootprint | None = None) -> Verdict:
    """The verdict with its message as one line: value, limit, what decided, and the worst test of a failed run."""
    kind = verdict.unit
    message = f"{_NAMES[kind]} {amount(kind, verdict.actual)} {RELATIONS[verdict.verdict]} the limit {verdict.limit}"
    if run is not None and verdict.scope != "run":
        message = f"{verdict.scope}: {message}"
    if verdict.bound != "central":
        message += f" (held against the {verdict.bound} end)"
    said = [verdict.reason] if verdict.reason else []
    if run is not None:
        said += ["the run was stopped early"] if verdict.verdict == "pass" and run.partial == STOPPED else []
        said += _whose(verdict, run)
    reason = formatting.one_line("; ".join(said))
    if reason:
        message += f": {reason}"
    return replace(verdict, message=formatting.one_line(message), reason=reason)


def _whose(verdict: Verdict, run: RunFootprint) -> list[str]:
    """What a failed run, or a part of it, came from; what a pass leaves out."""
    scope = next((scope for scope in run.scopes if scope.name == verdict.scope), None)
    if verdict.verdict == "pass" and verdict.unit == "carbon_g" and not is_use_only(verdict.limit):
        return _left_out(run, scope)
    if verdict.verdict != "fail":
        return []
    if scope is not None and scope.of_model:
        place, calls = scope.busiest
        return [f"most calls: {place} with {formatting.exact_count(calls)}"]
    tests = [test for test in run.tests if scope is None or test.nodeid in scope.tests]
    if not tests:
        return []
    of_test = _use_of if is_use_only(verdict.limit) else _OF_TEST[verdict.unit]
    worst = max(tests, key=lambda test: of_test(test).central)
    return [f"worst test: {worst.nodeid} with {amount(verdict.unit, of_test(worst))}"]


def _left_out(run: RunFootprint, scope: ScopeFootprint | None) -> list[str]:
    """A pass on carbon says of which models the training is not in it: it is not known, and so not 0."""
    if scope is not None:
        unknown = list(scope.untold_training)
    else:
        unknown = [model.id for model in run.models if model.calls and model.carbon.training is None]
    return [f"the training of {formatting.listed(unknown, MOST_NAMED)} is unknown and not in it"] if unknown else []
