"""In the process that runs tests: picks up what its children wrote."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pytest_aifootprint.detection.calls import AICall
from pytest_aifootprint.detection.children.callfile import SUFFIX
from pytest_aifootprint.quantities.unfaked import REAL

_READ_BYTES = 1 << 20


class Inbox:
    """Reads the files of a folder as they grow.

    A line that says more of a call that was taken already changes that very call.
    """

    def __init__(self, folder: Path, failed: Callable[[str, BaseException], None]) -> None:
        """Take the folder; ``failed`` hears of lines that cannot be read."""
        self._folder = str(folder)
        self._failed = failed
        self._read: dict[str, int] = {}
        self._rest: dict[str, bytes] = {}
        self._calls: dict[tuple[str, int], AICall] = {}

    def collect(self) -> list[AICall]:
        """Calls that were not known yet, in the order in which they were written. Never raises."""
        found: list[AICall] = []
        try:
            names = sorted(name for name in REAL.listdir(self._folder) if name.endswith(SUFFIX))
            for name in names:
                for line in self._new_lines(name):
                    self._take(name, line, found)
        except Exception as error:  # noqa: BLE001 - reading what children wrote must not end the run
            self._failed("children", error)
        return found

    def _new_lines(self, name: str) -> list[bytes]:
        fd = REAL.open(f"{self._folder}/{name}", os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
        try:
            os.lseek(fd, self._read.get(name, 0), os.SEEK_SET)
            text = self._rest.pop(name, b"")
            while piece := REAL.read(fd, _READ_BYTES):
                self._read[name] = self._read.get(name, 0) + len(piece)
                text += piece
        finally:
            REAL.close(fd)
        *lines, rest = text.split(b"\n")
        if rest:
            self._rest[name] = rest
        return lines

    def _take(self, name: str, line: bytes, found: list[AICall]) -> None:
        try:
            number, wire = json.loads(line)
            call = AICall.from_wire(wire)
        except (ValueError, TypeError) as error:
            self._failed("children", error)
            return
        known = self._calls.get((name, number))
        if known is None:
            self._calls[name, number] = call
            found.append(call)
            return
        _update(known, call)


def _update(known: AICall, call: AICall) -> None:
    """What is known of a call now; whose it is stays."""
    kept: dict[str, Any] = {"phase": known.phase, "inferred": known.inferred}
    for name in AICall.__struct_fields__:
        setattr(known, name, kept.get(name, getattr(call, name)))
