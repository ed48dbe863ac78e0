"""cohere, over httpx: versions 1 and 2 of its API."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

cohere = pytest.importorskip("cohere")

MODEL = "command-a-03-2025"
HOW: Any = {"api_key": "CANARY-KEY", "base_url": "http://api.cohere.com"}
ASK: Any = {"model": MODEL, "messages": [{"role": "user", "content": "PRIVATE"}]}
IS = {"client": "httpx", "provider": "cohere", "model": MODEL}


def test_chat_v2(seen: Any) -> None:
    assert cohere.ClientV2(**HOW).chat(**ASK).usage.tokens.output_tokens == 420
    seen.only("cohere v2", **IS)


def test_chat_v2_streamed(seen: Any) -> None:
    *_, last = cohere.ClientV2(**HOW).chat_stream(**ASK)
    assert last.delta.usage.tokens.output_tokens == 420
    seen.only("cohere v2", streamed=True, **IS)


def test_async_chat_v2(seen: Any) -> None:
    async def ask() -> None:
        async with cohere.AsyncClientV2(**HOW) as client:
            assert (await client.chat(**ASK)).usage

    asyncio.run(ask())
    seen.only("cohere v2", **IS)


def test_async_chat_v2_streamed(seen: Any) -> None:
    async def ask() -> None:
        async with cohere.AsyncClientV2(**HOW) as client:
            assert [event async for event in client.chat_stream(**ASK)]

    asyncio.run(ask())
    seen.only("cohere v2", streamed=True, **IS)


def test_chat_v1(seen: Any) -> None:
    assert cohere.Client(**HOW).chat(model=MODEL, message="PRIVATE").meta.tokens.output_tokens == 420
    seen.only("cohere v1", **IS)


def test_chat_v1_streamed(seen: Any) -> None:
    *_, last = cohere.Client(**HOW).chat_stream(model=MODEL, message="PRIVATE")
    assert last.response.meta.tokens.output_tokens == 420
    seen.only("cohere v1", streamed=True, **IS)


def test_embed(seen: Any) -> None:
    asked = {"texts": ["PRIVATE", "b"], "input_type": "classification", "embedding_types": ["float"]}
    assert cohere.ClientV2(**HOW).embed(model="embed-v4.0", **asked).meta.billed_units.input_tokens == 2
    seen.only("cohere embed", **{**IS, "model": "embed-v4.0"}, samples=2)


def test_rerank(seen: Any) -> None:
    assert cohere.ClientV2(**HOW).rerank(model="rerank-v3.5", query="PRIVATE", documents=["a", "b"]).results
    seen.only("cohere rerank", **{**IS, "model": "rerank-v3.5"})
