"""What Linux tells about processes: their CPU clocks, what they reaped, their children and parents.

Every function answers None, or nothing, for a process that is gone: between listing a child and reading it, it may end.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator

from msgspec import Struct

from pytest_aifootprint.quantities.unfaked import REAL

Key = tuple[int, float]

ROOT = "/proc"
_SCHED_CLOCK = 2  # CPUCLOCK_SCHED of the kernel's posix-timers: all threads, nanoseconds
_NS_PER_TICK = 0


class Descendant(Struct):
    """A living (or unreaped) descendant at one moment; times in ns of CPU.

    Attributes:
        pid, start: what identifies it: pids are used again. parent: None for our own child.
        clock_ns: its own CPU, all its threads. exact: that came from its CPU clock, not from 10 ms ticks.
        reaped_ns: CPU of the children that it reaped, as the kernel tells (10 ms ticks).
        floor_ns: what its children were last seen with before they were gone; the kernel's figure lags behind by up to
            two ticks, and lacks children that were never waited for.
    """

    pid: int
    start: float
    parent: Key | None
    clock_ns: int
    exact: bool
    reaped_ns: int
    floor_ns: int

    @property
    def total_ns(self) -> int:
        """Its CPU and that of its ended children."""
        return self.clock_ns + max(self.reaped_ns, self.floor_ns)


class Stat(Struct):
    """``/proc/pid/stat``: parent, start time (in ticks since boot), CPU ns of its own and of its reaped children."""

    ppid: int
    start: int
    own_ns: int
    reaped_ns: int


def read(path: str) -> str | None:
    """A small file of /proc as text; None if it is gone, or not ours to see."""
    try:
        fd: int = REAL.open(path, os.O_RDONLY)
    except OSError:
        return None
    try:
        return bytes(REAL.read(fd, 1 << 16)).decode("ascii", "replace")
    except OSError:
        return None
    finally:
        REAL.close(fd)


def lines(path: str) -> Iterator[str]:
    """The lines of a file of /proc that may be long, as they come: the kernel makes it up while it is read."""
    try:
        fd: int = REAL.open(path, os.O_RDONLY)
    except OSError:
        return
    rest = ""
    try:
        while piece := bytes(REAL.read(fd, 1 << 16)).decode("ascii", "replace"):
            *whole, rest = (rest + piece).split("\n")
            yield from whole
    except OSError:
        return
    finally:
        REAL.close(fd)
    if rest:
        yield rest


def stat(pid: int) -> Stat | None:
    """The status of a process; None if there is none."""
    text = read(f"{ROOT}/{pid}/stat")
    if not text:
        return None
    # The name in brackets may hold spaces and brackets; after the last one come state, ppid, ... (proc(5), field 3 on).
    fields = text[text.rindex(")") + 2 :].split()
    tick = _ns_per_tick()
    return Stat(
        int(fields[1]), int(fields[19]),
        (int(fields[11]) + int(fields[12])) * tick, (int(fields[13]) + int(fields[14])) * tick,
    )  # fmt: skip


def cpu_clock_ns(pid: int) -> int | None:
    """The CPU clock of another process, in ns; None if it is gone or the kernel does not tell."""
    if sys.platform == "linux":
        try:
            return int(REAL.clock_gettime_ns((~pid << 3) | _SCHED_CLOCK))
        except OSError:
            return None
    else:
        return None


def last_pid() -> str | None:
    """The pid that was given out last in this namespace: while it stays, no process and no thread was started."""
    text = read(f"{ROOT}/loadavg")
    return text.rsplit(None, 1)[-1] if text else None


def descendants() -> dict[Key, Descendant]:
    """All living descendants of this process, and ended ones that nobody has waited for yet."""
    me = REAL.getpid()
    by_parent = None if _lists_children(me) else _by_parent()
    return _walk(_children(me, by_parent), by_parent)


def trees(pids: Iterable[int]) -> dict[Key, Descendant]:
    """Processes with all their living descendants, each once."""
    return _walk(pids, None if _lists_children(REAL.getpid()) else _by_parent())


def _walk(pids: Iterable[int], by_parent: dict[int, list[int]] | None) -> dict[Key, Descendant]:
    found: dict[Key, Descendant] = {}
    waiting: list[tuple[int, Key | None]] = [(pid, None) for pid in pids]
    while waiting:
        pid, parent = waiting.pop()
        # First what it reaped, then its children: one that is reaped in between is missed once, never billed twice.
        one = look(pid, parent)
        if one is None or (key := (pid, one.start)) in found:
            continue
        found[key] = one
        waiting.extend((child, key) for child in _children(pid, by_parent))
    return found


def ancestors(pid: int) -> list[int]:
    """Pids of a process's parent, its parent's parent, and so on, as far as this namespace shows them."""
    found: list[int] = []
    while pid > 0 and (status := stat(pid)) is not None and status.ppid > 0 and status.ppid not in found:
        found.append(pid := status.ppid)
    return found


def name(pid: int) -> str:
    """What the kernel calls the process, 15 characters at most; "" if it is gone."""
    return (read(f"{ROOT}/{pid}/comm") or "").rstrip("\n")


def command(pid: int) -> list[str]:
    """The words of the process's command line; empty if it is gone, or not ours to see."""
    return (read(f"{ROOT}/{pid}/cmdline") or "").rstrip("\0").split("\0")


def look(pid: int, parent: Key | None) -> Descendant | None:
    """One descendant now; None if it is gone."""
    status = stat(pid)
    if status is None:
        return None
    clock = cpu_clock_ns(pid)
    exact = clock is not None
    if clock is None:
        again = stat(pid)  # gone, or a kernel without clocks of other processes?
        if again is None or again.start != status.start:
            return None
        clock = again.own_ns
    return Descendant(pid, status.start, parent, clock, exact, status.reaped_ns, status.reaped_ns)


def _lists_children(me: int) -> bool:
    return bool(REAL.access(f"{ROOT}/{me}/task/{me}/children", os.F_OK))


def _children(pid: int, by_parent: dict[int, list[int]] | None) -> Iterator[int]:
    if by_parent is not None:
        yield from by_parent.get(pid, ())
        return
    try:
        threads: list[str] = REAL.listdir(f"{ROOT}/{pid}/task")
    except OSError:
        return
    for thread in threads:
        yield from map(int, (read(f"{ROOT}/{pid}/task/{thread}/children") or "").split())


def _by_parent() -> dict[int, list[int]]:
    """For kernels without CONFIG_PROC_CHILDREN: every process of the machine under its parent."""
    tree: dict[int, list[int]] = {}
    for name in REAL.listdir(ROOT):
        if name.isdecimal() and (status := stat(int(name))) is not None:
            tree.setdefault(status.ppid, []).append(int(name))
    return tree


def _ns_per_tick() -> int:
    global _NS_PER_TICK  # noqa: PLW0603 # a constant of the kernel, asked for once
    if sys.platform == "linux" and not _NS_PER_TICK:
        _NS_PER_TICK = 1_000_000_000 // REAL.sysconf("SC_CLK_TCK")
    return _NS_PER_TICK


def children_list() -> int | None:
    """The kernel's list of the children of the main thread (proc(5): task/TID/children), opened; None without one."""
    pid = REAL.getpid()
    try:
        fd: int = REAL.open(f"/proc/{pid}/task/{pid}/children", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    return fd
