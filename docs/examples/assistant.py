"""The code under test: a small application that lets a language model summarise a text."""

from __future__ import annotations

from collections.abc import Iterator

from openai import AsyncOpenAI, OpenAI
from openai.types.chat import ChatCompletionMessageParam


def _messages(text: str) -> list[ChatCompletionMessageParam]:
    return [
        {"role": "system", "content": "Summarise the text in one sentence."},
        {"role": "user", "content": text},
    ]


def summarise(client: OpenAI, model: str, text: str) -> str:
    """Wait for the whole summary."""
    answer = client.chat.completions.create(model=model, messages=_messages(text))
    return answer.choices[0].message.content or ""


def stream_summary(client: OpenAI, model: str, text: str) -> Iterator[str]:
    """Yield the summary piece by piece, as a chat window shows it."""
    stream = client.chat.completions.create(
        model=model,
        messages=_messages(text),
        stream=True,
        # Without this option a stream does not say how many tokens it cost.
        stream_options={"include_usage": True},
    )
    for chunk in stream:
        if chunk.choices and chunk.choices[0].delta.content:
            yield chunk.choices[0].delta.content


async def summarise_async(client: AsyncOpenAI, model: str, text: str) -> str:
    """Wait for the whole summary, and let others work meanwhile."""
    answer = await client.chat.completions.create(model=model, messages=_messages(text))
    return answer.choices[0].message.content or ""
