"""Watching changes nothing: bytes, types, exceptions, signatures."""

from __future__ import annotations

import gzip
import inspect
import pickle
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import httpx2
import pytest

LIBRARIES = pytest.mark.parametrize("library", [httpx, httpx2], ids=["httpx", "httpx2"])
QUERIES = pytest.mark.parametrize("query", ["", "?gzip=1", "?redirect=1"])
REMOTE = "https://api.openai.com/v1/chat/completions"


def ask(library: Any, url: str, *, stream: bool, how: str) -> dict[str, Any]:
    """Everything a user can see of an answer."""
    body = {"model": "gpt-5-mini", "messages": [], "stream": stream}
    with library.Client(follow_redirects=True) as client, client.stream("POST", url, json=body) as response:
        data = list(getattr(response, how)())
        return {
            "data": "".join(data) if isinstance(data[0], str) else b"".join(data),
            "status": response.status_code,
            "headers": {k: v for k, v in response.headers.items() if k != "date"},
            "type": type(response),
            "stream": response.stream.__class__,
            "downloaded": response.num_bytes_downloaded,
            "closed": response.is_closed,
            "history": len(response.history),
            "elapsed": response.elapsed is not None,
        }


@LIBRARIES
@QUERIES
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("how", ["iter_raw", "iter_bytes", "iter_text", "iter_lines"])
def test_the_user_sees_the_same(
    library: Any,
    query: str,
    stream: bool,  # noqa: FBT001
    how: str,
    local: str,
    request: pytest.FixtureRequest,
) -> None:
    url = f"{local}/v1/chat/completions{query}"
    without = ask(library, url, stream=stream, how=how)
    watched: Any = request.getfixturevalue("watched")
    assert ask(library, url, stream=stream, how=how) == without
    call = watched.only()
    assert call.output_tokens == 7
    assert call.status == 200
    assert not call.abandoned


@LIBRARIES
@pytest.mark.asyncio
async def test_the_user_sees_the_same_asynchronously(library: Any, local: str, request: pytest.FixtureRequest) -> None:
    async def see() -> list[Any]:
        body = {"model": "gpt-5-mini", "messages": [], "stream": True}
        url = f"{local}/v1/chat/completions?gzip=1"
        async with library.AsyncClient() as client, client.stream("POST", url, json=body) as response:
            assert isinstance(response.stream, library.AsyncByteStream)
            data = b"".join([piece async for piece in response.aiter_bytes()])
            return [data, type(response), response.stream.__class__, response.is_closed, response.num_bytes_downloaded]

    without = await see()
    watched: Any = request.getfixturevalue("watched")
    assert await see() == without
    assert watched.only().streamed


@LIBRARIES
def test_a_connection_that_breaks_off_breaks_off_for_us_too(
    library: Any, local: str, request: pytest.FixtureRequest
) -> None:
    def see() -> tuple[list[bytes], type, str]:
        pieces: list[bytes] = []
        body = {"model": "gpt-5-mini", "messages": [], "stream": True}
        with library.Client() as client:
            request = client.build_request("POST", f"{local}/v1/chat/completions?cut=1", json=body)
            response = client.send(request, stream=True)
            with pytest.raises(library.RemoteProtocolError) as raised:
                pieces.extend(response.iter_bytes())
        return [b"".join(pieces)], type(raised.value), str(raised.value)

    without = see()
    watched: Any = request.getfixturevalue("watched")
    assert see() == without
    call = watched.only()
    assert (call.abandoned, call.status, call.output_tokens, call.tokens_estimated) == (True, 200, 2, True)


@LIBRARIES
def test_exceptions_of_the_user_pass_through_a_stream(library: Any, local: str, watched: Any) -> None:
    body = {"model": "gpt-5-mini", "messages": [], "stream": True}
    with (  # noqa: PT012 - the loop is what is tested
        pytest.raises(KeyError, match="mine"),
        library.Client() as client,
        client.stream("POST", f"{local}/v1/chat/completions", json=body) as response,
    ):
        for _ in response.iter_bytes():
            raise KeyError("mine")
    assert watched.only().abandoned


@LIBRARIES
def test_the_patched_methods_look_like_the_originals(library: Any, request: pytest.FixtureRequest) -> None:
    def look(method: Any) -> tuple[Any, ...]:
        return (
            inspect.signature(method),
            method.__name__,
            method.__qualname__,
            method.__module__,
            method.__doc__,
            inspect.iscoroutinefunction(method),
            pickle.dumps(method),
        )

    before = [look(library.Client.send), look(library.AsyncClient.send)]
    request.getfixturevalue("watched")
    assert [look(library.Client.send), look(library.AsyncClient.send)] == before


