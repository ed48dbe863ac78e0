"""Who pays: attempts, users of fixtures that other fixtures took, children that live from one test to the next."""

from __future__ import annotations

import json
from typing import Any

import pytest

BURN = """
import time

def burn(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass
"""
ASK = 'aifootprint.record_call(model="gpt-4o-mini", provider="openai", input_tokens=100, output_tokens=100)'


def run(pytester: pytest.Pytester, *args: str, status: int = 0) -> tuple[dict[str, Any], pytest.RunResult]:
    result = pytester.runpytest_subprocess(
        "--aifootprint",
        "--aifootprint-tests",
        "all",
        "--aifootprint-report",
        "json:out.json",
        "-p",
        "no:asyncio",
        *args,
    )
    assert result.ret == status, result.stdout.str()
    report: dict[str, Any] = json.loads((pytester.path / "out.json").read_text())
    return report, result


def by_name(report: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {test["nodeid"].rpartition("::")[2]: test for test in report["tests"]}


def test_what_retries_cost_is_a_figure_of_its_own(pytester: pytest.Pytester, workers: tuple[str, ...]) -> None:
    pytester.makepyfile(
        BURN
        + f"""
TRIED = []

def test_third_time_lucky(aifootprint):
    TRIED.append(1)
    burn(0.1)
    {ASK}
    assert len(TRIED) == 3

def test_at_once(aifootprint):
    burn(0.1)
    {ASK}
"""
    )
    report, result = run(pytester, "--reruns", "2", *workers)
    tests = by_name(report)
    again, once = tests["test_third_time_lucky"], tests["test_at_once"]
    assert [a["outcome"] for a in again["attempts"]] == ["rerun", "rerun", "passed"]
    assert all(a["phases"]["call"]["cpu_s"] >= 0.1 for a in again["attempts"])
    seconds = [sum(phase["cpu_s"] for phase in a["phases"].values()) for a in again["attempts"]]
    assert again["direct"]["cpu_s"] == pytest.approx(sum(seconds))
    part = sum(seconds[:2]) / sum(seconds)
    retries = report["totals"]["retries"]
    assert retries["attempts"] == 2
    whole = again["carbon_g"]["total"]["central"]
    assert retries["carbon_g"]["total"]["central"] == pytest.approx(whole * 2 / 3, rel=0.1)
    energy = {
        place: (of["energy_j"]["cpu"]["central"], of["energy_j"]["remote"]["central"])
        for place, of in (("again", again), ("once", once))
    }
    assert retries["energy_j"]["central"] == pytest.approx(energy["again"][0] * part + energy["once"][1] * 2)
    total = report["totals"]["carbon_g"]["total"]["central"]
    assert total == pytest.approx(whole + once["carbon_g"]["total"]["central"])
    result.stdout.fnmatch_lines(["retries * 2 attempts run again, contained above"])


def test_a_run_without_retries_says_so_in_numbers_only(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(f"def test_it(aifootprint):\n    {ASK}")
    report, result = run(pytester)
    assert report["totals"]["retries"]["attempts"] == 0
    assert report["totals"]["retries"]["carbon_g"]["total"]["central"] == 0
    result.stdout.no_fnmatch_line("retries *")


def test_a_fixture_that_trains_is_amortised_over_its_users(pytester: pytest.Pytester, workers: tuple[str, ...]) -> None:
    pytester.makepyfile(
        """
import pytest
from sklearn.linear_model import LogisticRegression

@pytest.fixture(scope="session")
def classifier():
    return LogisticRegression().fit([[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1])

@pytest.mark.parametrize("n", range(4))
def test_predicts(classifier, n):
    assert classifier.predict([[float(n)]])[0] == n // 2

def test_without():
    pass
"""
    )
    report, result = run(pytester, *workers)
    shares = [t["fixtures"] for t in report["tests"] if "predicts" in t["nodeid"]]
    for (share,) in shares:
        assert share["trained"] == ["sklearn.LogisticRegression"]
        assert share["users"] == 4
        assert share["setups"] == max(1, len({t["worker"] for t in report["tests"] if t["fixtures"]}))
    (fixture,) = report["fixtures"]
    borne = sum(share["energy_j"]["central"] for (share,) in shares)
    assert borne == pytest.approx(fixture["energy_j"]["total"]["central"])
    result.stdout.fnmatch_lines(["amortised * over 4 tests: fixture classifier (session) trains*"])


def test_who_takes_a_cached_fixture_pays_for_what_that_one_took(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        BURN
        + """
import pytest

@pytest.fixture(scope="session")
def inner():
    burn(0.1)

@pytest.fixture(scope="session")
def outer(request):
    request.getfixturevalue("inner")

def test_first(outer): pass
def test_later(outer): pass
def test_by_value(request):
    request.getfixturevalue("outer")
def test_not(): pass
"""
    )
    report, _ = run(pytester)
    used = {name: sorted(f["name"] for f in test["fixtures"]) for name, test in by_name(report).items()}
    both = ["inner", "outer"]
    assert used == {"test_first": both, "test_later": both, "test_by_value": both, "test_not": []}


LIVING = (
    BURN
    + """
import subprocess, sys, time
import pytest

CHILD = '''
import sys, time
for line in sys.stdin:
    end = time.process_time() + float(line)
    while time.process_time() < end:
        pass
    print(time.process_time(), flush=True)
'''

class Server:
    def __init__(self):
        pipe = subprocess.PIPE
        self.process = subprocess.Popen([sys.executable, "-c", CHILD], stdin=pipe, stdout=pipe, text=True)
        self.work(0.01)  # is up

    def work(self, seconds):
        self.process.stdin.write(f"{seconds}\\n")
        self.process.stdin.flush()
        self.process.stdout.readline()

    def end(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()
"""
)


def test_a_server_works_for_the_test_that_asks_it_and_between_tests_for_its_fixture(
    pytester: pytest.Pytester, workers: tuple[str, ...]
) -> None:
    pytester.makepyfile(
        servers=LIVING,
        test_it="""
import pytest
from servers import Server
import conftest

@pytest.fixture(scope="session")
def server():
    made = Server()
    conftest.SERVER.append(made)
    yield made
    conftest.SERVER.clear()
    made.end()

def test_a(server):
    server.work(0.1)

def test_b(server):
    server.work(0.2)

def test_idle(server):
    pass
""",
    )
    pytester.makeconftest(
        """
import pytest
SERVER = []

@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item, nextitem):
    result = yield
    return result

def pytest_runtestloop(session):
    pass

class Outside:
    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item, nextitem):
        if SERVER:
            SERVER[0].work(0.15)  # no window is open yet
        return (yield)

@pytest.hookimpl(trylast=True)
def pytest_collection_finish(session):
    session.config.pluginmanager.register(Outside())
"""
    )
    report, _ = run(pytester, "-p", "no:randomly", *workers)
    tests = by_name(report)
    assert tests["test_a"]["direct"]["cpu_s"] == pytest.approx(0.1, abs=0.03)
    assert tests["test_b"]["direct"]["cpu_s"] == pytest.approx(0.2, abs=0.03)
    assert tests["test_idle"]["direct"]["cpu_s"] < 0.03
    (fixture,) = (f for f in report["fixtures"] if f["name"] == "server")
    between = 0.15 * (3 - fixture["setups"])
    assert fixture["cpu_s"] == pytest.approx(between + fixture["setups"] * 0.04, abs=0.05)


def test_on_a_dedicated_machine_a_sleeping_test_bears_the_idle_power_of_its_time(
    pytester: pytest.Pytester, workers: tuple[str, ...]
) -> None:
    pytester.makeini("[pytest]\naifootprint_idle = share")
    pytester.makepyfile(
        f"""
import time

def test_sleeps(aifootprint):
    {ASK}
    time.sleep(0.5)

def test_does_nothing(aifootprint):
    {ASK}
"""
    )
    report, result = run(pytester, *workers)
    tests = by_name(report)
    power_w = report["balance"]["cpu"]["idle"]["power_w"]
    parts = len(report["run"]["workers"])
    asleep, awake = (tests[n]["energy_j"]["cpu"]["central"] for n in ("test_sleeps", "test_does_nothing"))
    assert power_w * 0.5 / parts * 0.9 < asleep - awake < power_w * 0.5 * 1.5
    assert report["run"]["idle_shared"] is True
    hardware = [tests[n]["carbon_g"]["hardware"]["central"] for n in ("test_sleeps", "test_does_nothing")]
    assert hardware[0] > hardware[1] * 1.01
    terms = report["balance"]["cpu"]
    parts_j = sum(terms[name] for name in terms if name.endswith("_j") and name not in {"metered_j", "clamped_j"})
    assert parts_j == pytest.approx(terms["metered_j"], rel=1e-9)
    avoidable = tests["test_sleeps"]["avoidable_carbon_g"]["central"]
    assert avoidable < tests["test_sleeps"]["carbon_g"]["use"]["central"]
    result.stdout.fnmatch_lines(["idle power * shared: each test bears it for the time that it had this machine"])


def test_by_default_a_sleeping_test_bears_no_idle_power(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(f"import time\n\ndef test_sleeps(aifootprint):\n    {ASK}\n    time.sleep(0.5)\n")
    report, result = run(pytester)
    assert by_name(report)["test_sleeps"]["energy_j"]["cpu"]["central"] < report["balance"]["cpu"]["idle_j"] / 5
    assert report["run"]["idle_shared"] is False
    result.stdout.no_fnmatch_line("idle power *")
