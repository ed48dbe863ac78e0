"""An environment for each tool, with pinned versions; the tool itself lies in a folder beside it, to be left out.

Whatever else a tool brings is in the environment of its bare runs, too: only the tool differs.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[3]
INSIDE = Path(__file__).parent / "inside"
OURS = "pytest-aifootprint"

_PYTEST = "pytest==9.2.0"
# What the suites call.
_CALLED = ("httpx==0.28.1", "scikit-learn==1.9.1")
_CODECARBON = "codecarbon==3.3.2"
_LAST_WORDS = 300


class NotInstalledError(Exception):
    """An environment that could not be made."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool: what is installed, and how it is switched on.

    Attributes:
        name: as the tables have it. folder: of its environment, behind ``.venv-bench-``.
        plugin: package that is left out of bare runs; "" for a library, which a module of ours (``module``, in the
            folder ``inside``) uses in the way its users do. arguments: that switch it on; ``{folder}`` is an empty one.
        off: arguments with which it is installed and does nothing; None if that cannot be.
        packages: everything else. version_of: package whose version is told.
    """

    name: str
    folder: str
    version_of: str
    plugin: str = ""
    module: str = ""
    arguments: tuple[str, ...] = ()
    off: tuple[str, ...] | None = None
    packages: tuple[str, ...] = ()
    pytest: str = _PYTEST
    note: str = ""

    @property
    def home(self) -> Path:
        """The environment."""
        return ROOT / f".venv-bench-{self.folder}"

    @property
    def python(self) -> str:
        """Its interpreter."""
        return str(self.home / "bin" / "python")

    @property
    def beside(self) -> Path:
        """The folder of the plugin itself."""
        return self.home / "plugin"

    def command(self, *, on: bool, folder: Path) -> list[str]:
        """What switches it on, or leaves it off."""
        if not on:
            return list(self.off or ())
        module = ["-p", self.module] if self.module else []
        return [*module, *(argument.format(folder=folder) for argument in self.arguments)]

    def path(self, *, installed: bool) -> str:
        """PYTHONPATH of a run with or without it: the same number of folders."""
        plugin = self.beside if installed and self.plugin else self.home / "nothing"
        return os.pathsep.join([str(plugin), str(INSIDE)])


TOOLS: tuple[Tool, ...] = (
    Tool(OURS, "ours", OURS, plugin=str(ROOT), arguments=("--aifootprint",), off=()),
    Tool("pytest-timeout", "timeout", "pytest-timeout", plugin="pytest-timeout==2.4.0", arguments=("--timeout=300",),
         off=(), note="no meter: the light neighbour"),
    Tool("codecarbon, task API", "codecarbon", "codecarbon", module="codecarbon_tasks", packages=(_CODECARBON,),
         note="one tracker, a task for each test"),
    Tool("codecarbon, a tracker a test", "codecarbon", "codecarbon", module="codecarbon_trackers",
         packages=(_CODECARBON,), note="as its first example has it"),
    Tool("pytest-codecarbon", "pytest-codecarbon", "pytest-codecarbon", plugin="pytest-codecarbon==1.0.0",
         arguments=("--carbon", "--carbon-dir={folder}"), off=(), packages=(_CODECARBON,)),
    Tool("pytest-energy-reporter", "energy-reporter", "pytest-energy-reporter", module="energy_marks",
         plugin="pytest-energy-reporter==0.5.2", off=(), packages=("matplotlib==3.11.2",),
         pytest="pytest==8.4.2", note="every test marked; it wants pytest below 9; matplotlib, which it imports and "
         "does not declare, is there"),
    Tool("zeus", "zeus", "zeus", module="zeus_windows", packages=("zeus==0.16.0",),
         note="a window for each test; neither a GPU nor RAPL is here to be read"),
    Tool("pytest-monitor", "monitor", "pytest-monitor", plugin="pytest-monitor==1.6.6",
         arguments=("--db={folder}/monitor.db",), off=("--no-monitor",), pytest="pytest==8.4.2",
         note="with pytest 8.4: with 9.2 it ends every module in an error"),
    Tool("pytest-memray", "memray", "pytest-memray", plugin="pytest-memray==1.11.0", arguments=("--memray",), off=(),
         note="memory, not energy"),
    Tool("OpenTelemetry, httpx", "otel", "opentelemetry-instrumentation-httpx", module="otel_httpx",
         packages=("opentelemetry-instrumentation-httpx==0.66b2", "opentelemetry-sdk==1.45.2"),
         note="a real tracer, no exporter"),
)  # fmt: skip
"""Every tool, ours first; the one table of versions."""


def install(tool: Tool) -> None:
    """Make the environment, unless it is there; ours is built anew each time.

    Raises:
        NotInstalledError: with the last words of pip.
    """
    home = tool.home
    wanted = (tool.plugin, tool.pytest, *_CALLED, *tool.packages, sys.version)
    if tool.name == OURS:
        wanted += ((ROOT / "pyproject.toml").read_text(),)
    stamp = home / f"finished-{hashlib.sha256(repr(wanted).encode()).hexdigest()[:16]}"
    if stamp.exists():
        if tool.name == OURS:
            _into_folder(tool)
        return
    venv.create(home, with_pip=True, clear=True)
    plugin = (tool.plugin,) if tool.plugin else ()
    _pip(tool, "install", tool.pytest, *_CALLED, *tool.packages, *plugin)
    if tool.plugin:
        _pip(tool, "uninstall", "--yes", tool.version_of)
        _into_folder(tool)
    (home / "nothing").mkdir(exist_ok=True)
    stamp.touch()


def versions(tools: Sequence[Tool]) -> dict[str, str]:
    """Tool to its version and its pytest's, of those that are installed."""
    code = "import sys; from importlib.metadata import version\nprint(*map(version, sys.argv[1:]))"
    found = {}
    for tool in tools:
        env = {**os.environ, "PYTHONPATH": tool.path(installed=True)}
        command = [tool.python, "-c", code, tool.version_of, "pytest"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
        if done.returncode == 0:
            own, pytest = done.stdout.split()
            found[tool.name] = f"{tool.version_of} {own}, pytest {pytest}"
    return found


def _into_folder(tool: Tool) -> None:
    shutil.rmtree(tool.beside, ignore_errors=True)
    _pip(tool, "install", "--no-deps", "--target", str(tool.beside), tool.plugin)


def _pip(tool: Tool, *arguments: str) -> None:
    command = [tool.python, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or ["pip failed"]
        raise NotInstalledError(f"not installed: {lines[0][:_LAST_WORDS]}")
