"""From a port of this machine to the process that listens on it, on Linux.

The kernel lists listening sockets with their addresses (``/proc/net/tcp``), and shows of every process that we may look
into which sockets it has open (``/proc/pid/fd``). Of another user's process it does not.
"""

from __future__ import annotations

import sys
from collections.abc import Container, Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import NamedTuple

from pytest_aifootprint.attribution import proc
from pytest_aifootprint.quantities.unfaked import REAL

_LISTEN = "0A"
_FIRST = (_LISTEN, "03")  # old kernels list connections that are being opened with the socket that listens
_ACCEPTS = "00010000"
_LOCALHOST = ("localhost", "localhost.localdomain")
# Whoever only passes on: the model runs behind it. Names as Linux cuts them, then those of other systems.
PASS_ON = frozenset({
    "systemd", "init", "docker-proxy", "rootlessport", "slirp4netns", "pasta", "pasta.avx2", "gvproxy", "conmon",
    "ssh", "sshd", "kubectl", "socat", "nginx", "haproxy", "envoy", "traefik", "caddy",
    "launchd", "com.docker.backend", "com.docker.backend.exe", "vpnkit", "limactl", "OrbStack Helper", "wslrelay.exe",
})  # fmt: skip


class Listener(NamedTuple):
    """A process that listens, and where it can be seen that it still does."""

    pid: int
    start: int
    path: str
    socket: str


def listeners(host: str, port: int) -> list[Listener]:
    """The processes that answer at an address of this machine, without those that they forked to share the socket.

    Args:
        host: name or address; or the path of a socket file.
        port: of a name or address.

    Returns:
        One for each, the lowest pid first; empty where nobody is seen: nobody listens, the address is another
        machine's, the process is not ours to look into, or it only passes on what it gets (``docker-proxy``, ``ssh``).
    """
    sockets = _sockets(host, port)
    found: dict[int, Listener] = {}
    for pid in _pids(set(sockets.values())) if sockets else ():
        listener = _listener(pid, sockets)
        if listener is not None:
            del sockets[listener.socket]
            listener = _first(listener)
            found[listener.pid] = listener
            if not sockets:
                break
    if sockets or any(proc.name(pid) in PASS_ON for pid in found):
        return []
    return [found[pid] for pid in sorted(found)]


def still_listens(listener: Listener) -> bool:
    """Whether the process has that very socket open: no two sockets have the same number at a time. 3 us."""
    try:
        return bool(REAL.readlink(listener.path) == listener.socket)
    except OSError:
        return False


def is_here(host: str) -> bool:
    """Whether a host's name or address is this machine's, as far as can be told without asking the network."""
    host = host.strip("[]").rstrip(".").lower()
    if host in _LOCALHOST or host.endswith(".localhost"):
        return True
    address = _address(host)
    if address is None:
        return host == (proc.read(f"{proc.ROOT}/sys/kernel/hostname") or "").strip().lower()
    return address.is_loopback or address.is_unspecified or address in _own_addresses()


def _sockets(host: str, port: int) -> dict[str, int]:
    """Names of the listening sockets, of any process, that answer at the address, with the users who opened them."""
    if host.startswith("/"):
        return {f"socket:[{number}]": _user_of(host) for number in _listening_at(host)}
    if not is_here(host):
        return {}
    wanted = _address(host.strip("[]"))
    ranked = [(_fits(address, wanted), f"socket:[{number}]", user) for address, number, user in _listening(port)]
    # A socket bound to the address itself comes before one that is bound to all.
    best = max((rank for rank, _, _ in ranked), default=0)
    return {name: user for rank, name, user in ranked if rank == best > 0}


def _fits(bound: IPv4Address | IPv6Address, wanted: IPv4Address | IPv6Address | None) -> int:
    """2: this very address (of a name: some loopback address); 1: all addresses, this one with them; 0: no."""
    if wanted is None or wanted.is_unspecified:
        return 2 if bound.is_loopback else int(bound.is_unspecified)
    if bound == wanted:
        return 2
    # A socket on all IPv6 addresses takes IPv4 as well, unless it says otherwise.
    return int(bound.is_unspecified and bound.version in (wanted.version, 6))


