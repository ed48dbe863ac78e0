"""One request on its way: what a client was asked to send, and what has become of it so far."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import NamedTuple

from pytest_aifootprint.detection.http.exchange import Exchange
from pytest_aifootprint.detection.providers.asking import UNKNOWN, Asked
from pytest_aifootprint.detection.recorder import Recorder


class Request(NamedTuple):
    """What a client is about to send.

    Attributes:
        method: in capitals. path: as sent, with its query. host: name without port.
        port: as named, None for the scheme's own. secure: whether it goes over TLS.
        body: gives the request's bytes, or None if they cannot be had without consuming them. Asked for when needed.
        through_a_file: it goes to a unix socket.
    """

    method: str
    path: bytes
    host: str
    port: int | None
    secure: bool
    body: Callable[[], bytes | None]
    through_a_file: bool = False


class Part(Enum):
    """Says that what is sent is a part of a request that is under way already."""

    PART = 0


class Sending:
    """One pass through the outermost client; lasts until there is an answer, or none. The stream is the exchange's.

    Attributes:
        exchange: of the attempt at hand. stack: the client that owns the request.
        client_id: ``id`` of the client object. (The object itself would live as long as any copy of the context.)
        host, path: where it goes now; a redirect changes them. port: the scheme's own, if none is named.
        attempts: how many attempts the client's own retries had counted when we last looked.
        heard: last status that came over the wire. mocker: what answered instead of the network.
        body: the whole answer, where a replayer or recorder had it in hand.
        done: it is over; a context copied in the meantime may still hold it.
    """

    __slots__ = (
        "_address",
        "_recorder",
        "_shown",
        "attempts",
        "body",
        "client_id",
        "done",
        "exchange",
        "heard",
        "host",
        "mocker",
        "path",
        "port",
        "stack",
    )

    def __init__(self, recorder: Recorder, stack: str, client: object, request: Request, asked: Asked) -> None:
        self._recorder = recorder
        self._shown = request.host
        if asked.local and request.port is not None:
            self._shown = f"{request.host}:{request.port}"
        self.stack = stack
        self.client_id = id(client)
        self.host = request.host
        self.path = request.path
        self.port = request.port or (443 if request.secure else 80)
        self.attempts = 0
        self.heard: int | None = None
        self.mocker: str | None = None
        self.body: bytes | None = None
        self.done = False
        # A redirect may change where it goes; a server of this machine does not send its clients elsewhere.
        self._address = (self.host, self.port) if asked.local else None
        self.exchange = Exchange(recorder, stack, asked, self._shown, self._address)
        if request.through_a_file:
            self.is_here()

    def left(self, socket_file: str | None = None) -> None:
        """The request goes to a connection of the client's protocol code. More than once does no harm."""
        if socket_file is not None:
            self.is_here()
        self.exchange.sent(socket_file)

    def is_here(self) -> None:
        """It goes to a unix socket: whatever its host is called, the server is on this machine."""
        if self.exchange.asked.provider == UNKNOWN:
            self.exchange.asked = self.exchange.asked.on_this_machine()

    def again(self) -> None:
        """Another attempt of the same request begins: another call."""
        self.heard = None
        self.body = None
        self.exchange = Exchange(self._recorder, self.stack, self.exchange.asked, self._shown, self._address)
