"""Ollama: github.com/ollama/ollama/blob/main/docs/api.md (chat, generate, embed, embeddings)."""

from __future__ import annotations

import json
from typing import Any

import pytest

DONE = {
    "done": True,
    "done_reason": "stop",
    "total_duration": 5191566416,
    "load_duration": 2154458,
    "prompt_eval_count": 26,
    "prompt_eval_duration": 383809000,
    "eval_count": 298,
    "eval_duration": 4799921000,
}
HEAD = {"model": "llama3.2:latest", "created_at": "2023-08-04T08:52:19.385406455-07:00"}
CHAT = {**HEAD, "message": {"role": "assistant", "content": "Hello! é 🌍"}, **DONE}
CHAT_STREAM: list[dict[str, Any]] = [
    {**HEAD, "message": {"role": "assistant", "content": "", "thinking": "Hm"}, "done": False},
    {**HEAD, "message": {"role": "assistant", "content": "Hel"}, "done": False},
    {**HEAD, "message": {"role": "assistant", "content": "lo 🌍"}, "done": False},
    {**HEAD, "message": {"role": "assistant", "content": ""}, **DONE},
]
GENERATE = {**HEAD, "response": "The sky", **DONE, "context": list(range(4_000))}
GENERATE_STREAM = [{**HEAD, "response": "The", "done": False}, {**HEAD, "response": " sky", "done": False}]
EXPECTED = {
    "operation": "chat",
    "provider": "local",
    "model": "llama3.2",
    "response_model": "llama3.2:latest",
    "input_tokens": 26,
    "output_tokens": 298,
}
ASK = {"model": "llama3.2", "messages": [{"role": "user", "content": "why"}]}
NDJSON = "application/x-ndjson"


def lines(events: list[Any]) -> bytes:
    return "".join(json.dumps(event, ensure_ascii=False, separators=(",", ":")) + "\n" for event in events).encode()


@pytest.mark.parametrize(("host", "provider"), [("localhost", "local"), ("ollama.com", "ollama")])
def test_chat(checks: Any, host: str, provider: str) -> None:
    expected = {**EXPECTED, "provider": provider}
    whole = json.dumps(CHAT).encode()
    checks(f"{host}/api/chat", {**ASK, "stream": False}, whole, expected, "application/json; charset=utf-8")


@pytest.mark.parametrize("content_type", [NDJSON, "application/json", ""])
def test_chat_streams_unless_told_not_to(checks: Any, content_type: str) -> None:
    checks("localhost/api/chat", ASK, lines(CHAT_STREAM), {**EXPECTED, "streamed": True}, content_type)


def test_a_stream_given_up_has_its_pieces_counted(checks: Any) -> None:
    expected = {
        **EXPECTED,
        "input_tokens": None,
        "output_tokens": 3,
        "estimated": True,
        "streamed": True,
        "complete": False,
    }
    checks("localhost/api/chat", ASK, lines(CHAT_STREAM[:3]) + b'{"model":"llama3.2:lat', expected, NDJSON)


def test_generate(checks: Any) -> None:
    expected = {**EXPECTED, "operation": "completion"}
    request = {"model": "llama3.2", "prompt": "why"}
    whole = json.dumps(GENERATE).encode()
    checks("localhost/api/generate", {**request, "stream": False}, whole, expected)
    answer = lines([*GENERATE_STREAM, GENERATE])
    checks("localhost/api/generate", request, answer, {**expected, "streamed": True}, NDJSON)
    one = lines([GENERATE])
    checks("localhost/api/generate", request, one, {**expected, "streamed": True}, NDJSON)


def test_embed(checks: Any) -> None:
    expected = {
        **EXPECTED,
        "operation": "embedding",
        "input_tokens": 8,
        "output_tokens": 0,
        "samples": 2,
    }
    answer = {"model": "llama3.2:latest", "embeddings": [[0.01] * 700] * 2, "total_duration": 1, "prompt_eval_count": 8}
    request = {"model": "llama3.2", "input": ["Why", "What"]}
    checks("localhost/api/embed", request, json.dumps(answer).encode(), expected)
    older = {**EXPECTED, "operation": "embedding", "input_tokens": None, "output_tokens": None, "samples": 1}
    answer = {"embedding": [0.5, 0.1]}
    checks(
        "localhost/api/embeddings",
        {"model": "llama3.2", "prompt": "Why"},
        json.dumps(answer).encode(),
        {**older, "response_model": None},
    )


@pytest.mark.parametrize(
    ("path", "request_body"),
    [
        ("api/generate", {"model": "llama3.2"}),
        ("api/generate", {"model": "llama3.2", "prompt": "", "keep_alive": 0}),
        ("api/chat", {"model": "llama3.2", "messages": []}),
        ("api/chat", {"messages": [{"content": "to an application of somebody's"}]}),
        ("api/chat", None),
        ("api/pull", {"model": "llama3.2"}),
        ("api/show", {"model": "llama3.2"}),
    ],
)
def test_what_is_no_inference(asks: Any, path: str, request_body: Any) -> None:
    assert asks(f"localhost/{path}", request_body) is None


def test_a_long_request_is_one(asks: Any) -> None:
    found = asks("localhost/api/generate", {"prompt": "why " * 20_000, "model": "llama3.2"})
    assert (found.operation, found.model) == ("completion", "llama3.2")
    found = asks("localhost/api/chat", {"messages": [{"content": "why " * 20_000}], "model": "llama3.2"})
    assert (found.operation, found.model) == ("chat", "llama3.2")
