"""The outer and the wire seam of aiohttp.

All of a session's requests pass ``ClientSession._request``, and all that leave pass ``BaseConnector.connect``.
httpx can send through aiohttp; what it sends is a part of its own call.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from types import ModuleType
from typing import Any

from pytest_aifootprint.detection.http.exchange import Exchange
from pytest_aifootprint.detection.http.outer import Outer, as_bytes, replace_kept
from pytest_aifootprint.detection.http.question import what_a_socket_asks
from pytest_aifootprint.detection.http.realness import Answerer, foreign
from pytest_aifootprint.detection.http.seen import Seen
from pytest_aifootprint.detection.http.sending import Request, Sending
from pytest_aifootprint.detection.http.shape import shape
from pytest_aifootprint.detection.http.wire import leaves
from pytest_aifootprint.detection.patching import Arming

SEAM = "aiohttp"
_OWN = frozenset({"aiohttp", "builtins"})


class Streams:
    """Bodies that the user is still reading, by the identity of their stream, which takes no weak reference itself.

    A row lives as long as the answer that has the stream.
    """

    def __init__(self) -> None:
        self.rows: dict[int, tuple[Exchange, weakref.ref[Any]]] = {}

    def add(self, response: Any, exchange: Exchange) -> None:
        """Listen to this answer's stream."""
        key = id(response.content)
        self.rows[key] = exchange, weakref.ref(response, lambda _: self.rows.pop(key, None))

    def of(self, response: Any) -> Exchange | None:
        """Who listens to this answer."""
        row = self.rows.get(id(response.content))
        return row[0] if row is not None and row[1]() is response else None


