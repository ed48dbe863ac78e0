"""Values as JSON has them: ranges as low, central and high, unknown as null, never NaN or Infinity."""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import Enum
from functools import lru_cache
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict

from pytest_aifootprint.quantities import EXACT_ZERO, UNNAMED, Range, ToldRange

RangeDict = dict[str, float]


def finite(value: float | None) -> float | None:
    """The number; None for what JSON cannot say."""
    return value if value is not None and math.isfinite(value) else None


def ranged(value: Range | None) -> RangeDict | None:
    """R of the contract; None for an unknown value, or for one whose ends no number can hold."""
    told = edges(value)
    return None if told is None else {"low": told[0], "central": told[1], "high": told[2]}


def edges(value: Range | None) -> tuple[float, float, float] | None:
    """The same as low, central and high."""
    if value is None:
        return None
    central = value.central
    factors = value.factors
    if not factors or not central:
        return central, central, central
    if isinstance(value, ToldRange) and value.ends is not None:
        return value.ends[0], central, value.ends[1]
    known = _known.get(id(factors))
    if known is not None and known[0] is factors:
        low, high = known[1]
    else:
        low, high = _ends(factors)
        if len(_known) >= _MOST_KNOWN:
            _known.clear()
        _known[id(factors)] = factors, (low, high)
    high *= central
    return (low * central, central, high) if math.isfinite(high) else None


_known: dict[int, tuple[Mapping[str, tuple[float, float]], tuple[float, float]]] = {}
"""Ends by the identity of factors that are held here: most values of a run share theirs."""
_MOST_KNOWN = 256


def _ends(factors: Mapping[str, tuple[float, float]]) -> tuple[float, float]:
    """What to multiply a central value by."""
    one = Range(1.0, factors)
    return one.low, one.high


def factors_of(value: Range | None) -> list[dict[str, Any]]:
    """The inputs that a range comes from, widest first: what each multiplies the value by at its low and high end."""
    if value is None:
        return []
    widest = list(value.factors.items())
    # Those of a saved range are in this order already, and a digit that was lost on the way must not change it.
    if not (isinstance(value, ToldRange) and value.ends is not None):
        widest.sort(key=lambda item: (-abs(item[1][1] - item[1][0]), item[0]))
    return [
        {"name": name, "low": _exp(down), "high": _exp(up)}
        for name, (down, up) in widest
        if not name.startswith(UNNAMED)
    ]


@lru_cache(maxsize=4096)
def _exp(log: float) -> float | None:
    """With as many digits as a logarithm and back leaves as they are: what was read is written the same again."""
    try:
        return finite(float(f"{math.exp(log):.12g}"))
    except OverflowError:
        return None


def plain(value: Any) -> Any:
    """Anything that a mapping of the run may hold, as builtin types."""
    kind = type(value)
    if kind in _AS_THEY_ARE:
        return value
    if kind is float:
        return value if math.isfinite(value) else None
    if isinstance(value, (float, Enum, Range)):
        return _number(value)
    if isinstance(value, Struct):
        value = asdict(value)
    if kind is dict or isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(inner) for inner in value]
    return str(value)


def _number(value: float | Enum | Range) -> Any:
    if isinstance(value, Enum):
        return plain(value.value)
    return ranged(value) if isinstance(value, Range) else finite(value)


_AS_THEY_ARE = frozenset({str, int, bool, type(None)})
ZERO = ranged(EXACT_ZERO)
