"""A run on a card that is split by MIG: the driver is a library of our own making, all else is real."""

from __future__ import annotations

import json

import pytest

import nvml_library

LINE_MS = 50
WATTS, STRANGER = 300, 4_999_999

SUITE = """
import os, time
import pytest

def hold(instance):
    with open(f"pids{instance}", "a") as f:
        f.write(f"{os.getpid()},")

@pytest.mark.parametrize("n", range(2))
def test_on_its_instance(n):
    hold(1)
    time.sleep(0.5)
"""


def test_a_split_card_is_shared_by_its_instances_and_nothing_is_billed_twice(
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
    workers: tuple[str, ...],
) -> None:
    held = pytester.path / "pids1"
    held.touch()
    # A stranger holds 14 multiprocessors all the time, this run 42 of them from its first test on; 42 are free.
    script = [
        f"0 energy={7_000_000 + i * WATTS * LINE_MS} power={WATTS * 1000} procs={STRANGER} draws= "
        f"procs0={STRANGER} procs1=@{held} procs2="
        for i in range(499)
    ]
    pytester.path.joinpath("script").write_text("\n".join(script))
    pytester.makepyfile(test_it=SUITE)
    monkeypatch.setenv("LD_LIBRARY_PATH", str(nvml_library.library(tmp_path_factory)))
    monkeypatch.setenv("FAKE_NVML_SCRIPT", str(pytester.path / "script"))
    monkeypatch.setenv("FAKE_NVML_LINE_MS", str(LINE_MS))
    monkeypatch.setenv("FAKE_NVML_COUNT", "1")
    monkeypatch.setenv("FAKE_NVML_MIG", "0")
    monkeypatch.setenv("FAKE_NVML_INSTANCES", "7:0:1:14,1:0:3:42,2:0:3:42")
    monkeypatch.setenv("FAKE_NVML_LIMIT", "700000")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "MIG-a1000000-fake")
    run = pytester.runpytest_subprocess(
        "--aifootprint", "--aifootprint-tests", "all", "--aifootprint-report", "json:r.json", *workers
    )
    run.assert_outcomes(passed=2)
    run.stdout.fnmatch_lines(["*gpu0: the card is split by MIG*"])
    report = json.loads(pytester.path.joinpath("r.json").read_text())
    (gpu,) = report["run"]["host"]["gpus"]
    assert gpu == "NVML energy counter of Fake H100 (GPU-a0000000-fake), limit 700 W, split by MIG"
    (meter,) = [m for m in report["run"]["meters"] if m["domain"] == "gpu0"]
    assert meter["basis"] == "modelled"
    assert "gpu-mig" in [notice["code"] for notice in report["notices"]]
    balance = report["balance"]["gpu0"]
    joules = [row["direct"]["energy_j"]["gpu"]["central"] for row in report["tests"]]
    terms = [balance[f"{name}_j"] for name in ("ai_tests", "shared_fixtures", "other_tests", "other_processes", "idle")]
    assert sum(terms) == pytest.approx(balance["metered_j"], abs=5e-4)
    assert sum(joules) == pytest.approx(balance["other_tests_j"], abs=5e-4)
    # A stranger held the card from the beginning: no rest was seen, and idle is in what is shared.
    assert balance["idle_j"] == 0
    assert set(balance["shared_by_j"]) == {"instance"}
    assert 0 < sum(joules) <= balance["metered_j"] * 42 / 56
    slept_s = [row["attempts"][0]["duration_s"] for row in report["tests"]]
    if len(report["run"]["workers"]) > 1:
        return  # at once they share the instance, and one may end before the other
    for joule, seconds in zip(joules, slept_s, strict=True):
        # 42 of 56 multiprocessors; the first may count as held only since the look before it said so, and the energy
        # comes in lines: one may fall into it at each end.
        lines_s = 2 * LINE_MS / 1000
        assert 0.6 * WATTS * seconds * 42 / 56 < joule < WATTS * (seconds + lines_s) * 42 / 56
