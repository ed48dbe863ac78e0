"""Is a port on this machine bound by this very process? Then what answers there is the test's own fake."""

from __future__ import annotations

import os
import sys

_LISTEN = "0A"
_FIRST = (_LISTEN, "03")  # old kernels list connections that are being opened with the socket that listens
_TABLES = ("/proc/self/net/tcp", "/proc/self/net/tcp6")


class OwnPorts:
    """Remembers where it found a listening socket, and checks only that it is still there."""

    def __init__(self) -> None:
        self._ours: dict[int, tuple[str, str]] = {}
        self._not_ours: set[tuple[int, int]] = set()

    def bound_here(self, port: int, epoch: int) -> bool:
        """Whether this process listens on the port.

        Args:
            port: on this machine.
            epoch: a no is believed for as long as this stays the same (a test, say).

        Raises:
            OSError: the answer cannot be had.
        """
        if not sys.platform.startswith("linux"):
            return _bound_here_psutil(port)
        known = self._ours.get(port)
        if known is not None:
            try:
                if os.readlink(known[0]) == known[1]:  # noqa: PTH115 - as below
                    return True
            except OSError:
                pass
            del self._ours[port]
        if (port, epoch) in self._not_ours:
            return False
        found = _find(port)
        if found is not None:
            self._ours[port] = found
            return True
        if len(self._not_ours) > 1024:
            self._not_ours.clear()
        self._not_ours.add((port, epoch))
        return False


def _find(port: int) -> tuple[str, str] | None:
    """The file descriptor's path and the socket's name, of a socket of this process that listens on the port."""
    sockets = _listening(port)
    if not sockets:
        return None
    for number in os.listdir("/proc/self/fd"):  # noqa: PTH208 - as below
        path = f"/proc/self/fd/{number}"
        try:
            target = os.readlink(path)  # noqa: PTH115 - a Path costs more than the call
        except OSError:
            continue  # closed since
        if target in sockets:
            return path, target
    return None


def _listening(port: int) -> set[str]:
    """Names of the sockets, of any process, that listen on the port."""
    wanted = f":{port:04X}"
    found: set[str] = set()
    for table in _TABLES:
        try:
            with open(table, encoding="ascii") as lines:  # noqa: PTH123 - a Path costs more than the read
                for line in lines:
                    fields = line.split(None, 10)
                    if len(fields) < 10 or fields[0] == "sl":
                        continue
                    if fields[3] not in _FIRST:
                        break  # the kernel lists those that listen first; the others may be thousands, at 10 us each
                    if fields[1].endswith(wanted) and fields[3] == _LISTEN:
                        found.add(f"socket:[{fields[9]}]")
        except FileNotFoundError:
            continue  # no IPv6 here
    return found


def _bound_here_psutil(port: int) -> bool:
    import psutil

    process = psutil.Process()
    try:
        sockets = process.net_connections("tcp")
    except psutil.Error as error:
        raise OSError(str(error)) from error
    return any(s.status == psutil.CONN_LISTEN and tuple(s.laddr)[1:2] == (port,) for s in sockets)
