"""Runs a recorded request and answer through the parsers, cut in every way."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_aifootprint.detection.providers.asking import Asked, asked, could_ask
from pytest_aifootprint.detection.providers.body import Body

Record = dict[str, Any]


def ask(url: str, request: object = None) -> Asked | None:
    """What a request to a URL (without its scheme) asks for. Bytes are sent as they are; None is an unread body."""
    host, _, path = url.partition("/")
    match = could_ask(b"/" + path.encode())
    data = request if isinstance(request, bytes | None) else json.dumps(request).encode()
    return None if match is None else asked(match, host, data)


def read(found: Asked, pieces: list[bytes], content_type: str, headers: Mapping[str, str]) -> Record:
    """What an answer in these pieces says."""
    interpreter = found.interpreter()
    interpreter.headers(headers)
    body = Body(interpreter, content_type)
    for piece in pieces:
        body.feed(piece)
    body.end()
    usage = interpreter.usage()
    return {
        "operation": found.operation,
        "provider": found.provider,
        "model": found.model,
        "asked_stream": found.streamed,
        "samples": found.samples,
        "media_s": found.media_s if found.media_s is not None else usage.media_s,
        "notices": found.notices,
        "response_model": usage.model,
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cached_input_tokens": usage.cached_input_tokens,
        "reasoning_tokens": usage.reasoning_tokens,
        "estimated": usage.estimated,
        "streamed": body.streamed,
        "understood": body.understood,
        "complete": interpreter.complete,
    }


def check(
    url: str,
    request: object,
    answer: bytes,
    expected: Record,
    content_type: str = "application/json",
    headers: Mapping[str, str] | None = None,
) -> None:
    """The record is the expected one, whatever way the answer is cut. What is not expected is unknown."""
    found = ask(url, request)
    assert found is not None
    usual = {"asked_stream": expected.get("streamed", False), "streamed": False, "estimated": False}
    known = {"notices": (), "understood": True, "complete": True}
    sent = headers or {}
    whole = read(found, [answer], content_type, sent)
    assert whole == {**dict.fromkeys(whole), **usual, **known, **expected}
    assert read(found, [bytes([byte]) for byte in answer], content_type, sent) == whole
    for at in range(1, len(answer), 1 + len(answer) // 2_000):
        assert read(found, [answer[:at], answer[at:]], content_type, sent) == whole, f"cut at {at}"

    @given(st.lists(st.integers(0, len(answer)), max_size=9))
    @settings(max_examples=20, deadline=None, database=None)
    def any_cuts(places: list[int]) -> None:
        edges = [0, *sorted(places), len(answer)]
        pieces = [answer[a:b] for a, b in pairwise(edges)]
        assert read(found, pieces, content_type, sent) == whole

    any_cuts()


@pytest.fixture(scope="session")
def asks() -> Callable[..., Asked | None]:
    return ask


@pytest.fixture(scope="session")
def reads() -> Callable[..., Record]:
    return read


@pytest.fixture(scope="session")
def checks() -> Callable[..., None]:
    return check
