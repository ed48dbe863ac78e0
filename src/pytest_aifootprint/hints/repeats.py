"""Work that was done several times and could be shared: the same training, the same load."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pytest_aifootprint.quantities import total
from pytest_aifootprint.records.model import RunFootprint
from pytest_aifootprint.records.model_use import Hint, ModelFootprint, Place, Work
from pytest_aifootprint.records.models import OUTSIDE


def trained_again(run: RunFootprint) -> Iterator[Hint]:
    """The same model trained, on as many samples, in several tests or fixtures: one fixture could do it for all."""
    fixtures = {fixture.id for fixture in run.fixtures}
    for model in run.models:
        if (trained := model.trained) is not None:
            for group in trained.again:
                yield from _shareable("trained-again", model, trained.work, group, fixtures)


def loaded_again(run: RunFootprint) -> Iterator[Hint]:
    """The same model loaded in several tests or fixtures."""
    fixtures = {fixture.id for fixture in run.fixtures}
    for model in run.models:
        yield from _shareable("loaded-again", model, model.loads, _by_where(model.loads.places), fixtures)


def _by_where(places: Sequence[Place]) -> list[Place]:
    """One place for a test that did it in several of its phases."""
    groups: dict[str, list[Place]] = {}
    for place in places:
        if place.where != OUTSIDE:
            groups.setdefault(place.where, []).append(place)
    found = []
    for where, mine in groups.items():
        known = [place.energy_j for place in mine if place.energy_j is not None]
        count = sum(place.count for place in mine)
        found.append(Place(where, mine[0].phase, count, total(known) if known else None))
    return found


def _shareable(
    code: str, model: ModelFootprint, work: Work, places: Sequence[Place], fixtures: set[str]
) -> Iterator[Hint]:
    """What is saved if one of these places does it for all: of n places with E joules together, E x (n - 1) / n."""
    known = [place.energy_j for place in places if place.energy_j is not None]
    if len(places) < 2 or not known or work.energy_j is None or not work.energy_j.central:
        return
    energy = total(known)
    saving = energy.scale((len(places) - 1) / len(places))
    yield Hint(
        code=code,
        tests=tuple(place.where for place in places if place.where not in fixtures),
        fixtures=tuple(place.where for place in places if place.where in fixtures),
        subject=model.id,
        count=sum(place.count for place in places),
        energy_j=energy,
        saving_j=saving,
        saving_g=None if work.carbon_g is None else work.carbon_g.scale(saving.central / work.energy_j.central),
    )
