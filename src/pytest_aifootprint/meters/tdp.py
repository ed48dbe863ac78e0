"""TDP by CPU name, from the table that codecarbon ships: read by path, codecarbon itself is not imported.

Importing codecarbon costs 0.2 to 0.4 s, and its own look-up compares with 4,900 names by edit distance; both sides
brought into one normal form, a name is found by equality in a few milliseconds.
"""

from __future__ import annotations

import csv
import importlib.util
import re
from pathlib import Path

SOURCE = "codecarbon data/hardware/cpu_power.csv"

_TRADE_MARK = re.compile(r"\((?:r|tm|c)\)|[®™]")
_NOISE = re.compile(
    r"@.*"  # the clock rate
    r"|\b(?:with|w/)\s+.*"  # the graphics of an APU
    r"|\b\d+(?:th|st|nd|rd) gen\b"
    r"|\b(?:\d+|dual|triple|quad|six|eight|twelve|sixteen)-core\b"
    r"|\b(?:cpu|processor|apu)\b"
)


def cpu_table() -> Path | None:
    """The table's path; None if codecarbon is not there."""
    spec = importlib.util.find_spec("codecarbon")
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / "data" / "hardware" / "cpu_power.csv"
    return path if path.is_file() else None


def normal_name(name: str) -> str:
    """``Intel(R) Core(TM) i7-8650U CPU @ 1.90GHz`` → ``intel core i7-8650u``."""
    text = _NOISE.sub(" ", _TRADE_MARK.sub("", name.lower())).replace("core2", "core 2")
    return " ".join(text.split())


def tdp_w(cpu_model: str, table: Path | None = None) -> float | None:
    """The TDP of one socket in watts.

    Args:
        cpu_model: as the kernel names it.
        table: another table than codecarbon's, with columns Name and TDP.

    Returns:
        Watts; None if the processor is not in the table. Of several rows with that name, the highest.
    """
    path = table or cpu_table()
    wanted = normal_name(cpu_model)
    if path is None or not any(c.isdigit() for c in wanted):
        return None
    # Only rows that share the model's longest word can match: the normal form of the others is not needed.
    word = max(re.findall(r"[a-z0-9]+", wanted), key=lambda w: (any(c.isdigit() for c in w), len(w)))
    found: list[float] = []
    try:
        with path.open(encoding="utf-8", newline="") as f:
            for row in csv.reader(f):
                if len(row) == 2 and word in row[0].lower() and normal_name(row[0]) == wanted:
                    found += _watts(row[1])
    except OSError:
        return None
    return max(found, default=None)


def _watts(text: str) -> list[float]:
    try:
        watts = float(text)
    except ValueError:
        return []
    return [watts] if watts > 0 else []
