"""dspy by its own engine (lm15, seen as dspy) and by litellm (seen as the stack below), through its adapters."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

dspy = pytest.importorskip("dspy")

ENGINES = {"lm15": "dspy", "litellm": "httpx"}
each = pytest.mark.parametrize("engine", ENGINES)


def model(engine: str) -> Any:
    how = {"api_base": "http://api.openai.com/v1", "api_key": "CANARY-KEY", "cache": False, "num_retries": 0}
    return dspy.LM("openai/gpt-4.1-mini", engine=engine, **how)


def check(engine: str, seen: Any, *, streamed: bool = False) -> None:
    is_ = {"client": ENGINES[engine], "provider": "openai", "model": "gpt-4.1-mini"}
    seen.only("chat", **is_, streamed=streamed)


@each
def test_predict(engine: str, seen: Any) -> None:
    with dspy.context(lm=model(engine)):
        assert dspy.Predict("question -> answer")(question="PRIVATE").answer == "yes"
    check(engine, seen)


@each
def test_async_predict(engine: str, seen: Any) -> None:
    async def ask() -> None:
        with dspy.context(lm=model(engine)):
            assert (await dspy.Predict("question -> answer").acall(question="PRIVATE")).answer == "yes"

    asyncio.run(ask())
    check(engine, seen)


@each
def test_predict_streamed(engine: str, seen: Any) -> None:
    async def ask() -> None:
        with dspy.context(lm=model(engine), track_usage=True):
            listener = dspy.streaming.StreamListener(signature_field_name="answer")
            stream = dspy.streamify(dspy.Predict("question -> answer"), stream_listeners=[listener])
            *_, last = [piece async for piece in stream(question="PRIVATE")]
            assert last.answer == "yes"

    asyncio.run(ask())
    check(engine, seen, streamed=True)
