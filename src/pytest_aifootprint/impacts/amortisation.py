"""The training share of a call: which method, from which whole, at whose grid (method, section 5)."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from typing import NamedTuple

from msgspec import Struct

from pytest_aifootprint.catalogue import Catalogue, Provider, TrainingRow, lookup_zone
from pytest_aifootprint.impacts import electricity, training
from pytest_aifootprint.impacts.contract import Grid, Training
from pytest_aifootprint.impacts.grids import grid_of, provider_grid, world_grid
from pytest_aifootprint.impacts.models import Model
from pytest_aifootprint.impacts.training_sheets import NO_SHEET, UNKNOWN_SHEET, count_sheet, share_sheet
from pytest_aifootprint.impacts.wholes import ETA, Whole, computed_energy, declared_whole, published_range
from pytest_aifootprint.quantities import (
    ZERO_G,
    ZERO_J,
    Grams,
    GramsPerKwh,
    Joules,
    Kilograms,
    KilowattHours,
    Range,
    Sheet,
    as_grams,
    as_joules,
    as_kilograms,
)

G_PER_KG = 1000.0


class TrainingShare(Struct, frozen=True):
    """Training that one call bears; None where it is unknown.

    Attributes:
        equation: how, in one line with its inputs.
        sheet: how, from ``E``, the joules of a served call like this one.
    """

    energy_j: Joules | None
    carbon_g: Grams | None
    training: Training
    equation: str = ""
    sheet: Sheet = NO_SHEET


NO_MODEL_RAN = TrainingShare(ZERO_J, ZERO_G, Training("share", "no model ran"))
MEASURED = TrainingShare(ZERO_J, ZERO_G, Training("measured", "this run's own training: its energy stands in use"))
UNKNOWN = TrainingShare(
    None, None, Training("unknown", "no published training and no size to derive one from"), sheet=UNKNOWN_SHEET
)

_ROW = "training of "


class _Way(NamedTuple):
    """How all calls to a model at a provider bear its training by the share method."""

    model: Model
    multiplier: Range
    grid: Grid
    training: Training
    equation: str
    sheet: Sheet


class Amortisation:
    """Shares training out; one per run."""

    def __init__(self, catalogue: Catalogue) -> None:
        """Reads the shares from ``catalogue``."""
        self._catalogue = catalogue
        self._multiplier = Range.of(*catalogue.value("phi.multiplier"), "phi")
        self._flop_per_joule = Range.of(*catalogue.value("training.flop_per_joule"), ETA)
        self._grids: dict[tuple[str | None, str | None, str], Grid] = {}
        self._sheets: dict[Hashable, Sheet] = {}
        # By the model's id: it is kept beside, so that no other takes its place.
        self._ways: dict[tuple[int, str], _Way] = {}
        self._wholes: dict[tuple[int, str, bool], tuple[Model, Whole | None]] = {}

    def of_call(self, model: Model, served_energy_j: Joules | None, provider: Provider, name: str) -> TrainingShare:
        """The training share of one call.

        Args:
            model: the model.
            served_energy_j: what a served call like this one uses; None if it cannot be told.
            provider: whose zone stands in where nobody says where the model was trained.
            name: of that provider, in factors.

        Returns:
            By the method that the user declared. Else, where uses are declared: *count* if a training is known,
            *compute* if one can be computed. Else *share*, else unknown. Never at the user's own grid.
        """
        override = model.override
        method = override.training_method if override is not None else None
        whole = self._whole_once(model, provider, name, computed=method == "compute")
        uses = self._uses(model)
        if uses is not None and whole is not None and method in {None, "compute" if whole.computed else "count"}:
            # A place that was not needed is none that anything was priced with.
            place_of_training = self.grid(model, provider, name) if whole.at_grid else None
            sheet = self._once(
                ("count", model.id, model.override, name),
                lambda: count_sheet(model, whole, uses, place_of_training, self._catalogue),
            )
            return _counted(whole, uses, _parent(model), sheet)
        if served_energy_j is None or method in {"count", "compute"}:
            return _unknown(model, whole, method)
        way = self._ways.get((id(model), name))
        if way is None:
            way = self._ways[id(model), name] = self._way(model, whole, provider, name)
        energy = training.share_energy_j(served_energy_j, way.multiplier)
        carbon = electricity.carbon_g(energy, way.grid)
        return TrainingShare(energy, carbon, way.training, way.equation, way.sheet)

    def _way(self, model: Model, whole: Whole | None, provider: Provider, name: str) -> _Way:
        multiplier, grid = self.multiplier(model), self.grid(model, provider, name)
        place = model.place.model_id if model.place is not None else None
        sheet = self._once(
            ("share", model.override, place, name), lambda: share_sheet(multiplier, model, grid, self._catalogue)
        )
        equation = f"(1-phi)/phi = {multiplier.central:.3g} x E_ref, served elsewhere"
        return _Way(model, multiplier, grid, self._told(model, whole, multiplier), equation, sheet)

    def _once(self, key: Hashable, make: Callable[[], Sheet]) -> Sheet:
        found = self._sheets.get(key)
        if found is None:
            found = self._sheets[key] = make()
        return found

    def _whole_once(self, model: Model, provider: Provider, name: str, *, computed: bool) -> Whole | None:
        found = self._wholes.get((id(model), name, computed))
        if found is None:
            whole = self.whole(model, provider, name, computed=computed)
            found = self._wholes[id(model), name, computed] = (model, whole)
        return found[1]

    def whole(self, model: Model, provider: Provider, name: str, *, computed: bool = False) -> Whole | None:
        """A model's whole training, without its parent's, as far as anybody tells it.

        Args:
            model: the model.
            provider: as for ``of_call``.
            name: of that provider, in factors.
            computed: whatever is published or declared, compute it from size and tokens.

        Returns:
            As metered or declared by the user, else as published, else computed from size and tokens; None if there is
            nothing of that.
        """
        row = model.row
        known = None if computed else declared_whole(model)
        if known is None and not computed and row is not None:
            known = self._published(row)
        if known is None:
            known = computed_energy(model, self._flop_per_joule, self._catalogue)
        if known is None or known.carbon_kg is not None or known.energy_j is None:
            return known
        grams = electricity.carbon_g(known.energy_j, self.grid(model, provider, name))
        return known.with_carbon(as_kilograms(grams))

    def multiplier(self, model: Model) -> Range:
        """Training per unit of inference: by the model's own phi if the user declared one, else by everybody's."""
        table = model.override
        if table is None or table.inference_share is None:
            return self._multiplier
        return training.multiplier_range(table.inference_share, f"phi:{table.name}")

    def grid(self, model: Model, provider: Provider, name: str) -> Grid:
        """Where the model was trained: as declared, else its row's place, else the provider's zone, else the world."""
        declared = model.override.training_grid if model.override is not None else None
        key = (declared, model.place.model_id if model.place is not None else None, name)
        found = self._grids.get(key)
        if found is None:
            found = self._grids[key] = (
                self._place(model.place, provider, name)
                if declared is None
                else grid_of(lookup_zone(declared), self._catalogue)
            )
        return found

    def averages(self) -> Iterator[Grid]:
        """Grids that ``grid`` gave so far, without those of a model's own row: they are of the time of the training."""
        return (grid for grid in self._grids.values() if not grid.zone.startswith(_ROW))

    def _place(self, place: TrainingRow | None, provider: Provider, name: str) -> Grid:
        intensity = _intensity(place)
        if place is not None and intensity is not None:
            spread = self._catalogue.spread("grid.country")
            carbon = GramsPerKwh(Range.times_over(intensity, spread, f"train:{place.model_id}"))
            return Grid(f"{_ROW}{place.model_id}", carbon, None, place.cited, place.origin.year)
        if provider.grid_times_over is not None:
            return world_grid(self._catalogue, guessed=False)
        return provider_grid(provider, name, self._catalogue, training=True)

    def _uses(self, model: Model) -> Range | None:
        table = model.override
        if table is None or table.expected_uses is None:
            return None
        factor = f"uses:{table.name}"
        if isinstance(table.expected_uses, tuple):
            return Range.of(*table.expected_uses, factor)
        return Range.times_over(table.expected_uses, self._catalogue.spread("uses.number"), factor)

    def _published(self, row: TrainingRow) -> Whole | None:
        kwh, kg = (published_range(row, figure, self._catalogue) for figure in (row.kwh, row.kgco2e))
        if kwh is None and kg is None:
            return None
        energy_j = None if kwh is None else as_joules(KilowattHours(kwh))
        return Whole("published", energy_j, None if kg is None else Kilograms(kg), row.cited)

    def _told(self, model: Model, whole: Whole | None, multiplier: Range) -> Training:
        shares = self._catalogue.factors["phi.multiplier"].origin.source
        if model.override is not None and model.override.inference_share is not None:
            shares = f"phi {model.override.source}"
        phi, parent = training.inference_share(multiplier), _parent(model)
        if whole is None:
            return Training("share", shares, phi=phi, parent=parent)
        return Training(
            "share",
            f"{shares}; {whole.source}",
            whole.kwh,
            whole.carbon_kg,
            whole=whole.basis,
            phi=phi,
            tokens=whole.tokens,
            parent=parent,
        )


