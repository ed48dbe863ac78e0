"""Models and hints in the JSON report, key by key as docs/reference/json-report.md has them."""

from __future__ import annotations

from typing import Any

from pytest_aifootprint.impacts.contract import Training
from pytest_aifootprint.records.model_use import Hint, ModelFootprint, Trained, Work
from pytest_aifootprint.reports import hinting
from pytest_aifootprint.reports.saved.rows import carbon_row, tokens_row
from pytest_aifootprint.reports.saved.values import finite, ranged

Row = dict[str, Any]


def training_row(training: Training) -> Row:
    """Where a model's training share comes from."""
    return {
        "method": training.method,
        "source": training.source,
        "kwh": None if training.kwh is None else finite(training.kwh),
        "carbon_kg": ranged(training.carbon_kg),
        "lifetime_uses": ranged(training.lifetime_uses),
        "whole": training.whole,
        "phi": ranged(training.phi),
        "tokens": None if training.tokens is None else finite(training.tokens),
        "parent": training.parent,
    }


def model_row(model: ModelFootprint) -> Row:
    """All calls to one model."""
    return {
        "id": model.id,
        "provider": model.provider,
        "calls": model.calls,
        "tokens": tokens_row(model.tokens),
        "energy_j": ranged(model.energy_j),
        "carbon_g": carbon_row(model.carbon),
        "training": training_row(model.training),
        "parameters": model.parameters,
        "revision": model.revision,
        "precisions": list(model.precisions),
        "devices": list(model.devices),
        "loads": _work_row(model.loads),
        "trained_here": None if model.trained is None else _trained_row(model.trained),
    }


def _work_row(work: Work) -> Row:
    """Loads or trainings, and the windows that they ran in."""
    return {
        "count": work.count,
        "duration_s": finite(work.duration_s),
        "energy_j": ranged(work.energy_j),
        "carbon_g": ranged(work.carbon_g),
        "windows": [
            {"where": place.where, "phase": place.phase, "count": place.count, "energy_j": ranged(place.energy_j)}
            for place in work.places
        ],
    }


def _trained_row(trained: Trained) -> Row:
    """Training that this run did itself."""
    return {
        **_work_row(trained.work),
        "steps": trained.steps,
        "samples": trained.samples,
        "epochs": None if trained.epochs is None else finite(trained.epochs),
        "inferences": trained.inferences,
        "energy_j_per_inference": ranged(trained.per_inference_j),
        "carbon_g_per_inference": ranged(trained.per_inference_g),
    }


def hint_row(hint: Hint) -> Row:
    """What could be saved."""
    return {
        "code": hint.code,
        "model": hint.subject,
        "tests": list(hint.tests),
        "fixtures": list(hint.fixtures),
        "count": hint.count,
        "energy_j": ranged(hint.energy_j),
        "saving_j": ranged(hint.saving_j),
        "saving_g": ranged(hint.saving_g),
        "message": hinting.message(hint),
    }
