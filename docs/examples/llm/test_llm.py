"""A real language model on this machine, asked through the openai and the anthropic SDK.

The tokens are counted by the model's own tokenizer, and the energy is metered here, in the server's process: every call
is local and live. The model is small and its answers are short on purpose; metering does not mind.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from anthropic import Anthropic
from openai import OpenAI

MODEL = "gemma-3-270m"
COUNTING = "one, two, three, four,"
CAPITALS = "Paris is the capital of France.\nBerlin is the capital of Germany.\nRome is the capital of"


@pytest.fixture(scope="module")
def openai(server_url: str) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{server_url}/v1", api_key="none-needed") as client:
        yield client


@pytest.fixture(scope="module")
def anthropic(server_url: str) -> Iterator[Anthropic]:
    with Anthropic(base_url=server_url, api_key="none-needed") as client:
        yield client


def test_openai_continues_a_sequence(openai: OpenAI) -> None:
    answer = openai.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": COUNTING}], max_tokens=6)
    assert answer.choices[0].message.content == " five, six, seven,"
    assert answer.usage
    assert answer.usage.completion_tokens == 6


def test_openai_streams_the_same_answer(openai: OpenAI) -> None:
    stream = openai.chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": COUNTING}],
        max_tokens=6,
        stream=True,
        stream_options={"include_usage": True},
    )
    pieces = [chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices]
    assert "".join(pieces) == " five, six, seven,"
    assert len([piece for piece in pieces if piece]) == 6


def test_anthropic_knows_a_capital(anthropic: Anthropic) -> None:
    answer = anthropic.messages.create(model=MODEL, messages=[{"role": "user", "content": CAPITALS}], max_tokens=2)
    assert answer.content[0].type == "text"
    assert answer.content[0].text == " Italy."


def test_anthropic_streams_the_same_answer(anthropic: Anthropic) -> None:
    question = {"model": MODEL, "messages": [{"role": "user", "content": CAPITALS}], "max_tokens": 2}
    with anthropic.messages.stream(**question) as stream:
        assert "".join(stream.text_stream) == " Italy."


# What a judge in a test suite does, in small: a model reads a text and says what it thinks of it.
@pytest.mark.aifootprint(tokens=200)
def test_anthropic_judges_a_review(anthropic: Anthropic) -> None:
    reviews = (
        "Review: I love it. Sentiment: positive\n"
        "Review: Awful, broken. Sentiment: negative\n"
        "Review: Great, works well. Sentiment:"
    )
    answer = anthropic.messages.create(model=MODEL, messages=[{"role": "user", "content": reviews}], max_tokens=2)
    assert answer.content[0].type == "text"
    assert answer.content[0].text.strip() == "positive"
