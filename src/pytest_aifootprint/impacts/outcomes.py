"""Footprints that need no model of a provider: nothing ran, it ran here, or nothing can be said."""

from __future__ import annotations

from pytest_aifootprint.detection.calls import AICall
from pytest_aifootprint.impacts.amortisation import NO_MODEL_RAN, UNKNOWN, TrainingShare
from pytest_aifootprint.impacts.contract import CallImpact, Use
from pytest_aifootprint.quantities import ZERO_G, ZERO_J, ZERO_L, Basis, Grams, Joules, Notice, OfUnit, Range
from pytest_aifootprint.quantities.changed import replace

NOTHING_RAN = CallImpact(
    energy_j=ZERO_J,
    use_carbon_g=ZERO_G,
    hardware_carbon_g=ZERO_G,
    training_carbon_g=ZERO_G,
    training_energy_j=ZERO_J,
    water_site_l=ZERO_L,
    water_source_l=ZERO_L,
    avoidable_carbon_g=ZERO_G,
    avoided_carbon_g=ZERO_G,
    training=NO_MODEL_RAN.training,
    basis=Basis.MODELLED,
    source="no model ran",
    equation="0: no model ran",
)
"""A mocked call. Also the zeros of a replayed one, and of the parts of a local one that its windows meter."""


def replayed(live: CallImpact, avoided_g: Grams) -> CallImpact:
    """A remote call that a cassette answered: it costs nothing and avoided what the use of the live one had emitted."""
    return replace(
        NOTHING_RAN,
        avoided_carbon_g=avoided_g,
        basis=live.basis,
        source=f"replayed; avoided by {live.source}",
        equation=f"0: replayed; live: {live.equation}",
        notices=live.notices,
        sheet=live.sheet,
    )


def replayed_local(call: AICall) -> CallImpact:
    """A local call that a cassette answered: what it avoided is this machine's energy, which nobody metered."""
    message = f"a replayed local call to {call.model or 'a model'} avoided energy of this machine: unknown, not 0"
    return replace(NOTHING_RAN, avoided_carbon_g=None, notices=(Notice("avoided-unknown", message),))


def failure(call: AICall) -> CallImpact:
    """An error without usage: no generation that anybody told of, taken as nothing."""
    notices: tuple[Notice, ...] = ()
    if call.status == "error":
        message = "calls without an answer are priced at 0; a provider may have computed one that nobody waited for"
        notices = (Notice("no-answer", message),)
    equation = f"0: status {call.status} without usage, taken as no generation"
    return replace(NOTHING_RAN, basis=Basis.ASSUMED, source="assumed", equation=equation, notices=notices)


def unpriced_training(call: AICall) -> CallImpact:
    """Training at a remote provider: nothing is known of its size."""
    message = f"training {call.model or 'a model'} at {call.provider or 'a provider'}: its energy is unknown, not 0"
    return CallImpact(
        energy_j=None,
        use_carbon_g=None,
        hardware_carbon_g=None,
        training_carbon_g=None,
        training_energy_j=None,
        water_site_l=None,
        water_source_l=None,
        avoidable_carbon_g=None,
        avoided_carbon_g=ZERO_G if call.realness == "live" else None,
        training=UNKNOWN.training,
        basis=Basis.ASSUMED,
        source="nothing is published",
        equation="unknown",
        priced=False,
        notices=(Notice("unpriced-training", message),),
    )


def metered_here(
    share: TrainingShare, basis: Basis, source: str, equation: str, notices: tuple[Notice, ...] = ()
) -> CallImpact:
    """A live call on this machine: the windows meter its use and hardware; only the training share is added."""
    return replace(
        NOTHING_RAN,
        training_carbon_g=share.carbon_g,
        training_energy_j=share.energy_j,
        training=share.training,
        basis=basis,
        source=source,
        equation=equation,
        notices=notices,
    )


def server_energy_j(it_energy_j: Joules, alone: Range) -> Joules:
    """Joules of a server that works for one: ``E = E_it x k``, k what it takes more than one that many share."""
    return Joules(it_energy_j * alone)


def unseen_server(metered: CallImpact, energy_j: Joules, use: Use, equation: str) -> CallImpact:
    """A live call to a local server whose work nobody could meter: its use is estimated, its hardware unknown."""
    return replace(
        metered,
        energy_j=energy_j,
        use_carbon_g=use.carbon_g,
        hardware_carbon_g=None,
        water_site_l=use.water_site_l,
        water_source_l=use.water_source_l,
        avoidable_carbon_g=use.avoidable_g,
        basis=Basis.ASSUMED,
        equation=f"{equation}; {metered.equation}",
    )


def times(impact: CallImpact, count: int) -> CallImpact:
    """The footprint of ``count`` calls like this one."""
    if count == 1:
        return impact

    def scaled(amount: OfUnit | None) -> OfUnit | None:
        return None if amount is None else amount.scale(count)

    return replace(
        impact,
        energy_j=scaled(impact.energy_j),
        use_carbon_g=scaled(impact.use_carbon_g),
        hardware_carbon_g=scaled(impact.hardware_carbon_g),
        training_carbon_g=scaled(impact.training_carbon_g),
        training_energy_j=scaled(impact.training_energy_j),
        water_site_l=scaled(impact.water_site_l),
        water_source_l=scaled(impact.water_source_l),
        avoidable_carbon_g=scaled(impact.avoidable_carbon_g),
        avoided_carbon_g=scaled(impact.avoided_carbon_g),
        equation=f"{count} x ({impact.equation})",
    )
