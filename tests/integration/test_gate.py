"""Limits: on the run, on a test; what is never a pass. Exit statuses and outcomes: test_gate_status.py."""

import json
from typing import Any

import pytest

CALLS = """
    import pytest

    def test_big(aifootprint):
        aifootprint.record_call(model="gpt-4o", provider="openai", input_tokens=100_000, output_tokens=1000)

    def test_small(aifootprint):
        aifootprint.record_call(model="gpt-4o-mini", provider="openai", input_tokens=10, output_tokens=1)

    def test_none():
        pass
"""


@pytest.fixture
def suite(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makepyfile(test_calls=CALLS)
    return pytester


def test_a_tiny_budget_fails_with_one_line_naming_limit_value_and_worst_test(
    suite: pytest.Pytester, workers: tuple[str, ...]
) -> None:
    result = suite.runpytest("--aifootprint", "--aifootprint-budget=1 ugCO2e", *workers)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.assert_outcomes(passed=3)
    lines = [line for line in result.outlines if line.startswith("budget")]
    assert len(lines) == 1
    assert "g of 1 µg" in lines[0]
    assert "fail (worst test: test_calls.py::test_big with " in lines[0]


def test_a_large_budget_passes(suite: pytest.Pytester, workers: tuple[str, ...]) -> None:
    result = suite.runpytest("--aifootprint", "--aifootprint-budget=1 kgCO2e", *workers)
    assert result.ret == 0
    result.stdout.fnmatch_lines(["budget*of 1 kg*pass*"])


@pytest.mark.parametrize(
    ("limit", "status"),
    [("2 calls", 0), ("1 call", 1), ("101011 tokens", 0), ("101010 tokens", 1), ("1 J", 1), ("1 kWh", 0), ("1 uL", 1)],
)
def test_every_kind_of_limit(suite: pytest.Pytester, limit: str, status: int) -> None:
    assert suite.runpytest("--aifootprint", f"--aifootprint-budget={limit}").ret == status


def test_a_limit_on_use_leaves_training_and_hardware_out(suite: pytest.Pytester) -> None:
    path = suite.path / "r.json"
    suite.runpytest("--aifootprint", f"--aifootprint-report=json:{path}")
    carbon = json.loads(path.read_text())["totals"]["carbon_g"]
    between = (carbon["use"]["central"] + carbon["total"]["central"]) / 2
    assert carbon["use"]["central"] < between < carbon["total"]["central"]
    assert suite.runpytest("--aifootprint", f"--aifootprint-budget={between} gCO2e").ret == 1
    assert suite.runpytest("--aifootprint", f"--aifootprint-budget=use: {between} gCO2e").ret == 0


def test_the_bound_decides_and_undecided_fails_unless_told_otherwise(suite: pytest.Pytester) -> None:
    path = suite.path / "r.json"
    suite.runpytest("--aifootprint", f"--aifootprint-report=json:{path}")
    total = json.loads(path.read_text())["totals"]["carbon_g"]["total"]
    limit = f"--aifootprint-budget={(total['central'] + total['high']) / 2} gCO2e"
    assert suite.runpytest("--aifootprint", limit).ret == 0
    assert suite.runpytest("--aifootprint", limit, "--aifootprint-bound=low").ret == 0
    result = suite.runpytest("--aifootprint", limit, "--aifootprint-bound=high")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["budget*undecided*"])
    assert suite.runpytest("--aifootprint", limit, "--aifootprint-bound=high", "--aifootprint-undecided=warn").ret == 0


LIMITED = """
    import pytest

    @pytest.mark.aifootprint(budget="1 ugCO2e")
    def test_over(aifootprint):
        aifootprint.record_call(model="gpt-4o", provider="openai", input_tokens=1000, output_tokens=1000)

    @pytest.mark.aifootprint(budget="1 kgCO2e", energy="1 kWh", tokens=2000, calls=1)
    def test_within(aifootprint):
        aifootprint.record_call(model="gpt-4o", provider="openai", input_tokens=1000, output_tokens=1000)

    def test_free(aifootprint):
        aifootprint.record_call(model="gpt-4o", provider="openai", input_tokens=1000, output_tokens=1000)
"""


def test_a_test_over_its_own_limit_fails_alone(pytester: pytest.Pytester, workers: tuple[str, ...]) -> None:
    pytester.makepyfile(test_limited=LIMITED)
    result = pytester.runpytest("--aifootprint", "-rA", *workers)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(
        [
            "*aifootprint: carbon * over the limit 1 ugCO2e*",
            "*AI footprint*",
            "live  remote  chat  gpt-4o  1000 + 1000 tokens  *gCO2e",
            "FAILED test_limited.py::test_over*",
        ]
    )


