"""A plugin of inner runs: every host's port 80 leads to the server at AI_PORT of this machine, or to nobody.

It imports no client, and tells which were imported when the metering began.
"""

from __future__ import annotations

import os
import socket
import sys
from typing import Any

import pytest

SUFFIXES = (".com", ".example")
_getaddrinfo, _connect = socket.getaddrinfo, socket.socket.connect
_port = int(os.environ["AI_PORT"])
LIBRARIES = ("httpx", "httpx2", "requests", "urllib3", "aiohttp", "vcr")
loaded_early: list[str] = []


def _resolve(host: Any, *args: Any, **kwargs: Any) -> Any:
    name = host.decode() if isinstance(host, bytes) else host
    return _getaddrinfo("127.0.0.1" if name and name.endswith(SUFFIXES) else host, *args, **kwargs)


def _reach(self: socket.socket, address: Any) -> Any:
    return _connect(self, ("127.0.0.1", _port) if address == ("127.0.0.1", 80) else address)


socket.getaddrinfo = _resolve
socket.socket.connect = _reach  # type: ignore[assignment, method-assign]


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests() -> None:
    loaded_early.extend(name for name in LIBRARIES if name in sys.modules)


def pytest_report_header() -> str:
    return "imported before: " + " ".join(loaded_early)
