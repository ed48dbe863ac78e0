"""The outer seam of httpx and httpx2: ``Client.send`` and ``AsyncClient.send``.

Everything that a client sends passes here: one pass is one call, redirects and authentication included. A retry by an
SDK is another pass, and another call.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from types import ModuleType
from typing import Any

from pytest_aifootprint.detection.http.exchange import Exchange
from pytest_aifootprint.detection.http.ports import OwnPorts
from pytest_aifootprint.detection.http.realness import Judge, port_of, speaks_itself
from pytest_aifootprint.detection.http.tee import AsyncTee, SyncTee
from pytest_aifootprint.detection.patching import Arming
from pytest_aifootprint.detection.providers.asking import Asked, asked, could_ask
from pytest_aifootprint.quantities.unfaked import REAL


def _ours(method: Callable[..., Any]) -> Callable[..., Any]:
    """Account the CPU of a method of ``_Outer`` to us."""

    @wraps(method)
    def timed(outer: _Outer, *args: Any, **kwargs: Any) -> Any:
        started_ns = REAL.thread_time_ns()
        try:
            return method(outer, *args, **kwargs)
        finally:
            outer.arming.recorder.own_ns += REAL.thread_time_ns() - started_ns

    return timed


class _Outer:
    """What both wrappers do before and after the request. Our own errors end here."""

    def __init__(self, library: ModuleType, arming: Arming) -> None:
        self.arming = arming
        self.library = library
        self.name = library.__name__
        self.wire = {"httpx": "httpcore", "httpx2": "httpcore2"}[self.name]
        self.judge = Judge(OwnPorts())

    @_ours
    def begin(self, client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Exchange | None:
        """The exchange, or None for a request that is no AI call."""
        try:
            request = args[0] if args else kwargs["request"]
            if request.method != "POST" or (match := could_ask(request.url.raw_path)) is None:
                return None
            try:
                body = request.content
            except self.library.RequestNotRead:
                body = None
            found = asked(match, request.url.host, body)
            return None if found is None else self._exchange(found, client, request.url)
        except Exception as error:  # noqa: BLE001 - watching never raises into the watched call
            self.arming.recorder.error(self.name, error)
            return None

    def _exchange(self, found: Asked, client: Any, url: Any) -> Exchange:
        host = url.host
        if not found.local:
            return Exchange(self.arming.recorder, self.name, found, host)
        shown = host if url.port is None else f"{host}:{url.port}"
        exchange = Exchange(self.arming.recorder, self.name, found, shown, (host, port_of(url)))
        if speaks_itself(client, url):
            exchange.watch_server()
        return exchange

    @_ours
    def failed(self, exchange: Exchange, client: Any, args: tuple[Any, ...], kwargs: Any, error: BaseException) -> None:
        """There was no answer."""
        try:
            request = args[0] if args else kwargs["request"]
            watched = self.wire in self.arming.wired
            self.judge.error(exchange, client, request.url, error, wire_watched=watched)
        except Exception as ours:  # noqa: BLE001 - as above
            self.arming.recorder.error(self.name, ours)
        exchange.finish(abandoned=False)

    @_ours
    def answered(self, exchange: Exchange, client: Any, response: Any, *, is_async: bool) -> None:
        """There is one: read it if it is there, else watch it come."""
        try:
            self.judge.response(exchange, client, response.request.url, response.extensions)
            headers = response.headers
            exchange.answered(response.status_code, headers.get("content-type", ""))
            try:
                content = response.content
            except self.library.ResponseNotRead:
                exchange.encoded(headers.get("content-encoding", ""))
                response.stream = (AsyncTee if is_async else SyncTee)(response.stream, exchange)
                exchange.wait()
                return
            exchange.feed(content)
        except Exception as error:  # noqa: BLE001 - as above
            self.arming.recorder.error(self.name, error)
        exchange.finish(abandoned=False)


def _sync(outer: _Outer, original: Callable[..., Any]) -> Callable[..., Any]:
    arming = outer.arming
    inside = arming.exchange

    def send(client: Any, /, *args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        if not arming.active:
            return original(client, *args, **kwargs)
        exchange = outer.begin(client, args, kwargs)
        if exchange is None and inside.get() is None:
            return original(client, *args, **kwargs)
        token = inside.set(exchange)  # also None: what an application under test sends itself is not our request
        try:
            response = original(client, *args, **kwargs)
        except BaseException as error:
            if exchange is not None:
                outer.failed(exchange, client, args, kwargs, error)
            raise
        finally:
            inside.reset(token)
        if exchange is not None:
            outer.answered(exchange, client, response, is_async=False)
        return response

    return send


def _async(outer: _Outer, original: Callable[..., Any]) -> Callable[..., Any]:
    arming = outer.arming
    inside = arming.exchange

    async def send(client: Any, /, *args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        if not arming.active:
            return await original(client, *args, **kwargs)
        exchange = outer.begin(client, args, kwargs)
        if exchange is None and inside.get() is None:
            return await original(client, *args, **kwargs)
        token = inside.set(exchange)
        try:
            response = await original(client, *args, **kwargs)
        except BaseException as error:
            if exchange is not None:
                outer.failed(exchange, client, args, kwargs, error)
            raise
        finally:
            # A coroutine that is dropped half-way is closed by the garbage collector, in another context.
            with suppress(ValueError):
                inside.reset(token)
        if exchange is not None:
            outer.answered(exchange, client, response, is_async=True)
        return response

    return send


def install(library: ModuleType, arming: Arming) -> None:
    """Patch both clients."""
    outer = _Outer(library, arming)
    arming.replace(library.Client, "send", lambda original: _sync(outer, original), exact=True)
    arming.replace(library.AsyncClient, "send", lambda original: _async(outer, original), exact=True)
