"""Finds the values of a few keys in a JSON document that arrives in pieces, in bounded memory.

Only keys of objects on the way count: the same word inside a string, or deeper in the document, does not.
"""

from __future__ import annotations

import json
import re
from typing import Any

Path = tuple[str, ...]

# Above this size a document is scanned instead of parsed. Decided by the whole length, so that the result does not
# depend on how the bytes were cut.
WHOLE_LIMIT = 8_192
_VALUE_LIMIT = 32_768
_KEY_LIMIT = 256
_SHALLOW = re.compile(rb'["{}\[\],:]')
_DEEP = re.compile(rb'["{}\[\]]')
_SIGNS = (b'"', b"]", b"[", b"{", b"}")
_NEAR, _WINDOW = 64, 4_096
_BACKSLASH = 0x5C


class Picker:
    """An incremental scanner. Memory is bounded by the picked values, each at most 32 KiB; larger ones are dropped.

    Args:
        wanted: paths of keys, such as ``("usage",)`` or ``("response", "usage")``; none a prefix of another.
    """

    def __init__(self, wanted: frozenset[Path]) -> None:
        self._wanted = wanted
        self._limit = max(len(path) for path in wanted)
        self._found: dict[Path, bytes] = {}
        self._depth = 0
        self._objects: list[bool] = []  # of the shallow levels: object or array
        self._keys: list[str] = []  # of the shallow levels: the key whose value we are in
        self._expect_key = False
        self._in_string = False
        self._escaped = False  # the piece before ended in an odd number of backslashes
        self._key: bytearray | None = None
        self._capture: bytearray | None = None
        self._capture_depth = 0
        self.done = False

    def feed(self, piece: bytes) -> None:
        """Take the next bytes of the document."""
        i = 0
        start = 0  # of what is to be captured from this piece
        while i < len(piece) and not self.done:
            if self._in_string:
                i = self._through_string(piece, i)
                continue
            at = _next_sign(piece, i, _SHALLOW if self._depth <= self._limit else _DEEP)
            if at < 0:
                break
            i = at + 1
            sign = piece[at:i]
            if sign == b":":
                start = i if self._begin_value() else start
            elif sign in b",}]":
                self._end_value(piece[start : i - 1])
                self._next_or_close(sign)
            else:
                self._open(sign)
        if self._capture is not None:
            self._keep(piece[start:])

    def picked(self) -> dict[str, Any]:
        """What was found, as a document with only the wanted keys. Values that do not parse are left out."""
        document: dict[str, Any] = {}
        for path, raw in self._found.items():
            try:
                value = json.loads(raw)
            except (ValueError, RecursionError):
                continue
            place = document
            for key in path[:-1]:
                place = place.setdefault(key, {})
            place[path[-1]] = value
        return document

    def _through_string(self, piece: bytes, start: int) -> int:
        """Where the string ends, or the piece does."""
        end = self._string_end(piece, start)
        if self._key is not None and len(self._key) < _KEY_LIMIT:
            self._key += piece[start : end - 1 if end > 0 else len(piece)]
        self._in_string = end < 0
        return end if end > 0 else len(piece)

    def _string_end(self, piece: bytes, start: int) -> int:
        """Index behind the closing quote, or -1. Looks for quotes only: memchr is fast, and prompts are long."""
        search = start
        while True:
            quote = piece.find(b'"', search)
            stop = quote if quote >= 0 else len(piece)
            first = stop
            while first > start and piece[first - 1] == _BACKSLASH:
                first -= 1
            odd = (stop - first + (self._escaped and first == start)) % 2 == 1
            if quote < 0:
                self._escaped = odd
                return -1
            if not odd:
                self._escaped = False
                return quote + 1
            search = quote + 1

    def _open(self, sign: bytes) -> None:
        """A string, an object or an array begins."""
        if sign == b'"':
            self._in_string = True
            if self._expect_key:
                self._key = bytearray()
                self._expect_key = False
            return
        self._depth += 1
        if self._depth <= self._limit:
            self._objects.append(sign == b"{")
            self._keys.append("")
            self._expect_key = sign == b"{"

    def _begin_value(self) -> bool:
        if self._key is None or not self._objects:
            return False
        self._keys[-1] = _text(bytes(self._key))
        self._key = None
        if self._capture is None and tuple(self._keys) in self._wanted:
            self._capture = bytearray()
            self._capture_depth = self._depth
            return True
        return False

    def _end_value(self, rest: bytes) -> None:
        if self._capture is None or self._depth != self._capture_depth:
            return
        self._keep(rest)
        if self._capture is not None:
            self._found[tuple(self._keys)] = bytes(self._capture)
            self._capture = None

    def _keep(self, rest: bytes) -> None:
        assert self._capture is not None
        self._capture += rest
        if len(self._capture) > _VALUE_LIMIT:
            self._found.pop(tuple(self._keys[: self._capture_depth]), None)
            self._capture = None

    def _next_or_close(self, sign: bytes) -> None:
        if sign == b",":
            self._expect_key = self._depth == len(self._objects) > 0 and self._objects[-1]
            return
        if self._depth <= self._limit and self._objects:
            self._objects.pop()
            self._keys.pop()
        self._depth -= 1
        self._expect_key = False
        self.done = self._depth <= 0


def _next_sign(piece: bytes, start: int, signs: re.Pattern[bytes]) -> int:
    """Where the next sign is, or -1. Long stretches without any (numbers of an embedding) pass at memchr's speed."""
    match = signs.search(piece, start, start + _NEAR)
    if match is not None:
        return match.start()
    start += _NEAR
    while start < len(piece):
        stop = start + _WINDOW
        if any(piece.find(sign, start, stop) >= 0 for sign in _SIGNS) or signs is _SHALLOW:
            match = signs.search(piece, start, stop)
            if match is not None:
                return match.start()
        start = stop
    return -1


def _text(raw: bytes) -> str:
    if b"\\" not in raw:
        return raw.decode("utf-8", "replace")
    try:
        return str(json.loads(b'"' + raw + b'"'))
    except ValueError:
        return ""


def pick(body: bytes, wanted: frozenset[Path]) -> dict[str, Any] | None:
    """The wanted keys of a whole document (a small one may have more keys), or None if it is not a JSON object."""
    if len(body) <= WHOLE_LIMIT:
        return parse(body)
    picker = Picker(wanted)
    picker.feed(body)
    return picker.picked() if picker.done else None


def parse(text: bytes) -> dict[str, Any] | None:
    """The JSON object in these bytes, or None."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None
