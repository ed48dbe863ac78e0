"""Gemini, by AI Studio and by Vertex AI.

Shapes: ai.google.dev/api/generate-content (UsageMetadata), .../embeddings, .../interactions-api;
cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference, .../text-embeddings-api, .../imagen-api,
.../partner-models/claude/use-claude (rawPredict).
"""

from __future__ import annotations

import json
from typing import Any

import pytest

GENERATED = {
    "candidates": [
        {
            "content": {"parts": [{"text": 'Explaining, é 🌍 "usageMetadata": {'}], "role": "model"},
            "finishReason": "STOP",
            "index": 0,
        }
    ],
    "usageMetadata": {
        "promptTokenCount": 1400,
        "candidatesTokenCount": 60,
        "totalTokenCount": 1580,
        "cachedContentTokenCount": 1200,
        "thoughtsTokenCount": 100,
        "toolUsePromptTokenCount": 20,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 1400}],
    },
    "modelVersion": "gemini-2.5-flash",
    "responseId": "r1",
}
STREAM: list[dict[str, Any]] = [
    {
        "candidates": [{"content": {"parts": [{"text": "Once"}], "role": "model"}, "index": 0}],
        "usageMetadata": {"promptTokenCount": 7, "candidatesTokenCount": 1, "totalTokenCount": 8},
        "modelVersion": "gemini-2.5-flash",
    },
    {
        "candidates": [{"content": {"parts": [{"text": " upon"}], "role": "model"}, "index": 0}],
        "usageMetadata": {"promptTokenCount": 7, "candidatesTokenCount": 2, "totalTokenCount": 9},
        "modelVersion": "gemini-2.5-flash",
    },
    {
        "candidates": [
            {"content": {"parts": [{"text": " a time"}], "role": "model"}, "finishReason": "STOP", "index": 0}
        ],
        "usageMetadata": {
            "promptTokenCount": 7,
            "candidatesTokenCount": 11,
            "thoughtsTokenCount": 5,
            "totalTokenCount": 23,
        },
        "modelVersion": "gemini-2.5-flash",
    },
]
REQUEST = {"contents": [{"parts": [{"text": "Explain how AI works"}]}]}
STUDIO = "generativelanguage.googleapis.com/v1beta/models/"
VERTEX = "us-central1-aiplatform.googleapis.com/v1/projects/p/locations/us-central1/publishers/"
EXPECTED = {
    "operation": "chat",
    "provider": "google_genai",
    "model": "gemini-2.5-flash",
    "response_model": "gemini-2.5-flash",
    "input_tokens": 1420,
    "output_tokens": 160,
    "cached_input_tokens": 1200,
    "reasoning_tokens": 100,
}
STREAMED = {
    **EXPECTED,
    "input_tokens": 7,
    "output_tokens": 16,
    "cached_input_tokens": None,
    "reasoning_tokens": 5,
    "streamed": True,
}


def sse(events: list[Any]) -> bytes:
    return "".join(f"data: {json.dumps(event)}\r\n\r\n" for event in events).encode()


def array(events: list[dict[str, Any]], end: str = "\n]\n") -> bytes:
    return ("[" + "\n,\r\n".join(json.dumps(event, indent=2) for event in events) + end).encode()


@pytest.mark.parametrize(
    ("url", "provider"),
    [
        (STUDIO + "gemini-2.5-flash:generateContent", "google_genai"),
        (STUDIO + "gemini-2.5-flash:generateContent?key=k", "google_genai"),
        (VERTEX + "google/models/gemini-2.5-flash:generateContent", "vertex_ai"),
        ("aiplatform.googleapis.com/v1beta1/publishers/google/models/gemini-2.5-flash:generateContent", "vertex_ai"),
        ("localhost/v1beta/models/gemini-2.5-flash:generateContent", "local"),
    ],
)
def test_generate_content(checks: Any, url: str, provider: str) -> None:
    checks(url, REQUEST, json.dumps(GENERATED, ensure_ascii=False).encode(), {**EXPECTED, "provider": provider})


