"""google-genai: httpx2 for sync, aiohttp for async. The model stands in the path, usage in each chunk."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

genai = pytest.importorskip("google.genai")

MODEL = "gemini-3-flash"
ASK: Any = {"model": MODEL, "contents": "PRIVATE"}
IS = {"provider": "google_genai", "model": MODEL, "response_model": MODEL + "-2026"}


@pytest.fixture
def client() -> Any:
    return genai.Client(api_key="CANARY-KEY", http_options={"base_url": "http://generativelanguage.googleapis.com"})


def test_generate(client: Any, seen: Any) -> None:
    assert client.models.generate_content(**ASK).usage_metadata.total_token_count == 23
    seen.only("gemini", client="httpx2", **IS)


def test_generate_streamed(client: Any, seen: Any) -> None:
    *_, last = client.models.generate_content_stream(**ASK)
    assert last.usage_metadata.total_token_count == 23
    seen.only("gemini", client="httpx2", streamed=True, **IS)


def test_async_generate(client: Any, seen: Any) -> None:
    async def ask() -> None:
        assert (await client.aio.models.generate_content(**ASK)).usage_metadata
        await client.aio.aclose()

    asyncio.run(ask())
    seen.only("gemini", client="aiohttp", **IS)


def test_async_generate_streamed(client: Any, seen: Any) -> None:
    async def ask() -> None:
        assert [chunk async for chunk in await client.aio.models.generate_content_stream(**ASK)]
        await client.aio.aclose()

    asyncio.run(ask())
    seen.only("gemini", client="aiohttp", streamed=True, **IS)


def test_a_chat_with_two_turns_is_two_calls(client: Any, seen: Any) -> None:
    chat = client.chats.create(model=MODEL)
    chat.send_message("PRIVATE")
    seen.only("gemini", client="httpx2", **IS)
    chat.send_message("PRIVATE")
    seen.only("gemini", client="httpx2", **IS)


def test_embeddings_of_which_the_api_tells_no_tokens(client: Any, seen: Any) -> None:
    assert client.models.embed_content(model="gemini-embedding-001", contents=["PRIVATE", "b"]).embeddings
    untold: Any = {"input_tokens": None, "output_tokens": None, "notices": ("no-usage",)}
    is_ = {"client": "httpx2", "provider": "google_genai", "model": "gemini-embedding-001", "samples": 2}
    seen.only("embeddings", **is_, **untold)
