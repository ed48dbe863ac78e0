"""RAPL counters by the kernel's perf events, for machines where they are open and the powercap files are not.

The counters are those of ``powercap.py``, through the PMU ``power``: ``/sys/bus/event_source/devices/power`` names its
type, its events, joules per count and one CPU of each package. perf_event_open(2) gives a descriptor that counts from
the moment it is opened, 64 bits wide: the kernel takes the register's wrap-arounds out.

The descriptor lives in the process of the tests, and a test may close it, or all descriptors; its number may then be
the test's own file. So before each read the kernel is asked which event stands behind it, by an ioctl that no other
kind of file answers: what is not ours is neither read nor closed. It stands high up, out of the way of tests that
count on small numbers, and does not survive an exec.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import struct
import sys
import time
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from msgspec import Struct

from pytest_aifootprint.meters.contract import Reading, RejectedMeter, Unreadable
from pytest_aifootprint.meters.counters import HOW_TO, Accumulator, CounterFault, read_parts, read_text, read_text_or
from pytest_aifootprint.meters.cpus import cpu_list
from pytest_aifootprint.meters.powercap import MAX_ZONE_W, PROBE_PAUSE_S, PROBE_ROUNDS, STILL_NS
from pytest_aifootprint.quantities import Basis
from pytest_aifootprint.quantities.unfaked import REAL

EVENTS = {"cpu": "energy-pkg", "ram": "energy-ram"}
"""Domain to event. energy-cores and energy-gpu lie inside energy-pkg; energy-psys contains it, and the display."""
HIGH_FD = 500
"""Descriptors from here on are rarely used, and within the usual limit of 1024."""

# Numbers of perf_event_open: arch/x86/entry/syscalls/syscall_64.tbl, include/uapi/asm-generic/unistd.h.
_SYSCALLS = {"x86_64": 298, "aarch64": 241}
# include/uapi/linux/perf_event.h
_ATTR_SIZE = 64  # PERF_ATTR_SIZE_VER0: known to every kernel
_FORMAT_ID = 1 << 2
_FLAG_CLOEXEC = 1 << 3
_IOC_ID = 0x80082407
_ATTR = struct.Struct("=IIQQQQQ")  # type, size, config, sample period and type, read format, flags
_COUNT = struct.Struct("=QQ")  # value, id

# As in ``unfaked``: pyfakefs swaps these modules as well.
_REAL: Any = SimpleNamespace(ioctl=fcntl.ioctl, fcntl=fcntl.fcntl, uname=os.uname)

_OWN_REGISTER = "AuthenticAMD", "HygonGenuine"
"""Makers whose processors have one energy register per package, also where the kernel names a CPU of each die."""


class _Event(Struct, frozen=True):
    """One event of the PMU.

    Attributes:
        kind, config: what the kernel must be told. j_per_count: joules.
    """

    name: str
    kind: int
    config: int
    j_per_count: float


class _Counter:
    """One event on one CPU; opened by the first read, so that a process that never reads never has a descriptor."""

    __slots__ = ("_cpu", "_event", "_fd", "_id", "accumulator")

    def __init__(self, event: _Event, cpu: int) -> None:
        self._event = event
        self._cpu = cpu
        self._fd = -1
        self._id = 0
        self.accumulator = Accumulator(wrap_j=None, max_w=MAX_ZONE_W, still_ns=STILL_NS)

    def raw_j(self) -> float:
        """Joules since it was opened. Raises CounterFault."""
        if self._fd < 0:
            self._open()
        if not self._is_ours():
            self._fd = -1
            raise CounterFault(
                "the descriptor of a perf event was closed, by a test that closes all of them for example",
                "nothing to do: it is opened again",
            )
        data: bytes = REAL.read(self._fd, _COUNT.size)
        if len(data) != _COUNT.size:
            raise CounterFault(f"the kernel has stopped {self._event.name} of CPU {self._cpu}", f"see {HOW_TO}")
        count, number = _COUNT.unpack(data)
        if number != self._id:
            raise CounterFault("another perf event took the place of ours", "nothing to do: metering goes on from here")
        return float(count * self._event.j_per_count)

    def close(self) -> None:
        """Give the descriptor back, if it is still ours."""
        if self._fd >= 0 and self._is_ours():
            REAL.close(self._fd)
        self._fd = -1

    def _open(self) -> None:
        fd = _perf_event_open(self._event, self._cpu)
        try:
            self._fd = _REAL.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, HIGH_FD)
            REAL.close(fd)
        except OSError:  # The process may have no more than so many.
            self._fd = fd
        self._id = _id_of(self._fd) or 0
        # The kernel counts from 0 again.
        self.accumulator.restart()

    def _is_ours(self) -> bool:
        return _id_of(self._fd) == self._id


def _id_of(fd: int) -> int | None:
    """The kernel's number of the perf event behind a descriptor; None if there is none behind it."""
    number = bytearray(8)
    try:
        _REAL.ioctl(fd, _IOC_ID, number)
    except OSError:
        return None
    return int.from_bytes(number, sys.byteorder)


