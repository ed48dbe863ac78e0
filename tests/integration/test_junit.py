"""Properties in the file of ``--junitxml``: read by junitparser, held against the schema that pytest names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from junitparser import xunit2
from lxml import etree

ONE_CALL = """
def test_asks(aifootprint):
    aifootprint.record_call(model="gpt-4o", provider="openai", input_tokens=100, output_tokens=10)
"""
SUITE = r"""
import pytest

def ask(aifootprint):
    aifootprint.record_call(model="gpt-4o", provider="openai", input_tokens=100, output_tokens=10)

@pytest.mark.parametrize("n", ["a b", "<script>&'\"", "\N{GRINNING FACE}", "x::y", "\x07\n\r", "long" * 1250], ids=str)
def test_asks(aifootprint, n):
    print("said by the test")
    ask(aifootprint)

class TestOf:
    @pytest.mark.aifootprint(budget="1 ugCO2e")
    def test_over(self, aifootprint):
        ask(aifootprint)

def test_plain():
    pass

@pytest.mark.xfail
def test_expected(aifootprint):
    ask(aifootprint)
    assert False

def test_skipped():
    pytest.skip("not now")
"""
MORE = (
    SUITE
    + r"""
tries = []

@pytest.mark.flaky(reruns=2)
def test_flaky(aifootprint):
    tries.append(1)
    ask(aifootprint)
    assert len(tries) == 3

@pytest.fixture
def broken():
    yield
    raise RuntimeError("teardown")

def test_twice_wrong(aifootprint, broken):
    ask(aifootprint)
    assert False

def test_mine(aifootprint, record_property):
    record_property("mine", "1")
    ask(aifootprint)
"""
)
SHARED = """
import pytest

@pytest.fixture(scope="session")
def model():
    from sklearn.dummy import DummyClassifier
    return DummyClassifier().fit([[0], [1]], [0, 1])

def test_predicts(model):
    model.predict([[1]])
"""
MOVES = """
def test_moves(tmp_path, monkeypatch):
    import os
    os.chdir(tmp_path)
