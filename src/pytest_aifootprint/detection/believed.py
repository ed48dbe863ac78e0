"""Counts that were told of a call and cannot be: they are taken back, and what was told is kept for a notice.

A gateway that counts in other units, a stand-in server or a plugin's slip would else print petawatt-hours in silence.
"""

from __future__ import annotations

import math
from numbers import Integral

from pytest_aifootprint.detection.calls import AICall

MOST_TOKENS = 10**9
"""Of one call. A hundred times the largest context window on offer (Llama 4 Scout, 10 million), ten times the largest
announced (Magic LTM-2-mini, 100 million): ismatsamadov.com, "Llama 4 Scout's 10M token context window", 2026."""

MOST_PIECES = 1_000
"""Images, sounds or clips of one call: a hundred times OpenAI's 10 (openai 3.54, ``image_generate_params``)."""

MOST_MEDIA_S = 3_600.0
"""Of one clip: OpenAI makes at most 20 s (openai 3.54, ``video_extend_params``)."""

COUNTS = ("input_tokens", "output_tokens", "cached_input_tokens", "reasoning_tokens")
BY_PIECE = frozenset({"image", "audio", "video"})
_SHOWN = 40


def disbelieve(call: AICall) -> None:
    """Set counts to None that are none, or more than ``MOST_TOKENS``; ``call.disbelieved`` has what was told.

    Never raises, whatever was put there. Whole numbers of other types become ``int``. A second time does nothing.
    """
    for field in COUNTS:
        _check(call, field, MOST_TOKENS)
    if call.operation in BY_PIECE:
        _check(call, "samples", MOST_PIECES)
        _check_seconds(call)


def is_count(value: object, most: int = MOST_TOKENS) -> bool:
    """Whether this is a whole number from 0 to ``most``, and no bool."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most


def _check(call: AICall, field: str, most: int) -> None:
    told: object = getattr(call, field)
    if told is None or (type(told) is int and 0 <= told <= most):
        return
    whole = _whole(told)
    believed = whole if is_count(whole, most) else None
    setattr(call, field, believed)
    if believed is None:
        call.disbelieved = (*call.disbelieved, f"{field} {_shown(told)}")


def _check_seconds(call: AICall) -> None:
    told: object = call.media_s
    if told is None:
        return
    if isinstance(told, bool) or not isinstance(told, int | float) or not 0 < told <= MOST_MEDIA_S:
        call.media_s = None
        call.disbelieved = (*call.disbelieved, f"media_s {_shown(told)}")


def _whole(value: object) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, float) and math.isfinite(value) and value.is_integer():
        return int(value)
    return int(value) if isinstance(value, Integral) else None


def written(value: object) -> str:
    """A value as Python writes it, but for a number so long that it refuses to."""
    return f"(more than {_SHOWN} digits)" if isinstance(value, int) and abs(value) >= 10**_SHOWN else repr(value)


def _shown(value: object) -> str:
    """Short and harmless: a number as it is, of anything else its type, since a text could be anybody's."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return f"({type(value).__name__})"
    return written(value)
