"""Watching changes nothing and loses nothing: each of these was once found broken by a hostile suite."""

import json
from typing import Any

import jsonschema
import pytest

from pytest_aifootprint.records.schema import report_schema

CALL = 'aifootprint.record_call(model="gpt-4o", provider="openai", input_tokens=1000, output_tokens=100)'
# A call in a fixture wider than the aifootprint fixture itself.
FIT = "DummyClassifier().fit([[0], [1]], [0, 1])"


def run(pytester: pytest.Pytester, *args: str) -> tuple[pytest.RunResult, dict[str, Any]]:
    path = pytester.path / "r.json"
    result = pytester.runpytest("--aifootprint", f"--aifootprint-report=json:{path}", *args)
    data: dict[str, Any] = json.loads(path.read_text())
    jsonschema.validate(data, report_schema())
    return result, data


@pytest.mark.parametrize("name", ["monotonic_ns", "process_time_ns", "thread_time_ns"])
def test_clocks_that_a_test_replaces_are_its_own(pytester: pytest.Pytester, name: str) -> None:
    pytester.makepyfile(
        f"""
        import time
        from unittest.mock import Mock
        import pytest

        @pytest.fixture
        def fake(monkeypatch):
            clock = Mock(side_effect=[1, 2])
            monkeypatch.setattr(time, "{name}", clock)
            return clock

        def test_values_are_not_consumed(fake, aifootprint):
            assert (time.{name}(), time.{name}()) == (1, 2)

        def test_nonsense(monkeypatch, aifootprint):
            monkeypatch.setattr(time, "{name}", lambda: "late")
            {CALL}
        """
    )
    result, data = run(pytester, "-v")
    result.assert_outcomes(passed=2)
    assert all(a["duration_s"] >= 0 for t in data["tests"] for a in t["attempts"])


def test_system_calls_that_a_test_replaces_are_its_own(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        f"""
        import os, subprocess, sys

        def refuse(*args, **kwargs):
            raise AssertionError("called")

        def test_it(monkeypatch, aifootprint):
            child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
            with monkeypatch.context() as patch:
                for name in ("listdir", "getpid", "sysconf"):
                    patch.setattr(os, name, refuse)
                {CALL}
                aifootprint.so_far()
            child.communicate(b"x")
        """
    )
    result, _ = run(pytester)
    result.assert_outcomes(passed=1)


def test_a_price_that_fails_is_a_notice_and_no_result(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, workers: tuple[str, ...]
) -> None:
    monkeypatch.delenv("PYTEST_AIFOOTPRINT_RAISE")
    pytester.makeconftest(
        """
        from pytest_aifootprint.session import pricing

        def pytest_configure(config):
            def direct(self, run):
                raise ZeroDivisionError("mine")
            pricing.Pricing.direct = direct
        """
    )
    pytester.makepyfile(f"def test_it(aifootprint):\n    {CALL}\n")
    monkeypatch.setattr("pytest_aifootprint.session.pricing.Pricing.direct", None)
    result, data = run(pytester, "-v", *workers)
    result.assert_outcomes(passed=1)
    assert "internal-error" in {n["code"] for n in data["notices"]}


@pytest.mark.parametrize(
    "argument",
    [
        "provider=123",
        "provider=['a']",
        "input_tokens=10**400",
        "input_tokens=10**5000",
        "input_tokens=10**12",
        "input_tokens=-1",
        "output_tokens=True",
        "output_tokens='7'",
        "output_tokens=7.5",
        "output_tokens=float('nan')",
    ],
)
def test_record_call_refuses_what_has_no_price(pytester: pytest.Pytester, argument: str) -> None:
    name = argument.partition("=")[0]
    pytester.makepyfile(
        f"""
        import pytest

        def test_it(aifootprint):
            with pytest.raises(ValueError, match="record_call: {name}="):
                aifootprint.record_call(model="gpt-4o", {argument})
        """
    )
    assert pytester.runpytest("--aifootprint").ret == 0
    assert pytester.runpytest().ret == 0


def test_our_frames_are_not_in_a_users_traceback(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        """
        import pytest

        @pytest.fixture
        def bad():
            raise ValueError("mine")

        @pytest.fixture(scope="module")
        def worse():
            raise ValueError("mine")
        """
    )
    pytester.makepyfile(
        """
        import httpx
        from sklearn.linear_model import LinearRegression

        def test_fixture(bad): pass
        def test_shared(worse): pass
        def test_model(): LinearRegression().predict([[0]])
        def test_http():
            def refuse(request): raise RuntimeError("no")
            client = httpx.Client(transport=httpx.MockTransport(refuse))
            client.post("https://api.openai.com/v1/chat/completions", json={"model": "m"})
        """
    )
    with_us = pytester.runpytest("--aifootprint")
    with_us.assert_outcomes(errors=2, failed=2)
    text = with_us.stdout.str()
    assert "TestRunner" not in text
    assert "pytest_aifootprint" not in text.partition("AI footprint")[0]


