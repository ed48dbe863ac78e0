"""The seam of gRPC: the objects that call a remote procedure, where its name is that of a model's service.

Google's Vertex AI and Gemini clients, Triton, TensorFlow's servers, xAI. Of the request only the field with the model's
name is looked at; of the answer, how it ended.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from types import ModuleType
from typing import Any

from pytest_aifootprint.detection.http.exchange import Exchange
from pytest_aifootprint.detection.http.question import what_grpc_asks
from pytest_aifootprint.detection.http.seen import Seen
from pytest_aifootprint.detection.patching import Arming

_NAME = "grpc"
_ERROR = "error"
_HTTPS = 443
# Classes and methods that call; ``blocking`` ones return when the answer is there.
_BLOCKING = (("_UnaryUnary", "__call__"), ("_UnaryUnary", "with_call"), ("_StreamUnary", "__call__"))
_BLOCKING_TOO = (("_StreamUnary", "with_call"),)
_PENDING = (
    ("_UnaryUnary", "future"),
    ("_StreamUnary", "future"),
    ("_UnaryStream", "__call__"),
    ("_SingleThreadedUnaryStream", "__call__"),
    ("_StreamStream", "__call__"),
)
_ASYNC = ("UnaryUnary", "UnaryStream", "StreamUnary", "StreamStream")


class _Calls:
    """Procedures under way. Our own errors end here."""

    def __init__(self, arming: Arming, target: Callable[[Any], str]) -> None:
        self.arming = arming
        self._seen = Seen(arming, _NAME)
        self._target = target

    def begin(self, caller: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Exchange | None:
        """A procedure is called; None if that asks no model."""
        try:
            if not self.arming.active:
                return None
            method = caller._method  # noqa: SLF001 - nothing public says which
            request = args[0] if args else kwargs.get("request")
            host, port = _address(self._target(caller))
            asked = what_grpc_asks(method.decode() if isinstance(method, bytes) else method, host, request)
            return None if asked is None else self._seen.begin(asked, host, port)
        except Exception as error:  # noqa: BLE001 - watching never raises into the watched call
            self.arming.recorder.error(_NAME, error)
            return None

    def end(self, exchange: Exchange, *, ok: bool) -> None:
        """It has ended. Never raises."""
        self._seen.end(exchange, 200 if ok else _ERROR)

    def end_with(self, exchange: Exchange, call: Any) -> None:
        """It ends when this call does. Never raises."""
        try:
            call.add_done_callback(lambda done: self.end(exchange, ok=_is_ok(done)))
        except Exception as error:  # noqa: BLE001 - as above
            self.arming.recorder.error(_NAME, error)


def _is_ok(call: Any) -> bool:
    """How a call that is done has ended."""
    inner = getattr(call, "_cython_call", None)
    if inner is not None:  # asyncio's ``code`` is a coroutine
        return bool(inner.is_ok())
    try:
        return getattr(call.code(), "name", "OK") == "OK"
    except Exception:  # noqa: BLE001 - a call may be anybody's
        return False


def _address(target: str) -> tuple[str, int]:
    """Host and port of a target such as ``dns:///host:443``, ``ipv4:127.0.0.1:50051`` or ``unix:/tmp/s``."""
    if target.startswith("unix"):
        return "localhost", 0
    place = target.rpartition("/")[2]
    for scheme in ("dns:", "ipv4:", "ipv6:"):
        place = place.removeprefix(scheme)
    host, _, port = place.rpartition(":")
    return (host.strip("[]"), int(port)) if host and port.isdigit() else (place.strip("[]"), _HTTPS)


def _blocking(calls: _Calls, original: Callable[..., Any]) -> Callable[..., Any]:
    def call(caller: Any, /, *args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        exchange = calls.begin(caller, args, kwargs)
        if exchange is None:
            return original(caller, *args, **kwargs)
        ok = False
        try:
            answer = original(caller, *args, **kwargs)
            ok = True
        finally:
            calls.end(exchange, ok=ok)
        return answer

    return call


def _pending(calls: _Calls, original: Callable[..., Any]) -> Callable[..., Any]:
    def call(caller: Any, /, *args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        exchange = calls.begin(caller, args, kwargs)
        if exchange is None:
            return original(caller, *args, **kwargs)
        try:
            pending = original(caller, *args, **kwargs)
        except BaseException:
            calls.end(exchange, ok=False)
            raise
        calls.end_with(exchange, pending)
        return pending

    return call


def _opening(targets: weakref.WeakKeyDictionary[Any, str], original: Callable[..., Any]) -> Callable[..., Any]:
    def __init__(channel: Any, /, target: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807 - what it wraps
        __tracebackhide__ = True
        original(channel, target, *args, **kwargs)
        targets[channel] = str(target)

    return __init__


def install(library: ModuleType, arming: Arming) -> None:
    """Patch the callers of ``grpc._channel`` or of ``grpc.aio._channel``."""
    if library.__name__.endswith("aio._channel"):
        _install_async(library, arming)
        return
    calls = _Calls(arming, lambda caller: caller._target.decode())  # noqa: SLF001 - nothing public says where
    for kind, name in (*_BLOCKING, *_BLOCKING_TOO):
        arming.replace(getattr(library, f"{kind}MultiCallable"), name, lambda original: _blocking(calls, original))
    for kind, name in _PENDING:
        arming.replace(getattr(library, f"{kind}MultiCallable"), name, lambda original: _pending(calls, original))


def _install_async(library: ModuleType, arming: Arming) -> None:
    # A channel does not tell its target.
    targets: weakref.WeakKeyDictionary[Any, str] = weakref.WeakKeyDictionary()
    calls = _Calls(arming, lambda caller: targets.get(caller._references[0], ""))  # noqa: SLF001 - its channel
    arming.replace(library.Channel, "__init__", lambda original: _opening(targets, original))
    for kind in _ASYNC:
        arming.replace(getattr(library, f"{kind}MultiCallable"), "__call__", lambda original: _pending(calls, original))
