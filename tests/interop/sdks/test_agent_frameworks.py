"""pydantic-ai and openai-agents."""

from __future__ import annotations

import asyncio
from typing import Any

import openai
import pytest

pydantic_ai = pytest.importorskip("pydantic_ai")
agents = pytest.importorskip("agents")
openai_models = pytest.importorskip("pydantic_ai.models.openai")
openai_provider = pytest.importorskip("pydantic_ai.providers.openai")
anthropic_models = pytest.importorskip("pydantic_ai.models.anthropic")
anthropic_provider = pytest.importorskip("pydantic_ai.providers.anthropic")
test_models = pytest.importorskip("pydantic_ai.models.test")

OPENAI = {"base_url": "http://api.openai.com/v1", "api_key": "CANARY-KEY"}
ANTHROPIC = {"base_url": "http://api.anthropic.com", "api_key": "CANARY-KEY"}


def pydantic_model(api: str) -> Any:
    if api == "messages":
        return anthropic_models.AnthropicModel("m", provider=anthropic_provider.AnthropicProvider(**ANTHROPIC))
    kind = openai_models.OpenAIChatModel if api == "chat" else openai_models.OpenAIResponsesModel
    return kind("m", provider=openai_provider.OpenAIProvider(**OPENAI))


def check(api: str, seen: Any, *, streamed: bool = False) -> None:
    provider = "anthropic" if api == "messages" else "openai"
    seen.only(api, client="httpx2", provider=provider, model="m", streamed=streamed)


@pytest.mark.parametrize("api", ["chat", "responses", "messages"])
class TestPydanticAI:
    def test_run(self, api: str, seen: Any) -> None:
        assert pydantic_ai.Agent(pydantic_model(api)).run_sync("PRIVATE").output
        check(api, seen)

    def test_async_run(self, api: str, seen: Any) -> None:
        assert asyncio.run(pydantic_ai.Agent(pydantic_model(api)).run("PRIVATE")).output
        check(api, seen)

    def test_streamed(self, api: str, seen: Any) -> None:
        async def ask() -> None:
            async with pydantic_ai.Agent(pydantic_model(api)).run_stream("PRIVATE") as run:
                assert [text async for text in run.stream_text()]

        asyncio.run(ask())
        check(api, seen, streamed=True)


def test_a_tool_is_a_second_call(seen: Any) -> None:
    asked = []

    def look_up(name: str) -> str:
        asked.append(name)
        return "PRIVATE"

    agent = pydantic_ai.Agent(pydantic_model("chat"), tools=[look_up])
    assert agent.run_sync("PRIVATE").output
    assert asked == ["Ada"]
    calls = seen.take()
    assert len(calls) == 2
    for call in calls:
        seen.check(call, "chat", client="httpx2", provider="openai", model="m")


def test_pydantic_ais_test_model_is_no_call(seen: Any) -> None:
    assert pydantic_ai.Agent(test_models.TestModel()).run_sync("PRIVATE").output
    assert seen.take() == []


def openai_agent(api: str, client: openai.AsyncOpenAI) -> Any:
    kind = agents.OpenAIChatCompletionsModel if api == "chat" else agents.OpenAIResponsesModel
    settings = agents.ModelSettings(include_usage=True) if api == "chat" else agents.ModelSettings()
    return agents.Agent("a", model=kind("m", openai_client=client), model_settings=settings)


@pytest.mark.parametrize("api", ["chat", "responses"])
class TestOpenAIAgents:
    def test_sync_run(self, api: str, seen: Any) -> None:
        agent = openai_agent(api, openai.AsyncOpenAI(**OPENAI))  # type: ignore[arg-type]
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        assert agents.Runner.run_sync(agent, "PRIVATE").final_output
        loop.close()
        asyncio.set_event_loop(None)
        check(api, seen)

    def test_run(self, api: str, seen: Any) -> None:
        async def ask() -> None:
            async with openai.AsyncOpenAI(**OPENAI) as client:  # type: ignore[arg-type]
                assert (await agents.Runner.run(openai_agent(api, client), "PRIVATE")).final_output

        asyncio.run(ask())
        check(api, seen)

    def test_streamed(self, api: str, seen: Any) -> None:
        async def ask() -> None:
            async with openai.AsyncOpenAI(**OPENAI) as client:  # type: ignore[arg-type]
                run = agents.Runner.run_streamed(openai_agent(api, client), "PRIVATE")
                assert [event async for event in run.stream_events()]

        asyncio.run(ask())
        check(api, seen, streamed=True)
