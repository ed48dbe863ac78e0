"""Anthropic's messages API, streamed and not; its older text completions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pytest_aifootprint.detection.providers.api import ApiRow, Ask, Request
from pytest_aifootprint.detection.providers.usage import Answer, Usage, first, name, part, together, word

_COUNTS = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
_TEXT = re.compile(rb'"(?:text|thinking|partial_json)" ?: ?"')


class AnthropicAnswer(Answer):
    """Reads an answer. ``input_tokens`` there leaves cached tokens out: they are added here."""

    wanted = frozenset(
        {
            ("type",),
            ("model",),
            ("usage",),
            ("message", "model"),
            ("message", "usage"),
        }
    )

    def __init__(self, operation: str) -> None:
        super().__init__(operation)
        self._counts: dict[str, int] = {}

    def event(self, event: Mapping[str, Any]) -> None:
        """``message_start`` has the input, the last ``message_delta`` the cumulative output."""
        super().event(event)
        self.read(part(event, "message"))
        kind = word(event, "type")
        self.chunks += kind in {"content_block_delta", "completion"}
        self.final = self.final or (kind == "message_delta" and "output_tokens" in self._counts)
        self.complete = self.complete or kind == "message_stop" or bool(event.get("stop_reason"))

    def passes(self, data: bytes) -> bool:
        """A delta of a content block. Its type stands first."""
        if not data.startswith((b'{"type":"content_block_delta"', b'{"type": "content_block_delta"')):
            return False
        if b'"usage"' in data or b'"message"' in data or b'"model"' in data or not data.endswith(b"}"):
            return False
        self.streamed = True
        self.chunks += 1
        self.text_at = match.end() if (match := _TEXT.search(data)) is not None else 0
        return True

    def read(self, answer: Mapping[str, Any]) -> None:
        """Counts come in parts, the later ones in place of the earlier."""
        self.found.model = name(answer.get("model")) or self.found.model
        usage = part(answer, "usage")
        for key in _COUNTS:
            value = first(usage, key)
            if value is not None:
                self._counts[key] = value
        thinking = first(part(usage, "output_tokens_details"), "thinking_tokens")
        if thinking is not None:
            self.found.reasoning_tokens = thinking

    def usage(self) -> Usage:
        """What is known. A stream given up before its end has counted deltas as output, marked as estimated."""
        found, counts = self.found, self._counts
        found.output_tokens = counts.get("output_tokens")
        found.cached_input_tokens = counts.get("cache_read_input_tokens")
        found.input_tokens = together(
            counts.get("input_tokens"), found.cached_input_tokens, counts.get("cache_creation_input_tokens")
        )
        return super().usage()


def _read(request: Request) -> Ask | None:
    operation = "chat" if request.path["verb"] == b"messages" else "completion"
    if request.provider is None and not (
        operation == "chat" and request.model is not None and request.has("messages", "max_tokens")
    ):
        # On a host that nobody knows, /v1/messages may be anything: ask for the form of the request.
        return None
    return Ask(operation, request.model, AnthropicAnswer, request.streamed)


API = ApiRow(
    path=rb"v1/(?P<verb>messages|complete)",
    ends=frozenset({b"messages", b"complete"}),
    read=_read,
    wanted=frozenset({("model",), ("stream",), ("max_tokens",)}),
    counted=frozenset({"messages"}),
)
