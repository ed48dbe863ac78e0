"""Names vcrpy where it answers. A recording goes over the wire, and is live; only a replay passes ``play_response``.

What vcr hands to a client, in place of its answer, is an answer of its own kind: the body is taken from the cassette.
For some clients (aiohttp) vcr stands above the client's seam, and its replay is all that there is to see.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

from pytest_aifootprint.detection.http.outer import Outer, as_bytes, split
from pytest_aifootprint.detection.http.question import what_is_asked
from pytest_aifootprint.detection.http.sending import Sending
from pytest_aifootprint.detection.http.shape import shape
from pytest_aifootprint.detection.patching import Arming

_STUBS = "vcr.stubs."


class _Tape(Outer):
    """What is read off a cassette."""

    name = "vcrpy"

    def replayed(self, sending: Sending | None, request: Any, response: Any) -> None:
        """An answer was played. Never raises."""
        try:
            if sending is not None and not sending.done:
                sending.exchange.replayer = self.name
                sending.body = _body(response)
            else:
                self._unasked(request, response)
        except Exception as error:  # noqa: BLE001 - watching never raises into the watched call
            self.arming.recorder.error(self.name, error)

    def recorded(self, sending: Sending | None, response: Any) -> None:
        """An answer was put on tape. Never raises."""
        try:
            if sending is not None and not sending.done:
                sending.body = _body(response)
        except Exception as error:  # noqa: BLE001 - as above
            self.arming.recorder.error(self.name, error)

    def _unasked(self, request: Any, response: Any) -> None:
        """It was played to a client whose seam is below vcr's own: record the call here."""
        headers = {name.lower(): ", ".join(_listed(values)) for name, values in response["headers"].items()}
        status = response["status"]["code"]
        moved = 300 <= status < 400 and "location" in headers
        if request.method != "POST" or moved:
            return
        posted = split(request.uri, lambda: _posted(request.body))
        if posted is None or (asked := what_is_asked(posted)) is None:
            return
        sending = Sending(self.arming.recorder, _client(), None, posted, asked)
        sending.exchange.replayer = self.name
        sending.body = _body(response) or b""
        self.judge.response(sending, lambda: (None, None))
        self.head(sending, status, headers)
        self.end(sending.exchange, abandoned=False)


def _body(response: Any) -> bytes | None:
    return as_bytes(response["body"].get("string"))


def _posted(body: Any) -> bytes | None:
    return shape(body) if isinstance(body, dict) else as_bytes(body)


def _listed(values: Any) -> list[str]:
    return [values] if isinstance(values, str) else list(values)


def _client() -> str:
    """The client that vcr plays to, by the name of its stub on the stack."""
    frame = sys._getframe(1)  # noqa: SLF001 - inspect would read source files
    while frame.f_back is not None:
        frame = frame.f_back
        module = frame.f_globals.get("__name__", "")
        if module.startswith(_STUBS):
            return str(module).removeprefix(_STUBS).removesuffix("_stubs")
    return "vcrpy"


def _playing(tape: _Tape, original: Callable[..., Any]) -> Callable[..., Any]:
    arming = tape.arming

    def play_response(cassette: Any, /, request: Any) -> Any:
        __tracebackhide__ = True
        response = original(cassette, request)
        if arming.active:
            tape.replayed(arming.sending.get(), request, response)
        return response

    return play_response


def _recording(tape: _Tape, original: Callable[..., Any]) -> Callable[..., Any]:
    arming = tape.arming

    def append(cassette: Any, /, request: Any, response: Any) -> Any:
        __tracebackhide__ = True
        if arming.active:
            tape.recorded(arming.sending.get(), response)
        return original(cassette, request, response)

    return append


def install(library: ModuleType, arming: Arming) -> None:
    """Patch the cassette."""
    tape = _Tape(arming)
    arming.replace(library.Cassette, "play_response", lambda original: _playing(tape, original))
    arming.replace(library.Cassette, "append", lambda original: _recording(tape, original))
