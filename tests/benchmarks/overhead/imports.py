"""What Python itself says of the modules that a start imports: ``-X importtime``."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from statistics import median

from overhead.environments import OURS, TOOLS
from overhead.running import environment

_PACKAGE = "pytest_aifootprint"


@dataclass(frozen=True, slots=True)
class Imports:
    """Of one command: how many modules, how many of them ours, and microseconds; medians."""

    modules: int
    all_us: float
    ours: int
    ours_us: float


def imports(arguments: tuple[str, ...], *, installed: bool, rounds: int) -> Imports:
    """Run ``python -X importtime -m pytest …`` some times."""
    tool = next(tool for tool in TOOLS if tool.name == OURS)
    env = {**environment(), "PYTHONPATH": tool.path(installed=installed)}
    command = [tool.python, "-X", "importtime", "-m", "pytest", *arguments]
    found = []
    for _ in range(rounds):
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=env)
        rows = [line.removeprefix("import time:").split("|") for line in done.stderr.splitlines()
                if line.startswith("import time:") and "self" not in line]  # fmt: skip
        own = [(int(self_us), name.strip()) for self_us, _, name in rows]
        ours = [us for us, name in own if name.partition(".")[0] == _PACKAGE]
        found.append((len(own), sum(us for us, _ in own), len(ours), sum(ours)))
    columns = list(zip(*found, strict=True))
    return Imports(int(median(columns[0])), median(columns[1]), int(median(columns[2])), median(columns[3]))
