"""Is this request an AI call, and what does it ask for? Everything else has to be turned away within microseconds."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from urllib.parse import unquote

from pytest_aifootprint.detection.providers.anthropic import AnthropicAnswer
from pytest_aifootprint.detection.providers.hosts import is_local, provider_of
from pytest_aifootprint.detection.providers.openai import OpenAIAnswer
from pytest_aifootprint.detection.providers.picking import pick
from pytest_aifootprint.detection.providers.usage import Interpreter, name

_PATH = re.compile(
    rb"(?:^|/)(?:(?P<version>v\d\w*)/|openai/deployments/(?P<deployment>[^/]+)/)?(?P<verb>"
    rb"chat/completions|completions|responses|embeddings|moderations|rerank|messages"
    rb"|images/(?:generations|edits|variations)|audio/(?:speech|transcriptions|translations))/?(?:\?|$)"
)
_OPERATIONS = {
    b"chat/completions": "chat",
    b"responses": "chat",
    b"messages": "chat",
    b"completions": "completion",
    b"embeddings": "embedding",
    b"moderations": "moderation",
    b"rerank": "rerank",
}
_WANTED = frozenset({("model",), ("stream",), ("messages",), ("max_tokens",)})

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
    answer: type[Interpreter]
    notices: tuple[str, ...] = ()

    def on_this_machine(self) -> Asked:
        """The same, of a server that turned out to be here."""
        notices = tuple(code for code in self.notices if code != "unknown-provider")
        return replace(self, provider=LOCAL, local=True, notices=notices)

    def interpreter(self) -> Interpreter:
        """A fresh interpreter for the answer."""
        return self.answer(self.operation)  # type: ignore[call-arg]  # a Protocol has no constructor to declare


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
    verb = match["verb"]
    host = host.lower()
    provider = provider_of(host)
    document = pick(body, _WANTED) if body is not None else None
    model = name(document.get("model")) if document else None
    if provider is None and verb != b"chat/completions":
        # On a host that nobody knows, /messages or /responses may be anything: ask for the version and a model.
        versioned = match["version"] == b"v1" or match["deployment"] is not None
        if not versioned or document is None or (model is None and match["deployment"] is None):
            return None
        if verb == b"messages" and not ("messages" in document and "max_tokens" in document):
            return None
    notices: list[str] = []
    if match["deployment"] is not None:
        model = model or name(unquote(match["deployment"].decode("latin-1")))
    if body is None:
        notices.append("unread-request")
    local = is_local(host) if provider is None else False
    if provider is None:
        provider = LOCAL if local else UNKNOWN
    if provider == UNKNOWN:
        notices.append("unknown-provider")
    return Asked(
        operation=_OPERATIONS.get(verb) or verb.split(b"/")[0].decode().removesuffix("s"),
        provider=provider,
        model=model,
        local=local,
        answer=AnthropicAnswer if verb == b"messages" else OpenAIAnswer,
        notices=tuple(notices),
    )