def test_the_list_of_its_calls_has_an_end(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        def test_over(aifootprint):
            for n in range(130):
                aifootprint.record_call(model="gpt-4o", provider="openai", input_tokens=n, output_tokens=1)
        """
    )
    result = pytester.runpytest("--aifootprint", "--aifootprint-test-budget=9 calls")
    result.stdout.fnmatch_lines(
        ["aifootprint: live calls 130 over the limit 9 calls", "* 99 + 1 tokens *", "and 30 more calls", "in all *"]
    )
    assert sum(line.startswith("live  remote  chat  gpt-4o") for line in result.outlines) == 100


def test_a_default_limit_is_overridden_by_the_mark(pytester: pytest.Pytester, workers: tuple[str, ...]) -> None:
    pytester.makepyfile(test_limited=LIMITED)
    result = pytester.runpytest("--aifootprint", "--aifootprint-test-budget=1 ugCO2e", *workers)
    result.assert_outcomes(passed=1, failed=2)


@pytest.mark.parametrize("keyword", ["tokens=1999", "calls=0", 'energy="1 J"', 'budget="1 mL"', "live=False"])
def test_every_keyword_of_the_mark_is_a_limit(pytester: pytest.Pytester, keyword: str) -> None:
    pytester.makepyfile(
        f"""
        import pytest

        @pytest.mark.aifootprint({keyword})
        def test_over(aifootprint):
            aifootprint.record_call(model="gpt-4o", provider="openai", input_tokens=1000, output_tokens=1000)
        """
    )
    pytester.runpytest("--aifootprint").assert_outcomes(failed=1)


def test_a_replayed_call_is_allowed_where_a_live_one_is_not(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.aifootprint(live=False)
        def test_replays(aifootprint):
            aifootprint.record_call(model="gpt-4o", input_tokens=1, output_tokens=1, realness="replayed")
        """
    )
    assert pytester.runpytest("--aifootprint").ret == 0


def test_marks_of_class_and_module_are_merged_the_nearest_winning(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest
        pytestmark = pytest.mark.aifootprint(calls=0)

        def call(aifootprint):
            aifootprint.record_call(model="gpt-4o", input_tokens=1, output_tokens=1)

        @pytest.mark.aifootprint(calls=1)
        class TestIt:
            def test_of_the_class(self, aifootprint):
                call(aifootprint)

            @pytest.mark.aifootprint(tokens=1)
            def test_over_its_own(self, aifootprint):
                call(aifootprint)

        def test_of_the_module(aifootprint):
            call(aifootprint)
        """
    )
    result = pytester.runpytest("--aifootprint")
    result.assert_outcomes(passed=1, failed=2)
    result.stdout.fnmatch_lines(["FAILED*test_over_its_own*", "FAILED*test_of_the_module*"])


def test_a_flaky_test_is_judged_once_with_all_its_attempts(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest
        tries = []

        @pytest.mark.aifootprint(calls=2)
        def test_flaky(aifootprint):
            aifootprint.record_call(model="gpt-4o", input_tokens=1, output_tokens=1)
            tries.append(1)
            assert len(tries) == 3
        """
    )
    path = pytester.path / "r.json"
    result = pytester.runpytest("--aifootprint", "--reruns=3", f"--aifootprint-report=json:{path}")
    result.assert_outcomes(failed=1)
    (test,) = json.loads(path.read_text())["tests"]
    assert [a["outcome"] for a in test["attempts"]] == ["rerun", "rerun", "failed"]
    assert len(test["calls"]) == 3
    assert len(test["verdicts"]) == 1


def test_a_limit_does_not_fail_a_subtest(pytester: pytest.Pytester) -> None:
    pytest.importorskip("_pytest.subtests", reason="subtests are built into pytest 9")
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.aifootprint(calls=1)
        def test_with_parts(subtests, aifootprint):
            for n in range(3):
                with subtests.test(n=n):
                    aifootprint.record_call(model="gpt-4o", input_tokens=1, output_tokens=1)
        """
    )
    result = pytester.runpytest("--aifootprint", "-v")
    assert result.ret == 1
    result.stdout.no_fnmatch_line("*SUBFAILED*")
    result.stdout.fnmatch_lines(["*test_with_parts FAILED (*"])


def test_no_call_with_every_seam_armed_is_a_pass_that_says_so(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it(): pass")
    result = pytester.runpytest("--aifootprint", "--aifootprint-budget=1 ugCO2e")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*0 AI calls*"])


def test_a_marked_test_without_a_call_is_never_a_pass(pytester: pytest.Pytester, workers: tuple[str, ...]) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.aifootprint
        def test_silent():
            pass
        """
    )
    result = pytester.runpytest("--aifootprint", "--aifootprint-budget=1 kgCO2e", *workers)
    assert result.ret == 1
    result.stdout.fnmatch_lines(["budget*undecided*test_silent is marked but made no AI call*"])


