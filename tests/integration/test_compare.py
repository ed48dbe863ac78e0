"""``aifootprint compare``: what changed between two saved reports, and why."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pytest_aifootprint.cli import app
from pytest_aifootprint.records.decomposition import account_of, causes
from pytest_aifootprint.reports import formatting

SUITE = """
    import os

    def ask(aifootprint, tokens, **changed):
        call = dict(model=os.environ.get("MODEL", "gpt-4o"), provider="openai", input_tokens=tokens, output_tokens=10)
        aifootprint.record_call(**{**call, **changed})

    def test_long(aifootprint):
        for _ in range(int(os.environ.get("CALLS", 1))):
            ask(aifootprint, int(os.environ.get("LONG", 9990)))

    def test_short(aifootprint):
        if not os.environ.get("UNTOLD"):
            ask(aifootprint, 990)
        else:
            ask(aifootprint, None, output_tokens=None)
"""


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    # Its shared fixture would be one row more in each table.
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p no:asyncio")
    pytester.makepyfile(test_calls=SUITE)
    pytester.makepyprojecttoml('[project]\nname = "some-project"\n[tool.pytest.ini_options]\n')
    return pytester


def reported(suite: pytest.Pytester, name: str, *options: str) -> Path:
    path = suite.path / name
    suite.runpytest("--aifootprint", f"--aifootprint-report=json:{path}", *options)
    return path


def compared(*arguments: object, columns: int = 200) -> Any:
    return CliRunner().invoke(app, ["compare", *map(str, arguments)], env={"COLUMNS": str(columns)})


def table(output: str, title: str) -> dict[str, list[str]]:
    """The rows under a title, by their first cell."""
    lines = output.partition(f"\n{title}\n")[2].split("\n\n", 1)[0].splitlines()
    cells = [re.split(r" {2,}", line.strip()) for line in lines[1:]]
    return {name: rest for name, *rest in cells}


def test_more_tokens_are_the_cause_and_named_by_test_and_model(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = reported(suite, "a.json")
    monkeypatch.setenv("LONG", "29990")
    after = reported(suite, "b.json")
    done = compared(before, after)
    assert done.exit_code == 0
    totals = table(done.stdout, "in all")
    assert totals["AI tests"] == ["2", "2", "±0 %"]
    assert totals["live calls"] == ["2", "2", "±0 %"]
    assert totals["tokens"] == ["11 k", "31 k", "+182 %"]
    causes = table(done.stdout, "why carbon changed")
    assert causes.keys() >= {"tokens per call", "in all"}
    assert not causes.keys() & {"number of tests", "calls per test", "grid", "models that came or went"}
    assert table(done.stdout, "models, most changed first")["gpt-4o (openai)"][:2] == ["2", "11 k → 31 k"]
    tests = table(done.stdout, "tests by themselves, most changed first")
    assert list(tests) == ["test_calls.py::test_long", "test_calls.py::test_short"]
    assert tests["test_calls.py::test_long"][:2] == ["1", "10 k → 30 k"]
    assert tests["test_calls.py::test_short"][-1] == "±0 %"


def test_figures_end_at_one_edge(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    before = reported(suite, "a.json")
    monkeypatch.setenv("LONG", "29990")
    lines = compared(before, reported(suite, "b.json"), columns=80).stdout.splitlines()
    first = lines.index("in all") + 1
    ends = {len(line) for line in lines[first : lines.index("why carbon changed") - 1]}
    assert ends == {len(lines[first])}, "the last column ends at one edge"
    calls = [line for line in lines if line.startswith(("test ", "…", "test_calls"))]
    edge = calls[0].index("calls") + len("calls")
    assert [line[edge - 1] for line in calls[1:]] == ["1", "1"]


def test_the_causes_add_up_to_the_change_of_the_files(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    before = json.loads(reported(suite, "a.json").read_text())
    monkeypatch.setenv("CALLS", "3")
    monkeypatch.setenv("LONG", "5000")
    after = json.loads(reported(suite, "b.json", "--aifootprint-grid=FRA").read_text())
    one, other = (report["totals"]["carbon_g"]["total"]["central"] for report in (before, after))
    found = causes(account_of(before), account_of(after))
    assert sum(found.values()) == pytest.approx(other - one, rel=1e-6)
    assert found["calls per test"] > 0 > found["tokens per call"]


def test_the_same_twice_changed_nothing(suite: pytest.Pytester) -> None:
    report = reported(suite, "a.json")
    done = compared(report, report)
    assert done.exit_code == 0
    assert list(table(done.stdout, "why carbon changed")) == ["in all"]
    assert {row[-1] for row in table(done.stdout, "in all").values()} == {"±0 %"}
    assert " differ" not in done.stdout


def test_another_model_and_a_test_that_came_and_one_that_went_are_said(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = reported(suite, "a.json")
    monkeypatch.setenv("MODEL", "gpt-4.1")
    suite.makepyfile(test_calls=SUITE.replace("def test_short", "def test_brief"))
    done = compared(before, reported(suite, "b.json"))
    assert "models that came or went" in table(done.stdout, "why carbon changed")
    models = table(done.stdout, "models, most changed first")
    assert (models["gpt-4o (openai)"][0], models["gpt-4.1 (openai)"][0]) == ("2 → 0", "0 → 2")
    tests = table(done.stdout, "tests by themselves, most changed first")
    assert (tests["test_calls.py::test_brief"][-1], tests["test_calls.py::test_short"][-1]) == ("new", "gone")


def test_other_machines_factors_grids_and_projects_are_said(suite: pytest.Pytester) -> None:
    before = reported(suite, "a.json")
    other = json.loads(reported(suite, "b.json", "--aifootprint-grid=FRA").read_text())
    other["run"]["host"]["cpu"] = "Another CPU"
    other["tool"]["factors_version"] = "1999.1"
    other["run"]["project"]["name"] = "another"
    other["run"]["workers"][0]["reported"] = False
    other["totals"]["unpriced_calls"] = 3
    (suite.path / "b.json").write_text(json.dumps(other))
    said = compared(before, suite.path / "b.json").stdout.split("\n\n", 1)[0]
    assert "projects differ: some-project → another\n" in said
    assert "→ 1999.1\n" in said
    assert "→ Another CPU (" in said
    assert "grids of this machine differ: 475 g/kWh → 56.04 g/kWh\n" in said
    assert f"B  {suite.path / 'b.json'} lacks the tests of lost workers: main\n" in said
    assert "B  3 calls could not be priced: not in its figures" in said


def test_tokens_that_were_not_told_are_not_zero(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    before = reported(suite, "a.json")
    monkeypatch.setenv("UNTOLD", "1")
    done = compared(before, reported(suite, "b.json"))
    assert table(done.stdout, "models, most changed first")["gpt-4o (openai)"][1] == f"11 k → {formatting.UNKNOWN}"
    tests = table(done.stdout, "tests by themselves, most changed first")
    assert tests["test_calls.py::test_short"][1] == f"1 k → {formatting.UNKNOWN}"
    assert "tokens per call" not in table(done.stdout, "why carbon changed")


def test_a_narrow_terminal_cuts_no_figure_off(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    before = reported(suite, "a.json")
    monkeypatch.setenv("LONG", "29990")
    after = reported(suite, "b.json")
    wide, narrow = (compared(before, after, columns=columns).stdout for columns in (200, 40))
    figures = r"[\d.]+ (?:k|µ|m)?(?:g|Wh|%)"
    joined = re.sub(r"\s+", " ", narrow)
    assert set(re.findall(figures, wide)) <= set(re.findall(figures, joined))


def test_no_rows_leaves_the_lists_out(suite: pytest.Pytester) -> None:
    report = reported(suite, "a.json")
    assert "most changed first" not in compared(report, report, "--rows=0").stdout
    assert "most changed first" in compared(report, report, "--rows=1").stdout


HOSTILE = """
    import pytest

    @pytest.mark.parametrize("x", ["[bold red]", ":smile:", "\\x1b[31m", "a\\nb", "é" * 5000, "<script>"])
    def test_it(aifootprint, x):
        aifootprint.record_call(model="[red]" + x, provider=x, input_tokens=1000, output_tokens=1000)
