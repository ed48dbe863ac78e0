"""What a test does to its own process changes no number: its CPU seconds are what it says they are."""

import json
import os
from typing import Any

import jsonschema
import pytest

from known_truth import imbalance, lay_out, lines_of
from pytest_aifootprint.records.schema import report_schema

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")

SUITE = """
    import os, shutil, tempfile, time

    import known, pytest

    def test_before():
        known.burn(0.05)

    def test_changes_the_directory():
        folder = tempfile.mkdtemp()
        os.chdir(folder)
        shutil.rmtree(folder)
        known.burn(0.05)

    def test_clears_the_environment():
        os.environ.clear()
        known.burn(0.05)

    def test_replaces_the_environment():
        os.environ = {"PATH": "/nowhere"}
        known.burn(0.05)

    def test_replaces_every_clock(monkeypatch):
        for name in ("time", "monotonic", "perf_counter", "process_time", "thread_time"):
            monkeypatch.setattr(time, name, lambda: 0.0)
            monkeypatch.setattr(time, name + "_ns", lambda: 0)
        monkeypatch.setattr(time, "clock_gettime_ns", lambda _: 0)
        known.burn(0.05)

    def test_forks_a_child_that_exits():
        if (pid := os.fork()) == 0:
            known.burn(0.05)
            os._exit(0)
        known.burn(0.03)
        os.waitpid(pid, 0)

    def test_forks_and_does_not_wait():
        if os.fork() == 0:
            known.burn(0.03)
            os._exit(0)
        known.burn(0.05)

    def test_waits_for_the_child_of_another():
        known.burn(0.02)
        os.wait()

    def test_after():
        known.burn(0.05)
"""

RUNS_ON = """
    import os, known

    def test_forks():
        if (pid := os.fork()) == 0:
            known.burn(0.05)
            raise RuntimeError("and the child runs on, into pytest's own end")
        known.burn(0.03)
        os.waitpid(pid, 0)

    def test_after():
        known.burn(0.05)
"""

CLOSES = """
    import os, known

    def test_closes_what_it_never_opened():
        os.closerange(3, 256)
        known.burn(0.05)

    def test_child_after_that():
        known.burn_in_child(0.1)

    def test_after():
        known.burn(0.05)
"""


@pytest.fixture
def metered(pytester: pytest.Pytester) -> Any:
    """Runs the suite in a process of its own; CPU seconds by test of a report that is valid and conserves energy."""

    def run(suite: str, *args: str) -> dict[str, float]:
        lay_out(pytester.path, conftest=True)
        pytester.makepyfile(test_suite=suite)
        path = pytester.path / "r.json"
        report = ("--aifootprint-tests=all", f"--aifootprint-report=json:{path}")
        result = pytester.runpytest_subprocess("--aifootprint", *report, *args, timeout=120)
        assert result.ret == 0
        data: dict[str, Any] = json.loads(path.read_text())
        jsonschema.validate(data, report_schema())
        assert imbalance(data) <= 1e-9
        assert {t["outcome"] for t in data["tests"]} == {"passed"}
        assert [n["code"] for n in data["notices"] if n["code"] != "grid-guessed"] == []
        rows = {t["nodeid"].rpartition("::")[2]: t for t in data["tests"]}
        # An edge read off a wrong clock in mid-test would cancel out over set-up, call and teardown.
        for row in rows.values():
            call = row["attempts"][0]["phases"]["call"]["cpu_s"]
            assert call == pytest.approx(row["direct"]["cpu_s"], rel=0.02, abs=0.005)
        return {name: row["direct"]["cpu_s"] for name, row in rows.items()}

    return run


def close(seconds: float) -> Any:
    return pytest.approx(seconds, rel=0.02, abs=0.005)


def own_of(pytester: pytest.Pytester) -> dict[str, float]:
    """As the tests say, each in the process that pytest runs it in; a child that runs on speaks for itself only."""
    lines = lines_of(pytester.path)
    parents = {line["pid"] for line in lines if line["test"].endswith("test_after")}
    return {line["test"].rpartition("::")[2]: line["cpu_s"] for line in lines if line["pid"] in parents}


@pytest.mark.parametrize("options", [(), ("-n1",)], ids=["alone", "n1"])
def test_the_numbers_are_those_that_the_tests_tell(
    pytester: pytest.Pytester, metered: Any, options: tuple[str, ...]
) -> None:
    booked = metered(SUITE, *options)
    own = own_of(pytester)
    # The kernel tells a parent of a child when it was waited for; the plugin looks while it works.
    child = 0.03
    own["test_forks_and_does_not_wait"] += child
    own["test_waits_for_the_child_of_another"] -= child
    pair = ("test_forks_and_does_not_wait", "test_waits_for_the_child_of_another")
    assert {n: s for n, s in booked.items() if n not in pair} == {n: close(s) for n, s in own.items() if n not in pair}
    # How much of the child ran in which of the two is the scheduler's choice, the sum is not.
    assert sum(booked[name] for name in pair) == pytest.approx(sum(own[name] for name in pair), rel=0.02, abs=0.01)
    assert all(booked[name] >= least - 0.001 for name, least in zip(pair, (0.05, 0.02), strict=True))


def test_a_child_that_runs_on_as_pytest_is_paid_by_the_test_that_forked_it(
    pytester: pytest.Pytester, metered: Any
) -> None:
    booked = metered(RUNS_ON)
    own = own_of(pytester)
    assert booked == {name: close(s) for name, s in own.items()}
    assert own["test_forks"] > 0.079


def test_closed_descriptors_change_no_number(pytester: pytest.Pytester, metered: Any) -> None:
    # pytest's own capture and logging do not outlive it, metered or not.
    booked = metered(CLOSES, "-s", "-p", "no:faulthandler", "-p", "no:logging")
    assert booked == {name: close(s) for name, s in own_of(pytester).items()}
