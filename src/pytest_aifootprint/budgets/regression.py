"""A run beside its baseline: what changed, and whether it is more than was allowed.

Formulas and their sources: docs/explanation/regression-gate.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet

from msgspec import Struct

from pytest_aifootprint.budgets.baseline import Baseline, Entry, Past, Value, ranged, setting_id
from pytest_aifootprint.budgets.spread import NOISY, Spread, allowed, common_rise, each_alpha, spread_of
from pytest_aifootprint.quantities import EXACT_ZERO, Range, total
from pytest_aifootprint.quantities.changed import replace
from pytest_aifootprint.records.changes import RUN, Change, Changes
from pytest_aifootprint.records.snapshot import FIXTURE, Setting, Snapshot, Spent

CARBON, ENERGY, TOKENS, CALLS, PER_TOKEN = "carbon_g", "energy_j", "tokens", "calls", "energy_j_per_token"
LEAST_PART, NOISY_PART = 1e-3, 1e-2
"""A test whose joules or grams grow by less than this part of the run's is judged with the run alone; a noisy one."""
MOST_MISSING = 0.1
"""Of a run's level that may be missing in an earlier run, for its total to tell something of the spread."""
CANCELLED = 1e-3
"""A log change that is left by the digits of the file alone."""


class Pair(Struct, frozen=True):
    """A test of both: what it came to now, its entry, and the part of its history that goes with this run."""

    name: str
    now: Spent
    then: Entry
    past: Past

    @property
    def values(self) -> tuple[Value, ...]:
        """Of the history."""
        return self.past.values


def compare(
    snapshot: Snapshot, baseline: Baseline, file: str, ran: AbstractSet[str], threshold: float | None
) -> Changes:
    """Hold a run beside its baseline.

    Args:
        snapshot: the run.
        baseline: what it is held beside.
        file: name of the baseline, for people.
        ran: node ids of the baseline's tests that ran, whether they called a model or not.
        threshold: the increase that is allowed, as a share; None: nothing is gated.
    """
    setting = setting_id(snapshot.setting)
    both = [key for key in snapshot.spent if key in baseline.entries]
    here = [key for key in both if setting in baseline.entries[key].past]
    same = setting in baseline.settings and len(here) >= (1 - MOST_MISSING) * len(both)
    grids = _other_grids(baseline.settings[setting], snapshot.setting) if same else ()
    units = ((CARBON, ENERGY) if not grids else (ENERGY,)) if same else (TOKENS, CALLS, PER_TOKEN)
    absent = [key for key in baseline.entries if key not in snapshot.spent]
    missing = _named(key for key in absent if key not in ran)
    partial = _why_partial(snapshot, missing)
    if partial and not _named(both):
        # Shared fixtures alone tell nothing of what was asked for.
        both = []
    pairs = [_pair(key, snapshot, baseline, setting if same else None) for key in both]
    held = baseline if both or not partial else replace(baseline, entries={})
    found = [
        change
        for unit in units
        if (change := _of_run(_sides(snapshot, held, setting if same else None, unit, bool(partial)), unit))
    ]
    whole = {change.unit: change.before for change, _ in found if change.unit in {CARBON, ENERGY}}
    found += [change for pair in pairs for unit in units if (change := _of_test(pair, unit))]
    return Changes(
        file=file,
        runs=len({value.run for pair in pairs for value in pair.values}) if pairs else len(baseline.reports),
        differs=() if same else _differences(baseline, snapshot.setting, len(here), len(both)),
        grids=grids,
        partial=partial,
        compared=len(_named(both)),
        absent=len(missing) if partial else 0,
        new=_named(key for key in snapshot.spent if key not in baseline.entries),
        vanished=() if partial else missing,
        silent=_named(key for key in absent if key in ran),
        remodelled=tuple(f"{p.name}: {', '.join(p.then.models)} → {', '.join(p.now.models)}" for p in _moved(pairs)),
        elsewhere=len(both) - len(here) if same else 0,
        without_row=snapshot.without_row,
        changes=_gated(found, threshold, whole),
    )


def _why_partial(snapshot: Snapshot, missing: Sequence[str]) -> str:
    """Why tests of the baseline did not run, if it is not that they are gone."""
    if snapshot.partial and missing:
        return snapshot.partial
    if not all(map(snapshot.was_asked_for, missing)):
        return f"{', '.join(snapshot.asked)} was asked for"
    return "a worker was lost" if snapshot.lost and missing else ""


def _pair(key: str, snapshot: Snapshot, baseline: Baseline, setting: str | None) -> Pair:
    entry = baseline.entries[key]
    return Pair(key, snapshot.spent[key], entry, _past(entry, setting))


