"""Each option through each origin, precedence, and one clear line for what is wrong."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_aifootprint.options.project import Tables, read_tables

ONE_CALL = """
    def test_one(aifootprint):
        aifootprint.record_call(model="gpt-4o", provider="openai", input_tokens=1000, output_tokens=100)
"""


@pytest.fixture
def suite(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makepyfile(test_one=ONE_CALL)
    return pytester


def report(pytester: pytest.Pytester, *args: str) -> dict[str, Any]:
    path = pytester.path / "out.json"
    pytester.runpytest("--aifootprint", f"--aifootprint-report=json:{path}", *args)
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def zone(data: dict[str, Any]) -> str:
    return str(data["run"]["grids"]["local"]["zone"])


@pytest.mark.parametrize("text", ["1", "true", "yes", "on", "TRUE"])
def test_the_environment_switches_it_on(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("PYTEST_AIFOOTPRINT", text)
    suite.runpytest().stdout.fnmatch_lines(["*AI footprint*"])


def test_the_ini_switches_it_on_and_the_environment_off(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite.makeini("[pytest]\naifootprint = true\n")
    suite.runpytest().stdout.fnmatch_lines(["*AI footprint*"])
    monkeypatch.setenv("PYTEST_AIFOOTPRINT", "0")
    suite.runpytest().stdout.no_fnmatch_line("*AI footprint*")


def test_the_command_line_goes_before_environment_before_ini(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert zone(report(suite)) == "WOR"
    suite.makeini("[pytest]\naifootprint_grid = DEU\n")
    assert zone(report(suite)) == "DEU"
    monkeypatch.setenv("PYTEST_AIFOOTPRINT_GRID", "POL")
    assert zone(report(suite)) == "POL"
    assert zone(report(suite, "--aifootprint-grid=FRA")) == "FRA"


def test_a_list_replaces_the_farther_list(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    suite.makeini("[pytest]\naifootprint_budget =\n    1 ugCO2e\n    1 calls\n")
    assert [v["limit"] for v in report(suite)["verdicts"]] == ["1 ugCO2e", "1 calls"]
    monkeypatch.setenv("PYTEST_AIFOOTPRINT_BUDGET", "2 kgCO2e; 3 calls")
    assert [v["limit"] for v in report(suite)["verdicts"]] == ["2 kgCO2e", "3 calls"]
    args = ("--aifootprint-budget=4 kgCO2e", "--aifootprint-budget=use: 5 kgCO2e")
    assert [v["limit"] for v in report(suite, *args)["verdicts"]] == ["4 kgCO2e", "use: 5 kgCO2e"]


def test_top_hides_or_limits_the_table(suite: pytest.Pytester) -> None:
    suite.runpytest("--aifootprint").stdout.fnmatch_lines(["most carbon*"])
    suite.runpytest("--aifootprint", "--aifootprint-top=0").stdout.no_fnmatch_line("most carbon*")


def test_all_tests_get_a_row_if_wanted(suite: pytest.Pytester) -> None:
    suite.makepyfile(test_two="def test_two(): pass")
    assert [t["nodeid"] for t in report(suite)["tests"]] == ["test_one.py::test_one"]
    assert len(report(suite, "--aifootprint-tests=all")["tests"]) == 2
    assert report(suite, "--aifootprint-tests=marked")["tests"] == []


BAD = [
    (["--aifootprint-budget=5 bananas"], {}, "", ["--aifootprint-budget (command line)", "'5 bananas'", 'valid: "5 g']),
    (["--aifootprint-budget=-5 gCO2e"], {}, "", ["--aifootprint-budget (command line)", "-5 gCO2e", "0 or more"]),
    (["--aifootprint-grid=Atlantis"], {}, "", ["--aifootprint-grid (command line)", "Atlantis", "valid"]),
    (["--aifootprint-bound=middle"], {}, "", ["--aifootprint-bound (command line)", "middle", "low, central, high"]),
    (["--aifootprint-top=many"], {}, "", ["--aifootprint-top (command line)", "many"]),
    (["--aifootprint-tests=some"], {}, "", ["--aifootprint-tests (command line)", "ai, marked, all"]),
    (["--aifootprint-undecided=maybe"], {}, "", ["--aifootprint-undecided (command line)", "fail, warn"]),
    (["--aifootprint-test-budget=x"], {}, "", ["--aifootprint-test-budget (command line)", "'x'"]),
    (["--aifootprint-report=pdf:x"], {}, "", ["--aifootprint-report (command line)", "pdf", "json"]),
    (["--aifootprint-report=json:test_one.py/x.json"], {}, "", ["--aifootprint-report (command line)", "test_one.py"]),
    ([], {"PYTEST_AIFOOTPRINT_BUDGET": "5 bananas"}, "", ["environment PYTEST_AIFOOTPRINT_BUDGET", "'5 bananas'"]),
    ([], {"PYTEST_AIFOOTPRINT_GRID": "Atlantis"}, "", ["environment PYTEST_AIFOOTPRINT_GRID", "Atlantis"]),
    ([], {}, "aifootprint_budget = 5 bananas", ["tox.ini: aifootprint_budget", "'5 bananas'"]),
    ([], {}, "aifootprint_test_budget = use: 5 Wh", ["tox.ini: aifootprint_test_budget", 'valid: "use: 5 gCO2e"']),
    ([], {}, "aifootprint_budgets =\n  a: 5 g\n  a b: 5 g", ["tox.ini: aifootprint_budgets", "'a b' is no", "valid: "]),
    (
        [],
        {},
        "aifootprint_budgets = slow: 5 g",
        ["tox.ini: aifootprint_budgets", "no test has the mark 'slow'", "valid"],
    ),
    (
        [],
        {"PYTEST_AIFOOTPRINT_BUDGETS": "a: 5"},
        "",
        ["environment PYTEST_AIFOOTPRINT_BUDGETS", "'5' is not", "valid: "],
    ),
    ([], {"PYTEST_AIFOOTPRINT_TEST_BUDGET": "5"}, "", ["environment PYTEST_AIFOOTPRINT_TEST_BUDGET", "'5' is not"]),
    ([], {}, "aifootprint_bound = middle", ["tox.ini: aifootprint_bound", "middle"]),
    ([], {}, "aifootprint_grid = Atlantis", ["tox.ini: aifootprint_grid", "Atlantis"]),
    ([], {}, "aifootprint_budgt = 5 g", ["aifootprint_budgt (tox.ini)", "did you mean aifootprint_budget?", "valid: "]),
    (["-o", "aifootprint_budgt=5 g"], {}, "", ["aifootprint_budgt (command line: -o)", "did you mean", "valid: "]),
    (
        [],
        {"PYTEST_AIFOOTPRINT_BUGDET": "5 g"},
        "",
        ["PYTEST_AIFOOTPRINT_BUGDET (environment)", "did you mean PYTEST_AIFOOTPRINT_BUDGET?", "valid: "],
    ),
    ([], {"PYTEST_AIFOOTPRINT_BUDGET": " ;"}, "", ["environment PYTEST_AIFOOTPRINT_BUDGET", "no value; valid: unset"]),
]


@pytest.mark.parametrize(("args", "environ", "ini", "words"), BAD)
def test_bad_input_is_one_line_and_no_test_runs(
    suite: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    args: list[str],
    environ: dict[str, str],
    ini: str,
    words: list[str],
) -> None:
    for name, text in environ.items():
        monkeypatch.setenv(name, text)
    if ini:
        suite.makeini(f"[pytest]\n{ini}\n")
    result = suite.runpytest("--aifootprint", *args)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    errors = [line for line in result.errlines if line.startswith("ERROR")]
    assert len(errors) == 1
    assert len([line for line in result.errlines if line.strip()]) == 1
    for word in words:
        assert word in errors[0]
    result.stdout.no_fnmatch_line("*passed*")


@pytest.mark.parametrize("origin", ["environment", "ini"])
def test_a_switch_that_is_neither_true_nor_false(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, origin: str
) -> None:
    if origin == "ini":
        suite.makeini("[pytest]\naifootprint = perhaps\n")
    else:
        monkeypatch.setenv("PYTEST_AIFOOTPRINT", "perhaps")
    result = suite.runpytest()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: aifootprint (*{origin if origin == 'environment' else 'tox.ini'}*'perhaps'*"])


TABLES = [
    ("[tool.aifootprint\n", "Expected ']'"),  # pytest's own words: it reads the file before us
    ("[tool]\naifootprint = 3\n", "is not a table"),
    ("[tool.aifootprint]\nhardwear = {}\n", "unknown key 'hardwear'; valid: hardware, marginal, models"),
    ("[tool.aifootprint.hardware]\ntdp = 15\n", "tdp"),
    ("[tool.aifootprint.hardware]\ntdp_w = 'much'\n", "tdp_w"),
    ("[tool.aifootprint.hardware]\ntdp_w = -15\n", "tdp_w"),
    ("[tool.aifootprint.models]\nx = 1\n", '1 is not a table; valid: a table, such as { params = "7B" }'),
    ('[tool.aifootprint.models.""]\nparams = "7B"\n', '[tool.aifootprint.models.""]: the name is empty; valid: '),
    ("[tool.aifootprint.hardware]\nlifetime_years = 35040\n", "above 0: a number or [low, central, high]; 100 at most"),
    ("[tool.aifootprint]\nmarginal = '640 g/kWh'\n", "is not a table"),
    ("[tool.aifootprint.marginal]\nlocal = 640\n", "marginal.local = 640 is neither a number with its unit"),
    ("[tool.aifootprint.marginal]\nopnai = '640 g/kWh'\n", "unknown provider 'opnai'; valid: local, "),
    ("[tool.aifootprint.models.x]\ntraining = 1\n", "training"),
    ("[tool.aifootprint.models.x]\nparams_b = 7\n", "unknown key 'params_b'; say params: the number of parameters"),
    ('[tool.aifootprint.models."a\\nb"]\npath = 7\n', "path must be a text or a list of texts, got 7"),
    ("[tool.aifootprint.models.x]\ntraining_kwh = -1\n", "training_kwh"),
]


@pytest.mark.parametrize(("text", "problem"), TABLES)
def test_a_broken_table_is_one_line_and_no_test_runs(suite: pytest.Pytester, text: str, problem: str) -> None:
    # With a pytest.ini, pytest itself does not read pyproject.toml; we do.
    suite.makefile(".ini", pytest="[pytest]\n")
    (suite.path / "pyproject.toml").write_text(text)
    result = suite.runpytest("--aifootprint")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    errors = [line for line in result.errlines if line.startswith("ERROR")]
    assert len(errors) == 1
    assert problem in errors[0]
    assert "pyproject.toml" in errors[0]


def test_toml_that_pytest_did_not_read_first_is_one_line_too(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.aifootprint\n")
    config: Any = SimpleNamespace(rootpath=tmp_path)
    with pytest.raises(pytest.UsageError, match=r"\[tool.aifootprint\] \(pyproject.toml\): is not valid TOML"):
        read_tables(config)


def test_a_project_without_our_table_is_not_parsed(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.other]\n= broken for others, not for us\n")
    config: Any = SimpleNamespace(rootpath=tmp_path)
    assert read_tables(config) == Tables()


BAD_MARKS = [
    ('budget="5 bananas"', "budget: '5 bananas'"),
    ("tokens=-1", "tokens: '-1 tokens' is negative"),
    ("calls=1.5", "calls: '1.5' is not an amount with a unit"),
    ("budget=None", "budget: 'None'"),
    ("budget=5", "budget: '5'"),
    ('energy="5 g"', "energy='5 g' is a limit of another kind"),
    ('budget="slow: 5 g"', "budget: 'slow: 5 g'"),
    ("badget=1", "unknown keyword 'badget'"),
    ("live='no'", "live='no'"),
    ("tokens='3 Wh'", "tokens='3 Wh'"),
    ("tokens=True", "True"),
    ('"5 gCO2e"', "takes keywords only"),
]


@pytest.mark.parametrize(("arguments", "problem"), BAD_MARKS)
def test_a_mark_that_cannot_be_read_ends_the_run_before_any_test(
    pytester: pytest.Pytester, arguments: str, problem: str
) -> None:
    pytester.makepyfile(f"import pytest\n@pytest.mark.aifootprint({arguments})\ndef test_it(): pass\n")
    result = pytester.runpytest("--aifootprint")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    (line,) = [line for line in result.errlines if line.strip()]
    assert line.startswith("ERROR: @pytest.mark.aifootprint (mark of ")
    assert "::test_it" in line
    assert problem in line
    result.stdout.no_fnmatch_line("*passed*")


BAD_MARK = "pytest.mark.aifootprint(calls=-1)"


@pytest.mark.parametrize(
    "source",
    [
        f"pytestmark = {BAD_MARK}\ndef test_it(): pass",
        f"@{BAD_MARK}\nclass TestIt:\n    @pytest.mark.aifootprint(calls=1)\n    def test_it(self): pass",
        f"@pytest.mark.parametrize('n', [1, pytest.param(2, marks={BAD_MARK})])\ndef test_it(n): pass",
    ],
)
@pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["alone", "n2"])
def test_wherever_such_a_mark_stands(pytester: pytest.Pytester, source: str, workers: tuple[str, ...]) -> None:
    pytester.makepyfile(f"import pytest\n{source}\n")
    result = pytester.runpytest("--aifootprint", *workers)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    (line,) = [line for line in result.errlines if line.startswith("ERROR")]
    assert "calls: '-1 calls' is negative" in line
    assert "valid: " in line
    assert "::test_it" in line
    result.stdout.no_fnmatch_line("*passed*")
    result.stdout.no_fnmatch_line("*AI footprint*")


def test_a_mark_that_says_nothing_of_live_calls_takes_back_what_its_class_said(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.aifootprint(live=False)
        class TestIt:
            def test_as_the_class(self, aifootprint):
                aifootprint.record_call(model="gpt-4o", provider="openai", input_tokens=1, output_tokens=1)

            @pytest.mark.aifootprint(live=None)
            def test_otherwise(self, aifootprint):
                aifootprint.record_call(model="gpt-4o", provider="openai", input_tokens=1, output_tokens=1)
        """
    )
    result = pytester.runpytest("--aifootprint")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        ["aifootprint: live=False, but 1 live AI call was made: gpt-4o *", "FAILED *::test_as_the_class*"]
    )


