"""The exit status: 1 where pytest would have said 0, any other kept; pytest's own last line whole, in every mode."""

import json
import re
from textwrap import dedent
from typing import Any

import pytest

OVER = "--aifootprint-budget=0 calls"
ASKS = """
    def test_asks(aifootprint):
        aifootprint.record_call(model="gpt-4o", provider="openai", input_tokens=10, output_tokens=10)
"""
ASK = 'aifootprint.record_call(model="gpt-4o", provider="openai", input_tokens=10, output_tokens=10)'
SUITES = {
    "passes": "",
    "fails": "def test_fails(): assert False",
    "errs": "import no_such_module",
    "interrupts": "def test_interrupts(aifootprint): raise KeyboardInterrupt",
    "exits": "import pytest\ndef test_exits(): pytest.exit('enough', returncode=7)",
}
LAST_LINE = re.compile(r"(=+ )?.*\b(\d+ (passed|failed|errors?|deselected)|no tests ran)\b.* in [\d.]+s.*")


@pytest.fixture
def suite(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makepyfile(test_a=ASKS)
    return pytester


@pytest.mark.parametrize(
    ("kind", "args", "status"),
    [
        ("passes", (), 1),
        ("passes", ("-n2",), 1),
        ("passes", ("-x",), 1),
        ("passes", ("-q",), 1),
        ("passes", ("-qq",), 1),
        ("passes", ("--maxfail=2",), 1),
        ("passes", ("-q", "-x", "-n2"), 1),
        ("passes", ("-k", "nothing"), 5),
        ("passes", ("no_such_file.py",), 4),
        ("fails", (), 1),
        ("fails", ("-x",), 1),
        ("errs", (), 2),
        ("errs", ("--continue-on-collection-errors",), 1),
        ("exits", (), 7),
    ],
)
def test_the_status_and_the_last_line(suite: pytest.Pytester, kind: str, args: tuple[str, ...], status: int) -> None:
    suite.makepyfile(test_b=SUITES[kind])
    result = suite.runpytest("--aifootprint", OVER, *args)
    assert result.ret == status
    # pytest itself has no last line with -qq, and none for plugins when it was told to exit.
    if args != ("-qq",) and kind != "exits":
        last = [line for line in result.outlines if line.strip()][-1]
        assert LAST_LINE.fullmatch(last), last
    over = [line for line in result.outlines if line.startswith("budget  1 of 0 calls: fail")]
    assert len(over) == (status == 1)


@pytest.mark.parametrize(("kind", "args"), [("exits", ()), ("interrupts", ()), ("fails", ("-x",)), ("fails", ())])
def test_a_pass_of_a_run_that_was_stopped_says_so(suite: pytest.Pytester, kind: str, args: tuple[str, ...]) -> None:
    suite.makepyfile(test_b=SUITES[kind])
    path = suite.path / "r.json"
    suite.runpytest_subprocess(
        "--aifootprint", "--aifootprint-budget=9 calls", f"--aifootprint-report=json:{path}", *args
    )
    (verdict,) = json.loads(path.read_text())["verdicts"]
    assert verdict["verdict"] == "pass"
    assert verdict["message"].endswith(": the run was stopped early") == (bool(args) or kind != "fails")


def test_a_run_in_which_no_test_ran_says_so_instead_of_that_nothing_was_seen(suite: pytest.Pytester) -> None:
    result = suite.runpytest("--aifootprint", OVER, "-k", "nothing")
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED
    result.stdout.fnmatch_lines(["0 AI calls in 0 tests; no test ran", "budget  0 of 0 calls: pass (no test ran)"])


@pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["alone", "n2"])
def test_an_interrupted_run_is_still_judged_and_stays_interrupted(
    suite: pytest.Pytester, workers: tuple[str, ...]
) -> None:
    suite.makepyfile(test_b=SUITES["interrupts"])
    result = suite.runpytest_subprocess("--aifootprint", OVER, *workers)
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(["*AI footprint*", "budget  1 of 0 calls: fail*"])
    last = [line for line in result.outlines if line.strip()][-1]
    assert LAST_LINE.fullmatch(last), last


def test_an_internal_error_stays_one(suite: pytest.Pytester) -> None:
    suite.makeconftest("def pytest_runtestloop(session): raise RuntimeError('of another plugin')")
    result = suite.runpytest("--aifootprint", OVER)
    assert result.ret == pytest.ExitCode.INTERNAL_ERROR


