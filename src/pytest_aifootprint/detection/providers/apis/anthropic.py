"""Anthropic's messages API, streamed and not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_aifootprint.detection.providers.api import MODEL, ApiRow, Ask, Request
from pytest_aifootprint.detection.providers.usage import Usage, count, name, part


class AnthropicAnswer:
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
        del operation  # there is one
        self.complete = False
        self._model: str | None = None
        self._counts: dict[str, int] = {}
        self._chunks = 0
        self._streamed = False
        self._final = False

    def document(self, answer: Mapping[str, Any]) -> None:
        """A whole answer."""
        self._read(answer)
        self.complete = True

    def event(self, event: Mapping[str, Any]) -> None:
        """``message_start`` has the input, the last ``message_delta`` the cumulative output."""
        self._streamed = True
        self._read(part(event, "message"))
        self._read(event)
        kind = event.get("type")
        self._chunks += kind == "content_block_delta"
        self._final = self._final or (kind == "message_delta" and "output_tokens" in self._counts)
        self.complete = self.complete or kind == "message_stop"

    def passes(self, data: bytes) -> bool:
        """A delta of a content block. Its type stands first."""
        if not data.startswith((b'{"type":"content_block_delta"', b'{"type": "content_block_delta"')):
            return False
        if b'"usage"' in data or b'"message"' in data or b'"model"' in data or not data.endswith(b"}"):
            return False
        self._streamed = True
        self._chunks += 1
        return True

    def done(self) -> None:
        """Not sent by Anthropic; by some gateways."""
        self.complete = True

    def usage(self) -> Usage:
        """What is known. A stream given up before its end has counted deltas as output, marked as estimated."""
        counts = self._counts
        usage = Usage(model=self._model, output_tokens=counts.get("output_tokens"))
        if "input_tokens" in counts:
            cached = counts.get("cache_read_input_tokens")
            usage.cached_input_tokens = cached
            usage.input_tokens = counts["input_tokens"] + (cached or 0) + counts.get("cache_creation_input_tokens", 0)
        if self._streamed and not self._final:
            usage.output_tokens = max(usage.output_tokens or 0, self._chunks)
            usage.estimated = True
        return usage

    def _read(self, answer: Mapping[str, Any]) -> None:
        self._model = name(answer.get("model")) or self._model
        usage = part(answer, "usage")
        for key in ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"):
            value = count(usage.get(key))
            if value is not None:
                self._counts[key] = value


def _read(request: Request) -> Ask | None:
    if request.provider is None:
        # On a host that nobody knows, /messages may be anything: ask for the version and the form of the request.
        document = request.document
        if request.path["version"] != b"v1" or document is None or request.model is None:
            return None
        if not ("messages" in document and "max_tokens" in document):
            return None
    return Ask("chat", request.model, AnthropicAnswer)


API = ApiRow(
    path=rb"(?:(?P<version>v\d\w*)/)?messages",
    read=_read,
    wanted=frozenset({MODEL, ("messages",), ("max_tokens",)}),
)
