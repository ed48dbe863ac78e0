"""Recognising the file of a model: by a glob of its path, by the hash of its content."""

from __future__ import annotations

import fnmatch
import functools
import hashlib
import math
import os
import re
import stat
from collections.abc import Iterable
from pathlib import Path, PurePath

from msgspec import Struct

from pytest_aifootprint.detection.calls import AICall
from pytest_aifootprint.quantities.unfaked import REAL

ANY_FOLDERS = "**"
CHUNK_BYTES = 1 << 20
DIGEST = "sha256:"
# Read at the end of every run whose models lie in files: 16 MB take 10 ms.
CHEAP_BYTES = 16_000_000

_Segment = re.Pattern[str] | str
_GLOB = frozenset("*?[")
# Windows only: without it, reading stops at the first byte 26.
_READ = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)


class PathPattern(Struct, frozen=True):
    """A glob of a file or folder: ``*``, ``?``, ``[..]`` within a name, ``**`` for any number of folders, also none.

    Attributes:
        text: as written. folder: what it is relative to, if it is not absolute.
    """

    text: str
    folder: Path

    def matches(self, file: str) -> bool:
        """Whether an absolute path is meant. Nothing has to be there."""
        parts = PurePath(os.path.normcase(os.path.normpath(file))).parts
        return any(_fits(segments, parts) for segments in _variants(self.text, str(self.folder)))


@functools.cache
def _variants(text: str, folder: str) -> tuple[tuple[_Segment, ...], ...]:
    """The pattern from the root on; a second time with its plain folders resolved, if they are links."""
    own = PurePath(text).parts
    plain = next((n for n, part in enumerate(own) if not _GLOB.isdisjoint(part)), len(own))
    # The folder may have a "[" in its name; only what the user wrote is a glob.
    start = PurePath(folder, *own[:plain])
    rest = tuple(_segment(part) for part in own[plain:])
    starts = dict.fromkeys((os.path.normpath(start), os.path.realpath(start)))
    return tuple((*PurePath(os.path.normcase(s)).parts, *rest) for s in starts)


def _segment(part: str) -> _Segment:
    return part if part == ANY_FOLDERS else re.compile(fnmatch.translate(os.path.normcase(part)))


def _fits(segments: tuple[_Segment, ...], parts: tuple[str, ...]) -> bool:
    # All places in the pattern at once: time grows with the product of both lengths, however many "**" there are.
    # The first is the root, which is no "**".
    places = {0}
    for part in parts:
        steps = {n + (segments[n] != ANY_FOLDERS) for n in places if n < len(segments) and _is(segments[n], part)}
        places = _past_any(steps, segments)
        if not places:
            return False
    return len(segments) in places


def _past_any(places: set[int], segments: tuple[_Segment, ...]) -> set[int]:
    found = set(places)
    for n, segment in enumerate(segments):
        if n in found and segment == ANY_FOLDERS:
            found.add(n + 1)
    return found


def _is(segment: _Segment, part: str) -> bool:
    if isinstance(segment, str):
        return segment in (ANY_FOLDERS, part)
    return segment.match(part) is not None


class Digests:
    """SHA-256 of files, each read once as long as it does not change."""

    def __init__(self) -> None:
        """Nothing is read yet."""
        self._known: dict[tuple[str, int, int], str | None] = {}

    def of(self, file: str, *, at_most: float = math.inf) -> str | None:
        """The hash in lower-case hex; None for a folder, a file larger than ``at_most`` bytes, or one that is gone."""
        # The real calls: the test whose price this is may have a file system of its own.
        try:
            status = REAL.stat(file)
        except (OSError, ValueError):
            return None
        if not stat.S_ISREG(status.st_mode) or status.st_size > at_most:
            return None
        key = (file, status.st_size, status.st_mtime_ns)
        if key not in self._known:
            self._known[key] = _digest(file)
        return self._known[key]


def tell_revisions(calls: Iterable[AICall], digests: Digests) -> None:
    """Give calls whose model lies in a file, and tells no revision of its own, the file's hash in short.

    So the same weights are the same model wherever they lie, and two files of one name are two. A large file is not
    read for it, and one that is gone (a test's own) has none.
    """
    known: dict[str, str | None] = {}
    for call in calls:
        if call.file is not None and call.revision is None:
            if call.file not in known:
                digest = digests.of(call.file, at_most=CHEAP_BYTES)
                known[call.file] = None if digest is None else f"{DIGEST}{digest[:12]}"
            call.revision = known[call.file]


def _digest(file: str) -> str | None:
    digest = hashlib.sha256()
    try:
        descriptor = REAL.open(file, _READ)
        try:
            while chunk := REAL.read(descriptor, CHUNK_BYTES):
                digest.update(chunk)
        finally:
            REAL.close(descriptor)
    except OSError:
        return None
    return digest.hexdigest()
