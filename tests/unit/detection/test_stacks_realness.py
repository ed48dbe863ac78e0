"""Live, replayed or mocked, for the clients that are not httpx: with the libraries that replay and mock."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import aiohttp
import httpx
import httpx_aiohttp
import pytest
import requests
import requests_mock
import responses
import stacks  # type: ignore[import-not-found]  # pytest puts this folder on the path, mypy does not
import urllib3
import vcr
from aioresponses import aioresponses

CHAT = "/v1/chat/completions"
REMOTE = "https://api.openai.com" + CHAT
BODY = {"model": "gpt-5-mini", "messages": []}
STREAM = {**BODY, "stream": True, "stream_options": {"include_usage": True}}
CLIENTS = {
    "requests": "requests.content",
    "urllib3": "urllib3.data",
    "urllib": "urllib.read",
    "aiohttp": "aiohttp.read",
}
EACH_CLIENT = pytest.mark.parametrize("client", CLIENTS)
WAYS = pytest.mark.parametrize("way", stacks.ONE_OF_EACH.values(), ids=stacks.ONE_OF_EACH)


@pytest.fixture
def answer(fake: Any) -> dict[str, Any]:
    whole: dict[str, Any] = fake["chat"](BODY)
    return whole


def is_mocked(call: Any, client: str, by: str | None) -> None:
    assert (call.client, call.realness, call.replayer) == (client, "mocked", by)
    assert (call.locality, call.provider, call.host) == ("remote", "openai", "api.openai.com")
    assert (call.input_tokens, call.output_tokens, call.notices) == (11, 7, ())


@pytest.mark.parametrize("query", ["", "?gzip=1"])
@WAYS
def test_recording_is_live_and_replaying_is_not(way: Any, query: str, local: str, tmp_path: Path, watched: Any) -> None:
    body = BODY if way is stacks.WAYS["aiohttp.json"] else STREAM
    seen = []
    for _ in range(2):
        with vcr.use_cassette(str(tmp_path / "tape.yaml")):
            seen.append(way.ask(local + CHAT + query, body, None)["read"])
    recorded, replayed = watched.calls
    assert (recorded.client, recorded.realness, recorded.replayer) == (way.client, "live", None)
    assert (replayed.client, replayed.realness, replayed.replayer) == (way.client, "replayed", "vcrpy")
    for call in watched.calls:
        assert (call.input_tokens, call.output_tokens, call.streamed) == (11, 7, body is STREAM)
        assert (call.abandoned, call.notices, call.status, call.locality) == (False, (), 200, "local")
        assert call.model == "gpt-5-mini"
    if query == "":
        assert seen[0] == seen[1]


@pytest.mark.parametrize("client", ["requests", "urllib3", "aiohttp"])  # urllib.request does not repeat a post
def test_a_redirect_on_tape_is_not_another_call(client: str, local: str, tmp_path: Path, watched: Any) -> None:
    for _ in range(2):
        with vcr.use_cassette(str(tmp_path / "tape.yaml")):
            stacks.WAYS[CLIENTS[client]].ask(f"{local}{CHAT}?redirect=1", BODY, None)
    assert [(call.realness, call.status, call.input_tokens) for call in watched.calls] == [
        ("live", 200, 11),
        ("replayed", 200, 11),
    ]


@EACH_CLIENT
def test_a_replay_of_a_remote_host_is_remote(client: str, local: str, tmp_path: Path, watched: Any) -> None:
    cassette, way = tmp_path / "remote.yaml", stacks.WAYS[CLIENTS[client]]
    with vcr.use_cassette(str(cassette)):
        way.ask(local + CHAT, BODY, None)
    cassette.write_text(cassette.read_text().replace(f"{local}/v1", "https://api.openai.com/v1"))
    with vcr.use_cassette(str(cassette), record_mode="none"):
        way.ask(REMOTE, BODY, None)
    call = watched.calls[1]
    assert (call.realness, call.locality, call.provider, call.host) == (
        "replayed",
        "remote",
        "openai",
        "api.openai.com",
    )


@pytest.mark.parametrize("client", ["requests", "urllib3", "urllib"])
def test_a_request_that_the_cassette_lacks_is_not_live(client: str, tmp_path: Path, watched: Any) -> None:
    with (
        vcr.use_cassette(str(tmp_path / "none.yaml"), record_mode="none"),
        pytest.raises(vcr.errors.CannotOverwriteExistingCassetteException),
    ):
        stacks.WAYS[CLIENTS[client]].ask(REMOTE, BODY, None)
    assert (watched.only().realness, watched.only().status) == ("replayed", "error")


ORDERS = [
    ["arm", "requests", "urllib.request", "aiohttp", "vcr"],
    ["vcr", "arm", "aiohttp", "requests", "urllib.request"],
    ["aiohttp", "arm", "vcr", "requests", "urllib.request"],
    ["requests", "urllib.request", "aiohttp", "vcr", "arm"],
]


@pytest.mark.parametrize("order", ORDERS, ids="-".join)
def test_the_order_of_imports_does_not_matter(order: list[str], local: str, tmp_path: Path) -> None:
    steps = "\n".join("arm()" if step == "arm" else f"import {step}" for step in order)
    script = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from pytest_aifootprint.detection import Recorder, Seams
recorder = Recorder()
seams = None
def arm():
    global seams
    seams = Seams.arm(recorder)
{steps}
import stacks
for name in ("requests.content", "urllib3.data", "urllib.read", "aiohttp.read"):
    for _ in range(2):
        with vcr.use_cassette(r"{tmp_path}/" + name + ".yaml"):
            stacks.WAYS[name].ask("{local}{CHAT}", {{"model": "m", "messages": []}}, None)
assert recorder.errors == [], recorder.errors
for call in recorder.unowned:
    print(call.client, call.realness, call.input_tokens)
print({{seams.status()[name] for name in ("http.client", "requests", "urllib3", "urllib", "aiohttp", "vcrpy")}})
seams.disarm()
from vcr import patch
print(hasattr(patch._AiohttpClientSessionRequest, "__aifootprint__"))
"""
    run = subprocess.run([sys.executable, "-W", "error", "-c", script], check=True, capture_output=True, text=True)
    rows = [f"{client} {how} 11" for client in CLIENTS for how in ("live", "replayed")]
    # What vcr took from us when it was imported after us stays, inert.
    kept = str(order.index("arm") < order.index("vcr"))
    assert run.stdout.splitlines() == [*rows, "{'armed'}", kept]


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "json"])
def test_responses(stream: bool, answer: Any, watched: Any) -> None:  # noqa: FBT001
    with responses.RequestsMock() as mocked:
        mocked.post(REMOTE, json=answer)
        with requests.post(REMOTE, json=BODY, stream=stream, timeout=9) as response:
            assert response.json() == answer
    is_mocked(watched.only(), "requests", "responses")


