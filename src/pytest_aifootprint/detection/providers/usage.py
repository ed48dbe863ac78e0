"""What an answer says about itself, in the terms of the OpenTelemetry GenAI conventions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Protocol

from msgspec import Struct

from pytest_aifootprint.detection.providers.picking import Counted, Path

GENERATING = frozenset({"chat", "completion", "inference"})
READING = frozenset({"embedding", "rerank", "moderation", "classification"})
"""Operations that write tokens, and such that write none. An image or a clip is neither."""

_NAME_LIMIT = 256


class Usage(Struct):
    """Token counts of one answer: cached ones are part of input, reasoning is part of output. None if unknown.

    ``media_s``: seconds of the clip that was made or will be.
    """

    model: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_input_tokens: int | None = None
    reasoning_tokens: int | None = None
    media_s: float | None = None
    estimated: bool = False


class Interpreter(Protocol):
    """Reads the answers of one API.

    Attributes:
        wanted: paths of the keys that it reads in a long document. complete: the answer's end was seen.
        arrays: what an answer is that comes as one JSON array: "stream" of events, "items" that are documents, or "".
        plain: an answer that is no JSON at all, such as a text or a sound, is a proper one.
        chunks: pieces of content seen.
        text_at: where in the event that passed last a text begins, behind its quote; 0 if that is not known. With any
            other text, not an empty one, it would have passed as well.
    """

    wanted: ClassVar[frozenset[Path]]
    arrays: ClassVar[str]
    plain: bool
    complete: bool
    chunks: int
    text_at: int

    def headers(self, headers: Mapping[str, str]) -> None:
        """The answer's headers, names in lower case or a mapping that does not mind."""

    def document(self, answer: Mapping[str, Any]) -> None:
        """A whole answer, or the wanted parts of it."""

    def event(self, event: Mapping[str, Any]) -> None:
        """One event of a streamed answer, or the wanted parts of it."""

    def passes(self, data: bytes) -> bool:
        """Whether an event only adds a piece of content. It is then counted, as ``event`` would have, unparsed."""

    def sums_up(self, event: Mapping[str, Any]) -> bool:
        """Whether all that ``usage`` could tell is in this event, whatever came before it in the stream."""

    def done(self) -> None:
        """The stream's end marker, where an API has one."""

    def usage(self) -> Usage:
        """What is known by now."""


class Answer:
    """What the interpreters have in common. One of an API reads its own words for the counts.

    Attributes:
        found: what was read. chunks: pieces of content seen. streamed: an event was seen.
        final: the output tokens that were found are those of the whole answer.
    """

    wanted: ClassVar[frozenset[Path]] = frozenset({("model",), ("usage",)})
    arrays: ClassVar[str] = ""

    def __init__(self, operation: str) -> None:
        self.operation = operation
        self.plain = operation in {"audio", "image", "video"}
        self.complete = False
        self.found = Usage()
        self.chunks = 0
        self.text_at = 0
        self.streamed = False
        self.final = False

    def read(self, answer: Mapping[str, Any]) -> None:
        """Take the model and the counts from an answer or an event."""

    def headers(self, headers: Mapping[str, str]) -> None:
        """Most APIs say nothing in their headers."""

    def document(self, answer: Mapping[str, Any]) -> None:
        """A whole answer."""
        self.read(answer)
        self.complete = True

    def event(self, event: Mapping[str, Any]) -> None:
        """One event; what it means for the end and the chunks is the API's own."""
        self.streamed = True
        self.read(event)

    def passes(self, data: bytes) -> bool:  # noqa: ARG002 - the contract's
        """No event is passed unread."""
        return False

    def sums_up(self, event: Mapping[str, Any]) -> bool:  # noqa: ARG002 - the contract's
        """No event says it all."""
        return False

    def done(self) -> None:
        """The end marker."""
        self.complete = True

    def usage(self) -> Usage:
        """What is known. A stream without a final count has its chunks counted as output, marked as estimated."""
        found = self.found
        if self.streamed and not self.final and self.operation in GENERATING:
            found.output_tokens = max(found.output_tokens or 0, self.chunks)
            found.estimated = True
        if self.operation in READING and found.input_tokens is not None:
            # What has no output tokens has none: that is known, not missing.
            found.output_tokens = found.output_tokens or 0
        return found


def count(value: object) -> int | None:
    """A token count, or None if it is none."""
    if type(value) is int and value >= 0:
        return value
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def first(mapping: Mapping[str, Any], *keys: str) -> int | None:
    """The count under the first of these keys that has one."""
    for key in keys:
        value = mapping.get(key)
        if value is not None and (found := count(value)) is not None:
            return found
    return None


def written(headers: Mapping[str, str], key: str) -> int | None:
    """A token count in a header, or None."""
    value = headers.get(key)
    return int(value) if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 16 else None


def together(*counts: int | None) -> int | None:
    """Their sum, unknown ones left out; None if the first, the base, is unknown."""
    base, *others = counts
    return None if base is None else base + sum(other or 0 for other in others)


def part(mapping: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """A nested object, or an empty one."""
    value = mapping.get(key)
    return value if isinstance(value, dict) else {}


def parts(mapping: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    """The objects in a nested array, or none."""
    value = mapping.get(key)
    return [element for element in value if isinstance(element, dict)] if isinstance(value, list) else []


def word(mapping: Mapping[str, Any], key: str) -> str:
    """A string, such as the kind of an event, or an empty one."""
    value = mapping.get(key)
    return value if isinstance(value, str) else ""


def items(mapping: Mapping[str, Any], key: str) -> int | None:
    """How many inputs stand under a key: an array of texts, of objects or of token lists; a value alone is one."""
    value = mapping.get(key)
    if value is None:
        return None
    if isinstance(value, Counted):
        return value.items
    if isinstance(value, list):
        return sum(isinstance(element, str | list | dict) for element in value) or 1
    return 1


def name(value: object) -> str | None:
    """A model's name, or None. Cut, so that a hostile answer cannot make us keep a text; control characters go."""
    if not isinstance(value, str) or not value:
        return None
    value = value[:_NAME_LIMIT]
    return (
        value
        if value.isprintable()
        else "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in value)
    )
