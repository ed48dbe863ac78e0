"""The HTML report: one file that says what the terminal says, asks for nothing, and takes every name for a name."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import samples  # type: ignore[import-not-found]  # pytest puts this folder on the path, mypy does not

from pytest_aifootprint.quantities import Grams, Notice, Range
from pytest_aifootprint.quantities.changed import replace
from pytest_aifootprint.records.amounts import Carbon
from pytest_aifootprint.records.model import RunFootprint, Verdict
from pytest_aifootprint.records.timeline import Timeline
from pytest_aifootprint.reports import formatting, html_report, json_report
from pytest_aifootprint.reports.page import view
from pytest_aifootprint.reports.saved import read
from pytest_aifootprint.reports.summary import summarise

ROOT = Path(__file__).parents[3]
VOID = {"meta", "link", "input", "br", "rect"}
HOSTILE = (
    "<script>alert(1)</script>", "</script><script>alert(2)</script>", "<!--<script>", "]]>",
    "\"'><img src=x onerror=a>", "{{ 7 * 7 }}{% include 'x' %}", "&lt;b&gt;", "🦥 λ \u202eevil",
    "line\nbreak\r\ttab", "\ud800 lone \udfff", "\u2028\u2029\x85", "x" * 5_000, "\0nul\x1b[31m",
    "`${alert(3)}`", "style='x' onload=y", "\0data\0",
)  # fmt: skip


class Page(HTMLParser):
    """The page as a parser sees it: every element closed, texts, attributes, the contents of scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.raw: list[tuple[str, dict[str, str | None], str]] = []
        self.words: list[str] = []
        self.feed(text.replace("<wbr>", ""))
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        assert len(dict(attrs)) == len(attrs), f"{tag} has an attribute twice"
        if tag in {"script", "style"}:
            self.raw.append((tag, dict(attrs), ""))
        if tag not in VOID or tag == "rect":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in {"script", "style"}:
            tag, attributes, before = self.raw[-1]
            self.raw[-1] = (tag, attributes, before + data)
        else:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    @property
    def data(self) -> dict[str, Any]:
        """What the script works on."""
        (found,) = [text for tag, attributes, text in self.raw if tag == "script" and attributes.get("id") == "data"]
        data: dict[str, Any] = json.loads(found)
        return data

    def rows(self, kind: str) -> dict[str, dict[str, Any]]:
        """Rows of tests or fixtures by name, as dicts."""
        names = self.data["columns"][kind]
        return {row[0]: dict(zip(names, row, strict=True)) for row in self.data[f"{kind}s"]}


def page(run: RunFootprint) -> Page:
    return Page("".join(html_report.chunks(run)))


def said(text: str) -> str:
    return " ".join(text.split())


LINE = Timeline(
    0.5, (0.0, 0.5), {"cpu": {"ai_tests": (1.0, 0.0), "shared_fixtures": (0.0, 0.0), "other_tests": (0.0, 2.0),
    "rest": (4.0, 4.0)}, "ram": {"ai_tests": (0.0, 0.0), "shared_fixtures": (0.0, 0.0), "other_tests": (0.0, 0.0),
    "rest": (1.5, 1.5)}}, {"live": (3, 0), "replayed": (0, 1), "mocked": (0, 0)},
    {"live": (1, 1), "replayed": (0, 1), "mocked": (0, 0)},
)  # fmt: skip


@pytest.mark.parametrize("make", samples.EVERY.values(), ids=samples.EVERY)
def test_every_run_is_a_page_that_says_what_the_terminal_says(make: Callable[[], RunFootprint]) -> None:
    run = make()
    found, summary = page(run), summarise(run)
    assert said(summary.header) in found.text
    for figure in summary.figures:
        # The headline's number and unit stand in elements of their own.
        assert said(figure.central if figure.label != "carbon" else figure.central.partition(" ")[0]) in found.text
        assert said(figure.range) in found.text
    for label, value, remark in summary.asides:
        assert said(f"{label} {value} {remark}") in found.text
    for _, text in summary.facts:
        assert said(text) in found.text
    for line in summary.lines:
        assert said(line.text.replace(f": {line.verdict}", "", 1) if line.verdict else line.text) in found.text
    for row in summary.ranking:
        assert said(f"{row.calls} {row.tokens} {row.energy} {row.carbon} {row.range}") in found.text
    assert found.rows("test").keys() == {formatting.one_line(test.nodeid) for test in run.tests}


