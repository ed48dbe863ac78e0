"""Each HTTP client in each way of reading an answer: what its user sees."""

from __future__ import annotations

import asyncio
import io
import json
import urllib.request
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import aiohttp
import requests
import urllib3

Seen = dict[str, Any]


class Way(NamedTuple):
    """One way to ask and to read; ``ask(url, body, until)`` reads ``until`` pieces, or all."""

    client: str
    ask: Callable[[str, dict[str, Any], int | None], Seen]
    streams: bool


def collect(seen: Seen, pieces: Iterable[Any], until: int | None) -> None:
    """Read some or all, and what goes wrong."""
    taken: list[Any] = []
    try:
        for number, piece in enumerate(pieces):
            if number == until:
                break
            taken.append(piece)
    except Exception as error:  # noqa: BLE001 - whichever it is, it has to be the same
        seen["error"] = type(error), type(error.__cause__), type(error.__context__)
    seen["read"] = joined(taken)


def joined(pieces: list[Any]) -> Any:
    """What was read. Where it was cut depends on the network."""
    if not pieces or isinstance(pieces[0], dict):
        return pieces
    parts = [piece[0] if isinstance(piece, tuple) else piece for piece in pieces]
    return parts[0][:0].join(parts)


def common(response: Any, status: int) -> Seen:
    headers = {name: value for name, value in response.headers.items() if name.lower() != "date"}
    return {"type": type(response), "status": status, "headers": headers}


def requests_way(read: Callable[[Any], Iterable[Any]], *, stream: bool) -> Way:
    def ask(url: str, body: dict[str, Any], until: int | None) -> Seen:
        try:
            with requests.Session() as session, session.post(url, json=body, stream=stream) as response:
                seen = common(response, response.status_code)
                seen["history"] = len(response.history)
                collect(seen, read(response), until)
                seen |= {"raw": type(response.raw), "closed": response.raw.closed, "elapsed": bool(response.elapsed)}
        except requests.RequestException as error:
            return {"raised": (type(error), [type(inner) for inner in error.args])}
        return seen

    return Way("requests", ask, stream)


def urllib3_way(read: Callable[[Any], Iterable[Any]], **how: Any) -> Way:
    def ask(url: str, body: dict[str, Any], until: int | None) -> Seen:
        with urllib3.PoolManager() as manager:
            try:
                response = manager.request("POST", url, json=body, retries=urllib3.Retry(connect=0), **how)
            except urllib3.exceptions.HTTPError as error:
                return {"raised": type(error)}
            seen = common(response, response.status)
            collect(seen, read(response), until)
            response.close()
            return {**seen, "closed": response.closed, "told": response.tell()}

    return Way("urllib3", ask, not how.get("preload_content", True))


def urllib_way(read: Callable[[Any], Iterable[Any]]) -> Way:
    def ask(url: str, body: dict[str, Any], until: int | None) -> Seen:
        request = urllib.request.Request(url, data=json.dumps(body).encode())
        try:
            with urllib.request.urlopen(request) as response:
                seen = common(response, response.status)
                collect(seen, read(response), until)
        except urllib.error.HTTPError as error:
            with error:
                return {"raised": type(error), "code": error.code, "body": error.read()}
        return {**seen, "closed": response.closed}

    return Way("urllib", ask, streams=True)


def aiohttp_way(read: Callable[[Any], Any], **how: Any) -> Way:
    async def ask_on_a_loop(url: str, body: dict[str, Any], until: int | None) -> Seen:
        async with aiohttp.ClientSession() as session, session.post(url, json=body, **how) as response:
            seen = common(response, response.status)
            taken: list[Any] = []
            try:
                async for piece in read(response):
                    if len(taken) == until:
                        break
                    taken.append(piece)
            except aiohttp.ClientError as error:
                seen["error"] = type(error), type(error.__cause__)
            read_by_now = {"read": joined(taken), "content": type(response.content)}
            return {**seen, **read_by_now, "history": len(response.history)}

    def ask(url: str, body: dict[str, Any], until: int | None) -> Seen:
        return asyncio.run(ask_on_a_loop(url, body, until))

    return Way("aiohttp", ask, streams=True)


def until_empty(read: Callable[[], bytes]) -> Iterable[bytes]:
    while piece := read():
        yield piece


def once(read: Callable[[], Any]) -> Iterable[Any]:
    yield read()


def into(response: Any, size: int) -> Iterable[bytes]:
    buffer = bytearray(size)
    while count := response.readinto(buffer):
        yield bytes(buffer[:count])


async def whole(response: Any) -> Any:
    yield await response.read()


async def as_json(response: Any) -> Any:
    yield await response.json(content_type=None)


async def exactly(response: Any) -> Any:
    while piece := await response.content.read(9):
        yield piece


LOOSE: dict[str, Any] = {"preload_content": False}
WAYS = {
    "requests.content": requests_way(lambda r: once(lambda: r.content), stream=False),
    "requests.iter_lines": requests_way(lambda r: r.iter_lines(), stream=True),
    "requests.iter_content": requests_way(lambda r: r.iter_content(7), stream=True),
    "requests.text": requests_way(lambda r: once(lambda: r.text), stream=True),
    "requests.raw.read": requests_way(lambda r: until_empty(lambda: r.raw.read(11)), stream=True),
    "requests.raw.stream": requests_way(lambda r: r.raw.stream(decode_content=False), stream=True),
    "urllib3.data": urllib3_way(lambda r: once(lambda: r.data)),
    "urllib3.data.undecoded": urllib3_way(lambda r: once(lambda: r.data), decode_content=False),
    "urllib3.stream": urllib3_way(lambda r: r.stream(), **LOOSE),
    "urllib3.read": urllib3_way(lambda r: once(r.read), **LOOSE),
    "urllib3.read.some": urllib3_way(lambda r: until_empty(lambda: r.read(10)), **LOOSE),
    "urllib3.read1": urllib3_way(lambda r: until_empty(r.read1), **LOOSE),
    "urllib3.read.undecoded": urllib3_way(lambda r: once(lambda: r.read(decode_content=False)), **LOOSE),
    "urllib3.readinto": urllib3_way(lambda r: into(r, 8), **LOOSE),
    "urllib3.lines": urllib3_way(lambda r: io.TextIOWrapper(r, encoding="utf-8"), **LOOSE),
    "urllib.read": urllib_way(lambda r: once(r.read)),
    "urllib.read.some": urllib_way(lambda r: until_empty(lambda: r.read(13))),
    "urllib.read1": urllib_way(lambda r: until_empty(r.read1)),
    "urllib.readinto": urllib_way(lambda r: into(r, 8)),
    "urllib.lines": urllib_way(lambda r: r),
    "aiohttp.read": aiohttp_way(whole),
    "aiohttp.json": aiohttp_way(as_json),
    "aiohttp.content": aiohttp_way(lambda r: r.content),
    "aiohttp.iter_any": aiohttp_way(lambda r: r.content.iter_any()),
    "aiohttp.iter_chunks": aiohttp_way(lambda r: r.content.iter_chunks()),
    "aiohttp.content.read": aiohttp_way(exactly),
    "aiohttp.undecoded": aiohttp_way(whole, auto_decompress=False),
}
"""By name. Ways that take an answer for text or JSON come apart where it is none."""
ONE_OF_EACH = {
    name: WAYS[name]
    for name in (
        "requests.content",
        "requests.iter_lines",
        "urllib3.data",
        "urllib3.stream",
        "urllib.read",
        "urllib.lines",
        "aiohttp.json",
        "aiohttp.content",
    )
}
