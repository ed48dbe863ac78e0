"""Joules of a counter domain: who worked in a tick gets his part of what it took above idle (method: section 2).

A tick is the time between two readings of the counter. Its joules less those of an idle device are divided by the CPU
seconds that each owner, the plugin and the rest of the machine had in it. Where the counter could not be read, a model
prices the same CPU seconds instead, and a notice says so.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from msgspec import Struct, field

from pytest_aifootprint.attribution.idle import IdlePower, busy_at
from pytest_aifootprint.attribution.lanes import Lane
from pytest_aifootprint.attribution.shares import (
    EXACT,
    NS,
    CardBusy,
    DomainShares,
    OwnerKey,
    busy_notices,
    host_durations_s,
    host_notices,
    model_shares,
    split_by_host,
)
from pytest_aifootprint.attribution.ticks import Grid, Weight, grid_of, owner_of
from pytest_aifootprint.meters.contract import LoadModel, MemoryModel
from pytest_aifootprint.quantities import Basis, Notice, Range, basis_of_sum
from pytest_aifootprint.timeline.readings import BusyReadings, CounterReadings

_NO_TIME_S = 1e-9  # less than any clock counts: dividing by it would overflow
_BY_POWER = "nobody tells its load: ticks in which it took more than idle count as worked in from end to end"
_WORTH_SAYING_S = 0.25  # the sampler's first and last tick are a little inside the run


class _Watts(Struct, frozen=True):
    """A model as plain watts: per busy CPU second, and idle for the whole device."""

    name: str
    active_w: float
    idle_w: float
    active: Range = EXACT
    idle: Range = EXACT


class _Bill(Struct):
    """Joules as they are added up, tick by tick; lists are summed once, at the end."""

    owners: dict[int, float] = field(default_factory=dict)
    modelled: dict[int, float] = field(default_factory=dict)
    others: list[float] = field(default_factory=list)
    idle: list[float] = field(default_factory=list)
    modelled_idle: list[float] = field(default_factory=list)
    plugin: list[float] = field(default_factory=list)
    clamped: list[float] = field(default_factory=list)
    metered: list[float] = field(default_factory=list)
    modelled_metered: list[float] = field(default_factory=list)
    idle_by_tick: list[float] = field(default_factory=list)
    metered_by_tick: list[float] = field(default_factory=list)
    price_by_tick: list[float] = field(default_factory=list)
    busy_owners: dict[int, float] = field(default_factory=dict)
    busy: list[float] = field(default_factory=list)
    modelled_s: float = 0.0
    lost_s: float = 0.0

    def divide(self, active_j: float, busy_s: float, used: dict[int, int], plugin_ns: int, *, modelled: bool) -> None:
        """Give everybody his part of ``active_j``; what came out below zero gets nothing and is counted."""
        per_s = active_j / busy_s
        known_ns = max(plugin_ns, 0)
        for owner, ns in used.items():
            if ns < 0:
                self.clamped.append(-ns * NS * per_s)
                continue
            known_ns += ns
            joules = ns * NS * per_s
            self.owners[owner] = self.owners.get(owner, 0.0) + joules
            if modelled:
                self.modelled[owner] = self.modelled.get(owner, 0.0) + joules
        self.plugin.append(max(plugin_ns, 0) * NS * per_s)
        self.clamped.append(max(-plugin_ns, 0) * NS * per_s)
        self.others.append((busy_s - known_ns * NS) * per_s)

    def work(self, seconds: float, whole_s: float, used: dict[int, int]) -> None:
        """A tick in which a card worked: it has ``seconds``, divided by the time of the windows open in it."""
        self.busy.append(seconds)
        for owner, ns in used.items():
            mine_s = max(ns, 0) * NS * seconds / whole_s
            self.busy_owners[owner] = self.busy_owners.get(owner, 0.0) + mine_s


def counter_shares(  # noqa: PLR0913 # what a counter domain is made of; most of it by keyword
    readings: CounterReadings,
    busy: BusyReadings,
    lanes: Sequence[Lane],
    idle: IdlePower,
    *,
    fallback: LoadModel | MemoryModel | None,
    basis: Basis = Basis.MEASURED,
    boot_id: str | None = None,
    weight: Weight = "cpu",
) -> DomainShares:
    """Joules by a counter.

    Per tick: idle = min(P_idle·Δt, ΔE), A = ΔE - idle, B = max(machine busy, all known CPU seconds); an owner with c
    CPU seconds in the tick gets A·c/B, other processes A·(B - Σc)/B. With B = 0, A is idle too.

    Args:
        readings: of one counter, over the run.
        busy: of the machine; empty where the platform does not tell: then there are no other processes.
        lanes: all processes that ran tests.
        idle: of ``idle_power``.
        fallback: prices the time that the counter does not cover, and lanes of other hosts. None for a device without a
            model (a GPU): a gap keeps what the counter took over it, and what lies outside the readings is not metered.
        basis: the counter's own.
        boot_id: of this machine; None: all lanes are of this machine.
        weight: what active energy is divided by: CPU seconds, or, for a GPU, which works while its test waits, seconds
            of windows.

    Returns:
        The shares, in joules (method: section 2).
    """
    local, remote = split_by_host(lanes, boot_id)
    watts = _watts(fallback)
    grid = grid_of(readings, local, weight)
    busy_s = busy_at(busy, grid.bounds) if weight == "cpu" else [bound * NS for bound in grid.bounds]
    bill = _price(grid, busy_s, idle.power_w, watts)
    far = None
    if remote and isinstance(fallback, LoadModel) and weight == "cpu":
        far = model_shares(fallback, remote, math.fsum(host_durations_s(remote)), 0.0)
    notices = (
        *_gap_notices(readings, bill, watts),
        *host_notices(remote, priced_by=far.meter if far else None),
        *busy_notices(known=bool(busy.t_ns) or weight == "time"),
    )
    counted_j, modelled_j = math.fsum(bill.metered), math.fsum(bill.modelled_metered) + (far.metered_j if far else 0.0)
    parts = [(counted_j, basis)] + ([(modelled_j, fallback.basis)] if fallback is not None else [])
    far_owners = dict(far.owners) if far else {}
    return DomainShares(
        domain=readings.domain,
        meter=readings.name,
        basis=(basis_of_sum(parts) if counted_j or modelled_j else None) or basis,
        metered_j=counted_j + modelled_j,
        owners=_by_key(bill.owners, local) | far_owners,
        other_processes_j=math.fsum(bill.others),
        idle_j=math.fsum(bill.idle) + math.fsum(bill.modelled_idle) + (far.idle_j if far else 0.0),
        plugin_j=math.fsum(bill.plugin) + (far.plugin_j if far else 0.0),
        clamped_j=math.fsum(bill.clamped) + (far.clamped_j if far else 0.0),
        uncertainty=watts.active if watts else EXACT,
        idle_uncertainty=watts.idle if watts else EXACT,
        modelled=_by_key(bill.modelled, local) | far_owners,
        modelled_idle_j=math.fsum(bill.modelled_idle) + (far.idle_j if far else 0.0),
        notices=notices,
        idle_power=idle,
        bounds_ns=grid.bounds,
        idle_by_tick_j=bill.idle_by_tick,
        metered_by_tick_j=bill.metered_by_tick,
        used_by_tick=grid.used,
        price_by_tick=bill.price_by_tick,
        busy=CardBusy(_by_key(bill.busy_owners, local), math.fsum(bill.busy), _BY_POWER) if weight == "time" else None,
    )


def _watts(model: LoadModel | MemoryModel | None) -> _Watts | None:
    if isinstance(model, LoadModel):
        idle_w = model.idle_w_per_cpu
        active, idle = Range(1.0, model.active_w.factors), Range(1.0, idle_w.factors)
        return _Watts(model.name, model.active_w.central, idle_w.central * model.n_cpu, active, idle)
    if model is not None and model.power_w is not None:
        return _Watts(model.name, 0.0, model.power_w.central, idle=Range(1.0, model.power_w.factors))
    return None


def _price(grid: Grid, busy_s: Sequence[float], idle_w: float, watts: _Watts | None) -> _Bill:
    bill = _Bill()
    for i, (counted, whole, used, plugin) in enumerate(
        zip(grid.joules, grid.whole, grid.used, grid.plugin, strict=True)
    ):
        seconds = (grid.bounds[i + 1] - grid.bounds[i]) * NS
        known_s = (sum(ns for ns in used.values() if ns > 0) + max(plugin, 0)) * NS
        b = max(busy_s[i + 1] - busy_s[i], known_s)
        if b < _NO_TIME_S:
            b = 0.0
        if watts is not None and not whole:
            bill.modelled_s += seconds
            bill.modelled_idle.append(watts.idle_w * seconds)
            bill.idle_by_tick.append(watts.idle_w * seconds)
            bill.modelled_metered.append(watts.active_w * b + watts.idle_w * seconds)
            bill.metered_by_tick.append(bill.modelled_metered[-1])
            bill.price_by_tick.append(watts.active_w * NS)
            if b:
                bill.divide(watts.active_w * b, b, used, plugin, modelled=True)
            continue
        if counted is None:
            bill.lost_s += seconds
            bill.idle_by_tick.append(0.0)
            bill.metered_by_tick.append(0.0)
            bill.price_by_tick.append(0.0)
            continue
        bill.metered.append(counted)
        idle = min(idle_w * seconds, counted) if b else counted
        bill.idle.append(idle)
        bill.idle_by_tick.append(idle)
        bill.metered_by_tick.append(counted)
        bill.price_by_tick.append((counted - idle) / b * NS if b else 0.0)
        if b:
            bill.divide(counted - idle, b, used, plugin, modelled=False)
            if counted > idle:
                bill.work(seconds, b, used)
    return bill


def _by_key(joules: dict[int, float], lanes: Sequence[Lane]) -> dict[OwnerKey, float]:
    named: dict[OwnerKey, float] = {}
    for code, energy_j in joules.items():
        number, owner = owner_of(code)
        named[lanes[number].worker, owner] = energy_j
    return named


def _gap_notices(readings: CounterReadings, bill: _Bill, watts: _Watts | None) -> tuple[Notice, ...]:
    if not readings.gaps and bill.modelled_s + bill.lost_s < _WORTH_SAYING_S:
        return ()
    what = f"{readings.name} could not be read"
    why = ""
    if readings.gaps:
        gap = min(readings.gaps, key=lambda g: g.t_ns)
        what += f" {len(readings.gaps)} times" if len(readings.gaps) > 1 else " once"
        why = f" ({gap.reason}; {gap.remedy})"
    if watts is not None:
        how = f'{bill.modelled_s:.2g} s of the run are priced by "{watts.name}"'
    elif bill.lost_s:
        how = f"{bill.lost_s:.2g} s of the run are not metered"
    else:
        how = "the readings around it say what it took"
    return (Notice("counter-gap", f"{readings.domain}: {what}{why}: {how}"),)
