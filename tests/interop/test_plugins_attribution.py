"""Plugins and libraries that the everyday suite does without, each alone in a folder of its own on the path.

Installed beside the development environment, pytest would load them into every run there (pytest-randomly would shuffle
all of them). So each is put into ``.venv-plugins/NAME`` when first needed, and only the run that is about it sees it.
"""

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from known_truth import imbalance, lay_out, lines_of
from pytest_aifootprint.records.schema import report_schema

ROOT = Path(__file__).parents[2]
FOLDERS = ROOT / ".venv-plugins" / f"{sys.version_info[0]}.{sys.version_info[1]}"


def folder_of(package: str) -> Path:
    """Where this package alone is installed; what it needs beside pytest is in the environment anyway."""
    folder = FOLDERS / package
    if not (folder / "finished").exists():
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--upgrade", "--target", str(folder)]
        subprocess.run([*command, package], check=True, capture_output=True, text=True)
        (folder / "finished").touch()
    return folder


def run(tmp_path: Path, package: str, suite: str, *args: str) -> tuple[str, dict[str, dict[str, Any]]]:
    """A run with this package and the plugins of the development environment: output, and rows by name."""
    lay_out(tmp_path, conftest=True)
    (tmp_path / "pytest.ini").write_text("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    (tmp_path / "test_suite.py").write_text(suite)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_"))}
    path = os.pathsep.join(filter(None, (str(folder_of(package)), os.environ.get("PYTHONPATH"))))
    report = tmp_path / "r.json"
    options = ("--aifootprint", "--aifootprint-tests=all", f"--aifootprint-report=json:{report}")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-v", *options, *args],
        cwd=tmp_path,
        env={**environment, "PYTHONPATH": path, "PYTEST_AIFOOTPRINT_RAISE": "1"},
        text=True,
        capture_output=True,
        timeout=300,
        check=False,
    )
    data: dict[str, Any] = json.loads(report.read_text())
    jsonschema.validate(data, report_schema())
    assert imbalance(data) <= 1e-9
    rows = {t["nodeid"].rpartition("::")[2]: t for t in data["tests"]}
    assert len(rows) == len(data["tests"])
    return done.stdout + done.stderr, rows


def close(seconds: float) -> Any:
    return pytest.approx(seconds, rel=0.02, abs=0.005)


def calls(row: dict[str, Any]) -> list[float]:
    return [attempt["phases"]["call"]["cpu_s"] for attempt in row["attempts"]]


def told(folder: Path, name: str) -> list[float]:
    return [line["cpu_s"] for line in lines_of(folder) if line["test"].endswith(f"::{name}")]


workers = pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["alone", "n2"])


@workers
def test_repeat_makes_tests_of_their_own(tmp_path: Path, workers: tuple[str, ...]) -> None:
    suite = "import known\ndef test_it():\n    known.burn(0.05)\n"
    output, rows = run(tmp_path, "pytest-repeat", suite, "--count=4", *workers)
    assert "4 passed" in output
    assert sorted(rows) == [f"test_it[{n}-4]" for n in range(1, 5)]
    for name, row in rows.items():
        assert row["direct"]["cpu_s"] == close(math.fsum(told(tmp_path, name)))


FLAKY = """
import known
from flaky import flaky

RUNS = []

@flaky(max_runs=3)
def test_third_time():
    known.burn(0.05)
    RUNS.append(1)
    assert len(RUNS) == 3

@flaky(max_runs=3, min_passes=2)
def test_twice():
    known.burn(0.05)

def test_plain():
    known.burn(0.05)
"""


@workers
def test_flaky_makes_attempts(tmp_path: Path, workers: tuple[str, ...]) -> None:
    output, rows = run(tmp_path, "flaky", FLAKY, *workers)
    assert "3 passed" in output
    assert {name: len(row["attempts"]) for name, row in rows.items()} == {
        "test_third_time": 3,
        "test_twice": 2,
        "test_plain": 1,
    }
    for name, row in rows.items():
        assert row["outcome"] == "passed"
        assert calls(row) == [close(s) for s in told(tmp_path, name)]
        # Each attempt that failed pays for the rendering of its traceback, too: 10 to 20 ms outside of its call.
        assert -0.01 <= row["direct"]["cpu_s"] - math.fsum(calls(row)) <= 0.03 * len(row["attempts"])


def test_an_attempt_that_flaky_repeats_has_not_passed(tmp_path: Path) -> None:
    _, rows = run(tmp_path, "flaky", FLAKY)
    assert [a["outcome"] == "passed" for a in rows["test_third_time"]["attempts"]] == [False, False, True]


SHUFFLED = """
import known, pytest

@pytest.fixture(scope="module")
def model():
    known.burn(0.2)
    yield
    known.burn(0.1)

@pytest.mark.parametrize("n", range(3))
def test_uses(n, model):
    known.burn(0.5)

@pytest.mark.parametrize("n", range(3))
def test_burns(n):
    known.burn(0.5 + 0.1 * n)

def test_child():
    known.burn_in_child(0.5)
"""


@workers
def test_shuffled_order_changes_a_test_by_5_percent_at_most(tmp_path: Path, workers: tuple[str, ...]) -> None:
    joules = []
    orders = []
    for seed in (1, 2):
        folder = tmp_path / str(seed)
        folder.mkdir()
        output, rows = run(folder, "pytest-randomly", SHUFFLED, f"--randomly-seed={seed}", *workers)
        assert f"--randomly-seed={seed}" in output
        orders.append([line["test"] for line in lines_of(folder)])
        joules.append({name: row["energy_j"]["cpu"]["central"] for name, row in rows.items()})
    assert orders[0] != orders[1]
    one, other = joules
    assert one == {name: pytest.approx(j, rel=0.05) for name, j in other.items()}


FROZEN = """
import time, known, pytest
PREPARE

@PATCH
def test_frozen():
    assert time.time() == time.time() == 0
    known.burn(0.05)

@PATCH
def test_frozen_child():
    known.burn_in_child(0.1)

def test_moved():
    START.start()
    known.burn(0.05)
    START.stop()

@pytest.fixture
def elsewhere():
    START.start()
    yield
    START.stop()

def test_from_setup_to_teardown(elsewhere):
    known.burn(0.05)

def test_after():
    known.burn(0.05)
"""


@workers
@pytest.mark.parametrize(
    ("package", "prepare", "patch"),
    [
        (
            "freezegun",
            "import freezegun\nSTART = freezegun.freeze_time('2040-01-01')",
            "freezegun.freeze_time('1970-01-01')",
        ),
        (
            "time-machine",
            "import time_machine\nSTART = time_machine.travel(2e9, tick=False)",
            "time_machine.travel(0, tick=False)",
        ),
    ],
    ids=["freezegun", "time-machine"],
)
def test_a_patched_clock_changes_no_number(
    tmp_path: Path, workers: tuple[str, ...], package: str, prepare: str, patch: str
) -> None:
    suite = FROZEN.replace("PREPARE", prepare).replace("PATCH", patch)
    output, rows = run(tmp_path, package, suite, *workers)
    assert "5 passed" in output
    for name, row in rows.items():
        assert calls(row) == [close(s) for s in told(tmp_path, name)]
        # Freezing itself looks through all modules, in the test's own set-up.
        assert row["direct"]["cpu_s"] == pytest.approx(math.fsum(calls(row)), abs=0.03)
        # A window's wall time is real, too: it cannot be shorter than what one thread worked in it.
        assert 0.05 <= row["attempts"][0]["duration_s"] < 60
