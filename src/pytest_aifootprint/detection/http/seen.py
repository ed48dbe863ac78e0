"""Calls over protocols that are not read here: seen, with their model if the address names it, their tokens unknown."""

from __future__ import annotations

from pytest_aifootprint.detection.http.exchange import Exchange
from pytest_aifootprint.detection.http.ports import OwnPorts
from pytest_aifootprint.detection.http.realness import Judge
from pytest_aifootprint.detection.patching import Arming
from pytest_aifootprint.detection.providers.asking import Asked


class Seen:
    """Records the calls of one such client. Never raises.

    Args:
        arming: as everywhere.
        client: as in ``AICall.client``.
    """

    def __init__(self, arming: Arming, client: str) -> None:
        self._arming = arming
        self._client = client
        self._judge = Judge(OwnPorts(), arming.wired, arming.serving)

    def begin(self, asked: Asked, host: str, port: int) -> Exchange:
        """A call goes over the wire now. If its end is not seen, it ends with its test."""
        shown = f"{host}:{port}" if asked.local else host
        exchange = Exchange(self._arming.recorder, self._client, asked, shown)
        exchange.wired = True
        self._judge.left(exchange, port)
        exchange.wait()
        return exchange

    def end(self, exchange: Exchange, status: int | str) -> None:
        """It was answered, or not."""
        try:
            exchange.status = status
            exchange.finish(abandoned=False)
        except Exception as error:  # noqa: BLE001 - watching never raises into the watched call
            self._arming.recorder.error(self._client, error)