def test_the_page_asks_for_nothing_and_allows_only_what_is_in_it() -> None:
    found = page(replace(samples.mixed(), timeline=LINE))
    (policy,) = [a["content"] for tag, a in found.elements if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy is not None
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    inline = [(tag, text) for tag, attributes, text in found.raw if attributes.get("type") != "application/json"]
    assert [tag for tag, _ in inline] == ["style", "script"]
    for tag, text in inline:
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert rules[f"{tag}-src"] == f"'sha256-{digest}'"
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    ours = "".join(text for _, text in inline).replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"https?:|url\(|@import|\bimport\b|fetch\(|XMLHttp|innerHTML|eval\(", ours)
    for tag, attributes in found.elements:
        assert not [name for name in attributes if name.startswith("on") or name == "style"], tag
        for name in ("src", "href", "action", "data"):
            assert (attributes.get(name) or "#").startswith(("#", "data:,")), (tag, attributes)
    ids = [a["id"] for _, a in found.elements if "id" in a]
    assert len(set(ids)) == len(ids)
    assert {a["href"] for tag, a in found.elements if tag == "a"} <= {f"#{name}" for name in ids}


def named(name: str) -> RunFootprint:
    """A run in which everything that has a name has this one."""
    call = samples.remote_call(1.0, name, provider=name, operation=name, phase=name)
    fixed = samples.with_fixture()
    fixture = replace(fixed.fixtures[0], id=name, name=name, scope=name, calls=(call,))
    verdict = Verdict(name, name, "carbon_g", 1.0, None, "central", "fail", name, name)
    test = samples.footprint_of(name, call, cpu_j=5.0, outcome=name, worker=name, notices=(Notice(name, name),))
    shares = (replace(fixed.tests[0].fixtures[0], id=name),)
    run: RunFootprint = replace(
        samples.run_of(replace(test, verdicts=(verdict,), fixtures=shares)),
        fixtures=(fixture,), notices=(Notice("code", name),), verdicts=(replace(verdict, scope="run"),), commit=name,
        host={"cpu": name, "gpus": [name], "kind": name}, ci={name: name}, seams={name: "armed"}, timeline=LINE,
        rejected_meters=({"name": name, "reason": name, "remedy": name},),
    )  # fmt: skip
    return run


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_name_stays_a_name_wherever_it_stands(name: str) -> None:
    text = "".join(html_report.chunks(named(name)))
    assert text.encode()  # no half of a surrogate
    plain, found = page(named("plain")), Page(text)
    printed = formatting.one_line(name)
    assert found.rows("test").keys() == {printed}
    assert printed in found.data["texts"]
    # Elements and attributes are the same, whatever the names are.
    assert [tag for tag, _ in found.elements] == [tag for tag, _ in plain.elements]
    assert [list(attributes) for _, attributes in found.elements] == [list(a) for _, a in plain.elements]
    (block,) = [text for _, attributes, text in found.raw if attributes.get("id") == "data"]
    assert not set(block) & set("<>&\u2028\u2029\x7f\x9b")


def test_the_scripts_data_are_the_runs_figures() -> None:
    run = samples.failed_budget()
    found = page(run)
    test, row = run.tests[0], found.rows("test")[run.tests[0].nodeid]
    carbon = test.carbon.total
    assert (row["low"], row["carbon"], row["high"]) == pytest.approx(
        (carbon.low, carbon.central, carbon.high), rel=1e-5
    )
    assert row["energy"] == pytest.approx(test.energy.total.central, rel=1e-5)
    assert sum(row["parts"]) == pytest.approx(carbon.central, rel=1e-5)
    assert (row["calls"], row["tokens"], row["ai"]) == (4, test.tokens.all, 1)
    assert [verdict for verdict, _ in row["verdicts"]] == ["fail", "fail"]
    texts, columns = found.data["texts"], found.data["columns"]["call"]
    call = dict(zip(columns, row["rows"][0], strict=True))
    # Three calls that are alike in everything are one row.
    assert [r[0] for r in row["rows"]] == [3, 1]
    assert texts[call["model"]] == "gpt-5-mini"
    assert texts[call["source"]] == "ecologits 0.11, closed-model class"
    assert texts[call["equation"]] == "E = PUE*F/eta"
    assert texts[call["basis"]] == "estimated"
    assert call["told"] == {"n": 2000, "c": 0, "out": 500, "items": 1}


