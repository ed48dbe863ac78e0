"""The seam of dspy's own client, ``lm15``: transports made of raw sockets, one synchronous and one not."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from types import ModuleType
from typing import Any

from pytest_aifootprint.detection.http import reading
from pytest_aifootprint.detection.http.outer import Outer, as_bytes, split
from pytest_aifootprint.detection.http.realness import Answerer, foreign
from pytest_aifootprint.detection.http.sending import Request, Sending
from pytest_aifootprint.detection.http.wire import leaves
from pytest_aifootprint.detection.patching import Arming

_WAYS_OUT = ("_open", "_send_request")


class _Transport(Outer):
    own_again = False

    def __init__(self, library: ModuleType, arming: Arming) -> None:
        super().__init__(arming)
        self.name = self.wire = library.__name__.partition(".")[0]

    def request(self, client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Request | None:
        del client
        request = args[0] if args else kwargs["request"]
        if request.method.upper() != "POST":
            return None
        return split(request.url, lambda: as_bytes(request.body))

    def take(self, sending: Sending, kwargs: dict[str, Any], response: Any) -> bool:
        del kwargs
        headers = {name.lower(): value for name, value in response.headers}
        if not self.head(sending, response.status, headers):
            return True
        reading.listen(self, sending.exchange, response, headers.get("content-encoding", ""))
        return False

    def who(self, client: Any, args: tuple[Any, ...], kwargs: dict[str, Any], response: Any) -> Answerer:
        del args, kwargs, response
        return foreign(frozenset({self.name}), type(client))


def _leaving(arming: Arming, original: Callable[..., Any]) -> Callable[..., Any]:
    def leave(transport: Any, /, *args: Any, **kwargs: Any) -> Any:  # of a coroutine function, too
        __tracebackhide__ = True
        leaves(arming)
        return original(transport, *args, **kwargs)

    return leave


def _iterating(arming: Arming, original: Callable[..., Any]) -> Callable[..., Any]:
    readings = arming.readings

    async def pieces(response: Any, iterator: Any, listener: reading.Listener) -> AsyncIterator[bytes]:
        __tracebackhide__ = True
        error: BaseException | None = None
        try:
            async for piece in iterator:
                reading.hear(arming, listener, piece)
                yield piece
        except BaseException as raised:
            error = raised
            raise
        finally:
            reading.end(arming, response, listener, error)
            await iterator.aclose()

    def __aiter__(response: Any, /) -> Any:  # noqa: N807 - what it wraps
        __tracebackhide__ = True
        iterator = original(response)
        listener = reading.listener_of(arming, response) if readings else None
        return iterator if listener is None else pieces(response, iterator, listener)

    return __aiter__


def install(library: ModuleType, arming: Arming) -> None:
    """Patch both transports and their answers."""
    transport = _Transport(library, arming)
    arming.replace(library.StdlibTransport, "stream", transport.sync)
    arming.replace(library.StdlibAsyncTransport, "_do_stream", transport.coroutine)
    for kind in (library.StdlibTransport, library.StdlibAsyncTransport):
        for name in _WAYS_OUT:
            arming.replace(kind, name, lambda original: _leaving(arming, original))
    answer, later = library.TransportResponse, library.AsyncTransportResponse
    arming.replace(answer, "__iter__", lambda original: reading.yields(arming, original))
    arming.replace(answer, "close", lambda original: reading.closes(arming, original))
    arming.replace(later, "__aiter__", lambda original: _iterating(arming, original))
    arming.replace(later, "aclose", lambda original: reading.closes(arming, original))
    arming.wired.add(transport.name)
