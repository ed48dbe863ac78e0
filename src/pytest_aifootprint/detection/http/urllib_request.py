"""The outer seam of ``urllib.request``: ``OpenerDirector.open``.

Half of all processes import ``urllib.request``, and few ask a model with it: what is needed for that is imported when
the first request is posted.
"""

from __future__ import annotations

import http.client
from collections.abc import Callable
from types import ModuleType
from typing import Any

from pytest_aifootprint.detection.http import reading
from pytest_aifootprint.detection.patching import Arming


def _opening(arming: Arming, original: Callable[..., Any]) -> Callable[..., Any]:
    inside = arming.sending
    watching: list[Callable[..., Any]] = []

    def open(opener: Any, /, *args: Any, **kwargs: Any) -> Any:  # noqa: A001 - as in the library
        __tracebackhide__ = True
        if not arming.active or (inside.get() is None and not _posts(args, kwargs)):
            return original(opener, *args, **kwargs)
        if not watching:
            watching.append(_watching(arming, original))
        return watching[0](opener, *args, **kwargs)

    return open


def _watching(arming: Arming, original: Callable[..., Any]) -> Callable[..., Any]:
    try:
        from pytest_aifootprint.detection.http.urllib_opener import Opener

        return Opener(arming).sync(original)
    except Exception as error:  # noqa: BLE001 - watching never raises into the watched call
        arming.recorder.error("urllib", error)
        return original


def _posts(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether there is something to be posted."""
    if len(args) > 1 or kwargs.get("data") is not None:
        return True
    return getattr(args[0] if args else kwargs.get("fullurl"), "data", None) is not None


def install(library: ModuleType, arming: Arming) -> None:
    """Patch the opener, and the answers that it gives."""
    arming.replace(library.OpenerDirector, "open", lambda original: _opening(arming, original))
    answer = http.client.HTTPResponse

    def at_end(response: Any) -> bool:
        return bool(response.isclosed())

    def read(original: Any) -> Any:
        return reading.reads(arming, original, at_end=at_end, to_the_end=True)

    def some(original: Any) -> Any:
        return reading.reads(arming, original, at_end=at_end)

    arming.replace(answer, "read", read)
    arming.replace(answer, "read1", some)
    arming.replace(answer, "readline", some)
    arming.replace(answer, "readinto", lambda original: reading.reads_into(arming, original, at_end=at_end))
    arming.replace(answer, "close", lambda original: reading.closes(arming, original))
