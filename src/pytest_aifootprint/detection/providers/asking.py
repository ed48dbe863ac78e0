"""Is this request an AI call, and what does it ask for? Everything else has to be turned away within microseconds."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from pytest_aifootprint.detection.providers.api import Ask, Request
from pytest_aifootprint.detection.providers.apis import anthropic, openai
from pytest_aifootprint.detection.providers.hosts import is_local, provider_of
from pytest_aifootprint.detection.providers.usage import Interpreter

APIS = (anthropic.API, openai.API)
"""In this order: the first that takes a request for its own has it."""

_NAMED = re.compile(rb"\(\?P<\w+>")
# One expression for all: a path that it does not find is no AI call's.
_PATH = re.compile(b"(?:^|/)(?:" + b"|".join(_NAMED.sub(b"(?:", api.path) for api in APIS) + rb")/?(?:\?|$)")
_WANTED = frozenset[tuple[str, ...]]().union(*(api.wanted for api in APIS))

UNKNOWN = "unknown"
LOCAL = "local"


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request asks for.

    Attributes:
        operation: as in ``AICall``. provider: whose host; "local" for this machine or its private network; "unknown".
        model: as requested, if the request could be read. local: where the host is.
        answer: makes the interpreter for the answer.
        notices: codes of what is not known.
    """

    operation: str
    provider: str
    model: str | None
    local: bool
    answer: Callable[[str], Interpreter]
    notices: tuple[str, ...] = ()

    def on_this_machine(self) -> Asked:
        """The same, of a server that turned out to be here."""
        notices = tuple(code for code in self.notices if code != "unknown-provider")
        return replace(self, provider=LOCAL, local=True, notices=notices)

    def interpreter(self) -> Interpreter:
        """A fresh interpreter for the answer."""
        return self.answer(self.operation)


def could_ask(raw_path: bytes) -> re.Match[bytes] | None:
    """Whether a path (as sent, with its query) has the form of a known API. The first, cheapest question."""
    return _PATH.search(raw_path)


def asked(match: re.Match[bytes], host: str, body: bytes | None) -> Asked | None:
    """What is asked for, or None if it is no AI call after all.

    Args:
        match: of ``could_ask``.
        host: name without port.
        body: the request's, or None if it cannot be read without consuming it.
    """
    host = host.lower()
    provider = provider_of(host)
    ask = _ask(match.string.partition(b"?")[0], Request(provider, body, _WANTED))
    if ask is None:
        return None
    notices: list[str] = []
    if body is None:
        notices.append("unread-request")
    local = is_local(host) if provider is None else False
    if provider is None:
        provider = LOCAL if local else UNKNOWN
    if provider == UNKNOWN:
        notices.append("unknown-provider")
    return Asked(ask.operation, provider, ask.model, local, ask.answer, tuple(notices))


def _ask(path: bytes, request: Request) -> Ask | None:
    for api, own in zip(APIS, _own_paths(), strict=True):
        match = own.search(path)
        if match is not None:
            request.path = match
            ask = api.read(request)
            if ask is not None:
                return ask
    return None


@functools.cache
def _own_paths() -> tuple[re.Pattern[bytes], ...]:
    """Each API's own path, compiled when the first request is at hand: most runs have none, and arming is fast."""
    return tuple(re.compile(b"(?:^|/)" + api.path + rb"/?\Z") for api in APIS)
