"""Suites that misbehave: the outcome stays theirs, the report stays valid, and no number is lost or doubled."""

import json
import math
import os
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator

from pytest_aifootprint.records.schema import report_schema

CALL = 'aifootprint.record_call(model="gpt-4o", provider="openai", input_tokens=1000, output_tokens=100)'
TERMS = ("ai_tests_j", "shared_fixtures_j", "other_tests_j", "other_processes_j", "idle_j", "plugin_j")
VALIDATOR = Draft202012Validator(report_schema())


def checked(path: Path) -> dict[str, Any]:
    """A report that is valid, whose balance is conserved and whose rows add up to its totals."""
    data: dict[str, Any] = json.loads(path.read_text())
    VALIDATOR.validate(data)
    for balance in data["balance"].values():
        assert math.fsum(balance[term] for term in TERMS) == pytest.approx(balance["metered_j"], rel=1e-6)
    for part in ("use", "training", "hardware", "total"):
        rows = math.fsum(t["carbon_g"][part]["central"] for t in data["tests"] if t["carbon_g"][part] is not None)
        total = data["totals"]["carbon_g"][part]
        assert rows == pytest.approx(total["central"] if total is not None else 0, rel=1e-6)
    remote = math.fsum(m["energy_j"]["central"] for m in data["models"] if m["energy_j"] is not None)
    assert remote == pytest.approx(data["totals"]["energy_j"]["remote"]["central"], rel=1e-6)
    return data


def both(
    pytester: pytest.Pytester, *args: str, subprocess: bool = False
) -> tuple[pytest.RunResult, pytest.RunResult, dict[str, Any]]:
    """The same run without and with metering, which end alike, and the report of the second."""
    path = pytester.path / "report.json"
    run = pytester.runpytest_subprocess if subprocess else pytester.runpytest
    without = run("-p", "no:cacheprovider", *args)
    metered = run("-p", "no:cacheprovider", "--aifootprint", f"--aifootprint-report=json:{path}", *args)
    assert metered.ret == without.ret
    assert metered.parseoutcomes() == without.parseoutcomes()
    return without, metered, checked(path)


@pytest.fixture(params=[(), ("-n2",)], ids=["alone", "n2"])
def workers(request: pytest.FixtureRequest) -> tuple[str, ...]:
    param: tuple[str, ...] = request.param
    return param


def live(data: dict[str, Any]) -> int:
    return int(data["totals"]["calls"]["live"])


FIXTURES = """
    import pytest, unittest

    @pytest.fixture(scope="package")
    def package():
        yield

    @pytest.fixture(scope="class", params=["a", "b"])
    def per_class(request, package):
        yield request.param

    @pytest.fixture(scope="module")
    def fails_late():
        yield
        raise ValueError("teardown")

    @pytest.fixture(scope="module")
    def fails_early():
        raise ValueError("setup")

    @pytest.fixture(scope="session", autouse=True)
    def finalized(request):
        request.addfinalizer(lambda: None)

    def setup_module():
        pass

    class TestParametrized:
        def test_calls(self, per_class, aifootprint):
            CALL

        def test_silent(self, per_class):
            pass

    def test_dynamic(request, aifootprint):
        CALL
        request.getfixturevalue("package")
        request.getfixturevalue("fails_late")

    def test_error(fails_early, aifootprint):
        pass

    def test_error_again(fails_early):
        pass

    class TestUnit(unittest.TestCase):
        @classmethod
        def setUpClass(cls):
            cls.ready = True

        def test_parts(self):
            for i in range(3):
                with self.subTest(i=i):
                    self.assertTrue(self.ready)

        @unittest.expectedFailure
        def test_expected(self):
            self.fail()

    @pytest.mark.xfail(strict=True)
    def test_strict(aifootprint):
        CALL

    IDS = ["a[b", "ü€", "x\\ny", "%s%d", "[bold]red[/]", "\\x1b[31m", "::", "\\u202e", "a" * 99]

    @pytest.mark.parametrize("text", IDS)
    def test_ids(text, aifootprint):
        CALL
""".replace("CALL", CALL)


def test_fixtures_of_every_kind_keep_their_outcomes(pytester: pytest.Pytester, workers: tuple[str, ...]) -> None:
    pytester.makepyfile(test_zoo=FIXTURES)
    _, metered, data = both(pytester, *workers)
    assert live(data) == 13
    assert data["totals"]["tests"] == 19
    assert metered.ret == pytest.ExitCode.TESTS_FAILED


