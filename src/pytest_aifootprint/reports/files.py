"""Writing a report to a file: seen to before the run, all or nothing after it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

BUFFER = 1 << 18


def probe(path: Path) -> None:
    """See whether a report can be written to ``path``, and leave nothing behind. Missing folders are made later.

    Raises:
        ValueError: one line with the path and the reason.
    """
    path = Path(path)
    if not path.name:
        raise ValueError("a report needs the path of a file")
    if path.is_dir():
        raise ValueError(f"{path} is a folder; a report needs the path of a file")
    if path.exists() and not os.access(path, os.W_OK):
        raise ValueError(f"{path} cannot be written: permission denied")
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    if not folder.is_dir():
        raise ValueError(f"{path} cannot be written: {folder} is not a folder")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ValueError(f"{path} cannot be written: no permission to write in {folder}")


def write(path: Path, what: str, chunks: Iterable[str], encoding: str = "utf-8") -> None:
    """Write a file: a new one takes the place of an old one when it is complete.

    Args:
        path: of the file; missing folders are made.
        what: it is, for the error.
        chunks: its text.
        encoding: of the text.

    Raises:
        OSError: with the reason in ``strerror``; an old file is as it was.
    """
    path = Path(path)
    # A device or a pipe (/dev/stdout) is written to, not replaced; of a link, the file that it names is replaced.
    special = path.exists() and not path.is_file()
    target = Path(os.path.realpath(path))
    draft = target if special else target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with draft.open("w", buffering=BUFFER, encoding=encoding, newline="\n") as file:
            file.writelines(chunks)
        if not special:
            draft.replace(target)
    except OSError as error:
        raise OSError(error.errno, f"{what} cannot be written: {error.strerror}", str(path)) from error
    finally:
        if not special:
            with contextlib.suppress(OSError):
                draft.unlink(missing_ok=True)
