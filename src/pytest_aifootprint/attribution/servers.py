"""Inference servers on this machine that are not our children: what their processes used while a call lasted.

A server started by a test or a fixture is in the run's CPU tree (``cputree``). One that runs as a service is not: its
CPU clock, with those of the processes that it started, is read when a call begins and when it ends, and its increase is
divided among the calls that were open (``overlaps``). It never enters a lane's clock: ``pieces_of_calls`` comes on top.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from pytest_aifootprint.attribution import portable, proc
from pytest_aifootprint.attribution.listeners import Listener, listeners, still_listens
from pytest_aifootprint.attribution.overlaps import Use, split_uses
from pytest_aifootprint.attribution.proc import Descendant, Key
from pytest_aifootprint.detection.servers import OURS, OWN, UNSEEN, ServerSample, ServerTimes
from pytest_aifootprint.quantities.unfaked import REAL

_BIRTH_NS = 10_000_000  # a new pid is given out microseconds before its process can be listed
_PATIENCE = 50  # what took so long is done again only after that many times as long: 2 % at most
_BELIEVED_NS = 1_000_000_000  # a daemon leaves the tree of whoever started it some time after it began to listen


class System(NamedTuple):
    """What the operating system is asked, as ``proc`` and ``listeners`` document it."""

    listeners: Callable[[str, int], list[Listener]]
    still_listens: Callable[[Listener], bool]
    trees: Callable[[Iterable[int]], dict[Key, Descendant]]
    look: Callable[[int, Key | None], Descendant | None]
    clock_ns: Callable[[int], int | None]
    ancestors: Callable[[int], list[int]]
    command: Callable[[int], list[str]]
    last_pid: Callable[[], str | None]


LINUX = System(
    listeners, still_listens, proc.trees, proc.look, proc.cpu_clock_ns, proc.ancestors, proc.command, proc.last_pid
)
PORTABLE = System(
    portable.listeners, portable.still_listens, portable.trees, portable.look, proc.cpu_clock_ns, portable.ancestors,
    portable.command, lambda: None,
)  # fmt: skip


class ServerClock:
    """CPU ns of a server: its process and what that started, ended ones included. Only differences mean something.

    It costs a few microseconds while no process is born on this machine, else some for each thread of the server, but
    never more than 2 % of the time: a process that was born since the last listing is then seen a little later.

    Attributes:
        pid, start: of the process that listens; of several, the lowest.
    """

    def __init__(self, system: System, owners: Sequence[Listener], *, alone: bool = False) -> None:
        """``alone``: without what it started, because we are among that."""
        self.pid, self.start = owners[0].pid, owners[0].start
        self._system = system
        self._pids = [owner.pid for owner in owners]
        self._alone = alone
        self._known: dict[Key, Descendant] = {}
        self._list_again_ns = 0
        self._last_pid: str | None = None
        self._last_pid_since_ns = 0
        self._complete = False  # the last listing held everyone who was born before _last_pid

    def now_ns(self) -> int | None:
        """The clock now; None if the server is gone."""
        found = self._look()
        heirs: dict[Key, int] = {}
        for key, old in self._known.items():
            if key in found:
                found[key].floor_ns = old.floor_ns
                continue
            heir = old.parent
            while heir is not None and heir not in found:
                heir = self._known[heir].parent if heir in self._known else None
            if heir is not None:
                heirs[heir] = heirs.get(heir, 0) + old.total_ns
        for heir, ended_ns in heirs.items():
            # What its parent reaps of it shows up to two ticks late, and cut to ticks.
            before = self._known.get(heir)
            found[heir].floor_ns = ended_ns + (max(before.reaped_ns, before.floor_ns) if before is not None else 0)
        self._known = found
        return sum(one.total_ns for one in found.values()) if any(pid == self.pid for pid, _ in found) else None

    def _look(self) -> dict[Key, Descendant]:
        if self._alone:
            one = self._system.look(self.pid, None)
            return {} if one is None else {(one.pid, one.start): one}
        last = self._system.last_pid()
        now: int = REAL.monotonic_ns()
        if last is None or last != self._last_pid:
            self._last_pid, self._last_pid_since_ns, self._complete = last, now, False
        if self._known and (self._complete or now < self._list_again_ns):
            return self._again()
        self._complete = last is not None and now - self._last_pid_since_ns > _BIRTH_NS
        found = self._system.trees(self._pids)
        ended: int = REAL.monotonic_ns()
        self._list_again_ns = ended + _PATIENCE * (ended - now)
        return found

    def _again(self) -> dict[Key, Descendant]:
        """Those who were known, without looking for others."""
        parents = {one.parent for one in self._known.values()}
        found: dict[Key, Descendant] = {}
        for key, old in self._known.items():
            # Who has no children has reaped nobody, or such as were born since the last listing, which comes again.
            quick = old.exact and key not in parents
            clock = self._system.clock_ns(old.pid) if quick else None
            if clock is not None:
                found[key] = Descendant(old.pid, old.start, old.parent, clock, True, old.reaped_ns, old.floor_ns)
            elif (one := self._system.look(old.pid, old.parent)) is not None and one.start == old.start:
                found[key] = one
        return found


class _Known(NamedTuple):
    """What was found at an address, and until when that is believed."""

    owners: Sequence[Listener]
    clock: ServerClock | None
    code: str
    until_ns: int


class LocalServers:
    """Finds the servers behind addresses and reads their clocks. A ``detection.servers.ServerWatch``.

    May be called from several threads, and in a forked child.
    """

    def __init__(self, controller: int | None = None, system: System | None = None) -> None:
        """Take the pid of xdist's controller in a worker: whose children are workers, with trees of their own."""
        self._system = system or (LINUX if sys.platform == "linux" else PORTABLE)
        self._controller = controller
        self._pids = [REAL.getpid()]
        self._command = self._system.command(self._pids[0]) if controller is not None else []
        self._known: dict[tuple[str, int], _Known] = {}
        self._lock = threading.Lock()

    def __call__(self, host: str, port: int) -> ServerSample | str:
        """The server's clock now; without one, ``UNSEEN``, ``OURS`` or ``OWN``."""
        pid = REAL.getpid()
        if pid != self._pids[-1]:
            # A forked child: its parent's tree has its work; the lock may be held by a thread that it does not have.
            self._lock = threading.Lock()
            self._pids.append(pid)
        with self._lock:
            found = self._find(host, port)
            if found.clock is None:
                return found.code
            c_ns = found.clock.now_ns()
            return (
                UNSEEN if c_ns is None else ServerSample(found.clock.pid, found.clock.start, REAL.monotonic_ns(), c_ns)
            )

    def _find(self, host: str, port: int) -> _Known:
        key = (host, port)
        known = self._known.get(key)
        now: int = REAL.monotonic_ns()
        there = known is not None and bool(known.owners) and all(map(self._system.still_listens, known.owners))
        if known is not None and now < known.until_ns and (there or not known.owners):
            return known
        owners = known.owners if known is not None and there else self._system.listeners(host, port)
        clock, code = self._place(owners, known.clock if known is not None else None)
        ended: int = REAL.monotonic_ns()
        until = ended + max(_PATIENCE * (ended - now), _BELIEVED_NS if owners else 0)
        found = self._known[key] = _Known(owners, clock, code, until)
        return found

    def _place(self, owners: Sequence[Listener], clock: ServerClock | None) -> tuple[ServerClock | None, str]:
        """The clock of these processes, which is kept if it is the same server; or why there is none."""
        if not owners:
            return None, UNSEEN
        if any(owner.pid == self._pids[-1] for owner in owners):
            return None, OWN
        if all(self._is_ours(owner.pid) for owner in owners):
            return None, OURS
        if clock is not None and (clock.pid, clock.start) == owners[0][:2]:
            return clock, OURS
        above_us = self._system.ancestors(self._pids[-1])
        return ServerClock(self._system, owners, alone=owners[0].pid in above_us), OURS

    def _is_ours(self, pid: int) -> bool:
        """Whether a process is in the CPU tree of this process, or in that of another worker of this run."""
        line = [pid, *self._system.ancestors(pid)]
        if not set(line).isdisjoint(self._pids):
            return True
        if self._controller not in line[1:]:
            return False
        return self._is_worker(line[line.index(self._controller) - 1])

    def _is_worker(self, pid: int) -> bool:
        """Whether a child of the controller is a worker: started as we were, with whatever interpreter."""
        words = self._system.command(pid)
        # With setproctitle, xdist gives its workers titles in place of their command lines.
        return bool(words) and (words[0].startswith("[pytest-xdist") or words[1:] == self._command[1:] != [])