def test_thoughts_that_the_candidates_have_already_are_not_counted_twice(reads: Any, asks: Any) -> None:
    usage = {"promptTokenCount": 10, "candidatesTokenCount": 30, "thoughtsTokenCount": 20, "totalTokenCount": 40}
    answer = json.dumps({**GENERATED, "usageMetadata": usage}).encode()
    record = reads(asks(STUDIO + "gemini-2.5-flash:generateContent", REQUEST), [answer], "application/json", {})
    assert (record["output_tokens"], record["reasoning_tokens"]) == (30, 20)


def test_a_stream_of_events(checks: Any) -> None:
    url = STUDIO + "gemini-2.5-flash:streamGenerateContent?alt=sse"
    checks(url, REQUEST, sse(STREAM), STREAMED, "text/event-stream")


@pytest.mark.parametrize("content_type", ["application/json; charset=UTF-8", ""])
def test_a_stream_that_is_one_growing_array(checks: Any, content_type: str) -> None:
    checks(STUDIO + "gemini-2.5-flash:streamGenerateContent", REQUEST, array(STREAM), STREAMED, content_type)


def test_a_stream_given_up_has_what_had_come(checks: Any) -> None:
    url = STUDIO + "gemini-2.5-flash:streamGenerateContent"
    expected = {
        **STREAMED,
        "output_tokens": 2,
        "reasoning_tokens": None,
        "estimated": True,
        "complete": False,
    }
    checks(url, REQUEST, array(STREAM[:2], end="\n,\r\n{"), expected)
    checks(url + "?alt=sse", REQUEST, sse(STREAM[:2]) + b'data: {"cand', expected, "text/event-stream")


@pytest.mark.parametrize("form", [sse, array])
def test_a_last_piece_of_any_size_ends_the_stream(checks: Any, form: Any) -> None:
    last = json.loads(json.dumps(STREAM[2]))
    last["candidates"][0]["content"]["parts"] += [{"text": "", "thoughtSignature": "s{[\\" * 4_000}]
    checks(
        STUDIO + "gemini-2.5-flash:streamGenerateContent",
        REQUEST,
        form([*STREAM[:2], last]),
        STREAMED,
        "text/event-stream" if form is sse else "application/json",
    )


def embedding(provider: str, **more: Any) -> dict[str, Any]:
    return {"operation": "embedding", "provider": provider, "model": "gemini-embedding-001", **more}


def test_embeddings(checks: Any) -> None:
    one = {"embedding": {"values": [0.013168523, -0.00871], "shape": [2]}}
    url = STUDIO + "gemini-embedding-001:embedContent"
    request = {"model": "models/gemini-embedding-001", "content": {"parts": [{"text": "What"}]}}
    checks(url, request, json.dumps(one).encode(), embedding("google_genai", samples=1))
    told = {**one, "usageMetadata": {"promptTokenCount": 4, "totalTokenCount": 4}}
    counts = {"input_tokens": 4, "output_tokens": 0}
    checks(url, request, json.dumps(told).encode(), embedding("google_genai", samples=1, **counts))
    many = {"embeddings": [{"values": [0.1] * 768} for _ in range(3)]}
    url = STUDIO + "gemini-embedding-001:batchEmbedContents"
    checks(url, {"requests": [request] * 3}, json.dumps(many).encode(), embedding("google_genai", samples=3))
    assert len(json.dumps(many)) < 20_000


@pytest.mark.parametrize("size", [2, 768])
def test_vertex_embeddings_count_tokens_by_text(checks: Any, size: int) -> None:
    predictions = [
        {"embeddings": {"statistics": {"truncated": False, "token_count": count}, "values": [0.5] * size}}
        for count in (3, 4, 5)
    ]
    answer = {"predictions": predictions, "metadata": {"billableCharacterCount": 33}}
    request = {"instances": [{"content": "a"}, {"content": "b"}, {"content": "c"}]}
    expected = embedding("vertex_ai", samples=3, input_tokens=12, output_tokens=0)
    checks(VERTEX + "google/models/gemini-embedding-001:predict", request, json.dumps(answer).encode(), expected)


def test_imagen(checks: Any) -> None:
    expected = {"operation": "image", "provider": "vertex_ai", "model": "imagen-4.0-generate-001", "samples": 2}
    request = {"instances": [{"prompt": "a cat"}], "parameters": {"sampleCount": 2}}
    answer = {"predictions": [{"bytesBase64Encoded": "aGk=", "mimeType": "image/png"}] * 2}
    checks(VERTEX + "google/models/imagen-4.0-generate-001:predict", request, json.dumps(answer).encode(), expected)


