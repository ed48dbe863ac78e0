"""The manufacture of the machine and its cards, in real runs on a recorded meter."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from pytest_aifootprint.records.schema import report_schema

HOUR_NS = 3_600_000_000_000
YEAR_S = 31_536_000
SUITE = """
import time

def burn(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass

def ask(aifootprint):
    aifootprint.record_call(model="llama-3.1-8b", locality="local", input_tokens=10, output_tokens=10)

def test_waits_for_the_card(aifootprint):
    ask(aifootprint)
    time.sleep(0.5)

def test_burns(aifootprint):
    ask(aifootprint)
    burn(0.3)
"""
STEADY = {
    "domains": {"cpu": [[0, 0.0], [HOUR_NS, 360_000.0]], "gpu0": [[0, 0.0], [HOUR_NS, 1_800_000.0]]},
    "busy_s": [[0, 0], [HOUR_NS, 7200]],
    "cards": {"gpu0": "NVIDIA L4"},
}


def run(pytester: pytest.Pytester, *declared: str, card: str | None = "NVIDIA L4", ini: str = "") -> dict[str, Any]:
    script = {**STEADY, "cards": {"gpu0": card} if card else {}}
    pytester.path.joinpath("recording.json").write_text(json.dumps(script))
    pytester.makepyfile(SUITE)
    pytester.makeini(f"[pytest]\n{ini}")
    pytester.makepyprojecttoml("\n".join(["[tool.aifootprint.hardware]", 'machine = "laptop"', *declared]))
    result = pytester.runpytest("--aifootprint", "--aifootprint-report=json:r.json", "-p", "no:asyncio")
    result.assert_outcomes(passed=2)
    report: dict[str, Any] = json.loads(pytester.path.joinpath("r.json").read_text())
    Draft202012Validator(report_schema()).validate(report)
    return report


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    monkeypatch.setenv("PYTEST_AIFOOTPRINT_RECORDED_METER", str(pytester.path / "recording.json"))
    return pytester


def hardware(report: dict[str, Any], domain: str) -> dict[str, Any]:
    (row,) = [row for row in report["run"]["hardware"] if row["domain"] == domain]
    found: dict[str, Any] = row
    return found


def grams(report: dict[str, Any], test: str) -> float:
    (row,) = [row for row in report["tests"] if row["nodeid"].endswith(test)]
    return float(row["carbon_g"]["hardware"]["central"])


def test_the_hardware_share_is_of_the_processor_and_of_the_card(suite: pytest.Pytester) -> None:
    report = run(suite)
    cpu, gpu = hardware(report, "cpu"), hardware(report, "gpu0")

    assert (cpu["row"], gpu["row"], gpu["name"]) == ("laptop", "l4", "NVIDIA L4")
    assert cpu["rate_g_per_s"]["central"] == pytest.approx(181e3 / cpu["n_cpu"] / (4 * YEAR_S * 0.2))
    assert gpu["rate_g_per_s"]["central"] == pytest.approx(123.5e3 / (4 * YEAR_S * 0.7))
    assert gpu["ai_tests_s"] > 0.7
    borne = sum(row["rate_g_per_s"]["central"] * row["ai_tests_s"] for row in (cpu, gpu))
    assert report["totals"]["carbon_g"]["hardware"]["central"] == pytest.approx(borne, rel=1e-6)
    left = sum(row["rate_g_per_s"]["central"] * row["unattributed_s"] for row in (cpu, gpu))
    assert report["totals"]["hardware_unattributed_g"]["central"] == pytest.approx(left, rel=1e-9)
    for row in (cpu, gpu):
        seconds = [row[f"{name}_s"] for name in ("ai_tests", "shared_fixtures", "other_tests", "unattributed")]
        assert min(seconds) >= 0
        assert sum(seconds) == pytest.approx(row["capacity_s"], rel=1e-9)
    assert gpu["capacity_s"] == pytest.approx(report["run"]["duration_s"], rel=0.2)
    # The test that waited for the card used it for longer; by CPU seconds alone it would bear next to nothing.
    assert grams(report, "test_waits_for_the_card") > 0.45 * gpu["rate_g_per_s"]["central"]
    assert not [n for n in report["notices"] if n["code"] == "unknown-gpu-hardware"]


@pytest.mark.parametrize(("card", "says"), [("NVIDIA H200", "a NVIDIA H200 took"), (None, "which card it is")])
def test_a_card_that_nobody_published_gets_a_class_range_and_a_notice(
    suite: pytest.Pytester, card: str | None, says: str
) -> None:
    report = run(suite, card=card)

    assert hardware(report, "gpu0")["row"] == "gpu"
    assert hardware(report, "gpu0")["ai_tests_s"] > 0
    (notice,) = [n for n in report["notices"] if n["code"] == "unknown-gpu-hardware"]
    assert says in notice["message"]


def test_what_is_declared_is_what_prices_and_narrows(suite: pytest.Pytester) -> None:
    machine = ("embodied_kgco2e = 320", "lifetime_years = 6", "utilisation = 0.25")
    card = ("gpu_embodied_kgco2e = 200", "gpu_lifetime_years = [4, 5, 6]", "gpu_utilisation = 0.5")
    report = run(suite, *machine, *card, card="NVIDIA H200")
    cpu, gpu = hardware(report, "cpu"), hardware(report, "gpu0")

    assert cpu["rate_g_per_s"]["central"] == pytest.approx(320e3 / cpu["n_cpu"] / (6 * YEAR_S * 0.25))
    assert cpu["rate_g_per_s"]["low"] == cpu["rate_g_per_s"]["high"]
    assert gpu["rate_g_per_s"]["central"] == pytest.approx(200e3 / (5 * YEAR_S * 0.5))
    assert gpu["rate_g_per_s"]["high"] == pytest.approx(200e3 / (4 * YEAR_S * 0.5))
    assert cpu["source"] == "declared: embodied, lifetime, utilisation"
    assert not [n for n in report["notices"] if n["code"] == "unknown-gpu-hardware"]
    factors = {f["name"] for f in report["totals"]["factors"]["carbon_g"]}
    assert "hw:laptop" not in factors


def test_on_a_dedicated_machine_tests_bear_the_cards_time_too(suite: pytest.Pytester) -> None:
    report = run(suite, ini="aifootprint_idle = share")
    cpu, gpu = hardware(report, "cpu"), hardware(report, "gpu0")

    assert gpu["ai_tests_s"] == pytest.approx(cpu["ai_tests_s"] * gpu["capacity_s"] / cpu["capacity_s"])
    assert gpu["unattributed_s"] < 0.5 * gpu["capacity_s"]
    borne = sum(row["rate_g_per_s"]["central"] * row["ai_tests_s"] for row in (cpu, gpu))
    assert report["totals"]["carbon_g"]["hardware"]["central"] == pytest.approx(borne, rel=1e-6)


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ("lifetime_years = 0", "lifetime_years = 0 is not valid; lifetime_years is years"),
        ("lifetime_years = -4", "lifetime_years = -4 is not valid; lifetime_years is years"),
        ("utilisation = 1.5", "utilisation = 1.5 is not valid; utilisation is share of its life"),
        (
            "gpu_embodied_kgco2e = [3, 2, 1]",
            "gpu_embodied_kgco2e = [[]3, 2, 1] is not valid; gpu_embodied_kgco2e is kg",
        ),
    ],
)
def test_a_machine_that_cannot_be_is_one_line(pytester: pytest.Pytester, bad: str, says: str) -> None:
    pytester.makepyprojecttoml(f"[tool.aifootprint.hardware]\n{bad}\n")
    result = pytester.runpytest("--aifootprint")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: *tool.aifootprint.hardware*pyproject.toml*{says}*"])
