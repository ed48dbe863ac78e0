"""The process tree where other processes have no CPU clock: psutil, imported once a child was started."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

from pytest_aifootprint.attribution.listeners import PASS_ON, Listener
from pytest_aifootprint.attribution.proc import Descendant, Key

if TYPE_CHECKING:
    import psutil

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

    return _described(psutil.Process().children(recursive=True), {})


def trees(pids: Iterable[int]) -> dict[Key, Descendant]:
    """Processes with all their living descendants, each once; costs milliseconds."""
    import psutil

    found: dict[Key, Descendant] = {}
    keys: dict[int, Key] = {}
    for pid in pids:
        try:
            process = psutil.Process(pid)
            family = [process, *process.children(recursive=True)]
        except psutil.Error:
            continue
        found.update(_described([one for one in family if one.pid not in keys], keys))
    return found


def look(pid: int, parent: Key | None) -> Descendant | None:
    """One process now; None if it is gone."""
    import psutil

    try:
        (one,) = _described([psutil.Process(pid)], {}).values()
    except (psutil.Error, ValueError):
        return None
    one.parent = parent
    return one


def ancestors(pid: int) -> list[int]:
    """Pids of a process's parent, its parent's parent, and so on, as far as they can be seen."""
    import psutil

    try:
        return [process.pid for process in psutil.Process(pid).parents()]
    except psutil.Error:
        return []


def command(pid: int) -> list[str]:
    """The words of the process's command line; empty if it is gone, or not ours to see."""
    import psutil

    try:
        return list(psutil.Process(pid).cmdline())
    except psutil.Error:
        return []


def last_pid() -> str | None:
    """Nobody tells which pid was given out last."""
    return None


def is_here(host: str) -> bool:
    """Whether a host's name or address is this machine's loopback: of others nobody tells without the network."""
    return host.strip("[]") in {"localhost", "::1", "0.0.0.0", "::"} or host.startswith("127.")  # noqa: S104 - compared


def listeners(host: str, port: int) -> list[Listener]:
    """The processes that listen on a port of this machine, as far as they are ours to see.

    Costs up to a second on macOS, where only root may ask for the sockets of the whole machine at once.
    """
    if not is_here(host):
        return []
    import psutil

    found: dict[int, Listener] = {}
    for process in psutil.process_iter():
        try:
            if any(s.status == psutil.CONN_LISTEN and s.laddr[1] == port for s in process.net_connections("tcp")):
                if process.name() in PASS_ON:
                    return []
                start = int(process.create_time() * 1000)
                found[process.pid] = Listener(process.pid, start, "", str(port))
        except psutil.Error:
            continue
    # Those whom one of the others forked share its socket.
    return [found[pid] for pid in sorted(found) if set(ancestors(pid)).isdisjoint(found)]


def still_listens(listener: Listener) -> bool:
    """Whether the process lives; that it still has the socket open would cost too much to ask."""
    import psutil

    try:
        return int(psutil.Process(listener.pid).create_time() * 1000) == listener.start
    except psutil.Error:
        return False


def _described(processes: Iterable[psutil.Process], keys: dict[int, Key]) -> dict[Key, Descendant]:
    """What is known of living processes; ``keys`` are those of their parents, and grow."""
    import psutil

    found: dict[Key, Descendant] = {}
    for process in processes:
        try:
            with process.oneshot():
                times, start, ppid = process.cpu_times(), process.create_time(), process.ppid()
        except psutil.Error:
            continue
        key = keys[process.pid] = (process.pid, start)
        reaped = int((getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0)) * _NS)
        clock = int((times.user + times.system) * _NS)
        found[key] = Descendant(process.pid, start, keys.get(ppid), clock, False, reaped, reaped)
    return found


def _note(event: str, _args: tuple[object, ...]) -> None:
    global _spawned  # noqa: PLW0603
    if event in _STARTS:
        _spawned = True