def _past(entry: Entry, setting: str | None) -> Past:
    """A history in this setting; without one, of all of them, for what depends on none."""
    return Past(entry.pooled()) if setting is None else entry.past.get(setting, Past())


def _named(keys: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(key for key in keys if not key.startswith(FIXTURE)))


def _moved(pairs: Iterable[Pair]) -> list[Pair]:
    return [pair for pair in pairs if pair.now.models and pair.then.models and pair.now.models != pair.then.models]


def _other_grids(then: Setting, now: Setting) -> tuple[str, ...]:
    common = sorted(then.grids.keys() & now.grids.keys())
    return tuple(
        f"grid of {'this machine' if name == 'local' else name}: {then.grids[name]:g} → {now.grids[name]:g} g/kWh"
        for name in common
        if then.grids[name] != now.grids[name]
    )


def _differences(baseline: Baseline, now: Setting, here: int, both: int) -> tuple[str, ...]:
    """In what this run differs from the baseline's last one."""
    if baseline.newest is None:
        return ("the baseline holds no test",)
    then = baseline.settings[baseline.newest]
    found = [
        f"{label}: {_said(then.machine.get(key))} → {_said(now.machine.get(key))}"
        for key, label in (("cpu", "CPU"), ("kind", "machine"), ("meters", "meters"), ("idle_shared", "idle shared"))
        if then.machine.get(key) != now.machine.get(key)
    ]
    if then.factors != now.factors:
        found.append(f"factors: {then.factors} → {now.factors}")
    return tuple(found) or (f"of {both} tests of the baseline {here} have a value of this machine",)


