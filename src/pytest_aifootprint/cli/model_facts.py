"""What is known of models, in builtin types: for ``aifootprint models``."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec import to_builtins
from msgspec.structs import fields

from pytest_aifootprint.catalogue import Catalogue, Provider, TrainingRow
from pytest_aifootprint.catalogue.llm_sizes import llm_sizes
from pytest_aifootprint.detection.calls import AICall
from pytest_aifootprint.explain.owners import told_given
from pytest_aifootprint.impacts import CallImpact, ModelOverride, Pricer, resolve_grid
from pytest_aifootprint.impacts.amortisation import Amortisation
from pytest_aifootprint.impacts.families import known_families
from pytest_aifootprint.impacts.lineage import check_declared, known_names
from pytest_aifootprint.impacts.models import Model, ModelIndex
from pytest_aifootprint.impacts.remote import generates
from pytest_aifootprint.quantities import EXACT_ZERO, Range
from pytest_aifootprint.quantities.changed import replace
from pytest_aifootprint.quantities.units import J_PER_KWH
from pytest_aifootprint.reports.saved.models import training_row
from pytest_aifootprint.reports.saved.values import ranged

INPUT_TOKENS, OUTPUT_TOKENS = 1000, 200
MOST_MATCHES = 5
UNKNOWN_PROVIDER = "unknown"
IN_PROCESS = "inference"
OPERATIONS = ("chat", "completion", "embedding", "rerank", "moderation", "classification", IN_PROCESS)
LIBRARIES = ("sklearn", "xgboost", "lightgbm", "keras", "torch", "fasttext")
"""In whose name a model in the process goes that has none of its own: ``sklearn.SVC``."""
_TELLING = {"embed": "embedding", "rerank": "rerank", "moderation": "moderation"}

Facts = dict[str, Any]


def declared_tables(
    tables: Mapping[str, Any], folder: Path, catalogue: Catalogue
) -> tuple[dict[str, ModelOverride], str | None]:
    """The project's tables as a run would read them; what a run would stop at is named and left out.

    Returns:
        (the tables that can be used, the first error).
    """
    found: dict[str, ModelOverride] = {}
    error: str | None = None
    for name, table in tables.items():
        try:
            if isinstance(table, dict):
                found[name] = ModelOverride.from_table(name, table, folder)
            else:
                error = error or f'[tool.aifootprint.models."{name}"]: {table!r} is not a table'
        except ValueError as e:
            error = error or str(e)
    try:
        check_declared(found, catalogue)
    except ValueError as e:
        error = error or str(e)
        # Which of them to leave out is the user's to say: a cycle has no first one.
        found = {}
    return found, error


def everything(catalogue: Catalogue, tables: Mapping[str, ModelOverride]) -> Facts:
    """Every published or computed training, and how many sizes are known beside them."""
    index = ModelIndex(catalogue, {})
    amortisation = Amortisation(catalogue)
    sizes = llm_sizes()
    return {
        "trainings": [_row_facts(row, index, amortisation, catalogue.provider(None)) for row in catalogue.training],
        "unpublished_parents": list(catalogue.unpublished),
        "sizes": {
            "source": "ecologits",
            "models_and_aliases": len(sizes),
            "by_provider": dict(sorted(Counter(provider for provider, _ in sizes).items())),
        },
        "declared": sorted(tables),
        "factors_version": catalogue.factors_version,
    }


def _row_facts(row: TrainingRow, index: ModelIndex, amortisation: Amortisation, nobody: Provider) -> Facts:
    model = replace(index.find((row.model_id,), "inference", None), row=row, place=row)
    whole = amortisation.whole(model, nobody, UNKNOWN_PROVIDER)
    return {
        "id": row.model_id,
        "aliases": list(row.aliases),
        "match": row.match,
        "params_b": row.params_b,
        "active_params_b": row.active_params_b,
        "whole": None if whole is None else whole.basis,
        "kwh": None if whole is None or whole.energy_j is None else ranged(whole.energy_j.scale(1 / J_PER_KWH)),
        "kgco2e": None if whole is None else ranged(whole.carbon_kg),
        "kgco2e_published": row.kgco2e[1] is not None,
        "basis": row.co2_basis or row.kwh_basis,
        "scope": row.scope,
        "parent": row.parent or None,
        "year": row.origin.year,
        "confidence": row.confidence,
        "source": row.cited,
    }


def one(
    name: str,
    provider: str | None,
    tables: Mapping[str, ModelOverride],
    catalogue: Catalogue,
    operation: str | None = None,
) -> Facts:
    """How a name is resolved, what is known of the model, and how its training share is made, step by step.

    Args:
        name: as a test's code would give it.
        provider: that serves it; None: the one whose table in ecologits has it, or has its family.
        tables: of the project.
        catalogue: the data.
        operation: of OPERATIONS; None: what the name tells.
    """
    asked = operation or told_operation(name)
    served_by = catalogue.provider(provider)
    index = ModelIndex(catalogue, tables)
    in_process = asked == IN_PROCESS
    if provider is None:
        model = index.find((name,), asked, None, relatives=not in_process)
        served_by = _its_provider(name, model, catalogue)
    model = index.find((name,), asked, served_by.ecologits, relatives=not in_process)
    key = served_by.key if served_by.key != UNKNOWN_PROVIDER else (provider or UNKNOWN_PROVIDER).lower()
    known = model.kind != "class" or model.row is not None or model.override is not None
    call = AICall(
        asked, "aifootprint models", "local" if in_process else "remote", "live", 0, 0, provider=key, model=name,
        input_tokens=None if in_process else INPUT_TOKENS,
        output_tokens=OUTPUT_TOKENS if generates(asked) and not in_process else None,
    )  # fmt: skip
    impact = Pricer(resolve_grid("WOR", {}), tables, catalogue=catalogue).call(call)
    # A class range is of models behind an API: of one in the process, nothing is known then.
    sized = model.kind != "class" or not in_process
    return {
        "name": name,
        "known": known,
        "operation": {"name": asked, "given": operation is not None},
        "close_matches": [] if known else difflib.get_close_matches(
            name.lower(), list(known_names(tables, catalogue)), MOST_MATCHES
        ),
        "resolved": {
            "id": model.id, "kind": model.kind if sized else "unknown",
            "source": model.source if sized else "nothing is known of a model in the process by this name",
            "basis": model.basis.value if sized else None,
            "active_b": _triple(model.active_b) if sized else None,
            "total_b": _triple(model.total_b) if sized else None,
            "notice": None if model.notice is None or not sized else model.notice.message,
        },
        "declared": None if model.override is None else _declared(model.override),
        "lineage": _lineage(index, model, catalogue),
        "training_row": None if model.row is None else to_builtins(model.row),
        "provider": {"name": key, "zone": served_by.zone, "training_zone": served_by.training_zone,
                     "given": provider is not None},
        "training": {
            **training_row(impact.training),
            **_calculation(impact),
            "per_call": {
                "input_tokens": call.input_tokens, "output_tokens": call.output_tokens,
                "energy_j": ranged(impact.training_energy_j), "carbon_g": ranged(impact.training_carbon_g),
            },
        },
    }  # fmt: skip


def told_operation(name: str) -> str:
    """What a model of this name does, as far as the name tells; a chat where it does not."""
    library, dot, _ = name.partition(".")
    if dot and library in LIBRARIES:
        return IN_PROCESS
    words = name.lower()
    return next((operation for word, operation in _TELLING.items() if word in words), "chat")


def _its_provider(name: str, model: Model, catalogue: Catalogue) -> Provider:
    """The provider whose table in ecologits has the model, or its family."""
    sizes = llm_sizes()
    relatives = known_families().members(name, None) if model.kind == "family" else []
    tables = {member.table for member in relatives}
    for row in catalogue.providers.values():
        if row.ecologits is not None and (row.ecologits in tables or (row.ecologits, model.id.lower()) in sizes):
            return row
    return catalogue.provider(None)


def _declared(table: ModelOverride) -> Facts:
    said = {field.name: getattr(table, field.name) for field in fields(table)}
    said["paths"] = [pattern.text for pattern in table.paths]
    said["metered"] = None if table.metered is None else to_builtins(table.metered)
    return {key: value for key, value in said.items() if value not in (None, (), [], "")}


def _lineage(index: ModelIndex, model: Model, catalogue: Catalogue) -> list[Facts]:
    """The parents, nearest first; each with what is known of its own training."""
    amortisation, nobody = Amortisation(catalogue), catalogue.provider(None)
    found: list[Facts] = []
    seen: set[str] = set()
    while (name := _parent(model)) is not None and name.lower() not in seen:
        seen.add(name.lower())
        model = index.find((name,), "inference", None)
        whole = amortisation.whole(model, nobody, UNKNOWN_PROVIDER)
        found.append(
            {
                "name": name,
                "whole": None if whole is None else whole.basis,
                "kwh": None if whole is None else whole.kwh,
                "kgco2e": None if whole is None else ranged(whole.carbon_kg),
            }
        )
    return found


def _parent(model: Model) -> str | None:
    declared = model.override.parent if model.override is not None else None
    return declared or (model.row.parent if model.row is not None else None) or None


def _calculation(impact: CallImpact) -> Facts:
    """How a call's training share is made, from ``Pricer``'s own sheet: inputs with their sources, and each step."""
    sheet = impact.sheet
    if sheet is None or impact.training_carbon_g is None:
        return {"inputs": [], "steps": []}
    wanted = {name: sheet.answers[name] for name in ("training_energy_j", "training_carbon_g")}
    whole = sheet.answering(wanted).pruned()
    told = {"n": Range(float(INPUT_TOKENS)), "c": EXACT_ZERO, "out": Range(float(OUTPUT_TOKENS))}
    values = whole.results({symbol: value for symbol, value in told.items() if whole.needs(symbol)})
    inputs = [*told_given({symbol: values[symbol] for symbol in told if symbol in values}, "an example"), *whole.given]
    return {
        "inputs": [
            {
                "symbol": given.symbol, "what": given.what, "value": ranged(given.value), "unit": given.unit,
                "source": given.source, "year": given.year, "basis": given.basis,
            }
            for given in inputs
        ],
        "steps": [
            {
                "symbol": step.symbol, "what": step.what, "equation": step.equation,
                "value": ranged(values[step.symbol]), "unit": step.unit,
            }
            for step in whole.steps
        ],
    }  # fmt: skip


def _triple(value: tuple[float, float, float] | None) -> Facts | None:
    return None if value is None else dict(zip(("low", "central", "high"), value, strict=True))
