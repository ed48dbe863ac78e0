"""Joules of one card: who worked on it gets what it took above its bare idle (method: section 2).

A card works while its test waits, so CPU seconds say nothing about it. Per moment: idle is the card's power without a
context of ours; what contexts add while nothing runs is divided among the processes that hold one ("held accelerator");
what the card does above that goes to the processes that keep it busy. Within a process it belongs to the window that is
open at that moment; where none is open, to nobody's test.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from msgspec import Struct, field

from pytest_aifootprint.attribution.gpu_busy import busy_time
from pytest_aifootprint.attribution.gpu_curve import COUNTED, POWER, UNKNOWN, Cumulative, Curve, energy_curve
from pytest_aifootprint.attribution.gpu_idle import GpuIdle, gpu_idle
from pytest_aifootprint.attribution.gpu_mig import mig_notice
from pytest_aifootprint.attribution.gpu_users import GpuUsers, Stretch
from pytest_aifootprint.attribution.lanes import Lane
from pytest_aifootprint.attribution.shares import CardBusy, DomainShares, OwnerKey, host_notices, split_by_host
from pytest_aifootprint.meters.gpu import GpuSignals
from pytest_aifootprint.quantities import Basis, Notice, basis_of_sum
from pytest_aifootprint.timeline.clock import TICK_NS
from pytest_aifootprint.timeline.readings import CounterReadings

NS = 1e-9
WORTH_SAYING = 0.05
NOT_OURS = "shows no process of this run on the card (a container shows the host's)"
NOT_TOLD = "does not tell whose processes use the card"
WORTH_SAYING_S = 0.05


class _Bill(Struct):
    """Joules as they are added up; lists are summed once, at the end."""

    owners: dict[OwnerKey, float] = field(default_factory=dict)
    busy_s: dict[OwnerKey, float] = field(default_factory=dict)
    unread_s: dict[OwnerKey, float] = field(default_factory=dict)
    others: list[float] = field(default_factory=list)
    clamped: list[float] = field(default_factory=list)


def gpu_shares(  # noqa: PLR0913 # what a card's domain is made of; most of it by keyword
    readings: CounterReadings,
    signals: GpuSignals,
    lanes: Sequence[Lane],
    pids: Mapping[str, int],
    *,
    basis: Basis = Basis.MEASURED,
    boot_id: str | None = None,
) -> DomainShares:
    """Joules of one card by owner.

    Args:
        readings: for the domain's name and what could not be read.
        signals: of the card.
        lanes: all processes that ran tests.
        pids: of the lanes, by worker.
        basis: of the meter.
        boot_id: of this machine; None: all lanes are of this machine.

    Returns:
        The shares, in joules. metered = owners + other processes + idle, each computed on its own.
    """
    local, remote = split_by_host(lanes, boot_id)
    curve = energy_curve(signals)
    users = GpuUsers(signals, local, pids, *((curve.t_ns[0], curve.t_ns[-1]) if curve.t_ns else (0, 0)))
    levels = gpu_idle(curve, signals, users.surely_at)
    idle_j, active_j, held = _above_idle(curve, levels, users)
    active, busy = Cumulative(curve.t_ns, active_j), busy_time(signals, curve, active_j)
    bill, unread = _Bill(), _unread(curve, local)
    shared_by_j = _shared_by(users, active)
    for number, lane in enumerate(local):
        track = _lane_track(number, users.stretches, active, held)
        _charge(bill, lane, track, (curve.t_ns[0], curve.t_ns[-1]) if curve.t_ns else (0, 0))
        _give(bill.busy_s, lane, _lane_track(number, users.stretches, busy.track, None))
        _give(bill.unread_s, lane, unread)
    for stretch in users.stretches:
        of_active, of_held = (
            active.between(stretch.start_ns, stretch.end_ns),
            held.between(stretch.start_ns, stretch.end_ns),
        )
        bill.others.append((1 - math.fsum(stretch.active.values())) * of_active)
        bill.others.append((1 - math.fsum(stretch.held.values())) * of_held)
    bounds_ns, idle_by_tick_j = _coarse(curve.t_ns, idle_j)
    _, metered_by_tick_j = _coarse(curve.t_ns, curve.joules)
    counted_j, integrated_j = curve.of_kind(COUNTED), curve.of_kind(POWER)
    parts = [(counted_j, basis), (integrated_j, Basis.MODELLED)]
    return DomainShares(
        domain=readings.domain,
        meter=readings.name,
        basis=(basis_of_sum(parts) if counted_j or integrated_j else None) or basis,
        metered_j=counted_j + integrated_j,
        owners=bill.owners,
        other_processes_j=math.fsum(bill.others),
        idle_j=math.fsum(idle_j),
        plugin_j=0.0,
        clamped_j=math.fsum(bill.clamped),
        bounds_ns=bounds_ns,
        idle_by_tick_j=idle_by_tick_j,
        metered_by_tick_j=metered_by_tick_j,
        busy=CardBusy(bill.busy_s, busy.whole_s, busy.how),
        unread_s={key: seconds for key, seconds in bill.unread_s.items() if seconds > 0},
        shared_by_j=shared_by_j,
        notices=(
            *_gap_notices(readings, curve, local),
            *host_notices(remote, priced_by=None),
            *_idle_notices(readings.domain, levels, counted_j + integrated_j),
            *(() if signals.mig is None else (mig_notice(readings.domain, signals, invisible=users.invisible),)),
            *_rule_notices(readings.domain, shared_by_j, told=all(h.pids is not None for h in signals.holders)),
        ),
    )


def _above_idle(curve: Curve, levels: GpuIdle, users: GpuUsers) -> tuple[list[float], list[float], Cumulative]:
    """Of each tick idle joules, and those above rest; and what contexts of ours cost while the card rests."""
    idle_j: list[float] = []
    active_j: list[float] = []
    held_j: list[float] = []
    held_w = 0.0 if levels.held_w is None else levels.held_w - levels.bare_w
    for i, joules in enumerate(curve.joules):
        seconds = curve.seconds(i)
        idle = min(levels.bare_w * seconds, joules)
        held = min(held_w * seconds, joules - idle) if held_w and users.ours_at(curve.t_ns[i]) else 0.0
        idle_j.append(idle)
        held_j.append(held)
        active_j.append(joules - idle - held)
    return idle_j, active_j, Cumulative(curve.t_ns, held_j)


def _unread(curve: Curve, lanes: Sequence[Lane]) -> Cumulative:
    """Seconds in which nobody knows what the card took: inside its curve, and before and after it."""
    moments = [*(lane.start_ns for lane in lanes), *(lane.end_ns for lane in lanes if lane.end_ns), *curve.t_ns]
    bounds, seconds = [min(moments, default=0)], list[float]()
    known = (False, *(kind != UNKNOWN for kind in curve.kind))
    ends = (*zip(curve.t_ns, known, strict=False), (max(moments, default=0), False))
    for end_ns, is_known in ends:
        seconds.append(0.0 if is_known else (end_ns - bounds[-1]) * NS)
        bounds.append(end_ns)
    return Cumulative(bounds, seconds)


def _shared_by(users: GpuUsers, active: Cumulative) -> dict[str, float]:
    """Joules above rest by the rule that divided them, where somebody of ours got any."""
    joules: dict[str, float] = {}
    for stretch in users.stretches:
        if stretch.active:
            of_rule = active.between(stretch.start_ns, stretch.end_ns)
            joules[stretch.rule] = joules.get(stretch.rule, 0.0) + of_rule
    return {rule: part for rule, part in joules.items() if part > 0}


def _coarse(t_ns: Sequence[int], joules: Sequence[float]) -> tuple[list[int], list[float]]:
    """Ticks put together to those of other counters: idle is constant, 20 ms say no more of it."""
    bounds, sums, since = list(t_ns[:1]), [], 0.0
    for end_ns, part in zip(t_ns[1:], joules, strict=True):
        since += part
        if end_ns - bounds[-1] >= TICK_NS or end_ns == t_ns[-1]:
            bounds.append(end_ns)
            sums.append(since)
            since = 0.0
    return bounds, sums


def _lane_track(number: int, stretches: Sequence[Stretch], active: Cumulative, held: Cumulative | None) -> Cumulative:
    """The joules of one lane's process over time; or its busy seconds, of which holding the card takes none."""
    bounds: list[int] = []
    joules: list[float] = []
    for stretch in stretches:
        w_active, w_held = stretch.active.get(number, 0.0), stretch.held.get(number, 0.0) if held is not None else 0.0
        if not bounds:
            bounds.append(stretch.start_ns)
        cuts = active.cuts(stretch.start_ns, stretch.end_ns) if w_active or w_held else [stretch.end_ns]
        for cut in cuts:
            a, b = bounds[-1], cut
            of_held = w_held * held.between(a, b) if held is not None else 0.0
            joules.append(w_active * active.between(a, b) + of_held)
            bounds.append(cut)
    return Cumulative(bounds, joules)