@pytest.mark.parametrize(
    ("kind", "args", "status"),
    [
        ("passes", (), 1),
        ("passes", ("-n2",), 1),
        ("fails", (), 1),
        ("errs", (), 2),
        ("interrupts", (), 2),
        ("passes", ("--aifootprint-budget=9 calls",), 0),
    ],
)
def test_without_a_terminal_a_failed_verdict_is_one_line(
    suite: pytest.Pytester, kind: str, args: tuple[str, ...], status: int
) -> None:
    suite.makepyfile(test_b=SUITES[kind])
    limit = [] if status == 0 else [OVER]
    # pytester lets Ctrl-C through: there the run has a process of its own.
    runpytest = suite.runpytest_subprocess if kind == "interrupts" else suite.runpytest
    result = runpytest("--aifootprint", *limit, "-p", "no:terminal", "-p", "no:asyncio", *args)
    assert result.ret == status
    lines = [line for line in result.errlines if line.strip()]
    over = ["aifootprint: budget 1 of 0 calls: fail (worst test: test_a.py::test_asks with 1)"]
    assert lines == ([] if kind == "errs" or status == 0 else over)


def test_a_verdict_on_a_test_is_told_without_a_terminal_too(suite: pytest.Pytester) -> None:
    args = ("--aifootprint-test-budget=0 calls", "--aifootprint-tests=marked", "-p", "no:terminal", "-p", "no:asyncio")
    result = suite.runpytest("--aifootprint", *args)
    assert result.ret == 1
    lines = [line for line in result.errlines if line.strip()]
    assert lines == ["aifootprint: budget test_a.py::test_asks: 1 of 0 calls: fail"]


@pytest.mark.parametrize("mode", ["--collect-only", "--setup-plan", "--fixtures", "--markers", "--help"])
def test_where_no_test_runs_there_is_no_gate(suite: pytest.Pytester, mode: str) -> None:
    result = suite.runpytest("--aifootprint", OVER, "--aifootprint-budgets=nobody: 1 g", mode)
    assert result.ret == 0
    result.stdout.no_fnmatch_line("budget *")
    result.stdout.no_fnmatch_line("*= AI footprint =*")


OUTCOMES = f"""
    import pytest

    def test_passes(aifootprint):
        {ASK}

    def test_fails(aifootprint):
        {ASK}
        assert False, "its own reason"

    def test_skips(aifootprint):
        {ASK}
        pytest.skip("its own reason")

    @pytest.mark.xfail
    def test_xfails(aifootprint):
        {ASK}
        assert False

    @pytest.mark.xfail
    def test_xpasses(aifootprint):
        {ASK}

    @pytest.mark.xfail(strict=True)
    def test_xpasses_strictly(aifootprint):
        {ASK}

    @pytest.fixture
    def broken(aifootprint):
        {ASK}
        raise RuntimeError

    def test_errs(broken):
        pass
"""


def verdicts(pytester: pytest.Pytester) -> dict[str, list[str]]:
    data: dict[str, Any] = json.loads((pytester.path / "out.json").read_text())
    return {test["nodeid"].partition("::")[2]: [v["verdict"] for v in test["verdicts"]] for test in data["tests"]}


@pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["alone", "n2"])
def test_a_test_keeps_the_outcome_that_it_has(pytester: pytest.Pytester, workers: tuple[str, ...]) -> None:
    pytester.makepyfile(test_outcomes=OUTCOMES)
    args = ("--aifootprint-test-budget=0 calls", "--aifootprint-report=json:out.json", "-rA")
    result = pytester.runpytest("--aifootprint", *args, *workers)
    # Only the test that passed is failed by its limit.
    result.assert_outcomes(failed=3, skipped=1, xfailed=1, xpassed=1, errors=1)
    assert sum(line == "aifootprint: live calls 1 over the limit 0 calls" for line in result.outlines) == 1
    result.stdout.fnmatch_lines(["E *its own reason", "*XPASS(strict)*"])
    found = verdicts(pytester)
    assert len(found) == 7
    assert set(map(tuple, found.values())) == {("fail",)}


@pytest.mark.parametrize(("kept", "workers"), [("skips", ()), ("xfails", ()), ("xpasses", ()), ("xfails", ("-n2",))])
def test_the_verdict_on_such_a_test_alone_sets_the_status(
    pytester: pytest.Pytester, kept: str, workers: tuple[str, ...]
) -> None:
    pytester.makepyfile(test_outcomes=OUTCOMES)
    args = ("--aifootprint", "--aifootprint-test-budget=0 calls", f"test_outcomes.py::test_{kept}")
    result = pytester.runpytest(*args, *workers)
    assert result.ret == 1
    result.stdout.no_fnmatch_line("*1 failed*")
    result.stdout.fnmatch_lines([f"budget  test_outcomes.py::test_{kept}: 1 of 0 calls: fail"])


