"""Reasoning is a part of the output, whoever tells it and however.

Shapes: as in the tests of each API; Gemini behind gateways: github mozilla-ai/any-llm#1290 and
router-for-me/CLIProxyAPI#5733.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

CHAT = {"model": "m", "messages": []}
GEMINI = "generativelanguage.googleapis.com/v1beta/models/gemini-2.5-flash:generateContent"
INTERACTION = "generativelanguage.googleapis.com/v1/interactions"
CONVERSE = "bedrock-runtime.us-east-1.amazonaws.com/model/m/converse"
INVOKE = "bedrock-runtime.us-east-1.amazonaws.com/model/anthropic.claude-x/invoke"


@pytest.mark.parametrize(
    ("url", "answer", "output", "reasoning"),
    [
        # Inside of the output already.
        (
            "api.openai.com/v1/chat/completions",
            {"usage": {"prompt_tokens": 10, "completion_tokens": 50, "total_tokens": 60,
                       "completion_tokens_details": {"reasoning_tokens": 40}}},
            50, 40,
        ),
        (
            "api.openai.com/v1/responses",
            {"usage": {"input_tokens": 10, "output_tokens": 50, "total_tokens": 60,
                       "output_tokens_details": {"reasoning_tokens": 40}}},
            50, 40,
        ),
        (
            "api.deepseek.com/chat/completions",
            {"usage": {"prompt_tokens": 10, "completion_tokens": 50, "total_tokens": 60, "prompt_cache_hit_tokens": 3,
                       "completion_tokens_details": {"reasoning_tokens": 40}}},
            50, 40,
        ),
        ("api.mistral.ai/v1/chat/completions",
         {"usage": {"prompt_tokens": 10, "completion_tokens": 50, "total_tokens": 60}}, 50, None),
        ("api.groq.com/openai/v1/chat/completions",
         {"usage": {"prompt_tokens": 10, "completion_tokens": 50, "total_tokens": 60,
                    "completion_tokens_details": {"reasoning_tokens": 40}}}, 50, 40),
        ("openrouter.ai/api/v1/chat/completions",
         {"usage": {"prompt_tokens": 10, "completion_tokens": 50, "total_tokens": 60,
                    "completion_tokens_details": {"reasoning_tokens": 40}}}, 50, 40),
        ("api.perplexity.ai/chat/completions",
         {"usage": {"prompt_tokens": 10, "completion_tokens": 50, "total_tokens": 60, "reasoning_tokens": 40}}, 50, 40),
        ("api.anthropic.com/v1/messages", {"usage": {"input_tokens": 10, "output_tokens": 50,
                                                     "output_tokens_details": {"thinking_tokens": 40}}}, 50, 40),
        (CONVERSE, {"usage": {"inputTokens": 10, "outputTokens": 50, "totalTokens": 60}}, 50, None),
        (INVOKE, {"usage": {"input_tokens": 10, "output_tokens": 50, "output_tokens_details": {"thinking_tokens": 40}}},
         50, 40),
        ("api.cohere.com/v2/chat", {"usage": {"tokens": {"input_tokens": 10, "output_tokens": 50}}}, 50, None),
        ("localhost/api/chat", {"prompt_eval_count": 10, "eval_count": 50, "done": True}, 50, None),
        # Beside it.
        (GEMINI, {"usageMetadata": {"promptTokenCount": 10, "candidatesTokenCount": 10, "thoughtsTokenCount": 40,
                                    "totalTokenCount": 60}}, 50, 40),
        (GEMINI, {"usageMetadata": {"promptTokenCount": 10, "candidatesTokenCount": 10, "thoughtsTokenCount": 40}},
         50, 40),
        (GEMINI, {"usageMetadata": {"promptTokenCount": 10, "thoughtsTokenCount": 40, "totalTokenCount": 50}}, 40, 40),
        (INTERACTION, {"usage": {"total_input_tokens": 10, "total_output_tokens": 10, "total_thought_tokens": 40}},
         50, 40),
        ("api.x.ai/v1/chat/completions",
         {"usage": {"prompt_tokens": 10, "completion_tokens": 10, "total_tokens": 60,
                    "completion_tokens_details": {"reasoning_tokens": 40}}}, 50, 40),
        # Gemini behind a gateway: nowhere but in the total.
        ("gateway.example/v1/chat/completions",
         {"model": "gemini-2.5-flash", "usage": {"prompt_tokens": 20, "completion_tokens": 198, "total_tokens": 623}},
         603, 405),
        ("gateway.example/v1/chat/completions",
         {"model": "gemini-2.5-flash", "usage": {"prompt_tokens": 21, "completion_tokens": 0, "total_tokens": 81,
                                                 "completion_tokens_details": {"reasoning_tokens": 60}}}, 60, 60),
        ("gateway.example/v1/chat/completions",
         {"model": "gemini-2.5-flash", "usage": {"prompt_tokens": 20, "completion_tokens": 198, "total_tokens": 218}},
         198, None),
        ("gateway.example/v1/chat/completions",
         {"model": "another", "usage": {"prompt_tokens": 20, "completion_tokens": 198, "total_tokens": 623}},
         198, None),
    ],
)  # fmt: skip
def test_reasoning_is_counted_once_and_within_the_output(
    reads: Any, asks: Any, url: str, answer: dict[str, Any], output: int, reasoning: int | None
) -> None:
    body = {**CHAT, "contents": [], "input": "x", "max_tokens": 1}
    said = {"model": "m", **answer}
    if "api/chat" in url:
        said["message"] = {"role": "assistant", "content": "x"}
        body["messages"] = [{"role": "user", "content": "x"}]
    record = reads(asks(url, body), [json.dumps(said).encode()], "application/json", {})

    assert (record["output_tokens"], record["reasoning_tokens"]) == (output, reasoning)


@pytest.mark.parametrize(
    ("url", "usage", "tokens"),
    [
        # OpenAI's whisper tells seconds, its other models tokens (openai 3.54, types/audio/transcription.py).
        ("api.openai.com/v1/audio/transcriptions", {"type": "duration", "seconds": 27}, (None, None)),
        ("api.openai.com/v1/audio/transcriptions",
         {"type": "tokens", "input_tokens": 14, "output_tokens": 45, "total_tokens": 59}, (14, 45)),
        # Mistral tells both (docs.rs/rig-core, providers/mistral/transcription.rs).
        ("api.mistral.ai/v1/audio/transcriptions",
         {"prompt_audio_seconds": 203, "prompt_tokens": 4, "completion_tokens": 35, "total_tokens": 39}, (4, 35)),
        ("api.openai.com/v1/audio/speech", {"characters": 500, "minutes": 2, "seconds": 120}, (None, None)),
    ],
)  # fmt: skip
def test_seconds_and_characters_of_a_sound_are_no_tokens(
    reads: Any, asks: Any, url: str, usage: dict[str, Any], tokens: tuple[int | None, int | None]
) -> None:
    found = asks(url, {"model": "voxtral-mini-latest", "input": "x" * 500})
    record = reads(found, [json.dumps({"text": "Hi", "usage": usage}).encode()], "application/json", {})

    assert record["operation"] == "audio"
    assert (record["input_tokens"], record["output_tokens"]) == tokens
