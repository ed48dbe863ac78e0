"""What a run is told in: the terminal and the kinds of ``--aifootprint-report``. A new kind is a module and a row."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from pytest_aifootprint.reports.endpoints import Endpoint

if TYPE_CHECKING:
    from pytest_aifootprint.records.model import RunFootprint

Target = Path | Endpoint
"""Where a report goes: to a file, or to a service."""


_NO_OTHERS: Mapping[str, Path] = {}


class ReportKind(Protocol):
    """A module that writes reports of one kind; ``NAME`` of the file where none is given.

    One that sends its reports has a function ``endpoint`` besides: from what the user gave to what is meant. Its
    targets are endpoints, those of the others are paths.
    """

    NAME: str

    def probe(self, target: Any, /) -> None:
        """Before the run: raise ValueError, one line, if a report cannot be written there. Leaves nothing behind."""

    def write(self, run: RunFootprint, target: Any, /) -> None:
        """Write the report, all or nothing. Raises OSError with a ``strerror`` for people."""


class _Kinds(Mapping[str, ReportKind]):
    """The kinds by name; the module of one is imported when it is asked for: each run imports this package."""

    def __init__(self, *names: str) -> None:
        self._names = names

    def __getitem__(self, name: str) -> ReportKind:
        if name not in self._names:
            raise KeyError(name)
        return cast("ReportKind", import_module(f"{__name__}.{name}_report"))

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


REPORTS: Mapping[str, ReportKind] = _Kinds("badge", "csv", "html", "json", "junit", "markdown", "otel")


def where(text: str, folder: Path) -> tuple[str, Target]:
    """Kind and target of a report as people ask for it, ``KIND[:PATH]``; without a path, its own name in ``folder``.

    ``~`` and ``$NAME`` are of the user's home and environment. Whether there is such a kind, ``report_writer`` knows.
    """
    kind, _, path = text.partition(":")
    endpoint = getattr(REPORTS.get(kind), "endpoint", None)
    if endpoint is not None:
        named: Endpoint = endpoint(os.path.expandvars(path))
        return kind, named
    path = path or (REPORTS[kind].NAME if kind in REPORTS else kind)
    return kind, folder / Path(os.path.expandvars(path)).expanduser()


def probe(kind: str, target: Target, earlier: Collection[Target] = (), others: Mapping[str, Path] = _NO_OTHERS) -> None:
    """Before the run: see whether this report can go there, beside those that were asked for earlier.

    Args:
        kind: of the report.
        target: where it is to go.
        earlier: targets of reports.
        others: files that it must not overwrite, by what they are.

    Raises:
        ValueError: one line, also for an unknown kind.
    """
    report_writer(kind).probe(target)
    if not isinstance(target, Path) or (target.exists() and not target.is_file()):
        return
    # A link is no file of its own.
    file = os.path.realpath(target)
    if any(isinstance(path, Path) and os.path.realpath(path) == file for path in earlier):
        raise ValueError(f"{target} is to be two reports; a report needs a file of its own")
    for what, path in others.items():
        if os.path.realpath(path) == file:
            raise ValueError(f"{target} is {what}, which would be overwritten; a report needs a file of its own")


def report_writer(kind: str) -> ReportKind:
    """What writes reports of this kind.

    Raises:
        ValueError: for an unknown kind; the message names the valid ones.
    """
    try:
        return REPORTS[kind]
    except KeyError:
        raise ValueError(f"{kind!r} is no kind of report; valid: {', '.join(sorted(REPORTS))}") from None
