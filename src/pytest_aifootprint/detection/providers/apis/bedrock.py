"""Amazon Bedrock: converse and invoke, whole and as a stream of binary messages. The model stands in the path."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_aifootprint.detection.providers.api import MODEL, STREAM, ApiRow, Ask, Request
from pytest_aifootprint.detection.providers.apis.anthropic import AnthropicAnswer
from pytest_aifootprint.detection.providers.clips import VIDEO, clip_s, makes_videos
from pytest_aifootprint.detection.providers.usage import Answer, Usage, first, name, part, parts, together, written

_HEADER = "x-amzn-bedrock-"
_METRICS = "amazon-bedrock-invocationMetrics"


class ConverseAnswer(Answer):
    """Reads ``usage``. ``inputTokens`` leaves out what was read from and written to the cache: it is added.

    "total input tokens = inputTokens + cacheReadInputTokens + cacheWriteInputTokens" (Bedrock User Guide, Prompt
    caching).
    """

    wanted = frozenset({("usage",), ("metadata", "usage")})

    def event(self, event: Mapping[str, Any]) -> None:
        """Messages by their kind: ``{"contentBlockDelta": {...}}``; ``metadata`` is the last."""
        super().event(event)
        self.chunks += "contentBlockDelta" in event
        metadata = part(event, "metadata")
        if metadata:
            self.read(metadata)
            self.complete = True
            self.final = self.found.output_tokens is not None

    def read(self, answer: Mapping[str, Any]) -> None:
        """Counts; the answer names no model."""
        usage = part(answer, "usage")
        if usage:
            _fill(
                self.found,
                first(usage, "inputTokens"),
                first(usage, "outputTokens"),
                first(usage, "cacheReadInputTokens", "cacheReadInputTokenCount"),
                first(usage, "cacheWriteInputTokens", "cacheWriteInputTokenCount"),
            )


class InvokeAnswer(Answer):
    """Reads each maker's own answer where it has counts; Bedrock adds its own in headers and at a stream's end."""

    wanted = frozenset(
        {
            *AnthropicAnswer.wanted,
            (_METRICS,),
            ("metadata", "usage"),
            ("inputTextTokenCount",),
            ("prompt_token_count",),
            ("generation_token_count",),
            ("inputTokenCount",),
            ("results", "", "tokenCount"),
        }
    )

    def __init__(self, operation: str) -> None:
        super().__init__(operation)
        self._claude = AnthropicAnswer(operation)

    def headers(self, headers: Mapping[str, str]) -> None:
        """Counts of an answer that is no stream. What the body says, if it does, is the same."""
        _fill(
            self.found,
            written(headers, _HEADER + "input-token-count"),
            written(headers, _HEADER + "output-token-count"),
            written(headers, _HEADER + "cache-read-input-token-count"),
            written(headers, _HEADER + "cache-write-input-token-count"),
        )

    def event(self, event: Mapping[str, Any]) -> None:
        """The model's own event; the last one has Bedrock's metrics."""
        super().event(event)
        self._claude.event(event)
        texts = ("generation", "outputText", "outputs", "text", "contentBlockDelta", "choices", "completion")
        self.chunks += event.get("type") == "content_block_delta" or any(event.get(key) for key in texts)
        metrics = part(event, _METRICS)
        if metrics:
            _fill(
                self.found,
                first(metrics, "inputTokenCount"),
                first(metrics, "outputTokenCount"),
                first(metrics, "cacheReadInputTokenCount"),
                first(metrics, "cacheWriteInputTokenCount"),
            )
            self.complete = True
            self.final = self.found.output_tokens is not None
        self.read(part(event, "metadata"))

    def document(self, answer: Mapping[str, Any]) -> None:
        """The model's own answer."""
        super().document(answer)
        self._claude.document(answer)

    def read(self, answer: Mapping[str, Any]) -> None:
        """Titan, Llama and Nova have their own words; Claude's and the OpenAI-like ones are read as they are."""
        found = self.found
        found.model = name(answer.get("model")) or found.model
        usage = part(answer, "usage")
        into = first(answer, "inputTextTokenCount", "prompt_token_count", "inputTokenCount")
        out = first(answer, "generation_token_count", "outputTokenCount")
        results = [tokens for result in parts(answer, "results") if (tokens := first(result, "tokenCount")) is not None]
        if results:
            out = sum(results)
        if into is None:
            into = first(usage, "inputTokens", "prompt_tokens")
        if out is None:
            out = first(usage, "outputTokens", "completion_tokens")
        _fill(found, into, out, first(usage, "cacheReadInputTokenCount"), first(usage, "cacheWriteInputTokenCount"))

    def usage(self) -> Usage:
        """What is known; Claude's own counts where Bedrock gave none."""
        found, claude = self.found, self._claude.usage()
        found.model = found.model or claude.model
        if found.input_tokens is None:
            found.input_tokens, found.cached_input_tokens = claude.input_tokens, claude.cached_input_tokens
        if found.output_tokens is None and not claude.estimated:
            found.output_tokens = claude.output_tokens
            self.final = claude.output_tokens is not None
        found.reasoning_tokens = claude.reasoning_tokens
        return super().usage()


def _fill(found: Usage, fresh: int | None, output: int | None, read: int | None, wrote: int | None) -> None:
    """Take the counts that there are."""
    if fresh is not None:
        found.input_tokens = together(fresh, read, wrote)
        found.cached_input_tokens = read
    if output is not None:
        found.output_tokens = output


def _read(request: Request) -> Ask | None:
    if request.path["later"]:
        return _later(request)
    verb, model = request.path["verb"], request.in_path("model")
    if verb.startswith(b"converse"):
        return Ask("chat", model, ConverseAnswer, verb != b"converse")
    operation = _invokes((model or "").lower())
    samples = request.items("texts", "documents") if operation in {"embedding", "rerank"} else None
    return Ask(operation, model, InvokeAnswer, verb != b"invoke", samples)


def _later(request: Request) -> Ask | None:
    """A job whose result is put into a bucket: a video (Nova Reel, Luma Ray), or embeddings of a long one."""
    model = request.named(request.document.get("modelId"))
    if model is None and request.provider is None:
        return None
    asked = part(request.document, "modelInput")
    if makes_videos(model):
        media_s = clip_s(part(asked, "videoGenerationConfig"))
        return Ask(VIDEO, model, InvokeAnswer, media_s=media_s if media_s is not None else clip_s(asked))
    operation = _invokes((model or "").lower())
    return Ask("inference" if operation == "chat" else operation, model, InvokeAnswer)


def _invokes(model: str) -> str:
    """What a model does that is invoked; its name says it."""
    if "embed" in model or "marengo" in model:
        return "embedding"
    if "rerank" in model:
        return "rerank"
    if "stability." in model or "image" in model or "canvas" in model:
        return "image"
    return "chat"


API = ApiRow(
    path=rb"(?:model/(?P<model>[^/]+)/(?P<verb>converse|converse-stream|invoke|invoke-with-response-stream)"
    rb"|(?P<later>async-invoke))",
    ends=frozenset({b"async-invoke", b"converse", b"converse-stream", b"invoke", b"invoke-with-response-stream"}),
    read=_read,
    wanted=frozenset(
        {MODEL, STREAM, ("modelId",), ("modelInput", "videoGenerationConfig"), ("modelInput", "duration")}
    ),
    counted=frozenset({"texts", "documents"}),
)