@pytest.mark.parametrize(
    "args",
    [("-x",), ("--maxfail=2", "-rA"), ("-q", "--tb=no"), ("-vv", "--setup-show"), ("--color=yes", "--durations=3")],
)
def test_the_ways_to_run_and_print_change_no_outcome(pytester: pytest.Pytester, args: tuple[str, ...]) -> None:
    pytester.makepyfile(test_zoo=FIXTURES)
    both(pytester, *args)


def test_junit_says_the_same_with_and_without(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_zoo=FIXTURES)
    seen = []
    for name, flags in (("off", ()), ("on", ("--aifootprint",))):
        path = pytester.path / f"{name}.xml"
        pytester.runpytest(f"--junitxml={path}", *flags)
        cases = ET.parse(path).iter("testcase")
        seen.append([(c.get("classname"), c.get("name"), [(e.tag, e.get("message")) for e in c]) for c in cases])
    assert seen[0] == seen[1]


def test_set_up_and_teardown_are_counted_when_x_stops_the_run(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        f"""
        import pytest

        @pytest.fixture
        def around(aifootprint):
            {CALL}
            yield
            {CALL}

        def test_fails(around):
            assert False

        def test_never(around):
            pass
        """
    )
    _, _, data = both(pytester, "-x")
    assert live(data) == 2
    assert [t["outcome"] for t in data["tests"]] == ["failed"]


@pytest.mark.parametrize("dist", ["load", "worksteal"])
def test_a_crashed_worker_loses_only_the_test_that_crashed_it(pytester: pytest.Pytester, dist: str) -> None:
    pytester.makepyfile(
        f"""
        import os, pytest

        @pytest.mark.parametrize("n", range(5))
        def test_it(n, aifootprint):
            {CALL}
            if n == 3:
                os._exit(3)
        """
    )
    _, metered, data = both(pytester, "-n1", f"--dist={dist}", subprocess=True)
    assert metered.ret == pytest.ExitCode.TESTS_FAILED
    assert sorted(t["nodeid"][-3:] for t in data["tests"]) == ["[0]", "[1]", "[2]", "[4]"]
    assert live(data) == 4
    assert [w["reported"] for w in data["run"]["workers"]] == [False, True]


