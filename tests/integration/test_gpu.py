"""A run on a machine with a card: the driver is a library of our own making, all else is real."""

from __future__ import annotations

import json

import pytest

import nvml_library

SUITE = """
import os, time

def work():
    with open("pids", "a") as f:
        f.write(f"{os.getpid()},")
    time.sleep(0.5)

def test_one():
    work()

def test_two():
    work()
"""


def test_a_card_is_shared_by_the_processes_that_hold_it(
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
    workers: tuple[str, ...],
) -> None:
    held = pytester.path / "pids"
    script = [f"0 energy={1000 + i * 30_000} power=300000 util=90 procs=@{held} draws=" for i in range(400)]
    pytester.path.joinpath("script").write_text("\n".join(script))
    pytester.makepyfile(test_it=SUITE)
    monkeypatch.setenv("LD_LIBRARY_PATH", str(nvml_library.library(tmp_path_factory)))
    monkeypatch.setenv("FAKE_NVML_SCRIPT", str(pytester.path / "script"))
    monkeypatch.setenv("FAKE_NVML_COUNT", "1")
    monkeypatch.setenv("FAKE_NVML_NAME", "NVIDIA H100 80GB HBM3")
    run = pytester.runpytest_subprocess(
        "--aifootprint", "--aifootprint-tests", "all", "--aifootprint-report", "json:r.json", *workers
    )
    run.assert_outcomes(passed=2)
    report = json.loads(pytester.path.joinpath("r.json").read_text())
    balance = report["balance"]["gpu0"]
    joules = [row["direct"]["energy_j"]["gpu"]["central"] for row in report["tests"]]
    assert min(joules) > 0
    terms = [balance[f"{name}_j"] for name in ("ai_tests", "shared_fixtures", "other_tests", "other_processes", "idle")]
    assert sum(terms) == pytest.approx(balance["metered_j"])
    assert sum(joules) == pytest.approx(balance["other_tests_j"])
    (card,) = [row for row in report["run"]["hardware"] if row["domain"] == "gpu0"]
    (cpu,) = [row for row in report["run"]["hardware"] if row["domain"] == "cpu"]
    assert (card["row"], card["name"]) == ("h100", "NVIDIA H100 80GB HBM3")
    # Two tests of 0.5 s on a card that works 90 % of the time; at once on two workers they share it.
    at_once = len(report["run"]["workers"]) > 1
    assert (0.25 if at_once else 0.8) < card["other_tests_s"] < 0.9 * card["capacity_s"]
    whose = [card[f"{name}_s"] for name in ("ai_tests", "shared_fixtures", "other_tests", "unattributed")]
    assert sum(whose) == pytest.approx(card["capacity_s"])
    grams = sum(row["direct"]["carbon_g"]["hardware"]["central"] for row in report["tests"])
    borne = sum(row["rate_g_per_s"]["central"] * row["other_tests_s"] for row in (card, cpu))
    assert grams == pytest.approx(borne, rel=1e-6)
