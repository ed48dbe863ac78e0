"""Who uses a card, moment by moment: our processes, each with its lane, and others (method: section 2).

Rules, best first. *Alone*: only one process tree of ours has a context; all that the card does is its work.
*By process load*: several have one, and the driver says how busy each kept the card. *By time*: several have one and
the driver does not say, or it does not show the processes that are ours, as in a container whose driver gives the
host's pids: then all that could be at work count alike, and a notice says so (*unseen*). If the driver stops telling
in the middle of a run, those who used the card before count as its users (*before*). A card that is split by MIG has a
rule of its own, by *instance* (``gpu_mig``).
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from itertools import pairwise

from msgspec import Struct

from pytest_aifootprint.attribution.gpu_mig import carried, held_by_instance, named_share, shares_by_instance
from pytest_aifootprint.attribution.lanes import Lane
from pytest_aifootprint.meters.gpu import GpuSignals, Holders, ProcessLoad

Weights = Mapping[int, float]

POOL_NS = 10_000_000_000


class Stretch(Struct, frozen=True):
    """A time in which the card's users do not change.

    Attributes:
        active: share of each lane, by its number, in what the card does above rest. held: likewise in what contexts
            cost while it rests. What is missing to 1 belongs to others.
        ours: whether a process of ours has a context.
        rule: which was used: alone, load, time, unseen, before, instance.
    """

    start_ns: int
    end_ns: int
    active: Weights
    held: Weights
    ours: bool
    rule: str


class _Load(Struct, frozen=True):
    """How busy each lane, and None for others, kept the card; ``present``: those who did."""

    t0_ns: int
    t1_ns: int
    percent: Mapping[int | None, int]
    present: frozenset[int | None]


class GpuUsers:
    """The stretches of a run.

    Args:
        signals: of the card. lanes: of this machine, numbered by their place. pids: of the lanes' processes.
        start_ns, end_ns: of the run.

    Attributes:
        stretches: in order, without a gap. invisible: the driver shows nobody of ours, although somebody works.
    """

    def __init__(
        self, signals: GpuSignals, lanes: Sequence[Lane], pids: Mapping[str, int], start_ns: int, end_ns: int
    ) -> None:
        self._signals = signals
        self._mig = signals.mig
        self._lanes = lanes
        self._lane_of_pid = {pids[lane.worker]: n for n, lane in enumerate(lanes) if lane.worker in pids}
        self._group: dict[int, int | None] = {pid: self._find(pid) for pid in self._all_pids()}
        self.invisible = self._is_invisible()
        at_rest = {pid for h in signals.holders[:1] for pid in h.pids or ()}
        self._changes = [h.t_ns for h in signals.holders]
        self._pids = _carried(signals.holders)
        self._parts = carried(signals.holders)
        self._loads = [self._grouped(load) for load in signals.loads]
        self._load_starts = [load.t0_ns for load in self._loads]
        self._listed = {pid for h in signals.holders for pid in h.pids or ()}
        self._busy_pids: dict[int | None, set[int]] = {}
        for pid in {pid for load in signals.loads for pid, part in load.percent.items() if part > 0}:
            self._busy_pids.setdefault(self._group[pid], set()).add(pid)
        self._newcomers = {pid for pid in self._group if pid not in at_rest}
        bounds = self._bounds(start_ns, end_ns)
        self.stretches = [self._stretch(a, b) for a, b in pairwise(bounds)]
        self._starts = [s.start_ns for s in self.stretches]

    def ours_at(self, t_ns: int) -> bool:
        """Whether a process of ours has, or may have, a context at this moment."""
        i = bisect_right(self._starts, t_ns) - 1
        return bool(self.stretches) and self.stretches[max(i, 0)].ours

    def surely_at(self, t_ns: int) -> bool | None:
        """The same; None between two looks that differ."""
        following = bisect_right(self._changes, t_ns)
        if following < len(self._changes) and self._signals.holders[following].before_ns <= t_ns:
            return None
        return self.ours_at(t_ns)

    def _all_pids(self) -> set[int]:
        found = {pid for holders in self._signals.holders for pid in holders.pids or ()}
        return found | {pid for load in self._signals.loads for pid in load.percent}

    def _find(self, pid: int) -> int | None:
        """The lane of a process, by its nearest ancestor that is one; None for others."""
        for ancestor in self._signals.ancestors.get(pid) or (pid,):
            if ancestor in self._lane_of_pid:
                return self._lane_of_pid[ancestor]
        return None

    def _is_invisible(self) -> bool:
        signals = self._signals
        if any(group is not None for group in self._group.values()):
            return False
        if all(h.pids is None for h in signals.holders):
            return True
        if self._group:
            return not any(signals.ancestors.get(pid) for pid in self._group)
        return any(percent > 0 for percent in signals.load_percent)

    def _bounds(self, start_ns: int, end_ns: int) -> list[int]:
        moments = {start_ns, end_ns}
        moments.update(t for h in self._signals.holders for t in (h.before_ns, h.t_ns))
        for load in self._signals.loads:
            moments.update((load.t0_ns, load.t1_ns))
        for lane in self._lanes:
            moments.update((lane.start_ns or start_ns, lane.end_ns or end_ns))
        return sorted(t for t in moments if start_ns <= t <= end_ns)

    def _stretch(self, start_ns: int, end_ns: int) -> Stretch:
        there = [n for n, lane in enumerate(self._lanes) if _runs(lane, start_ns, end_ns)]
        mig = self._mig
        pids = self._holders(start_ns, end_ns)
        lanes = sorted({n for pid in pids if (n := self._group[pid]) is not None})
        told = self._told(start_ns)
        if self.invisible or not (told or lanes):
            mine = 1.0 if mig is None else named_share(mig, self._by_instance(start_ns, end_ns))
            even = dict.fromkeys(there, mine / len(there)) if there else {}
            return Stretch(start_ns, end_ns, even, even, ours=False, rule="unseen" if mig is None else "instance")
        others = [pid for pid in pids if self._group[pid] is None]
        ours = bool(lanes)
        if mig is not None:
            shares = shares_by_instance(mig, self._by_instance(start_ns, end_ns), self._group)
            return Stretch(start_ns, end_ns, shares, shares, ours=ours, rule="instance")
        newcomers = sum(pid in self._newcomers for pid in others)
        held = dict.fromkeys(lanes, 1 / (len(lanes) + newcomers)) if lanes else {}
        by_load = self._by_load(start_ns, end_ns, pids if told else None)
        if by_load is not None:
            rule = "alone" if math.isclose(max(by_load.values(), default=1.0), 1.0) else "load"
            return Stretch(start_ns, end_ns, by_load, held, ours=ours, rule=rule)
        even = dict.fromkeys(lanes, 1 / (len(lanes) + len(others))) if lanes else {}
        rule = "time" if lanes and len(lanes) + len(others) > 1 else "alone"
        rule = rule if told else "before"
        return Stretch(start_ns, end_ns, even, held, ours=ours, rule=rule)

    def _holders(self, start_ns: int, end_ns: int) -> set[int]:
        """Everybody with a context in this time."""
        return {pid for i in self._looks(start_ns, end_ns) for pid in self._pids[i]}

    def _by_instance(self, start_ns: int, end_ns: int) -> list[AbstractSet[int] | None]:
        """The same for each MIG instance."""
        return held_by_instance(self._mig, [self._parts[i] for i in self._looks(start_ns, end_ns)])

    def _looks(self, start_ns: int, end_ns: int) -> Iterator[int]:
        """Numbers of the looks that hold in this time; who is new may have been there since the look before."""
        holders = self._signals.holders
        i = max(bisect_right(self._changes, start_ns) - 1, 0)
        while i < len(holders) and holders[i].before_ns < end_ns:
            yield i
            i += 1

    def _told(self, t_ns: int) -> bool:
        """Whether the driver said who has a context at this moment."""
        i = max(bisect_right(self._changes, t_ns) - 1, 0)
        return i < len(self._pids) and self._signals.holders[i].pids is not None

    def _by_load(self, start_ns: int, end_ns: int, holders: AbstractSet[int] | None) -> Weights | None:
        loads = self._loads
        i = bisect_right(self._load_starts, start_ns) - 1
        if i < 0 or end_ns > loads[i].t1_ns or not loads[i].present:
            return None
        # The driver looks five times a second, and sees one process at a time: a few looks say who is there, many say
        # how much. Neighbouring times in which the same ones were there are looked at together.
        first = last = i
        while (
            first > 0 and loads[first - 1].present == loads[i].present and start_ns - loads[first - 1].t0_ns < POOL_NS
        ):
            first -= 1
        while (
            last + 1 < len(loads)
            and loads[last + 1].present == loads[i].present
            and loads[last + 1].t1_ns - end_ns < POOL_NS
        ):
            last += 1
        sums: dict[int | None, float] = {}
        for load in loads[first : last + 1]:
            for group, percent in load.percent.items():
                if not self._is_away(group, holders):
                    sums[group] = sums.get(group, 0.0) + percent * (load.t1_ns - load.t0_ns)
        whole = math.fsum(sums.values())
        if not whole:
            return None
        return {group: part / whole for group, part in sums.items() if group is not None}

    def _is_away(self, group: int | None, holders: AbstractSet[int] | None) -> bool:
        """Whether all that worked for somebody are processes that are listed at other times, and not now."""
        pids = self._busy_pids[group]
        return holders is not None and pids <= self._listed and pids.isdisjoint(holders)

    def _grouped(self, load: ProcessLoad) -> _Load:
        percent: dict[int | None, int] = {}
        for pid, part in load.percent.items():
            if part > 0:
                percent[self._group[pid]] = percent.get(self._group[pid], 0) + part
        return _Load(load.t0_ns, load.t1_ns, percent, frozenset(percent))


def _carried(holders: Sequence[Holders]) -> list[tuple[int, ...]]:
    """Who has a context from each entry on; where the driver does not tell, those that it told before."""
    found: list[tuple[int, ...]] = []
    for entry in holders:
        before = found[-1] if found else ()
        found.append(before if entry.pids is None else entry.pids)
    return found


def _runs(lane: Lane, start_ns: int, end_ns: int) -> bool:
    return (lane.start_ns or start_ns) < end_ns and (lane.end_ns or end_ns) > start_ns
