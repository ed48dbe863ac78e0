"""Inside a child process: each call is written as soon as it is over, so that a killed child loses none."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from itertools import count

from msgspec import Struct

from pytest_aifootprint.detection.calls import AICall
from pytest_aifootprint.detection.recorder import Pending
from pytest_aifootprint.quantities.unfaked import REAL

SUFFIX = ".calls"


class _Row(Struct):
    """A row under its number; ``times``: how often something was counted in it."""

    number: int
    row: AICall
    times: int = 1


class CallFile:
    """Where a recorder's calls go in a process without tests (``detection.recorder.Sink``).

    A line is ``[number, call]``; a number that comes again takes the place of the line before. In-process calls of one
    kind are one row, which is written again whenever what was counted in it has doubled, and at the end. A call that
    waits for its answer is written as far as it is known, and again when it is over.
    """

    def __init__(self, folder: str, failed: Callable[[str, BaseException], None]) -> None:
        """Write to a file of this process in the folder, made at the first call; ``failed`` hears of our errors."""
        self._folder = folder
        self._failed = failed
        self._fd = -1
        self._next = count(1)
        self._rows: dict[int, _Row] = {}
        self._waiting: dict[int, int] = {}
        self._over = threading.local()

    def take(self, call: AICall) -> None:
        """A call is over. If it waited for its answer on this thread until now, this is the same one."""
        number, self._over.number = getattr(self._over, "number", None) or next(self._next), None
        self._over.last = number
        self._write(number, call)

    def keep(self, row: AICall) -> None:
        """A row that further calls will be counted in was just taken."""
        self._rows[id(row)] = _Row(self._over.last, row)

    def again(self, row: AICall) -> None:
        """One more call, or step of a training, was counted in a row."""
        if (known := self._rows.get(id(row))) is not None:
            known.times += 1
            if not known.times & (known.times - 1):
                self._write(known.number, row)

    def waits(self, pending: Pending) -> None:
        """A call waits for the rest of its answer, which may never come."""
        so_far = pending.so_far()
        if so_far is not None:
            number = self._waiting[id(pending)] = next(self._next)
            self._write(number, so_far)

    def ended(self, pending: Pending) -> None:
        """It waits no more: what this thread takes next is that call."""
        self._over.number = self._waiting.pop(id(pending), None)

    def end(self) -> None:
        """No call is to come: write the rows with their final counts."""
        for known in list(self._rows.values()):
            if known.times > 1:
                self._write(known.number, known.row)

    def _write(self, number: int, call: AICall) -> None:
        try:
            line = json.dumps([number, call.to_wire()], separators=(",", ":")) + "\n"
            if self._fd < 0:
                path = f"{self._folder}/{REAL.getpid()}-{REAL.monotonic_ns()}{SUFFIX}"
                flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_CLOEXEC", 0)
                self._fd = REAL.open(path, flags, 0o600)
            REAL.write(self._fd, line.encode())
        except Exception as error:  # noqa: BLE001 - watching never raises into the watched call
            self._failed("child", error)