@pytest.mark.parametrize("n", ["-n1", "-n2"])
def test_a_mark_that_cannot_be_read_is_named_with_workers_too(pytester: pytest.Pytester, n: str) -> None:
    pytester.makepyfile(
        "import pytest\n@pytest.mark.aifootprint(badget=1)\ndef test_it(): pass\ndef test_other(): pass\n"
    )
    result = pytester.runpytest_subprocess("--aifootprint", n)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    errors = [line for line in result.errlines if line.startswith("ERROR")]
    assert len(errors) == 1
    assert "::test_it" in errors[0]
    assert "unknown keyword 'badget'" in errors[0]
    result.stdout.no_fnmatch_line("*INTERNALERROR*")
    result.stdout.no_fnmatch_line("* passed*")


def test_a_mark_with_an_object_for_a_limit_survives_the_wire(
    pytester: pytest.Pytester, workers: tuple[str, ...]
) -> None:
    pytester.makepyfile(
        f"""
        import pytest

        class Limit:
            def __str__(self): return "1 ugCO2e"

        @pytest.mark.aifootprint(budget=Limit())
        def test_it(aifootprint):
            {CALL}
        """
    )
    pytester.runpytest("--aifootprint", *workers).assert_outcomes(failed=1)


@pytest.mark.parametrize("mode", ["--setup-plan", "--setup-only", "--fixtures", "--cache-show", "--collect-only"])
def test_where_no_test_runs_no_gate_and_no_report(pytester: pytest.Pytester, mode: str) -> None:
    pytester.makepyfile("import pytest\n@pytest.mark.aifootprint(calls=1)\ndef test_it(): pass\n")
    (pytester.path / "saved.json").write_text("saved")
    args = ("--aifootprint", "--aifootprint-budget=1 kgCO2e", "--aifootprint-report=json:saved.json", mode)
    assert pytester.runpytest(*args).ret == 0
    assert (pytester.path / "saved.json").read_text() == "saved"


def test_a_fixture_that_calls_a_model_in_its_teardown_is_shared_by_all_its_users(
    pytester: pytest.Pytester, workers: tuple[str, ...]
) -> None:
    pytester.makepyfile(
        f"""
        import pytest
        from sklearn.dummy import DummyClassifier

        @pytest.fixture(scope="module")
        def late():
            yield
            {FIT}

        @pytest.mark.parametrize("n", range(3))
        def test_uses(n, late): pass
        """
    )
    _, data = run(pytester, *workers)
    assert len(data["tests"]) == 3
    assert all(t["attempts"][0]["phases"].keys() == {"setup", "call", "teardown"} for t in data["tests"])
    fixture = next(f for f in data["fixtures"] if f["name"] == "late")
    borne = sum(f["energy_j"]["central"] for t in data["tests"] for f in t["fixtures"] if f["name"] == "late")
    assert borne == pytest.approx(fixture["energy_j"]["total"]["central"])


def test_a_test_that_runs_twice_bears_its_parts_once(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        f"""
        import pytest
        from sklearn.dummy import DummyClassifier

        @pytest.fixture(scope="module")
        def model():
            return {FIT}

        def test_uses(model): model.predict([[0]])
        """
    )
    _, data = run(pytester, "-n2", "--dist=each")
    assert len(data["tests"]) == 2
    fixture = next(f for f in data["fixtures"] if f["name"] == "model")
    assert fixture["setups"] == 2
    borne = sum(f["energy_j"]["central"] for t in data["tests"] for f in t["fixtures"] if f["name"] == "model")
    assert borne == pytest.approx(fixture["energy_j"]["total"]["central"])


def test_a_call_that_outlives_its_test_is_not_lost(pytester: pytest.Pytester, workers: tuple[str, ...]) -> None:
    pytester.makepyfile(
        """
        import threading
        import httpx

        GO, THREADS = threading.Event(), []

        def answer(request):
            GO.wait(10)
            usage = {"prompt_tokens": 1, "completion_tokens": 1}
            return httpx.Response(200, json={"model": "m", "choices": [], "usage": usage})

        def ask():
            client = httpx.Client(transport=httpx.MockTransport(answer))
            client.post("https://api.openai.com/v1/chat/completions", json={"model": "m"})

        def test_starts():
            THREADS.append(threading.Thread(target=ask))
            THREADS[0].start()

        def test_joins():
            GO.set()
            for thread in THREADS:
                thread.join()
        """
    )
    _, data = run(pytester, *(("--dist=loadfile", *workers) if workers else ()))
    assert data["totals"]["calls"]["mocked"] == 1


