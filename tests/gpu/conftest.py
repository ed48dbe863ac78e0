"""`make gpu-check`: pytest runs with the plugin on a real NVIDIA card, and the table of what they showed."""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

SUITES = Path(__file__).parent / "suites"
STEP_S = 0.1
"""The card moves its counter ten times a second: a reading may be late by so much."""

_rows = pytest.StashKey[list[tuple[str, str, str]]]()


@dataclass(frozen=True, slots=True)
class Region:
    """What a test itself read off the card's counter around its synchronised work."""

    name: str
    t0_ns: int
    t1_ns: int
    e0_j: float
    e1_j: float

    @property
    def seconds(self) -> float:
        return (self.t1_ns - self.t0_ns) / 1e9

    @property
    def counter_j(self) -> float:
        return self.e1_j - self.e0_j


@dataclass(frozen=True, slots=True)
class Run:
    """One inner pytest run: its report, its tests' own readings, and the counter around the whole session."""

    report: dict[str, Any]
    regions: dict[str, Region]
    session: Region

    @property
    def balance(self) -> dict[str, float]:
        found: dict[str, float] = self.report["balance"]["gpu0"]
        return found

    @property
    def bare_w(self) -> float:
        """The idle power that the plugin found."""
        return self.balance["idle_j"] / float(self.report["run"]["duration_s"])

    def own_j(self, name: str) -> float:
        """GPU joules of a test without its share of fixtures; of all whose id ends so."""
        rows = [row for row in self.report["tests"] if row["nodeid"].rsplit("::", 1)[-1] in {name, f"test_{name}"}]
        (row,) = [row for row in self.report["tests"] if row["nodeid"].endswith(f"[{name}]")] or rows
        return float(row["direct"]["energy_j"]["gpu"]["central"])


@dataclass(slots=True)
class Card:
    """The card under test, read directly."""

    nvml: Any
    handle: Any
    name: str
    driver: str
    limit_w: float
    rows: list[tuple[str, str, str]] = field(default_factory=list)

    def energy_j(self) -> float:
        return float(self.nvml.nvmlDeviceGetTotalEnergyConsumption(self.handle)) / 1e3

    def show(self, what: str, wanted: str, measured: str) -> None:
        """A line of the table."""
        self.rows.append((what, wanted, measured))

    def run(self, suite: str, folder: Path, *arguments: str, inside: tuple[str, ...] = ()) -> Run:
        """Run a suite with the plugin, in a process of its own; ``inside`` goes before the command."""
        report, regions = folder / f"{suite}.json", folder / f"{suite}.regions"
        command = [
            *inside, sys.executable, "-m", "pytest", "-c", str(SUITES / "pytest.ini"), "--rootdir", str(SUITES),
            str(SUITES / f"{suite}.py"), "--aifootprint", "--aifootprint-tests", "all", "--aifootprint-grid", "wor",
            "--aifootprint-report", f"json:{report}", *arguments,
        ]  # fmt: skip
        environ = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_") or k == "PYTEST_PLUGINS"}
        environ |= {"GPU_CHECK_REGIONS": str(regions), "PYTEST_AIFOOTPRINT_RAISE": "1"}
        done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
        if keep := os.environ.get("GPU_CHECK_KEEP"):
            (Path(keep) / f"{suite}.log").write_text(done.stdout + done.stderr)
            (Path(keep) / f"{suite}.json").write_text(report.read_text() if report.exists() else "")
            (Path(keep) / f"{suite}.regions").write_text(regions.read_text() if regions.exists() else "")
        assert done.returncode == 0, done.stdout + done.stderr
        found = {r.name: r for r in (Region(**json.loads(line)) for line in regions.read_text().splitlines())}
        return Run(json.loads(report.read_text()), session=found.pop("session"), regions=found)


def _missing() -> str | None:
    if importlib.util.find_spec("torch") is None:
        return "needs torch"
    if importlib.util.find_spec("pynvml") is None:
        return "needs nvidia-ml-py"
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as e:
        return f"needs an NVIDIA card: {e}"
    return None


@pytest.fixture(scope="session")
def card(pytestconfig: pytest.Config) -> Iterator[Card]:
    why = _missing()
    if why is not None:
        pytest.skip(why)
    import pynvml

    handle = pynvml.nvmlDeviceGetHandleByIndex(0)
    card = Card(
        pynvml,
        handle,
        str(pynvml.nvmlDeviceGetName(handle)),
        str(pynvml.nvmlSystemGetDriverVersion()),
        pynvml.nvmlDeviceGetEnforcedPowerLimit(handle) / 1e3,
    )
    pytestconfig.stash[_rows] = card.rows
    card.show("date", "", time.strftime("%Y-%m-%d", time.gmtime()))
    card.show("card, driver", "", f"{card.name}, {card.driver}, limit {card.limit_w:.0f} W")
    card.show("system", "", f"Linux {platform.release()}, Python {platform.python_version()}")
    yield card
    pynvml.nvmlShutdown()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the table; as it is, it goes into docs/explanation/gpu-accuracy.md."""
    rows = config.stash.get(_rows, [])
    if not rows:
        return
    lines = ["| what | must be | measured |", "|---|---|---|", *(f"| {' | '.join(row)} |" for row in rows)]
    terminalreporter.section("gpu-check")
    terminalreporter.write_line("\n".join(lines))
