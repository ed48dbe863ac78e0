"""What the tests of the benchmark's suites share: moments of the run, written to a file when the process ends."""

from __future__ import annotations

import atexit
import json
import os
import resource
import time
from pathlib import Path

_MOMENTS: list[tuple[float, float, int]] = []


def note() -> None:
    """Now: CLOCK_MONOTONIC, CPU seconds of this process and its ended children, KiB at the peak so far."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    _MOMENTS.append((time.monotonic(), time.process_time() + ended.ru_utime + ended.ru_stime, peak_kib))


def burn(seconds: float) -> None:
    """Use so much CPU."""
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass


@atexit.register
def _write() -> None:
    target = os.environ.get("OVERHEAD_MOMENTS")
    if target:
        Path(target).write_text(json.dumps(_MOMENTS))
