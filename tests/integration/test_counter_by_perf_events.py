"""A run metered by perf events, from the system call to the report; its tests close the plugin's descriptors.

The PMU of the tree counts the time of CPU 0, 1 W: a counter that every kernel has. Only the root of the file system is
another one; system call, descriptors and sampler thread are real.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from pytest_aifootprint.meters.boot import boot_id
from pytest_aifootprint.meters.selection import select

CPUINFO = "processor\t: 0\nmodel name\t: Intel(R) Xeon(R) Gold 9999X CPU\nsiblings\t: 2\ncpu cores\t: 1\nflags\t: fpu\n"
FILES = {
    "proc/cpuinfo": CPUINFO,
    "proc/meminfo": "MemTotal: 4194304 kB\n",
    "type": "1",
    "cpumask": "0",
    "events/energy-pkg": "event=0x00",
    "events/energy-pkg.scale": "1e-9",
    "events/energy-pkg.unit": "Joules",
}
POWER = "sys/bus/event_source/devices/power"


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    if sys.platform != "linux":
        pytest.skip("perf events are Linux's")
    # Workers tell by the boot that they are on this machine.
    for name, text in {**FILES, "proc/sys/kernel/random/boot_id": boot_id()}.items():
        file = tmp_path / (name if name.startswith("proc") else f"{POWER}/{name}")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    rejected = [r.reason for r in select(root=tmp_path, environ={}).rejected if r.name == "perf cpu"]
    if rejected:
        pytest.skip(f"this kernel refuses: {rejected[0]}")
    defaults = select.__kwdefaults__
    assert defaults is not None
    monkeypatch.setitem(defaults, "root", tmp_path)
    return tmp_path


def perf_fds() -> list[str]:
    links = [os.path.realpath(fd) for fd in Path("/proc/self/fd").iterdir()]
    return [link for link in links if "perf_event" in link]


BURN = """
    import os, time
    def burn(seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            pass
"""


def run(pytester: pytest.Pytester, *args: str) -> dict[str, Any]:
    result = pytester.runpytest(
        "--aifootprint", "--aifootprint-tests", "all", "--aifootprint-report", "json:r.json", *args
    )
    result.assert_outcomes(passed=1)
    report: dict[str, Any] = json.loads((pytester.path / "r.json").read_text())
    return report


@pytest.mark.usefixtures("tree")
def test_a_run_is_metered_by_perf_events_and_leaves_nothing_open(
    pytester: pytest.Pytester, workers: tuple[str, ...]
) -> None:
    pytester.makepyfile(
        BURN
        + """
    def test_burn():
        burn(0.35)
        links = [os.path.realpath(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd")]
        in_worker = "PYTEST_XDIST_WORKER" in os.environ
        assert sum("perf_event" in link for link in links) == (0 if in_worker else 1)
"""
    )
    report = run(pytester, *workers)
    cpu = next(m for m in report["run"]["meters"] if m["domain"] == "cpu")
    assert (cpu["name"], cpu["basis"]) == ("perf", "measured")
    assert [n for n in report["notices"] if n["code"] in {"counter-gap", "internal-error"}] == []
    # 1 W, all the time: joules are the seconds between the first reading and the last.
    assert 0.35 <= report["balance"]["cpu"]["metered_j"] <= report["run"]["duration_s"] * 1.01
    assert perf_fds() == []


@pytest.mark.usefixtures("tree")
def test_a_test_that_closes_descriptors_gets_a_gap_and_keeps_what_is_its_own(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        BURN
        + """
    def test_closes():
        burn(0.25)
        os.closerange(500, 600)
        mine, sink = os.pipe()
        for fd in range(500, 600):
            os.dup2(mine, fd)
        os.write(sink, b"x" * 64)
        burn(0.35)
        assert os.read(mine, 100) == b"x" * 64
        assert os.fstat(500).st_ino == os.fstat(mine).st_ino
        os.closerange(500, 600)
        os.close(mine)
        os.close(sink)
"""
    )
    report = run(pytester)
    (gap,) = [n["message"] for n in report["notices"] if n["code"] == "counter-gap"]
    assert "perf could not be read once (the descriptor of a perf event was closed" in gap
    assert [n for n in report["notices"] if n["code"] == "internal-error"] == []
    assert perf_fds() == []