@LIBRARIES
def test_a_streamed_response_can_be_pickled(library: Any, local: str, watched: Any) -> None:
    with library.Client() as client:
        request = client.build_request("POST", f"{local}/v1/chat/completions", json={"model": "m", "messages": []})
        response = client.send(request, stream=True)
        response.read()
        assert pickle.loads(pickle.dumps(response)).content == response.content


@LIBRARIES
def test_a_streamed_request_body_is_not_consumed(library: Any, local: str, watched: Any) -> None:
    def pieces() -> Iterator[bytes]:
        yield b'{"model": "gpt-5-mini", '
        yield b'"messages": []}'

    data = b"".join(pieces())
    with library.Client() as client:
        headers = {"content-length": str(len(data))}
        answer = client.post(f"{local}/v1/chat/completions", content=pieces(), headers=headers)
    assert answer.status_code == 200
    call = watched.only()
    assert call.notices == ("unread-request",)
    assert (call.model, call.input_tokens) == ("gpt-5-mini-2026", 11)


@LIBRARIES
@pytest.mark.asyncio
async def test_an_answer_that_is_no_answer_is_still_a_call(library: Any, local: str, watched: Any) -> None:
    url, body = f"{local}/v1/chat/completions?garbage=1", {"model": "m", "messages": []}
    library.post(url, json=body)
    with library.Client() as client, client.stream("POST", url, json=body) as response:
        response.read()
    async with library.AsyncClient() as other, other.stream("POST", url, json=body) as response:
        await response.aread()
    assert len(watched.calls) == 3
    for call in watched.calls:
        assert (call.input_tokens, call.output_tokens, call.notices) == (None, None, ("unknown-format",))
        assert not call.abandoned


def squash_raw(data: bytes) -> bytes:
    squash = zlib.compressobj(wbits=-15)
    return squash.compress(data) + squash.flush()


ENCODINGS: list[tuple[str, Callable[[bytes], bytes]]] = [
    ("gzip", gzip.compress),
    ("deflate", zlib.compress),
    ("gzip, deflate", lambda data: zlib.compress(gzip.compress(data))),
    ("identity", lambda data: data),
]


@pytest.mark.parametrize(
    ("encoding", "encode", "size"),
    [
        *((encoding, encode, size) for encoding, encode in ENCODINGS for size in (1, 7, 100_000)),
        ("deflate", squash_raw, 7),  # httpx itself cannot read it byte by byte
    ],
)
def test_encodings(encoding: str, encode: Callable[[bytes], bytes], size: int, watched: Any, fake: Any) -> None:
    whole = encode(httpx.Response(200, json=fake["chat"]({"model": "m"})).content)

    def pieces() -> Iterator[bytes]:
        for at in range(0, len(whole), size):
            yield whole[at : at + size]

    def handle(_: Any) -> httpx.Response:
        headers = {"content-type": "application/json", "content-encoding": encoding}
        return httpx.Response(200, headers=headers, content=pieces())

    with (
        httpx.Client(transport=httpx.MockTransport(handle)) as client,
        client.stream("POST", REMOTE, json={"model": "m"}) as response,
    ):
        assert b"usage" in response.read()
    assert (watched.only().output_tokens, watched.only().notices) == (7, ())


def test_an_encoding_that_nobody_knows_costs_the_tokens_only(watched: Any) -> None:
    def handle(_: Any) -> httpx.Response:
        return httpx.Response(200, headers={"content-encoding": "lzma"}, content=iter([b"\x00\x01"]))

    with (
        httpx.Client(transport=httpx.MockTransport(handle)) as client,
        client.stream("POST", REMOTE, json={"model": "m"}) as response,
    ):
        assert response.read() == b"\x00\x01"
    assert watched.only().notices == ("unknown-encoding",)


def test_a_broken_encoding_breaks_for_the_user_only(watched: Any) -> None:
    def handle(_: Any) -> httpx.Response:
        return httpx.Response(200, headers={"content-encoding": "gzip"}, content=iter([b"not gzip at all"]))

    with (
        httpx.Client(transport=httpx.MockTransport(handle)) as client,
        pytest.raises(httpx.DecodingError),
        client.stream("POST", REMOTE, json={"model": "m"}) as response,
    ):
        response.read()
    assert watched.only().notices == ("unknown-encoding",)
