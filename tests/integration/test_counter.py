"""A run with a counter: a recorded meter with a scripted truth plays the CPU's energy from end to end."""

import json
from pathlib import Path
from typing import Any

import pytest

HOUR_NS = 3_600_000_000_000
WATTS = 100.0
BUSY_CPUS = 2.0

SUITE = """
    import time, pytest

    def burn(seconds):
        end = time.process_time() + seconds
        while time.process_time() < end:
            pass

    def call(aifootprint):
        aifootprint.record_call(model="llama-3.1-8b", locality="local", input_tokens=10, output_tokens=10)

    @pytest.fixture(scope="module")
    def shared():
        burn(0.3)

    def test_burns(aifootprint):
        burn(0.6)
        call(aifootprint)

    def test_sleeps(aifootprint):
        time.sleep(0.6)
        call(aifootprint)

    def test_uses(shared, aifootprint):
        call(aifootprint)

    def test_plain():
        burn(0.2)
"""


def play(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, script: dict[str, Any], *args: str
) -> dict[str, Any]:
    recording = Path(pytester.path / "recording.json")
    recording.write_text(json.dumps(script))
    monkeypatch.setenv("PYTEST_AIFOOTPRINT_RECORDED_METER", str(recording))
    report = pytester.path / "r.json"
    pytester.makepyfile(test_suite=SUITE)
    result = pytester.runpytest("--aifootprint", f"--aifootprint-report=json:{report}", "-v", *args)
    result.assert_outcomes(passed=4)
    data: dict[str, Any] = json.loads(report.read_text())
    return data


def steady() -> dict[str, Any]:
    return {"domains": {"cpu": [[0, 0.0], [HOUR_NS, WATTS * 3600]]}, "busy_s": [[0, 0], [HOUR_NS, BUSY_CPUS * 3600]]}


def joules(data: dict[str, Any]) -> dict[str, float]:
    return {t["nodeid"].partition("::")[2]: t["direct"]["energy_j"]["cpu"]["central"] for t in data["tests"]}


def test_each_test_gets_its_joules_of_the_counter(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, workers: tuple[str, ...]
) -> None:
    data = play(pytester, monkeypatch, steady(), *workers)
    cpu = data["balance"]["cpu"]
    assert cpu["basis"] == "measured"
    idle_w = cpu["idle_j"] / (cpu["metered_j"] / WATTS)
    active_w = (WATTS - idle_w) / BUSY_CPUS
    by_test = joules(data)
    cpu_s = {t["nodeid"].partition("::")[2]: t["direct"]["cpu_s"] for t in data["tests"]}
    assert cpu_s["test_burns"] == pytest.approx(0.6, rel=0.05)
    assert by_test["test_burns"] == pytest.approx(active_w * cpu_s["test_burns"], rel=0.03)
    assert by_test["test_sleeps"] < 0.05 * by_test["test_burns"]
    (shared,) = (f for f in data["fixtures"] if f["name"] == "shared")
    assert shared["energy_j"]["cpu"]["central"] == pytest.approx(active_w * shared["cpu_s"], rel=0.05)


def test_the_balance_of_a_counter_is_kept(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, workers: tuple[str, ...]
) -> None:
    cpu = play(pytester, monkeypatch, steady(), *workers)["balance"]["cpu"]
    parts = ("ai_tests_j", "shared_fixtures_j", "other_tests_j", "other_processes_j", "idle_j", "plugin_j")
    assert all(cpu[part] > 0 for part in parts)
    assert sum(cpu[part] for part in parts) == pytest.approx(cpu["metered_j"], rel=1e-9)


def test_a_counter_that_breaks_is_a_gap_and_not_a_zero(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = steady()
    # Gone after 50 ms: nearly the whole run has no reading.
    script["domains"]["cpu"] = [[0, 0.0], [50_000_000, 5.0], [60_000_000, {"reason": "unplugged", "remedy": "plug in"}]]
    data = play(pytester, monkeypatch, script)
    assert "counter-gap" in {n["code"] for n in data["notices"]}
    assert data["balance"]["cpu"]["basis"] == "modelled"
    by_test = joules(data)
    assert by_test["test_burns"] > 0.3
    assert by_test["test_sleeps"] < 0.1 * by_test["test_burns"]


def test_the_suffix_is_provisional_beside_a_counter(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    recording = pytester.path / "recording.json"
    recording.write_text(json.dumps(steady()))
    monkeypatch.setenv("PYTEST_AIFOOTPRINT_RECORDED_METER", str(recording))
    pytester.makepyfile(test_suite=SUITE)
    pytester.runpytest("--aifootprint", "-v").stdout.fnmatch_lines(["*test_burns PASSED (~*gCO2e)*"])


def test_a_broken_recording_is_one_line(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_AIFOOTPRINT_RECORDED_METER", str(pytester.path / "none.json"))
    result = pytester.runpytest("--aifootprint")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: recorded meter (environment PYTEST_AIFOOTPRINT_RECORDED_METER): *none.json*"])
