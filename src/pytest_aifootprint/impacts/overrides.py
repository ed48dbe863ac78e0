"""What the user says of a model: ``[tool.aifootprint.models."name"]``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_aifootprint.catalogue import Fields, Triple
from pytest_aifootprint.impacts.codecarbon_csv import MeteredTraining, read_codecarbon_csv
from pytest_aifootprint.impacts.model_files import PathPattern
from pytest_aifootprint.impacts.names import LARGEST_B

FEWEST_PARAMS = 1000
MOST_PARAMS = LARGEST_B * 1e9
HOW_TO_SAY_PARAMS = 'the number of parameters, as 66_000_000 or "66M", "7B", "1.5B"'

_PARAMS = re.compile(r"(?P<number>\d+(?:\.\d+)?)(?P<unit>[KMBT])", re.ASCII | re.IGNORECASE)
_UNITS = {"K": 10**3, "M": 10**6, "B": 10**9, "T": 10**12}
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ModelOverride:
    """Declared facts of a model; they go before the catalogue.

    Attributes:
        name: of the model. params: number of (active) parameters.
        training_kwh, training_gco2e: footprint of the whole training, without its parent's.
        metered: the same as CodeCarbon metered it, instead of both.
        expected_uses: calls over the model's life: (low, central, high), or one number, which gets an assumed range.
            It is what the training is divided by (the count method).
        parent: the model this one was tuned from: lends size and place of training, never its training footprint.
        paths: where its file or folder is. sha256: of its file, in lower case.
        said_by: the plugin that declares it; "" for the user's own table.
    """

    name: str
    params: float | None = None
    training_kwh: float | None = None
    training_gco2e: float | None = None
    expected_uses: Triple | float | None = None
    parent: str | None = None
    metered: MeteredTraining | None = None
    paths: tuple[PathPattern, ...] = ()
    sha256: tuple[str, ...] = ()
    said_by: str = ""

    @property
    def source(self) -> str:
        """Who declares it, as a source."""
        return f"declared by {self.said_by or 'the user'}"

    @classmethod
    def from_table(cls, name: str, table: Mapping[str, Any], folder: Path) -> ModelOverride:
        """Read one table of the configuration; ``folder`` is what its paths are relative to.

        Raises:
            ValueError: one line that names the table, the key and what is valid: an unknown key, a wrong type, a
                negative or zero number, a file of CodeCarbon that cannot be used.
        """
        fields = Fields(f'[tool.aifootprint.models."{name}"]', table)
        if "params_b" in table:
            raise fields.error(f"unknown key 'params_b'; say params: {HOW_TO_SAY_PARAMS}")
        override = cls(
            name=name,
            params=_params(fields),
            training_kwh=_above_zero(fields, "training_kwh"),
            training_gco2e=_above_zero(fields, "training_gco2e"),
            metered=_metered(fields, table, folder),
            expected_uses=_uses(fields),
            parent=fields.text("parent", "") or None,
            paths=tuple(PathPattern(text, folder) for text in _texts(fields, "path")),
            sha256=_hashes(fields),
        )
        fields.done()
        whole = next((k for k in ("training_kwh", "training_gco2e", "codecarbon_csv") if k in table), None)
        if whole is not None and override.expected_uses is None:
            raise fields.error(f"{whole} needs expected_uses, the number of calls that bear the training")
        return override


def _params(fields: Fields) -> float | None:
    value = fields.raw("params")
    if value is None:
        return None
    number: float | None = None
    if isinstance(value, str) and (said := _PARAMS.fullmatch(value)):
        number = float(said["number"]) * _UNITS[said["unit"].upper()]
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        number = value
    if number is None:
        raise fields.error(f"params must be {HOW_TO_SAY_PARAMS}; got {value!r}")
    # Who writes 7 means 7 billion; the smallest model whose size changes a price is far larger.
    if not FEWEST_PARAMS <= number <= MOST_PARAMS:
        raise fields.error(
            f"params must be from {FEWEST_PARAMS} to {LARGEST_B / 1000:g}T, {HOW_TO_SAY_PARAMS}; got {value!r}"
        )
    return float(number)


def _above_zero(fields: Fields, name: str) -> float | None:
    value = fields.number(name)
    if value == 0:
        raise fields.error(f"{name} must be above 0")
    return value


def _metered(fields: Fields, table: Mapping[str, Any], folder: Path) -> MeteredTraining | None:
    name = "codecarbon_csv"
    text = fields.text(name, "")
    projects, runs = _texts(fields, "codecarbon_project"), _texts(fields, "codecarbon_run")
    if not text:
        key = next((k for k in ("codecarbon_project", "codecarbon_run") if k in table), None)
        if key is not None:
            raise fields.error(f"{key} needs {name}, the file that it selects from")
        return None
    other = next((k for k in ("training_kwh", "training_gco2e") if k in table), None)
    if other is not None:
        raise fields.error(f"{name} and {other} say the same thing; give one of them")
    if "\0" in text:
        raise fields.error(f"{name} must be a path, got {text!r}")
    try:
        return read_codecarbon_csv(folder / text, f"{name} {text!r}", projects=projects, runs=runs)
    except ValueError as error:
        raise fields.error(str(error)) from None


def _uses(fields: Fields) -> Triple | float | None:
    name = "expected_uses"
    if isinstance(fields.raw(name), list):
        triple = fields.triple(name)
        if triple is not None and triple[0] <= 0:
            raise fields.error(f"{name} must be above 0")
        return triple
    return _above_zero(fields, name)


def _texts(fields: Fields, name: str) -> tuple[str, ...]:
    """A text, or a list of them; empty if the key is not there."""
    value = fields.raw(name)
    if value is None:
        return ()
    texts = value if isinstance(value, list) else [value]
    if not texts or not all(isinstance(text, str) and text.strip() and "\0" not in text for text in texts):
        raise fields.error(f"{name} must be a text or a list of texts, got {value!r}")
    return tuple(texts)


def _hashes(fields: Fields) -> tuple[str, ...]:
    found = _texts(fields, "sha256")
    for text in found:
        if not _SHA256.fullmatch(text):
            raise fields.error(f"sha256 must be 64 hex digits, got {text!r}")
    return tuple(text.lower() for text in found)