def _charge(bill: _Bill, lane: Lane, track: Cumulative, extent: tuple[int, int]) -> None:
    """Give a lane's joules to the windows that were open; where none was, to others."""
    share_at = sorted(_give(bill.owners, lane, track))
    at, covered = extent[0], 0.0
    for t_ns, change in (*share_at, (extent[1], 0.0)):
        if t_ns > at:
            bill.others.append((1 - covered) * track.between(at, t_ns))
            at = t_ns
        covered += change


def _give(owners: dict[OwnerKey, float], lane: Lane, track: Cumulative) -> list[tuple[int, float]]:
    """Add to every owner what passed in its windows; returns when the part of the time that windows cover changes."""
    share_at: list[tuple[int, float]] = []
    for span in lane.spans():
        _add(owners, (lane.worker, span.owner), span.sign * track.between(span.t0_ns, span.t1_ns))
        share_at += ((span.t0_ns, float(span.sign)), (span.t1_ns, -float(span.sign)))
    for piece in lane.pieces():
        length = piece.t1_ns - piece.t0_ns
        if piece.time_ns and length > 0:
            part = piece.time_ns / length
            _add(owners, (lane.worker, piece.owner), part * track.between(piece.t0_ns, piece.t1_ns))
            share_at += ((piece.t0_ns, part), (piece.t1_ns, -part))
    return share_at


