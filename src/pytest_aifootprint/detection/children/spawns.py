"""Which processes are started that cannot be watched: named in a notice, because their AI calls are not seen.

Python tells of every start by an audit event, before it happens. Only names of programs are kept, never arguments: one
may be a prompt or a key.
"""

from __future__ import annotations

import os
import re
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from pytest_aifootprint.detection.providers.hosts import provider_of

_PYTHON = re.compile(r"(?:python|pypy)[\d.]*w?(?:\.exe)?\Z", re.IGNORECASE)
# Of the options that take no value, those that may stand in one word with I, E or S.
_DEAF = re.compile(r"-[a-zA-Z]*[IES]")
_WITH_VALUE = {"-W", "-X", "--check-hash-based-pycs"}
_HOST = re.compile(r"https?://(?:[^/@\s]*@)?([\w.-]+)")
_MOST_TEXT = 100_000


class Spawns:
    """Hears of processes that this one starts.

    Attributes:
        unwatched: names of Python programs that were started so that they cannot be watched, with their number.
        foreign: names of other programs that were started with an AI provider's address, with their number.
    """

    def __init__(self, folder: str) -> None:
        """``folder``: must stand on the PYTHONPATH of a child that is watched."""
        self._folder = folder
        self._active = True
        self.unwatched: Counter[str] = Counter()
        self.foreign: Counter[str] = Counter()
        # An audit hook belongs to the process and cannot be taken out again: ``stop`` makes it deaf.
        sys.addaudithook(self._hear)

    def stop(self) -> None:
        """Hear no more."""
        self._active = False

    def _hear(self, event: str, args: tuple[Any, ...]) -> None:
        if not self._active or event not in _READERS:
            return
        try:
            program, argv, environ = _READERS[event](args)
            self._note(program, argv, environ)
        except Exception:  # noqa: BLE001 - raising here would forbid the start
            return

    def _note(self, program: str, argv: list[str], environ: Mapping[str, str] | None) -> None:
        name = os.path.basename(program)  # noqa: PTH119 - no pathlib in the path of a test
        if not _PYTHON.match(name):
            provider = next((p for word in argv if (p := _provider_in(word))), None)
            if provider:
                self.foreign[f"{name} ({provider})"] += 1
            return
        path = (os.environ if environ is None else environ).get("PYTHONPATH", "")
        deaf, script = _python_words(argv[1:])
        if deaf or self._folder not in path.split(os.pathsep):
            self.unwatched[" ".join(word for word in (name, deaf, script) if word)] += 1


def _provider_in(word: str) -> str | None:
    for match in _HOST.finditer(word[:_MOST_TEXT]):
        provider = provider_of(match[1].lower())
        if provider:
            return provider
    return None


def _python_words(argv: Iterable[str]) -> tuple[str, str]:
    """The option that keeps start-up files away, if any; and the script or module, never code given by ``-c``."""
    deaf, value_next = "", False
    words = iter(argv)
    for word in words:
        if value_next:
            value_next = False
        elif word in _WITH_VALUE:
            value_next = True
        elif word == "-c":
            return deaf, "-c"
        elif word == "-m":
            return deaf, f"-m {next(words, '')}"
        elif word.startswith("-") and word != "-":
            deaf = deaf or (word if _DEAF.match(word) else "")
        else:
            return deaf, os.path.basename(word)  # noqa: PTH119 - as above
    return deaf, ""


def _text(value: Any) -> str:
    return os.fsdecode(value) if isinstance(value, (str, bytes, os.PathLike)) else str(value)


def _environ(value: Any) -> dict[str, str] | None:
    return None if value is None else {_text(k): _text(v) for k, v in dict(value).items()}


def _popen(args: tuple[Any, ...]) -> tuple[str, list[str], Mapping[str, str] | None]:
    executable, argv, _, environ = args
    words = argv.split() if isinstance(argv, str) else [_text(word) for word in argv]
    return _text(executable or words[0]), words, _environ(environ)


def _posix_spawn(args: tuple[Any, ...]) -> tuple[str, list[str], Mapping[str, str] | None]:
    path, argv, environ = args
    return _text(path), [_text(word) for word in argv], _environ(environ)


def _exec(args: tuple[Any, ...]) -> tuple[str, list[str], Mapping[str, str] | None]:
    path, argv, environ = args
    return _text(path), [_text(word) for word in argv], _environ(environ)


_READERS = {"subprocess.Popen": _popen, "os.posix_spawn": _posix_spawn, "os.exec": _exec}
