"""What Mistral's API has beyond OpenAI's: fill-in-the-middle, agents, conversations, OCR, classifiers.

Its SDK marks a stream by a fragment (``/v1/chat/completions#stream``), which is no part of the path.
"""

from __future__ import annotations

from pytest_aifootprint.detection.providers.api import ApiRow, Ask, Request
from pytest_aifootprint.detection.providers.apis.openai import OpenAIAnswer

_OPERATIONS = {
    b"fim/completions": "completion",
    b"ocr": "inference",
    b"classifications": "classification",
    b"chat/classifications": "classification",
    b"chat/moderations": "moderation",
}


def _read(request: Request) -> Ask:
    operation = _OPERATIONS.get(request.path["verb"], "chat")
    samples = request.items("input") if operation in {"classification", "moderation"} else None
    # An agent has its model at the provider's: the answer may tell it.
    return Ask(operation, request.model, OpenAIAnswer, request.streamed, samples)


API = ApiRow(
    path=rb"v1/(?P<verb>fim/completions|agents/completions|conversations(?:/[^/]+(?:/restart)?)?|ocr"
    rb"|classifications|chat/(?:classifications|moderations))",
    ends=frozenset({b"completions", b"conversations", b"restart", b"ocr", b"classifications", b"moderations"}),
    begins=(b"/v1/conversations/",),
    read=_read,
    providers=frozenset({"mistralai"}),
)
