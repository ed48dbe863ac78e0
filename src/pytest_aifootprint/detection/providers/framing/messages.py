"""Amazon's event stream encoding: binary messages with headers and a JSON payload.

The form is documented with AWS's SDKs ("Event Stream Encoding", application/vnd.amazon.eventstream): length of the
message, length of its headers, checksum; headers; payload; checksum. The checksums are the client's business.
"""

from __future__ import annotations

import binascii
import struct
from collections.abc import Callable, Mapping
from typing import Any

from pytest_aifootprint.detection.providers.picking import WHOLE_LIMIT, Picker, parse, pick
from pytest_aifootprint.detection.providers.usage import Interpreter

_PRELUDE, _CHECKSUM = 12, 4
_LARGEST = 1 << 25
_SIZES = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}  # of a header's value, by its type
_BYTES, _STRING = 6, 7
_PART = frozenset({("bytes",)})


class Messages:
    """A stream of messages. Payloads of up to 8 KiB are held, longer ones are scanned as they pass."""

    def __init__(self, interpreter: Interpreter) -> None:
        self.interpreter = interpreter
        self.streamed = True
        self.understood = False
        self._held = b""
        self._need = _PRELUDE  # bytes until the next step
        self._step: Callable[[bytes], None] = self._prelude
        self._payload_size = 0
        self._kind = ""
        self._scan: Picker | None = None
        self._broken = False

    def feed(self, piece: bytes) -> None:
        """Take the next bytes."""
        at = 0
        while at < len(piece) and not self._broken:
            taken = piece[at : at + self._need]
            at += len(taken)
            self._need -= len(taken)
            if self._scan is not None:
                self._scan.feed(taken)
            else:
                self._held += taken
            if not self._need:
                held, self._held = self._held, b""
                self._step(held)

    def end(self) -> None:
        """No more bytes. A message that was cut off tells nothing."""
        self._held = b""
        self._scan = None

    def _prelude(self, held: bytes) -> None:
        size, headers_size = struct.unpack_from(">II", held)
        self._payload_size = size - headers_size - _PRELUDE - _CHECKSUM
        # Without its place in the stream nothing that follows has a meaning.
        self._broken = self._payload_size < 0 or size > _LARGEST or headers_size > WHOLE_LIMIT
        self._need, self._step = headers_size, self._headers
        if not headers_size and not self._broken:
            self._headers(b"")

    def _headers(self, held: bytes) -> None:
        headers = _strings(held)
        self._kind = headers.get(":event-type", "")
        self._need, self._step = self._payload_size, self._payload
        if self._payload_size > WHOLE_LIMIT:
            self._scan = Picker(self._wanted())
        elif not self._payload_size:
            self._payload(b"")

    def _wanted(self) -> frozenset[tuple[str, ...]]:
        """What is wanted of this kind of message's payload."""
        if self._kind == "chunk":
            return _PART
        return frozenset(path[1:] for path in self.interpreter.wanted if path[0] == self._kind and len(path) > 1)

    def _payload(self, held: bytes) -> None:
        scan, self._scan = self._scan, None
        document = (scan.picked() if scan.done else None) if scan is not None else parse(held or b"{}")
        self._need, self._step = _CHECKSUM, self._checksum
        if document is None:
            return
        if self._kind == "chunk":
            document = _part(document, self.interpreter)
            if document is None:
                return
        else:
            document = {self._kind: document}
        self.understood = True
        self.interpreter.event(document)

    def _checksum(self, _held: bytes) -> None:
        self._need, self._step = _PRELUDE, self._prelude


def _part(document: Mapping[str, Any], interpreter: Interpreter) -> dict[str, Any] | None:
    """The model's own event, which stands base64-encoded in a chunk."""
    encoded = document.get("bytes")
    try:
        text = binascii.a2b_base64(encoded) if isinstance(encoded, str) else b""
    except ValueError:
        return None
    return pick(text, interpreter.wanted)


def _strings(held: bytes) -> dict[str, str]:
    """The headers that are strings."""
    found: dict[str, str] = {}
    at = 0
    while at < len(held):
        behind_name = at + 1 + held[at]
        name = held[at + 1 : behind_name].decode("utf-8", "replace")
        kind = held[behind_name] if behind_name < len(held) else -1
        at = behind_name + 1
        if kind in (_BYTES, _STRING):
            size = int.from_bytes(held[at : at + 2], "big")
            if kind == _STRING:
                found[name] = held[at + 2 : at + 2 + size].decode("utf-8", "replace")
            at += 2 + size
        elif kind in _SIZES:
            at += _SIZES[kind]
        else:
            break
    return found