LIVES = f"""
    import pytest

    tries = []

    @pytest.fixture
    def prepared(aifootprint):
        {ASK}
        yield
        {ASK}
        {ASK}

    @pytest.fixture(scope="module")
    def shared(request):
        from pytest_aifootprint.fixtures import footprint_of
        from pytest_aifootprint.plugin import METERING
        aifootprint = footprint_of(request, request.config.stash.get(METERING, None))
        {ASK}

    @pytest.mark.aifootprint(calls=2)
    def test_own_setup_counts_teardown_and_shared_do_not(prepared, shared, aifootprint):
        {ASK}

    @pytest.mark.aifootprint(calls=1)
    def test_setup_and_call_are_two(prepared, aifootprint):
        {ASK}

    @pytest.mark.flaky(reruns=2)
    @pytest.mark.aifootprint(calls=2)
    def test_all_attempts_count(aifootprint):
        {ASK}
        tries.append(1)
        assert len(tries) == 3

    @pytest.mark.flaky(reruns=2)
    @pytest.mark.aifootprint(calls=0)
    def test_over_is_not_run_again(aifootprint):
        {ASK}
"""


@pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["alone", "n2"])
def test_a_test_is_judged_once_by_what_is_its_own(pytester: pytest.Pytester, workers: tuple[str, ...]) -> None:
    pytester.makepyfile(test_lives=LIVES)
    result = pytester.runpytest("--aifootprint", "--aifootprint-report=json:out.json", "-v", *workers)
    assert result.parseoutcomes() == {"passed": 1, "failed": 3, "rerun": 2}
    # What an attempt took that is run again is not said as if it were the test's.
    assert not [line for line in result.outlines if "RERUN (" in line]
    assert verdicts(pytester) == {
        "test_own_setup_counts_teardown_and_shared_do_not": ["pass"],
        "test_setup_and_call_are_two": ["fail"],
        "test_all_attempts_count": ["fail"],
        "test_over_is_not_run_again": ["fail"],
    }
    result.stdout.fnmatch_lines_random(
        [
            "aifootprint: live calls 2 over the limit 1 calls",
            "aifootprint: live calls 3 over the limit 2 calls",
            "aifootprint: live calls 1 over the limit 0 calls",
        ]
    )


@pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["alone", "n2"])
def test_a_limit_on_a_parametrised_test_holds_for_each_and_never_for_a_subtest(
    pytester: pytest.Pytester, workers: tuple[str, ...]
) -> None:
    subtests = "subtests.test(n)" if pytest.version_tuple >= (9,) else "contextlib.nullcontext()"
    pytester.makepyfile(
        f"""
        import contextlib
        import pytest

        pytestmark = pytest.mark.aifootprint(calls=1)

        class TestClass:
            @pytest.mark.parametrize("n", [1, 2, pytest.param(3, marks=pytest.mark.aifootprint(calls=3))])
            def test_it(self, n, aifootprint{", subtests" if pytest.version_tuple >= (9,) else ""}):
                for _ in range(n):
                    with {subtests}:
                        {ASK}
        """
    )
    result = pytester.runpytest("--aifootprint", "--strict-markers", "-v", *workers)
    assert result.ret == 1
    failed = [line for line in result.outlines if " FAILED" in line]
    assert len(failed) == 1
    assert "TestClass::test_it[2]" in failed[0]
    result.stdout.no_fnmatch_line("*SUBFAILED*")


def test_whoever_reads_reports_sees_the_failure(suite: pytest.Pytester) -> None:
    suite.makepyfile(test_b="def test_plain(): pass")
    suite.runpytest("--aifootprint", "--aifootprint-test-budget=0 calls", "--junitxml=junit.xml")
    junit = (suite.path / "junit.xml").read_text()
    assert 'failures="1"' in junit
    assert '<failure message="aifootprint: live calls 1 over the limit 0 calls">' in junit
    suite.runpytest("--lf").assert_outcomes(passed=1)


def test_the_mark_is_known_and_limits_nothing_where_metering_is_off(suite: pytest.Pytester) -> None:
    suite.makepyfile(test_a="import pytest\npytestmark = pytest.mark.aifootprint(calls=0)\n" + dedent(ASKS))
    suite.runpytest("--strict-markers").assert_outcomes(passed=1)
    suite.runpytest("--strict-markers", "--aifootprint").assert_outcomes(failed=1)


def test_pytest_explains_the_mark(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest("--markers")
    result.stdout.fnmatch_lines(
        ["@pytest.mark.aifootprint(budget=*energy=*tokens=*calls=*live=False): limits of one test*"]
    )


@pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["alone", "n2"])
def test_x_stops_at_a_test_over_its_limit(pytester: pytest.Pytester, workers: tuple[str, ...]) -> None:
    pytester.makepyfile(test_many="\n".join(f"def test_{n}(aifootprint):\n    {ASK}" for n in range(20)))
    result = pytester.runpytest("--aifootprint", "--aifootprint-test-budget=0 calls", "-x", *workers)
    assert result.ret == (pytest.ExitCode.INTERRUPTED if workers else 1)
    assert result.parseoutcomes()["failed"] < 20
    result.stdout.fnmatch_lines(["*stopping after 1 failures*"])
