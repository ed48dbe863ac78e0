"""llama-index with OpenAI, which wants openai 2: over httpx.

(llama-index-llms-anthropic 0.12 cannot make a message with anthropic 2: ``MessageParam`` has become a union there.)
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

llms = pytest.importorskip("llama_index.llms.openai")
embeddings = pytest.importorskip("llama_index.embeddings.openai")

BASE: Any = {"api_base": "http://api.openai.com/v1", "api_key": "CANARY-KEY", "max_retries": 0}
IS = {"client": "httpx", "provider": "openai", "model": "gpt-4.1-mini"}


@pytest.fixture
def model() -> Any:
    return llms.OpenAI("gpt-4.1-mini", **BASE)


@pytest.fixture
def streaming() -> Any:
    return llms.OpenAI("gpt-4.1-mini", additional_kwargs={"stream_options": {"include_usage": True}}, **BASE)


def test_complete(model: Any, seen: Any) -> None:
    assert model.complete("PRIVATE").text
    seen.only("chat", **IS)


def test_stream(streaming: Any, seen: Any) -> None:
    assert list(streaming.stream_complete("PRIVATE"))
    seen.only("chat", streamed=True, **IS)


def test_async_complete(model: Any, seen: Any) -> None:
    assert asyncio.run(model.acomplete("PRIVATE")).text
    seen.only("chat", **IS)


def test_async_stream(streaming: Any, seen: Any) -> None:
    async def ask() -> None:
        assert [chunk async for chunk in await streaming.astream_complete("PRIVATE")]

    asyncio.run(ask())
    seen.only("chat", streamed=True, **IS)


def test_embeddings(seen: Any) -> None:
    model = embeddings.OpenAIEmbedding(model_name="emb", model="text-embedding-3-small", **BASE)
    assert model.get_text_embedding_batch(["PRIVATE", "b"])
    call = seen.only("embeddings", client="httpx", provider="openai", model="emb", samples=2)
    assert call.operation == "embedding"
