"""The tools under comparison: how each is installed, switched on, and what it says of every test."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import venv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

ROOT = Path(__file__).parents[2]
OURS = "pytest-aifootprint"

_J_PER_KWH = 3.6e6
_COMMON = ("pytest", "pytest-xdist", "pytest-rerunfailures")
# The same plugins for every tool: what else is installed must not run.
_PLUGINS = ("-p", "xdist", "-p", "rerunfailures")
_LAST_WORDS = 200


class ToolFailedError(Exception):
    """A tool that could not be installed, or whose run gave nothing to read."""


@dataclass(frozen=True, slots=True)
class Row:
    """What a tool says of one test: CPU joules and joules in all; CPU seconds where it tells them."""

    cpu_j: float
    energy_j: float
    cpu_s: float | None = None


Rows = dict[str, list[Row]]
"""Rows by the test's name. A list: a tool may have several for one test, or negative ones; a lost test has none."""


class Tool(Protocol):
    """One tool in one mode."""

    @property
    def name(self) -> str:
        """As the table has it."""

    def install(self, cache: Path) -> None:
        """Make its environment, unless it is there. Raises ToolFailedError."""

    def arguments(self, folder: Path) -> Sequence[str]:
        """Lay down what it needs beside the suite; its command line, interpreter first."""

    def rows(self, folder: Path) -> Rows:
        """What it said of the run in this folder. Raises ToolFailedError where there is nothing to read."""

    def versions(self) -> Sequence[str]:
        """Its packages with their versions."""


class Ours:
    """This plugin, in the environment that runs the benchmark."""

    name = OURS

    def install(self, cache: Path) -> None:
        """Nothing to do: it is the one under development."""

    def arguments(self, folder: Path) -> Sequence[str]:
        """Rows for all tests, not only for those that call a model."""
        report = f"json:{folder / 'ours.json'}"
        options = ("--aifootprint", "--aifootprint-tests", "all", "--aifootprint-report", report)
        return (sys.executable, "-m", "pytest", *_PLUGINS, "-p", "aifootprint", *options)

    def rows(self, folder: Path) -> Rows:
        """From the JSON report."""
        report = json.loads(_text(folder / "ours.json"))
        found: Rows = {}
        for test in report["tests"]:
            energy = test["energy_j"]
            row = Row(energy["cpu"]["central"], energy["total"]["central"], test["direct"]["cpu_s"])
            found.setdefault(_name(test["nodeid"]), []).append(row)
        return found

    def versions(self) -> Sequence[str]:
        """This plugin and what the suites run on."""
        return _versions(sys.executable, (OURS, *_COMMON))


class _Peer:
    """A tool in an environment of its own."""

    name = ""
    packages: tuple[str, ...] = ()
    environment = ""

    def __init__(self) -> None:
        self._python = ""

    def install(self, cache: Path) -> None:
        """A virtual environment with the newest packages of the index; one that was finished before is used again."""
        folder = cache / self.environment
        python = folder / "bin" / "python"
        finished = folder / "finished"
        self._python = str(python)
        if finished.exists():
            return
        venv.create(folder, with_pip=True, clear=True)
        command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        done = subprocess.run([*command, *_COMMON, *self.packages], capture_output=True, text=True, check=False)
        if done.returncode:
            raise ToolFailedError(f"not installed: {done.stderr.strip()[-_LAST_WORDS:]}")
        finished.touch()

    def versions(self) -> Sequence[str]:
        """The peer's own packages."""
        return _versions(self._python, self.packages)


