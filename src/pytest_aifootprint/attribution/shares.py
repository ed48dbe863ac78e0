"""Joules of one domain by owner, and the model domains: CPU without a counter, memory without a counter.

Method section 2. An owner is a (worker, number) of a lane. Central joules are plain floats that add up; what makes them
uncertain stands once for the whole domain, and ``energy_of`` puts the two together.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from msgspec import Struct, field

from pytest_aifootprint.attribution.idle import IdlePower
from pytest_aifootprint.attribution.lanes import Lane
from pytest_aifootprint.meters.contract import LoadModel, MemoryModel
from pytest_aifootprint.quantities import ZERO_J, Basis, Joules, Notice, Range, total
from pytest_aifootprint.quantities.changed import replace

OwnerKey = tuple[str, int]

NS = 1e-9
EXACT = Range(1.0)


class CardBusy(Struct, frozen=True):
    """Seconds in which a card worked: of every (worker, owner), and in all; owners' add up to ``whole_s`` at most.

    Attributes:
        how: one phrase: how they were found.
    """

    owners: Mapping[OwnerKey, float]
    whole_s: float
    how: str

    def of_all(self, owners: Iterable[OwnerKey]) -> float:
        """Seconds of several owners together."""
        return max(math.fsum(self.owners.get(key, 0.0) for key in owners), 0.0)


class Parts(NamedTuple):
    """Joules of owners in a domain by what said them: a counter, or a load model at work and idle, with its factors."""

    counted: Joules
    active: Joules = ZERO_J
    idle: Joules = ZERO_J

    @property
    def modelled(self) -> Joules:
        """What the load model priced."""
        return self.active + self.idle if self.idle.central else self.active

    @property
    def whole(self) -> Joules:
        """All of it."""
        counted, active, idle = self
        if idle.central or (counted.central and active.central):
            return total(self)
        return active if active.central else counted if counted.central else ZERO_J

    def scale(self, k: float) -> Parts:
        """``k`` times each."""
        return Parts(*(part.scale(k) for part in self))


_NO_PARTS = Parts(ZERO_J)


class DomainShares(Struct, frozen=True):
    """Where the metered joules of one domain went; central values unless said otherwise.

    Attributes:
        domain: ``cpu``, ``ram``, ``gpu0``, ... meter: what metered it.
        metered_j: what was metered, computed on its own: a balance compares it with the sum of the rest.
        owners: joules of every (worker, owner) with CPU seconds.
        other_processes_j, idle_j, plugin_j: joules of no owner.
        clamped_j: joules of terms that came out negative and were set to 0.
        uncertainty: of owners', other processes' and the plugin's modelled joules; central 1.
        idle_uncertainty: of the modelled part of idle; central 1.
        modelled: in a counter domain, the part of ``owners`` that a load model priced (gaps, other hosts); None
            where all of it was.
        modelled_idle_j: the part of ``idle_j`` that a model priced.
        idle_power: watts that idle goes by, and how they were found.
        bounds_ns, idle_by_tick_j, metered_by_tick_j: the ticks of a counter, what of each was idle, and what was
            metered in it; empty for a model.
        used_by_tick, price_by_tick: of a counter of CPUs: CPU ns of every owner in each tick (``ticks.owner_of``), and
            what one of them cost in it, in joules; empty for others.
        reserved: idle joules of every owner where idle is shared (``attribution.reserved``); not in ``owners``, and no
            longer in ``idle_j``. reserved_modelled: the part of them that a model priced, 0 to 1.
        busy: of a card; None for other domains. unread_s: of a card, seconds of every owner's windows in which nobody
            knows what it took. shared_by_j: of a card, what it took above rest, by the rule that divided it.
    """

    domain: str
    meter: str
    basis: Basis
    metered_j: float
    owners: Mapping[OwnerKey, float]
    other_processes_j: float
    idle_j: float
    plugin_j: float
    clamped_j: float = 0.0
    uncertainty: Range = EXACT
    idle_uncertainty: Range = EXACT
    modelled: Mapping[OwnerKey, float] | None = field(default_factory=dict)
    modelled_idle_j: float = 0.0
    notices: tuple[Notice, ...] = ()
    idle_power: IdlePower | None = None
    bounds_ns: Sequence[int] = ()
    idle_by_tick_j: Sequence[float] = ()
    metered_by_tick_j: Sequence[float] = ()
    used_by_tick: Sequence[Mapping[int, int]] = ()
    price_by_tick: Sequence[float] = ()
    reserved: Mapping[OwnerKey, float] = field(default_factory=dict)
    reserved_modelled: float = 0.0
    busy: CardBusy | None = None
    unread_s: Mapping[OwnerKey, float] = field(default_factory=dict)
    shared_by_j: Mapping[str, float] = field(default_factory=dict)

    def energy_of(self, owner: OwnerKey) -> Joules:
        """Joules of one owner with their uncertainty; exact 0 for an owner without any."""
        return self.energy_of_all((owner,))

    def energy_of_all(self, owners: Iterable[OwnerKey]) -> Joules:
        """Joules of several owners together: what the model gets wrong, it gets wrong for all of them."""
        return self.parts_of_all(owners).whole

    def parts_of_all(self, owners: Iterable[OwnerKey]) -> Parts:
        """The same by what said them."""
        if not self.reserved:
            return self.active_parts(owners)
        keys = list(owners)
        active = self.active_parts(keys)
        joules = math.fsum(self.reserved.get(key, 0.0) for key in keys)
        if not joules:
            return active
        modelled = joules * self.reserved_modelled
        return Parts(
            active.counted + Joules(Range(joules - modelled)),
            active.active,
            Joules(Range(modelled, self.idle_uncertainty.factors)),
        )

    def active_of_all(self, owners: Iterable[OwnerKey]) -> Joules:
        """Joules above idle of several owners together."""
        return self.active_parts(owners).whole

    def active_parts(self, owners: Iterable[OwnerKey]) -> Parts:
        """The same by what said them."""
        if not self.owners:
            return _NO_PARTS
        keys = list(owners)
        joules = _sum_of(self.owners, keys)
        modelled = joules if self.modelled is None else min(_sum_of(self.modelled, keys), joules)
        priced = Joules(Range(modelled, self.uncertainty.factors)) if modelled else ZERO_J
        return Parts(Joules(Range(joules - modelled)) if joules != modelled else ZERO_J, priced)

    @property
    def has_modelled(self) -> bool:
        """Whether a model priced any owner's joules."""
        modelled = self.owners if self.modelled is None else self.modelled
        return any(modelled.values()) or (bool(self.reserved) and self.reserved_modelled > 0)

    @property
    def idle(self) -> Joules:
        """Idle joules with their uncertainty."""
        return _mixed(self.idle_j, self.modelled_idle_j, self.idle_uncertainty)


