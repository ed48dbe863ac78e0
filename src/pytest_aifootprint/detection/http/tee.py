"""Byte streams that let us see what passes. They say they are what they wrap, and behave like it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any

from pytest_aifootprint.detection.http.exchange import Exchange

if TYPE_CHECKING:
    from pytest_aifootprint.detection.http.outer import Outer


class _Tee:
    """``isinstance`` and every attribute answer for the wrapped stream; only iterating and closing are watched."""

    __slots__ = ("_exchange", "_outer", "_stream")

    def __init__(self, stream: Any, exchange: Exchange, outer: Outer) -> None:
        self._stream = stream
        self._exchange = exchange
        self._outer = outer

    @property  # type: ignore[misc]
    def __class__(self) -> type:  # noqa: D105, RUF100
        cls: type = self._stream.__class__  # not type(): the stream may be another session's tee
        return cls

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class SyncTee(_Tee):
    """Watches a synchronous byte stream."""

    __slots__ = ()

    def __iter__(self) -> Iterator[bytes]:
        __tracebackhide__ = True
        outer, exchange = self._outer, self._exchange
        abandoned = True
        try:
            for piece in self._stream:
                outer.feed(exchange, piece)
                yield piece
            abandoned = False
        finally:
            outer.ended(exchange, abandoned=abandoned)

    def close(self) -> None:
        """Close the wrapped stream; the answer ends here, read to its end or not."""
        __tracebackhide__ = True
        try:
            self._stream.close()
        finally:
            self._outer.ended(self._exchange, abandoned=True)


class AsyncTee(_Tee):
    """Watches an asynchronous byte stream."""

    __slots__ = ()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        __tracebackhide__ = True
        outer, exchange = self._outer, self._exchange
        abandoned = True
        stream = self._stream.__aiter__()
        try:
            async for piece in stream:
                outer.feed(exchange, piece)
                yield piece
            abandoned = False
        finally:
            outer.ended(exchange, abandoned=abandoned)
            if isinstance(stream, AsyncGenerator):
                await stream.aclose()

    async def aclose(self) -> None:
        """Close the wrapped stream; the answer ends here, read to its end or not."""
        __tracebackhide__ = True
        try:
            await self._stream.aclose()
        finally:
            self._outer.ended(self._exchange, abandoned=True)
