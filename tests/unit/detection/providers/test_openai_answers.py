"""OpenAI's answers, and those of everybody who speaks its protocol.

Shapes: platform.openai.com/docs/api-reference (chat, completions, responses, embeddings, moderations, images, audio);
learn.microsoft.com/azure/ai-services/openai/reference and rest/api/aifoundry/model-inference; docs.x.ai,
docs.perplexity.ai, console.groq.com/docs/api-reference, api-docs.deepseek.com, openrouter.ai/docs/api-reference.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

CHAT = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1741569952,
    "model": "gpt-4.1-2025-04-14",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Hello! é 🌍", "refusal": None, "annotations": []},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ],
    "usage": {
        "prompt_tokens": 19,
        "completion_tokens": 10,
        "total_tokens": 29,
        "prompt_tokens_details": {"cached_tokens": 5, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 4,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    },
    "service_tier": "default",
}
RESPONSE = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1741476542,
    "status": "completed",
    "error": None,
    "incomplete_details": None,
    "instructions": None,
    "max_output_tokens": None,
    "model": "gpt-4.1-2025-04-14",
    "output": [
        {
            "type": "message",
            "id": "msg_1",
            "status": "completed",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "In a quiet grove", "annotations": []}],
        }
    ],
    "parallel_tool_calls": True,
    "temperature": 1.0,
    "tool_choice": "auto",
    "tools": [],
    "top_p": 1.0,
    "usage": {
        "input_tokens": 36,
        "input_tokens_details": {"cached_tokens": 6, "cache_write_tokens": 3},
        "output_tokens": 87,
        "output_tokens_details": {"reasoning_tokens": 12},
        "total_tokens": 123,
    },
    "metadata": {},
}
EMBEDDINGS = {
    "object": "list",
    "data": [
        {"object": "embedding", "embedding": [0.0023064255, -0.009327292], "index": 0},
        {"object": "embedding", "embedding": [0.1, -0.2], "index": 1},
    ],
    "model": "text-embedding-3-small",
    "usage": {"prompt_tokens": 8, "total_tokens": 8},
}
MODERATION = {
    "id": "modr-1",
    "model": "omni-moderation-latest",
    "results": [{"flagged": False, "categories": {}, "category_scores": {}, "category_applied_input_types": {}}],
}
IMAGE = {
    "created": 1713833628,
    "data": [{"b64_json": "aGVsbG8="}],
    "usage": {
        "total_tokens": 100,
        "input_tokens": 50,
        "output_tokens": 50,
        "input_tokens_details": {"text_tokens": 10, "image_tokens": 40},
    },
}
TRANSCRIPTION = {
    "text": "Imagine the wildest idea",
    "usage": {
        "type": "tokens",
        "input_tokens": 14,
        "input_token_details": {"text_tokens": 0, "audio_tokens": 14},
        "output_tokens": 45,
        "total_tokens": 59,
    },
}
COMPLETION = {
    "id": "cmpl-1",
    "object": "text_completion",
    "created": 1589478378,
    "model": "gpt-3.5-turbo-instruct",
    "choices": [{"text": "This is a test", "index": 0, "logprobs": None, "finish_reason": "length"}],
    "usage": {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12},
}


def sse(*events: Any, end: str = "data: [DONE]\n\n") -> bytes:
    return ("".join(f"data: {json.dumps(event)}\n\n" for event in events) + end).encode()


def named(*events: Any) -> bytes:
    return "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events).encode()


def chunk(**more: Any) -> dict[str, Any]:
    return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o-2024-08-06", **more}


def delta(**content: Any) -> dict[str, Any]:
    return chunk(choices=[{"index": 0, "delta": content, "logprobs": None, "finish_reason": None}])


USAGE = {"prompt_tokens": 9, "completion_tokens": 12, "total_tokens": 21}
CHAT_STREAM = [
    delta(role="assistant", content=""),
    delta(content="Hel"),
    delta(content="lo"),
    delta(tool_calls=[{"index": 0, "function": {"arguments": "{}"}}]),
    chunk(choices=[{"index": 0, "delta": {}, "logprobs": None, "finish_reason": "stop"}]),
]
RESPONSE_STREAM = [
    {"type": "response.created", "sequence_number": 0, "response": {**RESPONSE, "usage": None, "output": []}},
    {"type": "response.output_text.delta", "item_id": "msg_1", "output_index": 0, "content_index": 0, "delta": "In"},
    {"type": "response.output_text.delta", "item_id": "msg_1", "output_index": 0, "content_index": 0, "delta": " a"},
    {"type": "response.completed", "sequence_number": 9, "response": RESPONSE},
]
ASK = {"model": "gpt-4.1", "messages": [{"role": "user", "content": "Hello!"}]}
STREAM = {**ASK, "stream": True}
CHATTED = {
    "operation": "chat",
    "provider": "openai",
    "model": "gpt-4.1",
    "response_model": "gpt-4.1-2025-04-14",
    "input_tokens": 19,
    "output_tokens": 10,
    "cached_input_tokens": 5,
    "reasoning_tokens": 4,
}
RESPONDED = {
    **CHATTED,
    "input_tokens": 36,
    "output_tokens": 87,
    "cached_input_tokens": 6,
    "reasoning_tokens": 12,
}
STREAMED = {
    "operation": "chat",
    "provider": "openai",
    "model": "gpt-4.1",
    "response_model": "gpt-4o-2024-08-06",
    "streamed": True,
}


@pytest.mark.parametrize("indent", [None, 2])
def test_chat(checks: Any, indent: int | None) -> None:
    checks("api.openai.com/v1/chat/completions", ASK, json.dumps(CHAT, indent=indent).encode(), CHATTED)


@pytest.mark.parametrize(
    ("url", "provider", "model"),
    [
        (
            "me.openai.azure.com/openai/deployments/gpt-4.1/chat/completions?api-version=2024-10-21",
            "azure-openai",
            None,
        ),
        ("me.openai.azure.com/openai/v1/chat/completions", "azure-openai", "gpt-4.1"),
        ("me.services.ai.azure.com/models/chat/completions?api-version=2024-05-01-preview", "azure-openai", "gpt-4.1"),
        ("me.eastus2.models.ai.azure.com/chat/completions?api-version=2024-05-01-preview", "azure-openai", "gpt-4.1"),
        ("models.github.ai/inference/chat/completions", "github", "gpt-4.1"),
        ("api.groq.com/openai/v1/chat/completions", "groq", "gpt-4.1"),
        ("api.together.xyz/v1/chat/completions", "together", "gpt-4.1"),
        ("api.fireworks.ai/inference/v1/chat/completions", "fireworks", "gpt-4.1"),
        ("api.deepseek.com/chat/completions", "deepseek", "gpt-4.1"),
        ("api.x.ai/v1/chat/completions", "xai", "gpt-4.1"),
        ("openrouter.ai/api/v1/chat/completions", "openrouter", "gpt-4.1"),
        ("api.perplexity.ai/chat/completions", "perplexity", "gpt-4.1"),
        ("api.cerebras.ai/v1/chat/completions", "cerebras", "gpt-4.1"),
        ("api.sambanova.ai/v1/chat/completions", "sambanova", "gpt-4.1"),
        ("api.studio.nebius.com/v1/chat/completions", "nebius", "gpt-4.1"),
        ("api.novita.ai/v3/openai/chat/completions", "novita", "gpt-4.1"),
        ("api.mistral.ai/v1/chat/completions#stream", "mistralai", "gpt-4.1"),
        ("generativelanguage.googleapis.com/v1beta/openai/chat/completions", "google_genai", "gpt-4.1"),
        (
            "us-central1-aiplatform.googleapis.com/v1/projects/p/locations/l/endpoints/openapi/chat/completions",
            "vertex_ai",
            "gpt-4.1",
        ),
        ("bedrock-runtime.us-west-2.amazonaws.com/openai/v1/chat/completions", "aws_bedrock", "gpt-4.1"),
        ("router.huggingface.co/v1/chat/completions", "huggingface_hub", "gpt-4.1"),
        ("router.huggingface.co/hf-inference/models/org/m/v1/chat/completions", "huggingface_hub", "gpt-4.1"),
        ("x1.us-east-1.aws.endpoints.huggingface.cloud/v1/chat/completions", "huggingface_hub", "gpt-4.1"),
    ],
)
def test_whoever_speaks_it(checks: Any, url: str, provider: str, model: str | None) -> None:
    request = {**ASK, "model": model} if model else {"messages": ASK["messages"]}
    checks(url, request, json.dumps(CHAT).encode(), {**CHATTED, "provider": provider})


def test_a_chat_stream_with_usage(checks: Any) -> None:
    answer = sse(*CHAT_STREAM, chunk(choices=[], usage=USAGE))
    expected = {**STREAMED, "input_tokens": 9, "output_tokens": 12}
    checks("api.openai.com/v1/chat/completions", STREAM, answer, expected, "text/event-stream; charset=utf-8")
    checks("api.openai.com/v1/chat/completions", STREAM, answer, expected, "")


def test_a_chat_stream_without_usage_has_its_chunks_counted(checks: Any) -> None:
    expected = {**STREAMED, "output_tokens": 3, "estimated": True}
    checks("api.openai.com/v1/chat/completions", STREAM, sse(*CHAT_STREAM), expected, "text/event-stream")


def test_an_error_in_a_stream_leaves_what_had_come(checks: Any) -> None:
    error = {"error": {"message": "The server had an error", "type": "server_error", "code": None}}
    expected = {**STREAMED, "output_tokens": 2, "estimated": True, "complete": False}
    checks(
        "api.openai.com/v1/chat/completions",
        STREAM,
        sse(*CHAT_STREAM[:3], error, end=""),
        expected,
        "text/event-stream",
    )


def test_responses(checks: Any) -> None:
    request = {"model": "gpt-4.1", "input": "Tell me a story"}
    checks("api.openai.com/v1/responses", request, json.dumps(RESPONSE).encode(), RESPONDED)
    checks("api.openai.com/v1/responses/compact", request, json.dumps(RESPONSE).encode(), RESPONDED)


def test_a_responses_stream(checks: Any) -> None:
    request = {"model": "gpt-4.1", "input": "Tell me a story", "stream": True}
    expected = {**RESPONDED, "streamed": True}
    checks("api.openai.com/v1/responses", request, named(*RESPONSE_STREAM), expected, "text/event-stream")
    given_up = {
        **STREAMED,
        "response_model": "gpt-4.1-2025-04-14",
        "output_tokens": 2,
        "estimated": True,
        "complete": False,
    }
    checks("api.openai.com/v1/responses", request, named(*RESPONSE_STREAM[:3]), given_up, "text/event-stream")


def test_completions(checks: Any) -> None:
    request = {"model": "gpt-3.5-turbo-instruct", "prompt": "Say this"}
    expected = {
        "operation": "completion",
        "provider": "openai",
        "model": "gpt-3.5-turbo-instruct",
        "response_model": "gpt-3.5-turbo-instruct",
        "input_tokens": 5,
        "output_tokens": 7,
    }
    checks("api.openai.com/v1/completions", request, json.dumps(COMPLETION).encode(), expected)
    pieces = [{**COMPLETION, "choices": [{"text": text, "index": 0}], "usage": None} for text in ("a", "b", "")]
    streamed = {**expected, "streamed": True, "input_tokens": None, "output_tokens": 2, "estimated": True}
    checks("api.openai.com/v1/completions", {**request, "stream": True}, sse(*pieces), streamed, "text/event-stream")


@pytest.mark.parametrize(
    ("given", "samples"),
    [
        ("one text", 1),
        (["a", "b", "c"], 3),
        ([1, 2, 3], 1),
        ([[1, 2], [3]], 2),
        ([f"text {i}" for i in range(3_000)], 3_000),
    ],
)
def test_embeddings(checks: Any, given: Any, samples: int) -> None:
    expected = {
        "operation": "embedding",
        "provider": "openai",
        "model": "text-embedding-3-small",
        "response_model": "text-embedding-3-small",
        "input_tokens": 8,
        "output_tokens": 0,
        "samples": samples,
    }
    request = {"input": given, "model": "text-embedding-3-small"}
    checks("api.openai.com/v1/embeddings", request, json.dumps(EMBEDDINGS).encode(), expected)


def test_image_embeddings_of_azure(checks: Any) -> None:
    expected = {
        "operation": "embedding",
        "provider": "azure-openai",
        "model": "cohere-embed-v3",
        "response_model": "text-embedding-3-small",
        "input_tokens": 8,
        "output_tokens": 0,
        "samples": 2,
    }
    request = {"input": [{"image": "a"}, {"image": "b"}], "model": "cohere-embed-v3"}
    checks("me.services.ai.azure.com/models/images/embeddings", request, json.dumps(EMBEDDINGS).encode(), expected)


def test_moderations(checks: Any) -> None:
    expected = {
        "operation": "moderation",
        "provider": "openai",
        "model": "omni-moderation-latest",
        "response_model": "omni-moderation-latest",
        "samples": 2,
    }
    request = {"model": "omni-moderation-latest", "input": ["a", "b"]}
    checks("api.openai.com/v1/moderations", request, json.dumps(MODERATION).encode(), expected)


def test_images(checks: Any) -> None:
    expected = {
        "operation": "image",
        "provider": "openai",
        "model": "gpt-image-1",
        "samples": 2,
        "input_tokens": 50,
        "output_tokens": 50,
    }
    request = {"model": "gpt-image-1", "prompt": "a cat", "n": 2}
    checks("api.openai.com/v1/images/generations", request, json.dumps(IMAGE).encode(), expected)
    events = [
        {"type": "image_generation.partial_image", "b64_json": "aGVsbG8=", "partial_image_index": 0},
        {"type": "image_generation.completed", "b64_json": "aGVsbG8=", "usage": IMAGE["usage"]},
    ]
    streamed = {**request, "stream": True}
    checks(
        "api.openai.com/v1/images/generations",
        streamed,
        named(*events),
        {**expected, "streamed": True},
        "text/event-stream",
    )
    checks(
        "api.openai.com/v1/images/generations",
        streamed,
        named(events[0]),
        {**expected, "streamed": True, "input_tokens": None, "output_tokens": None, "complete": False},
        "text/event-stream",
    )


FORM = (
    b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\nContent-Type: audio/wav\r\n\r\n'
    b"RIFF\x00\x01name=\r\n"
    b'\r\n--x\r\nContent-Disposition: form-data; name="model"\r\n\r\ngpt-4o-transcribe\r\n--x--\r\n'
)


def test_a_transcription_names_its_model_in_a_form(checks: Any) -> None:
    expected = {
        "operation": "audio",
        "provider": "openai",
        "model": "gpt-4o-transcribe",
        "input_tokens": 14,
        "output_tokens": 45,
    }
    checks("api.openai.com/v1/audio/transcriptions", FORM, json.dumps(TRANSCRIPTION).encode(), expected)
    events = [{"type": "transcript.text.delta", "delta": "I"}, {"type": "transcript.text.done", **TRANSCRIPTION}]
    streamed = {**expected, "streamed": True, "asked_stream": False}
    checks("api.openai.com/v1/audio/transcriptions", FORM, named(*events), streamed, "text/event-stream")


@pytest.mark.parametrize(
    "form", [b"--", b'--x\r\nname="model"', b'--x\r\nname="model"\r\n\r\n', b'--name="model"\r\nx: y\r\n']
)
def test_a_form_without_a_model(asks: Any, form: bytes) -> None:
    found = asks("api.openai.com/v1/audio/transcriptions", form)
    assert (found.operation, found.model) == ("audio", None)


@pytest.mark.parametrize(
    ("path", "content_type", "answer"),
    [
        ("speech", "audio/mpeg", b"ID3\x04\x00" * 50),
        ("transcriptions", "text/plain; charset=utf-8", b"Imagine the wildest idea"),
        ("translations", "text/vtt", b"WEBVTT\n\n00:00.000 --> 00:01.000\nHi"),
    ],
)
def test_an_answer_that_is_a_sound_or_a_text_is_a_proper_one(
    reads: Any, asks: Any, path: str, content_type: str, answer: bytes
) -> None:
    found = asks(f"api.openai.com/v1/audio/{path}", {"model": "m", "input": "Hello"})
    record = reads(found, [answer], content_type, {})
    assert (record["operation"], record["understood"], record["output_tokens"]) == ("audio", True, None)


@pytest.mark.parametrize(
    ("url", "usage", "counts"),
    [
        # xAI's total has the reasoning that its completion tokens leave out.
        (
            "api.x.ai/v1/chat/completions",
            {
                "prompt_tokens": 32,
                "completion_tokens": 9,
                "total_tokens": 135,
                "prompt_tokens_details": {"cached_tokens": 6},
                "completion_tokens_details": {"reasoning_tokens": 94},
                "num_sources_used": 0,
            },
            (32, 103, 6, 94),
        ),
        (
            "api.deepseek.com/chat/completions",
            {
                "prompt_tokens": 16,
                "completion_tokens": 10,
                "total_tokens": 26,
                "prompt_cache_hit_tokens": 7,
                "prompt_cache_miss_tokens": 9,
                "completion_tokens_details": {"reasoning_tokens": 3},
            },
            (16, 10, 7, 3),
        ),
        (
            "api.perplexity.ai/chat/completions",
            {
                "prompt_tokens": 14,
                "completion_tokens": 70,
                "total_tokens": 84,
                "search_context_size": "low",
                "citation_tokens": 20,
                "reasoning_tokens": 50,
            },
            (14, 70, None, 50),
        ),
        ("api.cerebras.ai/v1/chat/completions", {"prompt_tokens": 1, "completion_tokens": 2.0}, (1, 2, None, None)),
        ("api.novita.ai/v3/openai/chat/completions", {"prompt_tokens": "5", "completion_tokens": None}, (None,) * 4),
    ],
)
def test_dialects_of_usage(reads: Any, asks: Any, url: str, usage: Any, counts: Any) -> None:
    record = reads(asks(url, ASK), [json.dumps({**CHAT, "usage": usage}).encode()], "application/json", {})
    keys = ("input_tokens", "output_tokens", "cached_input_tokens", "reasoning_tokens")
    assert tuple(record[key] for key in keys) == counts


def test_groq_tells_the_usage_of_a_stream_in_a_place_of_its_own(checks: Any) -> None:
    last = chunk(choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}], x_groq={"id": "r", "usage": USAGE})
    expected = {**STREAMED, "provider": "groq", "input_tokens": 9, "output_tokens": 12}
    answer = sse(*CHAT_STREAM[:3], last)
    checks("api.groq.com/openai/v1/chat/completions", STREAM, answer, expected, "text/event-stream")
