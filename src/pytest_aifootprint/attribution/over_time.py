"""When the joules of a domain were taken, and by whom: what a balance says of a whole run, bin by bin.

A term's bins add up to the term of the balance. Where in the run its joules lie is as exact as the meter: a counter
says it tick by tick; a load model goes by CPU seconds, which are known at the edges of windows and even in between, and
its idle power is constant.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import accumulate, pairwise

from pytest_aifootprint.attribution.balance import Kind
from pytest_aifootprint.attribution.lanes import Lane
from pytest_aifootprint.attribution.shares import DomainShares, OwnerKey, split_by_host
from pytest_aifootprint.attribution.ticks import extent, owner_of, used_in

KINDS: tuple[Kind, ...] = ("ai", "fixture", "other")
REST = "rest"
"""What no test and no fixture took: idle, other processes, this plugin."""

Classify = Callable[[str, int], Kind]
Bins = list[float]


def joules_over_time(
    shares: DomainShares, lanes: Sequence[Lane], classify: Classify, bounds: Sequence[int], boot_id: str | None
) -> dict[str, Bins]:
    """Joules of a domain in each bin, by kind of owner and ``REST``.

    Args:
        shares: of the domain.
        lanes: all processes that ran tests.
        classify: the kind of a (worker, owner).
        bounds: of the bins, ns of CLOCK_MONOTONIC, rising; they go round all windows and readings of this machine.
        boot_id: of this machine. The clock of another has nothing to do with this one: its lanes are taken as begun
            when the run began.
    """
    local, far = split_by_host(lanes, boot_id)
    ticks, metered = _ticks(shares, bounds)
    steps = list(pairwise(ticks))
    placed: dict[str, Bins] = {kind: [0.0] * len(steps) for kind in KINDS}
    away = {lane.worker for lane in far}
    weights = _weights(shares, local, classify, ticks) if shares.owners else {}
    near = {key: joules for key, joules in shares.owners.items() if key[0] not in away} if away else shares.owners
    _place(placed, _of_kind(near, classify), weights, steps)
    if shares.reserved:
        time = _by_kind(used_in(ticks, local, "time"), local, classify, None)
        _place(placed, _of_kind(shares.reserved, classify), time, steps)
    for host in dict.fromkeys(lane.boot_id for lane in far):
        of_host = [lane for lane in far if lane.boot_id == host]
        workers = {lane.worker for lane in of_host}
        theirs = {key: joules for key, joules in shares.owners.items() if key[0] in workers}
        _place(placed, _of_kind(theirs, classify), _far_weights(of_host, classify, ticks), steps)
    rest_j = math.fsum((shares.other_processes_j, shares.idle_j, shares.plugin_j))
    left = [max(m - sum(placed[kind][i] for kind in KINDS), 0.0) for i, m in enumerate(metered)]
    placed[REST] = [0.0] * len(steps)
    _place(placed, {REST: rest_j}, {REST: left}, steps)
    return {kind: _rebinned(ticks, joules, bounds) for kind, joules in placed.items()}


def _ticks(shares: DomainShares, bounds: Sequence[int]) -> tuple[list[int], Bins]:
    """Moments that the domain's joules are known at, from the first to the last bound; and those metered in between."""
    if len(shares.bounds_ns) < 2:
        return list(bounds), []
    ticks, metered = list(shares.bounds_ns), list(shares.metered_by_tick_j)
    if bounds[0] < ticks[0]:
        ticks.insert(0, bounds[0])
        metered.insert(0, 0.0)
    if bounds[-1] > ticks[-1]:
        ticks.append(bounds[-1])
        metered.append(0.0)
    return ticks, metered


