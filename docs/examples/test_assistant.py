"""An assistant behind an API: the openai SDK talks to a server on this machine, in another process.

The calls are live (a request really leaves through the SDK) and local (the energy that the server needs is metered
here, no data centre is estimated). Point ``base_url`` at Ollama, llama.cpp or vLLM and the same is true for them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from assistant import stream_summary, summarise, summarise_async
from openai import AsyncOpenAI, OpenAI
from texts import ARTICLE, SUMMARY

MODEL = "llama-3.2-1b"  # decides the training share; the energy of the use is metered, whatever the name


@pytest.fixture(scope="module")
def client(server_url: str) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{server_url}/v1", api_key="none-needed") as client:
        yield client


def test_a_text_is_summarised(client: OpenAI) -> None:
    assert summarise(client, MODEL, ARTICLE) == SUMMARY


def test_a_summary_can_be_shown_while_it_is_written(client: OpenAI) -> None:
    pieces = list(stream_summary(client, MODEL, ARTICLE))
    assert "".join(pieces) == SUMMARY
    assert len(pieces) == len(SUMMARY.split())


def test_the_most_similar_text_is_found(client: OpenAI) -> None:
    texts = ["the model was trained on digits", "a digit was read by the model", "water is scarce in summer"]
    answer = client.embeddings.create(model=MODEL, input=[*texts, "which model was trained"], encoding_format="float")
    *candidates, query = [item.embedding for item in answer.data]
    similarity = [sum(a * b for a, b in zip(query, candidate, strict=True)) for candidate in candidates]
    assert similarity.index(max(similarity)) == 0


# Many users at once is where a bill runs away, so this test has a limit of its own: it fails when it costs more.
@pytest.mark.aifootprint(budget="5 gCO2e")
async def test_many_users_are_served_at_once(server_url: str) -> None:
    texts = [f"User {number} asks this. And then goes on." for number in range(5)]
    async with AsyncOpenAI(base_url=f"{server_url}/v1", api_key="none-needed") as client:
        summaries = await asyncio.gather(*(summarise_async(client, MODEL, text) for text in texts))
    assert summaries == [f"User {number} asks this." for number in range(5)]


def test_asking_which_models_there_are_runs_none(client: OpenAI) -> None:
    # An API request, but no AI call: this test gets no row.
    assert [model.id for model in client.models.list()] == [MODEL]
