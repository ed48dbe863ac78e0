"""The fake libnvidia-ml.so.1, compiled; and what the tests of whole runs need to know of its cards."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from pytest_aifootprint.records.schema import report_schema

HERE = Path(__file__).parent
SOURCE = HERE.parent / "unit" / "meters" / "fake_nvml.c"
BARE_W, HELD_W, FULL_W = 80, 40, 600
"""Of a live card: at rest, what contexts add, and the work that is 100 percent of load (live_card.h)."""
STEP_J = 0.1 * (BARE_W + HELD_W + FULL_W)
"""Its counter moves ten times a second."""

_built: dict[int, Path] = {}


def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder for LD_LIBRARY_PATH; compiled once a process. Skips where there is no compiler."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None or not sys.platform.startswith("linux"):
        pytest.skip("needs a C compiler on Linux to build a fake libnvidia-ml.so.1")
    if os.getpid() not in _built:
        folder = tmp_path_factory.mktemp("nvml")
        subprocess.run([compiler, "-shared", "-fPIC", "-o", folder / "libnvidia-ml.so.1", SOURCE], check=True)
        _built[os.getpid()] = folder
    return _built[os.getpid()]


@dataclass(frozen=True, slots=True)
class Run:
    """An inner run on a machine with live cards."""

    result: pytest.RunResult
    report: dict[str, Any]
    csv: list[dict[str, str]]
    counted_mj: dict[int, list[int]]
    """Every answer of a card's counter."""

    @property
    def text(self) -> str:
        return "\n".join(self.result.outlines)

    def row(self, name: str) -> dict[str, Any]:
        (row,) = (row for row in self.report["tests"] if row["nodeid"].endswith(f"::{name}"))
        return dict(row)

    def gpu_j(self, name: str) -> float | None:
        """A test's joules of all cards; None: the report says that they are unknown."""
        value = self.row(name)["direct"]["energy_j"]["gpu"]
        return None if value is None else float(value["central"])

    def balance(self, card: int = 0) -> dict[str, Any]:
        """Of a card's domain, its six terms added up to what was metered."""
        found: dict[str, Any] = self.report["balance"][f"gpu{card}"]
        names = ("ai_tests", "shared_fixtures", "other_tests", "other_processes", "idle", "plugin")
        whole = sum(found[f"{name}_j"] for name in names)
        assert whole == pytest.approx(found["metered_j"], abs=5e-4)  # to the millijoule
        assert all(found[f"{name}_j"] >= 0 for name in names)
        return found

    def counter_j(self, card: int = 0) -> float:
        """From the first answer after the one that probes the counter to the last one."""
        mj = self.counted_mj[card]
        return (mj[-1] - mj[1]) / 1000

    def csv_row(self, name: str) -> dict[str, str]:
        (row,) = (row for row in self.csv if row["nodeid"].endswith(f"::{name}"))
        return row

    @property
    def codes(self) -> set[str]:
        return {notice["code"] for notice in self.report["notices"]}

    def notices(self, code: str) -> list[str]:
        return [notice["message"] for notice in self.report["notices"] if notice["code"] == code]


class Machine:
    """A machine with cards that work in real time; inner runs tell them by ``import card``."""

    def __init__(self, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self._pytester = pytester
        self._log = pytester.path / "counter.log"
        self._setenv = monkeypatch.setenv
        path = os.pathsep.join(filter(None, [str(HERE), os.environ.get("PYTHONPATH", "")]))
        for name, value in {
            "PYTHONPATH": path,
            "LD_LIBRARY_PATH": str(folder),
            "FAKE_NVML_EVENTS": str(pytester.path / "events"),
            "FAKE_NVML_LOG": str(self._log),
            "FAKE_NVML_COUNT": "1",
        }.items():
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    def set(self, **environ: str) -> None:
        """Variables of the inner run; of those of the driver see the C sources."""
        for name, value in environ.items():
            self._setenv(name, value)

    def tell(self, *lines: str) -> None:
        """Events that are there before the inner run."""
        with (self._pytester.path / "events").open("a") as f:
            f.writelines(f"{line}\n" for line in lines)

    def run(self, suite: str, *arguments: str, passed: int, fails: bool = False) -> Run:
        """Run it, every test with a row. All must pass, and the exit status say so but for limits and ``fails``."""
        pytester = self._pytester
        pytester.makepyfile(test_it=suite)
        result = pytester.runpytest_subprocess(
            "--aifootprint", "--aifootprint-tests=all", "--aifootprint-report=json:r.json",
            "--aifootprint-report=csv:r.csv", *arguments,
        )  # fmt: skip
        result.assert_outcomes(passed=passed)
        assert fails or result.ret == pytest.ExitCode.OK or any("budget" in argument for argument in arguments)
        counted: dict[int, list[int]] = {}
        for line in self._log.read_text().splitlines() if self._log.exists() else ():
            number, _, mj = line.split()
            counted.setdefault(int(number), []).append(int(mj))
        with (pytester.path / "r.csv").open(newline="") as f:
            rows = list(csv.DictReader(f))
        report = json.loads((pytester.path / "r.json").read_text())
        jsonschema.validate(report, report_schema())
        return Run(result, report, rows, counted)
