"""CPU time of this process and everything that it started: ``Tree(t)`` of method section 1.

``Tree(t)`` = own CPU + ended children (``RUSAGE_CHILDREN``) + living descendants (their clock, and what they reaped) +
retired ones. Only differences mean something, and they are signed: a term that were clamped would bill a child twice,
once alive and once reaped.

*Retired* is what a descendant was last seen with when it left the tree unaccounted: it was handed to init (a daemon),
or it ended and nobody waited for it (SIGCHLD ignored). From then on it is none of ours.
"""

from __future__ import annotations

import builtins
import os
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from types import FunctionType

from pytest_aifootprint.attribution import portable, proc
from pytest_aifootprint.attribution.proc import Descendant, Key
from pytest_aifootprint.quantities import Basis
from pytest_aifootprint.quantities.unfaked import REAL

_LINUX = sys.platform == "linux"
_ATTEMPTS = 5
_ROUNDING_NS = 10_000  # rusage cuts user and system time to microseconds each
_BIRTH_NS = 10_000_000  # a new pid is given out microseconds before its process can be listed

_trees: weakref.WeakSet[CpuTree] = weakref.WeakSet()
_fork_hooks: list[Callable[[], None]] = []


class CpuTree:
    """CPU nanoseconds of this process and its descendants.

    A look costs two microseconds where no child lives, no look into /proc included. May be called from two threads.

    Attributes:
        basis: measured; modelled once a descendant could only be read in 10 ms ticks, or through psutil.
    """

    def __init__(self, *, include_children: bool = True) -> None:
        """Start watching.

        Args:
            include_children: False for xdist's controller, whose children are the workers, which meter themselves.
        """
        self.basis = Basis.MEASURED
        self._lock = threading.RLock()
        self._known: dict[Key, Descendant] = {}
        self._retired_ns = 0
        self._reaped_seen_ns = 0
        self._last_pid: str | None = None
        self._last_pid_since_ns = 0
        self._complete = False  # the last listing held everyone who was born before _last_pid
        self._include_children = include_children
        self._list_fd = proc.children_list() if include_children and _LINUX else None
        if include_children and not _LINUX:
            portable.watch_spawns()
        _keep_over_fork(self)

    def quick_ns(self) -> int:
        """As ``now_ns``, but a first child that another thread than the main one started may be seen later.

        To ask for children without having any costs 1 us, most of it the exception that says so; the kernel's list of
        the main thread's children costs half as much. A child that is not seen here is in no difference yet.
        """
        if self._list_fd is not None and not self._known:
            try:
                if not REAL.pread(self._list_fd, 1, 0):
                    own: int = REAL.process_time_ns()
                    return own + _reaped_ns() + self._retired_ns
            except OSError:  # a test closed it, or it is somebody else's by now
                self._list_fd = None
        return self.now_ns()

    def now_ns(self) -> int:
        """Own CPU + ended children + living descendants + retired, in ns (method: section 1). Never raises OSError."""
        own: int
        if not self._known:
            try:
                if self._include_children:
                    _ask_for_children()
                else:
                    own = REAL.process_time_ns()
                    return own
            except ChildProcessError:
                own = REAL.process_time_ns()
                return own + _reaped_ns() + self._retired_ns
        return self._slow_ns()

    def close(self) -> None:
        """Give the kernel's list back. The clock can be read on."""
        fd, self._list_fd = self._list_fd, None
        if fd is not None:
            with suppress(OSError):
                REAL.close(fd)

    def living(self) -> tuple[int, ...]:
        """Pids of the descendants at the last look."""
        return tuple(pid for pid, _ in self._known)

    @property
    def busy(self) -> bool:
        """Whether there were descendants at the last look."""
        return bool(self._known)

    def by_child_ns(self) -> dict[Key, int]:
        """CPU ns of each of our own children at the last look, its descendants and what they reaped included."""
        with self._lock:
            known = self._known
            sums: dict[Key, int] = {}
            for key, one in known.items():
                top, parent = key, one.parent
                while parent is not None and parent in known:
                    top, parent = parent, known[parent].parent
                sums[top] = sums.get(top, 0) + one.total_ns
            return sums

    def _slow_ns(self) -> int:
        with self._lock:
            own: int = REAL.process_time_ns()
            for _ in range(_ATTEMPTS):
                reaped = _reaped_ns()
                found = self._look() if _has_children() else {}
                retired = self._settle(found, reaped)
                if _reaped_ns() == reaped:  # else a child was reaped while we looked, by a thread or a signal handler
                    break
            self._retired_ns = retired
            self._reaped_seen_ns = reaped
            self._known = found  # last: another thread takes the fast path as soon as this is empty
            if not _LINUX and not found:
                portable.all_gone()
            if any(not one.exact for one in found.values()):
                self.basis = Basis.MODELLED
            return own + reaped + retired + sum(one.total_ns for one in found.values())

    def _look(self) -> dict[Key, Descendant]:
        if not _LINUX:
            return portable.descendants()
        last = proc.last_pid()
        now: int = REAL.monotonic_ns()
        if last is None or last != self._last_pid:
            self._last_pid, self._last_pid_since_ns, self._complete = last, now, False
        elif self._complete:
            return dict(self._again())
        elif now - self._last_pid_since_ns > _BIRTH_NS:
            self._complete = True
        return proc.descendants()

    def _again(self) -> Iterator[tuple[Key, Descendant]]:
        """The known descendants: nobody was born since they were listed, so who had no children has reaped nobody."""
        parents = {one.parent for one in self._known.values()}
        for key, old in self._known.items():
            clock = proc.cpu_clock_ns(old.pid) if old.exact and key not in parents else None
            if clock is not None:
                yield key, Descendant(old.pid, old.start, old.parent, clock, True, old.reaped_ns, old.floor_ns)
            elif (one := proc.look(old.pid, old.parent)) is not None and one.start == old.start:
                yield key, one

    def _settle(self, found: dict[Key, Descendant], reaped_ns: int) -> int:
        """What is retired now that those of ``_known`` who are not in ``found`` are gone; completes ``found``."""
        retired = self._retired_ns
        gone: list[Descendant] = []
        for key, old in self._known.items():
            if key in found:
                found[key].floor_ns = old.floor_ns
                continue
            parent = _parent_now(old)
            if parent is None:
                gone.append(old)
            elif (one := _still_ours(old, parent, found)) is not None:
                found[key] = one  # the kernel's list of children may miss one when its neighbour ends
                one.floor_ns = old.floor_ns
            else:
                retired += old.total_ns
        unaccounted = 0
        for old in gone:
            heir = old.parent
            while heir is not None and heir not in found:
                heir = self._known[heir].parent if heir in self._known else None
            if heir is None:
                unaccounted += old.total_ns
            else:
                found[heir].floor_ns += old.total_ns
        missing = unaccounted - (reaped_ns - self._reaped_seen_ns)
        return retired + missing if missing > _ROUNDING_NS else retired

    def _forget(self) -> None:
        """In a forked child: its clock starts at 0, and the lock may be held by a thread that it does not have."""
        self._lock = threading.RLock()
        self._known = {}
        self._retired_ns = self._reaped_seen_ns = 0
        self._last_pid, self._complete = None, False
        self._list_fd = None  # of the parent's children