def _sum_of(joules: Mapping[OwnerKey, float], keys: Sequence[OwnerKey]) -> float:
    if len(keys) == 1:
        return joules.get(keys[0], 0.0)
    return math.fsum(joules.get(key, 0.0) for key in keys)


def _mixed(joules: float, modelled: float, uncertainty: Range) -> Joules:
    if not joules:
        return ZERO_J
    if modelled >= joules:
        return Joules(Range(joules, uncertainty.factors))
    return Joules(total((Range(joules - modelled), Range(modelled, uncertainty.factors))))


def model_shares(
    model: LoadModel,
    lanes: Sequence[Lane],
    duration_s: float,
    machine_busy_s: float | None,
    *,
    boot_id: str | None = None,
) -> DomainShares:
    """Joules by the load model: an owner's are w x its own CPU seconds, whatever else the machine does.

    Args:
        model: watts per busy CPU second and per idle CPU.
        lanes: all processes that ran tests.
        duration_s: of the run, for idle.
        machine_busy_s: CPU seconds of the whole machine in the run; None where the platform does not tell: then there
            are no other processes.
        boot_id: of this machine; lanes of another are priced by the same model, with their own idle and a notice. None:
            all lanes are of this machine.

    Returns:
        The shares, in joules; every owner of the lanes has an entry. metered = w·B + idle, B = max(machine busy, what
        the lanes used) (method: section 2).
    """
    local, remote = split_by_host(lanes, boot_id)
    w = model.active_w.central
    owners, plugin_s, clamped_s = cpu_seconds(local)
    far_owners, far_plugin_s, far_clamped_s = cpu_seconds(remote)
    known_s = math.fsum(owners.values()) + plugin_s
    far_s = math.fsum(far_owners.values()) + far_plugin_s
    busy_s = max(machine_busy_s or 0.0, known_s)
    cpu_idle_w = model.idle_w_per_cpu.central * model.idle_cpus
    idle_s = (duration_s, *host_durations_s(remote))
    idle_j = math.fsum(cpu_idle_w * s for s in idle_s)
    owners.update(far_owners)
    return DomainShares(
        domain="cpu",
        meter=model.name,
        basis=model.basis,
        metered_j=w * (busy_s + far_s) + cpu_idle_w * math.fsum(idle_s),
        owners={key: w * c for key, c in owners.items()},
        other_processes_j=w * (busy_s - known_s),
        idle_j=idle_j,
        plugin_j=w * plugin_s + w * far_plugin_s,
        clamped_j=w * (clamped_s + far_clamped_s),
        uncertainty=Range(1.0, model.active_w.factors),
        idle_uncertainty=Range(1.0, model.idle_w_per_cpu.factors),
        modelled=None,
        modelled_idle_j=idle_j,
        notices=host_notices(remote, priced_by=model.name) + busy_notices(known=machine_busy_s is not None),
        idle_power=IdlePower(cpu_idle_w, model.basis, 0, model.name),
    )


