"""Limits: what a user will not exceed."""

from __future__ import annotations

from msgspec import Struct

from pytest_aifootprint.quantities import UnitError, parse_amount

MARKER, MODEL = "marker", "model"
EACH = "each"
VALID_SCOPED = (
    'valid: "slow_llm: 2 gCO2e", "slow_llm and not nightly: use: 2 gCO2e", "slow_llm: 50 mg each", '
    '"model gpt-5*: 20k tokens"'
)


class Limit(Struct, frozen=True):
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


class ScopedLimit(Struct, frozen=True):
    """A limit on a part of the run.

    Attributes:
        scope: ``marker: slow_llm`` or ``model: gpt-5*``: the tests with these marks, the calls to these models.
        limit: on their sum; with ``each`` on every single test.
        text: as the user wrote it, with single blanks.
    """

    scope: str
    limit: Limit
    text: str
    each: bool = False

    @property
    def marks(self) -> str:
        """The expression of marks; empty for a model."""
        kind, _, which = self.scope.partition(": ")
        return which if kind == MARKER else ""


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


def parse_scoped(text: str) -> ScopedLimit:
    """Read ``"SCOPE: [use:] AMOUNT [each]"``, from the right: names of models have colons.

    Raises:
        UnitError: one line, for what is no amount or names no scope.
        ExpressionError: one line, for a scope that is neither a model nor an expression of marks.
    """
    # Not at the top: ast is needed where there is such a limit, and importing it costs a millisecond.
    from pytest_aifootprint.budgets.expressions import MarkExpression

    head, behind, amount = text.rpartition(":")
    words = amount.split()
    if not behind and len(words) > 1:
        raise UnitError(f"{text!r} names neither marks nor a model; {VALID_SCOPED}")
    each = bool(words) and words[-1].lower() == EACH
    amount = " ".join(words[:-1] if each else words)
    rest, colon, use = head.rpartition(":")
    if is_use_only(f"{use}:"):
        head, amount = (rest if colon else ""), f"use: {amount}"
    limit = parse_limit(amount)
    scope = " ".join(head.split())
    if not scope:
        raise UnitError(f"{text!r} names neither marks nor a model; {VALID_SCOPED}")
    text = f"{scope}: {amount}{f' {EACH}' if each else ''}"
    kind, _, name = scope.partition(" ")
    if kind.lower() == MODEL and name and name.split()[0] not in {"and", "or"}:
        if each:
            raise UnitError(f'{text!r}: "each" is for tests, a model has but one sum; {VALID_SCOPED}')
        return ScopedLimit(f"{MODEL}: {name}", limit, text)
    expression = MarkExpression(scope).text
    if each:
        limit = Limit(limit.kind, limit.value, text, limit.use_only)
    return ScopedLimit(f"{MARKER}: {expression}", limit, text, each)


def is_use_only(text: str) -> bool:
    """Whether a limit, as written, leaves the training and hardware shares out."""
    head, colon, _ = text.partition(":")
    return bool(colon) and head.strip().lower() == "use"
