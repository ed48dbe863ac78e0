"""What names and fields say about clips: whether a model makes videos, and how long one is to be."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pytest_aifootprint.detection.providers.usage import count

VIDEO = "video"
# Texts, not compiled: most runs ask for no video, and arming is fast.
_MAKES = r"video|(?<![a-z0-9])(?:veo|sora|t2v|i2v|nova-reel|luma\.ray)(?![a-z])"
# Models that look at videos, and answer in words.
_LOOKS = r"video-?(?:llava|llama|chat|caption|understand|(?:to|2)-?text|embed|class|intern)|embed"
_WRITTEN = r"(?P<seconds>\d{1,9}(?:\.\d{1,9})?) ?s?\Z"
_SECONDS = ("seconds", "n_seconds", "duration", "durationSeconds", "duration_seconds")
_LONGEST = 16
_PIECES = ("n", "n_variants", "sampleCount", "num_outputs")


def makes_videos(model: str | None) -> bool:
    """Whether a model's name says that it makes videos. A name that does not say it may still do."""
    name = (model or "").lower()
    return re.search(_MAKES, name) is not None and re.search(_LOOKS, name) is None


def clip_s(fields: Mapping[str, Any]) -> float | None:
    """Seconds of one clip, as a request (or its answer) says: "8", 8, "5s", or frames at a rate; None if it does not.

    What cannot be is given as it is: ``detection.believed`` tells of it.
    """
    for key in _SECONDS:
        value = fields.get(key)
        if isinstance(value, str):
            found = re.match(_WRITTEN, value)
            if found is not None:
                return float(found["seconds"])
        elif isinstance(value, int | float) and not isinstance(value, bool):
            return value
    frames, rate = count(fields.get("num_frames")), count(fields.get("fps"))
    return frames / rate if frames and rate else None


def pieces(fields: Mapping[str, Any]) -> int | None:
    """How many clips, or images, are asked for; None if the request does not say."""
    return next((found for key in _PIECES if (found := _whole(fields.get(key))) is not None), None)


def _whole(value: object) -> int | None:
    """A count; in a form it is written in digits."""
    written = isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < _LONGEST
    return int(value) if written and isinstance(value, str) else count(value)
