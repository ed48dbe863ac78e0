"""The process tree where other processes have no CPU clock: psutil, imported once a child was started."""

from __future__ import annotations

import os
import sys

from pytest_aifootprint.attribution.proc import Descendant, Key

_NS = 1_000_000_000
_STARTS = frozenset(
    {"subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "_winapi.CreateProcess"}
)
_spawned = False
_watching = False


def watch_spawns() -> None:
    """Note from now on when a child is started; an audit hook stays for the life of the process."""
    global _watching  # noqa: PLW0603 # audit hooks belong to the process and cannot be taken out again
    if not _watching:
        _watching = True
        sys.addaudithook(_note)


def may_have_children() -> bool:
    """A child was started since ``all_gone``, as far as this process can tell without asking the system."""
    # multiprocessing's "spawn" raises no audit event of its own; its set of children is not public, hence the default.
    return _spawned or bool(getattr(sys.modules.get("multiprocessing.process"), "_children", ()))


def all_gone() -> None:
    """No child lives any more."""
    global _spawned  # noqa: PLW0603
    _spawned = False


def descendants() -> dict[Key, Descendant]:
    """All living descendants by psutil; costs milliseconds."""
    import psutil

    found: dict[Key, Descendant] = {}
    keys: dict[int, Key] = {}
    me = os.getpid()
    for process in psutil.Process().children(recursive=True):
        try:
            with process.oneshot():
                times, start, ppid = process.cpu_times(), process.create_time(), process.ppid()
        except psutil.Error:
            continue
        key = keys[process.pid] = (process.pid, start)
        reaped = int((getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0)) * _NS)
        parent = None if ppid == me else keys.get(ppid)
        found[key] = Descendant(
            process.pid, start, parent, int((times.user + times.system) * _NS), False, reaped, reaped
        )
    return found


def _note(event: str, _args: tuple[object, ...]) -> None:
    global _spawned  # noqa: PLW0603
    if event in _STARTS:
        _spawned = True
