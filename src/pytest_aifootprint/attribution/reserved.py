"""Reserved time: on a machine that is there for the tests alone, its idle power is theirs (method: section 6).

At every moment the idle power belongs in equal parts to the windows that are open, on all workers of the machine; while
none is open, to nobody.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct

from pytest_aifootprint.attribution.lanes import Lane
from pytest_aifootprint.attribution.shares import DomainShares, OwnerKey
from pytest_aifootprint.quantities.changed import replace


class Reserved(Struct, frozen=True):
    """Who had the machine, tick by tick.

    Attributes:
        owners: for each tick, ns of every (worker, owner). nobody: for each tick, ns without an open window.
    """

    owners: Sequence[dict[OwnerKey, float]]
    nobody: Sequence[float]

    def seconds(self) -> dict[OwnerKey, float]:
        """Reserved seconds of every owner, over all ticks."""
        sums: dict[OwnerKey, float] = {}
        for tick in self.owners:
            for key, ns in tick.items():
                sums[key] = sums.get(key, 0.0) + ns * 1e-9
        return sums


def reserve(lanes: Sequence[Lane], bounds: Sequence[int]) -> Reserved:
    """Divide the time between the first and the last bound equally among the windows open at each moment.

    Args:
        lanes: of one machine.
        bounds: of ticks, ns of CLOCK_MONOTONIC, rising; at least two.
    """
    owners: list[dict[OwnerKey, float]] = [{} for _ in bounds[1:]]
    nobody = [0.0] * len(owners)
    first, last = bounds[0], bounds[-1]
    steps = sorted((min(max(t, first), last), n, key, weight) for n, (t, key, weight) in enumerate(_steps(lanes)))
    open_now: dict[OwnerKey, int] = {}
    tick, at = 0, first

    def pass_until(end: int) -> None:
        nonlocal tick, at
        n = sum(open_now.values())
        while at < end:
            if at >= bounds[tick + 1]:
                tick += 1
                continue
            until = min(end, bounds[tick + 1])
            if n > 0:
                used = owners[tick]
                for key, weight in open_now.items():
                    used[key] = used.get(key, 0.0) + (until - at) * weight / n
            else:
                nobody[tick] += until - at
            at = until

    for t, _, key, weight in steps:
        pass_until(t)
        now = open_now.pop(key, 0) + weight
        if now:
            open_now[key] = now
    pass_until(last)
    return Reserved(owners, nobody)


def _steps(lanes: Sequence[Lane]) -> Iterator[tuple[int, OwnerKey, int]]:
    """When an owner's number of open windows changes; one inside another takes the outer one's place."""
    for lane in lanes:
        for span in lane.spans():
            key = (lane.worker, span.owner)
            yield span.t0_ns, key, span.sign
            yield span.t1_ns, key, -span.sign
        for piece in lane.pieces():
            if piece.time_ns:
                key = (lane.worker, piece.owner)
                yield piece.t0_ns, key, 1
                yield piece.t1_ns, key, -1


def share_idle(shares: DomainShares, reserved: Reserved, idle_j: Sequence[float]) -> DomainShares:
    """Give a domain's idle joules to those who had the machine.

    Args:
        shares: of the domain.
        reserved: over the ticks of ``idle_j``.
        idle_j: of every tick.

    Returns:
        The shares with ``reserved`` filled; what is left in ``idle_j`` is of the time when nobody had it, and of
        machines that are not this one.
    """
    mine: dict[OwnerKey, float] = {}
    left = 0.0
    for joules, owners, nobody in zip(idle_j, reserved.owners, reserved.nobody, strict=True):
        whole = sum(owners.values()) + nobody
        if not whole:
            left += joules
            continue
        left += joules * nobody / whole
        for key, ns in owners.items():
            mine[key] = mine.get(key, 0.0) + joules * ns / whole
    elsewhere = shares.idle_j - sum(idle_j)
    part = left + max(elsewhere, 0.0)
    modelled = shares.modelled_idle_j / shares.idle_j if shares.idle_j else 0.0
    return replace(shares, reserved=mine, idle_j=part, modelled_idle_j=part * modelled, reserved_modelled=modelled)