class PerfEventMeter:
    """The counters of all packages, or of all their memory, as one."""

    name = "perf"
    basis = Basis.MEASURED

    def __init__(self, domain: str, event: _Event, cpus: Iterable[int], clock: Callable[[], int]) -> None:
        self.domain = domain
        self._clock = clock
        self._counters = [_Counter(event, cpu) for cpu in cpus]
        self._parts = [(c.raw_j, c.accumulator) for c in self._counters]
        self._closed = False
        packages = "" if len(self._counters) == 1 else f" of {len(self._counters)} packages"
        self.reason = f"RAPL energy counter power/{event.name}/{packages} (perf events)"

    def read(self) -> Reading | Unreadable:
        """Joules of all packages since the first read; one unreadable package makes the whole unreadable."""
        t_ns = self._clock()
        if self._closed:
            return Unreadable(t_ns, "the meter was closed", "please report this")
        return read_parts(t_ns, self._parts)

    def close(self) -> None:
        """Give the descriptors back. May be called twice."""
        self._closed = True
        for counter in self._counters:
            counter.close()

    def probe(self, pause: Callable[[float], None]) -> CounterFault | None:
        """Open, see every counter move within a few milliseconds, and close; what is wrong with them."""
        try:
            first = [c.raw_j() for c in self._counters]
            for _ in range(PROBE_ROUNDS):
                pause(PROBE_PAUSE_S)
                if all(c.raw_j() > before for c, before in zip(self._counters, first, strict=True)):
                    return None
        except CounterFault as e:
            return e
        finally:
            for counter in self._counters:
                counter.close()
        return CounterFault(
            "its counters do not move",
            "some virtual machines show a counter that nothing feeds: the load model is used",
        )


def find_perf_events(  # noqa: PLR0913 - everything that a test must be able to replace
    root: Path,
    domains: Collection[str],
    *,
    vendor: str = "",
    virtual: bool = False,
    clock: Callable[[], int] = time.monotonic_ns,
    pause: Callable[[float], None] = time.sleep,
) -> tuple[list[PerfEventMeter], list[RejectedMeter]]:
    """The meters by perf events that work here, and those that do not. None of them has a descriptor open yet.

    Args:
        root: the file system's root.
        domains: those that want a counter: ``cpu``, ``ram``. Without ``cpu``, what is not there is not worth a word.
        vendor: of the processor, as CPUID says it.
        virtual: this is a virtual machine, which changes the remedy.
        clock: CLOCK_MONOTONIC in ns.
        pause: sleep; called only if there are counters, for a few milliseconds.
    """
    base = root / "sys/bus/event_source/devices/power"
    if not base.is_dir():
        return [], [_absent(base, virtual=virtual)] if "cpu" in domains else []
    meters: list[PerfEventMeter] = []
    rejected: list[RejectedMeter] = []
    for domain, name in EVENTS.items():
        if domain not in domains:
            continue
        if not (base / "events" / name).exists():
            if "cpu" in domains:
                rejected.append(RejectedMeter(f"perf {domain}", f"{base} has no event {name}", "nothing to do"))
            continue
        try:
            meter = PerfEventMeter(domain, _event(base, name), _cpus(root, base, vendor), clock)
        except (OSError, ValueError) as e:
            why = f"cannot make sense of {base}: {e}"
            rejected.append(RejectedMeter(f"perf {domain}", why, f"please report this; see {HOW_TO}"))
            continue
        fault = meter.probe(pause)
        if fault is None:
            meters.append(meter)
        else:
            rejected.append(RejectedMeter(f"perf {domain}", f"power/{name}/: {fault.reason}", fault.remedy))
    return meters, rejected


