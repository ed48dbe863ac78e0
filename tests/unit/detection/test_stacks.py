"""Every HTTP client against a real server in another process, in every way of reading: seen exactly, and unchanged."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import inspect
import io
import pickle
import socketserver
import sys
import threading
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import requests
import stacks  # type: ignore[import-not-found]  # pytest puts this folder on the path, mypy does not
import urllib3
from requests.adapters import HTTPAdapter

CHAT = "/v1/chat/completions"
BODY = {"model": "gpt-5-mini", "messages": [{"role": "user", "content": 'Say "usage": {"prompt_tokens": 1}'}]}
STREAM = {**BODY, "stream": True, "stream_options": {"include_usage": True}}
WAYS = pytest.mark.parametrize("way", stacks.WAYS.values(), ids=stacks.WAYS)
ONE_OF_EACH = pytest.mark.parametrize("way", stacks.ONE_OF_EACH.values(), ids=stacks.ONE_OF_EACH)
STREAMING = {name: way for name, way in stacks.WAYS.items() if way.streams}
CLIENTS = {way.client: way for way in stacks.ONE_OF_EACH.values()}
EACH_CLIENT = pytest.mark.parametrize("way", CLIENTS.values(), ids=CLIENTS)


def check(call: Any, client: str) -> None:
    assert call.client == client
    assert (call.operation, call.provider, call.locality, call.realness) == ("chat", "local", "local", "live")
    assert (call.model, call.response_model) == ("gpt-5-mini", "gpt-5-mini-2026")
    assert (call.input_tokens, call.output_tokens, call.cached_input_tokens, call.reasoning_tokens) == (11, 7, 4, 3)
    assert (call.status, call.tokens_estimated, call.abandoned, call.notices) == (200, False, False, ())
    assert call.duration_ns > 0
    assert not call.inferred
    assert call.host.startswith("127.0.0.1:")


@WAYS
@pytest.mark.parametrize("query", ["", "?gzip=1"])
@pytest.mark.parametrize("stream", [True, False], ids=["stream", "json"])
def test_the_user_sees_the_same_and_we_see_the_call(
    way: Any,
    query: str,
    stream: bool,  # noqa: FBT001
    local: str,
    request: pytest.FixtureRequest,
) -> None:
    body = STREAM if stream else BODY
    url = local + CHAT + query
    try:
        without = way.ask(url, body, None)
    except ValueError as error:  # a way that expects text or JSON
        without = type(error)
    watched: Any = request.getfixturevalue("watched")
    try:
        seen = way.ask(url, body, None)
    except ValueError as error:
        seen = type(error)
    assert seen == without
    check(watched.only(), way.client)
    assert watched.only().streamed == stream


@WAYS
def test_a_redirect_is_not_another_call(way: Any, local: str, request: pytest.FixtureRequest) -> None:
    without = way.ask(f"{local}{CHAT}?redirect=1", BODY, None)
    watched: Any = request.getfixturevalue("watched")
    assert way.ask(f"{local}{CHAT}?redirect=1", BODY, None) == without
    if way.client == "urllib":  # does not follow where a post would have to be repeated
        assert watched.only().status == 307
    else:
        check(watched.only(), way.client)


@pytest.mark.parametrize("way", STREAMING.values(), ids=STREAMING)
def test_a_connection_that_breaks_off_breaks_off_for_us_too(
    way: Any, local: str, request: pytest.FixtureRequest
) -> None:
    without = way.ask(f"{local}{CHAT}?cut=1", STREAM, None)
    watched: Any = request.getfixturevalue("watched")
    assert way.ask(f"{local}{CHAT}?cut=1", STREAM, None) == without
    call = watched.only()
    # http.client itself takes it for the end if it is read line by line.
    assert (call.abandoned, call.status) == (way is not stacks.WAYS["urllib.lines"], 200)


@pytest.mark.parametrize("name", ["requests.iter_lines", "urllib3.stream", "urllib.lines", "aiohttp.content"])
def test_of_a_stream_cut_off_what_came_is_counted(name: str, local: str, watched: Any) -> None:
    stacks.WAYS[name].ask(f"{local}{CHAT}?cut=1", STREAM, None)
    assert (watched.only().output_tokens, watched.only().tokens_estimated) == (2, True)


@ONE_OF_EACH
def test_an_answer_that_is_no_answer_is_still_a_call(way: Any, local: str, watched: Any) -> None:
    if way is stacks.WAYS["aiohttp.json"]:
        with pytest.raises(ValueError, match="Expecting value"):
            way.ask(f"{local}{CHAT}?garbage=1", BODY, None)
    else:
        way.ask(f"{local}{CHAT}?garbage=1", BODY, None)
    call = watched.only()
    assert (call.input_tokens, call.output_tokens, call.notices) == (None, None, ("unknown-format",))


@pytest.mark.parametrize("name", ["requests.iter_content", "urllib3.read.some", "urllib.lines", "aiohttp.content"])
def test_a_stream_that_is_closed_early_has_what_came(name: str, local: str, watched: Any) -> None:
    stacks.WAYS[name].ask(local + CHAT, STREAM, {"urllib.lines": 5, "aiohttp.content": 5}.get(name, 80))
    call = watched.only()
    assert (call.abandoned, call.tokens_estimated) == (True, True)
    assert 1 <= call.output_tokens <= 6


def test_a_stream_that_is_neither_read_nor_closed_is_flushed_and_not_kept_alive(local: str, watched: Any) -> None:
    session = requests.Session()
    response = session.post(local + CHAT, json=STREAM, stream=True)
    next(response.iter_content(200))
    assert watched.calls == []
    assert len(watched.seams._arming.readings) == 1
    session.close()
    del response, session
    gc.collect()
    assert len(watched.seams._arming.readings) == 0
    watched.recorder.flush(watched.owner)
    assert watched.only().abandoned


@pytest.mark.asyncio
async def test_an_aiohttp_stream_that_is_neither_read_nor_closed_is_flushed(local: str, watched: Any) -> None:
    session = aiohttp.ClientSession()
    response = await session.post(local + CHAT, json=STREAM)
    await response.content.readline()
    rows = watched.seams._arming.lent["aiohttp"].streams.rows
    assert watched.calls == []
    assert len(rows) == 1
    watched.recorder.flush(watched.owner)
    assert watched.only().abandoned
    await response.read()  # what the user does later is no other call
    await session.close()
    assert len(watched.calls) == 1
    assert rows == {}


@EACH_CLIENT
def test_a_refused_connection_is_an_error_and_no_replay(way: Any, watched: Any, unused_port: Callable[[], int]) -> None:
    url = f"http://127.0.0.1:{unused_port()}{CHAT}"
    with suppress(OSError, urllib.error.URLError):
        way.ask(url, BODY, None)
    call = watched.only()
    assert (call.status, call.realness, call.replayer, call.input_tokens) == ("error", "live", None, None)
    assert (call.model, call.notices) == ("gpt-5-mini", ())


@EACH_CLIENT
def test_a_refusal_of_the_server_is_a_call_with_its_status(way: Any, local: str, watched: Any) -> None:
    for _ in range(2):
        way.ask(local + CHAT, {**BODY, "model": "limited"}, None)
    assert [call.status for call in watched.calls] == [429, 200]
    assert watched.calls[0].input_tokens is None


@EACH_CLIENT
def test_a_server_in_this_process_is_a_mock(way: Any, local: str, own_server: str, watched: Any) -> None:
    for address in (own_server, local, own_server):
        way.ask(address + CHAT, BODY, None)
    assert [(call.realness, call.replayer) for call in watched.calls] == [
        ("mocked", "own server"),
        ("live", None),
        ("mocked", "own server"),
    ]


@EACH_CLIENT
def test_other_requests_are_none_of_our_business(way: Any, local: str, watched: Any) -> None:
    way.ask(f"{local}/v1/other", BODY, None)
    requests.get(local + CHAT, timeout=9)
    urllib3.request("GET", local + CHAT)
    assert watched.calls == []


def test_a_retry_of_urllib3_is_another_call_with_its_status(local: str, watched: Any) -> None:
    retry = urllib3.Retry(2, status_forcelist=[429], allowed_methods=None)
    body = {**BODY, "model": "limited"}
    urllib3.request("POST", local + CHAT, json=body, retries=retry)
    with requests.Session() as session:
        session.mount("http://", HTTPAdapter(max_retries=retry))
        assert session.post(local + CHAT, json=body).status_code == 200
    assert [(call.client, call.status) for call in watched.calls] == [
        ("urllib3", 429),
        ("urllib3", 200),
        ("requests", 429),
        ("requests", 200),
    ]


def test_retries_that_are_used_up_are_calls_with_their_status(local: str, watched: Any) -> None:
    with requests.Session() as session:
        session.mount("http://", HTTPAdapter(max_retries=urllib3.Retry(0, status_forcelist=[429])))
        with pytest.raises(requests.exceptions.ConnectionError) as raised:
            session.post("http://127.0.0.1:1" + CHAT, json=BODY)
        assert isinstance(raised.value.args[0], urllib3.exceptions.MaxRetryError)
        retry = urllib3.Retry(0, status_forcelist=[429], allowed_methods=None)
        session.mount("http://", HTTPAdapter(max_retries=retry))
        with pytest.raises(requests.exceptions.RetryError):
            session.post(local + CHAT, json={**BODY, "model": "limited"})
        session.post(local + CHAT, json={**BODY, "model": "limited"})
    assert [call.status for call in watched.calls] == ["error", 429, 200]
    assert [call.realness for call in watched.calls] == ["live"] * 3


def test_a_retry_after_a_refused_connection_is_another_call(watched: Any, unused_port: Callable[[], int]) -> None:
    with pytest.raises(urllib3.exceptions.MaxRetryError):
        urllib3.request("POST", f"http://127.0.0.1:{unused_port()}{CHAT}", json=BODY, retries=2)
    assert [(call.status, call.realness) for call in watched.calls] == [("error", "live")] * 3


def test_an_application_that_asks_while_it_answers_makes_a_call_of_its_own(local: str, watched: Any) -> None:
    class Application(requests.adapters.BaseAdapter):
        def send(self, request: Any, **_: Any) -> requests.Response:  # type: ignore[override]
            urllib3.request("POST", f"{local}/v1/embeddings", json={"model": "e", "input": "x"})
            urllib3.request("POST", f"{local}/v1/other", json={})  # must not make the outer call live
            response = requests.Response()
            response.status_code, response.request, response.url = 200, request, request.url
            response._content = b'{"model": "m", "usage": {"prompt_tokens": 1, "completion_tokens": 2}}'
            response.raw = urllib3.HTTPResponse(b"")
            return response

        def close(self) -> None:
            pass

    with requests.Session() as session:
        session.mount("https://", Application())
        session.post("https://api.openai.com" + CHAT, json=BODY)
    inner, outer = watched.calls
    assert (inner.client, inner.operation, inner.realness) == ("urllib3", "embedding", "live")
    assert (outer.client, outer.realness, outer.replayer) == ("requests", "mocked", "test_stacks")
    assert outer.notices == ("unknown-transport",)
    assert outer.output_tokens == 2


def test_threads_are_told_apart(local: str, watched: Any) -> None:
    def ask(name: str) -> None:
        stacks.ONE_OF_EACH[name].ask(local + CHAT, STREAM if "stream" in name or "lines" in name else BODY, None)

    threads = [threading.Thread(target=ask, args=(name,)) for name in stacks.ONE_OF_EACH for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(watched.calls) == len(threads)
    assert all((call.input_tokens, call.output_tokens) == (11, 7) for call in watched.calls)


@pytest.mark.asyncio
async def test_aiohttp_requests_at_the_same_time(local: str, watched: Any) -> None:
    async with aiohttp.ClientSession(local) as session:  # with a base address

        async def ask(body: dict[str, Any]) -> bytes:
            async with session.post(CHAT, json=body) as response:
                return await response.read()

        await asyncio.gather(*(ask(body) for body in (BODY, STREAM) * 5))
    assert len(watched.calls) == 10
    for call in watched.calls:
        check(call, "aiohttp")


@pytest.mark.asyncio
async def test_an_aiohttp_request_dropped_half_way_is_dropped_quietly(local: str, watched: Any) -> None:
    async with aiohttp.ClientSession() as session:
        coroutine = session._request("POST", local + CHAT, json=BODY)
        contextvars.copy_context().run(coroutine.send, None)
        coroutine.close()
    assert (watched.only().status, watched.only().realness) == ("error", "live")


@pytest.mark.asyncio
async def test_an_aiohttp_error_that_was_asked_for_has_its_status(local: str, watched: Any) -> None:
    async with aiohttp.ClientSession(raise_for_status=True) as session:
        with pytest.raises(aiohttp.ClientResponseError):
            await session.post(local + CHAT, json={**BODY, "model": "limited"})
        async with session.post(local + CHAT, json={**BODY, "model": "limited"}) as response:
            await response.read()  # left unread, aiohttp would warn of it in whichever test the collector runs
    assert [call.status for call in watched.calls] == [429, 200]


TEXT = '{"model": "gpt-5-mini", "messages": []}'


@pytest.mark.parametrize("data", [TEXT, TEXT.encode(), bytearray(TEXT.encode())], ids=["str", "bytes", "bytearray"])
@pytest.mark.asyncio
async def test_bodies_of_any_kind_are_read(data: Any, local: str, watched: Any) -> None:
    async with aiohttp.ClientSession() as session, session.post(local + CHAT, data=data) as response:
        await response.read()
    await asyncio.to_thread(urllib3.request, "POST", local + CHAT, body=data)
    if not isinstance(data, bytearray):  # which requests takes for an iterator
        await asyncio.to_thread(requests.post, local + CHAT, data=data)
    assert {(call.model, call.notices) for call in watched.calls} == {("gpt-5-mini", ())}
    assert not any(call.inferred for call in watched.calls)


def test_bodies_that_come_piece_by_piece_are_not_consumed(local: str, watched: Any) -> None:
    data = b'{"model": "gpt-5-mini", "messages": []}'
    assert requests.post(local + CHAT, data=io.BytesIO(data), timeout=9).status_code == 200
    assert urllib3.request("POST", local + CHAT, body=io.BytesIO(data), headers={"content-length": "39"}).status == 200
    request = urllib.request.Request(local + CHAT, data=iter([data]), headers={"content-length": "39"})
    with urllib.request.urlopen(request) as response:
        response.read()
    assert [(call.notices, call.model, call.input_tokens) for call in watched.calls] == [
        (("unread-request",), "gpt-5-mini-2026", 11)
    ] * 3


@pytest.mark.skipif(sys.platform == "win32", reason="there are no unix sockets for Python there")
@pytest.mark.asyncio
async def test_a_unix_socket_is_local(watched: Any, fake: Any, tmp_path: Path) -> None:
    class Handler(fake["Handler"]):  # type: ignore[misc]
        disable_nagle_algorithm = False

    path = str(tmp_path / "s")
    with socketserver.UnixStreamServer(path, Handler) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        async with (
            aiohttp.ClientSession(connector=aiohttp.UnixConnector(path)) as session,
            session.post("http://llm.example" + CHAT, json=BODY) as response,
        ):
            await response.read()
        thread.join()
    call = watched.only()
    assert (call.locality, call.provider, call.realness, call.notices) == ("local", "local", "live", ())


PATCHED: list[tuple[type, str]] = [
    (requests.Session, "send"),
    (urllib3.connectionpool.HTTPConnectionPool, "urlopen"),
    (urllib3.PoolManager, "urlopen"),
    (urllib3.connection.HTTPSConnection, "connect"),
    (urllib3.HTTPResponse, "read"),
    (urllib3.HTTPResponse, "read1"),
    (urllib3.HTTPResponse, "read_chunked"),
    (urllib3.HTTPResponse, "close"),
    (urllib.request.OpenerDirector, "open"),
    (aiohttp.ClientSession, "_request"),
    (aiohttp.BaseConnector, "connect"),
    (aiohttp.ClientResponse, "release"),
    (aiohttp.StreamReader, "_read_nowait_chunk"),
]


@pytest.mark.parametrize(("owner", "name"), PATCHED, ids=lambda part: getattr(part, "__name__", part))
def test_the_patched_methods_look_like_the_originals(owner: type, name: str, request: pytest.FixtureRequest) -> None:
    def look() -> tuple[Any, ...]:
        method: Any = vars(owner)[name]
        return (
            inspect.signature(method),
            method.__name__,
            method.__qualname__,
            method.__module__,
            method.__doc__,
            inspect.iscoroutinefunction(method),
            inspect.isgeneratorfunction(method),
            pickle.dumps(method),
        )

    before, original = look(), vars(owner)[name]
    watched: Any = request.getfixturevalue("watched")
    assert vars(owner)[name] is not original
    assert look() == before
    watched.seams.disarm()
    assert vars(owner)[name] is original


@ONE_OF_EACH
def test_nothing_of_the_conversation_is_kept(way: Any, local: str, watched: Any) -> None:
    asked = {"messages": [{"role": "user", "content": "PRIVATE"}], "user": "CANARY"}
    body = {**(BODY if way is stacks.WAYS["aiohttp.json"] else STREAM), **asked}
    way.ask(f"{local}{CHAT}?key=SECRET" if way.client != "urllib" else local + CHAT, body, None)
    arming = watched.seams._arming
    kept = repr(watched.calls) + repr(vars(watched.recorder)) + repr(dict(arming.readings)) + repr(arming.lent)
    for canary in ("PRIVATE", "CANARY", "SECRET", "The word"):
        assert canary not in kept
