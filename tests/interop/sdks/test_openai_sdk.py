"""openai: over httpx2, over a legacy httpx client, over aiohttp; Azure's way too."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import openai
import pytest

MODEL = "gpt-5-mini"
ASK: Any = {"model": MODEL, "messages": [{"role": "user", "content": "PRIVATE"}]}
WITH_USAGE: Any = {"stream": True, "stream_options": {"include_usage": True}}
SEEN_BY = {"httpx2": "httpx2", "httpx": "httpx", "aiohttp": "httpx2"}
HOW: dict[str, Any] = {"base_url": "http://api.openai.com/v1", "api_key": "CANARY-KEY", "max_retries": 0}


def stack(name: str) -> dict[str, Any]:
    return {"http_client": httpx.Client()} if name == "httpx" else {}


def async_stack(name: str) -> dict[str, Any]:
    if name == "aiohttp":
        return {"http_client": openai.DefaultAioHttpClient()}
    return {"http_client": httpx.AsyncClient()} if name == "httpx" else {}


@pytest.mark.parametrize("client", ["httpx2", "httpx"])
class TestSync:
    def test_chat(self, client: str, seen: Any) -> None:
        with openai.OpenAI(**HOW, **stack(client)) as made:
            assert made.chat.completions.create(**ASK).usage.prompt_tokens == 11
        seen.only("chat", client=client, provider="openai", model=MODEL)

    def test_chat_streamed(self, client: str, seen: Any) -> None:
        with openai.OpenAI(**HOW, **stack(client)) as made:
            *_, last = made.chat.completions.create(**ASK, **WITH_USAGE)
        assert last.usage.completion_tokens == 7
        seen.only("chat", client=client, provider="openai", model=MODEL, streamed=True)

    def test_a_stream_without_usage_is_estimated(self, client: str, seen: Any) -> None:
        with openai.OpenAI(**HOW, **stack(client)) as made:
            assert list(made.chat.completions.create(**ASK, stream=True))
        unknown = {"input_tokens": None, "cached_input_tokens": None, "reasoning_tokens": None}
        estimated = {"streamed": True, "tokens_estimated": True, "output_tokens": 7}
        seen.only("chat", client=client, provider="openai", model=MODEL, **estimated, **unknown)

    def test_responses(self, client: str, seen: Any) -> None:
        with openai.OpenAI(**HOW, **stack(client)) as made:
            assert made.responses.create(model=MODEL, input="PRIVATE").usage
        seen.only("responses", client=client, provider="openai", model=MODEL)

    def test_responses_streamed(self, client: str, seen: Any) -> None:
        with openai.OpenAI(**HOW, **stack(client)) as made:
            assert list(made.responses.create(model=MODEL, input="PRIVATE", stream=True))
        seen.only("responses", client=client, provider="openai", model=MODEL, streamed=True)

    def test_responses_by_the_stream_helper(self, client: str, seen: Any) -> None:
        with openai.OpenAI(**HOW, **stack(client)) as made, made.responses.stream(model=MODEL, input="x") as stream:
            assert stream.get_final_response().usage
        seen.only("responses", client=client, provider="openai", model=MODEL, streamed=True)

    def test_embeddings(self, client: str, seen: Any) -> None:
        with openai.OpenAI(**HOW, **stack(client)) as made:
            assert len(made.embeddings.create(model="emb", input=["PRIVATE", "b"]).data) == 2
        seen.only("embeddings", client=client, provider="openai", model="emb", samples=2)

    def test_raw_response(self, client: str, seen: Any) -> None:
        with openai.OpenAI(**HOW, **stack(client)) as made:
            assert made.chat.completions.with_raw_response.create(**ASK).parse().usage
            with made.chat.completions.with_streaming_response.create(**ASK) as response:
                assert response.parse().usage
        for call in (calls := seen.take()):
            seen.check(call, "chat", client=client, provider="openai", model=MODEL)
        assert len(calls) == 2


@pytest.mark.parametrize("client", ["httpx2", "httpx", "aiohttp"])
class TestAsync:
    """``DefaultAioHttpClient`` is an httpx2 client with a transport of aiohttp: one call is seen by both, once."""

    def test_chat(self, client: str, seen: Any) -> None:
        async def ask() -> None:
            async with openai.AsyncOpenAI(**HOW, **async_stack(client)) as made:
                assert (await made.chat.completions.create(**ASK)).usage

        asyncio.run(ask())
        seen.only("chat", client=SEEN_BY[client], provider="openai", model=MODEL)

    def test_chat_streamed(self, client: str, seen: Any) -> None:
        async def ask() -> None:
            async with openai.AsyncOpenAI(**HOW, **async_stack(client)) as made:
                assert [chunk async for chunk in await made.chat.completions.create(**ASK, **WITH_USAGE)]

        asyncio.run(ask())
        seen.only("chat", client=SEEN_BY[client], provider="openai", model=MODEL, streamed=True)

    def test_many_at_once(self, client: str, seen: Any) -> None:
        async def ask() -> None:
            async with openai.AsyncOpenAI(**HOW, **async_stack(client)) as made:
                await asyncio.gather(*(made.chat.completions.create(**{**ASK, "model": f"m{n}"}) for n in range(5)))

        asyncio.run(ask())
        calls = seen.take()
        assert sorted(call.model for call in calls) == [f"m{n}" for n in range(5)]
        for call in calls:
            seen.check(call, "chat", client=SEEN_BY[client], provider="openai", model=call.model)

    def test_responses(self, client: str, seen: Any) -> None:
        async def ask() -> None:
            async with openai.AsyncOpenAI(**HOW, **async_stack(client)) as made:
                assert (await made.responses.create(model=MODEL, input="PRIVATE")).usage

        asyncio.run(ask())
        seen.only("responses", client=SEEN_BY[client], provider="openai", model=MODEL)

    def test_responses_streamed(self, client: str, seen: Any) -> None:
        async def ask() -> None:
            async with openai.AsyncOpenAI(**HOW, **async_stack(client)) as made:
                assert [event async for event in await made.responses.create(model=MODEL, input="x", stream=True)]

        asyncio.run(ask())
        seen.only("responses", client=SEEN_BY[client], provider="openai", model=MODEL, streamed=True)

    def test_embeddings(self, client: str, seen: Any) -> None:
        async def ask() -> None:
            async with openai.AsyncOpenAI(**HOW, **async_stack(client)) as made:
                assert (await made.embeddings.create(model="emb", input="PRIVATE")).data

        asyncio.run(ask())
        seen.only("embeddings", client=SEEN_BY[client], provider="openai", model="emb", samples=1)


def test_azure(seen: Any) -> None:
    azure: dict[str, Any] = {
        "azure_endpoint": "http://me.openai.azure.com",
        "api_version": "2024-10-21",
        "api_key": "CANARY-KEY",
    }
    with openai.AzureOpenAI(**azure) as made:
        assert made.chat.completions.create(**ASK).usage
        seen.only("chat", client="httpx2", provider="azure-openai", model=MODEL)
        assert list(made.chat.completions.create(**ASK, **WITH_USAGE))
        seen.only("chat", client="httpx2", provider="azure-openai", model=MODEL, streamed=True)


def test_an_error_is_a_call_with_its_status(seen: Any) -> None:
    with (
        openai.OpenAI(**{**HOW, "base_url": "http://api.openai.com/v9/nowhere", "max_retries": 0}) as made,
        pytest.raises(openai.NotFoundError),
    ):
        made.completions.create(model=MODEL, prompt="PRIVATE")
    (call,) = seen.take()
    assert (call.status, call.realness, call.model) == (404, "live", MODEL)
