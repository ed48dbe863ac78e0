"""Is this request an AI call, and what does it ask for? Everything else has to be turned away within microseconds."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import NamedTuple

from msgspec import Struct

from pytest_aifootprint.detection.providers.api import ODD_NAME, ApiRow, Request
from pytest_aifootprint.detection.providers.apis import (
    anthropic,
    bedrock,
    cohere,
    google,
    huggingface,
    interactions,
    jobs,
    mistral,
    ollama,
    openai,
    replicate,
    retrieval,
    tgi,
    videos,
)
from pytest_aifootprint.detection.providers.hosts import is_local, provider_of
from pytest_aifootprint.detection.providers.picking import Path
from pytest_aifootprint.detection.providers.usage import Interpreter
from pytest_aifootprint.quantities.changed import replace

APIS = (
    jobs.API,
    videos.API,
    bedrock.API,
    google.API,
    interactions.API,
    cohere.API,
    mistral.API,
    replicate.API,
    ollama.API,
    anthropic.API,
    retrieval.API,
    openai.API,
    tgi.API,
    huggingface.API,
)
"""In this order: the first that takes a request for its own has it."""

_BY_END: dict[bytes, tuple[ApiRow, ...]] = {
    end: tuple(api for api in APIS if end in api.ends) for end in frozenset[bytes]().union(*(api.ends for api in APIS))
}
_BEGUN = tuple(api for api in APIS if api.begins)
_BEGINS = tuple(begin for api in _BEGUN for begin in api.begins)
_WANTED = frozenset[Path]().union(*(api.wanted for api in APIS))
_COUNTED = frozenset[str]().union(*(api.counted for api in APIS))
_ANYTHING = re.compile(rb"(?s:.*)")

UNKNOWN = "unknown"
LOCAL = "local"


class Asked(Struct, frozen=True):
    """What a request asks for.

    Attributes:
        operation: as in ``AICall``. provider: whose host; "local" for this machine or its private network; "unknown".
        model: as requested, if the request could be read. local: where the host is.
        answer: makes the interpreter for the answer.
        notices: codes of what is not known.
        streamed: the request asks for a stream (the answer tells whether it is one).
        samples: number of inputs, or of images or clips asked for, where the request tells. media_s: seconds of a clip.
    """

    operation: str
    provider: str
    model: str | None
    local: bool
    answer: Callable[[str], Interpreter]
    notices: tuple[str, ...] = ()
    streamed: bool = False
    samples: int | None = None
    media_s: float | None = None

    def on_this_machine(self) -> Asked:
        """The same, of a server that turned out to be here."""
        notices = tuple(code for code in self.notices if code != "unknown-provider")
        return replace(self, provider=LOCAL, local=True, notices=notices)

    def interpreter(self) -> Interpreter:
        """A fresh interpreter for the answer."""
        return self.answer(self.operation)


def could_ask(raw_path: bytes) -> re.Match[bytes] | None:
    """Whether a path (as sent, with its query) may be that of a known API. The first, cheapest question.

    Returns:
        A match of the path without query and fragment.
    """
    return _could_ask(raw_path.partition(b"?")[0].partition(b"#")[0])


@functools.lru_cache(maxsize=256)
def _could_ask(path: bytes) -> re.Match[bytes] | None:
    """Without the query, which may have a key in it: nothing here keeps that."""
    return _ANYTHING.match(path) if _end_of(path) in _BY_END or path.startswith(_BEGINS) else None


def asked(match: re.Match[bytes], host: str, body: bytes | None) -> Asked | None:
    """What is asked for, or None if it is no AI call after all.

    Args:
        match: of ``could_ask``.
        host: name without port.
        body: the request's, or None if it cannot be read without consuming it.
    """
    provider, whose, local, apis = _route(match.string, host.lower())
    if not apis:
        return None
    request = Request(provider, body, _WANTED, _COUNTED)
    for api, path in apis:
        request.path = path
        ask = api.read(request)
        if ask is not None:
            break
    else:
        return None
    notices = ask.notices
    if body is None:
        notices = (*notices, "unread-request")
    if request.odd:
        notices = (*notices, ODD_NAME)
    if whose == UNKNOWN:
        notices = (*notices, "unknown-provider")
    return Asked(ask.operation, whose, ask.model, local, ask.answer, notices, ask.streamed, ask.samples, ask.media_s)


class _Route(NamedTuple):
    """What a path on a host says by itself: the provider, if known, and as told; and the APIs that may be meant."""

    provider: str | None
    whose: str
    local: bool
    apis: tuple[tuple[ApiRow, re.Match[bytes]], ...]


@functools.lru_cache(maxsize=256)
def _route(path: bytes, host: str) -> _Route:
    """A run asks the same few models again and again."""
    provider = provider_of(host)
    local = provider is None and is_local(host)
    possible = ((api, _own_path(api).search(path)) for api in _possible(path, provider))
    apis = tuple((api, match) for api, match in possible if match is not None)
    return _Route(provider, provider or (LOCAL if local else UNKNOWN), local, apis)


def _end_of(path: bytes) -> bytes:
    return path.rstrip(b"/").rpartition(b"/")[2].rpartition(b":")[2]


def _possible(path: bytes, provider: str | None) -> list[ApiRow]:
    """The APIs that such a path may belong to on the host of such a provider."""
    apis = _BY_END.get(_end_of(path), ())
    if path.startswith(_BEGINS):
        apis = (*apis, *_BEGUN)
    return [api for api in apis if api.providers is None or provider in api.providers]


@functools.cache
def _own_path(api: ApiRow) -> re.Pattern[bytes]:
    """Compiled when its first request is at hand: a run meets few of the APIs, and arming is fast."""
    return re.compile(b"/(?:" + api.path + rb")/?\Z")
