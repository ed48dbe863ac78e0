"""Sees the bodies that users read from the answers of urllib3 and ``http.client``, as they read them.

The answers themselves stay what they are: their classes' methods are patched, and a weak table says which answers are
listened to. An answer that the user drops is dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from pytest_aifootprint.detection.patching import Arming

if TYPE_CHECKING:
    from pytest_aifootprint.detection.http.exchange import Exchange
    from pytest_aifootprint.detection.http.outer import Outer

_CLOSED = GeneratorExit()  # by the user: whether that was early, the answer itself tells
_AMOUNT = ("amt", "n", "limit")  # what the first argument is called
_MISUSED = (TypeError, ValueError)  # by the caller: the answer can still be read


class Listener:
    """Hears what is read of one answer.

    Attributes:
        encoding: the answer's, not yet heeded. depth: how many of the answer's methods we are inside of.
    """

    __slots__ = ("_exchange", "_outer", "depth", "encoding")

    def __init__(self, outer: Outer, exchange: Exchange, encoding: str) -> None:
        self._outer = outer
        self._exchange = exchange
        self.encoding = encoding
        self.depth = 0

    def hear(self, piece: bytes, *, decoded: bool) -> None:
        """The user was given a piece."""
        if self.encoding and not decoded:
            self._exchange.encoded(self.encoding)
        self.encoding = ""
        if piece:
            self._outer.feed(self._exchange, piece)

    def end(self, error: BaseException | None) -> None:
        """There will be no more. Some errors carry what had come by then."""
        partial = getattr(error, "partial", None)
        if isinstance(partial, bytes):
            self._outer.feed(self._exchange, partial)
        self._outer.ended(self._exchange, abandoned=error is not None)


def listen(outer: Outer, exchange: Exchange, response: Any, encoding: str) -> None:
    """Hear what the user reads of this answer from now on."""
    outer.arming.readings[response] = Listener(outer, exchange, encoding)
    exchange.wait()


def reads(
    arming: Arming,
    original: Callable[..., Any],
    *,
    decodes: Callable[[Any, tuple[Any, ...], dict[str, Any]], bool] = lambda *_: False,
    at_end: Callable[[Any], bool],
    to_the_end: bool = False,
) -> Callable[..., Any]:
    """The wrapper of a method that returns the next bytes.

    Args:
        arming: as everywhere.
        original: the method; its first argument is a number of bytes.
        decodes: whether the bytes are decoded, given the answer and the arguments.
        at_end: whether an answer has been read to its end.
        to_the_end: without a number, the method reads to the end.
    """
    readings = arming.readings

    def read(response: Any, /, *args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        if not readings or (listener := listener_of(arming, response)) is None:
            return original(response, *args, **kwargs)
        listener.depth += 1
        try:
            piece = original(response, *args, **kwargs)
        except _MISUSED:
            raise
        except BaseException as error:
            end(arming, response, listener, error)
            raise
        finally:
            listener.depth -= 1
        try:
            listener.hear(piece, decoded=decodes(response, args, kwargs))
            amount = args[0] if args else next((kwargs[name] for name in _AMOUNT if name in kwargs), None)
            endless = not isinstance(amount, int) or amount < 0
            if (to_the_end and endless) or (not piece and amount != 0) or at_end(response):
                end(arming, response, listener)
        except Exception as error:  # noqa: BLE001 - watching never raises into the user's reading
            arming.recorder.error("reading", error)
        return piece

    return read


def reads_into(arming: Arming, original: Callable[..., Any], *, at_end: Callable[[Any], bool]) -> Callable[..., Any]:
    """The wrapper of ``readinto``."""
    readings = arming.readings

    def readinto(response: Any, buffer: Any, /) -> Any:
        __tracebackhide__ = True
        if not readings or (listener := listener_of(arming, response)) is None:
            return original(response, buffer)
        listener.depth += 1
        try:
            size = original(response, buffer)
        finally:
            listener.depth -= 1
        try:
            listener.hear(bytes(memoryview(buffer).cast("B")[:size]), decoded=False)
            if not size or at_end(response):
                end(arming, response, listener)
        except Exception as error:  # noqa: BLE001 - as above
            arming.recorder.error("reading", error)
        return size

    return readinto


def yields(
    arming: Arming,
    original: Callable[..., Any],
    *,
    decodes: Callable[[Any, tuple[Any, ...], dict[str, Any]], bool] = lambda *_: False,
) -> Callable[..., Any]:
    """The wrapper of a generator of bytes. One that is dropped says nothing: the rest may be read by another."""
    readings = arming.readings

    def pieces(response: Any, /, *args: Any, **kwargs: Any) -> Iterator[bytes]:
        __tracebackhide__ = True
        if not readings or (listener := listener_of(arming, response)) is None:
            yield from original(response, *args, **kwargs)
            return
        try:
            for piece in original(response, *args, **kwargs):
                hear(arming, listener, piece, lambda: decodes(response, args, kwargs))
                yield piece
        except GeneratorExit:
            raise
        except BaseException as error:
            end(arming, response, listener, error)
            raise
        end(arming, response, listener)

    return pieces


def closes(arming: Arming, original: Callable[..., Any]) -> Callable[..., Any]:
    """The wrapper of ``close``: the answer ends here, read to its end or not."""
    readings = arming.readings

    def close(response: Any, /, *args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        try:
            return original(response, *args, **kwargs)
        finally:
            if readings and (listener := listener_of(arming, response)) is not None:
                end(arming, response, listener, _CLOSED)

    return close


def listener_of(arming: Arming, response: Any) -> Listener | None:
    """Who listens to this answer, unless we are inside of another of its methods."""
    try:
        listener: Listener | None = arming.readings.get(response)
    except TypeError:  # somebody's own class, which cannot be a key
        return None
    return listener if listener is not None and not listener.depth and arming.active else None


def hear(arming: Arming, listener: Listener, piece: bytes, decoded: Callable[[], bool] = lambda: False) -> None:
    """A piece was given to the user. Never raises."""
    try:
        listener.hear(piece, decoded=decoded())
    except Exception as error:  # noqa: BLE001 - as above
        arming.recorder.error("reading", error)


def end(arming: Arming, response: Any, listener: Listener, error: BaseException | None = None) -> None:
    """No more of this answer will be read, on account of an error or not. Never raises."""
    try:
        arming.readings.pop(response, None)
        listener.end(error)
    except Exception as ours:  # noqa: BLE001 - as above
        arming.recorder.error("reading", ours)
