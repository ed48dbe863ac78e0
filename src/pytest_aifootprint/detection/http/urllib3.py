"""The outer seam of urllib3, and of botocore, which uses its pools: ``urlopen`` of pools and pool managers.

A retry of urllib3's own passes ``urlopen`` again, inside of the first pass, and its ``Retry`` says what came of the
attempt before: each attempt is a call. A redirect is not another call.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

from pytest_aifootprint.detection.http import reading
from pytest_aifootprint.detection.http.http_client import WIRE, leaving
from pytest_aifootprint.detection.http.outer import Outer, as_bytes, split
from pytest_aifootprint.detection.http.realness import Answerer, foreign
from pytest_aifootprint.detection.http.sending import Request, Sending
from pytest_aifootprint.detection.patching import Arming

OWN = frozenset({"botocore", "http", "requests", "urllib3"})
_RETRIES_AT = 4  # among the positional arguments of a pool's urlopen


class _Pool(Outer):
    """A pool of connections to one host."""

    name = "urllib3"
    wire = WIRE
    above = frozenset({"requests", "urllib3"})

    def __init__(self, library: ModuleType, arming: Arming) -> None:
        super().__init__(arming)
        self.library = library

    def request(self, client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Request | None:
        if _argument(args, kwargs, 0, "method").upper() != "POST":
            return None
        url = _argument(args, kwargs, 1, "url")
        body = _argument(args, kwargs, 2, "body")
        secure = client.scheme == "https"
        if url.startswith("/"):
            return Request(
                "POST", url.encode(), client.host, _port(client.port, secure), secure, lambda: as_bytes(body)
            )
        return split(url, lambda: as_bytes(body))  # whole, for a proxy

    def is_part(
        self, current: Sending, client: Any, request: Request | None, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> bool:
        own = current.stack == self.name and current.client_id == id(client)
        # The host may be a proxy's.
        if not own and (request is None or current.stack not in self.above or current.path != request.path):
            return False
        if own and request is not None:
            current.host, current.path = request.host, request.path
        self._retried(current, _argument(args, kwargs, _RETRIES_AT, "retries"))
        return True

    def _retried(self, current: Sending, retries: Any) -> None:
        """If this is another attempt, the one before is a call of its own."""
        history: Any = getattr(retries, "history", ())  # a plain number of retries has none
        if len(history) <= current.attempts:
            return
        current.attempts = len(history)
        if history[-1].redirect_location is None:
            self.again(current, history[-1].status)

    def take(self, sending: Sending, kwargs: dict[str, Any], response: Any) -> bool:
        exchange = sending.exchange
        if not self.head(sending, response.status, response.headers):
            return True
        if not isinstance(response, self.library.response.HTTPResponse):
            exchange.notice("unknown-format")
            return True
        encoding = response.headers.get("content-encoding", "")
        if kwargs.get("preload_content", True):
            if not _decodes(response, (), {"decode_content": kwargs.get("decode_content", True)}):
                exchange.encoded(encoding)
            self.feed(exchange, response.data or b"")
            return True
        reading.listen(self, exchange, response, encoding)
        return False

    def who(self, client: Any, args: tuple[Any, ...], kwargs: dict[str, Any], response: Any) -> Answerer:
        del args, kwargs, response
        return foreign(OWN, type(client).urlopen, *ways(self.library), getattr(client, "ConnectionCls", None))


class _Manager(_Pool):
    """Pools of connections to any host: gets whole URLs, and follows redirects between hosts."""

    def request(self, client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Request | None:
        del client
        if _argument(args, kwargs, 0, "method").upper() != "POST":
            return None
        return split(_argument(args, kwargs, 1, "url"), lambda: as_bytes(kwargs.get("body")))

    def is_part(
        self, current: Sending, client: Any, request: Request | None, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> bool:
        del args  # its third is whether to follow redirects
        return super().is_part(current, client, request, (), {"retries": kwargs.get("retries")})


def ways(library: ModuleType) -> tuple[Any, ...]:
    """The methods that requests and urllib3 itself pass on their way out: somebody may have replaced one."""
    pool, connection = library.connectionpool.HTTPConnectionPool, library.connection.HTTPConnection
    return pool.urlopen, connection.request, connection.getresponse


def _argument(args: tuple[Any, ...], kwargs: dict[str, Any], at: int, name: str) -> Any:
    return args[at] if len(args) > at else kwargs.get(name)


def _port(port: int | None, secure: bool) -> int | None:  # noqa: FBT001 - as it is in a request
    """A pool always knows its port; None if it is the scheme's own."""
    return None if port == (443 if secure else 80) else port


def _decodes(response: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether a reading method hands out decoded bytes."""
    decode = _argument(args, kwargs, 1, "decode_content")
    return bool(response.decode_content if decode is None else decode) and _can_decode(response)


def _decodes_chunks(response: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """The same of ``read_chunked``, which does not ask the answer what it should do."""
    return bool(_argument(args, kwargs, 1, "decode_content")) and _can_decode(response)


def _can_decode(response: Any) -> bool:
    encoding = response.headers.get("content-encoding", "").lower()
    return "," in encoding or encoding in response.CONTENT_DECODERS


def _at_end(response: Any) -> bool:
    return bool(response.closed) and not len(getattr(response, "_decoded_buffer", b""))


def install(library: ModuleType, arming: Arming) -> None:
    """Patch pools, pool managers, connections and answers."""
    pool, manager = _Pool(library, arming), _Manager(library, arming)
    arming.replace(library.connectionpool.HTTPConnectionPool, "urlopen", pool.sync)
    arming.replace(library.poolmanager.PoolManager, "urlopen", manager.sync)
    for name in ("HTTPConnection", "HTTPSConnection"):
        connection = getattr(library.connection, name)
        if hasattr(connection, "connect"):  # without ssl there is a stand-in
            arming.replace(connection, "connect", lambda original: leaving(arming, original))
    answer = library.response.HTTPResponse

    def read(original: Any) -> Any:
        return reading.reads(arming, original, decodes=_decodes, at_end=_at_end, to_the_end=True)

    def read1(original: Any) -> Any:
        return reading.reads(arming, original, decodes=_decodes, at_end=_at_end)

    arming.replace(answer, "read", read)
    if hasattr(answer, "read1"):
        arming.replace(answer, "read1", read1)
    arming.replace(answer, "read_chunked", lambda original: reading.yields(arming, original, decodes=_decodes_chunks))
    arming.replace(answer, "close", lambda original: reading.closes(arming, original))
