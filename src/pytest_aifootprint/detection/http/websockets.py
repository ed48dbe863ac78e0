"""The seam of websockets: the opening handshake.

Its address names the model (OpenAI's Realtime API and its like). What goes to and fro afterwards is not read. Both the
asyncio and the threading client make their handshake with ``ClientProtocol``.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from types import ModuleType
from typing import Any

from pytest_aifootprint.detection.http.exchange import Exchange
from pytest_aifootprint.detection.http.question import what_a_socket_asks
from pytest_aifootprint.detection.http.seen import Seen
from pytest_aifootprint.detection.patching import Arming

_NAME = "websockets"


class _Handshakes:
    """Handshakes under way, by their protocol. The answer may be read by another thread than the one that asked."""

    def __init__(self, arming: Arming) -> None:
        self.arming = arming
        self._seen = Seen(arming, _NAME)
        self._open: weakref.WeakKeyDictionary[Any, Exchange] = weakref.WeakKeyDictionary()

    def asked(self, protocol: Any) -> None:
        """The request goes out. Never raises."""
        try:
            address = getattr(protocol, "uri", None) or protocol.wsuri  # as it was called until 16
            asked = what_a_socket_asks(address.resource_name.encode(), address.host)
            if asked is not None:
                self._open[protocol] = self._seen.begin(asked, address.host, address.port)
        except Exception as error:  # noqa: BLE001 - watching never raises into the watched call
            self.arming.recorder.error(_NAME, error)

    def answered(self, protocol: Any, response: Any) -> None:
        """The answer is there, accepted or not. Never raises."""
        try:
            exchange = self._open.pop(protocol, None)
            if exchange is not None:
                self._seen.end(exchange, response.status_code)
        except Exception as error:  # noqa: BLE001 - as above
            self.arming.recorder.error(_NAME, error)


def _sending(handshakes: _Handshakes, original: Callable[..., Any]) -> Callable[..., Any]:
    def send_request(protocol: Any, /, *args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        if handshakes.arming.active:
            handshakes.asked(protocol)
        return original(protocol, *args, **kwargs)

    return send_request


def _receiving(handshakes: _Handshakes, original: Callable[..., Any]) -> Callable[..., Any]:
    def process_response(protocol: Any, /, response: Any) -> Any:
        __tracebackhide__ = True
        handshakes.answered(protocol, response)
        return original(protocol, response)

    return process_response


def install(library: ModuleType, arming: Arming) -> None:
    """Patch the protocol."""
    handshakes = _Handshakes(arming)
    protocol = library.ClientProtocol
    arming.replace(protocol, "send_request", lambda original: _sending(handshakes, original))
    arming.replace(protocol, "process_response", lambda original: _receiving(handshakes, original))
