"""What one API says of itself: which requests are its own, what they ask for, who reads the answer."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from pytest_aifootprint.detection.providers.picking import Path, pick
from pytest_aifootprint.detection.providers.usage import Interpreter, name

MODEL = ("model",)


@dataclass(frozen=True, slots=True)
class Ask:
    """What a request asks for, as its API says it.

    Attributes:
        operation: as in ``AICall``. model: as requested, if it could be read.
        answer: makes the interpreter for the answer from the operation.
    """

    operation: str
    model: str | None
    answer: Callable[[str], Interpreter]


class Request:
    """A request as far as a parser may look at it.

    Attributes:
        path: match of the API's own path. provider: whose host; None if nobody knows it. body: None if unread.
    """

    def __init__(self, provider: str | None, body: bytes | None, wanted: frozenset[Path]) -> None:
        self.path: re.Match[bytes]
        self.provider = provider
        self.body = body
        self._wanted = wanted

    @functools.cached_property
    def document(self) -> Mapping[str, Any] | None:
        """The JSON object in the body (of a large one the wanted keys), or None if there is none."""
        return pick(self.body, self._wanted) if self.body is not None else None

    @property
    def model(self) -> str | None:
        """The model that the body names."""
        return name(self.document.get("model")) if self.document else None

    def in_path(self, group: str) -> str | None:
        """A part of the path, decoded."""
        found: bytes | None = self.path[group]
        return name(unquote(found.decode("latin-1"))) if found is not None else None


@dataclass(frozen=True, slots=True)
class ApiRow:
    """One API.

    Attributes:
        path: regular expression of the path's end, from behind a slash, without the query.
        read: what a request with such a path asks for; None if it is no AI call after all.
        wanted: keys of the request's body that ``read`` looks at.
    """

    path: bytes
    read: Callable[[Request], Ask | None]
    wanted: frozenset[Path] = frozenset({MODEL})