def test_a_request_that_responses_refuses_is_not_live(watched: Any) -> None:
    with responses.RequestsMock(), pytest.raises(requests.ConnectionError):
        requests.post(REMOTE, json=BODY, timeout=9)
    assert (watched.only().realness, watched.only().replayer) == ("mocked", "responses")
    assert watched.only().status == "error"


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "json"])
def test_requests_mock(stream: bool, answer: Any, watched: Any) -> None:  # noqa: FBT001
    with requests_mock.Mocker() as mocked:
        mocked.post(REMOTE, json=answer)
        with requests.post(REMOTE, json=BODY, stream=stream, timeout=9) as response:
            assert response.json() == answer
    is_mocked(watched.only(), "requests", "requests_mock")


def test_an_adapter_that_is_a_mock_may_answer_with_anything(watched: Any) -> None:
    with mock.patch("requests.adapters.HTTPAdapter.send") as send:
        send.return_value.is_redirect = False
        send.return_value.history = []
        response = requests.post(REMOTE, json=BODY, timeout=9)
    assert response is send.return_value
    call = watched.only()
    assert (call.realness, call.replayer, call.notices) == ("mocked", "unittest", ("unknown-format",))


def test_a_mocked_method_of_the_client_is_no_call(watched: Any) -> None:
    with mock.patch("requests.Session.send"):
        requests.post(REMOTE, json=BODY, timeout=9)
    with mock.patch("urllib3.PoolManager.request"):
        urllib3.PoolManager().request("POST", REMOTE, json=BODY)
    assert watched.calls == []


