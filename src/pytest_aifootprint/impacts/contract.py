"""What pricing a call gives."""

from __future__ import annotations

from msgspec import Struct

from pytest_aifootprint.quantities import (
    Basis,
    Grams,
    GramsPerKwh,
    Joules,
    Kilograms,
    Litres,
    LitresPerKwh,
    Notice,
    Range,
    Sheet,
)


class Grid(Struct, frozen=True):
    """Carbon intensity of a place's electricity, location-based average.

    Attributes:
        zone: ``FRA``, ``USA/virginia``, ``gcp/us-central1``, ``WOR``, or "declared" for a number.
        carbon_g_per_kwh: factor ``grid:ZONE``.
        water_l_per_kwh: consumption at the power plants (EWIF), factor ``ewif:ZONE``; None if unknown.
        source, year: of the carbon figure; year None where the data has none.
        guessed: nobody said where we are: the world average stands in.
        hour: ISO 8601, UTC, where the carbon figure is that of one hour, not a yearly average.
        notices: what a reader has to know about where the figure comes from.
        publisher: of the carbon figure, in a word; "" of a declared number.
        water_own: the water figure is this place's country's own; False: the world's stands in.
        water_source, water_year: of the water figure; "" and None where there is none.
    """

    zone: str
    carbon_g_per_kwh: GramsPerKwh
    water_l_per_kwh: LitresPerKwh | None
    source: str
    year: int | None
    guessed: bool = False
    hour: str | None = None
    notices: tuple[Notice, ...] = ()
    publisher: str = ""
    water_own: bool = False
    water_source: str = ""
    water_year: int | None = None


class Training(Struct, frozen=True):
    """The training footprint behind a model's training share.

    Attributes:
        method: what makes the share of one use: ``share`` (of its energy), ``count`` (a known whole over the declared
            uses), ``compute`` (a computed whole over the declared uses), ``measured``, or ``unknown``.
        source: publication of the catalogue row, or of the shares.
        kwh, carbon_kg: of the whole training, where known; lifetime_uses: where declared.
        whole: how they are known: ``metered``, ``declared``, ``published``, ``computed``; None if they are not.
        phi: inference's share of the model's lifetime energy; of the share method.
        tokens: that it was trained on, of a computed whole. parent: whose training is not in it.
    """

    method: str
    source: str
    kwh: float | None = None
    carbon_kg: Kilograms | None = None
    lifetime_uses: Range | None = None
    whole: str | None = None
    phi: Range | None = None
    tokens: float | None = None
    parent: str | None = None


class Use(Struct, frozen=True):
    """What electricity comes to: grams CO2e, litres at the site and at the power plants; avoidable CO2e of it."""

    carbon_g: Grams
    water_site_l: Litres
    water_source_l: Litres
    avoidable_g: Grams


class CallImpact(Struct, frozen=True):
    """One call's footprint beside what the local meters see. None means unknown, never zero.

    Attributes:
        energy_j: electricity in the provider's data centre, PUE included; of a local server that nobody could meter, as
            estimated; ZERO_J for any other local call (its energy is metered in the windows), and for a replayed or
            mocked one.
        use_carbon_g: of that electricity. hardware_carbon_g: the provider's embodied share.
        training_carbon_g: the training share; None if unknown. training_energy_j: likewise.
        water_site_l, water_source_l: of that electricity.
        avoidable_carbon_g: use less the provider's standby. avoided_carbon_g: of a replayed call, what it would have
            cost live in use; ZERO_G otherwise. Both at the user's marginal factor, where there is one.
        training: where the training share comes from.
        basis, source, equation: how the numbers came about; the equation in one line with its inputs.
        priced: False if nothing at all could be said about a call that needs a price.
        notices: what a reader has to know about this call.
        sheet: how the numbers of one such call are made; None where there is nothing to be calculated.
    """

    energy_j: Joules | None
    use_carbon_g: Grams | None
    hardware_carbon_g: Grams | None
    training_carbon_g: Grams | None
    training_energy_j: Joules | None
    water_site_l: Litres | None
    water_source_l: Litres | None
    avoidable_carbon_g: Grams | None
    avoided_carbon_g: Grams | None
    training: Training
    basis: Basis
    source: str
    equation: str
    priced: bool = True
    notices: tuple[Notice, ...] = ()
    sheet: Sheet | None = None
