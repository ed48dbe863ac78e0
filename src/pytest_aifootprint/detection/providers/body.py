"""Feeds an answer's bytes to an interpreter, piece by piece, in whichever form they come."""

from __future__ import annotations

import re
from typing import Protocol

from pytest_aifootprint.detection.providers.framing.documents import Documents
from pytest_aifootprint.detection.providers.framing.events import Events
from pytest_aifootprint.detection.providers.framing.messages import Messages
from pytest_aifootprint.detection.providers.usage import Interpreter

_EVENT_STREAM_STARTS = b"de:ir"  # data, event, comment, id, retry
_DOCUMENT_STARTS = b"{["
_MESSAGE_STARTS = 0  # a message's length has four bytes: the first is 0
_MEDIA = ("audio/", "image/", "video/")
_LINES = re.compile(r"ndjson|jsonl|json-seq|stream\+json|json-lines")


class _Framing(Protocol):
    streamed: bool
    understood: bool

    def feed(self, piece: bytes) -> None: ...

    def end(self) -> None: ...


class _Media:
    """An answer that is a sound, an image or a plain text: it tells nothing, and is proper all the same."""

    streamed = False
    understood = True

    def feed(self, piece: bytes) -> None:
        pass

    def end(self) -> None:
        pass


class Body:
    """Reads a body without keeping it: at most 8 KiB of it are held, longer parts are scanned as they pass.

    Its form is that of its content type, unless its first byte contradicts: none of the forms begins like another, and
    stand-in servers label as they like.
    """

    def __init__(self, interpreter: Interpreter, content_type: str) -> None:
        self.interpreter = interpreter
        self._framing = _declared(interpreter, content_type.lower())
        self._begun = isinstance(self._framing, _Media)

    @property
    def streamed(self) -> bool:
        """It was a stream of events."""
        return self._framing is not None and self._framing.streamed

    @property
    def understood(self) -> bool:
        """At least one document or event could be read, or there was none to be expected."""
        return self._framing is not None and self._framing.understood

    def feed(self, piece: bytes) -> None:
        """Take the next decoded bytes. Never raises on account of what they are."""
        if not self._begun:
            piece = piece.lstrip()
            if not piece:
                return
            self._begun = True
            self._framing = _fitting(self._framing, self.interpreter, piece[0])
        if self._framing is not None:
            self._framing.feed(piece)

    def whole(self, answer: bytes) -> bool:
        """Take all decoded bytes at once, if that is easy. Else False.

        Easy are a short JSON object, and a stream that is summed up at its end, both said to be one.
        """
        framing = self._framing
        if self._begun or not answer:
            return False
        if type(framing) is Events:
            easy = answer[0] in _EVENT_STREAM_STARTS and framing.whole(answer)
        else:
            easy = type(framing) is Documents and framing.whole(answer)
        self._begun = easy
        return easy

    def end(self) -> None:
        """No more bytes: the body is complete, or was given up."""
        if self._framing is not None:
            self._framing.end()


def _declared(interpreter: Interpreter, content_type: str) -> _Framing | None:
    if "json" in content_type:
        return Documents(interpreter, lines=_LINES.search(content_type) is not None)
    if "event-stream" in content_type:
        return Events(interpreter)
    if "amazon.eventstream" in content_type:
        return Messages(interpreter)
    if content_type.startswith(_MEDIA) or (interpreter.plain and content_type.startswith("text/")):
        return _Media()
    return None


def _fitting(declared: _Framing | None, interpreter: Interpreter, first: int) -> _Framing:
    if first in _EVENT_STREAM_STARTS:
        return Events(interpreter)
    if first == _MESSAGE_STARTS:
        return Messages(interpreter)
    if declared is None or (first in _DOCUMENT_STARTS and not isinstance(declared, Documents)):
        return Documents(interpreter)
    return declared
