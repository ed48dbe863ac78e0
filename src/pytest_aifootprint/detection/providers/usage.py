"""What an answer says about itself, in the terms of the OpenTelemetry GenAI conventions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from pytest_aifootprint.detection.providers.picking import Path


@dataclass(slots=True)
class Usage:
    """Token counts of one answer: cached ones are part of input, reasoning is part of output. None if unknown."""

    model: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_input_tokens: int | None = None
    reasoning_tokens: int | None = None
    estimated: bool = False


class Interpreter(Protocol):
    """Reads the answers of one API."""

    wanted: frozenset[Path]
    complete: bool

    def document(self, answer: Mapping[str, Any]) -> None:
        """A whole answer, or the wanted parts of it."""

    def event(self, event: Mapping[str, Any]) -> None:
        """One event of a streamed answer, or the wanted parts of it."""

    def passes(self, data: bytes) -> bool:
        """Whether an event only adds a piece of content. It is then counted, as ``event`` would have, unparsed."""

    def done(self) -> None:
        """The stream's end marker, where an API has one."""

    def usage(self) -> Usage:
        """What is known by now."""


def count(value: object) -> int | None:
    """A token count, or None if it is none."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def part(mapping: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """A nested object, or an empty one."""
    value = mapping.get(key)
    return value if isinstance(value, dict) else {}


def name(value: object) -> str | None:
    """A model's name, or None. Cut, so that a hostile answer cannot make us keep a text."""
    return value[:256] if isinstance(value, str) and value else None
