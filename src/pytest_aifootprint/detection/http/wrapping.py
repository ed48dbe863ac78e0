"""The wrappers of a client's outer method, synchronous and not: nothing here but the order of things."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from pytest_aifootprint.detection.http.sending import Part

if TYPE_CHECKING:
    from pytest_aifootprint.detection.http.outer import Outer


def sync(outer: Outer, original: Callable[..., Any]) -> Callable[..., Any]:
    """The wrapper of a synchronous method."""
    arming = outer.arming
    inside = arming.sending

    def send(client: Any, /, *args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        if not arming.active:
            return original(client, *args, **kwargs)
        sending = outer.begin(client, args, kwargs)
        if sending is Part.PART or (sending is None and inside.get() is None):
            return original(client, *args, **kwargs)
        token = inside.set(sending)  # also None: what an application under test sends itself is not our request
        try:
            response = original(client, *args, **kwargs)
        except BaseException as error:
            if sending is not None:
                outer.failed(sending, client, args, kwargs, error)
            raise
        finally:
            inside.reset(token)
        if sending is not None:
            outer.answered(sending, client, args, kwargs, response)
        return response

    return send


def coroutine(outer: Outer, original: Callable[..., Any]) -> Callable[..., Any]:
    """The wrapper of an asynchronous method."""
    arming = outer.arming
    inside = arming.sending

    async def send(client: Any, /, *args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        if not arming.active:
            return await original(client, *args, **kwargs)
        sending = outer.begin(client, args, kwargs)
        if sending is Part.PART or (sending is None and inside.get() is None):
            return await original(client, *args, **kwargs)
        token = inside.set(sending)
        try:
            response = await original(client, *args, **kwargs)
        except BaseException as error:
            if sending is not None:
                outer.failed(sending, client, args, kwargs, error)
            raise
        finally:
            # A coroutine that is dropped half-way is closed by the garbage collector, in another context.
            with suppress(ValueError):
                inside.reset(token)
        if sending is not None:
            outer.answered(sending, client, args, kwargs, response)
        return response

    return send
