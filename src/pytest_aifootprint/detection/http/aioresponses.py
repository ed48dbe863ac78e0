"""Names aioresponses where it answers: it takes the place of ``ClientSession._request``, above the seam of aiohttp."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from pytest_aifootprint.detection.http.aiohttp import SEAM, Session
from pytest_aifootprint.detection.http.realness import Answerer
from pytest_aifootprint.detection.http.sending import Request, Sending
from pytest_aifootprint.detection.patching import Arming

_NAME = "aioresponses"


class _Mock(Session):
    """Called with the session as first argument. What it lets through is sent by the session itself: the same call."""

    def request(self, client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Request | None:
        del client
        return super().request(args[0], args[1:], kwargs)

    def is_part(
        self, current: Sending, client: Any, request: Request | None, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> bool:
        part = super().is_part(current, client, request, args, kwargs)
        if part:
            current.mocker = _NAME
        return part

    def who(self, client: Any, args: tuple[Any, ...], kwargs: dict[str, Any], response: Any) -> Answerer:
        del client, args, kwargs, response
        return _NAME, _NAME


def install(library: ModuleType, arming: Arming) -> None:
    """Patch the mock."""
    session: Session = arming.lent[SEAM]
    mock = _Mock(session.library, arming, session.streams)
    arming.replace(library.aioresponses, "_request_mock", mock.coroutine)
