"""What the user says of a model: ``[tool.aifootprint.models."name"]``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pytest_aifootprint.catalogue import Fields, Triple


@dataclass(frozen=True, slots=True)
class ModelOverride:
    """Declared facts of a model; they go before the catalogue.

    Attributes:
        name: of the model. params_b: billions of (active) parameters.
        training_kwh, training_gco2e: footprint of the whole training, without its parent's.
        expected_uses: calls over the model's life: (low, central, high), or one number, which gets an assumed range.
            With a training figure it switches the training share to the count method.
        parent: the model this one was tuned from: lends size and place of training, never its training footprint.
    """

    name: str
    params_b: float | None = None
    training_kwh: float | None = None
    training_gco2e: float | None = None
    expected_uses: Triple | float | None = None
    parent: str | None = None

    @classmethod
    def from_table(cls, name: str, table: Mapping[str, Any]) -> ModelOverride:
        """Read one table of the configuration.

        Raises:
            ValueError: one line that names the table, the key and what is valid: an unknown key, a wrong type, a
                negative or zero number.
        """
        fields = Fields(f'[tool.aifootprint.models."{name}"]', table)
        override = cls(
            name=name,
            params_b=_above_zero(fields, "params_b"),
            training_kwh=_above_zero(fields, "training_kwh"),
            training_gco2e=_above_zero(fields, "training_gco2e"),
            expected_uses=_uses(fields),
            parent=fields.text("parent", "") or None,
        )
        fields.done()
        return override


def _above_zero(fields: Fields, name: str) -> float | None:
    value = fields.number(name)
    if value == 0:
        raise fields.error(f"{name} must be above 0")
    return value


def _uses(fields: Fields) -> Triple | float | None:
    name = "expected_uses"
    if isinstance(fields.raw(name), list):
        triple = fields.triple(name)
        if triple is not None and triple[0] <= 0:
            raise fields.error(f"{name} must be above 0")
        return triple
    return _above_zero(fields, name)
