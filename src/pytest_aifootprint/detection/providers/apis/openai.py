"""OpenAI's API, and all that speak it: chat completions, completions, responses, embeddings, images, audio."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pytest_aifootprint.detection.providers.api import ApiRow, Ask, Request
from pytest_aifootprint.detection.providers.usage import Usage, count, name, part

_NO_USAGE = re.compile(rb'"usage" ?: ?null')
# A delta with a text that is not empty, and no object before it.
_CONTENT = re.compile(rb'"delta" ?: ?\{[^{}\[\]]*?"(?:content|reasoning_content|reasoning|refusal)" ?: ?"[^"]')
_FINAL = ("response.completed", "response.incomplete", "response.failed")


class OpenAIAnswer:
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

    def __init__(self, operation: str) -> None:
        self.complete = False
        self._usage = Usage()
        self._chunks = 0
        self._streamed = False
        # What has no output tokens has none: that is known, not missing.
        self._no_output = operation in {"embedding", "rerank", "moderation"}

    def document(self, answer: Mapping[str, Any]) -> None:
        """A whole answer."""
        self._read(answer)
        self.complete = True

    def event(self, event: Mapping[str, Any]) -> None:
        """One event. Chat: choices with deltas. Responses: named events. Usage comes last, if at all."""
        self._streamed = True
        self._read(event)
        self._read(part(event, "response"))
        kind = event.get("type")
        if isinstance(kind, str):
            self.complete = self.complete or kind in _FINAL
            self._chunks += kind.startswith("response.") and kind.endswith(".delta")
        choices = event.get("choices")
        for choice in choices if isinstance(choices, list) else ():
            if isinstance(choice, dict) and _has_content(choice):
                self._chunks += 1

    def passes(self, data: bytes) -> bool:
        """Most events of a stream carry a piece of text and nothing else that matters to us.

        A quote inside a text is escaped in JSON: what matches here is a key and the beginning of its value.
        """
        if b'"usage"' in data and data.count(b'"usage"') != len(_NO_USAGE.findall(data)):
            return False
        if self._usage.model is None or b'"x_groq"' in data or b'"type"' in data or not data.endswith(b"}"):
            return False
        if data.count(b'"delta"') != 1 or _CONTENT.search(data) is None:
            return False
        self._streamed = True
        self._chunks += 1
        return True

    def done(self) -> None:
        """``data: [DONE]``."""
        self.complete = True

    def usage(self) -> Usage:
        """What is known; a stream without usage has its content chunks counted instead, marked as estimated."""
        if self._streamed and self._usage.output_tokens is None:
            self._usage.output_tokens = self._chunks
            self._usage.estimated = True
        if self._no_output and self._usage.input_tokens is not None:
            self._usage.output_tokens = self._usage.output_tokens or 0
        return self._usage

    def _read(self, answer: Mapping[str, Any]) -> None:
        self._usage.model = name(answer.get("model")) or self._usage.model
        usage = part(answer, "usage") or part(part(answer, "x_groq"), "usage")
        if not usage:
            return
        read = self._usage
        into = _first(usage, "prompt_tokens", "input_tokens")
        out = _first(usage, "completion_tokens", "output_tokens")
        details = part(usage, "completion_tokens_details") or part(usage, "output_tokens_details")
        reasoning = _first(details, "reasoning_tokens")
        total = _first(usage, "total_tokens")
        if into is None and out is None and total is not None:
            into = total  # rerankers and some embedders give a total only
        # xAI leaves reasoning out of completion_tokens; its total shows it.
        if reasoning and into is not None and out is not None and total == into + out + reasoning:
            out += reasoning
        cached = part(usage, "prompt_tokens_details") or part(usage, "input_tokens_details")
        read.input_tokens, read.output_tokens, read.reasoning_tokens = into, out, reasoning
        read.cached_input_tokens = _first(cached, "cached_tokens")
        if read.cached_input_tokens is None:
            read.cached_input_tokens = _first(usage, "prompt_cache_hit_tokens")  # DeepSeek


def _first(mapping: Mapping[str, Any], *keys: str) -> int | None:
    for key in keys:
        value = count(mapping.get(key))
        if value is not None:
            return value
    return None


def _has_content(choice: Mapping[str, Any]) -> bool:
    delta = choice.get("delta")
    if isinstance(delta, dict):
        return any(value for key, value in delta.items() if key != "role")
    return bool(choice.get("text"))


_OPERATIONS = {
    b"chat/completions": "chat",
    b"responses": "chat",
    b"completions": "completion",
    b"embeddings": "embedding",
    b"moderations": "moderation",
    b"rerank": "rerank",
}


def _read(request: Request) -> Ask | None:
    verb, deployment = request.path["verb"], request.in_path("deployment")
    if request.provider is None and verb != b"chat/completions":
        # On a host that nobody knows, /responses may be anything: ask for the version and a model.
        versioned = request.path["version"] == b"v1" or deployment is not None
        if not versioned or request.document is None or (request.model is None and deployment is None):
            return None
    operation = _OPERATIONS.get(verb) or verb.split(b"/")[0].decode().removesuffix("s")
    return Ask(operation, request.model or deployment, OpenAIAnswer)


API = ApiRow(
    path=rb"(?:(?P<version>v\d\w*)/|openai/deployments/(?P<deployment>[^/]+)/)?(?P<verb>"
    rb"chat/completions|completions|responses|embeddings|moderations|rerank"
    rb"|images/(?:generations|edits|variations)|audio/(?:speech|transcriptions|translations))",
    read=_read,
)
