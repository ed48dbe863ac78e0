"""Runs of the real tools: each is put into a folder of its own, which only the run that is about it has on its path."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from pytest_aifootprint.records.schema import report_schema

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
FOLDERS = ROOT / ".venv-plugins" / f"{sys.version_info[0]}.{sys.version_info[1]}"
FAKE_SERVER = ROOT / "tests" / "unit" / "detection" / "fake_server.py"
PIP = (sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")

# What these tools would otherwise tell their makers, from any run.
QUIET = {
    "DEEPEVAL_TELEMETRY_OPT_OUT": "YES",
    "DEEPEVAL_DISABLE_DOTENV": "1",
    "DEEPEVAL_UPDATE_WARNING_OPT_IN": "NO",
    "ERROR_REPORTING": "NO",
    "POSTHOG_DISABLED": "1",
}


def folder_of(*packages: str) -> Path:
    """Where these packages are installed, with those of what they need that the environment does not have."""
    folder = FOLDERS / "+".join(packages)
    if not (folder / "finished").exists():
        plan = _pip("--dry-run", "--report", "-", *packages)
        lacking = [f"{i['metadata']['name']}=={i['metadata']['version']}" for i in json.loads(plan)["install"]]
        _pip("--no-deps", "--upgrade", "--target", str(folder), *lacking)
        (folder / "finished").touch()
    return folder


def _pip(*args: str) -> str:
    done = subprocess.run([*PIP, *args], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def environment_of(packages: tuple[str, ...], more: dict[str, str]) -> dict[str, str]:
    """A clean one: these packages first, then what we ourselves were started with."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_", "OTEL_"))}
    first = [str(folder_of(*packages))] if packages else []
    path = os.pathsep.join(filter(None, (*first, str(HERE / "inner"), os.environ.get("PYTHONPATH"))))
    return {**kept, **QUIET, "PYTHONPATH": path, "PYTEST_AIFOOTPRINT_RAISE": "1", **more}


@dataclass
class Ran:
    """An inner run: what it printed, and its tests' rows by name."""

    status: int
    output: str
    data: dict[str, Any] = field(repr=False)

    @property
    def rows(self) -> dict[str, dict[str, Any]]:
        rows = {row["nodeid"].rpartition("::")[2]: row for row in self.data["tests"]}
        assert len(rows) == len(self.data["tests"])
        return rows

    def calls(self, name: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.rows[name]["calls"]
        return found

    def only(self, name: str) -> dict[str, Any]:
        (call,) = self.calls(name)
        return call


@dataclass
class Inner:
    """Runs suites in a folder, with a server in another process at the end of every line."""

    folder: Path
    port: int

    def __call__(
        self,
        suite: str,
        *args: str,
        packages: tuple[str, ...] = (),
        environment: dict[str, str] | None = None,
        metered: bool = True,
    ) -> Ran:
        (self.folder / "pytest.ini").write_text("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
        (self.folder / "test_suite.py").write_text(suite)
        report = self.folder / "r.json"
        report.unlink(missing_ok=True)
        ours = ("--aifootprint", "--aifootprint-tests=all", f"--aifootprint-report=json:{report}") if metered else ()
        more = {"AI_PORT": str(self.port), **(environment or {})}
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-v", "-p", "lines", *ours, *args],
            cwd=self.folder,
            env=environment_of(packages, more),
            text=True,
            capture_output=True,
            timeout=300,
            check=False,
        )
        output = done.stdout + done.stderr
        assert done.returncode in {0, 1}, output
        if not metered:
            return Ran(done.returncode, output, {"tests": []})
        data: dict[str, Any] = json.loads(report.read_text())
        jsonschema.validate(data, report_schema())
        return Ran(done.returncode, output, data)


@pytest.fixture
def script(tmp_path: Path) -> Callable[..., str]:
    """Runs a program with these packages, and gives what it printed."""

    def run(code: str, *args: str, packages: tuple[str, ...] = ()) -> str:
        done = subprocess.run(
            [sys.executable, "-c", code, *args],
            cwd=tmp_path,
            env=environment_of(packages, {}),
            text=True,
            capture_output=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


class Servers:
    """Starts a server in a process of its own, one at a time."""

    def __init__(self) -> None:
        self._running: subprocess.Popen[str] | None = None

    def start(self, program: Path = FAKE_SERVER) -> int:
        """The port of the new one."""
        self.stop()
        process = self._running = subprocess.Popen([sys.executable, str(program)], stdin=-1, stdout=-1, text=True)
        assert process.stdout is not None
        return int(process.stdout.readline())

    def stop(self) -> str:
        """What the server printed since its port."""
        if self._running is None:
            return ""
        output, _ = self._running.communicate()
        self._running = None
        return output


@pytest.fixture
def fake_server() -> Path:
    """The program of a server that speaks the OpenAI protocol."""
    return FAKE_SERVER


@pytest.fixture
def servers() -> Iterator[Servers]:
    servers = Servers()
    yield servers
    servers.stop()


@pytest.fixture
def stop_serving(servers: Servers) -> Callable[[], str]:
    """Ends the server, so that what comes from then on cannot have come from it."""
    return servers.stop


@pytest.fixture
def inner(tmp_path: Path, servers: Servers) -> Inner:
    return Inner(tmp_path, servers.start())
