"""Whatever a test, a model or a provider is called, every kind of report stays valid and does nothing."""

# ruff: noqa: RUF001 - full-width signs are formulas to a spreadsheet
from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import samples  # type: ignore[import-not-found]  # pytest puts this folder on the path, mypy does not
from jsonschema import Draft202012Validator
from markdown_it import MarkdownIt

from pytest_aifootprint.quantities import Grams, Joules, Notice, Range
from pytest_aifootprint.quantities.changed import replace
from pytest_aifootprint.records.model import RunFootprint, Verdict
from pytest_aifootprint.records.model_use import Hint
from pytest_aifootprint.records.schema import report_schema
from pytest_aifootprint.reports import REPORTS
from pytest_aifootprint.reports.markdown_report import MOST_IN_COMMENT
from pytest_aifootprint.reports.saved.read import read
from pytest_aifootprint.reports.summary import summarise
from pytest_aifootprint.reports.text import render

NAMES = {
    "script": "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "closes": "</code></td></table></details>--><!-- ]]> </script>",
    "quotes": "'\"`“”\\' OR 1=1; --",
    "emoji": "👩‍👩‍👧 🦜 e\u0301",
    "lines": "a\nb\r\nc\u2028d\x0be\n# heading\n=1+1\n\n- x",
    "surrogate": "\udc80\ud83d",
    "controls": "\x00\x01\x07\x08\x1b[2J\x1b]8;;http://evil.example\x07x\x9b31m\x7f",
    "bidi": "\u202e\u2066fdp.exe\u2069\ufeff",
    "long": "x" * 5000,
    "long signs": "<&|`*_[" * 700,
    "formula": "=cmd|' /C calc'!A0",
    "semicolon": "a;=cmd|' /C calc'!A0;+1\t=1",
    "mentions": "@everyone #12 GH-34 !56 $78 ~label %1 &2 org/repo#3 a@b.example",
    "links": "https://evil.example www.evil.example mailto:a@b.example [x](http://y) ![i](//z) <http://w>",
    "markdown": "a|b|c *b* _i_ ~~s~~ `c` ```\n| --- |\n***\n[^1]: {{x}} ${y} %s {z}",
    "markup": "[red]x[/red] [link=http://y]z[/link] :smile:",
    "xml": "&lt;&amp;&#10;<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]>&e;<![CDATA[",
    "spaces": "   ",
}
PLAIN = "\n\r\t\u200b\u200d\u2028\ufeff"
FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def named(name: str) -> RunFootprint:
    """A run in which all that anybody may name is called so."""
    own = Range.times_over(2.0, 3.0, f"model:{name}")
    verdict = Verdict(name, f"{name}: 1 gCO2e", "carbon_g", 1.0, Range(2.0), "central", "fail", name, name)
    call = samples.remote_call(1.0, model=name, provider=name, response_model=name, host=name, client=name)
    call = replace(call, impact=replace(call.impact, notices=(Notice("x", name),), source=name, equation=name))
    share = samples.with_fixture().tests[0].fixtures[0]
    fixture = replace(samples.with_fixture().fixtures[0], name=name, id=name, calls=(samples.local_call(1, name),))
    tests = tuple(
        samples.footprint_of(
            nodeid, call, cpu_j=10.0, worker=name, outcome="passed", verdicts=(replace(verdict, scope=nodeid),),
            notices=(Notice("y", name),), fixtures=(replace(share, name=name, trained=(name,)),),
        )
        for nodeid in (f"{name}", f"tests/test_a.py::test_{name}", f"t.py::test[{name}]")
    )  # fmt: skip
    run: RunFootprint = samples.run_of(
        *tests, fixtures=(fixture,), verdicts=(verdict,), seams={name: name, "httpx": f"failed: {name}"}
    )
    grid = replace(samples.FRA, zone=name, source=name, publisher=name)
    hint = Hint("trained-again", name, (name,), (name,), 2, Joules(own), Joules(own), Grams(own))
    training = tuple(replace(m, training=replace(m.training, source=name, parent=name)) for m in run.models)
    return replace(
        run, local_grid=grid, remote_grids={name: grid}, hints=(hint,), models=training, ci={"name": name},
        notices=(Notice("z", name),), host={"cpu": name, "gpus": [name]}, commit=name,
    )  # fmt: skip


def written(kind: str, run: RunFootprint, folder: Path) -> str:
    REPORTS[kind].write(run, folder / "report")
    return (folder / "report").read_bytes().decode("utf-8")


