"""Workers of every kind, and their deaths: CPU seconds are booked where they were used, and nothing is lost in silence.

Every test tells its own CPU seconds; the suites burn 50 ms where a benchmark burns 2 s.
"""

import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from known_truth import imbalance, lay_out, lines_of
from pytest_aifootprint.records.schema import report_schema

MODES = ("load", "loadscope", "loadfile", "loadgroup", "worksteal", "each")
RESCHEDULES = ("load", "worksteal")
MANY = 200

SUITE = """
    import known, pytest

    @pytest.fixture(scope="session")
    def model():
        with known.told("set-up"):
            known.burn(0.05)
        yield "model"
        with known.told("teardown"):
            known.burn(0.02)

    @pytest.mark.parametrize("n", range(4))
    def test_burns(n):
        known.burn(0.05)

    @pytest.mark.xdist_group("together")
    @pytest.mark.parametrize("n", range(2))
    def test_uses(n, model):
        known.burn(0.02)

    class TestScope:
        def test_child(self):
            known.burn_in_child(0.1)

        def test_idles(self):
            pass
"""

# What the controller was told of, noted beside the plugin: the tests that pytest ran.
RAN = """
    import os

    def pytest_runtest_logreport(report):
        if report.when == "teardown" and "PYTEST_XDIST_WORKER" not in os.environ:
            with open("ran.txt", "a") as file:
                file.write(f"{report.nodeid}\\n")
"""

CRASH = f"""
    import os, known, pytest

    def segfault():
        import ctypes, faulthandler
        faulthandler.disable()
        ctypes.string_at(0)

    @pytest.mark.parametrize("n", range({MANY}))
    def test_it(n):
        if n == {MANY // 2}:
            known.burn(0.3)
            DIE
        if n % 20 == 0:
            known.burn(0.02)
"""


@pytest.fixture
def metered(pytester: pytest.Pytester) -> Any:
    """Runs the suite with a row for every test; the result and the report, which is valid and conserves energy."""

    def run(suite: str, *args: str) -> tuple[pytest.RunResult, dict[str, Any]]:
        lay_out(pytester.path, conftest=True)
        pytester.makepyfile(test_suite=suite)
        path = pytester.path / "r.json"
        report = f"--aifootprint-report=json:{path}"
        result = pytester.runpytest_subprocess("--aifootprint", "--aifootprint-tests=all", report, *args, timeout=120)
        data: dict[str, Any] = json.loads(path.read_text())
        jsonschema.validate(data, report_schema())
        assert imbalance(data) <= 1e-9
        return result, data

    return run


def distribution(mode: str, workers: int) -> tuple[str, ...]:
    """Options: ``each`` runs every test on every worker."""
    return ("--dist=each", f"--tx={workers}*popen") if mode == "each" else (f"--dist={mode}", f"-n{workers}")


def booked(data: dict[str, Any]) -> dict[tuple[str, str], float]:
    """Direct CPU seconds by worker and node id; every test on every worker has one row."""
    rows = {(t["worker"], t["nodeid"]): t["direct"]["cpu_s"] for t in data["tests"]}
    assert len(rows) == len(data["tests"])
    return rows


def calls(data: dict[str, Any]) -> dict[tuple[str, str], float]:
    """CPU seconds of the call phase alone: rendering a failure takes pytest 20 ms, and the test pays them."""
    return {(t["worker"], t["nodeid"]): t["attempts"][-1]["phases"]["call"]["cpu_s"] for t in data["tests"]}


def told(folder: Path) -> dict[tuple[str, str], float]:
    return {(line["worker"], line["test"]): line["cpu_s"] for line in lines_of(folder) if "::" in line["test"]}


def close(seconds: float) -> Any:
    """2 % or 5 ms: what pytest does around a test is the test's, too."""
    return pytest.approx(seconds, rel=0.02, abs=0.005)


