"""The call of ``test_assistant.py`` again, answered from a recording: no server, no network, no model.

It costs almost nothing, and the footprint shows what it *avoided*: what the call would have cost at the provider.
``record_cassette.py`` made the recording.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import vcr
from assistant import summarise
from openai import OpenAI
from texts import ARTICLE, SUMMARY

MODEL = "gpt-4o-mini"

# "none": a request that is not in the recording is an error, so this file can never reach the network.
replay = vcr.VCR(
    cassette_library_dir=str(Path(__file__).with_name("cassettes")),
    record_mode="none",
    match_on=["method", "scheme", "host", "port", "path", "body"],
)


@pytest.fixture
def client() -> Iterator[OpenAI]:
    with OpenAI(base_url="https://api.openai.com/v1", api_key="none-needed") as client:
        yield client


def test_a_text_is_summarised_from_the_recording(client: OpenAI) -> None:
    with replay.use_cassette("summary.yaml") as cassette:
        assert summarise(client, MODEL, ARTICLE) == SUMMARY
    assert cassette.play_count == 1
