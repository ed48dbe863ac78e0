"""The wire seam of httpx and httpx2: the connections of httpcore and httpcore2.

A request that reaches one of these was sent, or at least attempted. Mocks and replayers answer above them.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

from pytest_aifootprint.detection.http.wire import leaves
from pytest_aifootprint.detection.patching import Arming

# HTTPConnection sees also a connection that is refused; the others, requests through a tunnel that is open already.
_CONNECTIONS = ("HTTPConnection", "HTTP11Connection", "HTTP2Connection")

# Where a connection of theirs keeps the path of the socket file that it goes through; None without one.
_FILE = "_uds"


def _sync(arming: Arming, original: Callable[..., Any]) -> Callable[..., Any]:
    def handle_request(connection: Any, /, *args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        leaves(arming, socket_file=getattr(connection, _FILE, None))
        return original(connection, *args, **kwargs)

    return handle_request


def _async(arming: Arming, original: Callable[..., Any]) -> Callable[..., Any]:
    async def handle_async_request(connection: Any, /, *args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        leaves(arming, socket_file=getattr(connection, _FILE, None))
        return await original(connection, *args, **kwargs)

    return handle_async_request


def install(library: ModuleType, arming: Arming) -> None:
    """Patch every kind of connection."""
    for name in _CONNECTIONS:
        # Without the package h2 there is a stand-in that cannot be made, and has no method.
        connection = getattr(library, name)
        if name != "HTTP2Connection" or hasattr(connection, "handle_request"):
            arming.replace(connection, "handle_request", lambda original: _sync(arming, original), exact=True)
        connection = getattr(library, f"Async{name}")
        if name != "HTTP2Connection" or hasattr(connection, "handle_async_request"):
            arming.replace(connection, "handle_async_request", lambda original: _async(arming, original), exact=True)
    arming.wired.add(library.__name__)
