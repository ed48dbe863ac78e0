"""Gemini's interactions: model or agent in the body, steps in the stream."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_aifootprint.detection.providers.api import ApiRow, Ask, Request
from pytest_aifootprint.detection.providers.usage import Answer, first, name, part, together, word


class InteractionsAnswer(Answer):
    """Reads ``usage``, whose totals leave thoughts out of the output and tool use out of the input."""

    wanted = frozenset(
        {
            ("event_type",),
            ("model",),
            ("usage",),
            ("interaction", "model"),
            ("interaction", "usage"),
        }
    )

    def event(self, event: Mapping[str, Any]) -> None:
        """The last event has the whole interaction."""
        super().event(event)
        self.read(part(event, "interaction"))
        kind = word(event, "event_type")
        self.chunks += kind == "step.delta"
        self.complete = self.complete or kind in {"interaction.completed", "interaction.failed"}
        self.final = self.complete and self.found.output_tokens is not None

    def read(self, answer: Mapping[str, Any]) -> None:
        """Model and counts."""
        found = self.found
        found.model = name(answer.get("model")) or found.model
        usage = part(answer, "usage")
        if not usage:
            return
        found.input_tokens = together(first(usage, "total_input_tokens"), first(usage, "total_tool_use_tokens"))
        found.reasoning_tokens = first(usage, "total_thought_tokens")
        found.output_tokens = together(first(usage, "total_output_tokens"), found.reasoning_tokens)
        found.cached_input_tokens = first(usage, "total_cached_tokens")


def _read(request: Request) -> Ask:
    model = request.model or request.named(request.document.get("agent"))
    return Ask("chat", model, InteractionsAnswer, request.streamed)


API = ApiRow(
    path=rb"interactions",
    ends=frozenset({b"interactions"}),
    read=_read,
    providers=frozenset({"google_genai", "vertex_ai"}),
    wanted=frozenset({("model",), ("stream",), ("agent",)}),
)
