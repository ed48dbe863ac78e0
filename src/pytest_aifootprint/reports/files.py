"""Writing a report to a file: seen to before the run, all or nothing after it."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import sys
import time
from collections.abc import Iterable
from pathlib import Path

BUFFER = 1 << 18
_SAMPLE = b" " * 4096
"""A page: on a full disk there is no room for it."""
_STREAMS = {"stdout": 1, "stderr": 2}
_OPEN_FILE = re.compile(r"/(?:dev|proc/self)/(stdout|stderr|fd/\d{1,9})")


def probe(path: Path) -> None:
    """See whether a report can be written to ``path``, and leave nothing behind. Missing folders are made later.

    A file without a name is written where the report would be, as far as the folders are there.

    Raises:
        ValueError: one line with the path and the reason.
    """
    path = Path(path)
    if not path.name:
        raise ValueError("a report needs the path of a file")
    try:
        if path.is_dir():
            raise ValueError(f"{path} is a folder; a report needs the path of a file")
        target = Path(os.path.realpath(path))
        if path.exists() and not os.access(path, os.W_OK):
            raise ValueError(f"{path} cannot be written: permission denied")
        if _is_special(path):
            return  # what is written to a device or a pipe cannot be taken back
        folder = next(parent for parent in target.parents if parent.exists())
        for part in target.relative_to(folder).parts:  # a name may be too long, whatever folder it stands in
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                os.stat(folder / part)  # noqa: PTH116 - pathlib hides some errors
    except OSError as error:
        raise ValueError(f"{path} cannot be written: {error.strerror}") from None
    if not folder.is_dir():
        raise ValueError(f"{path} cannot be written: {folder} is not a folder")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ValueError(f"{path} cannot be written: no permission to write in {folder}")
    _try(path, folder)


def _try(path: Path, folder: Path) -> None:
    """Permissions do not say that a disk is full or can only be read, nor that a file system takes no files."""
    import tempfile

    try:
        with tempfile.TemporaryFile(dir=folder, prefix=".aifootprint-") as file:
            file.write(_SAMPLE)
    except OSError as error:
        raise ValueError(f"{path} cannot be written: no file can be made in {folder}: {error.strerror}") from None


def _is_special(path: Path) -> bool:
    """A device or a pipe is written to, not replaced; nor is the file that this process prints to."""
    return _descriptor(path) is not None or (path.exists() and not path.is_file())


def _descriptor(path: Path) -> int | None:
    """Of an open file that a path of the system stands for."""
    found = _OPEN_FILE.fullmatch(os.fspath(path))
    return None if found is None else _STREAMS.get(found[1]) or int(found[1].rpartition("/")[2])


def write(path: Path, what: str, chunks: Iterable[str], encoding: str = "utf-8") -> None:
    """Write a file: a new one takes the place of an old one when it is complete.

    Args:
        path: of the file; missing folders are made.
        what: it is, for the error.
        chunks: its text; what the encoding has no sign for stands there as an escape.
        encoding: of the text.

    Raises:
        OSError: with the reason in ``strerror``; an old file is as it was.
    """
    path = Path(path)
    special = _is_special(path)
    # Of a link, the file that it names is replaced.
    target = Path(os.path.realpath(path))
    # Not of the file's own name, which may be as long as names can be.
    draft = path if special else target.with_name(f".aifootprint-{os.getpid()}-{time.monotonic_ns()}.tmp")
    try:
        if not special:
            target.parent.mkdir(parents=True, exist_ok=True)
        with open(
            draft, "w", buffering=BUFFER, encoding=encoding, errors="backslashreplace", newline="\n", opener=_opener
        ) as file:
            file.writelines(chunks)
        if not special:
            draft.replace(target)
    except OSError as error:
        why = "nobody reads it" if error.errno == errno.ENXIO else error.strerror or error
        raise OSError(error.errno, f"{what} cannot be written: {why}", str(path)) from error
    finally:
        if not special:
            with contextlib.suppress(OSError):
                draft.unlink(missing_ok=True)


def _opener(path: str, flags: int) -> int:
    """As ``open`` does it, but a pipe that nobody reads is an error: waiting for a reader would hang the run.

    A file that is open already is gone on with where others have written to it.
    """
    descriptor = _descriptor(Path(path))
    if descriptor is not None:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        return os.dup(descriptor)
    if not hasattr(os, "O_NONBLOCK"):
        return os.open(path, flags, 0o666)
    file = os.open(path, flags | os.O_NONBLOCK, 0o666)
    os.set_blocking(file, True)
    return file