def test_the_same_index_of_another_parameter_is_another_fixture(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        f"""
        import pytest
        from sklearn.dummy import DummyClassifier

        @pytest.fixture(scope="session")
        def model(request):
            return {FIT} if request.param == "big" else None
        """
    )
    body = "import pytest\n@pytest.mark.parametrize('model', ['{0}'], indirect=True)\ndef test_{0}(model): pass\n"
    pytester.makepyfile(test_a=body.format("big"), test_b=body.format("none"))
    _, data = run(pytester)
    assert [t["nodeid"] for t in data["tests"]] == ["test_a.py::test_big[big]"]


@pytest.mark.parametrize("verbose", [(), ("-v",)])
def test_what_a_test_does_to_its_environment_moves_no_machine(
    pytester: pytest.Pytester, verbose: tuple[str, ...]
) -> None:
    pytester.makepyfile(
        f"""
        import os

        def test_it(aifootprint):
            os.environ.update(GITHUB_ACTIONS="true", RUNNER_ENVIRONMENT="github-hosted", GITHUB_SHA="abc", CI="1")
            {CALL}
        """
    )
    _, data = run(pytester, *verbose)
    assert data["run"]["grids"]["local"]["zone"] == "WOR"
    assert data["run"]["ci"] == {}
    assert data["run"]["commit"] != "abc"


def test_a_live_call_in_a_teardown_is_still_not_allowed(pytester: pytest.Pytester, workers: tuple[str, ...]) -> None:
    pytester.makepyfile(
        f"""
        import pytest

        @pytest.fixture
        def late(aifootprint):
            yield
            {CALL}

        @pytest.mark.aifootprint(live=False)
        def test_it(late): pass
        """
    )
    result = pytester.runpytest("--aifootprint", *workers)
    result.assert_outcomes(passed=1)
    assert result.ret == 1
    result.stdout.fnmatch_lines(["budget*test_it: live=False: fail*gpt-4o*"])


def test_a_limit_is_judged_although_the_test_skips_in_its_set_up(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        f"""
        import pytest

        @pytest.fixture
        def costly(aifootprint):
            {CALL}
            pytest.skip("after all")

        @pytest.mark.aifootprint(calls=0)
        def test_it(costly): pass
        """
    )
    result = pytester.runpytest("--aifootprint")
    result.assert_outcomes(skipped=1)
    assert result.ret == 1


def test_a_limit_that_no_call_can_be_held_against_is_no_pass(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("import pytest\n@pytest.mark.aifootprint(calls=3)\ndef test_it(): pass\n")
    result = pytester.runpytest("--aifootprint")
    result.assert_outcomes(passed=1)
    assert result.ret == 1
    result.stdout.fnmatch_lines(["budget*test_it*undecided (it is marked but made no AI call)"])
    assert pytester.runpytest("--aifootprint", "--aifootprint-undecided=warn").ret == 0


def test_calls_after_an_interrupt_are_said(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        f"""
        import pytest
        from sklearn.dummy import DummyClassifier

        @pytest.fixture(scope="session")
        def model():
            yield
            {FIT}

        def test_it(model):
            raise KeyboardInterrupt
        """
    )
    path = pytester.path / "r.json"
    result = pytester.runpytest_subprocess("--aifootprint", f"--aifootprint-report=json:{path}")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert "calls-outside-tests" in {n["code"] for n in json.loads(path.read_text())["notices"]}


def test_a_limited_test_that_cannot_be_priced_is_no_pass(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTEST_AIFOOTPRINT_RAISE")

    def broken(*_: object) -> None:
        raise ZeroDivisionError("mine")

    monkeypatch.setattr("pytest_aifootprint.session.pricing.Pricing.direct", broken)
    pytester.makepyfile(f"import pytest\n@pytest.mark.aifootprint(calls=3)\ndef test_it(aifootprint):\n    {CALL}\n")
    result, data = run(pytester)
    result.assert_outcomes(passed=1)
    assert result.ret == 1
    assert [v["verdict"] for t in data["tests"] for v in t["verdicts"]] == ["undecided"]


def test_a_judged_test_without_a_row_still_gates(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(f"import pytest\n@pytest.mark.xfail\ndef test_it(aifootprint):\n    {CALL}\n    assert False\n")
    args = ("--aifootprint", "--aifootprint-test-budget=0 calls", "--aifootprint-tests=marked")
    assert pytester.runpytest(*args).ret == 1