def test_unknown_is_not_zero_on_the_page() -> None:
    run = samples.unknown_training()
    row = page(run).rows("test")["tests/test_local.py::test_one"]
    assert row["parts"][1] is None
    others = [[page(run).data["texts"][label], value] for label, value, _ in row["others"]]
    assert ["training", formatting.UNKNOWN] in others
    blank = replace(run.tests[0], carbon=replace(run.tests[0].carbon, use=None, training=None, hardware=None))
    blank_row = page(replace(run, tests=(blank,))).rows("test")["tests/test_local.py::test_one"]
    assert (blank_row["carbon"], blank_row["low"], blank_row["printed"][3]) == (None, None, formatting.UNKNOWN)


def test_without_script_the_totals_and_the_heaviest_tests_are_there() -> None:
    run = samples.large(300, ai_every=1)
    found = page(run)
    shown = [name for name in found.rows("test") if name in found.words]
    assert len(shown) == html_report.SHOWN
    assert f"The {html_report.SHOWN} heaviest of 300 tests" in found.text
    assert "Every figure with its range, equation and source" in found.text
    assert "carbon of its grid" in found.text


def test_the_timeline_is_a_chart_with_words_and_a_table() -> None:
    found = page(replace(samples.mixed(), timeline=LINE))
    labels = [a.get("aria-label") or "" for tag, a in found.elements if tag == "svg"]
    assert any(label.startswith("Power of cpu over the run: AI tests 500 mJ, at most 1 W at 0") for label in labels)
    assert "ram: 1.5 W on average, none of it for tests" in found.text
    paths = {
        a["class"]: a["d"] for tag, a in found.elements if tag == "path" and a.get("class") in {"ai_tests", "rest"}
    }
    # 2 bins of 50 wide on a scale of 6 W, 40 high: the first 1 W high, the second 0; rest on top of it.
    assert paths["ai_tests"] == "M0 40V33.33H50V40H100V40H0Z"
    assert paths["rest"] == "M0 40V6.667H50V0H100V26.67H50V33.33H0Z"
    assert "3 live calls" in found.text
    assert "h-time" not in "".join(html_report.chunks(samples.mixed()))


def test_a_bar_is_its_parts_on_the_scale_of_the_furthest_whisker() -> None:
    found = page(samples.failed_budget())
    scale = max(test.carbon.total.high for test in samples.mixed().tests)
    heaviest = samples.mixed().tests[0]
    start = next(i for i, (tag, a) in enumerate(found.elements) if a.get("id") == "rows")
    rects = [a for tag, a in found.elements[start:] if tag == "rect"][:3]
    assert heaviest.carbon.use is not None
    assert float(rects[0]["width"] or 0) == pytest.approx(100 * heaviest.carbon.use.central / scale, abs=0.001)
    assert float(rects[1]["x"] or 0) == pytest.approx(float(rects[0]["width"] or 0), abs=0.002)
    assert [a["class"] for a in rects] == ["use", "training", "hardware"]


def test_ranges_that_no_number_can_hold_do_not_end_the_report() -> None:
    run = samples.mixed()
    wide = Grams(Range(1e10, {"model:x": (-700.0, 700.0)}))
    test = replace(run.tests[0], carbon=replace(run.tests[0].carbon, use=wide))
    totals = replace(run.totals, carbon=test.carbon)
    row = page(replace(run, tests=(test,), totals=totals)).rows("test")[test.nodeid]
    assert row["high"] is None


