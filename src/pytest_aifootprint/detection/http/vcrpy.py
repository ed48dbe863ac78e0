"""Names vcrpy where it answers. A recording goes over the wire, and is live; only a replay passes here."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

from pytest_aifootprint.detection.patching import Arming


def _playing(arming: Arming, original: Callable[..., Any]) -> Callable[..., Any]:
    inside = arming.sending

    def play_response(cassette: Any, /, *args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        response = original(cassette, *args, **kwargs)
        if arming.active and (sending := inside.get()) is not None:
            sending.exchange.replayer = "vcrpy"
        return response

    return play_response


def install(library: ModuleType, arming: Arming) -> None:
    """Patch the cassette."""
    arming.replace(library.Cassette, "play_response", lambda original: _playing(arming, original))
