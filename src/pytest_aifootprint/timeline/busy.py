"""How busy the whole machine is: CPU seconds since boot, all CPUs together."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from pytest_aifootprint.quantities import Notice
from pytest_aifootprint.quantities.unfaked import REAL
from pytest_aifootprint.timeline.readings import BusyReadings

STEAL_SHARE = 0.05
"""Of the CPU time that the machine asked for; above it, the run is told (assumed: no published threshold)."""
_HEAD_BYTES = 512


class BusyTimes(NamedTuple):
    """CPU seconds since boot.

    Attributes:
        busy_s: user + nice + system + irq + softirq. Guests are inside user; waiting for I/O is not busy.
        steal_s: what the hypervisor gave to others while we had work: not our energy. None where the platform does not
            tell.
    """

    busy_s: float
    steal_s: float | None


def busy_times(root: Path = Path("/")) -> BusyTimes | None:
    """The first line of /proc/stat (proc(5): user nice system idle iowait irq softirq steal), elsewhere psutil.

    Returns:
        None where the platform does not tell.
    """
    return _busy_times(f"{root}/proc/stat", elsewhere=root == Path("/"))


def _busy_times(path: str, *, elsewhere: bool) -> BusyTimes | None:
    try:
        # The real file, also while a test has put a fake ``os`` into all modules.
        fd = REAL.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return _by_psutil() if elsewhere else None
    try:
        fields = REAL.read(fd, _HEAD_BYTES).split(b"\n", 1)[0].split()
    except OSError:
        return None
    finally:
        REAL.close(fd)
    if len(fields) < 8 or fields[0] != b"cpu":
        return None
    hertz = REAL.sysconf("SC_CLK_TCK")
    user, nice, system, _, _, irq, softirq, *rest = (int(f) for f in fields[1:])
    return BusyTimes((user + nice + system + irq + softirq) / hertz, rest[0] / hertz if rest else None)


def _by_psutil() -> BusyTimes:
    """On macOS and Windows; the names of the fields differ."""
    import psutil

    times = psutil.cpu_times()
    names = ("user", "nice", "system", "irq", "softirq", "interrupt", "dpc")
    return BusyTimes(sum(getattr(times, name, 0.0) for name in names), None)


def busy_reader(
    recorded: Callable[[], float | None] | None = None, root: Path = Path("/")
) -> Callable[[], BusyTimes | None]:
    """A function that gives busy CPU seconds: of a recording (``Selection.recorded_busy``), else of the machine."""
    path, elsewhere = f"{root}/proc/stat", root == Path("/")

    def read() -> BusyTimes | None:
        if recorded is None:
            return _busy_times(path, elsewhere=elsewhere)
        busy_s = recorded()
        return None if busy_s is None else BusyTimes(busy_s, None)

    return read


def steal_share(busy_s: float, steal_s: float) -> float | None:
    """Steal as a share of the CPU time that the machine asked for, from 0 to 1; None if it asked for none.

    None also where a counter of the kernel fell, as steal does on some hypervisors when a machine is moved.
    """
    return steal_s / (busy_s + steal_s) if busy_s >= 0 and steal_s >= 0 and busy_s + steal_s > 0 else None


def steal_notice(busy: BusyReadings) -> Notice | None:
    """A notice if the hypervisor gave more than 5 % of the CPU time of the run to others; None if not, or not known."""
    stolen = busy.steal_s
    if len(stolen) < 2:
        return None
    share = steal_share(busy.busy_s[-1] - busy.busy_s[0], stolen[-1] - stolen[0])
    if share is None or share <= STEAL_SHARE:
        return None
    return Notice(
        "steal-time",
        f"{share:.0%} of the CPU time that this virtual machine asked for went to others on its host: tests took "
        "longer, and their CPU seconds may contain time in which they stood still",
    )
