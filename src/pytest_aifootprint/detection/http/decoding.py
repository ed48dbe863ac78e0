"""Undoes a content encoding on our copy of a body, piece by piece."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any, Protocol

_STEP = 65_536


class Decoder(Protocol):
    """Undoes one content encoding."""

    def decode(self, piece: bytes) -> Iterator[bytes]:
        """Decoded bytes, in pieces of bounded size where the library allows. Raises what the library raises."""


class _Zlib:
    """Gzip and deflate, with zlib's header or without."""

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(zlib.MAX_WBITS | 32)  # finds out gzip or zlib by itself
        self._started = False

    def decode(self, piece: bytes) -> Iterator[bytes]:
        try:
            decoded = self._inflate.decompress(piece, _STEP)
        except zlib.error:
            if self._started:
                raise
            self._inflate = zlib.decompressobj(-zlib.MAX_WBITS)
            decoded = self._inflate.decompress(piece, _STEP)
        self._started = True
        yield decoded
        while self._inflate.unconsumed_tail:
            yield self._inflate.decompress(self._inflate.unconsumed_tail, _STEP)


class _Installed:
    """A decoder of a library that is installed because the HTTP client needs it too."""

    def __init__(self, make: Callable[[Any], Any], method: str, modules: tuple[str, ...]) -> None:
        for module in modules:
            try:
                found = import_module(module)
            except ImportError:
                continue
            self._decode = getattr(make(found), method, None) or make(found).decompress
            return
        raise LookupError(modules[0])

    def decode(self, piece: bytes) -> Iterator[bytes]:
        yield self._decode(piece)


def _brotli() -> Decoder:
    return _Installed(lambda m: m.Decompressor(), "process", ("brotli", "brotlicffi"))


def _zstd() -> Decoder:
    modules = ("compression.zstd", "zstandard", "backports.zstd")
    return _Installed(
        lambda m: m.ZstdDecompressor().decompressobj() if m.__name__ == "zstandard" else m.ZstdDecompressor(),
        "decompress",
        modules,
    )


_DECODERS: dict[str, Callable[[], Decoder]] = {
    "gzip": _Zlib,
    "x-gzip": _Zlib,
    "deflate": _Zlib,
    "br": _brotli,
    "zstd": _zstd,
}


def decoders(content_encoding: str) -> list[Decoder]:
    """What undoes this encoding, in order. Empty if there is none.

    Raises:
        LookupError: an encoding that nobody here can undo.
    """
    names = [part.strip().lower() for part in content_encoding.split(",")]
    return [_DECODERS[name]() for name in reversed(names) if name not in ("", "identity")]


def through(chain: list[Decoder], piece: bytes) -> Iterator[bytes]:
    """The piece, decoded by each in turn. Raises what the decoders raise."""
    if not chain:
        yield piece
        return
    first, *others = chain
    for decoded in first.decode(piece):
        yield from through(others, decoded)
