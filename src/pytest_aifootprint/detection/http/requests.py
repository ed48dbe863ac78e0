"""The outer seam of requests: ``Session.send``. It passes itself again for redirects: these are parts of the call."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import urllib3  # requests has imported it

from pytest_aifootprint.detection.http import reading
from pytest_aifootprint.detection.http.http_client import WIRE
from pytest_aifootprint.detection.http.outer import Outer, as_bytes, replace_kept, split
from pytest_aifootprint.detection.http.realness import Answerer, foreign
from pytest_aifootprint.detection.http.sending import Request, Sending
from pytest_aifootprint.detection.http.urllib3 import OWN, ways
from pytest_aifootprint.detection.patching import Arming


class _Outer(Outer):
    name = "requests"
    wire = WIRE

    def request(self, client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Request | None:
        del client
        request = args[0] if args else kwargs["request"]
        if request.method != "POST":
            return None
        return split(request.url, lambda: as_bytes(request.body))

    def take(self, sending: Sending, kwargs: dict[str, Any], response: Any) -> bool:
        del kwargs
        exchange = sending.exchange
        if not self.head(sending, response.status_code, response.headers):
            return True
        content = response._content  # noqa: SLF001 - False until read; ``content`` would read it
        if isinstance(content, bytes):
            self.feed(exchange, content)
            return True
        if not isinstance(response.raw, urllib3.HTTPResponse):
            exchange.notice("unknown-format")
            return True
        # Whichever way the user reads, the bytes come through here.
        reading.listen(self, exchange, response.raw, response.headers.get("content-encoding", ""))
        return False

    def who(self, client: Any, args: tuple[Any, ...], kwargs: dict[str, Any], response: Any) -> Answerer:
        del response
        request = args[0] if args else kwargs["request"]
        try:
            adapter = client.get_adapter(request.url)
        except Exception:  # noqa: BLE001 - there is none for this URL: the user's error, which they are given
            return None, None
        return foreign(OWN, type(adapter), type(adapter).send, *ways(urllib3))


def install(library: ModuleType, arming: Arming) -> None:
    """Patch the session."""
    outer = _Outer(arming)
    arming.replace(library.Session, "send", outer.sync)
    replace_kept(arming, "requests_mock.mocker", "_original_send", outer.sync)
