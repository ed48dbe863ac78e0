"""What a request body looks like before it is one: its keys, names and lengths, without its texts."""

from __future__ import annotations

import json
from typing import Any

_DEEP = 4
_LONG = 256


def shape(value: Any) -> bytes | None:
    """A small JSON document with the same keys, short texts and numbers, and lists of the same length.

    A client that is handed an object serialises it later, out of our sight. To do it twice would cost as much as the
    prompt is long.
    """
    return json.dumps(_shape(value, _DEEP)).encode() if isinstance(value, dict) else None


def _shape(value: Any, deep: int) -> Any:
    if isinstance(value, dict):
        if not deep:
            return {}
        return {key: _shape(inner, deep - 1) for key, inner in value.items() if isinstance(key, str)}
    if isinstance(value, (list, tuple)):
        return [None] * len(value)
    if isinstance(value, str):
        return str(value[:_LONG])
    return value if value is None or isinstance(value, (bool, int, float)) else None