def _add(owners: dict[OwnerKey, float], key: OwnerKey, amount: float) -> None:
    owners[key] = owners.get(key, 0.0) + amount


def _gap_notices(readings: CounterReadings, curve: Curve, lanes: Sequence[Lane]) -> tuple[Notice, ...]:
    if not readings.gaps:
        return ()
    gap = min(readings.gaps, key=lambda g: g.t_ns)
    ends = [lane.end_ns for lane in lanes if lane.end_ns]
    starts = [lane.start_ns for lane in lanes if lane.end_ns]
    after_s = max(0, max(ends, default=0) - (curve.t_ns[-1] if curve.t_ns else min(starts, default=0))) * NS
    lost_s = after_s + math.fsum(curve.seconds(i) for i, kind in enumerate(curve.kind) if kind == UNKNOWN)
    power_s = math.fsum(curve.seconds(i) for i, kind in enumerate(curve.kind) if kind == POWER)
    how = "the readings around it say what it took"
    if lost_s > WORTH_SAYING_S:
        how = f"{lost_s:.2g} s of the run are not metered"
    elif power_s > 0:
        how = f"{power_s:.2g} s of the run are the integral of its power"
    message = f"{readings.domain}: {readings.name} could not be read ({gap.reason}; {gap.remedy}): {how}"
    return (Notice("counter-gap", message),)


def _idle_notices(domain: str, levels: GpuIdle, metered_j: float) -> tuple[Notice, ...]:
    if levels.basis is Basis.MEASURED or not metered_j:
        return ()
    return (Notice("gpu-idle-unknown", f"{domain}: idle is taken as {levels.bare_w:.3g} W: {levels.how}"),)


def _rule_notices(domain: str, shared_by_j: Mapping[str, float], *, told: bool) -> tuple[Notice, ...]:
    """``told``: the driver always said who has a context."""
    worth_j = WORTH_SAYING * math.fsum(shared_by_j.values())
    said = {
        "unseen": f"the driver {NOT_OURS if told else NOT_TOLD}: all that it took above idle is taken as ours, in "
        "equal parts for workers that ran at the same time",
        "time": "several processes used the card and the driver does not say how much each of them: they count alike",
        "before": "the driver stopped telling whose processes use the card: those that did before count alike",
    }
    return tuple(
        Notice("gpu-share", f"{domain}: {words}")
        for rule, words in said.items()
        if shared_by_j.get(rule, 0.0) > worth_j
    )
