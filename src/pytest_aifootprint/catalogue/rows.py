"""The rows of the catalogue: frozen, validated, each with the source of its figures."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from pytest_aifootprint.quantities.tables import (
    CatalogueError,
    Factor,
    Fields,
    Origin,
    Triple,
    factor,
    origin,
    place,
    positive,
)

CONFIDENCES = ("high", "medium", "low")
_CODES = re.compile(r"[A-Z]{2} [A-Z]{3}")
_CARD = re.compile(r"[a-z0-9]+( [a-z0-9]+)*")
_REGION = re.compile(r"(aws|azure)/[a-z][a-z0-9-]*")


class TrainingRow(Struct, frozen=True):
    """A published training footprint.

    Attributes:
        model_id, aliases: names of the model. match: False for a row that no model of that name may take.
        parent: the model whose training this one builds on and does not contain.
        params_b, active_params_b: billions of parameters.
        tokens, tokens_source: it was trained on, all epochs counted, and where that was read. A row without energy and
            carbon has them and a size: its energy is computed.
        kwh, kgco2e, water_l: (low, central, high) as published; None where nothing is published.
        kwh_basis, co2_basis, scope: what the figure contains. embodied_kgco2e: part of kgco2e that is hardware.
        gpu_hours, gpu_watts, pue, grid_g_per_kwh, hardware: of the training run.
        confidence: high, medium or low; widens the range.
    """

    model_id: str
    aliases: tuple[str, ...]
    match: bool
    family: str
    parent: str
    params_b: float | None
    active_params_b: float | None
    tokens: float | None
    tokens_source: str
    kwh: tuple[float | None, float | None, float | None]
    kwh_basis: str
    kgco2e: tuple[float | None, float | None, float | None]
    co2_basis: str
    embodied_kgco2e: float | None
    water_l: tuple[float | None, float | None, float | None]
    gpu_hours: float | None
    gpu_watts: float | None
    pue: float | None
    grid_g_per_kwh: float | None
    hardware: str
    scope: str
    locator: str
    confidence: str
    notes: str
    origin: Origin

    @property
    def cited(self) -> str:
        """The publication with the place in it."""
        return f"{self.origin.source}, {self.locator}" if self.locator else self.origin.source

    @property
    def parameters(self) -> float | None:
        """Parameters at work on a token: the active ones of a mixture, else all."""
        size_b = self.active_params_b or self.params_b
        return size_b * 1e9 if size_b else None


class Provider(Struct, frozen=True):
    """Where a remote provider runs: grid zones, PUE, WUE in L per IT kWh, and its table in ecologits."""

    key: str
    names: tuple[str, ...]
    ecologits: str | None
    zone: str
    training_zone: str
    pue: Triple
    wue_l_per_kwh: Triple
    grid_times_over: float | None
    origin: Origin


class CloudRegion(Struct, frozen=True):
    """Where a region of AWS or Azure is.

    Attributes:
        key: ``aws/eu-west-3``. place: what the provider publishes of it.
        zone: the grid that the place stands in, as ``lookup_zone`` takes it.
        origin: of the place; the zone's carbon intensity has its own.
    """

    key: str
    place: str
    zone: str
    origin: Origin


class Machine(Struct, frozen=True):
    """Embodied kgCO2e of a machine (or of one vCPU of it), its life in years and the share of it in use.

    Attributes:
        accelerator: a card; ``host_kg`` is the part of its server that comes with it. names: words of the driver's name
            for it, in small letters.
    """

    key: str
    per_cpu: bool
    accelerator: bool
    names: tuple[str, ...]
    embodied_kg: Triple
    host_kg: float
    life_years: Triple
    utilisation: Triple
    origin: Origin


class ModelClass(Struct, frozen=True):
    """What stands in for an unknown model or unknown tokens of these operations; (low, geometric middle, high).

    ``energy_wh`` is of one image or clip, ``energy_wh_per_s`` of one second of a clip whose length is told.
    """

    operations: tuple[str, ...]
    active_b: Triple | None
    mixture: bool
    input_tokens: Triple | None
    output_tokens: Triple | None
    energy_wh: Triple | None
    energy_wh_per_s: Triple | None
    origin: Origin


def training_row(where: str, table: Mapping[str, Any]) -> TrainingRow:
    """Read a row of training.toml. Raises CatalogueError."""
    f = Fields(place(where, table, "model_id"), table)
    row = TrainingRow(
        model_id=f.text("model_id"),
        aliases=f.texts("aliases"),
        match=f.flag("match", default=True),
        family=f.text("family", ""),
        parent=f.text("parent", ""),
        params_b=f.number("params_b"),
        active_params_b=f.number("active_params_b"),
        tokens=f.number("training_tokens"),
        tokens_source=f.text("tokens_source", ""),
        kwh=_published(f, "training_kwh"),
        kwh_basis=f.text("kwh_basis", ""),
        kgco2e=_published(f, "training_kgco2e"),
        co2_basis=f.text("co2_basis", ""),
        embodied_kgco2e=f.number("embodied_kgco2e"),
        water_l=_published(f, "water_l"),
        gpu_hours=f.number("gpu_hours"),
        gpu_watts=f.number("gpu_watts"),
        pue=f.number("pue"),
        grid_g_per_kwh=f.number("grid_gco2_kwh"),
        hardware=f.text("hardware", ""),
        scope=f.text("scope", ""),
        locator=f.text("locator", ""),
        confidence=f.text("confidence"),
        notes=f.text("notes", ""),
        origin=origin(f),
    )
    f.done()
    if row.confidence not in CONFIDENCES:
        raise f.error(f"confidence must be one of {', '.join(CONFIDENCES)}, got {row.confidence!r}")
    if bool(row.tokens) != bool(row.tokens_source):
        raise f.error("training_tokens above 0 and tokens_source, where they were read, belong together")
    if not any(v is not None for v in (*row.kwh, *row.kgco2e)) and not (row.tokens and row.parameters):
        raise f.error("a training row needs training_kwh, training_kgco2e, or params_b and training_tokens")
    return row


def check_parents(where: str, rows: Sequence[TrainingRow], unpublished: Sequence[str]) -> None:
    """See whether each parent is a row, or one of those whose training nobody published, and none is its own.

    Raises CatalogueError, naming the row.
    """
    known = {name.lower(): row for row in rows for name in (row.model_id, *row.aliases)}
    without_row = {name.lower() for name in unpublished}
    if both := sorted(without_row & known.keys()):
        raise CatalogueError(f"{where}: unpublished: {both[0]} has a row")
    for row in rows:
        line, parent = [row.model_id], row.parent
        while parent and parent.lower() not in without_row:
            ancestor = known.get(parent.lower())
            if ancestor is None:
                raise CatalogueError(f"{where}: {line[-1]}: parent {parent!r} is no row, and not in unpublished")
            if ancestor.model_id in line:
                raise CatalogueError(
                    f"{where}: {row.model_id}: parent: a cycle, {' -> '.join([*line, ancestor.model_id])}"
                )
            line.append(ancestor.model_id)
            parent = ancestor.parent


def provider(where: str, table: Mapping[str, Any]) -> Provider:
    """Read a row of providers.toml. Raises CatalogueError."""
    f = Fields(place(where, table, "key"), table)
    row = Provider(
        key=f.text("key"),
        names=f.texts("names"),
        ecologits=f.text("ecologits", "") or None,
        zone=f.text("zone"),
        training_zone=f.text("training_zone"),
        pue=positive(f, "pue"),
        wue_l_per_kwh=positive(f, "wue_l_per_kwh"),
        grid_times_over=f.number("grid_times_over"),
        origin=origin(f),
    )
    f.done()
    if row.pue[0] < 1:
        raise f.error(f"pue must be 1 or more, got {row.pue[0]}")
    return row


def cloud_region(where: str, table: Mapping[str, Any]) -> CloudRegion:
    """Read a row of cloud_regions.toml. Raises CatalogueError."""
    f = Fields(place(where, table, "key"), table)
    row = CloudRegion(f.text("key"), f.text("place"), f.text("zone"), origin(f))
    f.done()
    if _REGION.fullmatch(row.key) is None:
        raise f.error(f"key must be aws/REGION or azure/REGION in small letters, got {row.key!r}")
    if row.zone.partition("/")[0].casefold() in {"aws", "azure"}:
        raise f.error(f"zone must be a place with a figure of its own, got {row.zone!r}")
    return row


def country_codes(where: str, table: Mapping[str, Any]) -> Mapping[str, str]:
    """Read a table of countries.toml: three-letter codes by two-letter ones. Raises CatalogueError."""
    f = Fields(where, table)
    pairs = f.texts("codes")
    origin(f)
    f.done()
    for pair in pairs:
        if _CODES.fullmatch(pair) is None:
            raise f.error(f"codes must be like 'FR FRA', got {pair!r}")
    codes = dict(pair.split() for pair in pairs)
    if len(codes) < len(pairs):
        raise f.error("codes have a country twice")
    return codes


def machine(where: str, table: Mapping[str, Any]) -> Machine:
    """Read a row of machines.toml. Raises CatalogueError."""
    f = Fields(place(where, table, "key"), table)
    row = Machine(
        key=f.text("key"),
        per_cpu=f.flag("per_cpu", default=False),
        accelerator=f.flag("accelerator", default=False),
        names=f.texts("names"),
        embodied_kg=positive(f, "embodied_kg"),
        host_kg=f.number("host_kg") or 0.0,
        life_years=positive(f, "life_years"),
        utilisation=positive(f, "utilisation"),
        origin=origin(f),
    )
    f.done()
    if row.utilisation[2] > 1:
        raise f.error(f"utilisation must be 1 or less, got {row.utilisation[2]}")
    if row.names and not row.accelerator:
        raise f.error("names are of accelerators; accelerator = true is missing")
    if row.per_cpu and row.accelerator:
        raise f.error("per_cpu cannot be true of an accelerator")
    for name in row.names:
        if _CARD.fullmatch(name) is None:
            raise f.error(f"names must be small words with one space between them, got {name!r}")
    return row


def model_class(where: str, table: Mapping[str, Any]) -> ModelClass:
    """Read a class of defaults.toml. Raises CatalogueError."""
    f = Fields(place(where, table, "operations"), table)
    row = ModelClass(
        operations=f.texts("operations"),
        active_b=f.span("active_b"),
        mixture=f.flag("mixture", default=False),
        input_tokens=f.span("input_tokens"),
        output_tokens=f.span("output_tokens"),
        energy_wh=f.span("energy_wh"),
        energy_wh_per_s=f.span("energy_wh_per_s"),
        origin=origin(f),
    )
    f.done()
    if not row.operations:
        raise f.error("operations is missing")
    if (row.active_b is None) == (row.energy_wh is None):
        raise f.error("a class needs either active_b or energy_wh")
    if row.energy_wh is None and row.energy_wh_per_s is not None:
        raise f.error("energy_wh_per_s needs energy_wh, for a clip whose length nobody tells")
    if row.active_b is not None and row.input_tokens is None:
        raise f.error("a class with active_b needs input_tokens")
    return row


def _published(f: Fields, name: str) -> tuple[float | None, float | None, float | None]:
    low, central, high = f.number(f"{name}_low"), f.number(name), f.number(f"{name}_high")
    present = [v for v in (low, central, high) if v is not None]
    if present != sorted(present):
        raise f.error(f"{name}: low, central and high must rise, got {low}, {central}, {high}")
    return low, central, high


__all__ = [
    "CatalogueError",
    "CloudRegion",
    "Factor",
    "Machine",
    "ModelClass",
    "Origin",
    "Provider",
    "TrainingRow",
    "cloud_region",
    "country_codes",
    "factor",
    "machine",
    "model_class",
    "provider",
    "training_row",
]
