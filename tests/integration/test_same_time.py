"""Tests that run at the same time in one process: overlapping windows share, and the sum holds."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pytest_aifootprint.attribution.balance import TOLERANCE

IN_THREADS = """
import threading
from concurrent.futures import ThreadPoolExecutor

from _pytest import runner
from _pytest.runner import SetupState


class OfThisThread(threading.local):
    def __init__(self):
        self.state = SetupState()


class Proxy:
    def __init__(self):
        self._local = OfThisThread()

    def __getattr__(self, name):
        return getattr(self._local.state, name)


# One variable of the environment for all threads: pytest takes it away where another thread has just taken it.
runner._update_current_test_var = lambda item, when: None


def pytest_runtestloop(session):
    session._setupstate = Proxy()
    with ThreadPoolExecutor(len(session.items)) as pool:
        run = lambda item: item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
        list(pool.map(run, session.items))
    return True
"""

BURN = """
import threading
import time

STARTED = threading.Barrier({n})


def burn(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass
"""


def run(pytester: pytest.Pytester, *args: str) -> dict[str, Any]:
    # pytest's fixtures are not made for threads: two of them that set up pytest-asyncio's session fixture in one moment
    # meet an assertion of pytest.
    result = pytester.runpytest_subprocess(
        "-p",
        "no:asyncio",
        "--aifootprint",
        "--aifootprint-tests",
        "all",
        "--aifootprint-report",
        "json:out.json",
        *args,
    )
    assert result.ret == 0, result.stdout.str()
    report: dict[str, Any] = json.loads((pytester.path / "out.json").read_text())
    return report


def cpu_s(report: dict[str, Any]) -> dict[str, float]:
    return {test["nodeid"].rpartition("::")[2]: test["direct"]["cpu_s"] for test in report["tests"]}


def assert_balanced(report: dict[str, Any]) -> None:
    for terms in report["balance"].values():
        parts = [terms[name] for name in terms if name.endswith("_j") and name not in {"metered_j", "clamped_j"}]
        assert all(part >= 0 for part in parts)
        assert sum(parts) == pytest.approx(terms["metered_j"], rel=TOLERANCE)


def test_a_sleeper_beside_a_burner_in_another_thread_pays_nothing(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(IN_THREADS)
    pytester.makepyfile(
        BURN.format(n=3)
        + """
DONE = threading.Event()

def test_burn():
    STARTED.wait(20)
    burn(0.3)
    DONE.set()

def test_sleep():
    STARTED.wait(20)
    assert DONE.wait(20)

def test_half():
    STARTED.wait(20)
    burn(0.15)
    assert DONE.wait(20)
"""
    )
    report = run(pytester)
    seconds = cpu_s(report)
    assert seconds["test_burn"] == pytest.approx(0.3, abs=0.03)
    assert seconds["test_half"] == pytest.approx(0.15, abs=0.03)
    assert seconds["test_sleep"] < 0.03
    assert_balanced(report)
    assert [n["code"] for n in report["notices"] if n["code"].startswith("tests-")] == ["tests-at-the-same-time"]
    assert {t["outcome"] for t in report["tests"]} == {"passed"}


def test_threads_of_nobody_are_shared_equally_and_the_sum_holds(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(IN_THREADS)
    pytester.makepyfile(
        BURN.format(n=2)
        + """
def test_starts_a_thread():
    STARTED.wait(20)
    helper = threading.Thread(target=burn, args=(0.3,))
    helper.start()
    helper.join()
    STARTED.wait(20)

def test_waits():
    STARTED.wait(20)
    STARTED.wait(20)
"""
    )
    seconds = cpu_s(run(pytester))
    assert sum(seconds.values()) == pytest.approx(0.3, abs=0.04)
    assert seconds["test_starts_a_thread"] == pytest.approx(0.15, abs=0.04)


def test_a_shared_fixture_in_one_of_two_threads_is_billed_once(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(IN_THREADS)
    pytester.makepyfile(
        BURN.format(n=2)
        + """
import pytest

@pytest.fixture(scope="module")
def trained():
    STARTED.wait(20)
    burn(0.2)
    STARTED.wait(20)

def test_uses_it(trained):
    burn(0.1)

def test_beside_it():
    STARTED.wait(20)
    STARTED.wait(20)
"""
    )
    report = run(pytester)
    seconds = cpu_s(report)
    assert seconds["test_uses_it"] == pytest.approx(0.1, abs=0.03)
    assert seconds["test_beside_it"] < 0.04
    (fixture,) = (fixture for fixture in report["fixtures"] if fixture["name"] == "trained")
    assert fixture["cpu_s"] == pytest.approx(0.2, abs=0.04)
    assert_balanced(report)


def test_calls_go_to_the_test_of_their_thread(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(IN_THREADS)
    pytester.makepyfile(
        BURN.format(n=2)
        + """
import httpx

def answer(request):
    STARTED.wait(20)
    usage = {"prompt_tokens": 1, "completion_tokens": 1}
    return httpx.Response(200, json={"object": "chat.completion", "model": "m", "choices": [], "usage": usage})

def ask(model):
    STARTED.wait(20)
    with httpx.Client(transport=httpx.MockTransport(answer)) as client:
        client.post("https://api.openai.com/v1/chat/completions", json={"model": model, "messages": []})

def test_one():
    ask("model-one")

def test_two():
    ask("model-two")
"""
    )
    report = run(pytester)
    models = {t["nodeid"].rpartition("_")[2]: [c["model"] for c in t["calls"]] for t in report["tests"]}
    assert models == {"one": ["model-one"], "two": ["model-two"]}
    assert not any(c.get("inferred") for t in report["tests"] for c in t["calls"])


def test_a_test_that_another_plugin_runs_in_a_fork_is_no_silent_pass(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        """
import os
import pytest

@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item, nextitem):
    pid = os.fork()
    if not pid:
        os._exit(0)
    os.waitpid(pid, 0)
    for when in ("setup", "call", "teardown"):
        item.ihook.pytest_runtest_logreport(
            report=pytest.TestReport(item.nodeid, item.location, {}, "passed", None, when)
        )
    return True
"""
    )
    pytester.makepyfile("def test_forked(): pass")
    result = pytester.runpytest_subprocess("--aifootprint", "--aifootprint-budget", "1 kgCO2e")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["budget*undecided*1 test ran in a process that another plugin forked*"])
