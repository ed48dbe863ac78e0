"""One HTTP AI call to the benchmark's server, by the name of a provider or by its own address."""

from __future__ import annotations

import os
import socket
from typing import Any

import httpx

HOST = "api.openai.com"
PORT = int(os.environ["OVERHEAD_PORT"])
_BODY = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hello"}]}
_resolve = socket.getaddrinfo


def _here(host: Any, *args: Any, **kwargs: Any) -> Any:
    """The provider's name is this machine's: the answer comes from a process beside the tests."""
    return _resolve("127.0.0.1" if host in (HOST, HOST.encode()) else host, *args, **kwargs)


socket.getaddrinfo = _here
# Proxies of the environment are there to keep tools from the network.
CLIENT = httpx.Client(trust_env=False)


def ask(host: str, *, stream: bool = False) -> None:
    """A call, read to its end."""
    url = f"http://{host}:{PORT}/v1/chat/completions"
    if not stream:
        assert CLIENT.post(url, json=_BODY).json()["usage"]
        return
    body = {**_BODY, "stream": True, "stream_options": {"include_usage": True}}
    with CLIENT.stream("POST", url, json=body) as response:
        for _ in response.iter_lines():
            pass
