"""Whose a card is that is split by MIG: by instance, each by its size.

The driver counts the energy of the whole card and, in MIG mode, tells no utilisation, of nobody (NVML API reference,
nvmlDeviceGetUtilizationRates and nvmlDeviceGetProcessUtilization). What it tells of an instance is how large it is and
which processes hold it. So what the card took above idle is divided among the instances that somebody holds, by their
multiprocessors, as if all of them worked alike; within an instance those that hold it count alike. An instance that
does not tell who holds it counts as held, and so do those that are not to be seen from here: billing a test for what
its neighbours took would be the worse mistake. Nothing of this is measured, and a notice says so.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet

from pytest_aifootprint.meters.gpu import GpuSignals, Holders, Mig
from pytest_aifootprint.quantities import Notice

Parts = tuple[tuple[int, ...] | None, ...]
Held = Sequence[Collection[int] | None]
"""Of each instance the processes that hold it; None where the driver does not tell."""


def shares_by_instance(mig: Mig, held: Held, lane_of: Mapping[int, int | None]) -> dict[int, float]:
    """The part of each lane in what the card takes above idle.

    Args:
        mig: how the card is split.
        held: by whom, at this time.
        lane_of: of every process, the number of its lane; None of those that are not ours.

    Returns:
        Parts of 1 by lane. What is missing to 1 belongs to others.
    """
    shares: dict[int, float] = {}
    whole = _at_work(mig, held)
    for weight, pids in zip(mig.weights, held, strict=True):
        lanes = {lane for pid in pids or () if (lane := lane_of[pid]) is not None}
        others = sum(lane_of[pid] is None for pid in pids or ())
        for lane in lanes:
            shares[lane] = shares.get(lane, 0.0) + weight / whole / (len(lanes) + others)
    return shares


def named_share(mig: Mig, held: Held) -> float:
    """The part of all our processes together where the driver does not show them: of the instances named for us.

    Where the environment names none, those that are to be seen from here are ours.
    """
    mine = mig.mine or frozenset(range(len(mig.weights)))
    everyone = [() if pids is not None and not pids else None for pids in held] or [None] * len(mig.weights)
    for i in mine:
        everyone[i] = None
    return math.fsum(mig.weights[i] for i in mine) / _at_work(mig, everyone)


def carried(holders: Sequence[Holders]) -> list[Parts]:
    """Who holds each instance from every look on; where it stopped telling, those that it told before."""
    found: list[Parts] = []
    for look in holders:
        before = found[-1] if found else look.by_instance
        found.append(tuple([b or None if a is None else a for a, b in zip(look.by_instance, before, strict=True)]))
    return found


def held_by_instance(mig: Mig | None, looks: Sequence[Parts]) -> list[AbstractSet[int] | None]:
    """Everybody who held each instance at some of these looks; None where one of them does not tell."""
    if mig is None:
        return []
    return [
        None if any(pids is None for pids in parts) else {pid for pids in parts for pid in pids or ()}
        for parts in zip(*(looks or [((),) * len(mig.weights)]), strict=True)
    ]


def _at_work(mig: Mig, held: Held) -> float:
    weights = [weight for weight, pids in zip(mig.weights, held, strict=True) if pids is None or pids]
    return math.fsum((mig.unseen, *weights))


def nobody_there(signals: GpuSignals, t_ns: int) -> bool:
    """No process held any instance that is to be seen, at the look before this moment."""
    holders = signals.holders
    i = bisect_right(holders, t_ns, key=lambda look: look.t_ns) - 1
    return i >= 0 and all(pids is not None and not pids for pids in holders[i].by_instance)


def mig_notice(domain: str, signals: GpuSignals, *, invisible: bool) -> Notice:
    """What was assumed, and what is not to be seen from here."""
    mig = signals.mig
    assert mig is not None
    silent = sum(any(look.by_instance[i] is None for look in signals.holders) for i in range(len(mig.weights)))
    message = (
        f"{domain}: the card is split by MIG, and its driver counts the energy of all of it: what is above idle is "
        "divided among the instances that were held, by their multiprocessors, as if all of them worked alike"
    )
    if invisible:
        message += "; the driver shows no process of this run, so its instances count as held throughout"
    if silent:
        message += f"; {silent} of {len(mig.weights)} instances do not tell who holds them, and count as held"
    if mig.unseen:
        part = mig.unseen / (mig.unseen + math.fsum(mig.weights))
        message += (
            f"; {part:.0%} of the card may be instances that are not to be seen from here (that takes the privilege to "
            "monitor MIG), and count as held by others"
        )
    return Notice("gpu-mig", message)
