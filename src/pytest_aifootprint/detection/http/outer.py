"""The outer seam of an HTTP client: what every stack does before and after a request.

The outermost client owns a request. Clients send through one another (requests through urllib3, httpx through aiohttp):
what is sent below for the one above is a part of the same call. What an application under test sends itself, while it
answers a request of the test, is not.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit

from pytest_aifootprint.detection.http import wrapping
from pytest_aifootprint.detection.http.exchange import LIVE, Exchange
from pytest_aifootprint.detection.http.ports import OwnPorts
from pytest_aifootprint.detection.http.question import what_is_asked
from pytest_aifootprint.detection.http.realness import Answerer, Judge, speaks_itself, surely_live
from pytest_aifootprint.detection.http.sending import Part, Request, Sending
from pytest_aifootprint.detection.patching import Arming
from pytest_aifootprint.quantities.unfaked import REAL

_PLAIN = (b"{", b"[", b"data:", b"event:", b":")  # how an answer starts that is not encoded


def as_bytes(body: Any) -> bytes | None:
    """A request's body, if it is there as a whole."""
    if isinstance(body, str):
        return body.encode("utf-8", "surrogatepass")
    return bytes(body) if isinstance(body, (bytes, bytearray, memoryview)) else None


def split(url: str, body: Callable[[], bytes | None]) -> Request | None:
    """The request that is posted to a URL; None if it is none."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:  # the user's error, which they are given
        return None
    path = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
    secure = parts.scheme == "https"
    return Request("POST", path.encode(), parts.hostname or "", port, secure, body, "unix" in parts.scheme)


def replace_kept(arming: Arming, module: str, name: str, make: Callable[[Any], Any]) -> None:
    """Patch a method also where a library keeps, and calls, the one that it found when it was imported before us."""
    keeper: Any = sys.modules.get(module)
    if hasattr(keeper, name):
        arming.replace(keeper, name, make)


def _ours(method: Callable[..., Any]) -> Callable[..., Any]:
    """Account the CPU of a method of ``Outer`` to us. Those on the way of every call do so themselves, a frame less."""

    @wraps(method)
    def timed(outer: Outer, *args: Any, **kwargs: Any) -> Any:
        started_ns = REAL.thread_time_ns()
        try:
            return method(outer, *args, **kwargs)
        finally:
            outer.arming.recorder.own_ns += REAL.thread_time_ns() - started_ns

    return timed


class Outer:
    """Makes the wrappers of one stack's outer method. Our own errors end here.

    A stack derives from it and says how its requests and answers are read.

    Attributes:
        name: of the stack, as in ``AICall.client``. wire: the name under which its wire seam is armed.
        above: stacks that send through this one.
        own_again: a pass inside of a pass of the same client object is a part of it (a redirect, a retry).
    """

    name = ""
    wire = ""
    above: frozenset[str] = frozenset()
    own_again = True

    def __init__(self, arming: Arming) -> None:
        self.arming = arming
        self.judge = Judge(OwnPorts(), arming.wired, arming.serving)

    def request(self, client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Request | None:
        """What is about to be sent; None if it surely is no AI call."""
        raise NotImplementedError

    def take(self, sending: Sending, kwargs: dict[str, Any], response: Any) -> bool:
        """Read the answer if it is there (True), or watch it come (False)."""
        raise NotImplementedError

    def who(self, client: Any, args: tuple[Any, ...], kwargs: dict[str, Any], response: Any) -> Answerer:
        """Who answers in place of the network: top-level module and a name; (None, None) for the network itself."""
        raise NotImplementedError

    def came_from(self, sending: Sending, response: Any) -> Any:
        """Note where an answer came from in the end; the network's stream under it, where the library shows it."""
        del sending, response

    def refused(self, error: BaseException) -> int | None:
        """The status that an exception stands for, if it is an answer after all."""
        del error
        return None

    def is_part(
        self, current: Sending, client: Any, request: Request | None, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> bool:
        """Whether this is sent for a request that is under way, rather than by somebody who answers it."""
        del args, kwargs
        if self.own_again and current.stack == self.name and current.client_id == id(client):
            if request is not None:
                current.host, current.path = request.host, request.path
            return True
        if request is None or current.stack not in self.above:
            return False
        same_path = unquote_to_bytes(current.path) == unquote_to_bytes(request.path)
        return same_path and current.host == request.host

    def begin(self, client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Sending | Part | None:
        """The sending; or that it is a part of another; or None for a request that is no AI call."""
        started_ns = REAL.thread_time_ns()
        recorder = self.arming.recorder
        try:
            request = self.request(client, args, kwargs)
            current = self.arming.sending.get()
            if current is not None and not current.done and self.is_part(current, client, request, args, kwargs):
                return Part.PART
            if request is None or (asked := what_is_asked(request)) is None:
                return None
            sending = Sending(recorder, self.name, client, request, asked)
            if (
                asked.local
                and recorder.servers is not None
                and speaks_itself(self.who(client, args, kwargs, None), self.arming.wired)
            ):
                sending.exchange.watch_server()
        except Exception as error:  # noqa: BLE001 - watching never raises into the watched call
            recorder.error(self.name, error)
            return None
        finally:
            recorder.own_ns += REAL.thread_time_ns() - started_ns
        return sending

    @_ours
    def failed(self, sending: Sending, client: Any, args: Any, kwargs: Any, error: BaseException) -> None:
        """There was no answer, or one that the library turned into an exception."""
        exchange = sending.exchange
        try:
            sending.done = True
            exchange.status = self.refused(error) or self._heard(sending) or exchange.status
            who = lambda: self.who(client, args, kwargs, None)  # noqa: E731 - asked only if need be
            self.judge.error(sending, who, error, wire_watched=self.wire in self.arming.wired)
        except Exception as ours:  # noqa: BLE001 - as above
            self.arming.recorder.error(self.name, ours)
        self.end(exchange, abandoned=False)

    def answered(self, sending: Sending, client: Any, args: Any, kwargs: Any, response: Any) -> None:
        """There is one: read it if it is there, else watch it come."""
        started_ns = REAL.thread_time_ns()
        recorder, exchange = self.arming.recorder, sending.exchange
        try:
            sending.done = True
            if surely_live(exchange):
                exchange.realness = LIVE
            else:
                who = lambda: self.who(client, args, kwargs, response)  # noqa: E731 - as above
                self.judge.response(sending, who, self.came_from(sending, response))
            there = self.take(sending, kwargs, response)
        except Exception as error:  # noqa: BLE001 - as above
            recorder.error(self.name, error)
            there = True
        if there:
            self.end(exchange, abandoned=False)
        recorder.own_ns += REAL.thread_time_ns() - started_ns

    def feed(self, exchange: Exchange, piece: bytes) -> None:
        """Take a piece of the answer that the user has been given. Never raises."""
        try:
            exchange.feed(piece)
        except Exception as error:  # noqa: BLE001 - as above
            self.arming.recorder.error(self.name, error)

    def end(self, exchange: Exchange, *, abandoned: bool) -> None:
        """Record the call. Never raises."""
        try:
            exchange.finish(abandoned=abandoned)
        except Exception as error:  # noqa: BLE001 - as above
            self.arming.recorder.error(self.name, error)

    def ended(self, exchange: Exchange, *, abandoned: bool) -> None:
        """The stream has ended, under the user's own reading, or is closed, perhaps after its end. Never raises."""
        if exchange.over:
            return
        started_ns = REAL.thread_time_ns()
        self.end(exchange, abandoned=abandoned)
        self.arming.recorder.own_ns += REAL.thread_time_ns() - started_ns

    def head(self, sending: Sending, status: Any, headers: Any) -> bool:
        """Take the answer's head; and whether its body is to be read from the answer, or is known already."""
        exchange = sending.exchange
        if not isinstance(status, int):  # a mock may answer with anything
            exchange.notice("unknown-format")
            return False
        exchange.answered(status, headers)
        if sending.body is None:
            return True
        if not sending.body.lstrip().startswith(_PLAIN):  # recorders decode a body, and may leave the header
            exchange.encoded(headers.get("content-encoding") or "")
        self.feed(exchange, sending.body)
        return False

    def again(self, sending: Sending, status: int | None) -> None:
        """The library makes another attempt by itself. The one before is a call, if it reached the wire."""
        exchange = sending.exchange
        if exchange.wired or exchange.replayer is not None:
            exchange.status = status or "error"
            self.judge.response(sending, lambda: (None, None))
            self.end(exchange, abandoned=False)
        sending.again()

    def _heard(self, sending: Sending) -> int | None:
        return sending.heard if sending.heard is not None and sending.heard >= 400 else None

    def sync(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """The wrapper of a synchronous method."""
        return wrapping.sync(self, original)

    def coroutine(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """The wrapper of an asynchronous method."""
        return wrapping.coroutine(self, original)
