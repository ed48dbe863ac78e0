"""How a number came about."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum


class Basis(str, Enum):
    """From best to worst: measured, modelled, estimated, assumed."""

    MEASURED = "measured"
    MODELLED = "modelled"
    ESTIMATED = "estimated"
    ASSUMED = "assumed"

    @property
    def rank(self) -> int:
        """0 for measured, the best, to 3 for assumed."""
        return list(Basis).index(self)


LARGE_PART = 0.10


def basis_of_sum(parts: Iterable[tuple[float, Basis]]) -> Basis | None:
    """The worst basis among the parts of at least 10 % of the sum (method: section 7).

    Args:
        parts: central value and basis of each part.

    Returns:
        The basis; None if there is nothing to have one.
    """
    parts = list(parts)
    whole = sum(value for value, _ in parts)
    large = [basis for value, basis in parts if whole > 0 and value >= LARGE_PART * whole]
    return max(large or [basis for _, basis in parts], key=lambda b: b.rank, default=None)
