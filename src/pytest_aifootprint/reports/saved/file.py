"""Reading a saved JSON report: what every command that works on one goes through."""

from __future__ import annotations

import contextlib
import gc
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SCHEMA_VERSION = 1


class SavedError(ValueError):
    """A saved file that cannot be read or used: one line with the file, what is wrong and what to do."""


def load(path: Path) -> dict[str, Any]:
    """A report of ``--aifootprint-report json`` as builtin types, its version checked and nothing else.

    Raises:
        SavedError: for a file that is missing, cannot be read, is cut off, or is no report of this version.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise SavedError(
            f"{path}: no such file; write one with pytest --aifootprint --aifootprint-report json:{path}"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise SavedError(f"{path}: cannot be read: {error}") from None
    try:
        report = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SavedError(f"{path}: not JSON, or cut off: {error}") from None
    if not isinstance(report, dict):
        raise SavedError(f"{path}: not a report of this plugin")
    check_version(report, str(path))
    return report


def check_version(report: Any, path: str) -> None:
    """Raise SavedError for a report that another version of the plugin wrote in another form."""
    version = report.get("schema_version")
    if version != SCHEMA_VERSION:
        raise SavedError(f"{path}: schema_version {version!r}; this version of the plugin reads {SCHEMA_VERSION}")


@contextlib.contextmanager
def uncollected() -> Iterator[None]:
    """Without the garbage collector: a large report is millions of objects, none of them garbage: half of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
