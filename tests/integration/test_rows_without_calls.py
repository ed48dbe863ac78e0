"""A row for every test of a suite that called no model: each report can be written, and its rows are there."""

from __future__ import annotations

import json

import pytest

FILES = {
    "json": "report.json",
    "csv": "report.csv",
    "html": "report.html",
    "markdown": "report.md",
    "junit": "report.xml",
}


def test_each_report_has_the_tests(pytester: pytest.Pytester, workers: tuple[str, ...]) -> None:
    pytester.makepyfile(test_plain="def test_one(): pass\n\ndef test_two(): sum(range(100_000))\n")

    reports = [f"--aifootprint-report={kind}:{name}" for kind, name in FILES.items()]
    result = pytester.runpytest_subprocess("--aifootprint", "--aifootprint-tests", "all", *reports, *workers)

    assert result.ret == 0
    assert "report not written" not in result.stderr.str()
    said = {kind: (pytester.path / name).read_text(encoding="utf-8") for kind, name in FILES.items()}
    assert [len(json.loads(said["json"])["tests"]), said["csv"].count("test_plain.py::")] == [2, 2]
    for kind in ("html", "junit"):
        assert "test_one" in said[kind], kind
        assert "test_two" in said[kind], kind
    assert "0 AI calls in 2 tests" in said["markdown"]
    # Without its script, too: what is drawn by it stands behind the table.
    assert "test_two" in said["html"].replace("<wbr>", "").partition('<script type="application/json"')[0]
