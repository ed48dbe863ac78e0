"""A run on a machine with AMD cards: the driver's library is one of our own making, all else is real."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

BUILDER = Path(__file__).parents[1] / "unit" / "meters" / "build_fake_amdsmi.py"

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

# The card falls off the bus when the second test begins.
LOSING = SUITE.replace("def test_two():", 'def test_two():\n    open("lost", "w").close()\n    time.sleep(0.3)')

# The driver is looked for by its files before its library is loaded; /proc stands in for them.
DRIVER = """
import pytest_aifootprint.meters.selection as selection
selection._AMD_DRIVER = ("proc",)
"""
COUNTS_PER_J = 65536


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("amd")
    built = subprocess.run([sys.executable, BUILDER, folder], stderr=subprocess.PIPE, text=True, check=False)
    if built.returncode == 77:
        pytest.skip(built.stderr)
    assert (built.returncode, built.stderr) == (0, "")
    return folder


def play(
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    library: Path,
    script: list[str],
    *args: str,
    suite: str = SUITE,
) -> dict[str, Any]:
    pytester.path.joinpath("script").write_text("\n".join(script))
    pytester.makepyfile(driver=DRIVER, test_it=suite)
    monkeypatch.setenv("LD_LIBRARY_PATH", str(library))
    monkeypatch.setenv("FAKE_AMD_SCRIPT", str(pytester.path / "script"))
    monkeypatch.syspath_prepend(pytester.path)
    what = ("--aifootprint", "--aifootprint-tests", "all", "--aifootprint-report", "json:r.json")
    pytester.runpytest_subprocess("-p", "driver", *what, *args).assert_outcomes(passed=2)
    report: dict[str, Any] = json.loads(pytester.path.joinpath("r.json").read_text())
    return report


def balanced(report: dict[str, Any], domain: str) -> list[float]:
    """Joules of each test; the terms add up to what was metered."""
    balance = report["balance"][domain]
    names = ("ai_tests", "shared_fixtures", "other_tests", "other_processes", "idle")
    assert sum(balance[f"{name}_j"] for name in names) == pytest.approx(balance["metered_j"])
    found = [row["direct"]["energy_j"]["gpu"] for row in report["tests"]]
    joules = [range_j["central"] for range_j in found if range_j is not None]
    assert sum(joules) == pytest.approx(balance["other_tests_j"])
    return joules


def test_a_card_of_two_dies_is_shared_by_the_processes_that_hold_it(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, library: Path, workers: tuple[str, ...]
) -> None:
    held = pytester.path / "pids"
    script: list[str] = []
    for i in range(400):
        counts = (100 + 30 * i) * COUNTS_PER_J  # 30 J a tick: 300 W
        script += [
            f"0 name=AMD_Instinct_MI250X hip=0 energy={counts} util=0 procs=",
            f"1 name=AMD_Instinct_MI250X hip=1 energy=0 util=90 procs=@{held}",
        ]
    report = play(pytester, monkeypatch, library, script, *workers)
    joules = balanced(report, "gpu0")
    assert "gpu1" not in report["balance"]
    assert min(joules) > 0
    metered_j = report["balance"]["gpu0"]["metered_j"]
    assert metered_j / 30 == pytest.approx(round(metered_j / 30))
    (meter,) = [m for m in report["run"]["meters"] if m["domain"] == "gpu0"]
    assert (meter["name"], meter["basis"]) == ("amdsmi", "measured")
    (card,) = [row for row in report["run"]["hardware"] if row["domain"] == "gpu0"]
    assert card["name"] == "AMD Instinct MI250X"
    assert card["other_tests_s"] > 0


def test_a_card_that_is_lost_in_mid_run_is_a_gap_and_the_run_goes_on(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, library: Path
) -> None:
    held = pytester.path / "pids"
    monkeypatch.setenv("FAKE_AMD_LOST", str(pytester.path / "lost"))
    script = [f"0 name=Card energy={(100 + 30 * i) * COUNTS_PER_J} util=90 procs=@{held}" for i in range(400)]
    report = play(pytester, monkeypatch, library, script, suite=LOSING)
    assert balanced(report, "gpu0")[0] > 0
    # What the second test took, after the card was gone, nobody knows.
    assert report["tests"][1]["direct"]["energy_j"]["gpu"] is None
    (notice,) = [n for n in report["notices"] if n["code"] == "counter-gap"]
    assert "the card is gone (amdsmi status 31)" in notice["message"]
    assert "not metered" in notice["message"]


def test_a_machine_whose_card_cannot_be_asked_says_why(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, library: Path
) -> None:
    monkeypatch.setenv("FAKE_AMD_INIT", "10")
    report = play(pytester, monkeypatch, library, [])
    (rejected,) = [m for m in report["run"]["rejected_meters"] if m["name"] == "amdsmi"]
    assert "no permission" in rejected["reason"]
    assert "render,video" in rejected["remedy"]
    assert not [domain for domain in report["balance"] if domain.startswith("gpu")]
