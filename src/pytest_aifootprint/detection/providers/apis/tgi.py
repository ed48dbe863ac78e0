"""Hugging Face's servers, wherever they run: TGI (generation) and TEI (embeddings, classification)."""

from __future__ import annotations

from pytest_aifootprint.detection.providers.api import ApiRow, Ask, Request
from pytest_aifootprint.detection.providers.apis.huggingface import HuggingFaceAnswer

_OPERATIONS = {
    b"generate": "completion",
    b"generate_stream": "completion",
    b"embed": "embedding",
    b"embed_all": "embedding",
    b"embed_sparse": "embedding",
    b"predict": "classification",
}


def _read(request: Request) -> Ask | None:
    if not request.has("inputs"):
        # Anybody may have a /generate: the form of the request tells.
        return None
    operation = _OPERATIONS[request.path["verb"]]
    samples = None if operation == "completion" else request.items("inputs")
    return Ask(operation, request.model, HuggingFaceAnswer, request.path["verb"] == b"generate_stream", samples)


API = ApiRow(
    path=rb"(?<=\A/)(?P<verb>generate|generate_stream|embed|embed_all|embed_sparse|predict)",
    ends=frozenset(_OPERATIONS),
    read=_read,
    counted=frozenset({"inputs"}),
)
