"""``aifootprint baseline update``: a file for git, from saved reports."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pytest_aifootprint.cli import app

SUITE = """
    import os

    def test_long(aifootprint):
        tokens = int(os.environ.get("LONG", 10_000))
        aifootprint.record_call(model="gpt-4o", provider="openai", input_tokens=tokens, output_tokens=tokens)

    def test_short(aifootprint):
        aifootprint.record_call(model="gpt-4o", provider="openai", input_tokens=1000, output_tokens=1000)
"""


@pytest.fixture
def suite(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makepyfile(test_calls=SUITE)
    pytester.makepyprojecttoml('[project]\nname = "some-project"\n[tool.pytest.ini_options]\n')
    return pytester


def reported(suite: pytest.Pytester, name: str = "aifootprint.json") -> Path:
    path = suite.path / name
    suite.runpytest("--aifootprint", f"--aifootprint-report=json:{path}")
    return path


def update(*arguments: object) -> Any:
    return CliRunner().invoke(app, ["baseline", "update", *map(str, arguments)])


def refused(*arguments: object) -> str:
    done = update(*arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("aifootprint baseline update: ")
    assert done.stderr.count("\n") == 1
    said: str = done.stderr
    return said


def test_the_names_are_those_of_the_report_and_of_a_file_for_git(suite: pytest.Pytester) -> None:
    reported(suite)
    done = update()
    assert done.exit_code == 0
    assert "until then the threshold alone decides" in done.stdout
    lines = (suite.path / "aifootprint-baseline.json").read_text().splitlines()
    assert [line.partition(":")[0] for line in lines if line.startswith('"test_calls')] == [
        '"test_calls.py',
        '"test_calls.py',
    ]


def test_the_same_report_twice_leaves_the_same_bytes(suite: pytest.Pytester) -> None:
    report, file = reported(suite), suite.path / "aifootprint-baseline.json"
    update(report)
    first = file.read_bytes()
    # However it is formatted.
    report.write_text(json.dumps(json.loads(report.read_text()), indent=3))
    done = update(report)
    assert (done.exit_code, file.read_bytes()) == (0, first)
    assert "this report is in it already, nothing changed" in done.stdout


def test_one_more_run_changes_the_lines_of_its_tests_and_no_other(suite: pytest.Pytester) -> None:
    update(reported(suite))
    file = suite.path / "aifootprint-baseline.json"
    before = file.read_text().splitlines()
    suite.makepyfile(test_other=SUITE)
    suite.runpytest("--aifootprint", "--aifootprint-report=json", "test_other.py")
    update()
    kept = [line for line in file.read_text().splitlines() if line.startswith('"test_calls')]
    assert kept
    assert {line.rstrip(",") for line in kept} <= {line.rstrip(",") for line in before}


def test_a_level_is_accepted(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(3):
        update(reported(suite))
    monkeypatch.setenv("LONG", "30000")
    done = update(reported(suite), "--accept")
    assert "of another level or model than before: their history begins anew: test_calls.py::test_long" in done.stdout
    gate = ("--aifootprint", "--aifootprint-baseline=aifootprint-baseline.json", "--aifootprint-fail-on-increase=10%")
    result = suite.runpytest(*gate)
    assert [line for line in result.outlines if "test_long: +10 % on baseline: fail" in line] == []


def test_what_is_no_report_is_refused_and_the_file_stays(suite: pytest.Pytester) -> None:
    report, file = reported(suite), suite.path / "aifootprint-baseline.json"
    update(report)
    whole, first = report.read_text(), file.read_bytes()
    document = json.loads(whole)
    lost = json.loads(whole)
    lost["run"]["workers"][0]["reported"] = False
    other = json.loads(whole)
    other["run"]["project"]["name"] = "another"
    other["run"]["started_at"] = "later"
    for content, why in (
        (whole[:-9], "not JSON, or cut off"),
        ("null", "not a report"),
        ('{"schema_version": 1}', "not a report"),
        (json.dumps({**document, "schema_version": 2}), "schema_version 2; this version of the plugin reads 1"),
        (json.dumps(lost), "lacks the tests of lost workers: main"),
        (json.dumps(other), "of project 'another', but aifootprint-baseline.json is of 'some-project'"),
        (first.decode(), "a baseline, not a report"),
    ):
        report.write_text(content)
        assert why in refused()
        assert file.read_bytes() == first
    report.unlink()
    assert "aifootprint.json: no such file" in refused()
    assert file.read_bytes() == first


def test_a_file_that_is_no_baseline_is_not_written_over(suite: pytest.Pytester) -> None:
    reported(suite)
    file = suite.path / "b.json"
    for content in ("", "{", '{"schema_version": 1}', '{"schema_version": 7, "kind": "aifootprint-baseline"}'):
        file.write_text(content)
        assert "b.json: " in refused("--baseline", "b.json")
        assert file.read_text() == content


def test_a_place_that_cannot_be_written_is_said(suite: pytest.Pytester) -> None:
    report = reported(suite)
    before = report.read_bytes()
    assert "aifootprint.json" in refused("--baseline", "aifootprint.json/b.json")
    assert report.read_bytes() == before
