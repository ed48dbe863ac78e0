"""The run over time: who drew how much power, and which calls were under way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from msgspec import Struct

from pytest_aifootprint.attribution.balance import Kind
from pytest_aifootprint.attribution.lanes import Lane
from pytest_aifootprint.attribution.over_time import bounds_of, joules_over_time
from pytest_aifootprint.attribution.shares import DomainShares, split_by_host
from pytest_aifootprint.detection.calls import REALNESSES, AICall
from pytest_aifootprint.records.collector import Collector
from pytest_aifootprint.records.domains import MachineData

MOST_BINS = 200
SHORTEST_NS = 10_000_000


class Timeline(Struct, frozen=True):
    """Bins of equal length from the start of metering to its end; columns have an entry for each bin.

    Attributes:
        bin_s: length of a bin. start_s: of each.
        power_w: by domain, watts of ``ai_tests``, ``shared_fixtures``, ``other_tests`` and ``rest`` (idle, other
            processes, this plugin), central values. Times ``bin_s`` they add up to the terms of the balance.
        calls_begun: by realness (``live``, ``replayed``, ``mocked``), calls of tests and fixtures by where they began.
        calls_open: likewise, calls that were under way at some moment of the bin; a row of equal calls as one.
    """

    bin_s: float
    start_s: tuple[float, ...]
    power_w: Mapping[str, Mapping[str, tuple[float, ...]]]
    calls_begun: Mapping[str, tuple[int, ...]]
    calls_open: Mapping[str, tuple[int, ...]]


TERMS = {"ai": "ai_tests", "fixture": "shared_fixtures", "other": "other_tests", "rest": "rest"}


def timeline_of(
    collector: Collector, data: MachineData, shares: Sequence[DomainShares], classify: Callable[[str, int], Kind]
) -> Timeline:
    """The timeline of a run; ``classify`` gives the kind of a (worker, owner)."""
    boot_id = data.selection.host.boot_id
    lanes = list(collector.lanes.values())
    local, far = split_by_host(lanes, boot_id)
    end_ns = data.started_ns + round(data.duration_s * 1e9)
    first, last = bounds_of(local, shares, data.started_ns, end_ns)
    length = max(last - first, 1)
    number = min(MOST_BINS, max(length // SHORTEST_NS, 1))
    bounds = [first + length * i // number for i in range(number + 1)]
    bin_s = length / number / 1e9
    power = {}
    for share in shares:
        joules = joules_over_time(share, lanes, classify, bounds, boot_id)
        power[share.domain] = {TERMS[kind]: tuple(j / bin_s for j in bins) for kind, bins in joules.items()}
    begun = {realness: [0] * number for realness in REALNESSES}
    opened = {realness: [0] * (number + 1) for realness in REALNESSES}
    shifts = _shifts(far, first)
    for worker, call in _calls(collector):
        start = call.started_ns + shifts.get(worker, 0) - first
        i = min(max(start * number // length, 0), number - 1)
        j = min(max((start + call.duration_ns) * number // length, i), number - 1)
        begun[call.realness][i] += call.count
        opened[call.realness][i] += 1
        opened[call.realness][j + 1] -= 1
    return Timeline(
        bin_s=bin_s,
        start_s=tuple((bound - first) / 1e9 for bound in bounds[:-1]),
        power_w=power,
        calls_begun={realness: tuple(column) for realness, column in begun.items()},
        calls_open={realness: tuple(_summed(column[:-1])) for realness, column in opened.items()},
    )


def _calls(collector: Collector) -> Iterator[tuple[str, AICall]]:
    for run in collector.tests:
        for call in run.calls:
            yield run.worker, call
    for worker, window in collector.windows:
        for call in window.calls:
            yield worker, call


def _shifts(far: Sequence[Lane], first_ns: int) -> dict[str, int]:
    """By worker on another machine, what its clock is behind ours, if it began when the run began."""
    starts: dict[str, int] = {}
    for lane in far:
        starts[lane.boot_id] = min(starts.get(lane.boot_id, lane.start_ns), lane.start_ns)
    return {lane.worker: first_ns - starts[lane.boot_id] for lane in far}


def _summed(changes: Sequence[int]) -> Iterator[int]:
    now = 0
    for change in changes:
        now += change
        yield now