class Session(Outer):
    """A client session: its requests and answers."""

    name = SEAM
    wire = SEAM
    above = frozenset({"aiohttp", "httpx", "httpx2"})  # itself: aioresponses may stand above
    own_again = False  # it follows redirects by itself; a session may ask an application that asks with the session

    def __init__(self, library: ModuleType, arming: Arming, streams: Streams) -> None:
        super().__init__(arming)
        self.library = library
        self.streams = streams

    def request(self, client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Request | None:
        """What the session is about to post."""
        method = args[0] if args else kwargs["method"]
        if method.upper() != "POST":
            return None
        return _request_to(client, args[1] if len(args) > 1 else kwargs["str_or_url"], kwargs)

    def take(self, sending: Sending, kwargs: dict[str, Any], response: Any) -> bool:
        """Read the answer, or listen to its stream."""
        exchange = sending.exchange
        if not self.head(sending, response.status, response.headers):
            return True
        decoded = kwargs.get("auto_decompress")
        if not (self._session_decodes(response) if decoded is None else decoded):
            exchange.encoded(response.headers.get("content-encoding", ""))
        body = getattr(response, "_body", None)
        if isinstance(body, bytes):  # read by a hook of the user's
            self.feed(exchange, body)
            return True
        stream = response.content
        if not isinstance(stream, self.library.StreamReader):
            self.feed(exchange, b"")
            return True
        exchange.wait()
        self.streams.add(response, exchange)
        stream.on_eof(lambda: self.arrived(stream))
        return False

    def arrived(self, stream: Any) -> None:
        """The whole body is here, maybe; is it read, too? Never raises."""
        try:
            row = self.streams.rows.get(id(stream))
            if row is not None and stream.at_eof():
                del self.streams.rows[id(stream)]
                self.ended(row[0], abandoned=False)
        except Exception as error:  # noqa: BLE001 - watching never raises into the user's reading
            self.arming.recorder.error(self.name, error)

    def closed(self, response: Any) -> None:
        """The user is done with an answer, read to its end or not. Never raises."""
        try:
            exchange = self.streams.of(response)
            if exchange is not None:
                del self.streams.rows[id(response.content)]
                self.ended(exchange, abandoned=True)
        except Exception as error:  # noqa: BLE001 - as above
            self.arming.recorder.error(self.name, error)

    def refused(self, error: BaseException) -> int | None:
        """The status that the user asked to have raised."""
        status = getattr(error, "status", None)  # of a ClientResponseError
        return status if isinstance(status, int) and status >= 400 else None

    def who(self, client: Any, args: tuple[Any, ...], kwargs: dict[str, Any], response: Any) -> Answerer:
        """Whose the connector is."""
        del args, kwargs, response
        connector = type(client.connector)  # of None, in a closed session
        return foreign(_OWN, connector, getattr(connector, "connect", None))

    @staticmethod
    def _session_decodes(response: Any) -> bool:
        return bool(getattr(getattr(response, "_session", None), "auto_decompress", True))


def _request_to(session: Any, url: Any, kwargs: dict[str, Any]) -> Request | None:
    try:
        target = session._build_url(url)  # noqa: SLF001 - the session may have a base
    except (TypeError, ValueError):  # the user's error, which they are given
        return None

    def body() -> bytes | None:
        data = kwargs.get("data")
        return shape(kwargs.get("json")) if data is None else as_bytes(getattr(data, "_value", data))

    path = target.raw_path_qs.encode()
    return Request("POST", path, target.raw_host or "", target.explicit_port, target.scheme == "https", body)


def _leaving(arming: Arming, library: ModuleType, original: Callable[..., Any]) -> Callable[..., Any]:
    unix = library.UnixConnector

    async def connect(connector: Any, /, *args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        leaves(arming, socket_file=connector.path if isinstance(connector, unix) else None)
        return await original(connector, *args, **kwargs)

    return connect


def _connecting(seen: Seen, arming: Arming, original: Callable[..., Any]) -> Callable[..., Any]:
    def begin(session: Any, url: Any) -> Exchange | None:
        try:
            target = session._build_url(url)  # noqa: SLF001 - as above
            asked = what_a_socket_asks(target.raw_path_qs.encode(), target.raw_host or "")
            return None if asked is None else seen.begin(asked, target.raw_host or "", target.port or 0)
        except Exception as error:  # noqa: BLE001 - watching never raises into the watched call
            arming.recorder.error(SEAM, error)
            return None

    async def ws_connect(session: Any, /, url: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        exchange = begin(session, url) if arming.active else None
        if exchange is None:
            return await original(session, url, **kwargs)
        status: int | str = "error"
        try:
            socket = await original(session, url, **kwargs)
            status = 101
        except BaseException as error:
            status = getattr(error, "status", status)
            raise
        finally:
            seen.end(exchange, status)
        return socket

    return ws_connect


def _reading(arming: Arming, outer: Session, original: Callable[..., Any]) -> Callable[..., Any]:
    rows = outer.streams.rows

    def read_nowait_chunk(stream: Any, /, *args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        piece = original(stream, *args, **kwargs)
        if rows and arming.active and (row := rows.get(id(stream))) is not None:
            outer.feed(row[0], piece)
            outer.arrived(stream)
        return piece

    return read_nowait_chunk


def _closing(arming: Arming, outer: Session, original: Callable[..., Any]) -> Callable[..., Any]:
    rows = outer.streams.rows

    def close(response: Any, /, *args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        try:
            return original(response, *args, **kwargs)
        finally:
            if rows and arming.active:
                outer.closed(response)

    return close


def install(library: ModuleType, arming: Arming) -> None:
    """Patch session, connector, answer and stream."""
    outer = Session(library, arming, Streams())
    arming.replace(library.ClientSession, "_request", outer.coroutine)
    replace_kept(arming, "vcr.patch", "_AiohttpClientSessionRequest", outer.coroutine)  # called when it records
    arming.replace(library.BaseConnector, "connect", lambda original: _leaving(arming, library, original))
    arming.replace(library.StreamReader, "_read_nowait_chunk", lambda original: _reading(arming, outer, original))
    seen = Seen(arming, SEAM)
    arming.replace(library.ClientSession, "_ws_connect", lambda original: _connecting(seen, arming, original))
    for name in ("close", "release"):
        arming.replace(library.ClientResponse, name, lambda original: _closing(arming, outer, original))
    arming.wired.add(SEAM)
    arming.lent[SEAM] = outer
