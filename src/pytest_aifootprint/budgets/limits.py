"""Limits: what a user will not exceed."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_aifootprint.quantities import UnitError, parse_amount


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit on one kind of quantity.

    Attributes:
        kind: ``carbon_g``, ``energy_j``, ``water_l``, ``tokens`` or ``calls``. value: in that unit.
        text: as the user wrote it.
        use_only: leaves the training and hardware shares out (``"use: 5 gCO2e"``); carbon only.
    """

    kind: str
    value: float
    text: str
    use_only: bool = False


def parse_limit(text: str) -> Limit:
    """Read ``"5 gCO2e"`` or ``"use: 5 gCO2e"``.

    Raises:
        UnitError: for what is no amount, one line with the valid forms.
    """
    use_only = is_use_only(text)
    amount = parse_amount(text.partition(":")[2] if use_only else text)
    if use_only and amount.kind != "carbon_g":
        raise UnitError(f'{text!r}: only carbon has shares that "use:" leaves out; valid: "use: 5 gCO2e"')
    return Limit(amount.kind, amount.value, text.strip(), use_only)


def is_use_only(text: str) -> bool:
    """Whether a limit, as written, leaves the training and hardware shares out."""
    head, colon, _ = text.partition(":")
    return bool(colon) and head.strip().lower() == "use"
