"""A server on this machine that is nobody's child: its CPU belongs to the tests that call it, once."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from runpy import run_path
from typing import Any

import jsonschema
import pytest

from pytest_aifootprint.attribution.proc import cpu_clock_ns
from pytest_aifootprint.records.schema import report_schema

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="exact CPU clocks of other processes")

SCRIPT = Path(__file__).parents[1] / "unit" / "attribution" / "burning_server.py"
service: Callable[..., AbstractContextManager[Any]] = run_path(str(SCRIPT))["service"]

ASK = """
import json, os, time
from pathlib import Path
import httpx

HERE = Path(__file__).parent

def ask(seconds, port, name):
    began = time.process_time()
    url = f"http://127.0.0.1:{port}/v1/chat/completions"
    answer = httpx.post(url, json={"model": "gemma-3-270m", "messages": [], "user": str(seconds)}, timeout=60)
    said = int(answer.headers["x-cpu-ns"]) / 1e9
    (HERE / f"{name}.said").write_text(json.dumps([said, time.process_time() - began]))
"""


@pytest.fixture
def server(pytester: pytest.Pytester) -> Iterator[Any]:
    with service() as service_:
        pytester.makepyfile(asking=ASK + f"\nPORT = {service_.port}\n")
        yield service_


def run(pytester: pytest.Pytester, *arguments: str) -> tuple[pytest.RunResult, dict[str, Any]]:
    path = pytester.path / "report.json"
    # Without pytest-asyncio, whose event loop would be a shared fixture of every test.
    metering = ("--aifootprint", f"--aifootprint-report=json:{path}", "--aifootprint-tests=all", "-p", "no:asyncio")
    result = pytester.runpytest(*metering, *arguments)
    report: dict[str, Any] = json.loads(path.read_text())
    jsonschema.validate(report, report_schema())
    return result, report


def rows(report: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {row["nodeid"].rpartition("::")[2]: row for row in report["tests"]}


def said(pytester: pytest.Pytester, name: str) -> tuple[float, float]:
    """CPU seconds by the server's own account, and by the client's."""
    server_s, client_s = json.loads((pytester.path / f"{name}.said").read_text())
    return server_s, client_s


def codes(report: dict[str, Any]) -> list[str]:
    return [notice["code"] for notice in report["notices"]]


def test_each_test_bears_what_the_server_used_for_it(
    pytester: pytest.Pytester, workers: tuple[str, ...], server: Any
) -> None:
    pytester.makepyfile(
        """
        from asking import PORT, ask

        def test_long(): ask(0.4, PORT, "long")
        def test_short(): ask(0.1, PORT, "short")
        def test_none(): pass
        """
    )
    before = cpu_clock_ns(server.pid)
    result, report = run(pytester, *workers)
    after = cpu_clock_ns(server.pid)
    result.assert_outcomes(passed=3)
    assert before is not None
    assert after is not None
    found = rows(report)
    served = 0.0
    for name in ("long", "short"):
        row = found[f"test_{name}"]
        (call,) = row["calls"]
        server_s, client_s = said(pytester, name)
        assert abs(call["server_cpu_s"] - server_s) <= 0.03 * server_s + 0.002 or "-n2" in workers
        # The client's share is its own CPU, less ours; and the little that pytest does around it.
        own = row["direct"]["cpu_s"] - client_s
        assert own <= 1.03 * server_s + 0.02
        phases = row["attempts"][0]["phases"]
        assert abs(sum(phase["cpu_s"] for phase in phases.values()) - row["direct"]["cpu_s"]) < 1e-6
        assert phases["call"]["cpu_s"] >= own
        served += own
    whole = (after - before) / 1e9
    # Together what the server ran, once: also where both calls were open at the same time. The client's own account
    # contains what this plugin used in it, which its test does not bear.
    watts = found["test_long"]["direct"]["energy_j"]["cpu"]["central"] / found["test_long"]["direct"]["cpu_s"]
    plugin_s = report["balance"]["cpu"]["plugin_j"] / watts
    assert 0.97 * whole - plugin_s - 0.01 <= served <= 1.03 * whole + 0.01
    assert found["test_none"]["direct"]["cpu_s"] < 0.05
    assert "server-unseen" not in codes(report)
    assert "local_server" not in report["totals"]["energy_j"]
    balance = report["balance"]["cpu"]
    terms = ("ai_tests_j", "shared_fixtures_j", "other_tests_j", "other_processes_j", "idle_j", "plugin_j")
    assert balance["metered_j"] == pytest.approx(sum(balance[term] for term in terms), rel=1e-9)
    assert balance["ai_tests_j"] == pytest.approx(
        sum(row["energy_j"]["cpu"]["central"] for row in report["tests"] if row["ai"])
    )


def test_a_fixture_that_calls_the_server_shares_what_it_used(
    pytester: pytest.Pytester, workers: tuple[str, ...], server: Any
) -> None:
    pytester.makepyfile(
        """
        import os
        import pytest
        from asking import PORT, ask

        @pytest.fixture(scope="session")
        def embedded():
            ask(0.3, PORT, "fixture-" + os.environ.get("PYTEST_XDIST_WORKER", "main"))

        def test_one(embedded): pass
        def test_two(embedded): pass
        """
    )
    result, report = run(pytester, *workers)
    result.assert_outcomes(passed=2)
    (fixture,) = report["fixtures"]
    server_s = sum(said(pytester, path.stem)[0] for path in pytester.path.glob("fixture-*.said"))
    assert fixture["setups"] == len(fixture["calls"])
    # Both workers may have set it up at the same time: then each saw the other's work on the server's clock.
    assert 0.97 * 0.3 * fixture["setups"] <= fixture["cpu_s"] <= 1.03 * server_s + 0.3
    shares = [share["energy_j"]["central"] for row in report["tests"] for share in row["fixtures"]]
    assert sum(shares) == pytest.approx(fixture["energy_j"]["total"]["central"])


def test_each_attempt_bears_its_own_calls(pytester: pytest.Pytester, server: Any) -> None:
    pytester.makepyfile(
        """
        from asking import HERE, PORT, ask

        def test_flaky():
            again = (HERE / "first.said").exists()
            ask(0.1 if again else 0.4, PORT, "second" if again else "first")
            assert again
        """
    )
    result, report = run(pytester, "--reruns=1")
    result.stdout.fnmatch_lines(["*1 passed*1 rerun*"])
    first, second = rows(report)["test_flaky"]["attempts"]
    assert first["phases"]["call"]["cpu_s"] >= 0.39
    assert 0.09 <= second["phases"]["call"]["cpu_s"] < 0.3
    retries = report["totals"]["retries"]
    whole = report["totals"]["energy_j"]["cpu"]["central"]
    assert 0.5 < retries["energy_j"]["central"] / whole < 0.95


def test_a_limit_on_a_test_sees_the_servers_work(
    pytester: pytest.Pytester, workers: tuple[str, ...], server: Any
) -> None:
    pytester.makepyfile(
        """
        import pytest
        from asking import PORT, ask

        @pytest.mark.aifootprint(energy="1 J")
        def test_over(): ask(1.2, PORT, "over")

        @pytest.mark.aifootprint(energy="1 J")
        def test_within(): ask(0.0, PORT, "within")
        """
    )
    result, _ = run(pytester, "--aifootprint-tests=ai", *workers)
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*test_over*"])


def test_a_server_that_cannot_be_seen_is_estimated_and_says_so(
    pytester: pytest.Pytester, workers: tuple[str, ...]
) -> None:
    with service("--name", "docker-proxy") as hidden:
        pytester.makepyfile(asking=ASK + f"\nPORT = {hidden.port}\n")
        pytester.makepyfile("from asking import PORT, ask\n\ndef test_it(): ask(0.2, PORT, 'it')\n")
        result, report = run(pytester, *workers)
    result.assert_outcomes(passed=1)
    row = rows(report)["test_it"]
    (call,) = row["calls"]
    assert call["server_cpu_s"] is None
    assert call["basis"] == "assumed"
    assert row["direct"]["cpu_s"] - said(pytester, "it")[1] < 0.05
    estimate = row["energy_j"]["local_server"]
    assert 0 < estimate["low"] < estimate["central"] < estimate["high"]
    assert estimate == call["energy_j"] == report["totals"]["energy_j"]["local_server"]
    assert report["totals"]["energy_j"]["remote"]["high"] == 0
    assert report["totals"]["unpriced_calls"] == 0
    assert codes(report).count("server-unseen") == 1
    assert [notice["code"] for notice in row["notices"]].count("server-unseen") == 1
    result.stdout.fnmatch_lines(["energy*cpu * · local server *", "*127.0.0.1:*cannot be read*estimated*"])


def test_what_one_worker_started_is_not_billed_again_to_the_other_that_calls_it(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(asking=ASK)
    pytester.makeconftest(
        f"""
        import os, subprocess, sys, time
        from pathlib import Path
        import pytest

        PORT = Path(__file__).with_name("port")

        @pytest.fixture(scope="session")
        def port():
            child = None
            if os.environ["PYTEST_XDIST_WORKER"] == "gw0":
                command = [sys.executable, {str(SCRIPT)!r}, "--stay"]
                child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
                text = child.stdout.readline().split()[1]
                child.stdout.close()
                PORT.with_name("part").write_text(text)
                PORT.with_name("part").rename(PORT)
            while not PORT.exists():
                time.sleep(0.01)
            yield int(PORT.read_text())
            PORT.with_name(os.environ["PYTEST_XDIST_WORKER"] + ".done").touch()
            if child is not None:
                while not PORT.with_name("gw1.done").exists():
                    time.sleep(0.01)
                child.kill()
                child.wait()
        """
    )
    pytester.makepyfile(
        """
        import os
        from asking import ask

        def test_it(port): ask(0.2, port, os.environ["PYTEST_XDIST_WORKER"])
        """
    )
    result, report = run(pytester, "-n2", "--dist=each")
    result.assert_outcomes(passed=2)
    calls = [call for row in report["tests"] for call in row["calls"]]
    assert [call["server_cpu_s"] for call in calls] == [None, None]
    assert "server-unseen" not in codes(report)
    assert sum(call["energy_j"]["high"] for call in calls) == 0


def test_what_the_controller_started_is_metered_for_the_workers_that_call_it(
    pytester: pytest.Pytester, workers: tuple[str, ...]
) -> None:
    pytester.makepyfile(asking=ASK)
    pytester.makeconftest(
        f"""
        import os, subprocess, sys

        def pytest_configure(config):
            if not hasattr(config, "workerinput"):
                command = [sys.executable, {str(SCRIPT)!r}, "--stay"]
                config.child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
                os.environ["ASK_PORT"] = config.child.stdout.readline().split()[1]
                config.child.stdout.close()

        def pytest_unconfigure(config):
            if not hasattr(config, "workerinput"):
                del os.environ["ASK_PORT"]
                config.child.kill()
                config.child.wait()
        """
    )
    pytester.makepyfile(
        """
        import os
        from asking import ask

        def test_it(): ask(0.3, os.environ["ASK_PORT"], "it")
        """
    )
    result, report = run(pytester, *workers)
    result.assert_outcomes(passed=1)
    row = rows(report)["test_it"]
    server_s, client_s = said(pytester, "it")
    assert abs(row["direct"]["cpu_s"] - client_s - server_s) < 0.03 * server_s + 0.02
    # Without workers the child is in the tree of the process that runs the tests.
    assert (row["calls"][0]["server_cpu_s"] is None) is (workers == ())