def _said(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


# --- one quantity -----------------------------------------------------------------------------------------------------


class Sides(Struct, frozen=True):
    """All that is compared of a run in one unit.

    Attributes:
        now: weight and what it came to. then: weight, history and its known values by run.
    """

    now: Sequence[tuple[float, Spent]]
    then: Sequence[tuple[float, Past, Sequence[tuple[int, float]]]]


def _sides(snapshot: Snapshot, baseline: Baseline, setting: str | None, unit: str, partial: bool) -> Sides:  # noqa: FBT001
    """The run with its new tests beside the baseline with its vanished ones; of a partial run the tests of both.

    What the baseline has no value of in this setting is on neither side.
    """
    pick = _PICK.get(unit, lambda v: v.remote_j)
    now, then = [], []
    for key, entry in baseline.entries.items():
        past = _past(entry, setting)
        values = _known(pick, past.values)
        spent = snapshot.spent.get(key)
        if not values or (partial and spent is None):
            continue
        then.append((entry.share, past, values))
        if spent is not None:
            # Who else uses a shared fixture depends on what ran: a part has the weight of the whole.
            now.append((entry.share if partial else spent.share, spent))
    if not partial:
        now += [(spent.share, spent) for key, spent in snapshot.spent.items() if key not in baseline.entries]
    return Sides(now, then)


def _of_run(sides: Sides, unit: str) -> tuple[Change, Spread] | None:
    if unit == PER_TOKEN:
        last = [(w, past.values[-1]) for w, past, _ in sides.then]
        now_tokens = math.fsum(w * spent.remote_tokens for w, spent in sides.now)
        then_tokens = math.fsum(w * value.remote_tokens for w, value in last)
        if not now_tokens or not then_tokens:
            return None
        level = math.fsum(w * value.remote_j for w, value in last) / then_tokens
        now = Range(math.fsum(w * spent.remote_j for w, spent in sides.now) / now_tokens)
        return Change(RUN, unit, now, level, 1), Spread(level, None, 1)
    spread = _spread_of_total([(w, values) for w, _, values in sides.then])
    then = total(_then(unit, past, spread_of([x for _, x in values]).level).scale(w) for w, past, values in sides.then)
    now = total(_now(spent, unit).scale(w) for w, spent in sides.now)
    runs = len({run for _, _, values in sides.then for run, _ in values})
    return Change(RUN, unit, remaining(now, then), spread.level, runs), spread


def _of_test(pair: Pair, unit: str) -> tuple[Change, Spread] | None:
    if unit == PER_TOKEN:
        each = [v.remote_j / v.remote_tokens for v in pair.values if v.remote_tokens]
        if not each or not pair.now.remote_tokens:
            return None
        now = Range(pair.now.remote_j / pair.now.remote_tokens)
    else:
        each = [x for _, x in _known(_PICK[unit], pair.values)]
        now = _now(pair.now, unit)
        if not each or not (now.central or any(each)):
            return None
    spread = spread_of(each)
    now = remaining(now, _then(unit, pair.past, spread.level))
    return Change(pair.name, unit, now, spread.level, len(each)), spread


_PICK: Mapping[str, Callable[[Value], float | None]] = {
    CARBON: lambda v: v.carbon_g,
    ENERGY: lambda v: v.energy_j,
    TOKENS: lambda v: v.tokens,
    CALLS: lambda v: v.calls,
}


def _known(pick: Callable[[Value], float | None], values: Iterable[Value]) -> list[tuple[int, float]]:
    return [(value.run, float(x)) for value in values if (x := pick(value)) is not None]


def _now(spent: Spent, unit: str) -> Range:
    if unit == CARBON:
        return spent.carbon_g
    if unit == ENERGY:
        return spent.energy_j
    return Range(float((spent.tokens or 0) if unit == TOKENS else spent.calls))


def _then(unit: str, past: Past, level: float) -> Range:
    if not level:
        return EXACT_ZERO
    factors = {CARBON: past.carbon_factors, ENERGY: past.energy_factors}.get(unit, {})
    return ranged(level, factors)


def remaining(now: Range, then: Range) -> Range:
    """This run's value with the uncertainty of ``now / then``: what both share has cancelled (method: section 3)."""
    if not now.central or not then.central:
        return now
    quotient = now / then
    factors = {n: pair for n, pair in quotient.factors.items() if max(map(abs, pair)) > CANCELLED}
    return Range(now.central, factors)


def _spread_of_total(histories: Sequence[tuple[float, Sequence[tuple[int, float]]]]) -> Spread:
    """Of the weighted sum of histories, run by run.

    A run counts if it has at least nine tenths of the sum; for what is missing in it the level of that test stands in.
    Fewer than three such runs (a suite in shards, each its own report): as if all tests rose and fell together, which
    is the most that a sum can spread.
    """
    levels = [(w, spread_of([x for _, x in values]), dict(values)) for w, values in histories]
    whole = math.fsum(w * spread.level for w, spread, _ in levels)
    totals = []
    for run in sorted({run for _, values in histories for run, _ in values}):
        missing = math.fsum(w * spread.level for w, spread, values in levels if run not in values)
        if missing <= MOST_MISSING * whole:
            totals.append(missing + math.fsum(w * values[run] for w, _, values in levels if run in values))
    spread = spread_of(totals) if totals else Spread(whole, None, 0)
    if spread.sd_log is not None or not whole:
        return spread
    noisy = [(w * s.level / whole, s) for w, s, _ in levels if s.sd_log is not None]
    if math.fsum(share for share, _ in noisy) < 1 - MOST_MISSING:
        return Spread(whole, None, 1)
    return Spread(whole, math.fsum(share * (s.sd_log or 0.0) for share, s in noisy), min(s.n for _, s in noisy))


# --- what is allowed --------------------------------------------------------------------------------------------------


def _gated(
    found: Sequence[tuple[Change, Spread]], threshold: float | None, whole: Mapping[str, float]
) -> tuple[Change, ...]:
    """The changes with what is allowed, the run's first, then the largest increase; ``whole``: the run's, by unit."""
    # Joules and grams of one test rise and fall together: they are one comparison. What is too small to be judged by
    # itself is none.
    alpha = each_alpha(len({c.scope for c, s in found if s.sd_log and c.before >= LEAST_PART * whole.get(c.unit, 0)}))
    rises = [math.log(c.actual.central / c.before) for c, s in found if c.unit == ENERGY and _is_noisy(c, s)]
    common = common_rise(rises)
    changes = []
    for change, spread in found:
        if threshold is None:
            changes.append(change)
            continue
        most, by_spread = allowed(spread, threshold, alpha)
        if change.scope != RUN:
            noisy = _is_noisy(change, spread)
            if noisy:
                most, by_spread = most * math.exp(common), by_spread or common > 0
            part = NOISY_PART if noisy else LEAST_PART
            most = max(most, spread.level + part * whole.get(change.unit, 0.0))
        changes.append(replace(change, allowed=most, by_spread=by_spread))
    # Carbon and energy of one test stand together, in this order.
    largest: dict[str, float] = {}
    for change in changes:
        increase = math.inf if change.increase is None else change.increase
        largest[change.scope] = max(increase, largest.get(change.scope, -math.inf))
    return tuple(sorted(changes, key=lambda c: (c.scope != RUN, -largest[c.scope], c.scope)))


def _is_noisy(change: Change, spread: Spread) -> bool:
    return change.scope != RUN and (spread.sd_log or 0.0) > NOISY and change.actual.central > 0