def _absent(base: Path, *, virtual: bool) -> RejectedMeter:
    if virtual:
        return RejectedMeter(
            "perf", f"no {base}: a virtual machine rarely has it", "nothing to do: the load model is used"
        )
    remedy = f"sudo modprobe rapl on an Intel or AMD processor; see {HOW_TO}"
    return RejectedMeter("perf", f"no {base}: the load model is used", remedy)


def _event(base: Path, name: str) -> _Event:
    """The event as sysfs describes it. Raises OSError, ValueError."""
    terms = read_text(base / "events" / name)
    match = re.fullmatch(r"event=(0x[0-9a-fA-F]{1,16}|\d{1,19})", terms)
    if not match:
        raise ValueError(f"events/{name} is {terms[:40]!r}")
    bits = read_text_or(base / "format/event", "config:0-7")
    if not bits.startswith("config:0"):
        raise ValueError(f"format/event is {bits[:40]!r}")
    unit = read_text(base / f"events/{name}.unit")
    if unit != "Joules":
        raise ValueError(f"events/{name}.unit is {unit[:40]!r}")
    scale = float(read_text(base / f"events/{name}.scale"))
    if not 0 < scale < 1:
        raise ValueError(f"events/{name}.scale is {scale!r}")
    return _Event(name, int(read_text(base / "type")), int(match[1], 0), scale)


def _cpus(root: Path, base: Path, vendor: str) -> list[int]:
    """One CPU for each energy register. Raises OSError, ValueError."""
    cpus = cpu_list(read_text(base / "cpumask"))
    if not cpus:
        raise ValueError("cpumask names no CPU")
    if vendor not in _OWN_REGISTER:
        return cpus
    by_package: dict[str, int] = {}
    for cpu in cpus:
        package = read_text_or(root / f"sys/devices/system/cpu/cpu{cpu}/topology/physical_package_id", f"of {cpu}")
        by_package.setdefault(package, cpu)
    return list(by_package.values())


def _perf_event_open(event: _Event, cpu: int) -> int:
    """A descriptor that counts an event of a CPU, whoever runs on it. Raises CounterFault."""
    number = _SYSCALLS.get(_REAL.uname().machine)
    if number is None or struct.calcsize("P") != 8:
        raise CounterFault(
            f"perf events are not read on {_REAL.uname().machine} ({struct.calcsize('P') * 8} bit)",
            "please report this",
        )
    import ctypes

    attributes = bytearray(_ATTR_SIZE)
    _ATTR.pack_into(attributes, 0, event.kind, _ATTR_SIZE, event.config, 0, 0, _FORMAT_ID, 0)
    buffer = (ctypes.c_char * _ATTR_SIZE).from_buffer(attributes)
    syscall = ctypes.CDLL(None, use_errno=True).syscall
    syscall.restype = ctypes.c_long
    all_processes, no_group = ctypes.c_long(-1), ctypes.c_long(-1)
    fd: int = syscall(
        ctypes.c_long(number), buffer, all_processes, ctypes.c_long(cpu), no_group, ctypes.c_ulong(_FLAG_CLOEXEC)
    )
    if fd < 0:
        raise _refusal(ctypes.get_errno(), cpu)
    return fd


def _refusal(code: int, cpu: int) -> CounterFault:
    name = errno.errorcode.get(code, str(code))
    what = f"perf_event_open for CPU {cpu} failed with {name} ({os.strerror(code)})"
    if code in {errno.EACCES, errno.EPERM}:
        level = read_text_or("/proc/sys/kernel/perf_event_paranoid", "unknown")
        return CounterFault(
            f"{what}: kernel.perf_event_paranoid is {level}, and the counters of a whole CPU need 0 or less",
            "sudo sysctl kernel.perf_event_paranoid=0 (until the next boot), or the capability CAP_PERFMON; in a "
            f"container, run it with --cap-add PERFMON; see {HOW_TO}",
        )
    if code in {errno.ENOENT, errno.ENODEV, errno.EINVAL, errno.EOPNOTSUPP}:
        return CounterFault(f"{what}: the kernel names a counter that it cannot give", "nothing to do")
    if code == errno.ENOSYS:
        return CounterFault(f"{what}: this kernel has no perf events", "nothing to do")
    return CounterFault(what, f"see {HOW_TO}")