def _weights(
    shares: DomainShares, local: Sequence[Lane], classify: Classify, ticks: Sequence[int]
) -> Mapping[str, Bins]:
    """What the owners' joules in each tick are in proportion to."""
    offset = 1 if len(ticks) > len(shares.bounds_ns) and shares.bounds_ns and ticks[0] < shares.bounds_ns[0] else 0
    if shares.used_by_tick:
        used: list[Mapping[int, int]] = [{} for _ in ticks[1:]]
        price = [0.0] * len(used)
        used[offset : offset + len(shares.used_by_tick)] = shares.used_by_tick
        price[offset : offset + len(shares.price_by_tick)] = shares.price_by_tick
        return _by_kind(used, local, classify, price)
    if not shares.bounds_ns:
        return _by_kind(used_in(ticks, local, "cpu"), local, classify, None)
    # A card goes by time, and by what it took above idle then.
    active = [0.0] * (len(ticks) - 1)
    for i, (joules, idle) in enumerate(zip(shares.metered_by_tick_j, shares.idle_by_tick_j, strict=True)):
        active[offset + i] = (joules - idle) / max(shares.bounds_ns[i + 1] - shares.bounds_ns[i], 1)
    return _by_kind(used_in(ticks, local, "time"), local, classify, active)


def _far_weights(lanes: Sequence[Lane], classify: Classify, ticks: Sequence[int]) -> Mapping[str, Bins]:
    moments = [t for lane in lanes for t in extent(lane)]
    if not moments:
        return {}
    shift = ticks[0] - min(moments)
    theirs = [t - shift for t in ticks]
    theirs[-1] = max(theirs[-1], *moments)
    return _by_kind(used_in(theirs, lanes, "cpu"), lanes, classify, None)


def _by_kind(
    used: Sequence[Mapping[int, int]], lanes: Sequence[Lane], classify: Classify, price: Sequence[float] | None
) -> dict[str, Bins]:
    sums: dict[str, Bins] = {kind: [0.0] * len(used) for kind in KINDS}
    kinds: dict[int, Bins] = {}
    for i, tick in enumerate(used):
        each = 1.0 if price is None else price[i]
        for code, ns in tick.items():
            column = kinds.get(code)
            if column is None:
                number, owner = owner_of(code)
                column = kinds[code] = sums[classify(lanes[number].worker, owner)]
            column[i] += ns * each
    return sums


def _of_kind(joules: Mapping[OwnerKey, float], classify: Classify) -> dict[str, float]:
    """Joules by kind of owner."""
    sums: dict[str, Bins] = {kind: [] for kind in KINDS}
    for (worker, owner), energy_j in joules.items():
        if energy_j:
            sums[classify(worker, owner)].append(energy_j)
    return {kind: math.fsum(parts) for kind, parts in sums.items()}


def _place(
    placed: Mapping[str, Bins],
    joules: Mapping[str, float],
    weights: Mapping[str, Sequence[float]],
    steps: Sequence[tuple[int, int]],
) -> None:
    """Put joules where their weights are; where there are none, evenly over the time."""
    for kind, whole_j in joules.items():
        if not whole_j:
            continue
        mine = [max(weight, 0.0) for weight in weights.get(kind, ())]
        whole = math.fsum(mine)
        if not whole:
            mine = [float(end - start) for start, end in steps]
            whole = math.fsum(mine)
        column = placed[kind]
        for i, weight in enumerate(mine):
            column[i] += whole_j * (weight / whole)


def _rebinned(ticks: Sequence[int], joules: Sequence[float], bounds: Sequence[int]) -> Bins:
    """Joules of ticks in other bins; within a tick they are even."""
    if list(ticks) == list(bounds):
        return list(joules)
    so_far = [0.0, *accumulate(joules)]

    def until(t_ns: int) -> float:
        i = min(max(bisect_right(ticks, t_ns) - 1, 0), len(joules) - 1)
        length = ticks[i + 1] - ticks[i]
        part = min(max((t_ns - ticks[i]) / length, 0.0), 1.0) if length > 0 else 1.0
        return so_far[i] + joules[i] * part

    at = [until(t_ns) for t_ns in bounds]
    return [b - a for a, b in pairwise(at)]


def bounds_of(lanes: Iterable[Lane], shares: Iterable[DomainShares], start_ns: int, end_ns: int) -> tuple[int, int]:
    """The first and the last moment of anything that lanes and counters of this machine know of."""
    moments = [start_ns, end_ns]
    moments += [t for lane in lanes for t in extent(lane)]
    moments += [t for share in shares for t in (*share.bounds_ns[:1], *share.bounds_ns[-1:])]
    return min(moments), max(moments)
