"""The hot paths by themselves: time by pyperf, instructions by valgrind."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from overhead.running import environment

HOT = Path(__file__).parent / "hot.py"
FEW_TIMES, MANY_TIMES = 100, 500
_COLLECTED = re.compile(r"Collected : (\d+)")


@dataclass(frozen=True, slots=True)
class Micro:
    """One case: seconds as a median of pyperf's values, half their range, and instructions; None where not counted."""

    s: float
    spread_s: float
    instructions: float | None


def measure(folder: Path, *, quick: bool, say: Any) -> dict[str, Micro]:
    """All cases of ``hot.py``; none if it does not run: the rest of a long benchmark is not lost for it."""
    say("micro-benchmarks: pyperf")
    try:
        timed = _timed(folder, quick=quick)
    except subprocess.CalledProcessError as error:
        say(f"no micro-benchmarks: {error}")
        return {}
    say("micro-benchmarks: valgrind --tool=callgrind")
    counted = _counted(list(timed), quick=quick)
    return {name: Micro(*timed[name], counted.get(name)) for name in timed}


def _timed(folder: Path, *, quick: bool) -> dict[str, tuple[float, float]]:
    out = folder / "pyperf.json"
    size = ["-p", "2", "-n", "2", "-w", "1"] if quick else ["-p", "7", "-n", "3", "-w", "1"]
    command = [sys.executable, str(HOT), *size, "--quiet", "-o", str(out)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment())
    found = {}
    for benchmark in json.loads(out.read_text())["benchmarks"]:
        values = [value for run in benchmark["runs"] for value in run.get("values", ())]
        # pyperf leaves the name out where there is one benchmark only.
        name = benchmark["metadata"]["name"]
        found[name] = median(values), (max(values) - min(values)) / 2
    return found


def _counted(names: list[str], *, quick: bool) -> dict[str, float]:
    """Instructions of one time: the difference of two runs, so that start-up falls out. Two runs at once do no harm."""
    wanted = [name for name in names if not quick or name.startswith("hooks")]
    jobs = [(name, times) for name in wanted for times in (FEW_TIMES, MANY_TIMES)]
    with ThreadPoolExecutor(2) as pool:
        counts = dict(zip(jobs, pool.map(lambda job: _instructions(*job), jobs), strict=True))
    found = {}
    for name in wanted:
        few, many = counts[name, FEW_TIMES], counts[name, MANY_TIMES]
        if few is not None and many is not None:
            found[name] = (many - few) / (MANY_TIMES - FEW_TIMES)
    return found


def _instructions(name: str, times: int) -> int | None:
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
    try:
        done = subprocess.run(
            [*command, sys.executable, str(HOT), name, str(times)], capture_output=True, text=True, check=False,
            env=environment(),
        )  # fmt: skip
    except FileNotFoundError:
        return None  # no valgrind here
    found = _COLLECTED.search(done.stderr)
    return int(found[1]) if found and done.returncode == 0 else None
