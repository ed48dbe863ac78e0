"""The Markdown report: the summary as GitHub and GitLab render it, for a job's summary or a pull request's comment."""

from __future__ import annotations

import html
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from pytest_aifootprint.records.changes import RUN
from pytest_aifootprint.records.model import RunFootprint
from pytest_aifootprint.reports import files, formatting
from pytest_aifootprint.reports.files import probe
from pytest_aifootprint.reports.summary import Summary, summarise

__all__ = ["NAME", "lines", "probe", "shortened", "write"]

NAME = "aifootprint.md"
MOST_TESTS = 20
STEP_SUMMARY = "GITHUB_STEP_SUMMARY"
"""The variable in which GitHub Actions names the file of a job's summary: what other steps wrote there stays."""

MOST_IN_COMMENT = 65_536
"""Characters: GitHub takes no longer comment. Held in bytes, which are at least as many."""
MOST_IN_SUMMARY = 1 << 20
"""Bytes: GitHub shows no longer summary of a step, what other commands wrote there included."""
MOST_IN_NAME = 160
MOST_IN_LINE = 480

_SPECIAL = re.compile(r"([\\`*_{}\[\]#|~!])")
_HARMLESS = frozenset(" /.:-,=()")
# What GitHub and GitLab make a link, a mention or a reference of, in rendered text too, where an escape is gone.
_LIVELY = re.compile(r"://|www\.|mailto:|xmpp:|(?<![a-z0-9])GH-(?=\d)|[@#!$~%&^](?=\w)", re.IGNORECASE)
_LINK = re.compile(r"://|www\.|mailto:|xmpp:", re.IGNORECASE)
_NOTHING = "\N{ZERO WIDTH SPACE}"
_MARKS = {"pass": "✅", "fail": "❌", "undecided": "⚠️"}


def write(run: RunFootprint, path: Path) -> None:
    """Write the report: a new file takes the place of an old one when it is complete. Raises OSError, see ``files``.

    The file that GitHub Actions names for a job's summary is added to.
    """
    named = os.environ.get(STEP_SUMMARY)
    before, most = "", MOST_IN_COMMENT
    if named and path.exists() and path.resolve() == Path(named).resolve():
        before = path.read_text(encoding="utf-8", errors="replace")
        before += "\n\n" if before.strip() else ""
        most = min(MOST_IN_COMMENT, MOST_IN_SUMMARY - len(before.encode()))
    files.write(path, "the Markdown report", (before, *shortened(lines(summarise(run, MOST_TESTS)), most)))


def shortened(report: Iterable[str], most_bytes: int) -> Iterator[str]:
    """The lines with their ends, at most so many bytes; where that leaves some out, a line says so."""
    said = (
        f"Shortened: a comment on GitHub has at most {MOST_IN_COMMENT:,} characters, the summary of a step 1 MiB. "
        "The rest is in the JSON report; `aifootprint show` prints it."
    )
    cut, closing = ("", "", said), "\n</details>"
    left = most_bytes - sum(len(line.encode()) + 1 for line in (*cut, closing))
    inside = False
    for line in report:
        left -= len(line.encode(errors="replace")) + 1
        if left < 0:
            yield from (f"{last}\n" for last in (*((closing,) if inside else ()), *cut))
            return
        inside = (inside or line.startswith("<details>")) and line != "</details>"
        yield f"{line}\n"


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
    """Words as they are: nothing in them is Markdown, HTML, a link or a mention of somebody."""
    still = _LIVELY.sub(_parted, _clipped(formatting.one_line(text), MOST_IN_LINE))
    return _SPECIAL.sub(r"\\\1", html.escape(still, quote=False))


def _code(text: str) -> str:
    """A name in type of its own, as it is: a pipe would end its cell, anything else could be Markdown.

    What stands in such type is nobody's mention and no reference; a link is made before the type is looked at.
    """
    text = _clipped(formatting.one_line(text), MOST_IN_NAME)
    links = {found.end() - 1 - found.group().count("/") for found in _LINK.finditer(text)}
    signs = (c if c.isalnum() or (c in _HARMLESS and i not in links) else f"&#{ord(c)};" for i, c in enumerate(text))
    return f"<code>{''.join(signs)}</code>"


def _parted(found: re.Match[str]) -> str:
    """With nothing to be seen behind its first sign, or behind a word's last."""
    sign = found.group()
    return f":{_NOTHING}//" if sign == "://" else f"{sign}{_NOTHING}"


def _clipped(text: str, most: int) -> str:
    """A long text without its middle: what a verdict says stands behind the name of its test."""
    if len(text) <= most:
        return text
    end = most // 2
    return f"{text[: most - end - 1]}…{text[-end:]}"