ROUGH = f"""
    import os, shutil, signal, sys, tempfile, time

    import pytest

    def test_deletes_the_working_directory(aifootprint):
        {CALL}
        folder = tempfile.mkdtemp()
        os.chdir(folder)
        shutil.rmtree(folder)

    def test_clears_the_environment(aifootprint):
        {CALL}
        os.environ.clear()

    def test_ignores_its_children(aifootprint):
        {CALL}
        before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        if (pid := os.fork()) == 0:
            os._exit(0)
        with pytest.raises(ChildProcessError):
            os.waitpid(pid, 0)
        signal.signal(signal.SIGCHLD, before)

    def test_waits_for_any_child(aifootprint):
        {CALL}
        pids = set()
        for _ in range(3):
            if (pid := os.fork()) == 0:
                os._exit(0)
            pids.add(pid)
        assert {{os.wait()[0] for _ in range(3)}} == pids
        with pytest.raises(ChildProcessError):
            os.waitpid(-1, 0)

    def test_leaves_a_daemon(aifootprint):
        {CALL}
        if (pid := os.fork()) == 0:
            if os.fork() == 0:
                time.sleep(0.3)
            os._exit(0)
        os.waitpid(pid, 0)

    def test_closes_stdout(aifootprint):
        {CALL}
        print("before")
        sys.stdout.close()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_what_tests_do_to_their_process_is_borne(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_rough=ROUGH)
    _, _, data = both(pytester, subprocess=True)
    assert live(data) == 6


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_a_child_that_goes_on_as_pytest_adds_nothing_to_the_parent(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        f"""
        import os

        def test_forks(aifootprint):
            {CALL}
            if (pid := os.fork()) == 0:
                {CALL}
                raise RuntimeError("the child's")
            os.waitpid(pid, 0)

        def test_after(aifootprint):
            {CALL}
        """
    )
    path = pytester.path / "report.json"
    result = pytester.runpytest_subprocess("--aifootprint", f"--aifootprint-report=json:{path}")
    assert result.ret == 0
    data = checked(path)
    assert live(data) == 2
    assert [t["outcome"] for t in data["tests"]] == ["passed", "passed"]


def test_names_from_elsewhere_are_printed_as_text_on_one_line(
    pytester: pytest.Pytester, workers: tuple[str, ...]
) -> None:
    pytester.makepyfile(
        r"""
        import pytest

        NAMES = ["x\ny\r\x1b[31m[bold]%s{0}\x00", "\udc80 lone", "\u202ertl", "m" * 5000]

        @pytest.mark.parametrize("n", range(len(NAMES)))
        def test_it(n, aifootprint):
            aifootprint.record_call(model=NAMES[n], provider=NAMES[n], input_tokens=10, output_tokens=10)
        """
    )
    _, metered, data = both(pytester, "-v", *workers)
    assert live(data) == 4
    assert len(data["models"]) == 4
    section = metered.stdout.str().partition("AI footprint")[2]
    assert not set(section) & {"\x1b", "\x00", "\r", "\u202e"}
    assert r"x\ny\r\x1b[31m[bold]%s{0}\x00" in section


def test_the_section_of_a_test_over_its_limit_obeys_no_name(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        r"""
        import pytest

        @pytest.mark.aifootprint(budget="1 ug", live=False)
        def test_it(aifootprint):
            name = "x\ny\r\x1b[31m\x00\u202e"
            aifootprint.record_call(model=name, provider="openai", input_tokens=10, output_tokens=10)
        """
    )
    result = pytester.runpytest("--aifootprint", "-rA")
    result.assert_outcomes(failed=1)
    said = [line for line in result.outlines if "31m" in line]
    assert len(said) >= 3
    assert all(r"x\ny\r\x1b[31m\x00\u202e" in line for line in said)
    assert not set(result.stdout.str()) & {"\x1b", "\x00", "\r", "\u202e"}


def test_a_thousand_calls_of_one_test_are_counted_once_each(
    pytester: pytest.Pytester, workers: tuple[str, ...]
) -> None:
    pytester.makepyfile(f"def test_it(aifootprint):\n    for _ in range(1000):\n        {CALL}\n")
    _, _, data = both(pytester, "-v", *workers)
    assert live(data) == 1000
    assert data["totals"]["tokens"]["input"] == 1_000_000


def test_two_runs_in_one_process_leave_nothing_behind(pytester: pytest.Pytester) -> None:
    before = (httpx.Client.__dict__["send"], httpx.AsyncClient.__dict__["send"])
    pytester.makepyfile(f"def test_it(aifootprint):\n    {CALL}\n")
    path = pytester.path / "report.json"
    for _ in range(2):
        pytester.runpytest_inprocess("--aifootprint", f"--aifootprint-report=json:{path}").assert_outcomes(passed=1)
        assert live(checked(path)) == 1
        assert (httpx.Client.__dict__["send"], httpx.AsyncClient.__dict__["send"]) == before


@pytest.mark.parametrize("inner", ["--aifootprint", "--no-aifootprint"])
def test_a_run_inside_a_test_counts_its_own_calls_only(pytester: pytest.Pytester, inner: str) -> None:
    pytester.makeconftest('pytest_plugins = "pytester"')
    pytester.makepyfile(
        f"""
        INNER = '''
        def test_inside(aifootprint):
            {CALL}
        '''

        def test_outside(pytester, aifootprint):
            {CALL}
            pytester.makepyfile(INNER)
            pytester.runpytest_inprocess("{inner}").assert_outcomes(passed=1)
            {CALL}
        """
    )
    _, _, data = both(pytester)
    assert live(data) == 2


@pytest.mark.parametrize(
    "option", ["--aifootprint-budget=x", "--aifootprint-grid=Atlantis", "--aifootprint-report=pdf"]
)
def test_a_bad_option_is_one_line_with_workers_too(pytester: pytest.Pytester, option: str) -> None:
    pytester.makepyfile("def test_it(): pass")
    result = pytester.runpytest("--aifootprint", "-n2", option)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    (line,) = [line for line in result.errlines if line.strip()]
    assert line.startswith(f"ERROR: {option.partition('=')[0]} (")


def test_an_error_elsewhere_keeps_its_status(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        """
        def pytest_runtest_makereport(item, call):
            if item.name == "test_two" and call.when == "call":
                raise RuntimeError("another plugin's")
        """
    )
    pytester.makepyfile(f"def test_one(aifootprint):\n    {CALL}\ndef test_two(aifootprint):\n    {CALL}\n")
    _, metered, data = both(pytester)
    assert metered.ret == pytest.ExitCode.INTERNAL_ERROR
    assert live(data) == 2


def test_no_warning_is_added(pytester: pytest.Pytester, workers: tuple[str, ...]) -> None:
    pytester.makepyfile(f"def test_it(aifootprint):\n    {CALL}\n")
    _, metered, _ = both(pytester, "-W", "error", *workers, subprocess=True)
    assert metered.parseoutcomes() == {"passed": 1}
