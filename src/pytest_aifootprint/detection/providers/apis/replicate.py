"""Replicate: a prediction is created here and polled elsewhere; one call is the creation, the polling is none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_aifootprint.detection.providers.api import ApiRow, Ask, Request
from pytest_aifootprint.detection.providers.clips import VIDEO, clip_s, makes_videos, pieces
from pytest_aifootprint.detection.providers.usage import Answer, first, name, part


class ReplicateAnswer(Answer):
    """Reads ``metrics``, which are there if the client waited for the result (``Prefer: wait``)."""

    wanted = frozenset({("model",), ("metrics",)})

    def read(self, answer: Mapping[str, Any]) -> None:
        """Model and, of language models, counts."""
        found = self.found
        found.model = name(answer.get("model")) or found.model
        metrics = part(answer, "metrics")
        found.input_tokens = first(metrics, "input_token_count")
        found.output_tokens = first(metrics, "output_token_count")


def _read(request: Request) -> Ask:
    owner, model = request.in_path("owner"), request.in_path("model")
    whole = f"{owner}/{model}" if owner and model else None
    if request.path["verb"] == b"trainings":
        return Ask("training", whole, ReplicateAnswer)
    asked = whole or request.named(request.document.get("version")) or request.model
    given = part(request.document, "input")
    # The name says it, or the frames that are asked for. Many a name does not: then it is an inference of some model.
    is_video = makes_videos(asked) or "num_frames" in given
    operation, media_s = (VIDEO, clip_s(given)) if is_video else ("inference", None)
    return Ask(operation, asked, ReplicateAnswer, request.streamed, pieces(given), media_s)


API = ApiRow(
    path=rb"v1/(?:(?:models|deployments)/(?P<owner>[^/]+)/(?P<model>[^/]+)/(?:versions/[^/]+/)?)?"
    rb"(?P<verb>predictions|trainings)",
    ends=frozenset({b"predictions", b"trainings"}),
    read=_read,
    providers=frozenset({"replicate", "huggingface_hub"}),
    wanted=frozenset({("model",), ("version",), ("stream",)}),
)
