"""Cohere's API, versions 1 and 2."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_aifootprint.detection.providers.api import ApiRow, Ask, Request
from pytest_aifootprint.detection.providers.usage import Answer, first, name, part, word

_DELTAS = frozenset(
    {
        "content-delta",
        "tool-plan-delta",
        "tool-call-delta",
        "text-generation",
        "tool-calls-chunk",
    }
)


class CohereAnswer(Answer):
    """Reads ``usage`` (version 2) or ``meta`` (version 1): ``tokens`` were processed, ``billed_units`` are fewer.

    Version 2 streams server-sent events, version 1 a document a line.
    """

    wanted = frozenset(
        {
            ("type",),
            ("event_type",),
            ("is_finished",),
            ("model",),
            ("usage",),
            ("meta",),
            ("delta", "usage"),
            ("response", "meta"),
        }
    )

    def event(self, event: Mapping[str, Any]) -> None:
        """The last has the counts."""
        super().event(event)
        self.read(part(event, "delta"))
        self.read(part(event, "response"))
        kind = word(event, "type") or word(event, "event_type")
        # The older generate has no kinds of events, only texts.
        self.chunks += kind in _DELTAS or (not kind and bool(event.get("text")))
        self.complete = self.complete or kind in {"message-end", "stream-end"} or event.get("is_finished") is True
        self.final = self.complete and self.found.output_tokens is not None

    def read(self, answer: Mapping[str, Any]) -> None:
        """Counts; answers name no model, except where others serve them."""
        found = self.found
        found.model = name(answer.get("model")) or found.model
        usage = part(answer, "usage") or part(answer, "meta")
        if not usage:
            return
        tokens, billed = part(usage, "tokens"), part(usage, "billed_units")
        into, out = first(tokens, "input_tokens"), first(tokens, "output_tokens")
        found.input_tokens = into if into is not None else first(billed, "input_tokens", "image_tokens")
        found.output_tokens = out if out is not None else first(billed, "output_tokens")
        found.cached_input_tokens = first(usage, "cached_tokens")


_OPERATIONS = {
    b"chat": "chat",
    b"summarize": "completion",
    b"generate": "completion",
    b"embed": "embedding",
    b"rerank": "rerank",
    b"classify": "classification",
}
_INPUTS = ("documents", "texts", "inputs", "images")


def _read(request: Request) -> Ask:
    operation = _OPERATIONS[request.path["verb"]]
    samples = request.items(*_INPUTS) if operation in {"embedding", "rerank", "classification"} else None
    return Ask(operation, request.model, CohereAnswer, request.streamed, samples)


API = ApiRow(
    path=rb"v[12]/(?P<verb>chat|generate|summarize|embed|rerank|classify)",
    ends=frozenset({b"chat", b"generate", b"summarize", b"embed", b"rerank", b"classify"}),
    read=_read,
    providers=frozenset({"cohere"}),
    counted=frozenset(_INPUTS),
)
