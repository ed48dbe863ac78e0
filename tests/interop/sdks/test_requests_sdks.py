"""voyageai and azure-ai-inference: requests for sync, aiohttp for async."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

voyageai = pytest.importorskip("voyageai")
azure = pytest.importorskip("azure.ai.inference")
azure_async = pytest.importorskip("azure.ai.inference.aio")
credentials = pytest.importorskip("azure.core.credentials")

VOYAGE: Any = {"api_key": "CANARY-KEY", "base_url": "http://api.voyageai.com/v1"}
AZURE = "http://me.services.ai.azure.com/models"
KEY = credentials.AzureKeyCredential("CANARY-KEY")
ASK: Any = {"model": "gpt-4.1", "messages": [{"role": "user", "content": "PRIVATE"}]}
WITH_USAGE: Any = {"stream": True, "model_extras": {"stream_options": {"include_usage": True}}}
IS = {"provider": "azure-openai", "model": "gpt-4.1"}


def test_voyage_embed(seen: Any) -> None:
    assert voyageai.Client(**VOYAGE).embed(["PRIVATE", "b"], model="voyage-3").total_tokens == 26
    seen.only("voyage", client="requests", provider="voyageai", model="voyage-3", samples=2)


def test_voyage_async_embed(seen: Any) -> None:
    assert asyncio.run(voyageai.AsyncClient(**VOYAGE).embed(["PRIVATE"], model="voyage-3")).total_tokens == 26
    seen.only("voyage", client="aiohttp", provider="voyageai", model="voyage-3", samples=1)


def test_voyage_rerank(seen: Any) -> None:
    assert voyageai.Client(**VOYAGE).rerank("PRIVATE", ["a"], model="rerank-2").total_tokens == 26
    reranked: Any = {"operation": "rerank", "model": "rerank-2", "samples": 1}
    seen.only("voyage", client="requests", provider="voyageai", **reranked)


def azure_client(kind: Any) -> Any:
    return kind(endpoint=AZURE, credential=KEY)


def test_azure_chat(seen: Any) -> None:
    with azure_client(azure.ChatCompletionsClient) as client:
        assert client.complete(**ASK).usage.prompt_tokens == 11
    seen.only("chat", client="requests", **IS)


def test_azure_chat_streamed(seen: Any) -> None:
    with azure_client(azure.ChatCompletionsClient) as client:
        assert list(client.complete(**ASK, **WITH_USAGE))
    seen.only("chat", client="requests", streamed=True, **IS)


def test_azure_async_chat(seen: Any) -> None:
    async def ask() -> None:
        async with azure_client(azure_async.ChatCompletionsClient) as client:
            assert (await client.complete(**ASK)).usage

    asyncio.run(ask())
    seen.only("chat", client="aiohttp", **IS)


def test_azure_async_chat_streamed(seen: Any) -> None:
    async def ask() -> None:
        async with azure_client(azure_async.ChatCompletionsClient) as client:
            assert [chunk async for chunk in await client.complete(**ASK, **WITH_USAGE)]

    asyncio.run(ask())
    seen.only("chat", client="aiohttp", streamed=True, **IS)


def test_azure_embeddings(seen: Any) -> None:
    with azure_client(azure.EmbeddingsClient) as client:
        assert client.embed(input=["PRIVATE", "b"], model="emb").usage.prompt_tokens == 6
    seen.only("embeddings", client="requests", provider="azure-openai", model="emb", samples=2)
