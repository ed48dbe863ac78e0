"""Properties put into a JUnit file that somebody else wrote: every other byte of it stays as it was."""

from __future__ import annotations

import re
from collections import defaultdict, deque
from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree as ET
from xml.parsers import expat

from pytest_aifootprint.records.model import RunFootprint, TestFootprint
from pytest_aifootprint.reports import files
from pytest_aifootprint.reports.junit_values import Properties, address, is_ours, of_run, of_test, on_suite

LARGEST_BYTES = 256 << 20
"""A file beyond this is left alone: it would be in memory as a whole."""
_START_TAG = re.compile(rb"""<(?:[^"'>]|"[^"]*"|'[^']*')*>""")


class NotAmendedError(ValueError):
    """Why a file was left as it was: one line."""


def amend(path: Path, run: RunFootprint, *, on_tests: bool, prefix: str = "") -> None:
    """Put the properties of a run and of its tests into a JUnit file; all or nothing.

    Args:
        path: of the file, as pytest wrote it.
        run: the finished run.
        on_tests: whether a test case may have properties. By the schema of the family xunit2 it may not: there they
            stand with the suite's, with the test's id behind the name.
        prefix: of class names (``--junitprefix``).

    Raises:
        NotAmendedError: for a file that is missing, too large, no JUnit file, or cannot be written; it is as it was.
    """
    data = _read(path)
    try:
        amended = amended_text(data, run, on_tests=on_tests, prefix=prefix)
    except expat.ExpatError as error:
        raise NotAmendedError(f"{path} is not well-formed XML: {error}") from None
    except NotAmendedError as error:
        raise NotAmendedError(f"{path} {error}") from None
    try:
        # Byte by byte, whatever its encoding: each byte is one character of Latin-1.
        files.write(path, "the properties", (part.decode("latin-1") for part in amended), encoding="latin-1")
    except OSError as error:
        raise NotAmendedError(f"{path}: {error.strerror or error}") from None


def _read(path: Path) -> bytes:
    try:
        if not path.is_file():
            raise NotAmendedError(f"{path} is not there, or no regular file")
        if path.stat().st_size > LARGEST_BYTES:
            raise NotAmendedError(f"{path} is larger than {LARGEST_BYTES >> 20} MiB")
        return path.read_bytes()
    except OSError as error:
        raise NotAmendedError(f"{path} cannot be read: {error.strerror or error}") from None


def amended_text(data: bytes, run: RunFootprint, *, on_tests: bool, prefix: str = "") -> Iterable[bytes]:
    """The file with the properties in it, in pieces. Raises NotAmendedError; ExpatError if it is not well-formed."""
    found = _Places(data)
    if found.suite is None:
        raise NotAmendedError("is no JUnit file: it has no testsuite")
    waiting: defaultdict[tuple[str, str], deque[TestFootprint]] = defaultdict(deque)
    for test in run.tests:
        classname, name = address(test.nodeid)
        waiting[f"{prefix}.{classname}" if prefix else classname, name].append(test)
    edits: list[Edit] = []
    if on_tests:
        edits += found.ours
        for case in found.cases:
            tests = waiting.get(case.address)
            if tests:
                edits += case.insert(of_test(tests.popleft()))
    left = [test for tests in waiting.values() for test in tests]
    edits += found.suite.insert([*of_run(run), *on_suite(left)])
    return _edited(data, edits)


Edit = tuple[int, int, bytes]
"""From a byte to a byte: what stands there instead."""


def _edited(data: bytes, edits: list[Edit]) -> Iterable[bytes]:
    at = 0
    for start, end, text in sorted(edits):
        yield data[at:start]
        yield text
        at = end
    yield data[at:]


class _Element:
    """A suite or a test case: where properties go.

    Attributes:
        address: class name and name. properties: the tag that ends its properties, or, of empty ones, is them.
    """

    def __init__(self, data: bytes, start: int, name: str, attributes: dict[str, str]) -> None:
        tag = _START_TAG.match(data, start)
        if tag is None or not data.startswith(b"<" + name.encode(), start):
            raise NotAmendedError("is written in an encoding that is not ASCII and more")
        self.address = attributes.get("classname", ""), attributes.get("name", "")
        self.properties: re.Match[bytes] | None = None
        self._name = name.encode()
        self._tag = tag

    def insert(self, properties: Properties) -> list[Edit]:
        """At the end of its properties, or as its first child."""
        # ASCII, so that it is right in every encoding that has ASCII in it.
        text = b"".join(ET.tostring(ET.Element("property", name=name, value=value)) for name, value in properties)
        whole = b"<properties>" + text + b"</properties>"
        if self.properties is not None:
            start, end = self.properties.span()
            return [(start, end, whole)] if _is_empty(self.properties) else [(start, start, text)]
        end = self._tag.end()
        if _is_empty(self._tag):
            return [(end - 2, end, b">" + whole + b"</" + self._name + b">")]
        return [(end, end, whole)]


def _is_empty(tag: re.Match[bytes]) -> bool:
    return tag.group().endswith(b"/>")


class _Places:
    """What expat finds in a file.

    Attributes:
        suite: the first; None if there is none. cases: all. ours: edits that take out what we put there before.
    """

    def __init__(self, data: bytes) -> None:
        self.suite: _Element | None = None
        self.cases: list[_Element] = []
        self.ours: list[Edit] = []
        self._data = data
        self._open: list[tuple[str, int, _Element | None]] = []
        self._parser = parser = expat.ParserCreate()
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.Parse(data, True)

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        at = self._parser.CurrentByteIndex
        element: _Element | None = None
        if tag == "testcase":
            element = _Element(self._data, at, tag, attributes)
            self.cases.append(element)
        elif tag == "testsuite" and self.suite is None:
            self.suite = element = _Element(self._data, at, tag, attributes)
        elif tag == "property" and is_ours(attributes.get("name", "")) and self._in_a_case():
            found = _START_TAG.match(self._data, at)
            if found is not None and _is_empty(found):
                self.ours.append((at, found.end(), b""))
        self._open.append((tag, at, element))

    def _end(self, tag: str) -> None:
        start = self._open.pop()[1]
        owner = self._open[-1][2] if self._open else None
        if tag == "properties" and owner is not None and owner.properties is None:
            found = _START_TAG.match(self._data, start)
            # Of an element without content, expat tells where it is over.
            end = start if found is not None and _is_empty(found) else self._parser.CurrentByteIndex
            owner.properties = _START_TAG.match(self._data, end)

    def _in_a_case(self) -> bool:
        return [tag for tag, _, _ in self._open[-2:]] == ["testcase", "properties"]
