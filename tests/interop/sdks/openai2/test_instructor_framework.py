"""instructor, which wants an older jiter than the newest openai does."""

from __future__ import annotations

import asyncio
from typing import Any

import openai
import pydantic
import pytest

instructor = pytest.importorskip("instructor")

HOW: Any = {"base_url": "http://api.openai.com/v1", "api_key": "CANARY-KEY", "max_retries": 0}
ASK: Any = {"model": "m", "messages": [{"role": "user", "content": "PRIVATE"}]}
IS = {"client": "httpx", "provider": "openai", "model": "m"}


class Person(pydantic.BaseModel):
    name: str


def test_structured_output(seen: Any) -> None:
    with openai.OpenAI(**HOW) as client:
        asker = instructor.from_openai(client)
        assert asker.chat.completions.create(response_model=Person, **ASK).name == "Ada"
    seen.only("chat", **IS)


def test_async_structured_output(seen: Any) -> None:
    async def ask() -> None:
        async with openai.AsyncOpenAI(**HOW) as client:
            asker = instructor.from_openai(client)
            assert (await asker.chat.completions.create(response_model=Person, **ASK)).name == "Ada"

    asyncio.run(ask())
    seen.only("chat", **IS)


def test_structured_output_streamed(seen: Any) -> None:
    with openai.OpenAI(**HOW) as client:
        asker = instructor.from_openai(client)
        usage: Any = {"stream_options": {"include_usage": True}}
        *_, last = asker.chat.completions.create_partial(response_model=Person, **ASK, **usage)
    assert last.name == "Ada"
    seen.only("chat", **IS, streamed=True)
