"""Models, hints and the machine from a saved JSON report: the mirror of ``models`` and ``hardware``."""

from __future__ import annotations

from pytest_aifootprint.catalogue.rows import Machine, Origin
from pytest_aifootprint.impacts.contract import Training
from pytest_aifootprint.quantities import Grams, GramsPerSecond, Joules, Kilograms
from pytest_aifootprint.quantities.tables import Triple
from pytest_aifootprint.records.hardware import HardwareUse
from pytest_aifootprint.records.model_use import Hint, ModelFootprint, Place, Trained, Work
from pytest_aifootprint.reports.saved.read_rows import carbon, tokens
from pytest_aifootprint.reports.saved.told import Told


def model(row: Told) -> ModelFootprint:
    """All calls to one model. Raises SavedError."""
    return ModelFootprint(
        id=row.text("id"),
        provider=row.maybe_text("provider"),
        calls=row.whole("calls"),
        tokens=tokens(row.told("tokens")),
        energy_j=_joules(row, "energy_j"),
        carbon=carbon(row.told("carbon_g")),
        training=_training(row.told("training")),
        parameters=row.maybe_whole("parameters"),
        revision=row.maybe_text("revision"),
        precisions=row.texts("precisions"),
        devices=row.texts("devices"),
        loads=_work(row.told("loads")),
        trained=_trained(row.told("trained_here")) if row.has("trained_here") else None,
    )


def hint(row: Told) -> Hint:
    """What could be saved. Raises SavedError."""
    return Hint(
        code=row.text("code"),
        subject=row.text("model", ""),
        tests=row.texts("tests"),
        fixtures=row.texts("fixtures"),
        count=row.whole("count"),
        energy_j=Joules(row.known("energy_j")),
        saving_j=Joules(row.known("saving_j")),
        saving_g=_grams(row, "saving_g"),
        reported=row.text("message"),
    )


def hardware(row: Told) -> HardwareUse:
    """A machine, or a card of it. Raises SavedError."""
    rate = row.range("rate_g_per_s")
    if rate is None:
        raise row.error("rate_g_per_s", "range")
    domain = row.text("domain")
    return HardwareUse(
        domain=domain,
        name=row.text("name"),
        row=Machine(
            key=row.text("row"),
            per_cpu=row.flag("per_cpu", default=False),
            accelerator=domain != "cpu",
            names=(),
            embodied_kg=_triple(row.told("embodied_kg")),
            host_kg=row.number("host_kg"),
            life_years=_triple(row.told("lifetime_years")),
            utilisation=_triple(row.told("utilisation")),
            origin=Origin(row.text("source"), row.whole("year"), ""),
        ),
        n_cpu=row.whole("n_cpu"),
        rate_g_per_s=GramsPerSecond(rate),
        capacity_s=row.number("capacity_s"),
        ai_tests_s=row.number("ai_tests_s"),
        shared_fixtures_s=row.number("shared_fixtures_s"),
        other_tests_s=row.number("other_tests_s"),
        how=row.text("how"),
    )


def _training(row: Told) -> Training:
    carbon_kg = row.range("carbon_kg")
    return Training(
        method=row.text("method"),
        source=row.text("source"),
        kwh=row.maybe_number("kwh"),
        carbon_kg=None if carbon_kg is None else Kilograms(carbon_kg),
        lifetime_uses=row.range("lifetime_uses"),
        whole=row.maybe_text("whole"),
        phi=row.range("phi"),
        tokens=row.maybe_number("tokens"),
        parent=row.maybe_text("parent"),
    )


def _work(row: Told) -> Work:
    return Work(
        row.whole("count"), row.number("duration_s"), _joules(row, "energy_j"), _grams(row, "carbon_g"),
        row.each("windows", _place),
    )  # fmt: skip


def _place(row: Told) -> Place:
    return Place(row.text("where"), row.text("phase"), row.whole("count"), _joules(row, "energy_j"))


def _trained(row: Told) -> Trained:
    return Trained(
        work=_work(row),
        steps=row.maybe_number("steps"),
        samples=row.maybe_number("samples"),
        epochs=row.maybe_number("epochs"),
        inferences=row.whole("inferences"),
        per_inference_j=_joules(row, "energy_j_per_inference"),
        per_inference_g=_grams(row, "carbon_g_per_inference"),
    )


def _triple(row: Told) -> Triple:
    return row.number("low"), row.number("central"), row.number("high")


def _joules(row: Told, key: str) -> Joules | None:
    found = row.range(key)
    return None if found is None else Joules(found)


def _grams(row: Told, key: str) -> Grams | None:
    found = row.range(key)
    return None if found is None else Grams(found)
