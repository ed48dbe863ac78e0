"""What parts of a run came to: the tests with some marks, the calls to some models. Shares of fixtures included."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase

from msgspec import Struct, field

from pytest_aifootprint.attribution.fixtures import FixtureKey
from pytest_aifootprint.impacts.pricer import Pricer
from pytest_aifootprint.quantities import total
from pytest_aifootprint.records.amounts import Carbon, Energy, Water
from pytest_aifootprint.records.collector import Collector
from pytest_aifootprint.records.cost import Cost, energy_of_calls, sum_costs
from pytest_aifootprint.records.model import CallFootprint, FixtureFootprint, count_tokens, live_calls
from pytest_aifootprint.records.models import Placed, model_footprints
from pytest_aifootprint.records.raw import TestRun

MODEL = "model: "


class ScopeFootprint(Struct, frozen=True):
    """The sum over a part of the run.

    Attributes:
        name: ``marker: slow_llm`` or ``model: gpt-5*``.
        tests: node ids of the AI tests that are meant, or that called the models.
        selected: how many tests of the run are meant, with or without a call; None of a model, or if nobody told.
        calls: live ones. tokens: of those, None if unknown. Both are no whole numbers where tests bear a part of a
            shared fixture's. seen: calls of whatever kind.
        energy, carbon, water: None if a part is unknown; then ``unknown`` says why.
        doubts: reasons for which no verdict on it can be a pass.
        untold_training: models of whose training nothing is known, so that it is not in the carbon.
        busiest: of a model, the test or shared fixture with the most live calls, and how many.
    """

    name: str
    tests: frozenset[str] = frozenset()
    selected: int | None = None
    calls: float = 0.0
    tokens: float | None = 0.0
    seen: int = 0
    energy: Energy | None = field(default_factory=Energy)
    carbon: Carbon | None = field(default_factory=Carbon)
    water: Water | None = field(default_factory=Water)
    unknown: str = ""
    doubts: tuple[str, ...] = ()
    untold_training: tuple[str, ...] = ()
    busiest: tuple[str, int] = ("", 0)

    @property
    def of_model(self) -> bool:
        """Whether it is about models, and not about tests."""
        return self.name.startswith(MODEL)


def scope_footprints(  # noqa: PLR0913 - a sum is over all of these
    names: Sequence[str],
    collector: Collector,
    costs: Sequence[tuple[TestRun, Cost, Sequence[CallFootprint]]],
    fixtures: Mapping[FixtureKey, FixtureFootprint],
    placed: Sequence[Placed],
    pricer: Pricer,
) -> tuple[ScopeFootprint, ...]:
    """The sums of these scopes, in their order: a test knows by the place in the list which of them mean it.

    Args:
        names: of the scopes.
        collector: knows how many tests are meant.
        costs: of all AI tests: with their shares of fixtures, and their own calls.
        fixtures: all of the run.
        placed: all calls of the run.
        pricer: what local joules come to.
    """
    return tuple(
        _of_model(name, placed, pricer)
        if name.startswith(MODEL)
        else _of_marks(name, [cost for cost in costs if n in cost[0].scopes], fixtures, collector, n)
        for n, name in enumerate(names)
    )


def _of_marks(
    name: str,
    mine: Sequence[tuple[TestRun, Cost, Sequence[CallFootprint]]],
    fixtures: Mapping[FixtureKey, FixtureFootprint],
    collector: Collector,
    n: int,
) -> ScopeFootprint:
    cost = sum_costs([whole for _, whole, _ in mine])
    own = [call for _, _, calls in mine for call in calls]
    users = Counter(key for run, _, _ in mine for key in run.users_of if key in fixtures)
    parts = [(fixtures[key], count / max(fixtures[key].payers, 1)) for key, count in users.items()]
    tokens = [(count_tokens(own), 1.0), *((count_tokens(fixture.calls), part) for fixture, part in parts)]
    seen = [*own, *(call for fixture, _ in parts for call in fixture.calls)]
    unknown = ", ".join(repr(mark) for mark in collector.unknown_marks.get(n, ()))
    return ScopeFootprint(
        name,
        frozenset(run.nodeid for run, _, _ in mine),
        collector.selected.get(n),
        live_calls(own) + math.fsum(live_calls(fixture.calls) * part for fixture, part in parts),
        None if any(t.unknown_calls for t, _ in tokens) else math.fsum(t.all * part for t, part in tokens),
        len(seen),
        cost.energy,
        cost.carbon,
        cost.water,
        doubts=(f"no test has the mark {unknown}, and it is not registered",) if unknown else (),
        untold_training=_untold_training(seen),
    )


def _of_model(name: str, placed: Sequence[Placed], pricer: Pricer) -> ScopeFootprint:
    pattern = name.removeprefix(MODEL)
    mine = [one for one in placed if means(pattern, one.call.call.model or "unknown")]
    calls = [one.call for one in mine]
    tokens = count_tokens(calls)
    untold = [one.call for one in placed if one.call.call.model is None and one.call.call.realness == "live"]
    doubts = (
        () if not untold or means(pattern, "unknown") else (f"{live_calls(untold)} live calls do not tell their model",)
    )
    unmetered = sorted({c.call.model or "unknown" for c in calls if _is_metered_elsewhere(c)})
    models = [] if unmetered else model_footprints(mine, (), pricer)
    use = [model.carbon.use for model in models if model.carbon.use is not None]
    hardware = [model.carbon.hardware for model in models if model.carbon.hardware is not None]
    training = [model.carbon.training for model in models if model.carbon.training is not None]
    local = [c for c in calls if c.local_energy_j is not None]
    energy = energy_of_calls(calls)
    if local:
        energy["local"] = total(c.local_energy_j for c in local if c.local_energy_j is not None)
    return ScopeFootprint(
        name,
        frozenset(one.where for one in mine),
        None,
        live_calls(calls),
        None if tokens.unknown_calls else tokens.all,
        len(calls),
        None if unmetered else Energy(energy),
        None if unmetered else Carbon(total(use), total(training) if training or not models else None, total(hardware)),
        None if unmetered else _water(calls, pricer),
        f"the energy of {', '.join(unmetered)} is metered with the tests that call it, not by model: limit its tokens "
        "or calls, or the tests"
        if unmetered
        else "",
        doubts,
        _untold_training(calls),
        _busiest(mine),
    )


def means(pattern: str, model: str) -> bool:
    """Whether a pattern of ``fnmatch`` means this model, with or without its organisation, in whatever case."""
    pattern, model = pattern.casefold(), model.casefold()
    return any(fnmatchcase(name, pattern) or name == pattern for name in (model, model.rpartition("/")[2]))


def _is_metered_elsewhere(priced: CallFootprint) -> bool:
    """A live call to a local server, say: its joules stand in the windows of its test, beside the test's own."""
    call, impact = priced.call, priced.impact
    estimated = impact.energy_j is not None and impact.energy_j.central > 0
    return call.realness == "live" and call.locality == "local" and priced.local_energy_j is None and not estimated


def _water(calls: Iterable[CallFootprint], pricer: Pricer) -> Water:
    parts = [(c.impact.water_site_l, c.impact.water_source_l) for c in calls]
    parts += [pricer.local_water(j, c.local_energy_j) for c in calls if (j := c.at_wall_j) is not None]
    return Water(total(s for s, _ in parts if s is not None), total(s for _, s in parts if s is not None))


def _busiest(placed: Iterable[Placed]) -> tuple[str, int]:
    calls: Counter[str] = Counter()
    for where, call in placed:
        calls[where] += live_calls([call])
    return max(calls.items(), key=lambda pair: (pair[1], pair[0]), default=("", 0))


def _untold_training(calls: Iterable[CallFootprint]) -> tuple[str, ...]:
    untold = {c.call.model or "unknown": None for c in calls if c.impact.training_carbon_g is None}
    return tuple(untold)
