"""groq and together: SDKs of their own, over httpx, for OpenAI's protocol with usage where each puts it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

groq = pytest.importorskip("groq")
together = pytest.importorskip("together")

MODEL = "llama-3.3-70b"
ASK: Any = {"model": MODEL, "messages": [{"role": "user", "content": "PRIVATE"}]}
SDKS: Any = {
    "groq": (groq.Groq, groq.AsyncGroq, {"base_url": "http://api.groq.com"}),
    "together": (together.Together, together.AsyncTogether, {"base_url": "http://api.together.xyz/v1"}),
}
each = pytest.mark.parametrize("sdk", SDKS)


def client(sdk: str, *, asynchronous: bool = False) -> Any:
    return SDKS[sdk][asynchronous](**SDKS[sdk][2], api_key="CANARY-KEY", max_retries=0)


@each
def test_chat(sdk: str, seen: Any) -> None:
    with client(sdk) as made:
        assert made.chat.completions.create(**ASK).usage.prompt_tokens == 11
    seen.only("chat", client="httpx", provider=sdk, model=MODEL)


@each
def test_chat_streamed(sdk: str, seen: Any) -> None:
    with client(sdk) as made:
        assert list(made.chat.completions.create(**ASK, stream=True))
    seen.only("chat", client="httpx", provider=sdk, model=MODEL, streamed=True)


@each
def test_async_chat(sdk: str, seen: Any) -> None:
    async def ask() -> None:
        async with client(sdk, asynchronous=True) as made:
            assert (await made.chat.completions.create(**ASK)).usage

    asyncio.run(ask())
    seen.only("chat", client="httpx", provider=sdk, model=MODEL)


@each
def test_async_chat_streamed(sdk: str, seen: Any) -> None:
    async def ask() -> None:
        async with client(sdk, asynchronous=True) as made:
            assert [chunk async for chunk in await made.chat.completions.create(**ASK, stream=True)]

    asyncio.run(ask())
    seen.only("chat", client="httpx", provider=sdk, model=MODEL, streamed=True)


@each
def test_embeddings(sdk: str, seen: Any) -> None:
    with client(sdk) as made:
        assert len(made.embeddings.create(model="emb", input=["PRIVATE", "b"]).data) == 2
    seen.only("embeddings", client="httpx", provider=sdk, model="emb", samples=2)
