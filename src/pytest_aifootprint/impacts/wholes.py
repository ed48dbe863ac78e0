"""A model's whole training: as declared, as published, or computed from its size and tokens (method, section 5)."""

from __future__ import annotations

from msgspec import Struct

from pytest_aifootprint.catalogue import Catalogue, TrainingRow
from pytest_aifootprint.impacts import training
from pytest_aifootprint.impacts.models import Model
from pytest_aifootprint.quantities import Joules, Kilograms, KilowattHours, Range, as_joules
from pytest_aifootprint.quantities.changed import replace
from pytest_aifootprint.quantities.units import J_PER_KWH

ETA = "eta_train"
METERED, DECLARED, PUBLISHED, COMPUTED = "metered", "declared", "published", "computed"


class Whole(Struct, frozen=True):
    """What training a model took, without its parent's training.

    Attributes:
        basis: METERED, DECLARED, PUBLISHED or COMPUTED. energy_j, carbon_kg: None where not known.
        source: of both. equation: of a computed energy, with "; " behind it. tokens: that it was trained on.
        kwh_as_read: the energy to the last digit of where it was read, if it was.
        at_grid: the carbon is the energy at the grid of the place of training, published by nobody.
        parameters: that a computed energy is of.
    """

    basis: str
    energy_j: Joules | None
    carbon_kg: Kilograms | None
    source: str
    equation: str = ""
    tokens: float | None = None
    kwh_as_read: float | None = None
    at_grid: bool = False
    parameters: float | None = None

    @property
    def computed(self) -> bool:
        """Whether it was computed from size and tokens."""
        return self.basis == COMPUTED

    @property
    def kwh(self) -> float | None:
        """The central energy in kWh, to the last digit of where it was read."""
        if self.kwh_as_read is not None:
            return self.kwh_as_read
        return None if self.energy_j is None else self.energy_j.central / J_PER_KWH

    def with_carbon(self, carbon_kg: Kilograms) -> Whole:
        """The same with the carbon that its energy came to at a grid."""
        return replace(self, carbon_kg=carbon_kg, at_grid=True)


def declared_whole(model: Model) -> Whole | None:
    """As the user's table tells it; without a kWh of theirs, the row's stands beside their grams."""
    table, row = model.override, model.row
    if table is None or not table.declares_whole:
        return None
    if table.metered is not None:
        metered = table.metered
        return Whole(
            METERED,
            as_joules(KilowattHours(Range(metered.kwh))),
            Kilograms(Range(metered.kg_co2e)),
            metered.source,
            kwh_as_read=metered.kwh,
        )
    kwh = table.training_kwh or (row.kwh[1] if row is not None else None)
    grams = table.training_gco2e
    return Whole(
        DECLARED,
        None if kwh is None else as_joules(KilowattHours(Range(kwh))),
        None if grams is None else Kilograms(Range(grams / 1000)),
        table.source,
        kwh_as_read=kwh,
    )


def published_range(
    row: TrainingRow, figure: tuple[float | None, float | None, float | None], catalogue: Catalogue
) -> Range | None:
    """A published figure of a training with its ends; where only one figure is published, x/÷ by its confidence.

    Returns None for a figure without a central value: an upper bound alone is no figure.
    """
    low, central, high = figure
    if central is None or central <= 0:
        return None
    spread = catalogue.spread(f"train.{row.confidence}")
    return Range.of(
        low or (central if high else central / spread),
        central,
        high or (central if low else central * spread),
        f"train:{row.model_id}",
    )


def computed_energy(model: Model, flop_per_joule: Range, catalogue: Catalogue) -> Whole | None:
    """``E_train = 6 N D / eta_train`` of a model whose size and training tokens are disclosed; else None.

    Tokens of the user's table go before those of the row. A row's carry its confidence, x/÷, beside eta's own range.
    """
    table, row = model.override, model.row
    declared = table.training_tokens if table is not None else None
    tokens = declared or (row.tokens if row is not None else None)
    parameters = _disclosed_parameters(model)
    if tokens is None or parameters is None:
        return None
    energy = training.compute_energy_j(parameters, tokens, flop_per_joule)
    if declared is not None or row is None:
        read = table.source if table is not None else "declared by the user"
    else:
        read = row.tokens_source
        energy = energy.with_factor(catalogue.spread(f"train.{row.confidence}"), f"train:{row.model_id}")
    eta = flop_per_joule.central
    kwh = energy.central / J_PER_KWH
    equation = f"E_train = 6 N D / eta = 6 x {parameters:.4g} x {tokens:.4g} / {eta:.2g} FLOP/J = {kwh:.4g} kWh; "
    source = f"computed as 6 N D / eta_train; tokens: {read}"
    return Whole(COMPUTED, energy, None, source, equation, tokens, parameters=parameters)


def _disclosed_parameters(model: Model) -> float | None:
    """Parameters at work on a token: as the user says, else as the row does, else of a model with a known size."""
    table, row = model.override, model.row
    if table is not None and table.params:
        return table.params
    if row is not None and row.parameters:
        return row.parameters
    return model.active_b[1] * 1e9 if model.kind == "open" and model.active_b is not None else None
