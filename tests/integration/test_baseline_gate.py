"""A run against its baseline: exit status, messages, what is compared, what is refused."""

import json
import os
import shutil
from pathlib import Path
from textwrap import dedent
from typing import Any

import jsonschema
import pytest
from typer.testing import CliRunner

from pytest_aifootprint.cli import app
from pytest_aifootprint.records.schema import report_schema

SUITE = """
    import os
    import pytest

    def ask(aifootprint, tokens, model="gpt-4o"):
        aifootprint.record_call(model=model, provider="openai", input_tokens=tokens, output_tokens=tokens)

    def test_long(aifootprint):
        ask(aifootprint, int(os.environ.get("LONG", 10_000)), os.environ.get("MODEL", "gpt-4o"))

    def test_short(aifootprint):
        if not os.environ.get("SILENT"):
            ask(aifootprint, 1000)

    def test_none():
        pass
"""
GATE = "--aifootprint-fail-on-increase=10%"


@pytest.fixture(params=[(), ("-n2",)], ids=["alone", "n2"])
def processes(request: pytest.FixtureRequest) -> tuple[str, ...]:
    """Without workers and with two: the gate is one process's, workers tell it what ran."""
    param: tuple[str, ...] = request.param
    return param


@pytest.fixture
def suite(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makepyfile(test_calls=SUITE)
    pytester.makepyprojecttoml('[project]\nname = "some-project"\n[tool.pytest.ini_options]\n')
    return pytester


def reported(suite: pytest.Pytester, name: str = "r.json", *options: str) -> Path:
    path = suite.path / name
    suite.runpytest("--aifootprint", f"--aifootprint-report=json:{path}", *options)
    return path


def update(report: Path, *options: str) -> Any:
    return CliRunner().invoke(
        app, ["baseline", "update", str(report), "--baseline", str(report.parent / "b.json"), *options]
    )


_RECORDED: dict[str, str] = {}


@pytest.fixture
def baseline(suite: pytest.Pytester) -> str:
    """A baseline of one run, and its report: of one run of this suite for all tests."""
    if not _RECORDED:
        assert update(reported(suite)).exit_code == 0
        _RECORDED.update({name: (suite.path / name).read_text() for name in ("r.json", "b.json")})
    for name, text in _RECORDED.items():
        (suite.path / name).write_text(text)
    return f"--aifootprint-baseline={suite.path / 'b.json'}"


def gate_lines(result: pytest.RunResult) -> list[str]:
    return [line for line in result.outlines if line.startswith("budget")]


def test_the_same_again_passes_and_says_what_it_was_held_against(suite: pytest.Pytester, baseline: str) -> None:
    result = suite.runpytest("--aifootprint", baseline, GATE)
    assert result.ret == 0
    result.stdout.fnmatch_lines(
        [
            "baseline *carbon * g, ±0 % on * g (1 run); energy *",
            "budget  +10 % on baseline: pass (carbon *, ±0 % on * (1 run))",
            "budget  +10 % on baseline: pass (energy *, ±0 % on * (1 run))",
        ]
    )
    assert len(gate_lines(result)) == 2


def test_more_tokens_fail_the_run_and_name_the_test(
    suite: pytest.Pytester, baseline: str, processes: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LONG", "12000")
    result = suite.runpytest("--aifootprint", baseline, GATE, *processes)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    # The tests keep their outcome.
    result.assert_outcomes(passed=3)
    lines = gate_lines(result)
    assert len(lines) == 4
    assert lines[0].startswith("budget  +10 % on baseline: fail (carbon ")
    assert lines[2].startswith("budget  test_calls.py::test_long: +10 % on baseline: fail (carbon ")


@pytest.mark.parametrize(("bound", "status"), [("low", 1), ("central", 1), ("high", 1)])
@pytest.mark.parametrize("tokens", ["12000"])
def test_what_is_unknown_of_the_model_cancels_so_that_every_bound_decides(
    suite: pytest.Pytester, baseline: str, monkeypatch: pytest.MonkeyPatch, bound: str, status: int, tokens: str
) -> None:
    monkeypatch.setenv("LONG", tokens)
    result = suite.runpytest("--aifootprint", baseline, GATE, f"--aifootprint-bound={bound}")
    assert result.ret == status
    assert "undecided" not in result.stdout.str()


def test_every_bound_passes_the_same_again(suite: pytest.Pytester, baseline: str) -> None:
    result = suite.runpytest("--aifootprint", baseline, GATE, "--aifootprint-bound=high")
    assert result.ret == 0
    assert "crosses" not in result.stdout.str()


def test_another_model_is_said_and_at_the_high_end_undecided(
    suite: pytest.Pytester, baseline: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Cheaper in all likelihood, but what is not known of two models does not cancel.
    monkeypatch.setenv("MODEL", "gpt-4.1")
    options = ("--aifootprint", baseline, "--aifootprint-fail-on-increase=60%")
    result = suite.runpytest(*options, "--aifootprint-bound=high")
    result.stdout.fnmatch_lines(
        ["notice *1 test with other models than in the baseline: test_calls.py::test_long: gpt-4o → gpt-4.1*"]
    )
    assert result.ret == 1
    assert any(": undecided (" in line for line in gate_lines(result))
    undecided_warns = suite.runpytest(*options, "--aifootprint-bound=high", "--aifootprint-undecided=warn")
    assert undecided_warns.ret == (1 if any(": fail (" in line for line in gate_lines(undecided_warns)) else 0)


def test_less_passes(suite: pytest.Pytester, baseline: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LONG", "5000")
    assert suite.runpytest("--aifootprint", baseline, GATE).ret == 0


def test_without_a_threshold_it_is_only_compared(
    suite: pytest.Pytester, baseline: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LONG", "100000")
    result = suite.runpytest("--aifootprint", baseline)
    assert result.ret == 0
    assert gate_lines(result) == []
    result.stdout.fnmatch_lines(["baseline *carbon * g, +* % on *"])


def test_a_saved_report_is_a_baseline(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    report = f"--aifootprint-baseline={reported(suite)}"
    assert suite.runpytest("--aifootprint", report, GATE).ret == 0
    monkeypatch.setenv("LONG", "12000")
    assert suite.runpytest("--aifootprint", report, GATE).ret == 1


def test_ini_and_environment_name_it_too(
    suite: pytest.Pytester, baseline: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LONG", "12000")
    suite.makepyprojecttoml(
        '[project]\nname = "some-project"\n[tool.pytest.ini_options]\n'
        'aifootprint = "true"\naifootprint_baseline = "b.json"\naifootprint_fail_on_increase = "10%"\n'
    )
    inside = suite.mkdir("inside")
    os.chdir(inside)
    # The path of the ini file starts where that stands.
    assert suite.runpytest("..").ret == 1
    os.chdir(suite.path)
    monkeypatch.setenv("PYTEST_AIFOOTPRINT_FAIL_ON_INCREASE", "50%")
    assert suite.runpytest().ret == 0


def test_pytests_own_status_is_kept_and_minus_q_has_the_verdicts(
    suite: pytest.Pytester, baseline: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LONG", "12000")
    result = suite.runpytest("--aifootprint", baseline, GATE, "-q")
    assert result.ret == 1
    assert gate_lines(result)
    assert suite.runpytest("--aifootprint", baseline, GATE, "nowhere.py").ret == pytest.ExitCode.USAGE_ERROR
    assert suite.runpytest("--aifootprint", baseline, GATE, "-k", "nothing").ret == pytest.ExitCode.NO_TESTS_COLLECTED
    silent = suite.runpytest_subprocess("--aifootprint", baseline, GATE, "-p", "no:terminal")
    assert silent.ret == 1
    assert [line for line in silent.errlines if line.startswith("aifootprint: budget +10 % on baseline: fail")]


def test_there_is_no_gate_under_collect_only(
    suite: pytest.Pytester, baseline: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LONG", "12000")
    assert suite.runpytest("--aifootprint", baseline, GATE, "--collect-only").ret == 0


# --- the reports ------------------------------------------------------------------------------------------------------


def test_the_json_report_has_changes_and_verdicts_and_keeps_to_its_schema(
    suite: pytest.Pytester, baseline: str, processes: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LONG", "12000")
    report = json.loads(reported(suite, "new.json", baseline, GATE, *processes).read_text())
    jsonschema.validate(report, report_schema())
    assert report["run"]["project"] == {"name": "some-project", "from": "pyproject.toml"}
    assert (report["run"]["partial"], report["run"]["asked"]) == (None, [""])
    changes = report["baseline"]
    assert (changes["file"], changes["compared"], changes["differs"]) == ("b.json", 2, [])
    run, test = changes["changes"][0], next(c for c in changes["changes"] if c["scope"].endswith("test_long"))
    assert (run["scope"], run["unit"]) == ("run", "carbon_g")
    assert run["actual"]["central"] == pytest.approx(report["totals"]["carbon_g"]["total"]["central"], rel=1e-9)
    assert test["actual"]["central"] / test["before"] > 1.1
    verdicts = {v["unit"]: v for v in report["verdicts"]}
    assert verdicts.keys() == {"carbon_g/baseline", "energy_j/baseline"}
    assert verdicts["carbon_g/baseline"]["limit_value"] == pytest.approx(1.1)
    assert verdicts["carbon_g/baseline"]["actual"]["central"] == pytest.approx(run["actual"]["central"] / run["before"])
    row = next(row for row in report["tests"] if row["nodeid"].endswith("test_long"))
    assert [v["verdict"] for v in row["verdicts"]] == ["fail", "fail"]


def test_the_markdown_report_has_the_change_for_a_pull_request(
    suite: pytest.Pytester, baseline: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LONG", "12000")
    suite.runpytest("--aifootprint", baseline, GATE, "--aifootprint-report=markdown:r.md")
    text = (suite.path / "r.md").read_text()
    assert "- ❌ **budget** +10 % on baseline: fail" in text
    assert "| **run** | carbon |" in text
    assert "<code>test&#95;calls.py::test&#95;long</code> | carbon |" in text


# --- new, gone, silent, partial ---------------------------------------------------------------------------------------


def test_new_vanished_and_silent_tests_are_said_and_do_not_fail(
    suite: pytest.Pytester, baseline: str, processes: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SILENT", "1")
    renamed = SUITE.replace("def test_long(", "def test_longer(")
    suite.makepyfile(test_calls=renamed)
    result = suite.runpytest("--aifootprint", baseline, "--aifootprint-fail-on-increase=50%", *processes)
    assert result.ret == 0
    result.stdout.fnmatch_lines_random(
        [
            "notice *1 test not in the baseline: test_calls.py::test_longer (baseline-tests)",
            "notice *1 test in the baseline and not in this run: test_calls.py::test_long (baseline-tests)",
            "notice *1 test in the baseline, made no AI call this time: test_calls.py::test_short (baseline-tests)",
        ]
    )


def test_a_whole_run_that_has_no_test_of_the_baseline_is_no_saving(suite: pytest.Pytester, baseline: str) -> None:
    suite.makepyfile(test_calls="def test_of_another_suite(): pass")
    result = suite.runpytest("--aifootprint", baseline, GATE)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert all("undecided (" in line and "no test of the baseline ran" in line for line in gate_lines(result))
    assert len(gate_lines(result)) == 2


def test_a_new_test_counts_in_the_total(suite: pytest.Pytester, baseline: str) -> None:
    more = SUITE + "\n    def test_more(aifootprint):\n        ask(aifootprint, 10_000)\n"
    suite.makepyfile(test_calls=more)
    result = suite.runpytest("--aifootprint", baseline, GATE)
    assert result.ret == 1
    assert [line.split(":")[0] for line in gate_lines(result)] == ["budget  +10 % on baseline"] * 2


def test_a_baseline_of_nothing_allows_nothing_and_passes_nothing_else(suite: pytest.Pytester) -> None:
    suite.makepyfile(test_calls="def test_none():\n    pass\n")
    assert update(reported(suite)).exit_code == 0
    baseline = f"--aifootprint-baseline={suite.path / 'b.json'}"
    assert suite.runpytest("--aifootprint", baseline, GATE).ret == 0
    suite.makepyfile(test_calls=SUITE)
    result = suite.runpytest("--aifootprint", baseline, "--aifootprint-fail-on-increase=900%")
    assert result.ret == 1
    assert "budget  +900 % on baseline: fail (22 k tokens, 0 in the baseline)" in gate_lines(result)
    result.stdout.fnmatch_lines(["notice *: the baseline holds no test (baseline-differs)"])


def test_a_partial_run_is_compared_by_the_tests_that_ran(
    suite: pytest.Pytester, baseline: str, processes: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    result = suite.runpytest("--aifootprint", baseline, GATE, "-k", "short", *processes)
    assert result.ret == 0
    result.stdout.fnmatch_lines(
        ["notice *only a part of the suite ran (2 tests were deselected): 1 test of the baseline compared, 1 did not *"]
    )
    monkeypatch.setenv("LONG", "12000")
    assert suite.runpytest("--aifootprint", baseline, GATE, "-k", "long", *processes).ret == 1


@pytest.mark.parametrize("stopped", [("-x",), ("--maxfail=1",)])
def test_a_run_that_was_stopped_is_partial(suite: pytest.Pytester, baseline: str, stopped: tuple[str, ...]) -> None:
    suite.makepyfile(
        test_calls=SUITE.replace("def test_short", "def test_broken():\n        assert 0\n\n    def test_short")
    )
    result = suite.runpytest("--aifootprint", baseline, GATE, *stopped)
    assert result.ret == 1
    result.stdout.fnmatch_lines(["notice *(it was stopped early): 1 test of the baseline compared, 1 did not run*"])


def test_tests_that_were_not_asked_for_are_not_gone(suite: pytest.Pytester) -> None:
    suite.makepyfile(test_other=SUITE)
    assert update(reported(suite)).exit_code == 0
    baseline = f"--aifootprint-baseline={suite.path / 'b.json'}"
    result = suite.runpytest("--aifootprint", baseline, GATE, "test_other.py")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["notice *(test_other.py was asked for): 2 tests of the baseline compared, 2 did not*"])


def test_a_plugin_that_shards_without_a_word_makes_a_run_partial(suite: pytest.Pytester, baseline: str) -> None:
    suite.makeconftest("def pytest_collection_modifyitems(items):\n    del items[1:]\n")
    result = suite.runpytest("--aifootprint", baseline, GATE)
    assert result.ret == 0
    result.stdout.fnmatch_lines(["notice *only a part of the suite ran (2 tests were deselected)*"])


def test_groups_of_workers_make_no_other_tests(
    suite: pytest.Pytester, baseline: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite.makepyfile(test_calls="import pytest\npytestmark = pytest.mark.xdist_group('one')\n" + dedent(SUITE))
    monkeypatch.setenv("LONG", "12000")
    report = reported(suite, "new.json", baseline, GATE, "-n1", "--dist=loadgroup")
    document = json.loads(report.read_text())
    # On pytest 8, xdist calls them test_long@one and test_short@one.
    changes = document["baseline"]
    assert (changes["compared"], changes["new"], changes["vanished"]) == (2, [], [])
    assert {v["verdict"] for row in document["tests"] for v in row["verdicts"]} == {"pass", "fail"}
    assert suite.runpytest("--aifootprint", f"--aifootprint-baseline={report}", GATE).ret == 0


def test_a_part_that_the_baseline_does_not_know_is_undecided(
    suite: pytest.Pytester, baseline: str, processes: tuple[str, ...]
) -> None:
    suite.makepyfile(test_calls=SUITE + "\n    def test_more(aifootprint):\n        ask(aifootprint, 10_000)\n")
    result = suite.runpytest("--aifootprint", baseline, GATE, "-k", "more", *processes)
    assert result.ret == 1
    assert all("undecided (" in line and "no test of the baseline ran" in line for line in gate_lines(result))
    warned = suite.runpytest("--aifootprint", baseline, GATE, "-k", "more", "--aifootprint-undecided=warn", *processes)
    assert warned.ret == 0


def test_a_lost_worker_is_never_a_pass(suite: pytest.Pytester, baseline: str) -> None:
    suite.makepyfile(
        test_calls=SUITE.replace("def test_none():\n        pass", "def test_none():\n        os._exit(7)")
    )
    result = suite.runpytest_subprocess("--aifootprint", baseline, GATE, "-n2", "--max-worker-restart=0")
    assert result.ret != 0
    assert any("undecided" in line and "was lost" in line for line in gate_lines(result))


def test_a_shared_fixture_does_not_count_more_when_fewer_tests_share_it(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        test_calls="""
        import pytest

        @pytest.fixture(scope="session")
        def warm():
            import time
            end = time.process_time() + 0.2
            while time.process_time() < end:
                pass

        @pytest.mark.parametrize("n", range(4))
        def test_it(n, warm, aifootprint):
            aifootprint.record_call(model="gpt-4o", provider="openai", input_tokens=10, output_tokens=1)
        """
    )
    assert update(reported(suite)).exit_code == 0
    baseline = f"--aifootprint-baseline={suite.path / 'b.json'}"
    result = suite.runpytest("--aifootprint", baseline, "--aifootprint-fail-on-increase=60%", "-k", "it and 0")
    # By its share, the one test would have to bear 0.2 s of CPU instead of a quarter of it.
    assert [line for line in gate_lines(result) if "test_it" in line] == []
    assert result.ret == 0


# --- other machines and factors ---------------------------------------------------------------------------------------


def edited(suite: pytest.Pytester, change: Any) -> str:
    path = suite.path / "b.json"
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))
    return f"--aifootprint-baseline={path}"


def another(key: str, content: Any) -> Any:
    def change(document: dict[str, Any]) -> None:
        (setting,) = document["settings"].values()
        (setting if key == "factors" else setting["machine"])[key] = content
        document["settings"] = {"00000000": setting}
        for row in document["tests"].values():
            (past,) = row["past"].values()
            row["past"] = {"00000000": past}

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [(another("cpu", "Another CPU"), "CPU: Another CPU → "), (another("factors", "1999.1"), "factors: 1999.1 → ")],
)
def test_another_machine_or_other_factors_are_said_once_and_counts_are_compared(
    suite: pytest.Pytester,
    baseline: str,
    monkeypatch: pytest.MonkeyPatch,
    change: Any,
    said: str,
) -> None:
    edited(suite, change)
    result = suite.runpytest("--aifootprint", baseline, GATE)
    assert result.ret == 0
    assert sum(said in line for line in result.outlines) == 1
    result.stdout.fnmatch_lines(
        [
            "baseline *22 k tokens, ±0 % on 22 k tokens (1 run); 2 live calls*",
            "budget  +10 % on baseline: pass (22 k tokens, *",
            "budget  +10 % on baseline: pass (2 live calls, *",
            "budget  +10 % on baseline: pass (energy per token *Wh/token, *",
        ]
    )
    monkeypatch.setenv("LONG", "12000")
    result = suite.runpytest("--aifootprint", baseline, GATE)
    assert result.ret == 1
    assert "budget  test_calls.py::test_long: +10 % on baseline: fail (24 k tokens" in result.stdout.str()


def test_a_larger_model_on_another_machine_is_found_by_its_energy_per_token(
    suite: pytest.Pytester, baseline: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    edited(suite, another("cpu", "Another CPU"))
    monkeypatch.setenv("MODEL", "gpt-4.5-preview")
    result = suite.runpytest("--aifootprint", baseline, GATE)
    assert result.ret == 1
    assert [line for line in gate_lines(result) if "test_long" in line and "fail (energy per token" in line]
    edited(suite, another("factors", "1999.1"))
    result = suite.runpytest("--aifootprint", baseline, GATE)
    assert [line for line in gate_lines(result) if "test_long" in line and "undecided (energy per token" in line]


def test_another_grid_compares_energy_alone(suite: pytest.Pytester, baseline: str) -> None:
    result = suite.runpytest("--aifootprint", baseline, GATE, "--aifootprint-grid=FRA")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["notice *carbon is not compared: grid of this machine: * → 56* g/kWh (baseline-grid)"])
    assert len(gate_lines(result)) == 1


# --- bad input --------------------------------------------------------------------------------------------------------


def refused(suite: pytest.Pytester, *options: str) -> str:
    result = suite.runpytest("--aifootprint", *options)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    said = [line for line in result.errlines if line.startswith("ERROR: ")]
    assert len(said) == 1
    assert "passed" not in result.stdout.str()
    return said[0]


def test_a_threshold_without_a_baseline_is_refused(suite: pytest.Pytester) -> None:
    assert "nothing to compare with" in refused(suite, GATE)


@pytest.mark.parametrize("text", ["10", "-5%", "abc%", "", "%", "1e3%", "nan%", "1.2.3%", "٣%"])
def test_a_threshold_that_is_none_is_refused(suite: pytest.Pytester, baseline: str, text: str) -> None:
    said = refused(suite, baseline, f"--aifootprint-fail-on-increase={text}")
    assert said.startswith("ERROR: --aifootprint-fail-on-increase (command line): ")
    assert "valid: 10%" in said


def test_a_baseline_that_is_missing_is_refused(suite: pytest.Pytester, processes: tuple[str, ...]) -> None:
    said = refused(suite, "--aifootprint-baseline=nowhere.json", GATE, *processes)
    assert "nowhere.json: no such file; make one of a saved report: aifootprint baseline update" in said
    assert "folder" not in said
    refused(suite, f"--aifootprint-baseline={suite.path}", GATE)
    refused(suite, "--aifootprint-baseline=", GATE)


@pytest.mark.parametrize("of", ["b.json", "r.json"])
def test_a_baseline_that_was_cut_off_is_refused(suite: pytest.Pytester, baseline: str, of: str) -> None:
    path = suite.path / of
    whole = path.read_text()
    for part in (
        whole[: len(whole) // 2],
        whole[:-3],
        "",
        "{}",
        "[]",
        "null",
        '{"schema_version": 1}',
        "<<<<<<< HEAD\n",
    ):
        path.write_text(part)
        refused(suite, f"--aifootprint-baseline={path}", GATE)
    path.write_bytes(b"\xff\xfe\x00")
    refused(suite, f"--aifootprint-baseline={path}", GATE)


@pytest.mark.parametrize("of", ["b.json", "r.json"])
def test_a_baseline_of_another_schema_version_is_refused(suite: pytest.Pytester, baseline: str, of: str) -> None:
    path = suite.path / of
    document = json.loads(path.read_text())
    path.write_text(json.dumps({**document, "schema_version": 2}))
    assert "schema_version 2; this version of the plugin reads 1" in refused(
        suite, f"--aifootprint-baseline={path}", GATE
    )


@pytest.mark.parametrize("of", ["b.json", "r.json"])
def test_a_baseline_of_another_project_is_refused(suite: pytest.Pytester, baseline: str, of: str) -> None:
    suite.makepyprojecttoml('[project]\nname = "another"\n[tool.pytest.ini_options]\n')
    said = refused(suite, f"--aifootprint-baseline={suite.path / of}", GATE)
    assert "it is of another project: of 'some-project' (pyproject.toml), this is 'another' (pyproject.toml)" in said


def test_a_report_that_does_not_name_its_project_is_known_by_its_tests(suite: pytest.Pytester, baseline: str) -> None:
    path = suite.path / "r.json"
    report = json.loads(path.read_text())
    del report["run"]["project"], report["run"]["partial"], report["run"]["asked"]
    path.write_text(json.dumps(report))
    assert suite.runpytest("--aifootprint", f"--aifootprint-baseline={path}", GATE).ret == 0
    shutil.move(suite.path / "test_calls.py", suite.path / "test_moved.py")
    assert "none of its 1 test files is here" in refused(suite, f"--aifootprint-baseline={path}", GATE)


def test_a_report_that_lacks_a_worker_is_no_baseline(suite: pytest.Pytester, baseline: str) -> None:
    path = suite.path / "r.json"
    report = json.loads(path.read_text())
    report["run"]["workers"][0]["reported"] = False
    path.write_text(json.dumps(report))
    assert "lacks the tests of lost workers: main" in refused(suite, f"--aifootprint-baseline={path}", GATE)


HOSTILE = """
    import pytest

    NAMES = ["<script>alert(1)</script>", "a\\nb", "\U0001f600", "é" * 200, '"|`', "::", "[", "\\x1b[31m"]

    @pytest.mark.parametrize("x", NAMES)
    def test_it(aifootprint, x):
        aifootprint.record_call(model="gpt-4o", provider="openai", input_tokens=1000, output_tokens=1000)
"""


def test_hostile_names_survive_the_way_there_and_back(suite: pytest.Pytester) -> None:
    suite.makepyfile(test_calls=HOSTILE)
    report = reported(suite)
    told = update(report)
    assert told.exit_code == 0
    assert "\x1b" not in told.output
    assert (suite.path / "b.json").read_bytes().isascii()
    baseline = f"--aifootprint-baseline={suite.path / 'b.json'}"
    new = reported(suite, "new.json", baseline, GATE)
    changes = json.loads(new.read_text())["baseline"]
    assert (changes["compared"], changes["new"], changes["vanished"]) == (8, [], [])
