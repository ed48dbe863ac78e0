"""What owners came to: their local energy and their calls, priced, and sums of that."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct, field

from pytest_aifootprint.attribution.lanes import Lane
from pytest_aifootprint.attribution.shares import CardBusy, DomainShares, OwnerKey, Parts
from pytest_aifootprint.detection.calls import AICall
from pytest_aifootprint.impacts import Pricer
from pytest_aifootprint.impacts.outcomes import NOTHING_RAN
from pytest_aifootprint.quantities import ZERO_G, ZERO_J, Grams, Joules, OfUnit, total
from pytest_aifootprint.records.amounts import Carbon, Energy, Water
from pytest_aifootprint.records.domains import MachineData
from pytest_aifootprint.records.model import LOCAL_SERVER, CallFootprint, MeteredParts
from pytest_aifootprint.records.wall import Wall

UNREAD_SHARE = 0.05
"""Of the time of windows; less of it is the edge of a gap that lies in the window beside."""


class Cost(Struct, frozen=True):
    """What one owner, or several together, came to: local energy and calls, priced.

    Attributes:
        machine_s: CPU seconds that the machine's manufacture goes by: those used, or those that were reserved.
        active_j: joules above idle at the wall, where idle power is shared; else None: all are.
        cards_s: seconds that the manufacture of each GPU goes by, by domain.
        unread_s: of own windows, seconds in which a card that has a meter could not be read, by domain.
        metered: of one owner's own windows, where the load model priced a part of what a counter meters, or idle power.
    """

    energy: Energy = field(default_factory=Energy)
    carbon: Carbon = field(default_factory=Carbon)
    water: Water = field(default_factory=Water)
    avoidable_carbon_g: Grams = ZERO_G
    avoided_carbon_g: Grams = ZERO_G
    cpu_s: float = 0.0
    machine_s: float = 0.0
    active_j: Joules | None = None
    cards_s: Mapping[str, float] = field(default_factory=dict)
    metered: MeteredParts | None = None
    unread_s: Mapping[str, float] = field(default_factory=dict)

    def scale(self, k: float) -> Cost:
        """``k`` times this cost."""

        def part(value: OfUnit | None) -> OfUnit | None:
            return value.scale(k) if value is not None else None

        return Cost(
            Energy({name: value.scale(k) for name, value in self.energy.by_domain.items()}, None, self.energy.unread),
            Carbon(part(self.carbon.use), part(self.carbon.training), part(self.carbon.hardware)),
            Water(self.water.site.scale(k), self.water.source.scale(k)),
            self.avoidable_carbon_g.scale(k),
            self.avoided_carbon_g.scale(k),
            self.cpu_s * k,
            self.machine_s * k,
            part(self.active_j),
            {domain: s * k for domain, s in self.cards_s.items()},
        )


def sum_costs(costs: Sequence[Cost]) -> Cost:
    """The sum; a part that is unknown in one of them is left out of the sum, not made zero there."""
    if len(costs) == 1:
        return costs[0]
    names = {name: None for cost in costs for name in cost.energy.by_domain}

    def part(values: Sequence[Grams | None]) -> Grams | None:
        known = total(value for value in values if value is not None)
        # Unknown + nothing is unknown; unknown + something is at least that something, and a notice names the rest.
        return None if None in values and not known.central else known

    return Cost(
        Energy(
            {name: total(c.energy.by_domain.get(name, ZERO_J) for c in costs) for name in names},
            # As with carbon: unknown and nothing is unknown, unknown and something is at least that something.
            unread=tuple(sorted({name for c in costs for name in c.energy.unread} - names.keys())),
        ),
        Carbon(
            part([c.carbon.use for c in costs]),
            part([c.carbon.training for c in costs]),
            part([c.carbon.hardware for c in costs]),
        ),
        Water(total(c.water.site for c in costs), total(c.water.source for c in costs)),
        total(c.avoidable_carbon_g for c in costs),
        total(c.avoided_carbon_g for c in costs),
        sum(c.cpu_s for c in costs),
        sum(c.machine_s for c in costs),
        total(active) if (active := [c.active_j for c in costs if c.active_j is not None]) else None,
        {domain: sum(c.cards_s.get(domain, 0.0) for c in costs) for c in costs for domain in c.cards_s},
    )


def energy_of_calls(calls: Iterable[CallFootprint]) -> dict[str, Joules]:
    """Joules of calls that no meter here sees, by domain: ``remote``; ``local_server`` where there is any."""
    joules: dict[str, list[Joules]] = {"remote": [], LOCAL_SERVER: []}
    for priced in calls:
        if priced.impact.energy_j is not None:
            joules["remote" if priced.call.locality == "remote" else LOCAL_SERVER].append(priced.impact.energy_j)
    found = {domain: total(parts) for domain, parts in joules.items()}
    if not found[LOCAL_SERVER].central:
        del found[LOCAL_SERVER]
    return found


_NOTHING: Mapping[str, float] = {}
_NONE_REMOTE = energy_of_calls(())


def _with(own: OfUnit, of_calls: Sequence[OfUnit | None]) -> OfUnit:
    """Of owners and of what is known of their calls."""
    if of_calls:
        return total([own, *(part for part in of_calls if part is not None)])
    return own if own.central else total(())


class Accounts:
    """Prices owners: their local energy in every domain and their calls."""

    def __init__(
        self,
        shares: Sequence[DomainShares],
        data: MachineData,
        lanes: Mapping[str, Lane],
        pricer: Pricer,
        reserved_s: Mapping[OwnerKey, float] | None = None,
    ) -> None:
        """Take the joules by owner and what prices them; ``reserved_s`` where a machine's manufacture goes by time."""
        self._reserved_s = reserved_s
        self._shares = shares
        self._model = data.selection.cpu_model
        self._wall = Wall.of(data.selection)
        self._pricer = pricer
        self._cards = {
            share.domain: (share.busy, data.selection.card(share.domain)) for share in shares if share.busy is not None
        }
        self._some_unread = any(share.unread_s for share in shares)
        self._cpu_ns = {worker: lane.cpu_ns_by_owner() for worker, lane in lanes.items()}
        self._mixed = any(s.domain == "cpu" and s.modelled is not None and s.has_modelled for s in shares)
        gpus = any(share.domain.startswith("gpu") for share in shares)
        self._time_ns = {worker: lane.time_ns_by_owner() for worker, lane in lanes.items()} if gpus else {}

    def cost(self, owners: Sequence[OwnerKey], calls: Sequence[CallFootprint]) -> Cost:
        """What these owners and calls came to together."""
        pricer, model = self._pricer, self._model
        by_domain: dict[str, Joules] = {}
        metered = [(share.domain, share.parts_of_all(owners)) for share in self._shares]
        for domain, parts in metered:
            name = "gpu" if domain.startswith("gpu") else domain
            by_domain[name] = by_domain[name] + parts.whole if name in by_domain else parts.whole
        unread_s = self._unread_s(owners) if self._some_unread else _NOTHING
        # Nothing was read of any card: what they took is not 0.
        unread = ("gpu",) if unread_s and not by_domain["gpu"].central else ()
        for name in unread:
            del by_domain[name]
        wall = self._wall
        local_j = total([wall.at_wall_j(domain, parts) for domain, parts in metered])
        it_j = total([wall.of_machine_j(domain, parts) for domain, parts in metered])
        # The machine takes its idle power whether these tests run or not.
        active = [] if self._reserved_s is None else [(s.domain, s.active_parts(owners)) for s in self._shares]
        active_j = (
            local_j if self._reserved_s is None else total(wall.at_wall_j(domain, parts) for domain, parts in active)
        )
        cpu_s = sum([self._cpu_ns[worker].get(owner, 0) for worker, owner in owners if worker in self._cpu_ns]) / 1e9
        used_s = max(cpu_s if self._reserved_s is None else self._reserved(owners) * model.idle_cpus, 0.0)
        cards_s = (
            {domain: self._held_s(busy, owners) for domain, (busy, _) in self._cards.items()}
            if self._cards
            else _NOTHING
        )
        local_g = pricer.local_carbon_g(local_j)
        site, source = pricer.local_water(local_j, it_j)
        avoidable_g = local_g if active_j is local_j and pricer.avoids_average else pricer.local_avoidable_g(active_j)
        hardware = [pricer.hardware_g(used_s, model.machine, model.n_cpu)]
        if self._cards:
            hardware += (pricer.accelerator_g(cards_s[domain], card) for domain, (_, card) in self._cards.items())
        impacts = [c.impact for c in calls]
        by_domain |= energy_of_calls(calls) if calls else _NONE_REMOTE
        training = [i.training_carbon_g for i in impacts if i.training_carbon_g is not None]
        return Cost(
            Energy(by_domain, None, unread),
            Carbon(
                _with(local_g, [i.use_carbon_g for i in impacts] if calls else ()),
                None if impacts and not training else total(training),
                total([*hardware, *(i.hardware_carbon_g for i in impacts if i.hardware_carbon_g is not None)]),
            ),
            Water(
                _with(site, [i.water_site_l for i in impacts] if calls else ()),
                _with(source, [i.water_source_l for i in impacts] if calls else ()),
            ),
            _with(avoidable_g, [i.avoidable_carbon_g for i in impacts] if calls else ()),
            _with(ZERO_G, [i.avoided_carbon_g for i in impacts] if calls else ()),
            cpu_s,
            used_s,
            None if self._reserved_s is None else active_j,
            cards_s,
            self._metered_parts(metered, [parts for _, parts in active]),
            unread_s,
        )

    def _unread_s(self, owners: Sequence[OwnerKey]) -> dict[str, float]:
        """Seconds by card in which it could not be read for these owners; without what is too little to be told."""
        windows_s = sum(self._time_ns.get(worker, {}).get(owner, 0) for worker, owner in owners) / 1e9
        found = {
            s.domain: math.fsum(s.unread_s.get(owner, 0.0) for owner in owners) for s in self._shares if s.unread_s
        }
        return {domain: seconds for domain, seconds in found.items() if seconds > UNREAD_SHARE * windows_s}

    def _metered_parts(self, metered: Sequence[tuple[str, Parts]], active: Sequence[Parts]) -> MeteredParts | None:
        if not (self._mixed or active) or (parts := dict(metered).get("cpu")) is None:
            return None
        counted, modelled, idle = (part.central for part in parts)
        return MeteredParts(counted, modelled, idle, math.fsum(p.counted.central for p in active) if active else None)

    def _held_s(self, busy: CardBusy, owners: Sequence[OwnerKey]) -> float:
        """Seconds in which a card worked for these owners; where idle is shared, in which they had it."""
        return busy.of_all(owners) if self._reserved_s is None else self._reserved(owners)

    def _reserved(self, owners: Sequence[OwnerKey]) -> float:
        """Seconds that these owners had the machine, or the part of it that this run may use."""
        return sum((self._reserved_s or {}).get(owner, 0.0) for owner in owners)

    def priced(self, calls: Sequence[AICall], owners: Sequence[OwnerKey]) -> tuple[CallFootprint, ...]:
        """Calls of these owners with their prices."""
        if not calls:
            return ()
        return tuple(CallFootprint(call, self._pricer.call(call), *self._part_j(call, owners)) for call in calls)

    def loaded(self, loads: Sequence[AICall], owners: Sequence[OwnerKey]) -> tuple[CallFootprint, ...]:
        """Loads, with their part of what these owners came to. They have no price of their own."""
        return tuple(CallFootprint(load, NOTHING_RAN, *self._part_j(load, owners)) for load in loads)

    def _part_j(self, call: AICall, owners: Sequence[OwnerKey]) -> tuple[Joules | None, Joules | None]:
        """The part of the owners' joules that ran in a call in the process: by CPU seconds, of GPUs by time.

        As metered; and at the wall, where a PUE was declared.
        """
        if not call.cpu_ns or not owners:
            return None, None
        cpu_ns = sum(self._cpu_ns.get(worker, {}).get(owner, 0) for worker, owner in owners)
        time_ns = sum(self._time_ns.get(worker, {}).get(owner, 0) for worker, owner in owners)
        parts, at_wall = [], []
        for share in self._shares:
            gpu = share.domain.startswith("gpu")
            mine, whole = (call.duration_ns, time_ns) if gpu else (call.cpu_ns, cpu_ns)
            if whole > 0:
                part = share.active_parts(owners).scale(min(mine / whole, 1.0))
                parts.append(part.whole)
                at_wall.append(self._wall.at_wall_j(share.domain, part))
        if not parts:
            return None, None
        return total(parts), None if self._wall.pue is None else total(at_wall)