def inert_json(text: str, run: RunFootprint) -> None:
    report = json.loads(text)
    Draft202012Validator(report_schema()).validate(report)
    assert [test["nodeid"] for test in report["tests"]] == [test.nodeid for test in run.tests]


def inert_csv(text: str, run: RunFootprint) -> None:
    header, *rows = csv.reader(text.splitlines(keepends=True), strict=True)
    assert {len(row) for row in rows} == {len(header)}
    assert len(rows) == len(run.tests)
    for row in rows:
        assert not row[0].startswith(FORMULAS)
    # A spreadsheet where the comma is the decimal sign parts cells at semicolons.
    for row in csv.reader(text.splitlines(keepends=True), delimiter=";"):
        assert not [cell for cell in row[1:] if cell.strip('"').startswith(FORMULAS)]


class Page(HTMLParser):
    """Tags of rendered HTML, text outside of ``code``, and cells by row of its tables."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.cells: list[int] = []
        self.text = ""
        self.code = 0
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert not attrs or tag in {"td", "th"}, (tag, attrs)
        self.tags.append(tag)
        self.code += tag == "code"
        if tag == "tr":
            self.cells.append(0)
        if tag in {"td", "th"}:
            self.cells[-1] += 1

    def handle_endtag(self, tag: str) -> None:
        self.code -= tag == "code"

    def handle_data(self, data: str) -> None:
        self.text += "" if self.code else data

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")


TAGS = {"h2", "p", "ul", "li", "strong", "table", "thead", "tbody", "tr", "th", "td", "code", "details", "summary"}
# What GitHub and GitLab make links of in the text of a rendered page, unless it stands in ``code``.
LIVELY = re.compile(r"[@#!~%&$]\w|\bGH-\d|://|www\.\w|mailto:\w")


def inert_markdown(text: str, run: RunFootprint) -> None:
    page = Page(MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(text))
    assert set(page.tags) <= TAGS
    assert page.tags.count("h2") == page.tags.count("details") == 1
    assert page.code == 0
    plain = Page(MarkdownIt("commonmark").enable("table").render(written_text("markdown", named("plain"))))
    assert page.cells == plain.cells
    assert LIVELY.findall(page.text) == []
    # Links are made before the code around them is looked at.
    assert re.findall(r"://|www\.\w|mailto:\w", text) == []
    assert len(text.encode()) < MOST_IN_COMMENT
    assert run.tests


def written_text(kind: str, run: RunFootprint) -> str:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        return written(kind, run, Path(folder))


def inert_xml(text: str, run: RunFootprint) -> None:
    suite = ET.fromstring(text)[0]
    assert {case.tag for case in suite} == {"properties", "testcase"}
    assert len(suite.findall("testcase")) == len(run.tests)
    assert "<!DOCTYPE" not in text
    assert "<![CDATA[" not in text


INERT: dict[str, Callable[[str, RunFootprint], None]] = {
    "csv": inert_csv,
    "json": inert_json,
    "junit": inert_xml,
    "markdown": inert_markdown,
}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
@pytest.mark.parametrize("kind", samples.FILES)
def test_every_kind_of_report_is_inert(kind: str, name: str, tmp_path: Path) -> None:
    run = named(name)
    text = written(kind, run, tmp_path)
    if kind != "junit":  # its names are those that pytest gives, by which consumers find a test
        assert not [c for c in text if not c.isprintable() and c not in PLAIN]
    assert "<script>alert" not in text or kind in {"json", "csv"}
    if kind in INERT:
        INERT[kind](text, run)


def printed(name: str, width: int) -> list[str]:
    lines = render(summarise(named(name)), width)
    return [str(line) if line.label else line.text for line in lines]


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
@pytest.mark.parametrize("width", [80, 200])
def test_the_terminal_obeys_no_name_and_keeps_a_line_a_row(name: str, width: int) -> None:
    lines = printed(name, width)
    assert not [c for line in lines for c in line if not c.isprintable()]
    start = next(i for i, line in enumerate(lines) if line.startswith("most carbon"))
    assert lines[start + 4] == ""  # three tests; hints and notices, which follow, are wrapped
    labels = {line.split(" ", 1)[0] for line in lines[start + 5 :]}
    assert labels <= {"", "hint", "notice", "budget"}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_every_name_comes_back_from_a_saved_report(name: str, tmp_path: Path) -> None:
    run = named(name)
    REPORTS["json"].write(run, tmp_path / "r.json")
    back = read(tmp_path / "r.json")
    assert summarise(back) == summarise(run)
    assert [test.nodeid for test in back.tests] == [test.nodeid for test in run.tests]
    assert back.tests[0].calls[0].call.model == name
