"""What the run did with each model: calls, tokens, energy, loads, and training that happened here."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import NamedTuple

from msgspec import Struct, field

from pytest_aifootprint.detection.calls import AICall
from pytest_aifootprint.impacts.contract import Training
from pytest_aifootprint.impacts.pricer import Pricer
from pytest_aifootprint.quantities import ZERO_G, Joules, total
from pytest_aifootprint.records.amounts import Carbon
from pytest_aifootprint.records.cost import energy_of_calls
from pytest_aifootprint.records.model import LOCAL_SERVER, CallFootprint, count_tokens
from pytest_aifootprint.records.model_use import ModelFootprint, Place, Trained, Work

OUTSIDE = "outside"
TRAINING = "training"


class Placed(NamedTuple):
    """A call or a load, and the test or shared fixture that it ran in (``outside``: neither)."""

    where: str
    call: CallFootprint


class _Model(Struct):
    """Everything that was seen of one model."""

    calls: list[Placed] = field(default_factory=list)
    loads: list[Placed] = field(default_factory=list)


def model_footprints(calls: Sequence[Placed], loads: Sequence[Placed], pricer: Pricer) -> tuple[ModelFootprint, ...]:
    """One row for each model of each provider, the one with most carbon first; models that were only loaded last.

    The same weights loaded twice are the same model: name, size and revision tell models apart, as far as known.
    """
    same = _Same([placed.call.call for placed in (*calls, *loads)])
    models: dict[Hashable, _Model] = {}
    for placed in calls:
        models.setdefault(same.key(placed.call.call), _Model()).calls.append(placed)
    for placed in loads:
        models.setdefault(same.key(placed.call.call), _Model()).loads.append(placed)
    found = [_footprint(model, pricer) for model in models.values()]
    return tuple(sorted(found, key=lambda m: (not m.calls, -m.carbon.total.central, m.id, m.parameters or 0)))


class _Same:
    """Which calls are of one model: what one of them does not tell (its size, before the first forward) another may."""

    def __init__(self, calls: Iterable[AICall]) -> None:
        self._known: dict[tuple[str, str | None], set[tuple[int | None, str | None]]] = {}
        for call in calls:
            self._known.setdefault(_named(call), set()).add((call.parameters, call.revision))

    def key(self, call: AICall) -> tuple[object, ...]:
        """Equal for calls of one model."""
        mine = (call.parameters, call.revision)
        fuller = {
            other
            for other in self._known[_named(call)]
            if other != mine and all(m is None or m == o for m, o in zip(mine, other, strict=True))
        }
        # Of two that it could be, it is neither for sure.
        return (*_named(call), *(fuller.pop() if len(fuller) == 1 else mine))


def _named(call: AICall) -> tuple[str, str | None]:
    return call.model or "unknown", call.provider


def _footprint(model: _Model, pricer: Pricer) -> ModelFootprint:
    everything = [placed.call.call for placed in (*model.calls, *model.loads)]
    mine = [placed.call for placed in model.calls]
    impacts = [c.impact for c in mine]
    training = [i.training_carbon_g for i in impacts if i.training_carbon_g is not None]
    local = [c.local_energy_j for c in mine if c.local_energy_j is not None]
    at_wall = [c.at_wall_j for c in mine if c.at_wall_j is not None]
    beside = energy_of_calls(mine)
    used = [*local, *beside.values()]
    remote = LOCAL_SERVER in beside or any(c.call.locality == "remote" for c in mine)
    # Of a model with live and replayed calls, the live ones tell where its share comes from.
    shares = [i for i in impacts if i.training.method != "unknown"]
    best = next((i.training for i in shares if i.training_carbon_g != ZERO_G), shares[0].training if shares else None)
    name, provider = _named(everything[0])
    return ModelFootprint(
        id=name,
        provider=provider,
        calls=sum(c.call.count for c in mine),
        tokens=count_tokens(mine),
        energy_j=total(used) if local or remote else None,
        carbon=Carbon(
            use=total(
                [
                    *(i.use_carbon_g for i in impacts if i.use_carbon_g is not None),
                    *(pricer.local_carbon_g(joules) for joules in at_wall),
                ]
            ),
            training=total(training) if training else None,
            hardware=total(i.hardware_carbon_g for i in impacts if i.hardware_carbon_g is not None),
        ),
        training=best or (impacts[0].training if impacts else Training("unknown", "it was only loaded")),
        parameters=next((c.parameters for c in everything if c.parameters is not None), None),
        revision=next((c.revision for c in everything if c.revision is not None), None),
        precisions=tuple(sorted({c.precision for c in everything if c.precision is not None})),
        devices=tuple(sorted({c.device for c in everything if c.device is not None})),
        loads=_work(model.loads, pricer),
        trained=_trained(model.calls, pricer),
    )


def _work(placed: Sequence[Placed], pricer: Pricer) -> Work:
    """Calls or loads together, and where they ran."""
    energy = _energy(placed)
    at_wall = [p.call.at_wall_j for p in placed if p.call.at_wall_j is not None]
    groups: dict[tuple[str, str], list[Placed]] = {}
    for one in placed:
        groups.setdefault((one.where, one.call.call.phase), []).append(one)
    return Work(
        count=sum(p.call.call.count for p in placed),
        duration_s=sum(p.call.call.duration_ns for p in placed) / 1e9,
        energy_j=energy,
        carbon_g=None if energy is None else pricer.local_carbon_g(total(at_wall)),
        places=tuple(
            Place(where, phase, sum(p.call.call.count for p in group), _energy(group))
            for (where, phase), group in groups.items()
        ),
    )


def _energy(placed: Iterable[Placed]) -> Joules | None:
    """Their joules; what ran outside of all windows was metered for nobody. None if that is all."""
    known = [p.call.local_energy_j for p in placed if p.call.local_energy_j is not None]
    return total(known) if known else None


def _trained(calls: Sequence[Placed], pricer: Pricer) -> Trained | None:
    """The trainings of a model in this run, and what they come to per inference of the run (method: section 5)."""
    mine = [p for p in calls if p.call.call.operation == TRAINING and p.call.call.locality == "local"]
    if not mine:
        return None
    work = _work(mine, pricer)
    inferences = sum(
        p.call.call.count for p in calls if p.call.call.operation != TRAINING and p.call.call.realness == "live"
    )
    per_inference_j = work.energy_j.scale(1 / inferences) if work.energy_j is not None and inferences else None
    return Trained(
        work=work,
        steps=_sum(p.call.call.steps for p in mine),
        samples=_sum(p.call.call.samples for p in mine),
        epochs=_sum(p.call.call.epochs for p in mine),
        inferences=inferences,
        per_inference_j=per_inference_j,
        per_inference_g=None
        if per_inference_j is None or work.carbon_g is None
        else work.carbon_g.scale(1 / inferences),
        again=_again(mine),
    )


def _again(trainings: Sequence[Placed]) -> tuple[tuple[Place, ...], ...]:
    """Groups of places that trained the same: as many samples each time. Folds of one test stand in one place."""
    groups: dict[float | None, dict[str, list[Placed]]] = {}
    for placed in trainings:
        call = placed.call.call
        samples = None if call.samples is None else call.samples / call.count
        groups.setdefault(samples, {}).setdefault(placed.where, []).append(placed)
    return tuple(
        tuple(
            Place(where, group[0].call.call.phase, sum(p.call.call.count for p in group), _energy(group))
            for where, group in places.items()
        )
        for places in groups.values()
        if len(places) > 1
    )


def _sum(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None
