"""Hugging Face: its own hosts and its servers.

Shapes: huggingface.co/docs/inference-providers/tasks (hf-inference), .../docs/text-generation-inference (generate,
generate_stream; its headers are in its source), .../docs/text-embeddings-inference (embed, predict).
"""

from __future__ import annotations

import json
from typing import Any

import pytest

GENERATED = {
    "generated_text": "Deep Learning é",
    "details": {
        "finish_reason": "length",
        "generated_tokens": 20,
        "seed": None,
        "prefill": [{"id": 1, "text": "What", "logprob": None}, {"id": 2, "text": "is", "logprob": -1.5}],
        "tokens": [],
    },
}


def token(text: str, **more: Any) -> dict[str, Any]:
    return {"index": 1, "token": {"id": 5, "text": text, "logprob": -0.3, "special": False}, **more}


STREAM = [
    token("De", generated_text=None, details=None),
    token("ep", generated_text=None, details=None),
    token(
        "!",
        generated_text="Deep!",
        details={"finish_reason": "length", "generated_tokens": 3, "input_length": 7, "seed": None},
    ),
]
ASK = {"inputs": "What is Deep Learning?", "parameters": {"max_new_tokens": 20, "details": True}}
EXPECTED = {"operation": "completion", "provider": "local", "input_tokens": 2, "output_tokens": 20}


def sse(events: list[Any]) -> bytes:
    return "".join(f"data:{json.dumps(event)}\n\n" for event in events).encode()


def test_tgi(checks: Any) -> None:
    checks("localhost/generate", ASK, json.dumps(GENERATED).encode(), EXPECTED)
    bare = json.dumps({"generated_text": "Deep"}).encode()
    checks("localhost/generate", ASK, bare, {**EXPECTED, "input_tokens": None, "output_tokens": None})
    headers = {"x-prompt-tokens": "2", "x-generated-tokens": "20", "x-compute-type": "gpu+optimized"}
    checks("localhost/generate", ASK, bare, EXPECTED, headers=headers)


def test_tgi_streamed(checks: Any) -> None:
    expected = {**EXPECTED, "input_tokens": 7, "output_tokens": 3, "streamed": True}
    checks("localhost/generate_stream", ASK, sse(STREAM), expected, "text/event-stream")
    given_up = {**expected, "input_tokens": None, "output_tokens": 2, "estimated": True, "complete": False}
    checks("localhost/generate_stream", ASK, sse(STREAM[:2]), given_up, "text/event-stream")


def test_tei(checks: Any) -> None:
    expected = {"operation": "embedding", "provider": "local", "samples": 2}
    answer = json.dumps([[0.1] * 3, [0.2] * 3]).encode()
    checks("localhost/embed", {"inputs": ["a", "b"]}, answer, expected)
    counted = {**expected, "input_tokens": 9, "output_tokens": 0}
    checks("localhost/embed", {"inputs": ["a", "b"]}, answer, counted, headers={"x-compute-tokens": "9"})
    scores = json.dumps([{"score": 0.9, "label": "POSITIVE"}]).encode()
    judged = {"operation": "classification", "provider": "local", "samples": 1}
    checks("localhost/predict", {"inputs": "I like you"}, scores, judged)


@pytest.mark.parametrize(
    ("path", "operation"),
    [
        ("hf-inference/models/org/bge/pipeline/feature-extraction", "embedding"),
        ("pipeline/feature-extraction/org/bge", "embedding"),
        ("hf-inference/models/org/bge", "inference"),
        ("models/org/bge", "inference"),
        ("hf-inference/models/org/bge/pipeline/text-classification", "classification"),
        ("models/org/bge/pipeline/text-to-image", "image"),
        ("models/org/bge/pipeline/automatic-speech-recognition", "audio"),
        ("models/org/bge/pipeline/summarization", "completion"),
        ("models/org/bge/pipeline/fill-mask", "inference"),
    ],
)
def test_models_by_their_name(checks: Any, path: str, operation: str) -> None:
    expected = {"operation": operation, "provider": "huggingface_hub", "model": "org/bge"}
    checks(f"router.huggingface.co/{path}", {"inputs": "x"}, json.dumps([[0.5] * 9] * 2).encode(), expected)


def test_an_array_may_be_large(checks: Any, reads: Any, asks: Any) -> None:
    expected = {"operation": "embedding", "provider": "huggingface_hub", "model": "org/bge"}
    url = "router.huggingface.co/hf-inference/models/org/bge/pipeline/feature-extraction"
    checks(url, {"inputs": "x"}, json.dumps([0.123456] * 2_000).encode(), expected)
    checks(url, {"inputs": "x"}, json.dumps([["a]", "b[", '"'], 1.5, None]).encode(), expected)
    record = reads(asks(url, {"inputs": "x"}), [json.dumps([0.1] * 2_000).encode()[:-9]], "application/json", {})
    assert (record["understood"], record["complete"]) == (False, False)


def test_a_generation_in_an_array(checks: Any) -> None:
    expected = {
        "operation": "completion",
        "provider": "huggingface_hub",
        "model": "gpt2",
        "input_tokens": 2,
        "output_tokens": 20,
    }
    url = "api-inference.huggingface.co/models/gpt2/pipeline/text-generation"
    checks(url, ASK, json.dumps([GENERATED]).encode(), expected)


def test_an_endpoint_of_ones_own(checks: Any) -> None:
    url = "x1.us-east-1.aws.endpoints.huggingface.cloud/"
    expected = {"operation": "inference", "provider": "huggingface_hub", "input_tokens": 2, "output_tokens": 20}
    checks(url, ASK, json.dumps([GENERATED]).encode(), expected)


def test_an_image_is_a_proper_answer(reads: Any, asks: Any) -> None:
    found = asks("router.huggingface.co/hf-inference/models/org/flux", {"inputs": "a cat"})
    record = reads(found, [b"\xff\xd8\xff"], "image/jpeg", {})
    assert (record["understood"], record["streamed"]) == (True, False)


@pytest.mark.parametrize(
    ("url", "request_body"),
    [
        ("example.org/", ASK),
        ("example.org/models/org/bge", ASK),
        ("example.org/pipeline/text-classification/org/bge", ASK),
        ("localhost/generate", {"prompt": "a picture of my own"}),
        ("localhost/embed", {"url": "https://example.org"}),
        ("router.huggingface.co/api/models/org/bge", ASK),
        ("example.org/v1/generate", ASK),
    ],
)
def test_what_is_no_inference(asks: Any, url: str, request_body: Any) -> None:
    assert asks(url, request_body) is None
