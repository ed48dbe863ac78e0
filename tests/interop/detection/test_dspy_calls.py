"""dspy sends through a client of its own: against a server in another process of this machine."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pytest_aifootprint.detection import AICall, Recorder, Seams

dspy = pytest.importorskip("dspy")
transports = pytest.importorskip("dspy._vendor.lm15.transports")

SERVER = Path(__file__).parents[2] / "unit" / "detection" / "fake_server.py"
BODY = b'{"model": "gpt-5-mini", "messages": [{"role": "user", "content": "PRIVATE"}]}'
STREAM = BODY[:-1] + b', "stream": true, "stream_options": {"include_usage": true}}'


@dataclass(eq=False)
class Watched:
    """A recorder, armed. Calls outside of tests are as good as any here."""

    recorder: Recorder = field(default_factory=Recorder)

    @property
    def calls(self) -> list[AICall]:
        assert self.recorder.errors == []
        assert "PRIVATE" not in repr(self.recorder.unowned)
        return self.recorder.unowned


@pytest.fixture(scope="module")
def local() -> Iterator[str]:
    command = [sys.executable, str(SERVER)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
        process.communicate()


@pytest.fixture
def watched() -> Iterator[Watched]:
    made = Watched()
    seams = Seams.arm(made.recorder)
    assert seams.status()["dspy"] == "armed"
    yield made
    seams.disarm()
    assert made.recorder.errors == []
    assert not made.recorder.pending


def check(call: AICall, tokens: tuple[int, int] = (11, 7)) -> None:
    assert (call.client, call.realness, call.locality, call.status) == ("dspy", "live", "local", 200)
    assert (call.model, call.input_tokens, call.output_tokens) == ("gpt-5-mini", *tokens)
    assert (call.abandoned, call.notices) == (False, ())


@pytest.mark.parametrize(("kind", "tokens"), [("chat", (11, 7)), ("responses", (20, 9))])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_language_model(kind: Any, tokens: tuple[int, int], local: str, watched: Watched) -> None:
    model = dspy.LM("openai/gpt-5-mini", model_type=kind, api_base=local, api_key="x", cache=False, engine="lm15")
    assert model("PRIVATE")
    assert asyncio.run(model.acall("PRIVATE"))
    assert len(watched.calls) == 2
    for call in watched.calls:
        check(call, tokens)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_retry_is_another_call(local: str, watched: Watched) -> None:
    model = dspy.LM("openai/limited", api_base=local, api_key="x", cache=False, engine="lm15")
    assert model("PRIVATE")
    assert [call.status for call in watched.calls] == [429, 200]


def request(local: str, body: bytes, query: str = "") -> Any:
    headers = [("content-type", "application/json"), ("content-length", str(len(body)))]
    return transports.TransportRequest("POST", f"{local}/chat/completions{query}", headers, body)


def read(local: str, body: bytes, query: str = "") -> list[Any]:
    with transports.StdlibTransport() as transport, transport.stream(request(local, body, query)) as response:
        try:
            return [response.status, type(response), response.read()]
        except transports.TransportError as error:
            return [response.status, type(response), type(error)]


async def read_async(local: str, body: bytes, query: str = "") -> list[Any]:
    async with (
        transports.StdlibAsyncTransport() as transport,
        transport.stream(request(local, body, query)) as response,
    ):
        try:
            return [response.status, type(response), await response.read()]
        except transports.TransportError as error:
            return [response.status, type(response), type(error)]


@pytest.mark.parametrize("body", [BODY, STREAM], ids=["json", "stream"])
def test_the_user_sees_the_same(body: bytes, local: str, request: pytest.FixtureRequest) -> None:
    without = read(local, body), asyncio.run(read_async(local, body))
    watched: Watched = request.getfixturevalue("watched")
    assert (read(local, body), asyncio.run(read_async(local, body))) == without
    assert len(watched.calls) == 2
    for call in watched.calls:
        check(call)
        assert call.streamed == (body is STREAM)


def test_what_breaks_off_breaks_off_for_us_too(local: str, request: pytest.FixtureRequest) -> None:
    without = read(local, STREAM, "?cut=1"), asyncio.run(read_async(local, STREAM, "?cut=1"))
    watched: Watched = request.getfixturevalue("watched")
    assert (read(local, STREAM, "?cut=1"), asyncio.run(read_async(local, STREAM, "?cut=1"))) == without
    assert [(call.abandoned, call.output_tokens, call.tokens_estimated) for call in watched.calls] == [
        (True, 2, True)
    ] * 2


def test_a_stream_left_early_is_abandoned(local: str, watched: Watched) -> None:
    with transports.StdlibTransport() as transport, transport.stream(request(local, STREAM)) as response:
        next(iter(response))

    async def leave() -> None:
        async with transports.StdlibAsyncTransport() as transport, transport.stream(request(local, STREAM)) as answer:
            async for _ in answer:
                break

    asyncio.run(leave())
    assert [call.abandoned for call in watched.calls] == [True, True]


def test_a_refused_connection_is_an_error(watched: Watched) -> None:
    with transports.StdlibTransport() as transport, pytest.raises(transports.ConnectError):
        transport.stream(request("http://127.0.0.1:1", BODY))
    (call,) = watched.calls
    assert (call.realness, call.status, call.notices) == ("live", "error", ())


def test_what_was_never_sent_is_not_live(watched: Watched) -> None:
    transport = transports.StdlibTransport()
    transport.close()
    with pytest.raises(transports.TransportError):
        transport.stream(request("http://127.0.0.1:1", BODY))
    (call,) = watched.calls
    assert (call.realness, call.notices) == ("mocked", ("never-sent",))
