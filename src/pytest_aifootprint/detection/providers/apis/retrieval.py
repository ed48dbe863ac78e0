"""Rerankers, classifiers and the embedders of more than texts, as Voyage, Jina, Together, vLLM and others have them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_aifootprint.detection.providers.api import ApiRow, Ask, Request
from pytest_aifootprint.detection.providers.apis.openai import OpenAIAnswer
from pytest_aifootprint.detection.providers.usage import first, part

_OPERATIONS = {b"rerank": "rerank", b"reranking": "rerank", b"score": "rerank", b"classify": "classification"}
_INPUTS = ("documents", "texts", "text_2", "input", "inputs")


class RetrievalAnswer(OpenAIAnswer):
    """Reads OpenAI's ``usage``, or Cohere's ``meta`` where somebody else speaks its protocol."""

    wanted = OpenAIAnswer.wanted | {("meta",)}

    def read(self, answer: Mapping[str, Any]) -> None:
        """Model and counts."""
        super().read(answer)
        if self.found.input_tokens is None:
            meta = part(answer, "meta")
            self.found.input_tokens = first(part(meta, "tokens"), "input_tokens")


def _read(request: Request) -> Ask | None:
    operation = _OPERATIONS.get(request.path["verb"], "embedding")
    if request.provider is None and (request.model is None or not any(request.has(key) for key in _INPUTS)):
        # On a host that nobody knows, /v1/classify may be anything: ask for a model and its inputs.
        return None
    return Ask(operation, request.model, RetrievalAnswer, samples=request.items(*_INPUTS))


API = ApiRow(
    path=rb"(?:v[12]/)?(?P<verb>rerank|reranking|score|classify|multimodalembeddings|contextualizedembeddings"
    rb"|multi-vector)",
    ends=frozenset(
        {
            b"rerank",
            b"reranking",
            b"score",
            b"classify",
            b"multimodalembeddings",
            b"contextualizedembeddings",
            b"multi-vector",
        }
    ),
    read=_read,
    counted=frozenset(_INPUTS),
)
