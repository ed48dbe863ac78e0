"""How busy the whole machine is: CPU seconds since boot, all CPUs together."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

_HEAD_BYTES = 512


class BusyTimes(NamedTuple):
    """CPU seconds since boot.

    Attributes:
        busy_s: user + nice + system + irq + softirq. Guests are inside user; waiting for I/O is not busy.
        steal_s: what the hypervisor gave to others while we had work: not our energy.
    """

    busy_s: float
    steal_s: float


def busy_times(root: Path = Path("/")) -> BusyTimes | None:
    """The first line of /proc/stat (proc(5): user nice system idle iowait irq softirq steal), elsewhere psutil.

    Returns:
        None where the platform does not tell.
    """
    return _busy_times(f"{root}/proc/stat", elsewhere=root == Path("/"))


def _busy_times(path: str, *, elsewhere: bool) -> BusyTimes | None:
    try:
        fd = os.open(path, os.O_RDONLY)
    except OSError:
        return _by_psutil() if elsewhere else None
    try:
        fields = os.read(fd, _HEAD_BYTES).split(b"\n", 1)[0].split()
    except OSError:
        return None
    finally:
        os.close(fd)
    if len(fields) < 8 or fields[0] != b"cpu":
        return None
    hertz = os.sysconf("SC_CLK_TCK")
    user, nice, system, _, _, irq, softirq, *rest = (int(f) for f in fields[1:])
    return BusyTimes((user + nice + system + irq + softirq) / hertz, rest[0] / hertz if rest else 0.0)


def _by_psutil() -> BusyTimes:
    """On macOS and Windows; the names of the fields differ."""
    import psutil

    times = psutil.cpu_times()
    names = ("user", "nice", "system", "irq", "softirq", "interrupt", "dpc")
    return BusyTimes(sum(getattr(times, name, 0.0) for name in names), 0.0)


def busy_reader(
    recorded: Callable[[], float | None] | None = None, root: Path = Path("/")
) -> Callable[[], float | None]:
    """A function that gives busy CPU seconds: of a recording (``Selection.recorded_busy``), else of the machine."""
    if recorded is not None:
        return recorded

    path, elsewhere = f"{root}/proc/stat", root == Path("/")

    def read() -> float | None:
        times = _busy_times(path, elsewhere=elsewhere)
        return None if times is None else times.busy_s

    return read
