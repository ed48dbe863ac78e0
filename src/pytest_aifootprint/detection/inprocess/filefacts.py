"""What a model's file tells of it, read once per file and on our own account."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from io import BytesIO
from typing import BinaryIO, Generic, TypeVar

from pytest_aifootprint.detection.recorder import Recorder
from pytest_aifootprint.quantities.unfaked import REAL

T = TypeVar("T")


class FileFacts(Generic[T]):
    """Reads files of one format.

    Args:
        recorder: the CPU that reading takes is ours, not the test's.
        read: reads a file of so many bytes; may raise OSError.
        unknown: what is known of a file that cannot be read.
    """

    def __init__(self, recorder: Recorder, read: Callable[[BinaryIO, int], T], unknown: T) -> None:
        self._recorder = recorder
        self._read = read
        self._unknown = unknown
        self._known: dict[tuple[str, int, int], T] = {}

    def of(self, path: str) -> T:
        """What the file tells, as it is now."""
        started_ns = REAL.thread_time_ns()
        try:
            return self._of(path)
        except (OSError, ValueError):  # it may be gone by now; a path may be anything
            return self._unknown
        finally:
            self._recorder.own_ns += REAL.thread_time_ns() - started_ns

    def within(self, content: bytes) -> T:
        """What the content of a file tells."""
        started_ns = REAL.thread_time_ns()
        try:
            return self._read(BytesIO(content), len(content))
        finally:
            self._recorder.own_ns += REAL.thread_time_ns() - started_ns

    def _of(self, path: str) -> T:
        status = os.stat(path)  # noqa: PTH116 - a Path costs more than the call
        if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait
            return self._unknown
        key = (path, status.st_size, status.st_mtime_ns)
        if key not in self._known:
            with open(path, "rb") as file:  # noqa: PTH123
                self._known[key] = self._read(file, status.st_size)
        return self._known[key]
