"""huggingface_hub's InferenceClient, over httpx2: the router, a task of a model, an endpoint of one's own."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

hub = pytest.importorskip("huggingface_hub")

MESSAGES = [{"role": "user", "content": "PRIVATE"}]
MODEL = "meta-llama/Llama-3.1-8B-Instruct"
ROUTER: Any = {"base_url": "http://router.huggingface.co/v1", "api_key": "CANARY-KEY"}
TASKS = "http://router.huggingface.co/hf-inference/models/org/bge/pipeline/"
IS = {"client": "httpx2", "provider": "huggingface_hub"}
ASK: Any = {"messages": MESSAGES, "model": MODEL}
STREAM: Any = {"stream": True, "stream_options": {"include_usage": True}}


def test_chat(seen: Any) -> None:
    assert hub.InferenceClient(**ROUTER).chat_completion(**ASK).usage.prompt_tokens == 11
    seen.only("chat", model=MODEL, **IS)


def test_chat_streamed(seen: Any) -> None:
    assert list(hub.InferenceClient(**ROUTER).chat_completion(**ASK, **STREAM))
    seen.only("chat", model=MODEL, streamed=True, **IS)


def test_async_chat(seen: Any) -> None:
    async def ask() -> None:
        async with hub.AsyncInferenceClient(**ROUTER) as client:
            assert (await client.chat_completion(**ASK)).usage

    asyncio.run(ask())
    seen.only("chat", model=MODEL, **IS)


def test_async_chat_streamed(seen: Any) -> None:
    async def ask() -> None:
        async with hub.AsyncInferenceClient(**ROUTER) as client:
            assert [chunk async for chunk in await client.chat_completion(**ASK, **STREAM)]

    asyncio.run(ask())
    seen.only("chat", model=MODEL, streamed=True, **IS)


def test_a_task_of_a_model(seen: Any) -> None:
    client = hub.InferenceClient(TASKS + "feature-extraction", token="CANARY-KEY")
    assert client.feature_extraction("PRIVATE").shape == (1, 8)
    embedded: Any = {"input_tokens": 9, "model": "org/bge"}
    seen.only("embeddings", **embedded, **IS)


def test_an_endpoint_of_ones_own(seen: Any) -> None:
    client = hub.InferenceClient("http://x.us-east-1.aws.endpoints.huggingface.cloud", token="CANARY-KEY")
    assert client.text_generation("PRIVATE", details=True).details.generated_tokens == 20
    generated: Any = {"operation": "inference", "input_tokens": 2, "output_tokens": 20, "cached_input_tokens": None}
    unnamed: Any = {"model": None, "reasoning_tokens": None, "notices": ("unknown-model",)}
    seen.only("chat", **generated, **unnamed, **IS)
