"""What the calls of a run made local servers use, put where the rest of their owners' CPU stands."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from pytest_aifootprint.attribution.lanes import PHASES
from pytest_aifootprint.attribution.servers import pieces_of_calls
from pytest_aifootprint.detection.calls import AICall
from pytest_aifootprint.detection.servers import UNSEEN, ServerTimes
from pytest_aifootprint.records.collector import Collector
from pytest_aifootprint.records.raw import TestRun


class _Served(NamedTuple):
    call: AICall
    worker: str
    owner: int | None
    phase: int
    server: ServerTimes


def book_servers(collector: Collector) -> None:
    """Add the CPU of local servers to the lanes and phases of the tests and fixtures that called them.

    All calls of the run to one server share one clock, whichever worker they came from. A call whose readings of it go
    backwards was not metered: from here on its server counts as unseen, and it is priced by an estimate.
    """
    served = list(_served(collector))
    if not served:
        return
    hosts = {worker: lane.boot_id for worker, lane in collector.lanes.items()}
    bill = pieces_of_calls((one[1:] for one in served), hosts if len(set(hosts.values())) > 1 else None)
    attempts = {
        (run.worker, owner): (run, number) for run in collector.tests for number, owner in enumerate(run.owners, 1)
    }
    for worker, pieces in bill.pieces.items():
        lane = collector.lanes[worker]
        for piece in pieces:
            lane.flat_pieces.extend(piece)
            owner, phase, t0, _, cpu_ns, _ = piece
            if (found := attempts.get((worker, owner))) is not None:
                run, number = found
                # CPU of the phase that took none of its time: somebody else worked.
                run.edges += (number, phase, t0, t0, 0, cpu_ns)
    for index in bill.ignored:
        call = served[index].call
        call.server = None
        call.notices = (*call.notices, UNSEEN)


def server_cpu_s(calls: Iterable[AICall]) -> float:
    """CPU seconds of local servers that these calls bear if no others were open at the same time."""
    bill = pieces_of_calls(("", 0, 0, call.server) for call in calls if call.server is not None)
    return sum(piece[4] for pieces in bill.pieces.values() for piece in pieces) / 1e9


def _served(collector: Collector) -> Iterator[_Served]:
    """The calls that have server times; those outside every window bear their part, too, but for nobody."""
    owned: list[tuple[str, int | None, AICall]] = []
    for run in collector.tests:
        owned += ((run.worker, owner, call) for owner, call in _by_attempt(run))
    for worker, window in collector.windows:
        owned += ((worker, window.index, call) for call in window.calls)
    owned += (("", None, call) for call in collector.unowned)
    for worker, owner, call in owned:
        if call.server is not None:
            phase = PHASES.index(call.phase) if call.phase in PHASES else 0
            yield _Served(call, worker, owner, phase, call.server)


def _by_attempt(run: TestRun) -> Iterator[tuple[int, AICall]]:
    """Each call with the owner number of its attempt."""
    attempt = 1
    for index, call in enumerate(run.calls):
        while attempt <= len(run.calls_until) and index >= run.calls_until[attempt - 1]:
            attempt += 1
        yield run.owner_of(attempt), call
