"""One chat call through each client. Each imports its library when first used."""

from __future__ import annotations

import asyncio
import json
from typing import Any

REMOTE = "http://api.openai.com/v1/chat/completions"


def body(*, stream: bool) -> dict[str, Any]:
    plain: dict[str, Any] = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "x"}]}
    return {**plain, "stream": True, "stream_options": {"include_usage": True}} if stream else plain


def by_httpx(url: str, *, stream: bool) -> bytes:
    import httpx

    with httpx.Client() as client, client.stream("POST", url, json=body(stream=stream)) as response:
        return b"".join(response.iter_bytes())


def by_httpx2(url: str, *, stream: bool) -> bytes:
    import httpx2

    with httpx2.Client() as client, client.stream("POST", url, json=body(stream=stream)) as response:
        return b"".join(response.iter_bytes())


def by_httpx_async(url: str, *, stream: bool) -> bytes:
    import httpx

    async def ask() -> bytes:
        async with httpx.AsyncClient() as client, client.stream("POST", url, json=body(stream=stream)) as response:
            return b"".join([piece async for piece in response.aiter_bytes()])

    return asyncio.run(ask())


def by_requests(url: str, *, stream: bool) -> bytes:
    import requests

    with requests.post(url, json=body(stream=stream), stream=stream, timeout=30) as response:
        return b"".join(response.iter_content(None)) if stream else response.content


def by_urllib3(url: str, *, stream: bool) -> bytes:
    import urllib3

    with urllib3.PoolManager() as manager:
        response = manager.request("POST", url, json=body(stream=stream), preload_content=not stream)
        return b"".join(response.stream()) if stream else response.data


def by_urllib(url: str, *, stream: bool) -> bytes:
    import urllib.request

    request = urllib.request.Request(url, data=json.dumps(body(stream=stream)).encode())
    with urllib.request.urlopen(request) as response:
        answer: bytes = response.read()
    return answer


def by_aiohttp(url: str, *, stream: bool) -> bytes:
    import aiohttp

    async def ask() -> bytes:
        async with aiohttp.ClientSession() as session, session.post(url, json=body(stream=stream)) as response:
            return await response.read()

    return asyncio.run(ask())


CLIENTS = {
    "httpx": by_httpx,
    "httpx2": by_httpx2,
    "httpx_async": by_httpx_async,
    "requests": by_requests,
    "urllib3": by_urllib3,
    "urllib": by_urllib,
    "aiohttp": by_aiohttp,
}
