"""The outer seam of httpx and httpx2: ``Client.send`` and ``AsyncClient.send``.

Everything that a client sends passes here: one pass is one call, redirects and authentication included. A retry by an
SDK is another pass, and another call.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

from pytest_aifootprint.detection.http.outer import Outer
from pytest_aifootprint.detection.http.realness import MOCKERS, Answerer, defined_in
from pytest_aifootprint.detection.http.sending import Request, Sending
from pytest_aifootprint.detection.http.tee import AsyncTee, SyncTee
from pytest_aifootprint.detection.patching import Arming

_STACKS = frozenset({"httpx", "httpx2"})
_CORES = frozenset({"httpcore", "httpcore2"})
_REAL_TRANSPORTS = frozenset({"HTTPTransport", "AsyncHTTPTransport"})


class _Outer(Outer):
    own_again = False  # a client may ask an application that asks with the same client

    def __init__(self, library: ModuleType, arming: Arming, tee: type[SyncTee | AsyncTee]) -> None:
        super().__init__(arming)
        self.library = library
        self.name = library.__name__
        self.wire = {"httpx": "httpcore", "httpx2": "httpcore2"}[self.name]
        self._tee = tee

    def request(self, client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Request | None:
        del client
        request = args[0] if args else kwargs["request"]
        if request.method != "POST":
            return None
        url = request.url

        def body() -> bytes | None:
            try:
                content: bytes = request.content
            except self.library.RequestNotRead:
                return None
            return content

        return Request("POST", url.raw_path, url.host, url.port, url.scheme == "https", body)

    def came_from(self, sending: Sending, response: Any) -> Any:
        url = response.request.url
        sending.port = url.port or (443 if url.scheme == "https" else 80)
        return response.extensions.get("network_stream")

    def take(self, sending: Sending, kwargs: dict[str, Any], response: Any) -> bool:
        del kwargs
        exchange = sending.exchange
        headers = response.headers
        exchange.answered(response.status_code, headers)
        try:
            # What was never read and is open has no content: asking for it makes an exception each time.
            content = response.content if response.is_closed or response.is_stream_consumed else None
        except self.library.ResponseNotRead:
            content = None
        if content is None:
            exchange.encoded(headers.get("content-encoding", ""))
            response.stream = self._tee(response.stream, exchange, self)
            exchange.wait()
            return False
        exchange.whole(content)
        return True

    def who(self, client: Any, args: tuple[Any, ...], kwargs: dict[str, Any], response: Any) -> Answerer:
        choose = getattr(client, "_transport_for_url", None)
        if choose is None:
            return None, None
        request = args[0] if args else kwargs["request"]
        return _who(choose((request if response is None else response.request).url))


def _who(transport: Any) -> Answerer:
    """Who answers through a transport: the network, unless it is somebody's own, or works with somebody's methods."""
    kind = type(transport)
    top = kind.__module__.partition(".")[0]
    if top not in _STACKS:
        return top, top
    # Someone may answer through the client's own classes: a patched method, or a handler of a mocking library.
    for attribute in ("handle_request", "handle_async_request"):
        by = defined_in(getattr(kind, attribute, None))
        if by is not None and by not in _STACKS:
            return by, by
    handler = defined_in(getattr(transport, "handler", None))
    if handler in MOCKERS:
        return handler, handler
    if kind.__name__ in _REAL_TRANSPORTS:
        pool = type(getattr(transport, "_pool", None))
        by = defined_in(getattr(pool, "handle_request", None) or getattr(pool, "handle_async_request", None))
        return (None, None) if by is None or by in _CORES else (by, by)
    return top, kind.__name__


def install(library: ModuleType, arming: Arming) -> None:
    """Patch both clients."""
    arming.replace(library.Client, "send", _Outer(library, arming, SyncTee).sync, exact=True)
    arming.replace(library.AsyncClient, "send", _Outer(library, arming, AsyncTee).coroutine, exact=True)
