"""Reports of all kinds, written by a real run, alone and with workers."""

from __future__ import annotations

import csv
import json

import pytest

from pytest_aifootprint.reports import REPORTS

SUITE = """
    import pytest

    @pytest.mark.parametrize("n", [1, 2])
    def test_asks(aifootprint, n):
        aifootprint.record_call(model="gpt-4o", provider="openai", input_tokens=100 * n, output_tokens=10)

    def test_plain():
        pass
"""


def test_one_run_writes_a_report_of_every_kind(pytester: pytest.Pytester, workers: tuple[str, ...]) -> None:
    pytester.makepyfile(test_it=SUITE)
    files = ("json:out/r.json", "csv:out/r.csv", "markdown:out/r.md", "badge:out/b.json", "html:out/r.html")
    reports = [f"--aifootprint-report={file}" for file in files]
    done = pytester.runpytest("--aifootprint", *reports, "--aifootprint-budget", "1 mgCO2e", *workers)
    assert done.ret == pytest.ExitCode.TESTS_FAILED
    report = json.loads((pytester.path / "out/r.json").read_text())
    with (pytester.path / "out/r.csv").open(newline="") as file:
        rows = {row["nodeid"]: row for row in csv.DictReader(file)}
    assert rows.keys() == {"test_it.py::test_asks[1]", "test_it.py::test_asks[2]"}
    for test in report["tests"]:
        assert float(rows[test["nodeid"]]["carbon_g"]) == test["carbon_g"]["total"]["central"]
    badge = json.loads((pytester.path / "out/b.json").read_text())
    assert badge["color"] == "red"
    assert badge["message"].endswith("gCO2e")
    markdown = (pytester.path / "out/r.md").read_text()
    assert "**budget**" in markdown
    page = (pytester.path / "out/r.html").read_text(encoding="utf-8")
    assert "✗ fail" in page
    assert "2 of 3 tests called an AI model: 2 live calls" in markdown


def test_reports_stand_under_their_own_names_where_none_is_given(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it=SUITE)
    kinds = [kind for kind in REPORTS if kind != "otel"]
    done = pytester.runpytest("--aifootprint", *(f"--aifootprint-report={kind}" for kind in kinds))
    for kind in kinds:
        assert [line for line in done.outlines if f" generated {kind} report: {pytester.path}" in line], kind
    names = {path.name for path in pytester.path.glob("aifootprint*")}
    assert names == {
        "aifootprint-badge.json",
        "aifootprint-junit.xml",
        "aifootprint.csv",
        "aifootprint.html",
        "aifootprint.json",
        "aifootprint.md",
    }


def test_an_unknown_kind_is_refused_in_one_line(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it=SUITE)
    done = pytester.runpytest("--aifootprint", "--aifootprint-report=pdf")
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines("*'pdf' is no kind of report; valid: badge, csv, html, json, junit, markdown, otel*")
