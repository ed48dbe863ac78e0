"""What one API says of itself: which requests are its own, what they ask for, who reads the answer."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote

from msgspec import Struct

from pytest_aifootprint.detection.providers.picking import Path, pick
from pytest_aifootprint.detection.providers.usage import Interpreter, items, name

MODEL = ("model",)
STREAM = ("stream",)
ODD_NAME = "odd-model-name"

# The value of a field in a form that is sent with a file, from behind its name.
_FORM_VALUE = re.compile(rb"\r\n(?:[^\r\n]+\r\n)*\r\n([^\r\n]{1,512})\r\n")


class Ask(Struct, frozen=True):
    """What a request asks for, as its API says it.

    Attributes:
        operation: as in ``AICall``. model: as requested, if it could be read.
        answer: makes the interpreter for the answer from the operation.
        streamed: the answer was asked for in pieces.
        samples: how many inputs there are (or images are asked for), if the request says so.
        media_s: seconds of one clip, likewise.
        notices: codes of what is not known.
    """

    operation: str
    model: str | None
    answer: Callable[[str], Interpreter]
    streamed: bool = False
    samples: int | None = None
    media_s: float | None = None
    notices: tuple[str, ...] = ()


class Request:
    """A request as far as a parser may look at it.

    Attributes:
        path: match of the API's own path. provider: whose host; None if nobody knows it. body: None if unread.
        odd: a name that was read had control characters.
    """

    def __init__(
        self, provider: str | None, body: bytes | None, wanted: frozenset[Path], counted: frozenset[str]
    ) -> None:
        self.path: re.Match[bytes]
        self.provider = provider
        self.body = body
        self.odd = False
        self._wanted = wanted
        self._counted = counted
        self._document: Mapping[str, Any] | None = None

    @property
    def document(self) -> Mapping[str, Any]:
        """The JSON object in the body (of a large one the wanted and the counted keys), empty if there is none."""
        if self._document is None:
            found = pick(self.body, self._wanted, self._counted) if self.body is not None else None
            self._document = found if found is not None else {}
        return self._document

    @property
    def model(self) -> str | None:
        """The model that the body names: a JSON object's key, or a form's field."""
        return self.named(self.field("model"))

    def field(self, key: str) -> object:
        """The value of a JSON object's key, or of a form's field (a text); None if there is none."""
        if self.body is None or not self.body.startswith(b"--"):
            return self.document.get(key)
        # A sound or a picture can be large: the field's name is looked for first, at memchr's speed.
        label = b'name="%s"' % key.encode()
        at = self.body.find(label)
        value = _FORM_VALUE.match(self.body, at + len(label)) if at >= 0 else None
        return value[1].decode("utf-8", "replace") if value is not None else None

    @property
    def streamed(self) -> bool:
        """The body asks for a stream."""
        return self.document.get("stream") is True

    def named(self, value: object) -> str | None:
        """A name of a model, cleaned."""
        clean = name(value)
        self.odd = self.odd or (clean is not None and isinstance(value, str) and not value.startswith(clean))
        return clean

    def in_path(self, group: str) -> str | None:
        """A name in the path, decoded."""
        found: bytes | None = self.path[group]
        return self.named(unquote(found.decode("latin-1"))) if found is not None else None

    def items(self, *keys: str) -> int | None:
        """How many inputs stand under the first of these keys that the body has."""
        return next((found for key in keys if (found := items(self.document, key)) is not None), None)

    def has(self, *keys: str) -> bool:
        """Whether the body has all these keys, none of them empty."""
        return all(self.document.get(key) not in (None, "", [], {}) for key in keys)


class ApiRow(Struct, frozen=True):
    """One API.

    Attributes:
        path: regular expression of the path's end, from behind a slash, without the query.
        ends: the last words of such paths, behind the last slash or colon: what else ends is turned away by these.
        begins: beginnings of such paths whose last word may be anything.
        read: what a request with such a path asks for; None if it is no AI call after all.
        providers: whose hosts have it; None if any may.
        wanted: paths of keys of the request's body that ``read`` looks at.
        counted: keys of the body whose inputs it only counts.
    """

    path: bytes
    ends: frozenset[bytes]
    read: Callable[[Request], Ask | None]
    begins: tuple[bytes, ...] = ()
    providers: frozenset[str] | None = None
    wanted: frozenset[Path] = frozenset({MODEL, STREAM})
    counted: frozenset[str] = frozenset()
