"""What the user says of a model: ``[tool.aifootprint.models."name"]``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from pytest_aifootprint.catalogue import Fields, Triple, ZoneError, lookup_zone
from pytest_aifootprint.catalogue.zones import VALID_PLACES, VALID_ZONES
from pytest_aifootprint.impacts.codecarbon_csv import MeteredTraining, read_codecarbon_csv
from pytest_aifootprint.impacts.model_files import PathPattern
from pytest_aifootprint.impacts.names import LARGEST_B

FEWEST_PARAMS = 1000
MOST_PARAMS = LARGEST_B * 1e9
HOW_TO_SAY_PARAMS = 'the number of parameters, as 66_000_000 or "66M", "7B", "1.5B"'

METHODS = ("share", "count", "compute")
FEWEST_TOKENS, MOST_TOKENS = 1e6, 1e15
HOW_TO_SAY_TOKENS = 'the number of tokens, as 300_000_000_000 or "300B", "15T"'

_PARAMS = re.compile(r"(?P<number>\d+(?:\.\d+)?)(?P<unit>[KMBT])", re.ASCII | re.IGNORECASE)
_UNITS = {"K": 10**3, "M": 10**6, "B": 10**9, "T": 10**12}
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII | re.IGNORECASE)


class ModelOverride(Struct, frozen=True):
    """Declared facts of a model; they go before the catalogue.

    Attributes:
        name: of the model. params: number of (active) parameters.
        training_kwh, training_gco2e: footprint of the whole training, without its parent's.
        metered: the same as CodeCarbon metered it, instead of both.
        expected_uses: calls over the model's life: (low, central, high), or one number, which gets an assumed range.
            It is what the training is divided by (the count and compute methods).
        training_tokens: that it was trained on, without its parent's. training_grid: where, for ``lookup_zone``.
        inference_share: phi of this model, (low, central, high).
        training_method: one of METHODS, whatever else is known.
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
    training_tokens: float | None = None
    training_grid: str | None = None
    inference_share: Triple | None = None
    training_method: str | None = None

    @property
    def source(self) -> str:
        """Who declares it, as a source."""
        return f"declared by {self.said_by or 'the user'}"

    @property
    def declares_whole(self) -> bool:
        """Whether it tells what the whole training took."""
        return self.metered is not None or self.training_kwh is not None or self.training_gco2e is not None

    @classmethod
    def from_table(cls, name: str, table: Mapping[str, Any], folder: Path) -> ModelOverride:
        """Read one table of the configuration; ``folder`` is what its paths are relative to.

        Raises:
            ValueError: one line that names the table, the key and what is valid: an unknown key, a wrong type, a
                negative or zero number, a file of CodeCarbon that cannot be used.
        """
        fields = Fields(f'[tool.aifootprint.models."{name}"]', table)
        if not name.strip():
            raise fields.error("the name is empty; valid: the model's name, as your code names it")
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
            training_tokens=_tokens(fields),
            training_grid=_grid(fields),
            inference_share=_inference_share(fields),
            training_method=_method(fields),
        )
        fields.done()
        whole = next((k for k in ("training_kwh", "training_gco2e", "codecarbon_csv") if k in table), None)
        if whole is not None and override.expected_uses is None:
            raise fields.error(f"{whole} needs expected_uses, the number of calls that bear the training")
        return override


def _params(fields: Fields) -> float | None:
    # Who writes 7 means 7 billion; the smallest model whose size changes a price is far larger.
    span = f"{FEWEST_PARAMS} to {LARGEST_B / 1000:g}T"
    return _counted(fields, "params", (FEWEST_PARAMS, MOST_PARAMS), span, HOW_TO_SAY_PARAMS)


def _tokens(fields: Fields) -> float | None:
    # Who writes 15 means 15 trillion.
    return _counted(fields, "training_tokens", (FEWEST_TOKENS, MOST_TOKENS), "1M to 1000T", HOW_TO_SAY_TOKENS)


def _counted(fields: Fields, name: str, ends: tuple[float, float], span: str, how: str) -> float | None:
    """A large count, as a number or as a text with a unit."""
    value = fields.raw(name)
    if value is None:
        return None
    number: float | None = None
    if isinstance(value, str) and (said := _PARAMS.fullmatch(value)):
        number = float(said["number"]) * _UNITS[said["unit"].upper()]
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        number = value
    if number is None:
        raise fields.error(f"{name} must be {how}; got {value!r}")
    if not ends[0] <= number <= ends[1]:
        raise fields.error(f"{name} must be from {span}, {how}; got {value!r}")
    return float(number)


def _grid(fields: Fields) -> str | None:
    name = "training_grid"
    text = fields.text(name, "") or None
    if text is not None:
        try:
            lookup_zone(text)
        except ZoneError as error:
            # Where a model was trained, no live figure of today can tell.
            raise fields.error(f"{name}: {str(error).replace(VALID_ZONES, VALID_PLACES)}") from None
    return text


def _inference_share(fields: Fields) -> Triple | None:
    name = "inference_share"
    value = fields.raw(name)
    if value is None:
        return None
    numbers = value if isinstance(value, list) else [value]
    good = len(numbers) == (3 if isinstance(value, list) else 1) and all(
        isinstance(n, (int, float)) and not isinstance(n, bool) and 0 < n < 1 for n in numbers
    )
    if not good or numbers != sorted(numbers):
        raise fields.error(
            f"{name} (phi, inference's share of the model's lifetime energy) must be a number between 0 and 1, both "
            f"excluded, or [low, central, high] of them in rising order; got {value!r}"
        )
    return numbers[0], numbers[len(numbers) // 2], numbers[-1]


def _method(fields: Fields) -> str | None:
    name = "training_method"
    text = fields.text(name, "") or None
    if text is not None and text not in METHODS:
        raise fields.error(f"{name} must be one of {', '.join(METHODS)}; got {text!r}")
    return text


def _above_zero(fields: Fields, name: str) -> float | None:
    value = fields.raw(name)
    # Else the reader of tables says that 0 is valid, which it is not here.
    if isinstance(value, (int, float)) and not isinstance(value, bool) and value <= 0:
        raise fields.error(f"{name} must be a number above 0, got {value!r}")
    return fields.number(name)


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
            raise fields.error(f"{name} must be numbers above 0, got {fields.raw(name)!r}")
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