def test_every_option_is_in_the_help(pytester: pytest.Pytester) -> None:
    from pytest_aifootprint.options import OPTIONS

    out = pytester.runpytest("--help").stdout.str()
    for option in OPTIONS:
        assert option.flag in out
        assert option.ini in out


def test_the_settings_of_a_run_do_not_depend_on_the_working_directory(
    suite: pytest.Pytester, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = suite.runpytest_inprocess("--aifootprint", "--aifootprint-report=json:here.json", str(suite.path))
    result.assert_outcomes(passed=1)
    assert (tmp_path / "here.json").is_file()


def test_a_limit_without_the_switch_is_said_to_have_no_effect(suite: pytest.Pytester) -> None:
    result = suite.runpytest("--aifootprint-budget=1 ugCO2e")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["aifootprint: metering is off, --aifootprint-budget has no effect; add --aifootprint"])
    suite.runpytest().stdout.no_fnmatch_line("aifootprint: metering*")


def test_nor_has_one_in_the_environment_unless_somebody_switched_it_off(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTEST_AIFOOTPRINT_GRID", "FRA")
    suite.runpytest().stdout.no_fnmatch_line("aifootprint: metering*")
    monkeypatch.setenv("PYTEST_AIFOOTPRINT_BUDGET", "1 ugCO2e")
    told = "aifootprint: metering is off, PYTEST_AIFOOTPRINT_BUDGET has no effect; add --aifootprint"
    suite.runpytest().stdout.fnmatch_lines([told])
    suite.runpytest("--no-aifootprint").stdout.no_fnmatch_line("aifootprint: metering*")
    monkeypatch.setenv("PYTEST_AIFOOTPRINT", "0")
    suite.runpytest().stdout.no_fnmatch_line("aifootprint: metering*")


@pytest.mark.parametrize("quiet", [["-q"], ["--no-header"], ["-p", "no:terminal", "-p", "no:asyncio"], ["-q", "-n2"]])
def test_nor_is_that_left_out_where_there_is_no_header(suite: pytest.Pytester, quiet: list[str]) -> None:
    told = "aifootprint: metering is off, --aifootprint-budgets has no effect; add --aifootprint"
    result = suite.runpytest_subprocess("--aifootprint-budgets=model gpt*: 1 g", *quiet)
    assert result.ret == 0
    assert [line for line in result.errlines if line.strip()] == [told]
    assert told not in result.outlines


def test_a_report_that_cannot_be_written_in_the_end_is_said_on_stderr(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pytest_aifootprint.reports.json_report.write", full)
    result = suite.runpytest("--aifootprint", "--aifootprint-report=json:r.json", "-q")
    result.assert_outcomes(passed=1)
    result.stderr.fnmatch_lines(["aifootprint: report not written: json:*r.json: No space left on device"])


def test_a_mocked_call_has_no_notice_about_numbers_that_it_does_not_have(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        def test_it(aifootprint):
            aifootprint.record_call(model="nobody-knows", realness="mocked")
        """
    )
    data = report(pytester)
    assert {n["code"] for n in data["notices"]} == {"grid-guessed"}


def test_an_unknown_model_is_said_to_be_priced_by_its_class(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")  # a processor may have a long name
    pytester.makepyfile(
        """
        def test_it(aifootprint):
            aifootprint.record_call(model="nobody-knows", provider="openai", input_tokens=10, output_tokens=10)
        """
    )
    result = pytester.runpytest("--aifootprint")
    result.stdout.fnmatch_lines(["basis*assumed (class*", "notice*nobody-knows*(unknown-model)"])
