"""Did a model answer? Live, replayed, or mocked; decided from what was seen, never from names of hosts."""

from __future__ import annotations

from typing import Any

from pytest_aifootprint.detection.http.exchange import LIVE, MOCKED, REPLAYED, Exchange
from pytest_aifootprint.detection.http.ports import OwnPorts
from pytest_aifootprint.detection.providers.asking import UNKNOWN

# Transports that speak to a network by other means than httpcore: no wire seam of ours sees them.
_OWN_NETWORK = frozenset(
    {"httpx_aiohttp", "aiohttp", "httpx_curl_cffi", "curl_cffi", "pyreqwest", "litellm", "niquests"}
)
_REPLAYERS = {"vcr": "vcrpy", "hishel": "hishel", "betamax": "betamax", "pytest_recording": "vcrpy"}
_MOCKERS = frozenset({"respx", "pytest_httpx", "pook", "mocket", "starlette", "fastapi", "unittest"})
_STACKS = frozenset({"httpx", "httpx2"})
_CORES = frozenset({"httpcore", "httpcore2"})
_REAL_TRANSPORTS = frozenset({"HTTPTransport", "AsyncHTTPTransport"})


class Judge:
    """Judges the exchanges of one HTTP stack."""

    def __init__(self, ports: OwnPorts) -> None:
        self._ports = ports

    def response(self, exchange: Exchange, client: Any, url: Any, extensions: dict[str, Any]) -> None:
        """There was an answer: set the exchange's realness and replayer."""
        if exchange.replayer is not None:
            exchange.realness = REPLAYED
        elif exchange.wired or "network_stream" in extensions:
            self._left(exchange, url, extensions.get("network_stream"))
        else:
            self._did_not_leave(exchange, client, url)

    def error(self, exchange: Exchange, client: Any, url: Any, error: BaseException, *, wire_watched: bool) -> None:
        """There was none. A refused connection is an attempt, not a replay."""
        module = type(error).__module__.partition(".")[0]
        if exchange.replayer is None and module in _REPLAYERS:
            exchange.replayer = _REPLAYERS[module]
        if exchange.replayer is not None:
            exchange.realness = REPLAYED
        elif exchange.wired or _from_network(error):
            exchange.realness = LIVE
        else:
            name = _transport(client, url)[1]
            if name is not None:
                self._did_not_leave(exchange, client, url)
            elif wire_watched:
                exchange.realness = MOCKED
                exchange.notice("never-sent")
            else:
                exchange.realness = LIVE

    def _left(self, exchange: Exchange, url: Any, stream: Any = None) -> None:
        exchange.realness = LIVE
        if exchange.asked.provider == UNKNOWN and _through_a_file(stream):
            exchange.asked = exchange.asked.on_this_machine()
            return
        if not exchange.asked.local:
            return
        own = exchange.own_server
        if own is None:
            try:
                own = self._ports.bound_here(port_of(url), exchange.owner_key)
            except OSError:
                exchange.notice("unknown-server")
                return
        if own:
            exchange.realness = MOCKED
            exchange.replayer = "own server"

    def _did_not_leave(self, exchange: Exchange, client: Any, url: Any) -> None:
        top, name = _transport(client, url)
        if top in _OWN_NETWORK:
            self._left(exchange, url)
        elif top in _REPLAYERS:
            exchange.realness = REPLAYED
            exchange.replayer = _REPLAYERS[top]
        else:
            exchange.realness = MOCKED
            exchange.replayer = name
            if top not in _MOCKERS and top not in _STACKS:
                exchange.notice("unknown-transport")


def port_of(url: Any) -> int:
    """The port that a URL names, or its scheme's."""
    return int(url.port or (443 if url.scheme == "https" else 80))


def speaks_itself(client: Any, url: Any) -> bool:
    """Whether a client goes to the network by other means than httpcore, where no wire seam of ours sees it."""
    return _transport(client, url)[0] in _OWN_NETWORK


def _transport(client: Any, url: Any) -> tuple[str | None, str | None]:
    """Top-level module and a name for what answered in place of the network; (None, None) for the real transport."""
    choose = getattr(client, "_transport_for_url", None)
    if choose is None:
        return None, None
    transport = choose(url)
    kind = type(transport)
    top = kind.__module__.partition(".")[0]
    if top not in _STACKS:
        return top, top
    # Someone may answer through the client's own classes: a patched method, or a handler of a mocking library.
    for attribute in ("handle_request", "handle_async_request"):
        by = _module(getattr(kind, attribute, None))
        if by is not None and by not in _STACKS:
            return by, by
    handler = _module(getattr(transport, "handler", None))
    if handler in _MOCKERS:
        return handler, handler
    if kind.__name__ in _REAL_TRANSPORTS:
        pool = type(getattr(transport, "_pool", None))
        by = _module(getattr(pool, "handle_request", None) or getattr(pool, "handle_async_request", None))
        return (None, None) if by is None or by in _CORES else (by, by)
    return top, kind.__name__


def _module(function: Any) -> str | None:
    module = getattr(function, "__module__", None)
    return module.partition(".")[0] if isinstance(module, str) else None


def _through_a_file(stream: Any) -> bool:
    """Whether the other end is a unix socket: its address is a path."""
    try:
        return isinstance(stream.get_extra_info("server_addr"), (str, bytes))
    except Exception:  # noqa: BLE001 - a stream may be anybody's, and closed by now
        return False


def _from_network(error: BaseException) -> bool:
    """Whether the error began in code that speaks to a network."""
    seen: BaseException | None = error
    for _ in range(8):
        if seen is None:
            return False
        top = type(seen).__module__.partition(".")[0]
        if top in _CORES or top in _OWN_NETWORK:
            return True
        seen = seen.__cause__ or seen.__context__
    return False