_TASKS = '''
"""codecarbon's task API around every test, as its users write it. Written by tests/benchmarks/tools.py."""

import json
import os
from pathlib import Path

import pytest
from codecarbon import OfflineEmissionsTracker

HERE = Path(__file__).parent


class Tasks:
    def __init__(self):
        self.tracker = OfflineEmissionsTracker(
            country_iso_code="FRA", tracking_mode="MODE", save_to_file=False, log_level="critical"
        )

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item):
        self.tracker.start_task(item.nodeid)
        try:
            return (yield)
        finally:
            data = self.tracker.stop_task(item.nodeid)
            row = {"test": item.name, "cpu_kwh": data.cpu_energy, "kwh": data.energy_consumed}
            with (HERE / f"tasks-{os.getpid()}.jsonl").open("a") as file:
                file.write(json.dumps(row) + "\\n")


def pytest_sessionstart(session):
    controller = not hasattr(session.config, "workerinput") and session.config.option.dist != "no"
    if not controller:
        session.config.pluginmanager.register(Tasks())
'''


class CodecarbonTasks(_Peer):
    """codecarbon's task API, with one tracker for each process."""

    packages = ("codecarbon",)
    environment = "codecarbon"

    def __init__(self, mode: str) -> None:
        """``mode`` of the tracker: machine or process."""
        super().__init__()
        self.mode = mode
        self.name = f"codecarbon task API, {mode}"

    def arguments(self, folder: Path) -> Sequence[str]:
        """A conftest does the work."""
        (folder / "conftest.py").write_text(_TASKS.replace("MODE", self.mode))
        return (self._python, "-m", "pytest", *_PLUGINS)

    def rows(self, folder: Path) -> Rows:
        """From what each process wrote down."""
        found: Rows = {}
        for path in sorted(folder.glob("tasks-*.jsonl")):
            for line in path.read_text().splitlines():
                told = json.loads(line)
                row = Row(told["cpu_kwh"] * _J_PER_KWH, told["kwh"] * _J_PER_KWH)
                found.setdefault(told["test"], []).append(row)
        if not found:
            raise ToolFailedError("no task was measured")
        return found


class PytestCodecarbon(_Peer):
    """The pytest plugin that wraps codecarbon."""

    name = "pytest-codecarbon"
    packages = ("pytest-codecarbon", "codecarbon")
    environment = "pytest-codecarbon"

    def arguments(self, folder: Path) -> Sequence[str]:
        """Its switch and its folder."""
        return (self._python, "-m", "pytest", *_PLUGINS, "-p", "codecarbon", "--carbon", f"--carbon-dir={folder}")

    def rows(self, folder: Path) -> Rows:
        """From its emissions.csv, as it stands there."""
        found: Rows = {}
        for told in csv.DictReader(_text(folder / "emissions.csv").splitlines()):
            if told["project_name"] == "###":
                continue  # of a tracker that no test was run with
            row = Row(float(told["cpu_energy"]) * _J_PER_KWH, float(told["energy_consumed"]) * _J_PER_KWH)
            found.setdefault(told["project_name"], []).append(row)
        if not found:
            raise ToolFailedError("its emissions.csv has no test")
        return found


def all_tools() -> tuple[Tool, ...]:
    """Ours first."""
    return Ours(), CodecarbonTasks("machine"), CodecarbonTasks("process"), PytestCodecarbon()


def environment() -> dict[str, str]:
    """For every run: no other plugin, nobody's settings, and no way out, so that no tool asks where this machine is."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "CODECARBON_"))}
    nowhere = "http://127.0.0.1:9"
    return {
        **kept,
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "HTTP_PROXY": nowhere,
        "HTTPS_PROXY": nowhere,
        "http_proxy": nowhere,
        "https_proxy": nowhere,
    }


def _name(nodeid: str) -> str:
    return nodeid.partition("::")[2]


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError as error:
        raise ToolFailedError(f"no {path.name}: {error.strerror}") from None


def _versions(python: str, packages: Sequence[str]) -> list[str]:
    code = "import sys; from importlib.metadata import version\nfor p in sys.argv[1:]: print(p, version(p))"
    done = subprocess.run([python, "-c", code, *packages], capture_output=True, text=True, check=True)
    return done.stdout.split("\n")[:-1]
