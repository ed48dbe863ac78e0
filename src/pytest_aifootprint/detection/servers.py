"""What detection asks about a server on this machine, and what it is told. Who answers is made by the session."""

from __future__ import annotations

from typing import NamedTuple, Protocol

UNSEEN = "server-unseen"
"""Code of the notice on a call whose server worked where its CPU clock cannot be read."""

OURS = ""
"""The server runs inside this run's own processes, whose CPU clock has its work already: nothing to add, or to say."""

OWN = "own-server"
"""This very process listens: what answers is the test's own fake."""

ServerTimes = tuple[int, int, int, int, int, int]
"""A call as its server's clock saw it: pid, start of the process, then t0, t1 (CLOCK_MONOTONIC) and c0, c1, in ns."""


class ServerSample(NamedTuple):
    """The CPU clock of a server and of the processes that it started, at a moment.

    Attributes:
        pid, start: what identifies the server on this machine.
        t_ns: CLOCK_MONOTONIC. c_ns: its CPU clock.
    """

    pid: int
    start: int
    t_ns: int
    c_ns: int


class ServerWatch(Protocol):
    """Finds the server behind an address of this machine, or of its private network, and reads its CPU clock."""

    def __call__(self, host: str, port: int) -> ServerSample | str:
        """A sample now; without one, ``UNSEEN``, ``OURS`` or ``OWN``. Must not raise."""


def times_of(begin: ServerSample | str, end: ServerSample | str) -> ServerTimes | str:
    """The server's clock over a call; without it, why there is none, as a watch says it.

    A server that was another one at the end (it ended, or was started again) was not seen for the whole call.
    """
    if isinstance(begin, str):
        return begin
    if isinstance(end, str) or end[:2] != begin[:2]:
        return UNSEEN
    return (begin.pid, begin.start, begin.t_ns, end.t_ns, begin.c_ns, end.c_ns)
