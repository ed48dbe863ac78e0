"""The Markdown report, rendered by a real renderer: what the summary says, and nothing that a name could smuggle in."""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest
import samples  # type: ignore[import-not-found]  # pytest puts this folder on the path, mypy does not
from markdown_it import MarkdownIt

from pytest_aifootprint.quantities import Notice
from pytest_aifootprint.quantities.changed import replace
from pytest_aifootprint.records.model import RunFootprint
from pytest_aifootprint.reports import markdown_report, report_writer
from pytest_aifootprint.reports.summary import summarise

HOSTILE = [
    "t.py::test[<script>alert(1)</script>]",
    "t.py::test[a|b|c]",
    "t.py::test[`*_~#!x`]",
    "t.py::test[![x](http://a/b.png)]",
    "t.py::test[@everyone]",
    "t.py::test[\N{GRINNING FACE}\n\n# heading]",
    "t.py::" + "x" * 5000,
]


class Page(HTMLParser):
    """Tags and text of rendered HTML; cells of its tables."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.rows: list[list[str]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in {"td", "th"}:
            self.rows[-1].append("")

    def handle_data(self, data: str) -> None:
        self.text += data
        if self.rows and self.rows[-1]:
            self.rows[-1][-1] += data


def text_of(run: RunFootprint) -> str:
    return "\n".join(markdown_report.lines(summarise(run, 20)))


def rendered(run: RunFootprint) -> Page:
    return Page(MarkdownIt("commonmark").enable("table").render(text_of(run)))


@pytest.mark.parametrize("make", samples.EVERY.values(), ids=samples.EVERY)
def test_every_run_renders_to_its_summary(make: Callable[[], RunFootprint]) -> None:
    run = make()
    page, summary = rendered(run), summarise(run, 20)
    flat = re.sub(r"\s+", " ", page.text)
    assert summary.header in flat
    cells = [cell.strip() for row in page.rows for cell in row]
    for figure in summary.figures:
        assert figure.central in cells
    for row in summary.ranking:
        assert row.nodeid in cells
        assert row.carbon in cells
    for line in summary.lines:
        assert re.sub(r"\s+", " ", line.text) in flat.replace("\N{ZERO WIDTH SPACE}", "")
    for label, text in summary.facts:
        assert f"{label} {' '.join(text.split())}" in flat
    assert {len(row) for row in page.rows} <= {4, 5, 6}  # figures, changes, tests


def test_verdicts_stand_on_top_each_with_its_mark() -> None:
    head = text_of(samples.failed_budget()).partition("| |")[0]
    verdicts = [line for line in summarise(samples.failed_budget(), 20).lines if line.verdict]
    assert verdicts
    assert head.count("**budget**") == len(verdicts)
    assert "\N{CROSS MARK} **budget**" in head


@pytest.mark.parametrize("nodeid", HOSTILE)
def test_a_test_id_is_text_whatever_it_holds(nodeid: str) -> None:
    run = samples.mixed()
    first = replace(run.tests[0], nodeid=nodeid)
    page = rendered(replace(run, tests=(first, *run.tests[1:])))
    plain = rendered(run)
    assert page.tags == plain.tags
    shown = nodeid.replace("\n", "\\n")
    if len(shown) > markdown_report.MOST_IN_NAME:
        shown = f"{shown[: markdown_report.MOST_IN_NAME // 2 - 1]}…{shown[-markdown_report.MOST_IN_NAME // 2 :]}"
    assert any(shown == cell.strip() for row in page.rows for cell in row)


def test_a_notice_is_text_whatever_it_holds() -> None:
    run = samples.mixed()
    message = "<img src=x onerror=alert(1)> [a](http://b) **c** | d\n# e @f"
    page = rendered(replace(run, notices=(Notice("x", message),)))
    assert "img" not in page.tags
    assert "a" not in page.tags
    assert message.replace("\n", "\\n") in page.text.replace("\N{ZERO WIDTH SPACE}", "")


def test_nobody_is_mentioned() -> None:
    run = samples.mixed()
    named = replace(run.tests[0], nodeid="t.py::test[@somebody]")
    text = text_of(replace(run, tests=(named,), notices=(Notice("x", "mail a@b"),)))
    assert re.findall(r"@\w", text) == []
    # The test's name, which nobody looks for mentions in, can be copied as it is.
    assert "&#64;somebody" in text


def test_what_other_steps_wrote_into_a_jobs_summary_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "summary.md"
    file.write_text("# Build\n", encoding="utf-8")
    markdown_report.write(samples.mixed(), file)
    assert file.read_text(encoding="utf-8").startswith("## AI footprint")
    file.write_text("# Build\n", encoding="utf-8")
    monkeypatch.setenv(markdown_report.STEP_SUMMARY, str(file))
    markdown_report.write(samples.mixed(), file)
    markdown_report.write(samples.mixed(), tmp_path / "other.md")
    assert file.read_text(encoding="utf-8").startswith("# Build\n\n\n## AI footprint")
    assert (tmp_path / "other.md").read_text(encoding="utf-8").startswith("## AI footprint")


def long_run() -> RunFootprint:
    """10,000 tests with ids of 5,000 signs that each take six in Markdown, each over its limit, and 100 limits."""
    run = samples.failed_budget()
    verdict = replace(run.verdicts[0], verdict="fail")
    names = (f"tests/test_{n}.py::test[{'<&|`*' * 1000}]" for n in range(10_000))
    tests = tuple(
        replace(run.tests[n % 3], nodeid=name, verdicts=(replace(verdict, scope=name),)) for n, name in enumerate(names)
    )
    limits = tuple(replace(verdict, limit=f"use: {n + 1} gCO2e", reason="x<" * 3000) for n in range(100))
    notices = tuple(Notice("x", f"{n} {'|' * 5000}") for n in range(50))
    long: RunFootprint = replace(run, tests=tests, verdicts=limits, notices=notices)
    return long


def test_a_report_of_a_large_run_fits_into_a_comment_and_says_what_it_leaves_out(tmp_path: Path) -> None:
    file = tmp_path / "r.md"
    markdown_report.write(long_run(), file)
    text = file.read_text(encoding="utf-8")
    assert 50_000 < len(text.encode()) < markdown_report.MOST_IN_COMMENT
    assert text.rstrip().endswith("`aifootprint show` prints it.")
    assert "Shortened: a comment on GitHub has at most 65,536 characters" in text
    page = Page(MarkdownIt("commonmark").enable("table").render(text))
    assert {len(row) for row in page.rows} <= {4, 5, 6}  # figures, changes, tests
    small = tmp_path / "small.md"
    markdown_report.write(samples.mixed(), small)
    assert "Shortened" not in small.read_text(encoding="utf-8")


def test_a_long_id_and_what_is_said_of_it_are_both_to_be_read() -> None:
    run = samples.failed_budget()
    name = f"tests/test_judge.py::test_faithful[{'x' * 5000}-end]"
    verdict = replace(run.tests[0].verdicts[0], scope=name)
    text = text_of(replace(run, tests=(replace(run.tests[0], nodeid=name, verdicts=(verdict,)), *run.tests[1:])))
    (line,) = [line for line in text.splitlines() if line.startswith("- \N{CROSS MARK}")]
    assert "test\\_faithful" in line
    assert line.endswith("1.1 g of 0.05 g (2200 %): fail")
    assert len(line) < 600
    (row,) = [
        line for line in text.splitlines() if line.startswith("| <code>tests/test&#95;judge.py::test&#95;faithful")
    ]
    assert "-end&#93;</code>" in row


@pytest.mark.parametrize("most", range(300, 3400, 100))
def test_a_report_that_is_cut_anywhere_is_whole_markdown(most: int) -> None:
    whole = list(markdown_report.lines(summarise(samples.failed_budget(), 20)))
    text = "".join(markdown_report.shortened(whole, most))
    assert len(text.encode()) <= most
    html = MarkdownIt("commonmark").enable("table").render(text)
    assert html.count("<details>") == html.count("</details>")
    assert text == "".join(f"{line}\n" for line in whole) or "Shortened" in Page(html).text


def test_a_jobs_summary_has_no_more_than_a_step_may_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "summary.md"
    before = "y" * (markdown_report.MOST_IN_SUMMARY - 900)
    file.write_text(before, encoding="utf-8")
    monkeypatch.setenv(markdown_report.STEP_SUMMARY, str(file))
    markdown_report.write(samples.failed_budget(), file)
    text = file.read_text(encoding="utf-8")
    assert text.startswith(f"{before}\n\n## AI footprint")
    assert "Shortened" in text
    assert len(text.encode()) <= markdown_report.MOST_IN_SUMMARY


def test_a_jobs_summary_that_is_no_text_keeps_what_can_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "summary.md"
    file.write_bytes(b"# Build \xff\n")
    monkeypatch.setenv(markdown_report.STEP_SUMMARY, str(file))
    markdown_report.write(samples.mixed(), file)
    assert file.read_text(encoding="utf-8").startswith("# Build \N{REPLACEMENT CHARACTER}\n\n\n## AI footprint")


def test_the_kind_is_known_by_its_name() -> None:
    assert report_writer("markdown") is markdown_report
