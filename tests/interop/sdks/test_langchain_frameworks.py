"""langchain-openai and langchain-anthropic, over the SDKs' httpx2."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

langchain_openai = pytest.importorskip("langchain_openai")
langchain_anthropic = pytest.importorskip("langchain_anthropic")

KEY: Any = {"api_key": "CANARY-KEY", "max_retries": 0}
OPENAI = "http://api.openai.com/v1"
ANTHROPIC = "http://api.anthropic.com"
# Which API, whose, and the model.
MODELS: dict[str, Any] = {
    "openai": ("chat", lambda: langchain_openai.ChatOpenAI(model="m", base_url=OPENAI, stream_usage=True, **KEY)),
    "anthropic": ("messages", lambda: langchain_anthropic.ChatAnthropic(model="m", base_url=ANTHROPIC, **KEY)),
}
each = pytest.mark.parametrize("provider", MODELS)


def check(provider: str, seen: Any, *, streamed: bool = False) -> None:
    seen.only(MODELS[provider][0], client="httpx2", provider=provider, model="m", streamed=streamed)


@each
def test_invoke(provider: str, seen: Any) -> None:
    assert MODELS[provider][1]().invoke("PRIVATE").usage_metadata["output_tokens"] in {7, 8}
    check(provider, seen)


@each
def test_stream(provider: str, seen: Any) -> None:
    assert list(MODELS[provider][1]().stream("PRIVATE"))
    check(provider, seen, streamed=True)


@each
def test_async(provider: str, seen: Any) -> None:
    async def ask() -> None:  # in one loop: the async clients are kept by their address, with the loop they began in
        assert (await MODELS[provider][1]().ainvoke("PRIVATE")).content
        check(provider, seen)
        assert [chunk async for chunk in MODELS[provider][1]().astream("PRIVATE")]
        check(provider, seen, streamed=True)

    asyncio.run(ask())


@each
def test_a_batch_runs_in_threads_and_is_a_call_each(provider: str, seen: Any) -> None:
    MODELS[provider][1]().batch(["PRIVATE"] * 3)
    calls = seen.take()
    assert len(calls) == 3
    for call in calls:
        seen.check(call, MODELS[provider][0], client="httpx2", provider=provider, model="m")


def test_responses(seen: Any) -> None:
    model = langchain_openai.ChatOpenAI(model="m", base_url=OPENAI, use_responses_api=True, **KEY)
    assert model.invoke("PRIVATE").content
    seen.only("responses", client="httpx2", provider="openai", model="m")
    assert list(model.stream("PRIVATE"))
    seen.only("responses", client="httpx2", provider="openai", model="m", streamed=True)


def test_embeddings(seen: Any) -> None:
    model = langchain_openai.OpenAIEmbeddings(model="emb", base_url=OPENAI, check_embedding_ctx_length=False, **KEY)
    assert len(model.embed_documents(["PRIVATE", "b"])) == 2
    seen.only("embeddings", client="httpx2", provider="openai", model="emb", samples=2)