def test_a_model_server_that_predicts(checks: Any) -> None:
    expected = {"operation": "inference", "provider": "local", "model": "half_plus_two", "samples": 3}
    answer = json.dumps({"predictions": [2.5, 3.0, 4.5]}).encode()
    checks("localhost/v1/models/half_plus_two:predict", {"instances": [[1.0], [2.0], [5.0]]}, answer, expected)


CLAUDE = {"id": "msg", "type": "message", "model": "claude-sonnet-4", "usage": {"input_tokens": 5, "output_tokens": 6}}


def test_other_makers_models_on_vertex(checks: Any) -> None:
    request = {"anthropic_version": "vertex-2023-10-16", "messages": [{}], "max_tokens": 9}
    expected = {
        "operation": "chat",
        "provider": "vertex_ai",
        "model": "claude-sonnet-4@20250514",
        "response_model": "claude-sonnet-4",
        "input_tokens": 5,
        "output_tokens": 6,
    }
    url = VERTEX + "anthropic/models/claude-sonnet-4%4020250514:"
    checks(url + "rawPredict", request, json.dumps(CLAUDE).encode(), expected)
    events = [
        {"type": "message_start", "message": {**CLAUDE, "usage": {"input_tokens": 5, "output_tokens": 1}}},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 6}},
        {"type": "message_stop"},
    ]
    checks(url + "streamRawPredict", request, sse(events), {**expected, "streamed": True}, "text/event-stream")
    mistral = {"model": "mistral-large", "usage": {"prompt_tokens": 5, "completion_tokens": 6, "total_tokens": 11}}
    checks(
        VERTEX + "mistralai/models/mistral-large-2411:rawPredict",
        {"model": "mistral-large", "messages": [{}]},
        json.dumps(mistral).encode(),
        {**expected, "model": "mistral-large-2411", "response_model": "mistral-large"},
    )


@pytest.mark.parametrize(
    "url",
    [
        STUDIO + "gemini-2.5-flash:countTokens",
        VERTEX + "google/models/gemini-2.5-flash:computeTokens",
        VERTEX + "anthropic/models/count-tokens:rawPredict",
        "generativelanguage.googleapis.com/v1beta/cachedContents",
        "example.org/v1beta/interactions",
    ],
)
def test_what_is_no_inference(asks: Any, url: str) -> None:
    assert asks(url, REQUEST) is None


INTERACTION = {
    "id": "i1",
    "object": "interaction",
    "status": "completed",
    "model": "gemini-2.5-flash",
    "created": "2026-01-01T00:00:00Z",
    "updated": "2026-01-01T00:00:00Z",
    "usage": {
        "total_tokens": 60,
        "total_input_tokens": 20,
        "total_output_tokens": 25,
        "total_thought_tokens": 10,
        "total_cached_tokens": 8,
        "total_tool_use_tokens": 5,
    },
}


def test_interactions(checks: Any) -> None:
    url = "generativelanguage.googleapis.com/v1beta/interactions"
    expected = {
        **EXPECTED,
        "input_tokens": 25,
        "output_tokens": 35,
        "cached_input_tokens": 8,
        "reasoning_tokens": 10,
    }
    request = {"model": "gemini-2.5-flash", "input": "Hello"}
    checks(url, request, json.dumps(INTERACTION).encode(), expected)
    events: list[dict[str, Any]] = [
        {"event_type": "interaction.created", "interaction": {"id": "i1", "status": "in_progress"}},
        {"event_type": "step.delta", "index": 0, "delta": {"type": "text", "text": "Hi"}},
        {"event_type": "interaction.completed", "interaction": INTERACTION},
    ]
    stream = {**request, "stream": True}
    checks(url, stream, sse(events), {**expected, "streamed": True}, "text/event-stream")
    given_up = {
        "operation": "chat",
        "provider": "google_genai",
        "model": "gemini-2.5-flash",
        "streamed": True,
        "output_tokens": 1,
        "estimated": True,
        "complete": False,
    }
    checks(url, stream, sse(events[:2]), given_up, "text/event-stream")
    agent = {**given_up, "model": "deep-research-preview"}
    checks(url, {"agent": "deep-research-preview", "stream": True}, sse(events[:2]), agent, "text/event-stream")