"""
XUNIT1 = ("-o", "junit_family=xunit1")
PREFIX = "aifootprint."
TOLD = [PREFIX + name for name in ("direct.carbon_g", "direct.energy_j", "tokens", "calls")]


@pytest.fixture(scope="session")
def schema() -> etree.XMLSchema:
    """junit-10.xsd of Jenkins' xUnit plugin (MIT): pytest's documentation names it as the schema of xunit2."""
    return etree.XMLSchema(etree.parse(Path(__file__).with_name("junit-10.xsd")))


def run(pytester: pytest.Pytester, suite: str, *args: str) -> pytest.RunResult:
    (pytester.path / "test_it.py").write_text(suite)
    return pytester.runpytest("--aifootprint", "--junitxml=j.xml", "--aifootprint-report=json:r.json", *args)


def suite_of(path: Path) -> xunit2.TestSuite:
    (suite,) = xunit2.JUnitXml.fromfile(str(path))
    return suite


def names_of(element: xunit2.TestSuite | xunit2.TestCase) -> list[str]:
    return [p.name for p in element.properties()]


def said(element: xunit2.TestSuite | xunit2.TestCase) -> dict[str, str]:
    return {p.name: p.value for p in element.properties()}


def report_of(pytester: pytest.Pytester) -> dict[str, Any]:
    report: dict[str, Any] = json.loads((pytester.path / "r.json").read_text())
    return report


def test_in_xunit1_every_ai_test_has_its_properties_once(pytester: pytest.Pytester, workers: tuple[str, ...]) -> None:
    done = run(pytester, MORE, *XUNIT1, "--aifootprint-budget=1 kgCO2e", *workers)
    done.assert_outcomes(passed=9, failed=2, errors=1, xfailed=1, skipped=1)
    suite = suite_of(pytester.path / "j.xml")
    rows = {row["nodeid"].rpartition("::test_")[2].replace("\x07", "#x07"): row for row in report_of(pytester)["tests"]}
    # Its call and its teardown failed: two cases.
    cases = {case.name.removeprefix("test_"): case for case in reversed(list(suite))}
    asking = {name for name, case in cases.items() if set(names_of(case)) - {"mine"}}
    assert set(cases) - asking == {"plain", "skipped"}
    for name in asking:
        values = said(cases[name])
        (row,) = [row for end, row in rows.items() if name.endswith(end)]
        assert values["aifootprint.carbon_g"] == repr(row["carbon_g"]["total"]["central"])
        assert values["aifootprint.direct.carbon_g"] == repr(row["direct"]["carbon_g"]["total"]["central"])
        assert len(names_of(cases[name])) == len(values)
    assert said(cases["mine"])["mine"] == "1"
    assert [n for case in suite for n in names_of(case) if case.name == "test_twice_wrong"].count(TOLD[0]) == 1
    assert said(cases["flaky"])["aifootprint.calls"] == "3"
    assert said(cases["over"])["aifootprint.verdict"] == "fail"
    assert cases["over"].result[0].message.startswith("aifootprint: carbon")
    assert {name for name in said(suite) if " " in name} == set()
    assert said(suite)["aifootprint.verdict.1"].startswith("pass: carbon")


@pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["alone", "n2"])
def test_in_xunit2_the_file_is_valid_and_the_suite_says_everything(
    pytester: pytest.Pytester, workers: tuple[str, ...], schema: etree.XMLSchema
) -> None:
    options = ("--aifootprint-budget=1 ugCO2e", "-o", "junit_logging=all", "--aifootprint-report=junit:own.xml")
    # Ids as they are: else pytest says an emoji, a newline and a bell in ASCII.
    hostile = "disable_test_id_escaping_and_forfeit_all_rights_to_community_support=true"
    done = run(pytester, SUITE, *options, "-o", hostile, *workers)
    done.assert_outcomes(passed=7, failed=1, xfailed=1, skipped=1)
    report = report_of(pytester)
    for file in ("j.xml", "own.xml"):
        schema.assertValid(etree.parse(pytester.path / file))
        suite = suite_of(pytester.path / file)
        values = said(suite)
        assert values["aifootprint.carbon_g"] == repr(report["totals"]["carbon_g"]["total"]["central"])
        assert values["aifootprint.calls"] == "8"
        assert values["aifootprint.verdict"] == "fail"
        assert values["aifootprint.verdict.1"].startswith("fail: carbon")
        for test in report["tests"]:
            name = test["nodeid"].replace("\x07", "#x07")
            assert values[f"aifootprint.carbon_g {name}"] == repr(test["carbon_g"]["total"]["central"])
            assert values[f"aifootprint.tokens {name}"] == "110"
        assert not any(names_of(case) for case in suite)
    assert "said by the test" in (pytester.path / "j.xml").read_text()
    assert (suite.tests, suite.failures, suite.skipped) == (8, 1, 1)
    (over,) = [case for case in suite if case.name == "test_over"]
    assert over.result[0].message.startswith("carbon")
    assert over.system_out.startswith("AI footprint: 25 mgCO2e (")


@pytest.mark.parametrize(
    ("options", "told"), [((), []), (("--junitxml=j.xml",), []), (("--junitxml=j.xml", *XUNIT1), TOLD)]
)
def test_only_tests_in_xunit1_are_told_their_cost_at_once(
    pytester: pytest.Pytester, options: tuple[str, ...], told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from pytest_aifootprint.session.pricing import Pricing

    priced = []
    direct = Pricing.direct

    def count(*args: Any) -> Any:
        priced.append(args)
        return direct(*args)

    monkeypatch.setattr(Pricing, "direct", count)
    (pytester.path / "test_it.py").write_text(ONE_CALL + "\ndef test_plain(): pass\n")
    found: list[tuple[str | None, list[str]]] = []

    class Watcher:
        @pytest.hookimpl(trylast=True)
        def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
            found.append((report.when, [name for name, _ in report.user_properties]))

    result = pytester.inline_run("--aifootprint", *options, plugins=[Watcher()])
    assert result.ret == 0
    plain: list[tuple[str, list[str]]] = [("setup", []), ("call", []), ("teardown", [])]
    assert found == [("setup", []), ("call", told), ("teardown", told), *plain]
    assert len(priced) == bool(told)


def test_the_share_of_a_fixture_is_no_part_of_the_direct_figure(pytester: pytest.Pytester) -> None:
    run(pytester, SHARED, *XUNIT1)
    (case,) = suite_of(pytester.path / "j.xml")
    assert float(said(case)["aifootprint.carbon_g"]) > float(said(case)["aifootprint.direct.carbon_g"]) > 0


@pytest.mark.parametrize(
    "options",
    [("-p", "no:terminal"), ("-q", "--junitprefix=mine"), ("-o", "junit_family=legacy"), ("--junitxml=a/b/j.xml",)],
)
def test_the_file_is_amended_however_pytest_is_run(pytester: pytest.Pytester, options: tuple[str, ...]) -> None:
    run(pytester, MOVES + ONE_CALL, *XUNIT1, *options)
    (file,) = pytester.path.rglob("j.xml")
    suite = suite_of(file)
    assert "aifootprint.carbon_g" in said(suite)
    assert "aifootprint.carbon_g" in said(list(suite)[-1])
    assert not [name for name in said(suite) if "test_asks" in name]
    assert [path.name for path in file.parent.glob("*xml*")] == ["j.xml"]


def test_a_run_that_stops_at_the_first_failure_says_what_it_had(pytester: pytest.Pytester) -> None:
    done = run(pytester, ONE_CALL + "    assert False\n\ndef test_never(): pass\n", *XUNIT1, "-x")
    assert done.ret == pytest.ExitCode.TESTS_FAILED
    suite = suite_of(pytester.path / "j.xml")
    (case,) = suite
    assert case.result[0].message.startswith("assert False")
    assert set(TOLD) < set(said(case))
    assert said(suite)["aifootprint.calls"] == "1"


@pytest.mark.parametrize("family", ["xunit1", "xunit2"])
def test_an_interrupted_run_says_what_it_had(pytester: pytest.Pytester, family: str) -> None:
    (pytester.path / "test_it.py").write_text(
        ONE_CALL + ONE_CALL.replace("asks", "stops") + "    raise KeyboardInterrupt\n"
    )
    options = ("--aifootprint", "--junitxml=j.xml", "-o", f"junit_family={family}")
    done = pytester.runpytest_inprocess(*options, no_reraise_ctrlc=True)
    assert done.ret == pytest.ExitCode.INTERRUPTED
    suite = suite_of(pytester.path / "j.xml")
    assert said(suite)["aifootprint.calls"] == "2"
    # pytest's case of the test that was interrupted has no name, so what it cost stands with the suite's.
    assert "aifootprint.carbon_g test_it.py::test_stops" in said(suite)
    case, interrupted = suite
    assert ("aifootprint.carbon_g" in said(case)) == (family == "xunit1")
    assert names_of(interrupted) == []


def test_a_lost_worker_takes_no_case_and_no_figure_along(pytester: pytest.Pytester) -> None:
    dies = "\ndef test_dies():\n    import os\n    os._exit(3)\n"
    done = run(pytester, ONE_CALL + dies + ONE_CALL.replace("asks", "later"), "-o", "junit_family=legacy", "-n1")
    assert done.ret == pytest.ExitCode.TESTS_FAILED
    suite = suite_of(pytester.path / "j.xml")
    cases = {case.name: case for case in suite}
    assert set(cases) == {"test_asks", "test_dies", "test_later"}
    for name in ("test_asks", "test_later"):
        assert set(TOLD) < set(said(cases[name]))
    assert "crashed" in cases["test_dies"].result[0].message
    assert said(suite)["aifootprint.calls"] == "2"
    assert {row["nodeid"] for row in report_of(pytester)["tests"]} == {
        "test_it.py::test_asks",
        "test_it.py::test_later",
    }


def test_a_test_that_pytest_calls_otherwise_is_neither_lost_nor_told_twice(pytester: pytest.Pytester) -> None:
    (pytester.mkdir("a.b [c]") / "test_other.py").write_text(ONE_CALL)
    run(pytester, ONE_CALL.replace("(aifootprint)", "(aifootprint, record_xml_attribute)").replace(
        "    ai", "    record_xml_attribute('name', 'renamed')\n    ai"
    ), *XUNIT1, "-W", "ignore")  # fmt: skip
    suite = suite_of(pytester.path / "j.xml")
    found = [name for element in (suite, *suite) for name in names_of(element)]
    assert "aifootprint.carbon_g test_it.py::test_asks" in found
    assert len([name for name in found if name.startswith("aifootprint.carbon_g")]) == 3


# --- what goes wrong --------------------------------------------------------------------------------------------------

SPOILER = """
    import os, pytest

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(session):
        if not hasattr(session.config, "workerinput"):
            {spoil}