def _parent_now(old: Descendant) -> int | None:
    """Pid of the parent of a descendant that was not listed; None if it ended."""
    if not _LINUX:
        return None
    status = proc.stat(old.pid)
    return status.ppid if status is not None and status.start == old.start else None


def _still_ours(old: Descendant, parent: int, found: dict[Key, Descendant]) -> Descendant | None:
    if parent == REAL.getpid():
        return proc.look(old.pid, None)
    above = next((key for key in found if key[0] == parent), None)
    return None if above is None else proc.look(old.pid, above)


if sys.platform == "win32":

    def _reaped_ns() -> int:
        return 0  # Windows does not tell: what an ended child was last seen with is retired

else:
    from resource import RUSAGE_CHILDREN, getrusage

    def _reaped_ns() -> int:
        usage = getrusage(RUSAGE_CHILDREN)
        return int((usage[0] + usage[1]) * 1e9 + 0.5)


if sys.platform == "linux":
    from os import P_ALL, WEXITED, WNOHANG, WNOWAIT, waitid

    # Raises ChildProcessError if there are none; whoever ended stays to be waited for.
    _ask_for_children = partial(waitid, P_ALL, 0, WEXITED | WNOHANG | WNOWAIT)

else:

    def _ask_for_children() -> None:
        if not portable.may_have_children():
            raise ChildProcessError


def _has_children() -> bool:
    try:
        _ask_for_children()
    except ChildProcessError:
        return False
    return True


def _keep_over_fork(tree: CpuTree) -> None:
    if not _fork_hooks and hasattr(os, "register_at_fork"):
        # The interpreter lets go of such a hook last of all. By the globals of this module, whose loader is pytest's,
        # it would keep every test of the run until then, and Python's last collections of garbage would walk over them.
        hook = FunctionType(_after_fork.__code__, {"_trees": _trees, "__builtins__": builtins})
        os.register_at_fork(after_in_child=hook)
        _fork_hooks.append(hook)
    _trees.add(tree)


def _after_fork() -> None:
    for tree in list(_trees):
        tree._forget()  # noqa: SLF001 # same module
