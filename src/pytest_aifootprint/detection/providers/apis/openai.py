"""OpenAI's API, and all that speak it: chat, completions, responses, embeddings, moderations, images, audio.

Also Azure's ways to it: ``/openai/deployments/NAME/...``, ``/openai/v1/...`` and, of its model inference,
``/models/chat/completions``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pytest_aifootprint.detection.providers.api import MODEL, STREAM, ApiRow, Ask, Request
from pytest_aifootprint.detection.providers.clips import pieces
from pytest_aifootprint.detection.providers.usage import Answer, first, name, part, together, word

_NO_USAGE = re.compile(rb'"usage" ?: ?null')
# A delta with a text that is not empty, and no object before it.
_CONTENT = re.compile(rb'"delta" ?: ?\{[^{}\[\]]*?"(?:content|reasoning_content|reasoning|refusal)" ?: ?"[^"]')
# A delta of a response that tells nothing but itself.
_DELTA = re.compile(rb'\{"type" ?: ?"response\.[a-z_.]*\.delta"')
_TELLING = (b'"model"', b'"usage"', b'"response"', b'"choices"')
_PLAIN = frozenset({"prompt_tokens", "completion_tokens", "input_tokens", "output_tokens", "total_tokens"})
_FINAL = frozenset(
    {
        "response.completed",
        "response.incomplete",
        "response.failed",
        "conversation.response.done",
        "image_generation.completed",
        "image_edit.completed",
        "transcript.text.done",
        "speech.audio.done",
    }
)


class OpenAIAnswer(Answer):
    """Reads an answer, streamed or not. Keeps counts and the model's name only."""

    wanted = frozenset(
        {
            ("type",),
            ("model",),
            ("usage",),
            ("x_groq",),
            ("response", "model"),
            ("response", "usage"),
        }
    )

    def event(self, event: Mapping[str, Any]) -> None:
        """One event. Chat: choices with deltas. Responses: named events. Usage comes last, if at all."""
        super().event(event)
        if response := part(event, "response"):
            self.read(response)
        kind = word(event, "type")
        self.complete = self.complete or kind in _FINAL
        self.chunks += kind.endswith(".delta")
        choices = event.get("choices")
        for choice in choices if isinstance(choices, list) else ():
            if isinstance(choice, dict) and _has_content(choice):
                self.chunks += 1

    def passes(self, data: bytes) -> bool:
        """Most events of a stream carry a piece of text and nothing else that matters to us.

        A quote inside a text is escaped in JSON: what matches here is a key and the beginning of its value.
        """
        if not self.streamed or not data.endswith(b"}"):
            return False
        if not (self._is_delta(data) if b'"type"' in data else self._has_text(data)):
            return False
        self.chunks += 1
        return True

    def _has_text(self, data: bytes) -> bool:
        """Whether it is a piece of a chat with a text, and tells no counts."""
        if b'"usage"' in data and data.count(b'"usage"') != len(_NO_USAGE.findall(data)):
            return False
        if self.found.model is None or data.count(b'"delta"') != 1 or (match := _CONTENT.search(data)) is None:
            return False
        self.text_at = match.end() - 1
        return True

    def _is_delta(self, data: bytes) -> bool:
        """Whether it is a delta of a response, whose type stands first."""
        if _DELTA.match(data) is None or data.count(b'"type"') != 1:
            return False
        self.text_at = 0  # what differs from one to the next is a number, too
        return not any(key in data for key in _TELLING)

    def sums_up(self, event: Mapping[str, Any]) -> bool:
        """The last event of a chat has the model and all counts, if it was asked for: no other is added to them."""
        usage = part(event, "usage")
        return first(usage, "completion_tokens", "output_tokens") is not None and name(event.get("model")) is not None

    def read(self, answer: Mapping[str, Any]) -> None:
        """Model and counts, in the dialects of those who speak OpenAI's protocol."""
        found = self.found
        found.model = name(answer.get("model")) or found.model
        usage = part(answer, "usage") or part(part(answer, "x_groq"), "usage")
        if not usage:
            return
        into = first(usage, "prompt_tokens", "input_tokens")
        out = first(usage, "completion_tokens", "output_tokens")
        total = first(usage, "total_tokens")
        plain = _PLAIN.issuperset(usage)  # nothing else is told: nothing else is looked for
        details = {} if plain else part(usage, "completion_tokens_details") or part(usage, "output_tokens_details")
        # Perplexity tells its reasoning beside the counts.
        reasoning = None if plain else first(details or usage, "reasoning_tokens")
        if into is None and out is None and total is not None:
            into = total  # rerankers and some embedders give a total only
        # xAI leaves reasoning out of completion_tokens, Mistral its connectors' tokens out of prompt_tokens: the total
        # shows it.
        if reasoning and out is not None and total == together(into, out, reasoning):
            out += reasoning
        connectors = None if plain else first(usage, "connector_tokens")
        if connectors and into is not None and total == together(into, out, connectors):
            into += connectors
        # Gateways that translate Gemini leave its thoughts out, and out of the details: the total shows them
        # (github mozilla-ai/any-llm#1290).
        if into is not None and out is not None and total is not None and "gemini" in (found.model or ""):
            thoughts = max(total - into - out, 0)
            out, reasoning = out + thoughts, (reasoning or 0) + thoughts or reasoning
        found.input_tokens, found.output_tokens, found.reasoning_tokens = into, out, reasoning
        self.final = out is not None
        if plain:
            found.cached_input_tokens = None
            return
        cached = part(usage, "prompt_tokens_details") or part(usage, "input_tokens_details")
        found.cached_input_tokens = first(cached, "cached_tokens")
        if found.cached_input_tokens is None:
            found.cached_input_tokens = first(usage, "prompt_cache_hit_tokens")  # DeepSeek


