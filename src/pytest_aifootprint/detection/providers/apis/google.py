"""Gemini, Imagen and Veo, by AI Studio and by Vertex AI. The model stands in the path; on Vertex, other makers', too.

Veo's jobs are handed in with ``:predictLongRunning``; asking for them (``:fetchPredictOperation``) is no call.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_aifootprint.detection.providers.api import ApiRow, Ask, Request
from pytest_aifootprint.detection.providers.apis.anthropic import AnthropicAnswer
from pytest_aifootprint.detection.providers.apis.openai import OpenAIAnswer
from pytest_aifootprint.detection.providers.clips import VIDEO, clip_s, makes_videos, pieces
from pytest_aifootprint.detection.providers.usage import Answer, count, first, name, part, parts, together

_STATISTICS = ("predictions", "", "embeddings", "statistics", "token_count")


class GoogleAnswer(Answer):
    """Reads ``usageMetadata``. Thoughts are not in the candidates' count: they are added.

    A stream is server-sent events with ``alt=sse``, else one JSON array whose elements come one by one.
    """

    wanted = frozenset(
        {
            ("usageMetadata",),
            ("modelVersion",),
            ("candidates", "", "finishReason"),
            _STATISTICS,
        }
    )
    arrays = "stream"

    def event(self, event: Mapping[str, Any]) -> None:
        """Each has the counts so far; the one with a reason to finish has the last."""
        super().event(event)
        candidates = parts(event, "candidates")
        self.chunks += any("content" in candidate for candidate in candidates)
        if any(candidate.get("finishReason") for candidate in candidates):
            self.complete = True
            self.final = self.found.output_tokens is not None

    def read(self, answer: Mapping[str, Any]) -> None:
        """Counts of a generation, or of Vertex' text embeddings."""
        found = self.found
        found.model = name(answer.get("modelVersion")) or found.model
        usage = part(answer, "usageMetadata")
        if usage:
            into = together(first(usage, "promptTokenCount"), first(usage, "toolUsePromptTokenCount"))
            out, thoughts = first(usage, "candidatesTokenCount"), first(usage, "thoughtsTokenCount")
            # "The sum of prompt, candidates, tool use and thoughts" (reference of usageMetadata); where the total shows
            # that the candidates have the thoughts already, they are not counted twice.
            if thoughts and (out is None or first(usage, "totalTokenCount") != together(into, out)):
                out = (out or 0) + thoughts
            found.input_tokens = into
            found.output_tokens = out if out is not None else found.output_tokens
            found.cached_input_tokens = first(usage, "cachedContentTokenCount")
            found.reasoning_tokens = thoughts
        counts = [
            tokens
            for prediction in parts(answer, "predictions")
            if (tokens := count(part(part(prediction, "embeddings"), "statistics").get("token_count"))) is not None
        ]
        if counts:
            found.input_tokens = sum(counts)


def _read(request: Request) -> Ask | None:
    verb, model = request.path["verb"], request.in_path("model")
    publisher = request.path["publisher"]
    if verb in {b"rawPredict", b"streamRawPredict"}:
        if model == "count-tokens":
            return None
        reader = AnthropicAnswer if publisher == b"anthropic" else OpenAIAnswer
        return Ask("chat", model, reader, request.streamed or verb == b"streamRawPredict")
    if verb in {b"predict", b"predictLongRunning"}:
        operation = _predicts(model or "", publisher)
        if operation not in {"image", VIDEO}:
            return Ask(operation, model, GoogleAnswer, samples=request.items("instances"))
        asked = part(request.document, "parameters")
        return Ask(operation, model, GoogleAnswer, samples=pieces(asked), media_s=clip_s(asked))
    if b"mbed" in verb:
        return Ask("embedding", model, GoogleAnswer, samples=request.items("requests") or 1)
    return Ask("chat", model, GoogleAnswer, verb == b"streamGenerateContent")


def _predicts(model: str, publisher: bytes | None) -> str:
    """What a model does that is asked to predict: Google's say it in their names. Anybody else's may do anything."""
    if publisher == b"google" or publisher is None:
        if "embedding" in model or "gecko" in model:
            return "embedding"
        if model.startswith(("imagen", "image")):
            return "image"
        if makes_videos(model):
            return VIDEO
    return "inference"


API = ApiRow(
    path=rb"(?:publishers/(?P<publisher>[^/]+)/)?(?:models|tunedModels|endpoints)/(?P<model>[^/:?#]+):(?P<verb>"
    rb"generateContent|streamGenerateContent|embedContent|batchEmbedContents|generateAnswer|predict|predictLongRunning"
    rb"|rawPredict|streamRawPredict)",
    ends=frozenset(
        {
            b"generateContent",
            b"streamGenerateContent",
            b"embedContent",
            b"batchEmbedContents",
            b"generateAnswer",
            b"predict",
            b"predictLongRunning",
            b"rawPredict",
            b"streamRawPredict",
        }
    ),
    read=_read,
    wanted=frozenset({("stream",), ("parameters", "sampleCount"), ("parameters", "durationSeconds")}),
    counted=frozenset({"requests", "instances"}),
)