@pytest.mark.parametrize(
    "options",
    [(), ("-n1",), distribution("load", 2), distribution("each", 2)],
    ids=["alone", "n1", "load", "each"],
)
def test_every_test_is_billed_what_it_used(pytester: pytest.Pytester, metered: Any, options: tuple[str, ...]) -> None:
    result, data = metered(SUITE, *options)
    times = 2 if "--dist=each" in options else 1
    result.assert_outcomes(passed=8 * times)
    own = told(pytester.path)
    rows = booked(data)
    assert rows.keys() == own.keys()
    assert data["totals"]["tests"] == 8 * times
    assert {key: rows[key] for key in own} == {key: close(s) for key, s in own.items()}
    assert math.fsum(rows.values()) == pytest.approx(math.fsum(own.values()), rel=0.02, abs=0.005 * len(own))
    (fixture,) = (f for f in data["fixtures"] if f["name"] == "model")
    parts = [line for line in lines_of(pytester.path) if line["test"] in {"set-up", "teardown"}]
    assert fixture["setups"] == sum(line["test"] == "set-up" for line in parts)
    used_s = math.fsum(line["cpu_s"] for line in parts)
    assert fixture["cpu_s"] == pytest.approx(used_s, rel=0.02, abs=0.005 * fixture["setups"])
    assert all(worker["reported"] for worker in data["run"]["workers"])


@pytest.mark.parametrize("options", [(), ("-n1",), ("-n2", "--dist=worksteal")], ids=" ".join)
def test_x_keeps_what_pytest_ran(pytester: pytest.Pytester, metered: Any, options: tuple[str, ...]) -> None:
    suite = """
        import known, pytest

        @pytest.mark.parametrize("n", range(30))
        def test_it(n):
            known.burn(0.01)
            assert n != 5
    """
    pytester.makepyfile(watch=RAN)
    result, data = metered(suite, "-x", "-p", "watch", *options)
    assert result.ret in {pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.INTERRUPTED}
    ran = (pytester.path / "ran.txt").read_text().splitlines()
    assert len(ran) < 30
    rows = {t["nodeid"]: t for t in data["tests"]}
    # A worker may have finished a test more than the controller still listened to.
    assert rows.keys() >= set(ran)
    own = told(pytester.path)
    assert calls(data) == {key: close(own[key]) for key in booked(data)}
    assert [t["outcome"] for t in data["tests"]].count("failed") == 1
    assert data["totals"]["tests"] == len(rows)


@pytest.mark.parametrize(
    ("mode", "death", "workers"),
    [(mode, "os._exit(3)", 2) for mode in MODES] + [(mode, "segfault()", 1) for mode in RESCHEDULES],
)
def test_a_crashed_worker_takes_no_finished_test_along(
    pytester: pytest.Pytester, metered: Any, mode: str, death: str, workers: int
) -> None:
    pytester.makepyfile(watch=RAN)
    # Where the test that kills is run again and again, twice is enough. loadgroup of xdist 3.8 waits for ever for the
    # replacement, metered or not.
    restarts = f"--max-worker-restart={0 if mode == 'loadgroup' else 1}"
    options = ("-p", "watch", "-p", "no:faulthandler", restarts, "--aifootprint-budget=1000 Wh")
    result, data = metered(CRASH.replace("DIE", death), *distribution(mode, workers), *options)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    # Once a test that finished anywhere; the one that killed its worker has no teardown report.
    ran = Counter((pytester.path / "ran.txt").read_text().splitlines())
    assert Counter(t["nodeid"] for t in data["tests"]) == ran
    assert data["totals"]["tests"] == sum(ran.values())
    if mode in RESCHEDULES:
        assert len(ran) >= MANY - 1
    lost = [w["id"] for w in data["run"]["workers"] if not w["reported"]]
    assert lost
    notices = [n["message"] for n in data["notices"] if n["code"] == "worker-lost"]
    assert len(notices) == len(lost)
    assert all(any(worker in message for message in notices) for worker in lost)
    (verdict,) = data["verdicts"]
    assert verdict["verdict"] == "undecided"
    assert all(f"worker {worker} was lost" in verdict["message"] for worker in lost)
    result.stdout.fnmatch_lines(["*undecided*was lost*"])
    # CPU seconds by worker: the survivors' and the replacement's are all there, the dead one's up to its death.
    own = told(pytester.path)
    rows = booked(data)
    assert rows == {key: close(own[key]) for key in rows}
    if workers == 1:
        assert lost == ["gw0"]
        assert {worker for worker, _ in rows} == {"gw0", "gw1"}  # gw1 came in its place
    # The 0.3 s of the test that died are nobody's: they stand with other processes.
    cpu = data["balance"]["cpu"]
    watts = cpu["other_tests_j"] / math.fsum(rows.values())
    assert cpu["other_processes_j"] >= watts * 0.29
