"""The smaller APIs.

Shapes: docs.mistral.ai/api (fim, agents, conversations, ocr, classifiers); rerankers, classifiers and embedders of more
than texts: docs.voyageai.com/reference, api.jina.ai/redoc, docs.together.ai/reference/rerank, docs.vllm.ai (score,
rerank); Replicate: replicate.com/docs/reference/http (predictions.create, trainings.create); batches and trainings:
platform.openai.com/docs/api-reference/batch and /fine-tuning, docs.anthropic.com/en/api/creating-message-batches,
ai.google.dev/gemini-api/docs/batch-api.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

CHAT = {
    "id": "m1",
    "object": "chat.completion",
    "model": "codestral-2508",
    "created": 1702256327,
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "x"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 16, "completion_tokens": 34, "total_tokens": 50},
}
MISTRAL = {
    "operation": "completion",
    "provider": "mistralai",
    "model": "codestral-latest",
    "response_model": "codestral-2508",
    "input_tokens": 16,
    "output_tokens": 34,
}


def sse(events: list[Any], end: str = "") -> bytes:
    named = (f"event: {event.get('type', 'message')}\ndata: {json.dumps(event)}\n\n" for event in events)
    return ("".join(named) + end).encode()


def test_fill_in_the_middle(checks: Any) -> None:
    request = {"model": "codestral-latest", "prompt": "def f(", "suffix": "return a+b"}
    checks("api.mistral.ai/v1/fim/completions", request, json.dumps(CHAT).encode(), MISTRAL)
    events = [
        {**CHAT, "choices": [{"index": 0, "delta": {"content": "a"}, "finish_reason": None}], "usage": None},
        {**CHAT, "choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "stop"}]},
    ]
    checks(
        "codestral.mistral.ai/v1/fim/completions#stream",
        {**request, "stream": True},
        sse(events, "data: [DONE]\n\n"),
        {**MISTRAL, "streamed": True},
        "text/event-stream",
    )


def test_agents_have_their_model_at_mistrals(checks: Any) -> None:
    request = {"agent_id": "ag-1", "messages": [{"role": "user", "content": "Hi"}]}
    expected = {**MISTRAL, "operation": "chat", "model": None}
    checks("api.mistral.ai/v1/agents/completions", request, json.dumps(CHAT).encode(), expected)


@pytest.mark.parametrize("path", ["conversations", "conversations/conv_1", "conversations/conv_1/restart"])
def test_conversations(checks: Any, path: str) -> None:
    usage = {
        "prompt_tokens": 10,
        "completion_tokens": 5,
        "total_tokens": 40,
        "connector_tokens": 25,
        "connectors": {"w": 1},
    }
    expected = {
        "operation": "chat",
        "provider": "mistralai",
        "model": "mistral-medium-latest",
        "input_tokens": 35,
        "output_tokens": 5,
    }
    request = {"model": "mistral-medium-latest", "inputs": "Hi", "stream": False}
    answer = {"object": "conversation.response", "conversation_id": "c", "outputs": [], "usage": usage}
    checks(f"api.mistral.ai/v1/{path}", request, json.dumps(answer).encode(), expected)
    events: list[dict[str, Any]] = [
        {"type": "conversation.response.started", "conversation_id": "c"},
        {"type": "message.output.delta", "content": "Hi", "id": "m"},
        {"type": "conversation.response.done", "usage": usage},
    ]
    stream = {**request, "stream": True}
    url = f"api.mistral.ai/v1/{path}#stream"
    checks(url, stream, sse(events), {**expected, "streamed": True}, "text/event-stream")
    given_up = {**expected, "input_tokens": None, "output_tokens": 1, "estimated": True, "complete": False}
    checks(url, stream, sse(events[:2]), {**given_up, "streamed": True}, "text/event-stream")


@pytest.mark.parametrize(
    ("path", "request_body", "operation", "samples"),
    [
        ("ocr", {"model": "mistral-ocr-latest", "document": {}}, "inference", None),
        ("classifications", {"model": "m", "input": ["a", "b"]}, "classification", 2),
        ("chat/classifications", {"model": "m", "input": [{"messages": []}]}, "classification", 1),
        ("chat/moderations", {"model": "m", "input": [[{"role": "user"}]]}, "moderation", 1),
        ("moderations", {"model": "m", "input": ["a", "b", "c"]}, "moderation", 3),
        ("embeddings", {"model": "mistral-embed", "input": ["a"]}, "embedding", 1),
    ],
)
def test_what_else_mistral_does(asks: Any, path: str, request_body: Any, operation: str, samples: Any) -> None:
    found = asks(f"api.mistral.ai/v1/{path}", request_body)
    assert (found.operation, found.samples, found.provider) == (operation, samples, "mistralai")


@pytest.mark.parametrize("url", ["api.mistral.ai/v1/conversations/c/history", "example.org/v1/conversations/7"])
def test_what_is_no_conversation(asks: Any, url: str) -> None:
    assert asks(url, {"model": "m", "inputs": "x"}) is None


@pytest.mark.parametrize(
    ("url", "provider", "operation", "request_body", "answer"),
    [
        (
            "api.voyageai.com/v1/rerank",
            "voyageai",
            "rerank",
            {"query": "q", "documents": ["a", "b"], "model": "m"},
            {
                "object": "list",
                "data": [{"relevance_score": 0.4, "index": 0}],
                "model": "m",
                "usage": {"total_tokens": 26},
            },
        ),
        (
            "api.voyageai.com/v1/embeddings",
            "voyageai",
            "embedding",
            {"input": ["a", "b"], "model": "m"},
            {
                "object": "list",
                "data": [{"embedding": "aGk=", "index": 0}],
                "model": "m",
                "usage": {"total_tokens": 26},
            },
        ),
        (
            "api.voyageai.com/v1/multimodalembeddings",
            "voyageai",
            "embedding",
            {"inputs": [{"content": []}, {"content": []}], "model": "m"},
            {"data": [], "model": "m", "usage": {"text_tokens": 6, "image_pixels": 2_000, "total_tokens": 26}},
        ),
        (
            "api.voyageai.com/v1/contextualizedembeddings",
            "voyageai",
            "embedding",
            {"inputs": [["a", "b"], ["c"]], "model": "m"},
            {"data": [], "model": "m", "usage": {"total_tokens": 26}},
        ),
        (
            "api.jina.ai/v1/classify",
            "jina",
            "classification",
            {"input": ["a", "b"], "labels": ["x", "y"], "model": "m"},
            {"data": [], "model": "m", "usage": {"total_tokens": 26}},
        ),
        (
            "api.jina.ai/v1/rerank",
            "jina",
            "rerank",
            {"query": "q", "documents": ["a", "b"], "model": "m"},
            {"results": [], "model": "m", "usage": {"total_tokens": 26}},
        ),
        (
            "api.together.xyz/v1/rerank",
            "together",
            "rerank",
            {"query": "q", "documents": [{"t": "a"}, {"t": "b"}], "model": "m"},
            {"results": [], "model": "m", "usage": {"prompt_tokens": 26, "completion_tokens": 0, "total_tokens": 26}},
        ),
        (
            "localhost/v2/rerank",
            "local",
            "rerank",
            {"query": "q", "documents": ["a", "b"], "model": "m"},
            {"results": [], "model": "m", "meta": {"tokens": {"input_tokens": 26}}},
        ),
        (
            "localhost/score",
            "local",
            "rerank",
            {"text_1": "q", "text_2": ["a", "b"], "model": "m"},
            {"data": [], "model": "m", "usage": {"prompt_tokens": 26, "total_tokens": 26, "completion_tokens": 0}},
        ),
    ],
)
def test_retrieval(checks: Any, url: str, provider: str, operation: str, request_body: Any, answer: Any) -> None:
    expected = {
        "operation": operation,
        "provider": provider,
        "model": "m",
        "response_model": "m",
        "input_tokens": 26,
        "output_tokens": 0,
        "samples": 2,
    }
    checks(url, request_body, json.dumps(answer).encode(), expected)


@pytest.mark.parametrize("body", [{"text": "x"}, {"model": "m"}, {"input": ["x"]}, None])
def test_an_unknown_host_has_to_show_a_model_and_inputs(asks: Any, body: Any) -> None:
    assert asks("example.org/v1/classify", body) is None


PREDICTION = {
    "id": "p1",
    "model": "meta/meta-llama-3-8b-instruct",
    "version": "5c7d5dc6dd8b",
    "input": {"prompt": "Hi"},
    "logs": "",
    "output": ["H", "i"],
    "error": None,
    "status": "succeeded",
    "created_at": "2026-01-01T00:00:00Z",
    "metrics": {"predict_time": 0.7, "input_token_count": 12, "output_token_count": 34, "tokens_per_second": 47.1},
    "urls": {"get": "https://api.replicate.com/v1/predictions/p1"},
}


@pytest.mark.parametrize(
    ("path", "body", "model"),
    [
        ("models/meta/meta-llama-3-8b-instruct/predictions", {}, "meta/meta-llama-3-8b-instruct"),
        ("deployments/acme/llama/predictions", {}, "acme/llama"),
        ("predictions", {"version": "meta/llama:5c7d5dc6dd8b"}, "meta/llama:5c7d5dc6dd8b"),
    ],
)
def test_replicate(checks: Any, path: str, body: Any, model: str) -> None:
    expected = {
        "operation": "inference",
        "provider": "replicate",
        "model": model,
        "response_model": "meta/meta-llama-3-8b-instruct",
        "input_tokens": 12,
        "output_tokens": 34,
        "samples": 4,
    }
    request = {**body, "input": {"prompt": "Hi", "num_outputs": 4}}
    checks(f"api.replicate.com/v1/{path}", request, json.dumps(PREDICTION).encode(), expected)
    pending = {**PREDICTION, "status": "starting", "metrics": {}, "output": None}
    unknown = {**expected, "input_tokens": None, "output_tokens": None}
    checks(f"api.replicate.com/v1/{path}", request, json.dumps(pending).encode(), unknown)


def test_training_at_replicate(asks: Any) -> None:
    found = asks(
        "api.replicate.com/v1/models/acme/llama/versions/5c7d/trainings", {"destination": "acme/mine", "input": {}}
    )
    assert (found.operation, found.model) == ("training", "acme/llama")


@pytest.mark.parametrize("path", ["predictions/p1/cancel", "models", "models/a/b/versions"])
def test_what_is_no_prediction(asks: Any, path: str) -> None:
    assert asks(f"api.replicate.com/v1/{path}", {"input": {}}) is None


BATCH = {
    "id": "batch_1",
    "object": "batch",
    "endpoint": "/v1/chat/completions",
    "status": "validating",
    "usage": {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0},
}


@pytest.mark.parametrize(
    ("url", "provider", "request_body", "operation", "model", "samples"),
    [
        (
            "api.openai.com/v1/batches",
            "openai",
            {"input_file_id": "f", "endpoint": "/v1/chat/completions", "completion_window": "24h"},
            "chat",
            None,
            None,
        ),
        (
            "api.openai.com/v1/batches",
            "openai",
            {"input_file_id": "f", "endpoint": "/v1/embeddings"},
            "embedding",
            None,
            None,
        ),
        (
            "api.openai.com/v1/batches",
            "openai",
            {"input_file_id": "f", "endpoint": "/v1/completions"},
            "completion",
            None,
            None,
        ),
        (
            "me.openai.azure.com/openai/batches?api-version=1",
            "azure-openai",
            {"input_file_id": "f"},
            "chat",
            None,
            None,
        ),
        ("api.groq.com/openai/v1/batches", "groq", {"input_file_id": "f"}, "chat", None, None),
        (
            "api.anthropic.com/v1/messages/batches",
            "anthropic",
            {"requests": [{"custom_id": str(i), "params": {"model": "claude-x", "messages": []}} for i in range(3)]},
            "chat",
            "claude-x",
            3,
        ),
        (
            "api.mistral.ai/v1/batch/jobs",
            "mistralai",
            {"model": "m", "endpoint": "/v1/embeddings"},
            "embedding",
            "m",
            None,
        ),
        (
            "generativelanguage.googleapis.com/v1beta/models/gemini-2.5-flash:batchGenerateContent",
            "google_genai",
            {"batch": {}},
            "chat",
            "gemini-2.5-flash",
            None,
        ),
        ("api.cohere.com/v1/embed-jobs", "cohere", {"model": "m", "dataset_id": "d"}, "embedding", "m", None),
    ],
)
def test_a_batch_is_seen_and_its_tokens_are_unknown(
    checks: Any, url: str, provider: str, request_body: Any, operation: str, model: Any, samples: Any
) -> None:
    expected = {
        "operation": operation,
        "provider": provider,
        "model": model,
        "samples": samples,
        "notices": ("batch-of-requests",),
    }
    checks(url, request_body, json.dumps(BATCH).encode(), expected)


@pytest.mark.parametrize(
    ("url", "model"),
    [
        ("api.openai.com/v1/fine_tuning/jobs", "gpt-4o-mini"),
        ("me.openai.azure.com/openai/fine_tuning/jobs", "gpt-4o-mini"),
        ("api.mistral.ai/v1/fine_tuning/jobs", "gpt-4o-mini"),
        ("api.together.xyz/v1/fine-tunes", "gpt-4o-mini"),
    ],
)
def test_a_training_that_is_ordered_is_seen(checks: Any, url: str, model: str) -> None:
    found = {"operation": "training", "model": model, "provider": None}
    answer = json.dumps({"id": "ftjob-1", "status": "queued", "model": model, "usage": {"total_tokens": 9}}).encode()
    provider = {"api.openai.com": "openai", "me.openai.azure.com": "azure-openai", "api.mistral.ai": "mistralai"}
    found["provider"] = provider.get(url.partition("/")[0], "together")
    checks(url, {"model": model, "training_file": "f"}, answer, found)


@pytest.mark.parametrize(
    "url",
    ["example.org/v1/batches", "api.openai.com/v1/batches/b/cancel", "api.openai.com/v1/fine_tuning/jobs/j/cancel"],
)
def test_what_is_no_job(asks: Any, url: str) -> None:
    assert asks(url, {"model": "m", "input_file_id": "f"}) is None