def test_what_was_never_sent_is_not_live(watched: Any) -> None:
    with requests.Session() as session:
        session.mount("https://", requests.adapters.HTTPAdapter())
        session.auth = lambda request: request
        with pytest.raises(requests.exceptions.InvalidSchema):
            session.post(REMOTE.replace("https", "gopher"), json=BODY)
    call = watched.only()
    assert (call.realness, call.status, call.notices) == ("mocked", "error", ("never-sent",))


@pytest.mark.asyncio
async def test_an_aiohttp_session_that_is_closed_sends_nothing(watched: Any) -> None:
    session = aiohttp.ClientSession()
    await session.close()
    with pytest.raises(RuntimeError):
        await session.post(REMOTE, json=BODY)
    call = watched.only()
    assert (call.realness, call.status, call.notices) == ("mocked", "error", ("never-sent",))


class Answer(aiohttp.ClientResponse):
    """aioresponses 0.7 does not know of an argument that aiohttp 3.14 wants."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"stream_writer": SimpleNamespace(output_size=0), **kwargs})


@pytest.mark.asyncio
async def test_aioresponses(answer: Any, local: str, watched: Any) -> None:
    with aioresponses(passthrough=[local]) as mocked:
        mocked.post(REMOTE, payload=answer, response_class=Answer)
        async with aiohttp.ClientSession() as session:
            async with session.post(REMOTE, json=BODY) as response:
                assert await response.json() == answer
            async with session.post(local + CHAT, json=BODY) as response:
                await response.read()
            with pytest.raises(aiohttp.ClientConnectionError):
                await session.post(REMOTE, json=BODY)
    answered, let_through, refused = watched.calls
    is_mocked(answered, "aiohttp", "aioresponses")
    assert (let_through.client, let_through.realness, let_through.replayer) == ("aiohttp", "live", None)
    assert (refused.realness, refused.replayer, refused.status) == ("mocked", "aioresponses", "error")


def over_aiohttp() -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx_aiohttp.AiohttpTransport(client=aiohttp.ClientSession))


@pytest.mark.asyncio
async def test_what_httpx_sends_through_aiohttp_is_one_call(answer: Any, local: str, watched: Any) -> None:
    async with over_aiohttp() as client:
        await client.post(local + CHAT, json=BODY)
        async with client.stream("POST", f"{local}{CHAT}?gzip=1", json=STREAM) as response:
            await response.aread()
        with aioresponses() as mocked:
            mocked.post(REMOTE, payload=answer, response_class=Answer)
            await client.post(REMOTE, json=BODY)
    plain, streamed, mock_call = watched.calls
    for call in (plain, streamed):
        assert (call.client, call.realness, call.replayer) == ("httpx", "live", None)
        assert (call.input_tokens, call.output_tokens) == (11, 7)
    is_mocked(mock_call, "httpx", "aioresponses")


@pytest.mark.asyncio
async def test_an_application_under_httpx_that_asks_with_aiohttp_makes_a_call_of_its_own(
    answer: Any, local: str, watched: Any
) -> None:
    async def application(_scope: Any, _receive: Any, send: Any) -> None:
        async with aiohttp.ClientSession() as session, session.post(local + CHAT, json=BODY) as response:
            await response.read()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
        await send({"type": "http.response.body", "body": httpx.Response(200, json=answer).content})

    async with httpx.AsyncClient(transport=httpx.ASGITransport(application)) as client:
        await client.post(REMOTE, json=BODY)
    inner, outer = watched.calls
    assert (inner.client, inner.realness) == ("aiohttp", "live")
    is_mocked(outer, "httpx", "ASGITransport")


@pytest.mark.asyncio
async def test_an_address_that_is_none_is_the_users_error_and_nothing_was_sent(watched: Any) -> None:
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.InvalidURL):
            await session.post("https://[api.openai.com/v1/chat/completions", json=BODY)
        with pytest.raises(aiohttp.NonHttpUrlClientError):
            await session.post("gopher://api.openai.com/v1/chat/completions", json=BODY)
    with pytest.raises(ValueError, match="IPv6"):
        stacks.WAYS["urllib.read"].ask("http://[api.openai.com/v1/chat/completions", BODY, None)
    call = watched.only()
    assert (call.realness, call.status, call.notices) == ("mocked", "error", ("never-sent",))