"""


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        ("session.config.rootpath.joinpath('j.xml').write_text('<testsuite>')", "not well-formed"),
        ("os.remove('j.xml'); os.mkdir('j.xml')", "no regular file"),
        ("os.remove('j.xml')", "not there"),
    ],
)
def test_a_file_that_cannot_be_amended_is_one_notice(pytester: pytest.Pytester, spoil: str, reason: str) -> None:
    pytester.makeconftest(SPOILER.format(spoil=spoil))
    done = run(pytester, ONE_CALL)
    assert done.ret == 0
    done.assert_outcomes(passed=1)
    (line,) = [line for line in done.outlines if "junit-not-amended" in line]
    assert reason in line
    assert report_of(pytester)["totals"]["calls"]["live"] == 1


@pytest.mark.parametrize(("family", "told"), [("xunit1", TOLD), ("xunit2", [])])
def test_a_crash_while_the_file_is_amended_leaves_it_as_pytest_wrote_it(
    pytester: pytest.Pytester, family: str, told: list[str]
) -> None:
    pytester.makeconftest("""
        import os, pathlib

        def dies(self, target):
            if self.name.startswith(".aifootprint-"):
                os._exit(7)

        pathlib.Path.replace = dies
    """)
    (pytester.path / "test_it.py").write_text(ONE_CALL)
    done = pytester.runpytest_subprocess("--aifootprint", "--junitxml=j.xml", "-o", f"junit_family={family}")
    assert done.ret == 7
    suite = suite_of(pytester.path / "j.xml")
    (case,) = suite
    assert not names_of(suite)
    # What a test costs by itself was said at once; the rest was not to be known before the end.
    assert names_of(case) == told


def test_without_a_terminal_the_notice_is_a_line_on_stderr(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(SPOILER.format(spoil="os.remove('j.xml')"))
    done = run(pytester, ONE_CALL, "-p", "no:terminal")
    assert done.ret == 0
    done.stderr.fnmatch_lines(["aifootprint: no properties in the JUnit file*j.xml is not there*"])


def test_a_run_that_nobody_meters_has_the_file_as_pytest_writes_it(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it="def test_plain(): pass")
    pytester.runpytest("--junitxml=j.xml")
    assert "aifootprint" not in (pytester.path / "j.xml").read_text()
