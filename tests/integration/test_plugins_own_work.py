"""What this plugin uses itself is the plugin's, wherever it happens, and no test's.

Nothing here depends on how fast the machine is: imports and work of ours are made so slow that they cannot be missed.
"""

import json
from typing import Any

import pytest

BURN_S = 0.2

# Each module of ours that is imported while tests run takes BURN_S of CPU more.
SLOW_IMPORTS = f"""
    import sys, time
    from pathlib import Path

    class SlowImports:
        def __init__(self):
            self.names = []

        def find_spec(self, name, path=None, target=None):
            if name.partition(".")[0] == "pytest_aifootprint":
                self.names.append(name)
                end_s = time.process_time() + {BURN_S}
                while time.process_time() < end_s:
                    pass

    slow = SlowImports()

    def pytest_collection_finish():
        sys.meta_path.insert(0, slow)

    def pytest_sessionfinish():
        if slow in sys.meta_path:  # not in a controller
            sys.meta_path.remove(slow)
            Path("slow.txt").write_text(" ".join(slow.names))
"""

CALLS = """
    import time
    from pathlib import Path
    import pytest

    def test_imports():
        before_s = time.process_time()
        import aiohttp.web, httpx
        Path("spent.txt").write_text(str(time.process_time() - before_s))

    def ask():
        import httpx
        body = {"model": "gpt-4o-mini", "choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 4}}
        with httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(200, json=body))) as client:
            client.post("https://api.openai.com/v1/chat/completions", json={"model": "gpt-4o-mini", "messages": []})

    @pytest.mark.parametrize("n", range(3))
    def test_asks(n):
        ask()

    @pytest.mark.parametrize("n", range(3))
    def test_records(n, aifootprint):
        aifootprint.record_call(model="gpt-4o-mini", provider="openai", input_tokens=3, output_tokens=4)
"""


def run(pytester: pytest.Pytester, *arguments: str) -> dict[str, Any]:
    # In a process of its own: here everything is imported already.
    result = pytester.runpytest_subprocess(
        "--aifootprint", "--aifootprint-tests=all", "--aifootprint-report=json:r.json", *arguments
    )
    assert result.ret == 0
    report: dict[str, Any] = json.loads((pytester.path / "r.json").read_text())
    return report


def plugin_s(report: dict[str, Any]) -> float:
    """CPU seconds: the load model's watts turn joules back into what they were made of."""
    given = {row["symbol"]: row["central"] for row in report["sheets"]["this machine"]["given"]}
    seconds: float = report["balance"]["cpu"]["plugin_j"] / (given["w"] * given.get("PUE_cpu", 1.0))
    return seconds


@pytest.mark.parametrize("arguments", [(), ("-v",), ("-n1",)], ids=["quiet", "a price for each test", "in a worker"])
def test_what_detection_looks_up_first_is_in_no_test(pytester: pytest.Pytester, arguments: tuple[str, ...]) -> None:
    pytester.makeconftest(SLOW_IMPORTS)
    pytester.makepyfile(CALLS)
    report = run(pytester, *arguments)
    slow = (pytester.path / "slow.txt").read_text().split()
    assert {"pytest_aifootprint.detection.http.aiohttp", "pytest_aifootprint.fixtures"} <= {*slow}
    tests = {test["nodeid"].partition("::")[2]: test["direct"]["cpu_s"] for test in report["tests"]}
    for name in ("asks", "records"):
        first, *later = (tests[f"test_{name}[{n}]"] for n in range(3))
        assert first < max(later) + BURN_S / 2
    # Who imports a library pays for it, and not for the modules of ours that come along.
    ours = [name for name in slow if name.startswith("pytest_aifootprint.detection.http.")]
    spent_s = float((pytester.path / "spent.txt").read_text())
    assert tests["test_imports"] < spent_s - (len(ours) - 0.5) * BURN_S
    assert plugin_s(report) > len(slow) * BURN_S


def test_what_the_controller_does_with_records_is_the_plugins(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        f"""
        import time

        def pytest_configure(config):
            if not hasattr(config, "workerinput"):
                from pytest_aifootprint.records.collector import Collector

                add = Collector.add

                def slow(self, run):
                    end_s = time.process_time() + {BURN_S}
                    while time.process_time() < end_s:
                        pass
                    add(self, run)

                Collector.add = slow
        """
    )
    pytester.makepyfile("import pytest\n\n@pytest.mark.parametrize('n', range(5))\ndef test_it(n): pass")
    report = run(pytester, "-n1")
    assert plugin_s(report) > 5 * BURN_S
    balance = report["balance"]["cpu"]
    terms = ("ai_tests_j", "shared_fixtures_j", "other_tests_j", "other_processes_j", "idle_j", "plugin_j")
    assert balance["metered_j"] == pytest.approx(sum(balance[term] for term in terms), rel=1e-9)
    assert all(balance[term] >= 0 for term in terms)
    assert max(test["direct"]["cpu_s"] for test in report["tests"]) < BURN_S
    assert [worker["id"] for worker in report["run"]["workers"]] == ["gw0"]