def _has_content(choice: Mapping[str, Any]) -> bool:
    delta = choice.get("delta")
    if isinstance(delta, dict):
        return any(value for key, value in delta.items() if key != "role")
    return bool(choice.get("text"))


_OPERATIONS = {
    b"chat/completions": "chat",
    b"responses": "chat",
    b"responses/compact": "chat",
    b"completions": "completion",
    b"embeddings": "embedding",
    b"images/embeddings": "embedding",
    b"moderations": "moderation",
}


def _read(request: Request) -> Ask | None:
    verb, deployment = request.path["verb"], request.in_path("deployment")
    model = request.model or deployment
    if request.provider is None and verb != b"chat/completions":
        # On a host that nobody knows, /responses may be anything: ask for the version and a model.
        versioned = request.path["version"] == b"v1" or deployment is not None
        if not versioned or model is None:
            return None
    operation = _OPERATIONS.get(verb) or verb.split(b"/")[0].decode().removesuffix("s")
    samples = None
    if operation in {"embedding", "moderation"}:
        samples = request.items("input")
    elif operation == "image":
        samples = pieces({"n": request.field("n")})
    return Ask(operation, model, OpenAIAnswer, request.streamed, samples)


API = ApiRow(
    path=rb"(?:(?P<version>v\d\w*)/|(?:openai/)?deployments/(?P<deployment>[^/]+)/(?:extensions/)?)?(?P<verb>"
    rb"chat/completions|completions|responses(?:/compact)?|embeddings|moderations"
    rb"|images/(?:generations|edits|variations|embeddings)|audio/(?:speech|transcriptions|translations))",
    ends=frozenset(
        {
            b"completions",
            b"responses",
            b"compact",
            b"embeddings",
            b"moderations",
            b"generations",
            b"edits",
            b"variations",
            b"speech",
            b"transcriptions",
            b"translations",
        }
    ),
    read=_read,
    wanted=frozenset({MODEL, STREAM, ("n",)}),
    counted=frozenset({"input"}),
)
