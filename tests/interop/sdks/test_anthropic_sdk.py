"""anthropic, over httpx2: input has what was read from and written to the cache."""

from __future__ import annotations

import asyncio
from typing import Any

import anthropic

MODEL = "claude-sonnet-5"
ASK: Any = {"model": MODEL, "max_tokens": 9, "messages": [{"role": "user", "content": "PRIVATE"}]}
HOW: Any = {"base_url": "http://api.anthropic.com", "api_key": "CANARY-KEY", "max_retries": 0}
IS = {"client": "httpx2", "provider": "anthropic", "model": MODEL}


def test_messages(seen: Any) -> None:
    with anthropic.Anthropic(**HOW) as made:
        assert made.messages.create(**ASK).usage.output_tokens == 8
    seen.only("messages", **IS)


def test_messages_streamed(seen: Any) -> None:
    with anthropic.Anthropic(**HOW) as made:
        assert list(made.messages.create(**ASK, stream=True))
    seen.only("messages", **IS, streamed=True)


def test_messages_by_the_stream_helper(seen: Any) -> None:
    with anthropic.Anthropic(**HOW) as made, made.messages.stream(**ASK) as stream:
        assert "".join(stream.text_stream)
        assert stream.get_final_message().usage.output_tokens == 8
    seen.only("messages", **IS, streamed=True)


def test_async_messages(seen: Any) -> None:
    async def ask() -> None:
        async with anthropic.AsyncAnthropic(**HOW) as made:
            assert (await made.messages.create(**ASK)).usage

    asyncio.run(ask())
    seen.only("messages", **IS)


def test_async_messages_streamed(seen: Any) -> None:
    async def ask() -> None:
        async with anthropic.AsyncAnthropic(**HOW) as made, made.messages.stream(**ASK) as stream:
            assert [text async for text in stream.text_stream]

    asyncio.run(ask())
    seen.only("messages", **IS, streamed=True)
