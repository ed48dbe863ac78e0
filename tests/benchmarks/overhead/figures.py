"""What came out of the runs, in the units of the tables."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from overhead.environments import OURS
from overhead.layouts import PER_FILE
from overhead.running import Cost, Sample
from overhead.turns import Added, Series

MS, US, MIB = 1e3, 1e6, 1 / 1024
Found = Mapping[tuple[str, str], Series]


def cpu(phase: str, scale: float = MS) -> Callable[[Sample], float]:
    """CPU of a phase of the run."""
    return lambda sample: _cost(sample, phase).cpu_s * scale


def wall(phase: str, scale: float = MS) -> Callable[[Sample], float]:
    """Wall time of a phase of the run."""
    return lambda sample: _cost(sample, phase).wall_s * scale


def peak_mib(sample: Sample) -> float:
    """The most memory that the run had."""
    return sample.peak_kib * MIB


def a_test(n: int, kind: Callable[..., Callable[[Sample], float]] = cpu) -> Callable[[Sample], float]:
    """Microseconds of one of ``n`` tests."""
    return kind("tests", US / max(n - 1, 1))


def last(tests: int) -> Callable[[Sample], float]:
    """CPU microseconds of a test, over the last so many: whole files."""

    def of(sample: Sample) -> float:
        moments = sample.moments[-2 * (tests // PER_FILE) :]
        return (moments[-1][1] - moments[0][1]) * US / (tests - 1)

    return of


def but_the_first_file(tests: int) -> Callable[[Sample], float]:
    """CPU microseconds of a test of all files but the first, which have so many."""
    return lambda sample: (sample.moments[-1][1] - sample.moments[2][1]) * US / (tests - 1)


def _cost(sample: Sample, phase: str) -> Cost:
    cost: Cost = getattr(sample, phase)
    return cost


def added(found: Found, part: str, tool: str, what: Callable[[Sample], float]) -> Added | None:
    """What a tool added to something; None if it did not run."""
    series = found.get((part, tool))
    return None if series is None or series.failure is not None else series.added(what)


def failure(found: Found, part: str, tool: str) -> str:
    """Why a tool has no figure."""
    series = found.get((part, tool))
    return "not run" if series is None else series.failure or "no round"


def cell(value: Added | None, digits: int = 1) -> str:
    """As a table has it: what was added, and what two bare runs differ by."""
    if value is None:
        return "\N{EN DASH}"
    return f"{value.value + 0.0:+.{digits}f} ± {value.spread:.{digits}f}"


@dataclass(frozen=True, slots=True)
class PerCall:
    """Microseconds that one call of a test takes above a test without one, and what that is uncertain by."""

    value: float
    spread: float


def per_call(found: Found, part: str, tool: str, of: Callable[[Sample], float]) -> PerCall | None:
    """One call in each test, less what each test costs in any case: of ours, as in 5,000 of them.

    ``of``: CPU microseconds of a test with a call.
    """
    whole = added(found, part, tool, of)
    if whole is None:
        return None
    if tool != OURS:
        return PerCall(whole.value, whole.spread)
    empty = added(found, "trivial-5000", tool, a_test(5000))
    return None if empty is None else PerCall(whole.value - empty.value, whole.spread + empty.spread)


@dataclass(slots=True)
class Told:
    """What the plugin says of itself: CPU seconds of each run whose report was kept, by part."""

    plugin_s: dict[str, list[float]]

    def keep(self, part: str, report: Path) -> None:
        """Read a report's balance; the model's watts turn joules back into the seconds that they were made of."""
        if not report.exists():
            return
        saved = json.loads(report.read_text())
        given = {row["symbol"]: row["central"] for row in saved["sheets"]["this machine"]["given"]}
        if "w" not in given:
            return  # a counter's joules are not made of seconds
        # Watts of the row, and what the data centre adds to them.
        watts = given["w"] * given.get("PUE_cpu", 1.0)
        self.plugin_s.setdefault(part, []).append(saved["balance"]["cpu"]["plugin_j"] / watts)

    def of(self, part: str) -> float | None:
        """The median; None without a report."""
        return median(self.plugin_s[part]) if self.plugin_s.get(part) else None