"""


def test_hostile_names_are_text(suite: pytest.Pytester) -> None:
    suite.makepyfile(test_calls=HOSTILE)
    done = compared(reported(suite, "a.json"), suite.path / "a.json")
    assert done.exit_code == 0
    assert "\x1b" not in done.stdout
    assert "[bold red]" in done.stdout
    assert ":smile:" in done.stdout


def broken(report: dict[str, Any], *path: str | int, to: Any = ...) -> str:
    inner: Any = report
    for key in path[:-1]:
        inner = inner[key]
    if to is ...:
        del inner[path[-1]]
    else:
        inner[path[-1]] = to
    return json.dumps(report)


def test_what_is_no_report_is_refused_in_one_line(suite: pytest.Pytester) -> None:
    good = reported(suite, "a.json")
    text = good.read_text()
    bad = suite.path / "bad.json"
    cases = [
        ("", "not JSON, or cut off"),
        (text[: len(text) // 2], "not JSON, or cut off"),
        ("[]", "not a report"),
        (broken(json.loads(text), "schema_version", to=2), "schema_version 2; this version of the plugin reads 1"),
        ('{"schema_version": 1}', "not a report"),
        ('{"schema_version": 1, "kind": "aifootprint-baseline"}', "a baseline, not a report"),
        (broken(json.loads(text), "run", "started_at"), "not a report"),
        (broken(json.loads(text), "totals", "tokens", to=None), "not a report"),
        (broken(json.loads(text), "totals", "ai_tests", to=-1), "not a report"),
        (broken(json.loads(text), "totals", "calls", "live", to=10**400), "not a report"),
        (broken(json.loads(text), "totals", "carbon_g", "use", "central", to=float("nan")), "not a report"),
        (broken(json.loads(text), "tests", 0, "calls", 0, "count", to=-1), "not a report"),
    ]
    for content, why in cases:
        bad.write_text(content)
        for pair in ((bad, good), (good, bad)):
            done = compared(*pair)
            assert (done.exit_code, done.stdout) == (2, "")
            assert done.stderr.startswith(f"aifootprint compare: {bad}: ")
            assert why in done.stderr
            assert done.stderr.count("\n") == 1
    missing = compared(good, suite.path / "nowhere.json")
    assert missing.exit_code == 2
    assert "nowhere.json: no such file" in missing.stderr
