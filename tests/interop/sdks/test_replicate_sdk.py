"""replicate, over httpx: a call is the creation of a prediction; reading its result later is none."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

replicate = pytest.importorskip("replicate")

MODEL = "meta/meta-llama-3-8b-instruct"
INPUT = {"prompt": "PRIVATE"}
IS = {"client": "httpx", "provider": "replicate", "model": MODEL}
UNKNOWN: Any = {"input_tokens": None, "output_tokens": None, "notices": ("no-usage",)}


@pytest.fixture
def client() -> Any:
    return replicate.Client(api_token="CANARY-KEY", base_url="http://api.replicate.com")


def test_run(client: Any, seen: Any) -> None:
    assert "".join(client.run(MODEL, input=INPUT)) == "Hi"
    seen.only("replicate", **IS)


def test_async_run(client: Any, seen: Any) -> None:
    assert asyncio.run(client.async_run(MODEL, input=INPUT))
    seen.only("replicate", **IS)


def test_a_stream_is_read_elsewhere_and_its_tokens_are_not_told(client: Any, seen: Any) -> None:
    assert "".join(str(event) for event in client.stream(MODEL, input=INPUT)) == "Hi"
    seen.only("replicate", **IS, **UNKNOWN)
