"""What ``urllib.request`` asks and is answered. It passes itself again for redirects: one call."""

from __future__ import annotations

import http.client
from typing import Any

from pytest_aifootprint.detection.http import reading
from pytest_aifootprint.detection.http.http_client import WIRE
from pytest_aifootprint.detection.http.outer import Outer, as_bytes, split
from pytest_aifootprint.detection.http.realness import Answerer, foreign
from pytest_aifootprint.detection.http.sending import Request, Sending

_OWN = frozenset({"http", "urllib"})


class Opener(Outer):
    """An ``OpenerDirector``: its requests and answers."""

    name = "urllib"
    wire = WIRE

    def request(self, client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Request | None:
        """What is about to be posted."""
        del client
        asked = args[0] if args else kwargs["fullurl"]
        data = args[1] if len(args) > 1 else kwargs.get("data")
        if isinstance(asked, str):
            return None if data is None else split(asked, lambda: as_bytes(data))
        if data is None:
            data = asked.data
            if asked.get_method() != "POST":
                return None
        return split(asked.full_url, lambda: as_bytes(data))

    def take(self, sending: Sending, kwargs: dict[str, Any], response: Any) -> bool:
        """Listen to the answer."""
        del kwargs
        if not self.head(sending, getattr(response, "status", None), response.headers):
            return True
        if not isinstance(response, http.client.HTTPResponse):
            sending.exchange.notice("unknown-format")
            return True
        reading.listen(self, sending.exchange, response, response.headers.get("content-encoding") or "")
        return False

    def refused(self, error: BaseException) -> int | None:
        """The status of an ``HTTPError``."""
        code = getattr(error, "code", None)  # of an HTTPError, which is an answer, too
        return code if isinstance(code, int) else None

    def who(self, client: Any, args: tuple[Any, ...], kwargs: dict[str, Any], response: Any) -> Answerer:
        """Whose the handlers and connections are."""
        del args, kwargs, response
        connection = http.client.HTTPConnection
        return foreign(_OWN, *map(type, client.handlers), connection, connection.request, connection.getresponse)
