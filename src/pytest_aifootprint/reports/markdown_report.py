"""The Markdown report: the summary as GitHub and GitLab render it, for a job's summary or a pull request's comment."""

from __future__ import annotations

import html
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from pytest_aifootprint.records.changes import RUN
from pytest_aifootprint.records.model import RunFootprint
from pytest_aifootprint.reports import files
from pytest_aifootprint.reports.files import probe
from pytest_aifootprint.reports.summary import Summary, summarise

__all__ = ["NAME", "lines", "probe", "write"]

NAME = "aifootprint.md"
MOST_TESTS = 20
STEP_SUMMARY = "GITHUB_STEP_SUMMARY"
"""The variable in which GitHub Actions names the file of a job's summary: what other steps wrote there stays."""

_SPECIAL = re.compile(r"([\\`*_{}\[\]#|~!])")
_HARMLESS = frozenset(" /.:-,=()")
_MARKS = {"pass": "✅", "fail": "❌", "undecided": "⚠️"}


def write(run: RunFootprint, path: Path) -> None:
    """Write the report: a new file takes the place of an old one when it is complete. Raises OSError, see ``files``.

    The file that GitHub Actions names for a job's summary is added to.
    """
    text = "\n".join(lines(summarise(run, MOST_TESTS)))
    named = os.environ.get(STEP_SUMMARY)
    before = ""
    if named and path.exists() and path.resolve() == Path(named).resolve():
        before = path.read_text(encoding="utf-8")
        before += "\n\n" if before.strip() else ""
    files.write(path, "the Markdown report", (before, text, "\n"))


def lines(summary: Summary) -> Iterator[str]:
    """The report line by line."""
    yield "## AI footprint"
    yield ""
    yield _text(summary.header)
    verdicts = [line for line in summary.lines if line.verdict]
    if verdicts:
        yield ""
        yield from (f"- {_MARKS[line.verdict]} **{line.label}** {_text(line.text)}" for line in verdicts)
    if summary.figures:
        yield from _figures(summary)
    if summary.changes:
        yield from _changes(summary)
    if summary.ranking:
        yield from _tests(summary)
    rest = [(line.label, line.text) for line in summary.lines if not line.verdict]
    if summary.facts or rest:
        yield from _details(summary.facts, rest)


def _figures(summary: Summary) -> Iterator[str]:
    parts = ", ".join(f"{_text(name)} {_text(value)}" for name, value in summary.parts)
    rows = [
        (figure.label, figure.central, figure.range, parts if figure.label == "carbon" else _text(figure.detail))
        for figure in summary.figures
    ]
    yield ""
    yield "| | central | 90 % range | |"
    yield "|---|---:|---|---|"
    yield from (
        f"| **{label}** | {_text(central)} | {_text(span)} | {detail} |" for label, central, span, detail in rows
    )
    yield from (f"| {_text(label)} | {_text(value)} | | {_text(remark)} |" for label, value, remark in summary.asides)


def _changes(summary: Summary) -> Iterator[str]:
    yield ""
    yield "| against the baseline | | before | now | change |"
    yield "|---|---|---:|---:|---:|"
    for scope, *cells in summary.changes:
        name = "**run**" if scope == RUN else _code(scope)
        yield f"| {name} | {' | '.join(map(_text, cells))} |"


def _tests(summary: Summary) -> Iterator[str]:
    yield ""
    yield "| most carbon | calls | tokens | energy | carbon | 90 % range |"
    yield "|---|---:|---:|---:|---:|---|"
    for row in summary.ranking:
        cells = (row.calls, row.tokens, row.energy, row.carbon, row.range)
        yield f"| {_code(row.nodeid)} | {' | '.join(map(_text, cells))} |"


def _details(facts: Sequence[tuple[str, str]], rest: Sequence[tuple[str, str]]) -> Iterator[str]:
    yield ""
    yield "<details><summary>Where the numbers come from</summary>"
    yield ""
    yield from (f"- **{_text(label)}** {_text(text)}" for label, text in (*facts, *rest))
    yield ""
    yield "</details>"


def _text(text: str) -> str:
    """Words as they are: nothing in them is Markdown, HTML or a mention of somebody."""
    return _SPECIAL.sub(r"\\\1", html.escape(text, quote=False)).replace("@", "&#64;")


def _code(text: str) -> str:
    """A name in type of its own: a pipe would end its cell, anything else could be Markdown."""
    return f"<code>{''.join(c if c.isalnum() or c in _HARMLESS else f'&#{ord(c)};' for c in text)}</code>"
