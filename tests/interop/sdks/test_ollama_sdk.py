"""ollama, over httpx, to a server on this machine."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

ollama = pytest.importorskip("ollama")

MESSAGES: Any = [{"role": "user", "content": "PRIVATE"}]
MODEL = "llama3.2"
IS = {"client": "httpx", "provider": "local", "locality": "local", "model": MODEL}


def test_chat(local: str, seen: Any) -> None:
    assert ollama.Client(host=local).chat(model=MODEL, messages=MESSAGES).eval_count == 298
    seen.only("ollama", **IS, response_model="llama3.2:latest")


def test_chat_streamed(local: str, seen: Any) -> None:
    *_, last = ollama.Client(host=local).chat(model=MODEL, messages=MESSAGES, stream=True)
    assert last.eval_count == 298
    seen.only("ollama", **IS, streamed=True)


def test_async_chat(local: str, seen: Any) -> None:
    assert asyncio.run(ollama.AsyncClient(host=local).chat(model=MODEL, messages=MESSAGES)).eval_count == 298
    seen.only("ollama", **IS)


def test_async_chat_streamed(local: str, seen: Any) -> None:
    async def ask() -> None:
        client = ollama.AsyncClient(host=local)
        assert [chunk async for chunk in await client.chat(model=MODEL, messages=MESSAGES, stream=True)]

    asyncio.run(ask())
    seen.only("ollama", **IS, streamed=True)


def test_generate(local: str, seen: Any) -> None:
    client = ollama.Client(host=local)
    assert client.generate(model=MODEL, prompt="PRIVATE").eval_count == 298
    seen.only("ollama", **IS, operation="completion")
    assert list(client.generate(model=MODEL, prompt="PRIVATE", stream=True))
    seen.only("ollama", **IS, operation="completion", streamed=True)


def test_embed(local: str, seen: Any) -> None:
    assert len(ollama.Client(host=local).embed(model=MODEL, input=["PRIVATE", "b"]).embeddings) == 2
    seen.only("ollama embed", **IS, samples=2)
