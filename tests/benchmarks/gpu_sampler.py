"""What looking at NVIDIA cards costs us, without their driver: the sampler's CPU, and the start, on the fake driver.

The fake driver answers within microseconds, so what is left is our own part and the binding's. A real driver's comes on
top (docs/explanation/gpu-accuracy.md has both). Time is scripted: nothing is waited for.

    python tests/benchmarks/gpu_sampler.py [seconds of the run, 50 if not given]
"""

from __future__ import annotations

import ctypes
import importlib
import itertools
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from pytest_aifootprint.meters.nvml import find_nvml
from pytest_aifootprint.meters.nvml_meter import NvmlMeter
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


def found(clock: Callable[[], int]) -> list[NvmlMeter]:
    """The meters of the fake driver's cards."""
    with tempfile.TemporaryDirectory() as root:
        (Path(root) / "dev").mkdir()
        (Path(root) / "dev/nvidiactl").touch()
        meters, rejected = find_nvml(Path(root), {}, clock=clock, epoch_clock=lambda: clock() + EPOCH_US * 1000)
    assert not rejected, rejected
    return meters


def start() -> dict[str, float]:
    """CPU ms until the cards are found: the binding's import, and the rest."""
    before_s = time.process_time()
    importlib.import_module("pynvml")
    imported_s = time.process_time()
    assert found(time.monotonic_ns)
    return {"import_ms": (imported_s - before_s) * 1e3, "found_ms": (time.process_time() - imported_s) * 1e3}


def measure(ticks: int) -> dict[str, float]:
    """CPU us of a tick, the mean of a run; in a process that found the fake driver's library."""
    driver = ctypes.CDLL("libnvidia-ml.so.1")
    now = [0]
    meters = found(lambda: now[0])
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


def play(cards: int, folder: Path, *what: str) -> dict[str, float]:
    """One of the two above, in a process of its own: the loader reads LD_LIBRARY_PATH once."""
    environ = {**os.environ, "LD_LIBRARY_PATH": str(folder), "FAKE_NVML_COUNT": str(cards)}
    if what[0] == "measure":
        environ["FAKE_NVML_SCRIPT"] = str(folder / "script")
    command = [sys.executable, __file__, *what]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
    result: dict[str, float] = json.loads(done.stdout)
    return result


def medians(seconds: int, repeats: int) -> Iterator[tuple[int, dict[str, float]]]:
    """Number of cards, and what was measured with so many."""
    ticks = seconds * 10  # a script has room for 500 lines a card
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        subprocess.run(["gcc", "-O2", "-shared", "-fPIC", "-o", folder / "libnvidia-ml.so.1", SOURCE], check=True)
        for cards in CARDS:
            (folder / "script").write_text(script(ticks, cards))
            runs = [play(cards, folder, "measure", str(ticks)) | play(cards, folder, "start") for _ in range(repeats)]
            yield cards, {key: statistics.median(run[key] for run in runs) for key in runs[0]}


def share_of_a_card(seconds: int = 20, repeats: int = 3) -> float | None:
    """What one card more takes of a core, in percent: eight cards less one, by seven. None without a C compiler."""
    if shutil.which("gcc") is None:
        return None
    (few, with_few), (many, with_many) = medians(seconds, repeats)
    each_us = (with_many["mean_us"] - with_few["mean_us"]) / (many - few)
    return each_us * 10 / 1e6 * 100  # ten ticks a second


def main(seconds: int) -> None:
    """Print the table."""
    say(f"medians of {REPEATS} runs of {seconds} s")
    say("cards  us a tick  of a core  longest tick  start: import, cards")
    for cards, mid in medians(seconds, REPEATS):
        tick = f"{mid['mean_us']:9.1f}  {mid['mean_us'] * 10 / 1e6:9.3%}  {mid['longest_us']:9.0f} us"
        say(f"{cards:5}  {tick}  {mid['import_ms']:.0f} ms, {mid['found_ms']:.1f} ms")


def say(line: str) -> None:
    """To standard output."""
    print(line, flush=True)  # noqa: T201


if __name__ == "__main__":
    if sys.argv[1:2] == ["measure"]:
        say(json.dumps(measure(int(sys.argv[2]))))
    elif sys.argv[1:2] == ["start"]:
        say(json.dumps(start()))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 50)