Served = tuple[str, int | None, int, ServerTimes]
"""Worker, owner (None for a call outside every window), phase, and ``AICall.server``."""

Piece = tuple[int, int, int, int, int, int]
"""Owner, phase, t0, t1, CPU ns, and no time of its own: what a lane calls a piece."""


class ServerBill(NamedTuple):
    """What the calls of a run made servers use.

    Attributes:
        pieces: by worker. ignored: indexes of the calls whose readings went backwards: they bear nothing.
    """

    pieces: dict[str, list[Piece]]
    ignored: list[int]


def pieces_of_calls(calls: Iterable[Served], hosts: Mapping[str, str] | None = None) -> ServerBill:
    """Divide every server's CPU among the calls that were open, whichever worker they came from.

    Args:
        calls: all of the run that have server times, those outside every window included: they bear their part, too.
        hosts: by worker, the boot id of its machine where there are several: pids of two machines are not the same.

    Returns:
        CPU ns that add up to what each server used while at least one call was open.
    """
    served = list(calls)
    servers: dict[tuple[str | None, int, int], list[int]] = {}
    for index, (worker, _, _, server) in enumerate(served):
        servers.setdefault((hosts.get(worker) if hosts else None, server[0], server[1]), []).append(index)
    pieces: dict[str, list[Piece]] = {}
    ignored: list[int] = []
    for mine in servers.values():
        split = split_uses([Use(*served[index][3][2:]) for index in mine])
        ignored += (mine[use] for use in split.ignored)
        for use, t0, t1, ns in split.parts:
            worker, owner, phase, _ = served[mine[use]]
            if owner is not None:
                pieces.setdefault(worker, []).append((owner, phase, t0, t1, ns, 0))
    return ServerBill(pieces, sorted(ignored))
