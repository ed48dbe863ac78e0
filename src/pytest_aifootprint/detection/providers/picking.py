"""Finds the values of a few keys in a JSON document that arrives in pieces, in bounded memory.

Only keys of objects on the way count: the same word inside a string, or deeper in the document, does not.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from msgspec import Struct

Path = tuple[str, ...]

# Above this size a document is scanned instead of parsed. Decided by the whole length, so that the result does not
# depend on how the bytes were cut.
WHOLE_LIMIT = 8_192
_VALUE_LIMIT = 32_768
_KEY_LIMIT = 256
_LIST_LIMIT = 2_048
_PARSED_LIMIT = 1 << 20
_SHALLOW = re.compile(rb'["{}\[\],:]')
_DEEP = re.compile(rb'["{}\[\]]')
_SIGNS = (b'"', b"]", b"[", b"{", b"}")
_NEAR, _WINDOW = 64, 4_096
_BACKSLASH = 0x5C
_DECODE: Callable[[str], tuple[dict[str, Any], int]] = json.JSONDecoder().raw_decode


class Counted(Struct, frozen=True):
    """Stands for a value that was only counted: the strings, objects and arrays in it, or 1 if it is no such array."""

    items: int


class Picker:
    """An incremental scanner. Memory is bounded by the picked values, each at most 32 KiB; larger ones are dropped.

    Args:
        wanted: paths of keys, such as ``("usage",)`` or ``("response", "usage")``; none a prefix of another. An empty
            key stands for any element of an array; at most one in a path, not at its end, and its values are short.
        counted: keys of the document itself whose arrays are counted instead of kept; none of them is wanted.
    """

    def __init__(self, wanted: frozenset[Path], counted: frozenset[str] = frozenset()) -> None:
        self._wanted = wanted
        self._limit = max((len(path) for path in wanted), default=1)
        self._found: dict[Path, bytes] = {}
        self._listed: dict[Path, list[bytes]] = {}  # of paths through an array
        self._counted = counted
        self._counts: dict[str, int] = {}
        self._counting: str | None = None
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

    def feed(self, piece: bytes) -> int:
        """Take the next bytes of the document. Returns how many of them belong to it: all, if it has not ended yet."""
        i = 0
        start = 0  # of what is to be captured from this piece
        while i < len(piece) and not self.done:
            if self._in_string:
                i = self._through_string(piece, i)
                continue
            at = _next_sign(piece, i, _DEEP if self._is_deep() else _SHALLOW)
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
        return i if self.done else len(piece)

    def picked(self) -> dict[str, Any]:
        """What was found, as a document with only the wanted keys. Values that do not parse are left out."""
        document: dict[str, Any] = {key: Counted(items) for key, items in self._counts.items()}
        for path, raw in self._found.items():
            _put(document, path, raw)
        for path, values in self._listed.items():
            through = path.index("")
            elements: list[dict[str, Any]] = [{} for _ in values]
            for element, raw in zip(elements, values, strict=True):
                _put(element, path[through + 1 :], raw)
            _place(document, path[: through - 1])[path[through - 1]] = elements
        return document

    def _is_deep(self) -> bool:
        """Whether only the document's structure matters here: below what is wanted, or among an array's elements."""
        return self._depth > self._limit or (self._depth > 0 and not self._objects[-1])

    def _through_string(self, piece: bytes, start: int) -> int:
        """Where the string ends, or the piece does."""
        end, self._escaped = _string_end(piece, start, escaped=self._escaped)
        if self._key is not None and len(self._key) < _KEY_LIMIT:
            self._key += piece[start : end - 1 if end > 0 else len(piece)]
        self._in_string = end < 0
        return end if end > 0 else len(piece)

    def _open(self, sign: bytes) -> None:
        """A string, an object or an array begins."""
        if self._counting is not None:
            self._count(sign)
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
        if self._depth == 1 and self._keys[0] in self._counted:
            self._counting = self._keys[0]
            self._counts[self._counting] = 1
        if self._capture is None and tuple(self._keys) in self._wanted:
            self._capture = bytearray()
            self._capture_depth = self._depth
            return True
        return False

    def _count(self, sign: bytes) -> None:
        """Something opens in the value that is counted, or it opens itself."""
        assert self._counting is not None
        if self._depth == 1:
            self._counts[self._counting] = 0 if sign == b"[" else 1
            self._counting = self._counting if sign == b"[" else None
        elif self._depth == 2:
            self._counts[self._counting] += 1

    def _end_value(self, rest: bytes) -> None:
        if self._depth == 1 and self._counting is not None:
            # An array without any such element has numbers: one text, as tokens.
            self._counts[self._counting] = self._counts[self._counting] or 1
            self._counting = None
        if self._capture is None or self._depth != self._capture_depth:
            return
        self._keep(rest)
        if self._capture is not None:
            path = tuple(self._keys)
            if "" not in path:
                self._found[path] = bytes(self._capture)
            elif len(self._capture) <= _KEY_LIMIT and len(values := self._listed.setdefault(path, [])) < _LIST_LIMIT:
                values.append(bytes(self._capture))
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


def _string_end(piece: bytes, start: int, *, escaped: bool) -> tuple[int, bool]:
    """Index behind the closing quote, or -1 and whether the piece ends in a backslash that escapes what follows.

    Looks for quotes only: memchr is fast, and prompts are long.
    """
    search = start
    while True:
        quote = piece.find(b'"', search)
        stop = quote if quote >= 0 else len(piece)
        first = stop
        while first > start and piece[first - 1] == _BACKSLASH:
            first -= 1
        odd = (stop - first + (escaped and first == start)) % 2 == 1
        if quote < 0:
            return -1, odd
        if not odd:
            return quote + 1, False
        search = quote + 1


def _put(document: dict[str, Any], path: Path, raw: bytes) -> None:
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        return
    _place(document, path[:-1])[path[-1]] = value


def _place(document: dict[str, Any], path: Path) -> dict[str, Any]:
    for key in path:
        document = document.setdefault(key, {})
    return document


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


def pick(body: bytes, wanted: frozenset[Path], counted: frozenset[str] = frozenset()) -> dict[str, Any] | None:
    """The wanted keys of a whole document (it may have more keys), or None if it is not a JSON object.

    A scan takes 1.5 us a quote and passes a long text at memchr's speed, parsing takes 1 us a KiB: the faster is done,
    as long as what parsing builds for a moment is not large.
    """
    if len(body) <= WHOLE_LIMIT or (len(body) <= _PARSED_LIMIT and body.count(b'"') > len(body) >> 10):
        return parse(body)
    picker = Picker(wanted, counted)
    picker.feed(body)
    return picker.picked() if picker.done else None


def parse(text: bytes) -> dict[str, Any] | None:
    """The JSON object in these bytes, or None."""
    try:
        if text[:1] == b"{" and text[1:2] > b"\0":  # so it is UTF-8: not asked twice
            whole = text.decode("utf-8", "surrogatepass")
            document, end = _DECODE(whole)
            if end == len(whole):
                return document
        document = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None
