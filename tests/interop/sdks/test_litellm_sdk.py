"""litellm: httpx clients of its own, the openai SDK, and for async httpx over aiohttp: one call is seen once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

litellm = pytest.importorskip("litellm")

# Model as litellm has it, API, host, provider, client of a sync and of an async call.
ROUTES = {
    "openai": ("openai/m", "chat", "http://api.openai.com/v1", "openai"),
    "anthropic": ("anthropic/m", "messages", "http://api.anthropic.com", "anthropic"),
    "gemini": ("gemini/m", "gemini", "http://generativelanguage.googleapis.com/v1beta", "google_genai"),
    "groq": ("groq/m", "chat", "http://api.groq.com/openai/v1", "groq"),
    "mistral": ("mistral/m", "chat", "http://api.mistral.ai/v1", "mistralai"),
}
each = pytest.mark.parametrize("route", ROUTES)
MESSAGES = [{"role": "user", "content": "PRIVATE"}]


def ask(route: str, **more: Any) -> dict[str, Any]:
    model, _, base, _ = ROUTES[route]
    return {"model": model, "messages": MESSAGES, "api_base": base, "api_key": "CANARY-KEY", "max_retries": 0, **more}


def check(route: str, seen: Any, *, streamed: bool = False) -> None:
    _, api, _, provider = ROUTES[route]
    seen.only(api, provider=provider, model="m", streamed=streamed, client=CLIENT[route])


CLIENT = dict.fromkeys(ROUTES, "httpx")


@each
def test_completion(route: str, seen: Any) -> None:
    assert litellm.completion(**ask(route)).usage.prompt_tokens
    check(route, seen)


@each
def test_completion_streamed(route: str, seen: Any) -> None:
    assert list(litellm.completion(**ask(route, stream=True, stream_options={"include_usage": True})))
    check(route, seen, streamed=True)


@each
def test_async_completion(route: str, seen: Any) -> None:
    assert asyncio.run(litellm.acompletion(**ask(route))).usage.prompt_tokens
    check(route, seen)


@each
def test_async_completion_streamed(route: str, seen: Any) -> None:
    async def streamed() -> None:
        asked = ask(route, stream=True, stream_options={"include_usage": True})
        assert [chunk async for chunk in await litellm.acompletion(**asked)]

    asyncio.run(streamed())
    check(route, seen, streamed=True)


def test_ollama(local: str, seen: Any) -> None:
    asked: Any = {"model": "ollama_chat/llama3.2", "messages": MESSAGES, "api_base": local}
    is_: Any = {"provider": "local", "locality": "local", "model": "llama3.2", "client": "httpx"}
    assert litellm.completion(**asked).usage.completion_tokens == 298
    seen.only("ollama", **is_)
    assert list(litellm.completion(**asked, stream=True))
    seen.only("ollama", **is_, streamed=True)


def test_a_mocked_response_is_no_call(seen: Any) -> None:
    assert litellm.completion(**ask("openai", mock_response="Hi")).choices
    assert seen.take() == []
