"""Anthropic's messages: docs.anthropic.com/en/api/messages, .../messages-streaming, .../creating-message-batches."""

from __future__ import annotations

import json
from typing import Any

import pytest

MESSAGE: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-4-5-20250929",
    "content": [{"type": "thinking", "thinking": "Hm", "signature": "s"}, {"type": "text", "text": "Hi! 🌍"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {
        "input_tokens": 2095,
        "cache_creation_input_tokens": 30,
        "cache_read_input_tokens": 100,
        "cache_creation": {"ephemeral_5m_input_tokens": 30, "ephemeral_1h_input_tokens": 0},
        "output_tokens": 503,
        "output_tokens_details": {"thinking_tokens": 44},
        "service_tier": "standard",
    },
}
START_USAGE = {key: value for key, value in MESSAGE["usage"].items() if key != "output_tokens_details"}
START = {**MESSAGE, "content": [], "stop_reason": None, "usage": {**START_USAGE, "output_tokens": 1}}
EVENTS: list[dict[str, Any]] = [
    {"type": "message_start", "message": START},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "ping"},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hel"}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "lo"}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": "{}"}},
    {"type": "content_block_stop", "index": 0},
    {
        "type": "message_delta",
        "delta": {"stop_reason": "end_turn", "stop_sequence": None},
        "usage": {"output_tokens": 503, "output_tokens_details": {"thinking_tokens": 44}},
    },
    {"type": "message_stop"},
]
REQUEST = {"model": "claude-sonnet-4-5", "max_tokens": 1024, "messages": [{"role": "user", "content": "Hello"}]}
EXPECTED = {
    "operation": "chat",
    "provider": "anthropic",
    "model": "claude-sonnet-4-5",
    "response_model": "claude-sonnet-4-5-20250929",
    "input_tokens": 2225,
    "cached_input_tokens": 100,
    "output_tokens": 503,
    "reasoning_tokens": 44,
}


def sse(events: list[dict[str, Any]]) -> bytes:
    return "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events).encode()


def test_a_message(checks: Any) -> None:
    checks("api.anthropic.com/v1/messages", REQUEST, json.dumps(MESSAGE).encode(), EXPECTED)


@pytest.mark.parametrize(
    ("url", "provider"),
    [
        ("me.services.ai.azure.com/anthropic/v1/messages", "azure-openai"),
        ("api.deepseek.com/anthropic/v1/messages", "deepseek"),
        ("openrouter.ai/api/v1/messages", "openrouter"),
    ],
)
def test_whoever_speaks_it(checks: Any, url: str, provider: str) -> None:
    checks(url, REQUEST, json.dumps(MESSAGE).encode(), {**EXPECTED, "provider": provider})


def test_a_stream(checks: Any) -> None:
    request = {**REQUEST, "stream": True}
    expected = {**EXPECTED, "streamed": True}
    checks("api.anthropic.com/v1/messages", request, sse(EVENTS), expected, "text/event-stream; charset=utf-8")


def test_a_stream_given_up_has_its_deltas_counted(checks: Any) -> None:
    expected = {
        **EXPECTED,
        "output_tokens": 3,
        "reasoning_tokens": None,
        "estimated": True,
        "streamed": True,
        "complete": False,
    }
    request = {**REQUEST, "stream": True}
    checks("api.anthropic.com/v1/messages", request, sse(EVENTS[:6]), expected, "text/event-stream")
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    checks("api.anthropic.com/v1/messages", request, sse([*EVENTS[:6], error]), expected, "text/event-stream")


def test_a_long_conversation_on_an_unknown_host_is_one(asks: Any) -> None:
    found = asks("llm.example.org/v1/messages", {**REQUEST, "messages": [{"content": "x" * 1_000}] * 100})
    assert (found.operation, found.model, found.provider) == ("chat", "claude-sonnet-4-5", "unknown")


def test_counting_tokens_is_no_inference(asks: Any) -> None:
    assert asks("api.anthropic.com/v1/messages/count_tokens", REQUEST) is None


def test_the_older_completions(checks: Any) -> None:
    request = {"model": "claude-2.1", "prompt": "\n\nHuman: Hi\n\nAssistant:", "max_tokens_to_sample": 9}
    answer = {
        "type": "completion",
        "id": "c",
        "completion": " Hi",
        "stop_reason": "stop_sequence",
        "model": "claude-2.1",
    }
    expected = {
        "operation": "completion",
        "provider": "anthropic",
        "model": "claude-2.1",
        "response_model": "claude-2.1",
    }
    checks("api.anthropic.com/v1/complete", request, json.dumps(answer).encode(), expected)
    pieces = [{**answer, "completion": text, "stop_reason": None} for text in ("a", "b")]
    streamed = {**expected, "output_tokens": 3, "estimated": True, "streamed": True}
    stream = {**request, "stream": True}
    checks("api.anthropic.com/v1/complete", stream, sse([*pieces, answer]), streamed, "text/event-stream")