def _counted(whole: Whole, uses: Range, parent: str | None, sheet: Sheet) -> TrainingShare:
    energy = None if whole.energy_j is None else training.count_per_use(whole.energy_j, uses)
    assert whole.carbon_kg is not None
    told = Training(
        "compute" if whole.computed else "count",
        f"{whole.source}{f'; the training of its parent {parent} is not in it' if parent else ''}",
        whole.kwh,
        whole.carbon_kg,
        uses,
        whole=whole.basis,
        tokens=whole.tokens,
        parent=parent,
    )
    amount = f"{whole.carbon_kg.central:.4g} kgCO2e" if whole.kwh is None else f"{whole.kwh:.4g} kWh"
    equation = f"{whole.equation}I_train / N_life = {amount} / {uses.central:.4g} uses"
    return TrainingShare(energy, training.count_per_use(as_grams(whole.carbon_kg), uses), told, equation, sheet)


def _unknown(model: Model, whole: Whole | None, method: str | None) -> TrainingShare:
    if method is not None and whole is None:
        needs = "params and training_tokens" if method == "compute" else "a figure of its training"
        told = Training("unknown", f"training_method = {method!r} lacks {needs}")
        return TrainingShare(None, None, told, sheet=UNKNOWN_SHEET)
    if whole is None:
        return UNKNOWN
    # The whole stands there as information: what is unknown is how many uses share it.
    source = f"{whole.source}; neither expected_uses nor what a served call takes is known"
    told = Training(
        "unknown",
        source,
        whole.kwh,
        whole.carbon_kg,
        whole=whole.basis,
        tokens=whole.tokens,
        parent=_parent(model),
    )
    return TrainingShare(None, None, told, sheet=UNKNOWN_SHEET)


def _parent(model: Model) -> str | None:
    declared = model.override.parent if model.override is not None else None
    return declared or (model.row.parent if model.row is not None else None) or None


def _intensity(row: TrainingRow | None) -> float | None:
    """The g/kWh at the place of training: as published, else what its kgCO2e and kWh give."""
    if row is None:
        return None
    if row.grid_g_per_kwh:
        return row.grid_g_per_kwh
    kwh, kg = row.kwh[1], row.kgco2e[1]
    return kg / kwh * G_PER_KG if kwh and kg else None
