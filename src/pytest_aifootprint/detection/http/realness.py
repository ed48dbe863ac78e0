"""Did a model answer? Live, replayed, or mocked; decided from what was seen, never from names of hosts."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from typing import Any, TypeAlias

from pytest_aifootprint.detection.http.exchange import LIVE, MOCKED, REPLAYED, Exchange
from pytest_aifootprint.detection.http.ports import OwnPorts
from pytest_aifootprint.detection.http.sending import Sending
from pytest_aifootprint.detection.providers.asking import UNKNOWN

Answerer: TypeAlias = tuple[str | None, str | None]
"""What answered in place of the network: its top-level module and a name; (None, None) for the network itself."""

# Transports that speak to a network by other means than the client's usual ones: no wire seam of that client sees them.
_OWN_NETWORK = frozenset(
    {"httpx_aiohttp", "aiohttp", "httpx_curl_cffi", "curl_cffi", "pyreqwest", "litellm", "niquests"}
)
_REPLAYERS = {"vcr": "vcrpy", "hishel": "hishel", "betamax": "betamax", "pytest_recording": "vcrpy"}
MOCKERS = frozenset(
    {
        "aioresponses",
        "fastapi",
        "mocket",
        "pook",
        "pytest_httpx",
        "requests_mock",
        "responses",
        "respx",
        "starlette",
        "unittest",
    }
)
_STACKS = frozenset({"aiohttp", "httpx", "httpx2", "requests", "urllib", "urllib3"})
_CORES = frozenset({"httpcore", "httpcore2"})


def speaks_itself(answerer: Answerer, wired: AbstractSet[str]) -> bool:
    """Whether what answers goes to the network by other means than any wire seam of ours sees."""
    return answerer[0] in _OWN_NETWORK and answerer[0] not in wired


def surely_live(exchange: Exchange) -> bool:
    """Whether it went over the wire to a provider, so that nobody has to ask who answered."""
    asked = exchange.asked
    return exchange.wired and exchange.replayer is None and not asked.local and asked.provider != UNKNOWN


class Judge:
    """Judges the exchanges of one HTTP stack.

    Args:
        ports: which ports are this process's own.
        wired: names of the stacks whose wire seam is armed, now or later.
        serving: ports on which a model in this process answers itself: no fake.
    """

    def __init__(self, ports: OwnPorts, wired: AbstractSet[str], serving: AbstractSet[int] = frozenset()) -> None:
        self._ports = ports
        self._wired = wired
        self._serving = serving

    def response(self, sending: Sending, who: Callable[[], Answerer], stream: Any = None) -> None:
        """There was an answer: set the exchange's realness and replayer."""
        exchange = sending.exchange
        if exchange.replayer is not None:
            exchange.realness = REPLAYED
        elif exchange.wired or stream is not None:
            self.left(exchange, sending.port, stream)
        elif sending.mocker is not None:
            _mocked(exchange, sending.mocker)
        else:
            self._did_not_leave(sending, who())

    def error(self, sending: Sending, who: Callable[[], Answerer], error: BaseException, *, wire_watched: bool) -> None:
        """There was none. A refused connection is an attempt, not a replay."""
        exchange = sending.exchange
        module = type(error).__module__.partition(".")[0]
        if exchange.replayer is None and module in _REPLAYERS:
            exchange.replayer = _REPLAYERS[module]
        if exchange.replayer is not None:
            exchange.realness = REPLAYED
        elif exchange.wired:
            exchange.realness = LIVE
        elif sending.mocker is not None:
            _mocked(exchange, sending.mocker)
        elif self._from_network(error):
            exchange.realness = LIVE
        else:
            answerer = who()
            if answerer[1] is not None:
                self._did_not_leave(sending, answerer)
            elif wire_watched:
                exchange.realness = MOCKED
                exchange.notice("never-sent")
            else:
                exchange.realness = LIVE

    def left(self, exchange: Exchange, port: int, stream: Any = None) -> None:
        """It was answered by a server: live, unless that is this process's own."""
        exchange.realness = LIVE
        if exchange.asked.provider == UNKNOWN and _through_a_file(stream):
            exchange.asked = exchange.asked.on_this_machine()
            return
        if not exchange.asked.local or port in self._serving:
            return
        own = exchange.own_server
        if own is None:
            try:
                own = self._ports.bound_here(port, exchange.owner_key)
            except OSError:
                exchange.notice("unknown-server")
                return
        if own:
            _mocked(exchange, "own server")

    def _did_not_leave(self, sending: Sending, answerer: Answerer) -> None:
        exchange = sending.exchange
        top, name = answerer
        if top in _OWN_NETWORK:
            self.left(exchange, sending.port)
        elif top in _REPLAYERS:
            exchange.realness = REPLAYED
            exchange.replayer = _REPLAYERS[top]
        else:
            _mocked(exchange, name)
            if top not in MOCKERS and top not in _STACKS:
                exchange.notice("unknown-transport")

    def _from_network(self, error: BaseException) -> bool:
        """Whether the error began in code that speaks to a network, and that no wire seam sees."""
        seen: BaseException | None = error
        for _ in range(8):
            if seen is None:
                return False
            top = type(seen).__module__.partition(".")[0]
            # What reached aiohttp's network would have passed its wire seam.
            if top in _CORES or (top in _OWN_NETWORK and top not in self._wired):
                return True
            seen = seen.__cause__ or seen.__context__
        return False


def _mocked(exchange: Exchange, by: str | None) -> None:
    exchange.realness = MOCKED
    exchange.replayer = by


def defined_in(function: Any) -> str | None:
    """The top-level module that a function says it is from."""
    module = getattr(function, "__module__", None)
    return module.partition(".")[0] if isinstance(module, str) else None


def foreign(own: AbstractSet[str], *ways: Any) -> Answerer:
    """Whose the first of these functions and classes is that is not from the library's own modules."""
    for way in ways:
        by = defined_in(way)
        if by is not None and by not in own:
            return by, by
    return None, None


def _through_a_file(stream: Any) -> bool:
    """Whether the other end is a unix socket: its address is a path."""
    try:
        return isinstance(stream.get_extra_info("server_addr"), (str, bytes))
    except Exception:  # noqa: BLE001 - a stream may be anybody's, and closed by now
        return False
