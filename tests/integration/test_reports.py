"""Reports of all kinds, written by a real run, alone and with workers."""

from __future__ import annotations

import csv
import json

import pytest

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
    done = pytester.runpytest(
        "--aifootprint", "--aifootprint-report", "json:out/r.json", "--aifootprint-report", "csv:out/r.csv",
        "--aifootprint-report", "markdown:out/r.md", "--aifootprint-budget", "1 mgCO2e", *workers,
    )  # fmt: skip
    assert done.ret == pytest.ExitCode.TESTS_FAILED
    report = json.loads((pytester.path / "out/r.json").read_text())
    with (pytester.path / "out/r.csv").open(newline="") as file:
        rows = {row["nodeid"]: row for row in csv.DictReader(file)}
    assert rows.keys() == {"test_it.py::test_asks[1]", "test_it.py::test_asks[2]"}
    for test in report["tests"]:
        assert float(rows[test["nodeid"]]["carbon_g"]) == test["carbon_g"]["total"]["central"]
    markdown = (pytester.path / "out/r.md").read_text()
    assert "**budget**" in markdown
    assert "2 of 3 tests called an AI model: 2 live calls" in markdown


def test_reports_stand_under_their_own_names_where_none_is_given(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it=SUITE)
    kinds = ("csv", "json", "markdown")
    pytester.runpytest("--aifootprint", *(f"--aifootprint-report={kind}" for kind in kinds))
    assert {path.name for path in pytester.path.glob("aifootprint.*")} == {f"aifootprint.{kind}" for kind in kinds}
