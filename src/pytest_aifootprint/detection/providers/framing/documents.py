"""JSON: one document, one after the other (a line each, mostly), or an array of them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from pytest_aifootprint.detection.providers.picking import WHOLE_LIMIT, Picker
from pytest_aifootprint.detection.providers.usage import Interpreter

# What may stand between two documents, a byte order mark included.
_BETWEEN = re.compile(rb"[\s,\xef\xbb\xbf]*")
_DECODER = json.JSONDecoder()


class Documents:
    """Documents of up to 8 KiB are held and parsed, longer ones are scanned as they pass.

    Which of the two is decided by a document's length alone, so that the result does not depend on how it was cut.
    """

    def __init__(self, interpreter: Interpreter, *, lines: bool = False) -> None:
        """``lines``: the answer is known to be a stream of documents, not one."""
        self.interpreter = interpreter
        self.streamed = lines
        self.understood = False
        self._held = b""
        self._scan: Picker | None = None
        self._only: Mapping[str, Any] | None = None  # the first document, as long as it may be the only one
        self._begun = False
        self._in_array = False
        self._unread_array = False  # what is scanned is an array of other things than objects
        self._over = False

    def whole(self, answer: bytes) -> bool:
        """Take an answer that is there as a whole, if it is one short document and nothing else. Else False."""
        if self.streamed or len(answer) > WHOLE_LIMIT or answer[:1] != b"{":
            return False
        try:
            text = answer.decode("utf-8", "replace")
            document, end = _DECODER.raw_decode(text)
        except (ValueError, RecursionError):
            return False
        if end != len(text) and text[end:].strip():
            return False
        self._only, self.understood = document, True
        return True

    def feed(self, piece: bytes) -> None:
        """Take the next bytes."""
        if self._over:
            return
        if self._scan is not None:
            taken = self._scan.feed(piece)
            if not self._scan.done:
                return
            self._end_scan()
            piece = piece[taken:]
        held = self._held + piece if self._held else piece
        # A document ends in a brace. To look for its end earlier would be to parse its beginning again and again.
        if len(held) > WHOLE_LIMIT or held.rstrip()[-1:] in b"}]":
            held = self._take(held, last=False)
        self._held = held

    def end(self) -> None:
        """No more bytes: the answer is complete, or was given up."""
        if self._scan is None and self._held:
            self._take(self._held, last=True)
        self._held = b""
        if self._only is not None:
            if self._scan is None:
                self.interpreter.document(self._only)
            else:
                self._stream_begins()
        elif self._scan is not None and not (self.understood or self.streamed or self._in_array):
            # A document that was cut off: what it told is known.
            if picked := self._scan.picked():
                self.interpreter.document(picked)
            self.interpreter.complete = False
        self._scan = self._only = None

    def _take(self, text: bytes, *, last: bool) -> bytes:
        """Read what documents there are. Returns the beginning of the next."""
        at = 0
        while not self._over:
            between = _BETWEEN.match(text, at)
            at = between.end() if between is not None else at
            if at == len(text):
                break
            sign = text[at : at + 1]
            if sign == b"{":
                self._begun = True
                length = self._whole(text, at)
                if not length:
                    if len(text) - at <= WHOLE_LIMIT and not last:
                        return text[at:]
                    length = self._begin_scan(text[at:])
                if self._scan is not None:
                    break
                at += length
            elif sign == b"]" and self._in_array:
                self._end_array()
            elif sign == b"[" and not self._begun and self.interpreter.arrays:
                self._begun = self._in_array = True
                at += 1
            elif self._in_array:
                self._unread_array = True
                self._in_array = False
                self._begin_scan(b"[" + text[at:])
                break
            else:
                self._over = True
        return b""

    def _whole(self, text: bytes, at: int) -> int:
        """Read a short document that is there to its end. Returns its length, 0 if it is not."""
        window = text[at : at + WHOLE_LIMIT]
        try:
            document, length = _DECODER.raw_decode(window.decode("latin-1"))
            if not window[:length].isascii():
                document = _DECODER.decode(window[:length].decode("utf-8", "replace"))
        except (ValueError, RecursionError):
            return 0
        self._document(document)
        return int(length)

    def _begin_scan(self, text: bytes) -> int:
        self._scan = Picker(self.interpreter.wanted)
        taken = self._scan.feed(text)
        if self._scan.done:
            self._end_scan()
        return taken

    def _end_scan(self) -> None:
        scan, self._scan = self._scan, None
        assert scan is not None
        if self._unread_array:
            self._end_array()
        else:
            self._document(scan.picked())

    def _end_array(self) -> None:
        self.understood = self._over = True
        self._in_array = False
        self.interpreter.done()

    def _document(self, document: Mapping[str, Any]) -> None:
        first, self.understood = not self.understood, True
        if self._in_array and self.interpreter.arrays == "items":
            self.interpreter.document(document)
        elif self._in_array or self.streamed:
            self.streamed = True
            self.interpreter.event(document)
        elif first:
            self._only = document
        else:
            self._stream_begins()
            self.interpreter.event(document)

    def _stream_begins(self) -> None:
        """There is more than one document."""
        self.streamed = True
        if self._only is not None:
            self.interpreter.event(self._only)
            self._only = None
