"""``run.timeline``: the run's power and calls over time, in a real run."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from pytest_aifootprint.records.schema import report_schema

HERE = Path(__file__).parent
HOUR_NS = 3_600_000_000_000
TERMS = ("ai_tests", "shared_fixtures", "other_tests")
SCRIPTED = """
import pytest
from conftest import WORLD

@pytest.fixture(scope="session")
def loaded():
    WORLD.work(2.0, 1.0)

def test_plain():
    WORLD.work(3.0, 2.0)

def test_asks(loaded, aifootprint):
    WORLD.work(1.0, 0.5)
    aifootprint.record_call(model="llama-3.1-8b", locality="local", input_tokens=10, output_tokens=10)
    WORLD.work(1.0, 4.0)
"""
SUITE = """
    import pytest, time

    def burn(seconds):
        end = time.process_time() + seconds
        while time.process_time() < end:
            pass

    @pytest.fixture(scope="module")
    def slow():
        burn(0.05)

    @pytest.mark.parametrize("n", range(4))
    def test_asks(slow, aifootprint, n):
        aifootprint.record_call(model="gpt-4o", provider="openai", input_tokens=100, output_tokens=10,
                                realness="replayed" if n == 3 else "live")
        burn(0.05)

    def test_plain():
        burn(0.05)
"""


def timeline_of(report: dict[str, Any]) -> dict[str, Any]:
    """The timeline, after seeing that it is valid and that every joule of the balance is in it."""
    Draft202012Validator(report_schema()).validate(report)
    line: dict[str, Any] = report["run"]["timeline"]
    assert line["power_w"].keys() == report["balance"].keys()
    for domain, terms in line["power_w"].items():
        balance = report["balance"][domain]
        rest = balance["idle_j"] + balance["other_processes_j"] + balance["plugin_j"]
        want = {term: balance[f"{term}_j"] for term in TERMS} | {"rest": rest}
        found = {term: math.fsum(column) * line["bin_s"] for term, column in terms.items()}
        assert found == pytest.approx(want, rel=1e-9, abs=1e-12)
        assert math.fsum(found.values()) == pytest.approx(balance["metered_j"], rel=1e-9)
    columns = [column for terms in line["power_w"].values() for column in terms.values()]
    columns += [*line["calls_begun"].values(), *line["calls_open"].values()]
    assert {len(column) for column in columns} == {len(line["start_s"])}
    assert 0 < len(line["start_s"]) <= 200
    return line


def test_who_drew_power_when_is_what_the_script_says(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    steady = {"domains": {"cpu": [[0, 0.0], [HOUR_NS, 360_000.0]]}, "busy_s": [[0, 0], [HOUR_NS, 14_400.0]]}
    (pytester.path / "recording.json").write_text(json.dumps(steady))
    monkeypatch.setenv("PYTEST_AIFOOTPRINT_RECORDED_METER", str(pytester.path / "recording.json"))
    pytester.makeconftest((HERE / "scripted_world.py").read_text())
    pytester.makepyfile(test_one=SCRIPTED)
    result = pytester.runpytest_subprocess("--aifootprint", "--aifootprint-report", "json:out.json", "-p", "no:asyncio")
    result.assert_outcomes(passed=2)
    report = json.loads((pytester.path / "out.json").read_text())
    line = timeline_of(report)
    j_per_s = (100.0 - report["balance"]["cpu"]["idle"]["power_w"]) / 4.0
    cpu = line["power_w"]["cpu"]

    def at(second: float) -> dict[str, float]:
        # A tick is 0.1 s, a bin is shorter: the middle of a bin well inside a second of the script.
        bin_number = next(i for i, start in enumerate(line["start_s"]) if start + line["bin_s"] > second)
        return {term: cpu[term][bin_number] / j_per_s for term in TERMS}

    assert at(1.5) == pytest.approx({"ai_tests": 0, "shared_fixtures": 0, "other_tests": 2}, abs=1e-6)
    assert at(4.0) == pytest.approx({"ai_tests": 0, "shared_fixtures": 1, "other_tests": 0}, abs=1e-6)
    assert at(5.5) == pytest.approx({"ai_tests": 0.5, "shared_fixtures": 0, "other_tests": 0}, abs=1e-6)
    assert at(6.5) == pytest.approx({"ai_tests": 4, "shared_fixtures": 0, "other_tests": 0}, abs=1e-6)
    begun = [line["start_s"][i] for i, number in enumerate(line["calls_begun"]["live"]) if number]
    assert len(begun) == 1
    assert begun[0] == pytest.approx(6.0, abs=line["bin_s"])


def test_every_joule_and_every_call_is_in_it(pytester: pytest.Pytester, workers: tuple[str, ...]) -> None:
    pytester.makepyfile(SUITE)
    pytester.runpytest("--aifootprint", "--aifootprint-report", "json:out.json", *workers).assert_outcomes(passed=5)
    line = timeline_of(json.loads((pytester.path / "out.json").read_text()))
    assert {realness: sum(column) for realness, column in line["calls_begun"].items()} == {
        "live": 3, "replayed": 1, "mocked": 0,
    }  # fmt: skip
    assert all(
        is_open >= (begun > 0)
        for realness in line["calls_begun"]
        for begun, is_open in zip(line["calls_begun"][realness], line["calls_open"][realness], strict=True)
    )


def test_no_test_at_all_is_no_reason_to_fail(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("")
    pytester.runpytest("--aifootprint", "--aifootprint-report", "json:out.json")
    line = timeline_of(json.loads((pytester.path / "out.json").read_text()))
    assert not any(map(any, line["calls_begun"].values()))
