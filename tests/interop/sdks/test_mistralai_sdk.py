"""mistralai, over httpx2: a stream's URL ends in a fragment, its last chunk has the usage unasked."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

mistral = pytest.importorskip("mistralai.client")

HOW: Any = {"api_key": "CANARY-KEY", "server_url": "http://api.mistral.ai"}
ASK: Any = {"model": "mistral-small", "messages": [{"role": "user", "content": "PRIVATE"}]}
IS = {"client": "httpx2", "provider": "mistralai", "model": "mistral-small"}


def test_chat(seen: Any) -> None:
    with mistral.Mistral(**HOW) as client:
        assert client.chat.complete(**ASK).usage.prompt_tokens == 11
    seen.only("chat", **IS)


def test_chat_streamed(seen: Any) -> None:
    with mistral.Mistral(**HOW) as client, client.chat.stream(**ASK) as stream:
        *_, last = stream
    assert last.data.usage.prompt_tokens == 11
    seen.only("chat", **IS, streamed=True)


def test_async_chat(seen: Any) -> None:
    async def ask() -> None:
        async with mistral.Mistral(**HOW) as client:
            assert (await client.chat.complete_async(**ASK)).usage

    asyncio.run(ask())
    seen.only("chat", **IS)


def test_async_chat_streamed(seen: Any) -> None:
    async def ask() -> None:
        async with mistral.Mistral(**HOW) as client:
            assert [chunk async for chunk in await client.chat.stream_async(**ASK)]

    asyncio.run(ask())
    seen.only("chat", **IS, streamed=True)


def test_embeddings(seen: Any) -> None:
    with mistral.Mistral(**HOW) as client:
        assert len(client.embeddings.create(model="mistral-embed", inputs=["PRIVATE", "b"]).data) == 2
    seen.only("embeddings", **{**IS, "model": "mistral-embed"}, samples=2)
