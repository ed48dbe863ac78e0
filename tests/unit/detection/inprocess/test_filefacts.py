"""What files tell: read once, on our own account."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, BinaryIO

from pytest_aifootprint.detection import Recorder
from pytest_aifootprint.detection.inprocess.filefacts import FileFacts


def facts(recorder: Recorder) -> tuple[FileFacts[bytes | None], list[int]]:
    reads: list[int] = []

    def read(file: BinaryIO, length: int) -> bytes:
        reads.append(length)
        sum(range(20_000))
        return file.read()

    return FileFacts(recorder, read, None), reads


def test_a_file_is_read_once_until_it_changes(tmp_path: Path) -> None:
    known, reads = facts(Recorder())
    path = tmp_path / "model"
    path.write_bytes(b"one")
    assert [known.of(str(path)), known.of(str(path))] == [b"one", b"one"]
    path.write_bytes(b"three")
    assert known.of(str(path)) == b"three"
    assert reads == [3, 5]


def test_what_reading_takes_is_ours(tmp_path: Path) -> None:
    recorder = Recorder()
    known, _ = facts(recorder)
    path = tmp_path / "model"
    path.write_bytes(b"one")
    known.of(str(path))
    of_file = recorder.own_ns
    assert of_file > 0
    assert known.within(b"content") == b"content"
    assert recorder.own_ns > of_file


def test_what_is_no_file_is_unknown(tmp_path: Path) -> None:
    known, reads = facts(Recorder())
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)  # opening it would wait for a writer
    odd: list[Any] = [pipe, tmp_path, tmp_path / "none", "nul\0byte"]
    assert [known.of(str(path)) for path in odd] == [None] * 4
    assert reads == []