def test_writing_replaces_the_file_when_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "page.html"
    html_report.write(samples.mixed(), path)
    Page(path.read_text(encoding="utf-8"))
    assert [file.name for file in path.parent.iterdir()] == ["page.html"]


def test_what_a_report_needs_is_imported_when_it_is_asked_for_and_not_before() -> None:
    code = """
import sys
from pytest_aifootprint.reports import REPORTS, terminal, where
from pathlib import Path
def imported():
    return [name for name in sys.modules if name.endswith("_report") and "aifootprint" in name]
assert "html" in REPORTS and list(REPORTS) and not imported(), imported()
where("html:page.html", Path())
REPORTS["html"]
assert imported() == ["pytest_aifootprint.reports.html_report"] and "jinja2" not in sys.modules, imported()
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_wheel_holds_the_templates() -> None:
    from hatchling.builders.wheel import WheelBuilder

    inside = {file.distribution_path for file in WheelBuilder(str(ROOT)).recurse_included_files()}
    folder = ROOT / "src" / "pytest_aifootprint" / "reports" / "page"
    assert {f"pytest_aifootprint/reports/page/{file.name}" for file in folder.iterdir() if file.is_file()} <= inside
    assert {"page.html", "parts.html", "style.css", *html_report.SCRIPTS} <= {file.name for file in folder.iterdir()}


def test_what_changed_against_the_baseline_is_a_table_with_hostile_names_in_it() -> None:
    run = samples.with_baseline()
    assert run.changes is not None
    many = [replace(run.changes.changes[1], scope=f"{name}{n}") for n in range(2) for name in HOSTILE]
    run = replace(run, changes=replace(run.changes, changes=(run.changes.changes[0], *many)))
    found = page(run)
    assert "Against 3 runs in baseline.json: 2 tests compared, 1 new, 1 gone." in found.text
    assert "the run carbon -25 % 1.5 g 1.1 g" in found.text
    assert found.text.count(f"tokens {formatting.UNKNOWN} 0 tokens 1.2 k tokens") == view.MOST_CHANGES
    assert "Those that changed most; aifootprint compare" in found.text
    assert "h-changes" not in "".join(html_report.chunks(samples.mixed()))


def test_many_verdicts_do_not_push_the_figures_off_the_first_screen() -> None:
    run = samples.failed_budget()
    verdicts = tuple(replace(run.verdicts[0], verdict=word) for word in ("pass", "undecided", "fail") * 20)
    tests = tuple(replace(test, verdicts=()) for test in run.tests)
    text = "".join(html_report.chunks(replace(run, tests=tests, verdicts=verdicts)))
    above = text[: text.index('<details class="more">')]
    assert above.count('<li class="fail">') == html_report.MOST_OPEN
    assert '<li class="pass">' not in above
    assert text.count('<li class="') - text.count('<li class="quiet') >= 60
    assert "<summary>55 more</summary>" in text


def test_of_inputs_that_are_as_wide_a_saved_report_shows_the_same_first() -> None:
    run = samples.mixed()
    carbon = run.totals.carbon
    assert carbon.use is not None
    # As wide but for the last digit, which a file does not keep.
    pairs = {f"energy:{n}": (-math.log(3) * (1 + n * 1e-16 * (-1) ** n), math.log(3)) for n in range(12)}
    use = Grams(Range(carbon.use.central, pairs))
    run = replace(run, totals=replace(run.totals, carbon=Carbon(use, Grams(Range(0.0)), Grams(Range(0.0)))))
    again = read.run_of(json_report.as_dict(run))
    assert view.factors(again) == view.factors(run)
    assert len(view.factors(run)) == view.MOST_FACTORS


def test_a_test_that_is_named_like_a_verdict_keeps_its_name() -> None:
    run = samples.failed_budget()
    verdict = replace(run.verdicts[0], scope="test_it.py::test_x[: fail]", verdict="fail")
    ((word, text),) = view.verdicts(replace(run, verdicts=(verdict,), tests=()))
    assert word == "fail"
    assert text.startswith("test_it.py::test_x[: fail]: ")