def _listening(port: int) -> Iterator[tuple[IPv4Address | IPv6Address, str, int]]:
    """Address, number and user of every socket that listens on the port."""
    wanted = f":{port:04X}"
    for table in ("tcp", "tcp6"):
        for line in _lines(f"self/net/{table}"):
            fields = line.split(None, 10)
            if len(fields) < 10 or fields[0] == "sl":
                continue
            if fields[3] not in _FIRST:
                break  # the kernel lists those that listen first; the others may be thousands, at 10 us each
            if fields[1].endswith(wanted) and fields[3] == _LISTEN:
                yield _unhex(fields[1].partition(":")[0]), fields[9], int(fields[7])


def _listening_at(path: str) -> Iterator[str]:
    """Number of every socket that listens at a file (/proc/net/unix: flags in field 4, number and path in 7 and 8)."""
    for line in _lines("self/net/unix"):
        fields = line.split(None, 7)
        if len(fields) == 8 and fields[7] == path and fields[3] == _ACCEPTS:
            yield fields[6]


def _unhex(text: str) -> IPv4Address | IPv6Address:
    """An address as the kernel prints it: words of four bytes in the machine's own order."""
    raw = bytes.fromhex(text)
    if sys.byteorder == "little":
        raw = b"".join(raw[i : i + 4][::-1] for i in range(0, len(raw), 4))
    if len(raw) == 4:
        return IPv4Address(raw)
    address = IPv6Address(raw)
    return address.ipv4_mapped or address


def _own_addresses() -> set[IPv4Address | IPv6Address]:
    own: set[IPv4Address | IPv6Address] = set()
    before = ""
    for line in _lines("self/net/fib_trie"):
        if line.endswith("/32 host LOCAL") and (address := _address(before.rpartition(" ")[2])) is not None:
            own.add(address)
        before = line
    own.update(IPv6Address(bytes.fromhex(line[:32])) for line in _lines("self/net/if_inet6"))
    return own


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address


def _lines(path: str) -> Iterator[str]:
    return proc.lines(f"{proc.ROOT}/{path}")


def _pids(users: set[int]) -> list[int]:
    """Processes that may have sockets of these users, the likeliest first: looking into all of them takes long.

    Their own come first, the youngest before the others: a server was mostly started not long ago. Root may also look
    into those of others, who took the socket over.
    """
    by_user = {int(entry): _user_of(f"{proc.ROOT}/{entry}") for entry in REAL.listdir(proc.ROOT) if entry.isdecimal()}
    own = sorted((pid for pid, user in by_user.items() if user in users), reverse=True)
    return own + sorted(by_user.keys() - own, reverse=True) if REAL.getuid() == 0 else own


def _user_of(path: str) -> int:
    """The user whose a process or a file is; -1 if it is gone."""
    try:
        return int(REAL.stat(path).st_uid)
    except OSError:
        return -1


def _listener(pid: int, sockets: Container[str]) -> Listener | None:
    """The process, if one of these sockets is open in it."""
    folder = f"{proc.ROOT}/{pid}/fd"
    try:
        numbers: list[str] = REAL.listdir(folder)
    except OSError:
        return None  # gone, or not ours to look into
    for number in numbers:
        path = f"{folder}/{number}"
        try:
            target: str = REAL.readlink(path)
        except OSError:
            continue
        if target in sockets and (status := proc.stat(pid)) is not None:
            return Listener(pid, status.start, path, target)
    return None


def _first(listener: Listener) -> Listener:
    """The one that opened the socket: it forked the others, who share it."""
    while (status := proc.stat(listener.pid)) is not None and status.ppid > 1:
        # What starts servers on demand holds their sockets, too, but did not fork them to work for it.
        above = None if proc.name(status.ppid) in PASS_ON else _listener(status.ppid, {listener.socket})
        if above is None:
            break
        listener = above
    return listener
