"""Cohere: docs.cohere.com/reference/chat, chat-stream, chat-v1, generate, embed, rerank, classify."""

from __future__ import annotations

import json
from typing import Any

import pytest

USAGE = {
    "billed_units": {"input_tokens": 5, "output_tokens": 418},
    "tokens": {"input_tokens": 71, "output_tokens": 420},
    "cached_tokens": 64,
}
CHAT_V2 = {
    "id": "c1",
    "finish_reason": "COMPLETE",
    "message": {"role": "assistant", "content": [{"type": "text", "text": "LLMs stand for é"}]},
    "usage": USAGE,
}
EVENTS_V2: list[dict[str, Any]] = [
    {"id": "c1", "type": "message-start", "delta": {"message": {"role": "assistant", "content": []}}},
    {"type": "content-start", "index": 0, "delta": {"message": {"content": {"type": "text", "text": ""}}}},
    {"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": "LLM"}}}},
    {"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": "s"}}}},
    {"type": "content-end", "index": 0},
    {"type": "message-end", "delta": {"finish_reason": "COMPLETE", "usage": USAGE}},
]
META = {"api_version": {"version": "1"}, **{key: USAGE[key] for key in ("billed_units", "tokens")}}
CHAT_V1 = {"response_id": "r", "text": "Hi", "generation_id": "g", "finish_reason": "COMPLETE", "meta": META}
EVENTS_V1: list[dict[str, Any]] = [
    {"is_finished": False, "event_type": "stream-start", "generation_id": "g"},
    {"is_finished": False, "event_type": "text-generation", "text": "H"},
    {"is_finished": False, "event_type": "text-generation", "text": "i"},
    {"is_finished": True, "event_type": "stream-end", "finish_reason": "COMPLETE", "response": CHAT_V1},
]
EMBED = {
    "id": "e",
    "embeddings": {"float": [[0.016296387] * 700, [0.1] * 700]},
    "texts": ["hello", "goodbye"],
    "meta": {"api_version": {"version": "2"}, "billed_units": {"input_tokens": 2}},
}
RERANK = {
    "id": "r",
    "results": [{"index": 1, "relevance_score": 0.99}, {"index": 0, "relevance_score": 0.1}],
    "meta": {"api_version": {"version": "2"}, "billed_units": {"search_units": 1}},
}
CLASSIFY = {
    "id": "k",
    "classifications": [
        {
            "id": "a",
            "input": "x",
            "prediction": "spam",
            "predictions": ["spam"],
            "confidence": 0.9,
            "confidences": [0.9],
        }
    ],
    "meta": {"api_version": {"version": "1"}, "billed_units": {"classifications": 1}},
}
ASK = {"model": "command-a-03-2025", "messages": [{"role": "user", "content": "What"}]}
EXPECTED = {
    "operation": "chat",
    "provider": "cohere",
    "model": "command-a-03-2025",
    "input_tokens": 71,
    "output_tokens": 420,
    "cached_input_tokens": 64,
}


def sse(events: list[dict[str, Any]]) -> bytes:
    return "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events).encode()


def lines(events: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(event) + "\n" for event in events).encode()


def test_chat_v2(checks: Any) -> None:
    checks("api.cohere.com/v2/chat", ASK, json.dumps(CHAT_V2).encode(), EXPECTED)
    request = {**ASK, "stream": True}
    checks("api.cohere.com/v2/chat", request, sse(EVENTS_V2), {**EXPECTED, "streamed": True}, "text/event-stream")
    given_up = {
        **EXPECTED,
        "input_tokens": None,
        "output_tokens": 2,
        "cached_input_tokens": None,
        "streamed": True,
        "estimated": True,
        "complete": False,
    }
    checks("api.cohere.com/v2/chat", request, sse(EVENTS_V2[:4]), given_up, "text/event-stream")


@pytest.mark.parametrize("content_type", ["application/stream+json", "application/json", ""])
def test_chat_v1(checks: Any, content_type: str) -> None:
    expected = {**EXPECTED, "cached_input_tokens": None}
    request = {"model": "command-a-03-2025", "message": "What"}
    if content_type != "application/stream+json":
        checks("api.cohere.com/v1/chat", request, json.dumps(CHAT_V1).encode(), expected, content_type)
    stream = {**request, "stream": True}
    checks("api.cohere.com/v1/chat", stream, lines(EVENTS_V1), {**expected, "streamed": True}, content_type)
    given_up = {**expected, "input_tokens": None, "output_tokens": 2, "estimated": True, "complete": False}
    checks(
        "api.cohere.com/v1/chat", stream, lines(EVENTS_V1[:3]) + b'{"is_f', {**given_up, "streamed": True}, content_type
    )


def test_generate_v1(checks: Any) -> None:
    request = {"model": "command", "prompt": "Once"}
    answer = {"id": "g", "generations": [{"id": "h", "text": "upon"}], "prompt": "Once", "meta": META}
    expected = {**EXPECTED, "operation": "completion", "model": "command", "cached_input_tokens": None}
    checks("api.cohere.ai/v1/generate", request, json.dumps(answer).encode(), expected)
    events: list[dict[str, Any]] = [
        {"text": "u", "is_finished": False},
        {"text": "pon", "is_finished": False},
        {"is_finished": True, "finish_reason": "COMPLETE", "response": {"id": "g", "meta": META}},
    ]
    stream = {**request, "stream": True}
    checks(
        "api.cohere.ai/v1/generate", stream, lines(events), {**expected, "streamed": True}, "application/stream+json"
    )
    given_up = {**expected, "input_tokens": None, "output_tokens": 2, "estimated": True, "complete": False}
    checks("api.cohere.ai/v1/generate", stream, lines(events[:2]), {**given_up, "streamed": True})


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_embed(checks: Any, version: str) -> None:
    expected = {
        "operation": "embedding",
        "provider": "cohere",
        "model": "embed-v4.0",
        "input_tokens": 2,
        "output_tokens": 0,
        "samples": 2,
    }
    request = {"model": "embed-v4.0", "texts": ["hello", "goodbye"], "input_type": "classification"}
    checks(f"api.cohere.com/{version}/embed", request, json.dumps(EMBED).encode(), expected)
    images = {"model": "embed-v4.0", "images": ["data:image/png;base64,aGk="]}
    answer = {**EMBED, "meta": {"billed_units": {"images": 1, "image_tokens": 9}}}
    checks(
        f"api.cohere.com/{version}/embed",
        images,
        json.dumps(answer).encode(),
        {**expected, "samples": 1, "input_tokens": 9},
    )


def test_rerank_is_billed_by_the_search(checks: Any) -> None:
    request = {"model": "rerank-v3.5", "query": "q", "documents": ["a", "b"], "top_n": 2}
    expected = {"operation": "rerank", "provider": "cohere", "model": "rerank-v3.5", "samples": 2}
    checks("api.cohere.com/v2/rerank", request, json.dumps(RERANK).encode(), expected)


def test_classify(checks: Any) -> None:
    request = {"model": "embed-english-v3.0", "inputs": ["x"], "examples": [{"text": "y", "label": "spam"}]}
    expected = {"operation": "classification", "provider": "cohere", "model": "embed-english-v3.0", "samples": 1}
    checks("api.cohere.com/v1/classify", request, json.dumps(CLASSIFY).encode(), expected)


@pytest.mark.parametrize("url", ["api.cohere.com/v1/tokenize", "api.cohere.com/v1/models", "example.org/v2/chat"])
def test_what_is_no_inference(asks: Any, url: str) -> None:
    assert asks(url, {**ASK, "text": "x"}) is None