def with_own_cpu(shares: DomainShares, model: LoadModel, own_cpu_s: float) -> DomainShares:
    """The CPU's shares with what this plugin used before metering began and after it ended: metered, and its own.

    Args:
        shares: of any domain; those of a counter stay as they are, because it was not read then.
        model: watts per busy CPU second.
        own_cpu_s: CPU seconds outside of the metered time.
    """
    if shares.domain != "cpu" or shares.meter != model.name:
        return shares
    own_j = model.active_w.central * own_cpu_s
    return replace(shares, metered_j=shares.metered_j + own_j, plugin_j=shares.plugin_j + own_j)


def memory_shares(model: MemoryModel, duration_s: float) -> DomainShares | None:
    """Joules of memory without a counter: all idle, whoever used it (method: section 2).

    Returns:
        The shares; None where the CPU's figure contains memory ("in cpu").
    """
    if model.power_w is None:
        return None
    joules = model.power_w.central * duration_s
    return DomainShares(
        domain="ram",
        meter=model.name,
        basis=model.basis,
        metered_j=joules,
        owners={},
        other_processes_j=0.0,
        idle_j=joules,
        plugin_j=0.0,
        idle_uncertainty=Range(1.0, model.power_w.factors),
        modelled=None,
        modelled_idle_j=joules,
        idle_power=IdlePower(model.power_w.central, model.basis, 0, model.name),
    )


def cpu_seconds(lanes: Iterable[Lane]) -> tuple[dict[OwnerKey, float], float, float]:
    """CPU seconds of every owner, of the plugin, and those below zero that were left out."""
    owners: dict[OwnerKey, float] = {}
    plugin_ns = 0
    clamped_ns = 0
    for lane in lanes:
        worker = lane.worker
        plugin_ns += max(lane.plugin_ns, 0)
        clamped_ns += max(-lane.plugin_ns, 0)
        for owner, ns in lane.cpu_ns_by_owner().items():
            if ns < 0:
                clamped_ns -= ns
            owners[worker, owner] = owners.get((worker, owner), 0.0) + max(ns, 0) * NS
    return owners, plugin_ns * NS, clamped_ns * NS


def split_by_host(lanes: Sequence[Lane], boot_id: str | None) -> tuple[list[Lane], list[Lane]]:
    """Lanes of this machine, and lanes of others."""
    if boot_id is None:
        return list(lanes), []
    return [lane for lane in lanes if lane.boot_id == boot_id], [lane for lane in lanes if lane.boot_id != boot_id]


def host_durations_s(lanes: Iterable[Lane]) -> list[float]:
    """For each host, the seconds from its first lane's start to its last lane's end."""
    hosts: dict[str, tuple[int, int]] = {}
    for lane in lanes:
        start, end = hosts.get(lane.boot_id, (lane.start_ns, lane.end_ns))
        hosts[lane.boot_id] = min(start, lane.start_ns), max(end, lane.end_ns)
    return [max(end - start, 0) * NS for _, (start, end) in sorted(hosts.items())]


def host_notices(remote: Sequence[Lane], priced_by: str | None) -> tuple[Notice, ...]:
    """A notice if some lanes ran on another machine."""
    if not remote:
        return ()
    names = ", ".join(sorted(lane.worker for lane in remote))
    how = (
        "are not metered in this domain"
        if priced_by is None
        else f'are priced by "{priced_by}", as if it were this one'
    )
    return (Notice("other-host", f"{names} ran on another machine, which has no meter here: they {how}"),)


def busy_notices(*, known: bool) -> tuple[Notice, ...]:
    """A notice if the platform does not tell how busy the machine was."""
    if known:
        return ()
    message = "this platform does not tell how busy the machine was: other processes are not told apart"
    return (Notice("busy-unknown", message),)
