"""The training share of a call: which method, from which row, at whose grid (method, section 5)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pytest_aifootprint.catalogue import Catalogue, Provider, TrainingRow
from pytest_aifootprint.impacts import electricity, training
from pytest_aifootprint.impacts.contract import Grid, Training
from pytest_aifootprint.impacts.grids import provider_grid, world_grid
from pytest_aifootprint.impacts.inputs import factor_given, grid_given
from pytest_aifootprint.impacts.models import Model
from pytest_aifootprint.quantities import EXACT_ZERO, Given, Range, Sheet, Step
from pytest_aifootprint.quantities.units import J_PER_KWH

G_PER_KG = 1000.0


NO_SHEET = Sheet("", (), ())
_ANSWERS = {"training_energy_j": "E_train", "training_carbon_g": "training"}


@dataclass(frozen=True, slots=True)
class TrainingShare:
    """Training that one call bears; None where it is unknown.

    Attributes:
        sheet: how it is made from ``E``, the joules of a served call like this one.
    """

    energy_j: Range | None
    carbon_g: Range | None
    training: Training
    sheet: Sheet = NO_SHEET


NO_MODEL_RAN = TrainingShare(EXACT_ZERO, EXACT_ZERO, Training("share", "no model ran"))
MEASURED = TrainingShare(
    EXACT_ZERO, EXACT_ZERO, Training("measured", "this run's own training: its energy stands in use")
)
UNKNOWN = TrainingShare(
    None,
    None,
    Training("unknown", "no published training and no size to derive one from"),
    Sheet("", (), (), dict.fromkeys(_ANSWERS)),
)

_ROW = "training of "


class Amortisation:
    """Shares training out; one per run."""

    def __init__(self, catalogue: Catalogue) -> None:
        """Reads the shares from ``catalogue``."""
        self._catalogue = catalogue
        self._multiplier = Range.of(*catalogue.value("phi.multiplier"), "phi")
        self._grids: dict[tuple[str | None, str], Grid] = {}
        self._sheets: dict[tuple[str | None, str], Sheet] = {}

    def of_call(self, model: Model, served_energy_j: Range | None, provider: Provider, name: str) -> TrainingShare:
        """The training share of one call.

        Args:
            model: the model.
            served_energy_j: what a served call like this one uses; None if it cannot be told.
            provider: whose zone stands in where nobody says where the model was trained.
            name: of that provider, in factors.

        Returns:
            By the count method if the user declared uses and a training is known, else by the share method, else
            unknown. Never at the user's own grid.
        """
        counted = self._counted(model, provider, name)
        if counted is not None:
            return counted
        if served_energy_j is None:
            return UNKNOWN
        energy, grid = training.share_energy_j(served_energy_j, self._multiplier), self.grid(model, provider, name)
        return TrainingShare(
            energy, electricity.carbon_g(energy, grid), self._told(model), self._share_sheet(model, grid, name)
        )

    def _share_sheet(self, model: Model, grid: Grid, name: str) -> Sheet:
        """How the share method makes a training share; one for each model and provider."""
        key = (model.place.model_id if model.place is not None else None, name)
        found = self._sheets.get(key)
        if found is None:
            multiplier = factor_given(
                "m", "training per inference: (1 - phi) / phi", self._catalogue, "phi.multiplier", "phi"
            )
            steps = (
                Step("E_train", "E * m", "J", "training that one use bears"),
                Step("training", "E_train * I_train / 3.6e6", "g", "carbon of that, where the model was trained"),
            )
            found = self._sheets[key] = Sheet("", (multiplier, grid_given("I_train", grid)), steps, _ANSWERS)
        return found

    def grid(self, model: Model, provider: Provider, name: str) -> Grid:
        """Where the model was trained: its row's place, else the provider's training zone, else the world."""
        key = (model.place.model_id if model.place is not None else None, name)
        found = self._grids.get(key)
        if found is None:
            found = self._grids[key] = self._place(model.place, provider, name)
        return found

    def averages(self) -> Iterator[Grid]:
        """Grids that ``grid`` gave so far, without those of a model's own row: they are of the time of the training."""
        return (grid for grid in self._grids.values() if not grid.zone.startswith(_ROW))

    def _place(self, place: TrainingRow | None, provider: Provider, name: str) -> Grid:
        intensity = _intensity(place)
        if place is not None and intensity is not None:
            carbon = Range.times_over(intensity, self._catalogue.spread("grid.country"), f"train:{place.model_id}")
            return Grid(f"{_ROW}{place.model_id}", carbon, None, place.cited, place.origin.year)
        if provider.grid_times_over is not None:
            return world_grid(self._catalogue, guessed=False)
        return provider_grid(provider, name, self._catalogue, training=True)

    def _counted(self, model: Model, provider: Provider, name: str) -> TrainingShare | None:
        override, row = model.override, model.row
        if override is None or override.expected_uses is None:
            return None
        metered = override.metered
        declared_kwh = override.training_kwh if metered is None else metered.kwh
        kwh = declared_kwh or (row.kwh[1] if row is not None else None)
        carbon = self._whole_carbon_g(model, kwh, provider, name)
        if carbon is None:
            return None
        factor = f"uses:{model.id}"
        uses = (
            Range.of(*override.expected_uses, factor)
            if isinstance(override.expected_uses, tuple)
            else Range.times_over(override.expected_uses, self._catalogue.spread("uses.number"), factor)
        )
        energy = None if kwh is None else training.count_per_use(Range(kwh * J_PER_KWH), uses)
        source = self._source(model)
        given: tuple[Given, ...] = (
            Given("whole", "carbon of the whole training", "g", carbon, source, None, "declared"),
            Given("uses", "calls over the model's life", "", uses, "declared by the user", None, "declared"),
        )
        steps: tuple[Step, ...] = (Step("training", "whole / uses", "g", "training that one use bears"),)
        answers: dict[str, str | None] = {"training_energy_j": None, "training_carbon_g": "training"}
        if kwh is not None:
            whole_j = Given(
                "whole_j", "electricity of the whole training", "J", Range(kwh * J_PER_KWH), source, None, "declared"
            )
            given, steps = (*given, whole_j), (Step("E_train", "whole_j / uses", "J", "the same in joules"), *steps)
            answers["training_energy_j"] = "E_train"
        parent = override.parent or (row.parent if row is not None else "")
        told = Training(
            "count",
            f"{self._source(model)}{f'; the training of its parent {parent} is not in it' if parent else ''}",
            kwh,
            # To the last digit of CodeCarbon's file; a division is exact for whole grams, a factor of 0.001 is not.
            Range(carbon.central / G_PER_KG if metered is None else metered.kg_co2e, carbon.factors),
            uses,
        )
        return TrainingShare(
            energy, training.count_per_use(carbon, uses), told, Sheet(f"training of {model.id}", given, steps, answers)
        )

    def _whole_carbon_g(self, model: Model, kwh: float | None, provider: Provider, name: str) -> Range | None:
        override, row = model.override, model.row
        assert override is not None
        if override.metered is not None:
            return Range(override.metered.kg_co2e * G_PER_KG)
        if override.training_gco2e is not None:
            return Range(override.training_gco2e)
        if override.training_kwh is None and row is not None:
            published = self._published_kg(row)
            if published is not None:
                return published.scale(G_PER_KG)
        if kwh is None:
            return None
        return electricity.carbon_g(Range(kwh * J_PER_KWH), self.grid(model, provider, name))

    def _told(self, model: Model) -> Training:
        shares = self._catalogue.factors["phi.multiplier"].origin.source
        row = model.row
        if row is None:
            return Training("share", shares)
        return Training("share", f"{shares}; {row.cited}", row.kwh[1], self._published_kg(row))

    def _source(self, model: Model) -> str:
        override = model.override
        if override is not None and override.metered is not None:
            return override.metered.source
        if override is not None and (override.training_kwh or override.training_gco2e):
            return override.source
        return model.row.cited if model.row is not None else "no row in the catalogue"

    def _published_kg(self, row: TrainingRow) -> Range | None:
        low, central, high = row.kgco2e
        if central is None or central <= 0:
            return None
        spread = self._catalogue.spread(f"train.{row.confidence}")
        return Range.of(
            low or (central if high else central / spread),
            central,
            high or (central if low else central * spread),
            f"train:{row.model_id}",
        )


def _intensity(row: TrainingRow | None) -> float | None:
    """The g/kWh at the place of training: as published, else what its kgCO2e and kWh give."""
    if row is None:
        return None
    if row.grid_g_per_kwh:
        return row.grid_g_per_kwh
    kwh, kg = row.kwh[1], row.kgco2e[1]
    return kg / kwh * G_PER_KG if kwh and kg else None
