"""Ollama's own API. It streams a document a line unless told not to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_aifootprint.detection.providers.api import ApiRow, Ask, Request
from pytest_aifootprint.detection.providers.usage import Answer, first, name, part


class OllamaAnswer(Answer):
    """Reads ``prompt_eval_count`` and ``eval_count``, which stand in the last document of a stream."""

    wanted = frozenset(
        {
            ("model",),
            ("done",),
            ("prompt_eval_count",),
            ("eval_count",),
        }
    )

    def event(self, event: Mapping[str, Any]) -> None:
        """A piece of text, or the end."""
        super().event(event)
        message = part(event, "message")
        texts = (event.get("response"), event.get("thinking"), message.get("content"), message.get("thinking"))
        self.chunks += any(texts) or bool(message.get("tool_calls"))
        self.complete = self.complete or event.get("done") is True
        self.final = self.found.output_tokens is not None

    def read(self, answer: Mapping[str, Any]) -> None:
        """Model and counts."""
        found = self.found
        found.model = name(answer.get("model")) or found.model
        into, out = first(answer, "prompt_eval_count"), first(answer, "eval_count")
        found.input_tokens = into if into is not None else found.input_tokens
        found.output_tokens = out if out is not None else found.output_tokens


_OPERATIONS = {b"chat": "chat", b"generate": "completion"}
# A request without any of these only loads or unloads the model.
_CONTENT = {
    b"chat": ("messages",),
    b"generate": ("prompt", "images", "suffix"),
    b"embed": ("input",),
    b"embeddings": ("prompt",),
}


def _read(request: Request) -> Ask | None:
    verb = request.path["verb"]
    formed = request.model is not None and any(request.has(key) for key in _CONTENT[verb])
    if not formed and (request.body is not None or request.provider != "ollama"):
        # Many a web application has an /api/chat: ask for the form of the request.
        return None
    operation = _OPERATIONS.get(verb, "embedding")
    samples = request.items(*_CONTENT[verb]) if operation == "embedding" else None
    streamed = operation != "embedding" and request.document.get("stream") is not False
    return Ask(operation, request.model, OllamaAnswer, streamed, samples)


API = ApiRow(
    path=rb"api/(?P<verb>chat|generate|embed|embeddings)",
    ends=frozenset({b"chat", b"generate", b"embed", b"embeddings"}),
    read=_read,
    counted=frozenset({"messages", "prompt", "images", "suffix", "input"}),
)