def test_a_lost_worker_is_never_a_pass(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import os

        def test_dies(aifootprint):
            os._exit(3)

        def test_lives(aifootprint):
            aifootprint.record_call(model="gpt-4o", input_tokens=1, output_tokens=1)
        """
    )
    path = pytester.path / "r.json"
    args = ("--aifootprint", "-n2", "--aifootprint-budget=1 kgCO2e", f"--aifootprint-report=json:{path}")
    result = pytester.runpytest_subprocess(*args)
    assert result.ret == 1
    result.stdout.fnmatch_lines(["budget*undecided*was lost*"])
    data: dict[str, Any] = json.loads(path.read_text())
    assert any(not worker["reported"] for worker in data["run"]["workers"])
    assert [v["verdict"] for v in data["verdicts"]] == ["undecided"]


def test_a_plugin_that_renames_reports_does_not_take_a_limit_away(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        """
        import pytest

        @pytest.hookimpl(wrapper=True)
        def pytest_runtest_makereport(item, call):
            report = yield
            report.nodeid += " (renamed)"
            return report
        """
    )
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.aifootprint(tokens=1)
        def test_it(aifootprint):
            aifootprint.record_call(model="gpt-4o", provider="openai", input_tokens=5, output_tokens=5)
        """
    )
    pytester.runpytest("--aifootprint").assert_outcomes(failed=1)


def test_a_test_over_its_limit_is_failed_in_the_report_too(pytester: pytest.Pytester, workers: tuple[str, ...]) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.aifootprint(tokens=1)
        def test_over(aifootprint):
            aifootprint.record_call(model="gpt-4o", provider="openai", input_tokens=5, output_tokens=5)

        def test_within(aifootprint):
            aifootprint.record_call(model="gpt-4o", provider="openai", input_tokens=5, output_tokens=5)
        """
    )
    pytester.runpytest("--aifootprint", "--aifootprint-report=json:out.json", *workers).assert_outcomes(
        failed=1, passed=1
    )
    rows = json.loads((pytester.path / "out.json").read_text())["tests"]
    assert sorted((row["outcome"], row["attempts"][0]["outcome"]) for row in rows) == [
        ("failed", "failed"),
        ("passed", "passed"),
    ]


def test_a_mark_that_is_added_while_its_test_runs_is_a_limit(
    pytester: pytest.Pytester, workers: tuple[str, ...]
) -> None:
    pytester.makepyfile(
        """
        import pytest

        def ask(aifootprint):
            aifootprint.record_call(model="gpt-4o", provider="openai", input_tokens=1, output_tokens=1)

        @pytest.fixture
        def strict(request):
            request.node.add_marker(pytest.mark.aifootprint(calls=0))

        def test_by_a_fixture(strict, aifootprint):
            ask(aifootprint)

        def test_by_itself(request, aifootprint):
            request.applymarker(pytest.mark.aifootprint(calls=0))
            ask(aifootprint)

        @pytest.mark.aifootprint(calls=5, tokens=2)
        def test_the_nearest_wins(strict, aifootprint):
            ask(aifootprint)

        def test_without(aifootprint):
            ask(aifootprint)
        """
    )
    result = pytester.runpytest("--aifootprint", *workers)
    result.assert_outcomes(passed=2, failed=2)
    result.stdout.fnmatch_lines(["FAILED *test_by_a_fixture*", "FAILED *test_by_itself*"])


def test_such_a_mark_that_cannot_be_read_is_said(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        def test_by_itself(request, aifootprint):
            request.applymarker(pytest.mark.aifootprint(call=0))
        """
    )
    result = pytester.runpytest("--aifootprint")
    assert result.ret == 0
    result.stdout.fnmatch_lines(
        ["notice * a mark that was added while its test ran: *unknown keyword 'call'; valid: *"]
    )


def test_a_forked_test_whose_process_died_leaves_every_limit_undecided(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        """
        import pytest

        @pytest.hookimpl(tryfirst=True)
        def pytest_runtest_protocol(item):
            # What pytest-forked does with a child that died: one report, of no phase that pytest knows.
            call = pytest.CallInfo.from_call(lambda: 1 / 0, "???")
            item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
            item.ihook.pytest_runtest_logreport(report=pytest.TestReport.from_item_and_call(item, call))
            return True
        """
    )
    pytester.makepyfile("def test_it(): pass")
    result = pytester.runpytest("--aifootprint", "--aifootprint-budget=5 calls")
    result.stdout.fnmatch_lines(
        ["budget  0 of 5 calls: undecided (1 test ran in a process that another plugin forked*"]
    )
