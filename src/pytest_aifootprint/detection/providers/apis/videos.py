"""Videos by OpenAI's protocol and its relatives (Azure, Together, xAI, Z.ai): a job that is handed in here.

A remix, an edit and an extension make a new clip. Asking how far a job is, and fetching the clip, are no calls.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_aifootprint.detection.providers.api import MODEL, ApiRow, Ask, Request
from pytest_aifootprint.detection.providers.clips import VIDEO, clip_s, pieces
from pytest_aifootprint.detection.providers.usage import Answer, name

_FIELDS = ("prompt", "seconds", "n_seconds", "duration", "num_frames", "fps", "n", "n_variants")


class VideoAnswer(Answer):
    """Reads the job's model and the length of its clip, which a request may leave to the provider."""

    wanted = frozenset({MODEL, ("seconds",)})

    def read(self, answer: Mapping[str, Any]) -> None:
        """Model and seconds."""
        self.found.model = name(answer.get("model")) or self.found.model
        self.found.media_s = clip_s(answer)


def _read(request: Request) -> Ask | None:
    deployment = request.in_path("deployment")
    model = request.model or deployment
    fields = {key: value for key in _FIELDS if (value := request.field(key)) is not None}
    if request.provider is None and (request.path["version"] is None or model is None or "prompt" not in fields):
        # On a host that nobody knows, /videos may be anything: ask for the version, a model and a prompt.
        return None
    return Ask(VIDEO, model, VideoAnswer, samples=pieces(fields), media_s=clip_s(fields))


API = ApiRow(
    path=rb"(?:(?P<version>v\d\w*)/|(?:openai/)?deployments/(?P<deployment>[^/]+)/)?"
    rb"(?:videos(?:/(?:generations|edits|extensions|[^/]+/remix))?|video/generations(?:/jobs)?)",
    ends=frozenset({b"videos", b"generations", b"edits", b"extensions", b"remix", b"jobs"}),
    read=_read,
    wanted=frozenset({MODEL, *((key,) for key in _FIELDS)}),
)
