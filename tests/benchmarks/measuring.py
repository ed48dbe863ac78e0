"""Runs one tool on one suite and keeps what it said beside what the tests said themselves."""

from __future__ import annotations

import contextlib
import math
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from known_truth import truth_of
from suites import Suite
from tools import Rows, Tool, ToolFailedError, environment

_LONG_ENOUGH_S = 0.1  # a share of less CPU than this says nothing
_LIMIT_S = 300
_LAST_WORDS = 200


@dataclass(frozen=True, slots=True)
class Run:
    """One run: what the tool said (``rows``), what the tests said (``truth``, CPU seconds).

    Attributes:
        others: CPU that neither the run nor its neighbours used, as a share of the whole machine; None if unknown.
    """

    rows: Rows
    truth: dict[str, float]
    others: float | None

    def sum_of(self, test: str, what: str) -> float:
        """Over the tool's rows of this test; nan if there is none, or one that does not say."""
        values = [getattr(row, what) for row in self.rows.get(test, ())]
        return math.nan if not values or None in values else math.fsum(values)

    def total(self, what: str) -> float:
        """Over the tests that said something themselves."""
        return math.fsum(self.sum_of(test, what) for test in self.truth)

    @property
    def worst_cpu(self) -> float:
        """The largest |booked / own - 1| of CPU seconds over the tests that used some; nan if the tool tells none."""
        own = {test: s for test, s in self.truth.items() if s > _LONG_ENOUGH_S}
        return max((abs(self.sum_of(test, "cpu_s") / s - 1) for test, s in own.items()), default=math.nan)


@dataclass(slots=True)
class Series:
    """All runs of one tool on one suite, or why there are none."""

    runs: list[Run] = field(default_factory=list)
    failure: str | None = None

    def each(self, test: str, what: str) -> list[float]:
        """One value a run."""
        return [run.sum_of(test, what) for run in self.runs]

    def mid(self, test: str, what: str) -> float:
        """The median of the runs."""
        return median(self.each(test, what)) if self.runs else math.nan


def measure(tool: Tool, suite: Suite, folder: Path) -> Run:
    """One run in an empty folder.

    Raises:
        ToolFailedError: if it left nothing to read.
    """
    suite.write(folder)
    command = [*tool.arguments(folder), "-q", *((f"-n{suite.workers}",) if suite.workers else ()), str(folder)]
    before = machine()
    with _neighbours(suite.neighbours):
        try:
            done = subprocess.run(
                command, cwd=folder, env=environment(), capture_output=True, text=True, check=False, timeout=_LIMIT_S
            )
        except subprocess.TimeoutExpired:
            raise ToolFailedError(f"still running after {_LIMIT_S} s") from None
    others = others_of(before, machine())
    truth = truth_of(folder)
    if done.returncode or not truth:
        lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()] or ["no output"]
        raise ToolFailedError(f"pytest ended with {done.returncode}: {lines[-1][-_LAST_WORDS:]}")
    return Run(tool.rows(folder), truth, others)


@contextlib.contextmanager
def _neighbours(n: int) -> Iterator[None]:
    burners = [subprocess.Popen([sys.executable, "-S", "-c", "while True: pass"]) for _ in range(n)]
    try:
        yield
    finally:
        for burner in burners:
            burner.kill()
            burner.wait()


def machine() -> tuple[float, float, float] | None:
    """Seconds now; CPU seconds of the whole machine, and of ourselves and all that we started."""
    try:
        fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()
    except OSError:
        return None
    # user nice system idle iowait irq softirq, in ticks (proc(5)); idle and iowait are nobody's work.
    ticks = sum(map(int, fields[1:4])) + sum(map(int, fields[6:8]))
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.monotonic(), ticks / os.sysconf("SC_CLK_TCK"), time.process_time() + ended.ru_utime + ended.ru_stime


def others_of(before: tuple[float, float, float] | None, after: tuple[float, float, float] | None) -> float | None:
    if before is None or after is None:
        return None
    seconds, busy, own = (b - a for a, b in zip(before, after, strict=True))
    return max(busy - own, 0.0) / (seconds * (os.cpu_count() or 1))


def spread(values: Sequence[float]) -> float:
    """Half of (largest - smallest), as a share of the median; nan where that is nothing."""
    middle = median(values)
    return (max(values) - min(values)) / 2 / abs(middle) if middle else math.nan
