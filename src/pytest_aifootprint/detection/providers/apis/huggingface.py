"""Hugging Face's own hosts: models by their name, or alone at the root of an endpoint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_aifootprint.detection.providers.api import ApiRow, Ask, Request
from pytest_aifootprint.detection.providers.clips import VIDEO, clip_s, makes_videos, pieces
from pytest_aifootprint.detection.providers.usage import Answer, first, name, part, written


class HuggingFaceAnswer(Answer):
    """Reads ``details`` of a generation, and the counts that TGI and TEI put into headers.

    Most tasks answer with an array and tell no counts.
    """

    wanted = frozenset({("model",), ("details",), ("token",), ("generated_text",)})
    arrays = "items"

    def headers(self, headers: Mapping[str, str]) -> None:
        """TGI: ``x-prompt-tokens``, ``x-generated-tokens``; TEI: ``x-compute-tokens``."""
        found = self.found
        found.input_tokens = written(headers, "x-prompt-tokens")
        if found.input_tokens is None:
            found.input_tokens = written(headers, "x-compute-tokens")
        found.output_tokens = written(headers, "x-generated-tokens")

    def event(self, event: Mapping[str, Any]) -> None:
        """A token each; the last has the whole text."""
        super().event(event)
        self.chunks += "token" in event
        self.complete = self.complete or isinstance(event.get("generated_text"), str)
        self.final = self.complete and self.found.output_tokens is not None

    def read(self, answer: Mapping[str, Any]) -> None:
        """Counts of a generation that was asked for its details."""
        found = self.found
        found.model = name(answer.get("model")) or found.model
        details = part(answer, "details")
        into, out = first(details, "input_length"), first(details, "generated_tokens")
        prefill = details.get("prefill")
        if into is None and isinstance(prefill, list) and prefill:
            into = len(prefill)
        found.input_tokens = into if into is not None else found.input_tokens
        found.output_tokens = out if out is not None else found.output_tokens


_TASKS = {
    "feature-extraction": "embedding",
    "sentence-similarity": "embedding",
    "text-generation": "completion",
    "text2text-generation": "completion",
    "conversational": "chat",
    "summarization": "completion",
    "translation": "completion",
    "text-to-image": "image",
    "image-to-image": "image",
    "automatic-speech-recognition": "audio",
    "text-to-speech": "audio",
    "text-to-audio": "audio",
    "audio-to-audio": "audio",
    "text-to-video": VIDEO,
    "image-to-video": VIDEO,
    "video-to-video": VIDEO,
}


def _read(request: Request) -> Ask | None:
    routed = request.in_path("routed")
    if routed is not None:
        # Of what is routed to fal and WaveSpeed, videos tell themselves by name; Novita's route is for them alone.
        if not (makes_videos(routed) or request.path["only_videos"]):
            return None
        return Ask(VIDEO, routed, HuggingFaceAnswer, samples=pieces(request.document), media_s=clip_s(request.document))
    model = request.in_path("model")
    if model is None:
        # An endpoint of one's own answers at its root, whatever its task is.
        return Ask("inference", request.model, HuggingFaceAnswer, request.streamed)
    return Ask(
        _operation(request.path["task"] or request.path["first_task"]), model, HuggingFaceAnswer, request.streamed
    )


def _operation(task: bytes | None) -> str:
    if task is None:
        return "inference"
    known = _TASKS.get(task.decode("latin-1"))
    return known or ("classification" if task.endswith(b"classification") else "inference")


API = ApiRow(
    path=rb"(?<=\A/)(?:(?:fal-ai|wavespeed/api/v3|(?P<only_videos>novita/v3/hf))/(?P<routed>.+)"
    rb"|(?:hf-inference/)?(?:models|pipeline/(?P<first_task>[a-z0-9-]+))/"
    rb"(?P<model>[^/?#]+(?:/[^/?#]+)?)(?:/pipeline/(?P<task>[a-z0-9-]+))?|)",
    ends=frozenset({b""}),
    begins=(
        b"/models/",
        b"/hf-inference/models/",
        b"/pipeline/",
        b"/fal-ai/",
        b"/wavespeed/api/v3/",
        b"/novita/v3/hf/",
    ),
    read=_read,
    providers=frozenset({"huggingface_hub"}),
)
