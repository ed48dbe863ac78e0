"""What looking at NVIDIA cards costs us, without their driver: CPU of the sampler's ticks against the fake driver.

The fake driver answers within microseconds, so what is left is our own part and the binding's. A real driver's comes on
top (docs/explanation/gpu-accuracy.md has both). Time is scripted: nothing is waited for.

    python tests/benchmarks/gpu_sampler.py [seconds of the run, 50 if not given]
"""

from __future__ import annotations

import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from pytest_aifootprint.meters.nvml import find_nvml
from pytest_aifootprint.timeline.busy import busy_reader
from pytest_aifootprint.timeline.sampler import Sampler

SOURCE = Path(__file__).parents[1] / "unit" / "meters" / "fake_nvml.c"
TICK_NS, EPOCH_US = 10**8, 10**15
COUNTER_COST_NS = 3_000_000
"""Of a real card: so the counter is read as seldom as there."""
CARDS = (1, 8)
REPEATS = 5


def script(ticks: int, cards: int) -> str:
    """Cards at work, held by one process, as an H100 tells it: the last 119 samples of power, one in 20 ms."""
    lines = []
    for tick in range(ticks):
        stamps = range(max(0, tick * 5 - 118), tick * 5 + 1)
        samples = ",".join(f"{EPOCH_US + stamp * 20_000}:300000" for stamp in stamps)
        facts = f"energy={7_000_000 + tick * 30_000} power=300000 util={tick % 100} procs=5000001 draws="
        lines += [f"{card} {facts} samples={samples}" for card in range(cards)]
    return "\n".join(lines) + "\n"


def measure(ticks: int) -> dict[str, float]:
    """CPU us of a tick, the mean of a run; in a process that found the fake driver's library."""
    import ctypes

    driver = ctypes.CDLL("libnvidia-ml.so.1")
    now = [0]
    with tempfile.TemporaryDirectory() as root:
        (Path(root) / "dev").mkdir()
        (Path(root) / "dev/nvidiactl").touch()
        found = find_nvml(Path(root), {}, clock=lambda: now[0], epoch_clock=lambda: now[0] + EPOCH_US * 1000)
    meters, rejected = found
    assert not rejected, rejected
    for meter in meters:
        meter._cpu_clock = itertools.count(0, COUNTER_COST_NS).__next__
    sampler = Sampler(meters, busy=busy_reader(), clock=lambda: now[0])
    at_tick = {"busy": sampler._busy_at_ticks} if hasattr(sampler, "_busy_at_ticks") else {}
    sampler.sample()
    spent: list[int] = []
    for tick in range(1, ticks):
        now[0] = tick * TICK_NS
        driver.fake_line(tick)
        before = time.thread_time_ns()
        sampler.sample(**at_tick)
        spent.append(time.thread_time_ns() - before)
    assert not sampler.errors, sampler.errors
    assert all(len(meter.signals.power_t_ns) > ticks for meter in meters)
    return {"mean_us": statistics.fmean(spent) / 1000, "longest_us": max(spent) / 1000}


def play(ticks: int, cards: int, folder: Path) -> dict[str, Any]:
    """``measure`` in a process of its own: the loader reads LD_LIBRARY_PATH once."""
    (folder / "script").write_text(script(ticks, cards))
    environ = {
        **os.environ, "LD_LIBRARY_PATH": str(folder), "FAKE_NVML_SCRIPT": str(folder / "script"),
        "FAKE_NVML_COUNT": str(cards),
    }  # fmt: skip
    command = [sys.executable, __file__, "--measure", str(ticks)]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def main(seconds: int) -> None:
    """Print the table."""
    ticks = seconds * 10  # a script has room for 500 lines a card
    print("cards  us a tick  of a core  longest tick  (medians of", REPEATS, "runs of", seconds, "s)")  # noqa: T201
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        subprocess.run(["gcc", "-O2", "-shared", "-fPIC", "-o", folder / "libnvidia-ml.so.1", SOURCE], check=True)
        for cards in CARDS:
            runs = [play(ticks, cards, folder) for _ in range(REPEATS)]
            mean_us, longest_us = (statistics.median(run[key] for run in runs) for key in ("mean_us", "longest_us"))
            print(f"{cards:5}  {mean_us:9.1f}  {mean_us * 10 / 1e6:9.3%}  {longest_us:9.0f} us")  # noqa: T201


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        print(json.dumps(measure(int(sys.argv[2]))))  # noqa: T201
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 50)
