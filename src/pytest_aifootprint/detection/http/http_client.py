"""The wire seam of requests, urllib3 and urllib.request: the connections of ``http.client``.

A request that reaches one of these was sent, or at least attempted. Mocks and replayers answer above them.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

from pytest_aifootprint.detection.http.wire import leaves
from pytest_aifootprint.detection.patching import Arming

WIRE = "http.client"


def leaving(arming: Arming, original: Callable[..., Any]) -> Callable[..., Any]:
    """The wrapper of a method that connects or sends."""

    def leave(connection: Any, /, *args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        leaves(arming)
        return original(connection, *args, **kwargs)

    return leave


def _hearing(arming: Arming, original: Callable[..., Any]) -> Callable[..., Any]:
    inside = arming.sending

    def getresponse(connection: Any, /, *args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        response = original(connection, *args, **kwargs)
        if arming.active and (sending := inside.get()) is not None:
            sending.heard = getattr(response, "status", None)
        return response

    return getresponse


def install(library: ModuleType, arming: Arming) -> None:
    """Patch the connection."""
    connection = library.HTTPConnection
    for name in ("connect", "send"):
        arming.replace(connection, name, lambda original: leaving(arming, original))
    arming.replace(connection, "getresponse", lambda original: _hearing(arming, original))
    arming.wired.add(WIRE)
