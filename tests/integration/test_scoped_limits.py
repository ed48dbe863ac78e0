"""Limits on the tests with some marks and on models: which tests, which sums, who wins, and what is never a pass."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

INI = """
    [pytest]
    markers =
        slow: long answers
        nightly: at night
        unused: of no test
        expensive: given by a conftest
"""
SUITE = """
    import pytest
    from pytest_aifootprint.fixtures import footprint_of
    from pytest_aifootprint.plugin import METERING

    def ask(footprint, **how):
        how = {"model": "gpt-4o", "provider": "openai", "input_tokens": 100, "output_tokens": 10} | how
        footprint.record_call(**how)

    @pytest.fixture(scope="module")
    def judge(request):
        for _ in range(3):
            ask(footprint_of(request, request.config.stash.get(METERING, None)))

    @pytest.mark.slow
    def test_slow(aifootprint):
        ask(aifootprint)

    @pytest.mark.slow
    @pytest.mark.nightly
    def test_slow_night(aifootprint, judge):
        ask(aifootprint)

    @pytest.mark.nightly
    def test_night(judge):
        pass

    def test_plain(aifootprint):
        ask(aifootprint, model="meta-llama/Llama-3-8B", provider="huggingface")

    def test_without():
        pass
"""
TOTALS: dict[str, Callable[[dict[str, Any]], float]] = {
    "gCO2e": lambda t: t["carbon_g"]["total"]["central"],
    "J": lambda t: t["energy_j"]["total"]["central"],
    "L": lambda t: t["water_l"]["total"]["central"],
    "tokens": lambda t: t["tokens"]["input"] + t["tokens"]["output"],
    "calls": lambda t: t["calls"]["live"],
}


@pytest.fixture(params=[(), ("-n2",)], ids=["alone", "n2"])
def workers(request: pytest.FixtureRequest) -> tuple[str, ...]:
    param: tuple[str, ...] = request.param
    return param


@pytest.fixture
def suite(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makeini(INI)
    pytester.makepyfile(test_suite=SUITE)
    return pytester


def report(suite: pytest.Pytester, *args: str) -> dict[str, Any]:
    path = suite.path / "out.json"
    suite.runpytest("--aifootprint", f"--aifootprint-report=json:{path}", *args)
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def budgets(*limits: str) -> list[str]:
    return [f"--aifootprint-budgets={limit}" for limit in limits]


def actual(found: dict[str, Any]) -> dict[str, float]:
    return {v["scope"]: v["actual"]["central"] for v in found["verdicts"]}


def test_the_sum_of_a_scope_has_the_shares_of_fixtures(suite: pytest.Pytester, workers: tuple[str, ...]) -> None:
    found = report(suite, *budgets("slow: 100 calls", "nightly: 100 calls", "not slow: 100 calls"), *workers)
    # Three calls of a fixture, on each worker that sets it up, are borne by its two users alike.
    (fixture,) = [fixture for fixture in found["fixtures"] if fixture["name"] == "judge"]
    shared = len(fixture["calls"]) / 2
    assert shared >= 1.5
    assert actual(found) == {
        "marker: slow": 2 + shared,
        "marker: nightly": 1 + 2 * shared,
        "marker: not slow": 1 + shared,
    }


@pytest.mark.parametrize("rows", ["ai", "marked", "all"])
def test_all_tests_together_are_the_run_whatever_has_a_row(suite: pytest.Pytester, rows: str) -> None:
    limits = [f"slow or not slow: 1e6 {unit}" for unit in TOTALS]
    found = report(suite, f"--aifootprint-tests={rows}", *budgets(*limits))
    for verdict, of_totals in zip(found["verdicts"], TOTALS.values(), strict=True):
        assert verdict["actual"]["central"] == pytest.approx(of_totals(found["totals"]), rel=1e-9)


def test_all_models_together_are_what_their_rows_say(suite: pytest.Pytester) -> None:
    found = report(suite, *budgets("model gpt-4o: 1 kg", "model llama-3-8b: 1 kg", "model *: 1 kg", "model *: 1 MJ"))
    rows = {model["id"]: model["carbon_g"]["total"]["central"] for model in found["models"]}
    joules = sum(model["energy_j"]["central"] for model in found["models"])
    values = [verdict["actual"]["central"] for verdict in found["verdicts"]]
    assert values == pytest.approx([rows["gpt-4o"], rows["meta-llama/Llama-3-8B"], sum(rows.values()), joules])


EXPRESSIONS = [
    "slow",
    "not slow",
    "slow and nightly",
    "slow or nightly",
    "not (slow or nightly)",
    "nightly and not slow",
]


def test_an_expression_means_the_tests_that_pytest_selects(pytester: pytest.Pytester) -> None:
    pytester.makeini(INI)
    pytester.makepyfile(
        """
        import pytest

        def ask(aifootprint):
            aifootprint.record_call(model="gpt-4o", provider="openai", input_tokens=1, output_tokens=1)

        pytestmark = pytest.mark.nightly

        @pytest.mark.slow
        class TestClass:
            def test_of_a_slow_class(self, aifootprint):
                ask(aifootprint)

        @pytest.mark.parametrize("n", [1, pytest.param(2, marks=pytest.mark.slow)])
        def test_with_parameters(n, aifootprint):
            ask(aifootprint)
        """,
        test_more="""
        def test_plain(aifootprint):
            aifootprint.record_call(model="gpt-4o", provider="openai", input_tokens=1, output_tokens=1)
        """,
    )
    meant = actual(report(pytester, *budgets(*(f"{expression}: 99 calls" for expression in EXPRESSIONS))))
    for expression in EXPRESSIONS:
        selected = pytester.runpytest("-m", expression).parseoutcomes().get("passed", 0)
        assert meant[f"marker: {expression}"] == selected, expression


def test_marks_that_a_conftest_adds_while_tests_are_collected_count(
    suite: pytest.Pytester, workers: tuple[str, ...]
) -> None:
    suite.makeconftest(
        """
        import pytest

        def pytest_collection_modifyitems(items):
            for item in items:
                if item.name == "test_plain":
                    item.add_marker("expensive")
                    item.add_marker(pytest.mark.aifootprint(calls=0))
        """
    )
    result = suite.runpytest("--aifootprint", *budgets("expensive: 0 calls"), *workers)
    result.stdout.fnmatch_lines(
        ["*aifootprint: live calls 1 over the limit 0 calls*", "budget*marker: expensive: 1 of 0 calls*fail*"]
    )
    result.assert_outcomes(passed=4, failed=1)


@pytest.mark.parametrize(
    "chosen", [["-k", "plain"], ["-m", "not slow"], ["--deselect", "test_suite.py::test_slow"], ["-k", "plain", "-n2"]]
)
def test_a_scope_whose_tests_were_left_out_says_so(suite: pytest.Pytester, chosen: list[str]) -> None:
    result = suite.runpytest("--aifootprint", *budgets("slow and not nightly: 0 calls"), *chosen)
    assert result.ret == 0
    result.stdout.fnmatch_lines(["budget  marker: slow and not nightly: 0 of 0 calls: pass (no test of this run)"])


def test_a_model_that_no_call_meant_is_told_with_those_that_were_called(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        test_suite="""
            def test_it(aifootprint):
                for n in range(5):
                    aifootprint.record_call(model=f"acme-{n}", input_tokens=1, output_tokens=1)
        """
    )
    result = suite.runpytest("--aifootprint", *budgets("model acne-*: 1 calls", "model acme-1: 1 calls"))
    assert result.ret == 0
    lines = [line for line in result.outlines if line.startswith("budget")]
    seen = "no call to such a model seen, every seam armed; called: acme-0, acme-1, acme-2, and 2 more"
    assert lines == [
        f"budget  model: acne-*: 0 of 1 calls: pass ({seen})",
        "budget  model: acme-1: 1 of 1 calls (100 %): pass",
    ]


def test_a_scope_whose_tests_called_nothing_says_so(suite: pytest.Pytester) -> None:
    suite.makepyfile(test_suite="import pytest\n@pytest.mark.slow\ndef test_it(): pass")
    result = suite.runpytest("--aifootprint", *budgets("slow: 1 g", "model gpt-5*: 1 g"), "--aifootprint-budget=1 g")
    assert result.ret == 0
    result.stdout.fnmatch_lines(
        [
            "budget  0 of 1 g: pass (no AI call seen, every seam armed)",
            "budget  marker: slow: 0 of 1 g: pass (no AI call seen in these tests, every seam armed)",
            "budget  model: gpt-5[*]: 0 of 1 g: pass (no call to such a model seen, every seam armed)",
        ]
    )


def test_a_registered_mark_of_no_test_is_no_typing_error(suite: pytest.Pytester) -> None:
    result = suite.runpytest("--aifootprint", *budgets("unused: 0 calls", "skipif and not xfail: 0 calls"))
    assert result.ret == 0
    result.assert_outcomes(passed=5)


@pytest.mark.parametrize(
    ("expression", "workers"), [("slwo", ()), ("slow and not nightley", ()), ("not unknown", ()), ("slwo", ("-n2",))]
)
def test_a_mark_that_nobody_knows_is_refused_before_a_test_runs(
    suite: pytest.Pytester, expression: str, workers: tuple[str, ...]
) -> None:
    result = suite.runpytest("--aifootprint", *budgets(f"{expression}: 1 kg"), *workers)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    errors = [line for line in result.errlines if line.startswith("ERROR")]
    assert len(errors) == 1
    wrong = expression.rsplit(maxsplit=1)[-1]
    assert f"--aifootprint-budgets (command line): {expression!r}: no test has the mark {wrong!r}" in errors[0]
    assert "valid: a mark of a test, or one that is registered" in errors[0]
    assert ("did you mean" in errors[0]) == (wrong != "unknown")
    result.stdout.no_fnmatch_line("*passed*")
    result.stdout.no_fnmatch_line("*budget*")


def test_the_origin_of_an_unknown_mark_is_named(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_AIFOOTPRINT_BUDGETS", "slow: 1 kg; slwo: 1 g")
    result = suite.runpytest("--aifootprint")
    result.stderr.fnmatch_lines(
        ["ERROR: --aifootprint-budgets (environment PYTEST_AIFOOTPRINT_BUDGETS): 'slwo'*mean 'slow'*"]
    )


def test_where_not_all_could_be_collected_a_mark_may_be_missing_and_the_status_is_kept(suite: pytest.Pytester) -> None:
    suite.makepyfile(test_broken="import no_such_module\n")
    args = ("--aifootprint", *budgets("elsewhere: 1 kg"))
    assert suite.runpytest(*args).ret == pytest.ExitCode.INTERRUPTED
    result = suite.runpytest(*args, "--continue-on-collection-errors")
    result.stdout.fnmatch_lines(
        ["budget*marker: elsewhere*undecided (no test has the mark 'elsewhere'*not registered)"]
    )


def test_where_nothing_was_collected_the_status_is_kept(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest("--aifootprint", *budgets("elsewhere: 1 kg"))
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED


def test_the_nearest_limit_of_a_kind_wins(pytester: pytest.Pytester, workers: tuple[str, ...]) -> None:
    pytester.makeini(INI)
    pytester.makepyfile(
        """
        import pytest

        def ask(aifootprint, n):
            for _ in range(n):
                aifootprint.record_call(model="gpt-4o", provider="openai", input_tokens=10, output_tokens=10)

        def test_by_default(aifootprint):  # at most 1 call
            ask(aifootprint, 2)

        @pytest.mark.slow  # at most 3 calls
        def test_each_over(aifootprint):
            ask(aifootprint, 4)

        @pytest.mark.slow
        def test_each_within(aifootprint):
            ask(aifootprint, 3)

        @pytest.mark.slow
        @pytest.mark.aifootprint(calls=5)
        def test_own_within(aifootprint):
            ask(aifootprint, 5)

        @pytest.mark.slow
        @pytest.mark.aifootprint(calls=5)
        def test_own_over(aifootprint):
            ask(aifootprint, 6)

        @pytest.mark.slow
        @pytest.mark.aifootprint(tokens=10_000)  # of another kind: the limits on calls stay
        def test_other_kind(aifootprint):
            ask(aifootprint, 4)

        @pytest.mark.slow
        @pytest.mark.nightly  # of two that mean it, both hold: at most 2
        def test_both(aifootprint):
            ask(aifootprint, 3)
        """
    )
    limits = ["--aifootprint-test-budget=1 call", *budgets("slow: 3 calls each", "nightly: 2 calls each")]
    result = pytester.runpytest("--aifootprint", "-rA", *limits, *workers)
    outcomes = {
        line.split("::")[1].split(" ")[0]: line.split(" ")[0]
        for line in result.outlines
        if line[:4] in {"PASS", "FAIL"}
    }
    assert outcomes == {
        "test_by_default": "FAILED",
        "test_each_over": "FAILED",
        "test_each_within": "PASSED",
        "test_own_within": "PASSED",
        "test_own_over": "FAILED",
        "test_other_kind": "FAILED",
        "test_both": "FAILED",
    }
    result.stdout.fnmatch_lines_random(
        [
            "aifootprint: live calls 2 over the limit 1 call",
            "aifootprint: live calls 4 over the limit slow: 3 calls each",
            "aifootprint: live calls 6 over the limit 5 calls",
            "aifootprint: live calls 3 over the limit nightly: 2 calls each",
        ]
    )


def test_a_limit_given_twice_is_judged_once(suite: pytest.Pytester) -> None:
    twice = ["--aifootprint-budget=9 calls"] * 2 + budgets("slow: 9 calls", " slow :  9 calls ", "slow: 8 calls")
    assert [v["limit"] for v in report(suite, *twice)["verdicts"]] == ["9 calls", "9 calls", "8 calls"]


def test_the_limits_of_ini_and_environment(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    suite.makeini(INI + "    aifootprint_budgets =\n        slow: 2 gCO2e\n        model gpt*: 2k tokens\n")
    assert list(actual(report(suite))) == ["marker: slow", "model: gpt*"]
    monkeypatch.setenv("PYTEST_AIFOOTPRINT_BUDGETS", "nightly: 1 Wh; not slow: 1 mL")
    assert list(actual(report(suite))) == ["marker: nightly", "marker: not slow"]


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        ("5 g", ["'5 g' names neither marks nor a model", 'valid: "slow_llm: 2 gCO2e"']),
        ("slow: 5 bananas", ["'5 bananas' has an unknown unit", 'valid: "5 gCO2e"']),
        ("slow nightly: 5 g", ["'slow nightly' is no expression of marks", "valid: names of marks with and, or, not"]),
        ("model gpt-5: 5 g each", ['"each" is for tests', "valid: "]),
        ("", ["'' is not an amount", "valid: "]),
    ],
)
def test_what_cannot_be_read_is_one_line(suite: pytest.Pytester, limit: str, words: list[str]) -> None:
    result = suite.runpytest("--aifootprint", *budgets(limit))
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    (line,) = [line for line in result.errlines if line.strip()]
    assert line.startswith("ERROR: --aifootprint-budgets (command line): ")
    assert all(word in line for word in words)


FAKE = "import lm15.transports\n"


@pytest.fixture
def blind(suite: pytest.Pytester) -> pytest.Pytester:
    """A suite that imports a client which cannot be watched."""
    package = suite.mkpydir("lm15")
    Path(package, "transports.py").write_text("")
    suite.makepyfile(test_blind=FAKE + "def test_it(): pass")
    return suite


def test_a_seam_that_is_not_armed_is_no_pass(blind: pytest.Pytester, workers: tuple[str, ...]) -> None:
    limits = ["--aifootprint-budget=1 kg", *budgets("slow: 1 kg", "model gpt-5*: 1 kg")]
    result = blind.runpytest("--aifootprint", *limits, *workers)
    assert result.ret == 1
    assert sum(": undecided (seam lm15: " in line for line in result.outlines if line.startswith("budget")) == 3
    result.assert_outcomes(passed=6)


@pytest.mark.parametrize("limit", ["model gpt-5*: 1 kg", "slow: 1 kg"])
def test_one_such_limit_alone_fails_the_run(blind: pytest.Pytester, limit: str) -> None:
    assert blind.runpytest("--aifootprint", *budgets(limit)).ret == 1


@pytest.mark.parametrize("limit", ["--aifootprint-test-budget=1 kg", "--aifootprint-budgets=slow: 1 kg each"])
def test_nor_where_all_limits_are_on_single_tests(blind: pytest.Pytester, limit: str) -> None:
    result = blind.runpytest("--aifootprint", limit)
    assert result.ret == 1
    result.stdout.fnmatch_lines(["budget  each test: *1 kg*: undecided (seam lm15: *"])
    assert blind.runpytest("--aifootprint", limit, "--aifootprint-undecided=warn").ret == 0


def test_nor_where_the_only_limit_is_a_mark(blind: pytest.Pytester) -> None:
    blind.makepyfile(
        test_suite=SUITE.replace("def test_plain", "@pytest.mark.aifootprint(calls=9)\n    def test_plain")
    )
    result = blind.runpytest("--aifootprint")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["budget  each test: 9 calls: undecided (seam lm15: *"])


def test_a_scope_without_a_test_of_this_run_is_a_pass_whatever_could_not_be_seen(blind: pytest.Pytester) -> None:
    assert blind.runpytest("--aifootprint", *budgets("unused: 0 calls")).ret == 0


def test_a_model_whose_energy_stands_with_the_tests_is_undecided_in_joules_not_in_tokens(
    suite: pytest.Pytester,
) -> None:
    suite.makepyfile(
        test_suite="""
        def test_local(aifootprint):
            aifootprint.record_call(
                model="llama3:8b", provider="ollama", locality="local", input_tokens=100, output_tokens=10
            )
        """
    )
    limits = budgets("model llama3:8b: 1 kWh", "model llama3:8b: 1 kg", "model llama3:8b: 110 tokens")
    result = suite.runpytest("--aifootprint", *limits)
    assert result.ret == 1
    why = "undecided (the energy of llama3:8b is metered with the tests that call it, not by model: limit its tokens*"
    result.stdout.fnmatch_lines(
        [
            f"budget  model: llama3:8b: 1 kWh: {why}",
            f"budget  model: llama3:8b: 1 kg: {why}",
            "budget  model: llama3:8b: 110 of 110 tokens (100 %): pass",
        ]
    )


def test_calls_that_do_not_tell_their_model_may_be_of_any(suite: pytest.Pytester) -> None:
    suite.makeconftest(
        """
        def pytest_aifootprint_call(call):
            if call.model == "meta-llama/Llama-3-8B":
                call.model = None
        """
    )
    result = suite.runpytest("--aifootprint", *budgets("model gpt-5*: 1 kg", "model *: 1 kg"))
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        [
            "budget  model: gpt-5[*]: 0 of 1 kg: undecided (1 live calls do not tell their model)",
            "budget  model: [*]: * of 1 kg *: pass",
        ]
    )


def test_tokens_that_a_call_of_the_scope_did_not_tell_are_not_zero(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        test_suite=SUITE.replace(
            "def test_slow(aifootprint):\n",
            "def test_slow(aifootprint):\n        ask(aifootprint, input_tokens=None, output_tokens=None)\n",
        )
    )
    result = suite.runpytest(
        "--aifootprint", *budgets("slow: 1M tokens", "not slow: 1M tokens", "model gpt*: 1M tokens")
    )
    result.stdout.fnmatch_lines(
        [
            "budget  marker: slow: 1M tokens: undecided (not known)",
            "budget  marker: not slow: * of 1000000 tokens*: pass",
            "budget  model: gpt[*]: 1M tokens: undecided (not known)",
        ]
    )


def test_a_verdict_on_a_test_without_a_row_is_seen(suite: pytest.Pytester, workers: tuple[str, ...]) -> None:
    suite.makepyfile(
        test_suite="""
        import pytest

        @pytest.mark.slow
        def test_skips(aifootprint):
            aifootprint.record_call(model="gpt-4o", provider="openai", input_tokens=1, output_tokens=1)
            pytest.skip("enough")
        """
    )
    args = ("--aifootprint-tests=marked", *budgets("slow: 0 calls each"))
    result = suite.runpytest("--aifootprint", *args, *workers)
    assert result.ret == 1
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["budget  test_suite.py::test_skips: slow: 1 of 0 calls: fail"])


CLOSED = "closed-model-limit"


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["--aifootprint-budget=1 kg"], 1),
        (["--aifootprint-budget=1 kWh", "--aifootprint-budget=1 kg", *budgets("slow: 1 L")], 1),
        (["--aifootprint-test-budget=1 kg"], 1),
        (budgets("slow: 1 kg each"), 1),
        (budgets("model gpt*: 1 kg"), 1),
        (["--aifootprint-budget=1M tokens", "--aifootprint-budget=99 calls"], 0),
        (budgets("model llama*: 1 kg"), 0),
        ([], 0),
    ],
)
def test_a_limit_that_a_closed_model_decides_says_so_once(suite: pytest.Pytester, args: list[str], told: int) -> None:
    notices = [n["message"] for n in report(suite, *args)["notices"] if n["code"] == CLOSED]
    assert len(notices) == told
    assert all(
        "size of gpt-4o: a factor of " in n and "4.5 or more decides" in n and "tokens, or a baseline" in n
        for n in notices
    )


def test_a_pass_says_what_is_not_in_it(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        test_suite="""
        import pytest

        @pytest.mark.slow
        def test_classical(aifootprint):
            aifootprint.record_call(model="my-forest", locality="local", operation="inference")
        """
    )
    limits = ["--aifootprint-budget=1 kg", "--aifootprint-budget=use: 1 kg", *budgets("slow: 1 kg")]
    result = suite.runpytest("--aifootprint", *limits)
    assert result.ret == 0
    lines = [line.split(": pass")[1] for line in result.outlines if line.startswith("budget")]
    missing = " (the training of my-forest is unknown and not in it)"
    assert lines == [missing, "", missing]


ON_A_CARD = """
    def pytest_aifootprint_call(call):
        call.device = "cuda:0"
"""


@pytest.mark.parametrize(
    "limit", ["--aifootprint-budget={}", "--aifootprint-budgets=slow: {}", "--aifootprint-test-budget={}"]
)
def test_what_ran_on_a_card_that_nothing_meters_is_no_pass_in_joules(suite: pytest.Pytester, limit: str) -> None:
    suite.makeconftest(ON_A_CARD)
    result = suite.runpytest("--aifootprint", limit.format("1 kWh"), limit.format("99 calls"), "-k", "test_slow")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*undecided*gpt-4o ran on cuda:0, which nothing here meters*"])
    assert sum("undecided" in line for line in result.outlines if line.startswith("budget")) == (
        2 if "test-budget" in limit else 1
    )
