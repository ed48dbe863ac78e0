"""Whose time a machine and its cards had over a run, and what of their manufacture nobody bears (method: section 6)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from msgspec import Struct

from pytest_aifootprint.attribution.balance import Kind
from pytest_aifootprint.attribution.lanes import Lane
from pytest_aifootprint.attribution.shares import DomainShares, OwnerKey, cpu_seconds, host_durations_s, split_by_host
from pytest_aifootprint.catalogue import Machine
from pytest_aifootprint.impacts import Pricer
from pytest_aifootprint.quantities import Grams, GramsPerSecond, Notice, total
from pytest_aifootprint.records.domains import MachineData

CPU_HOW = "CPU seconds, of the CPUs that this run may use"
SHARED_HOW = "reserved time: wall time, divided among the windows open at each moment"


class HardwareUse(Struct, frozen=True):
    """A machine, or one card of it, over the run.

    Attributes:
        domain: ``cpu`` for the machine, ``gpu0``, ``gpu1``, ... name: of the processor or the card.
        row: of the hardware table, with what was declared in its place. n_cpu: of the machine; 1 for a card.
        rate_g_per_s: grams CO2e of one of its seconds: of a CPU second, or of a second of the card.
        capacity_s: all its seconds: of the run, times the CPUs that this run may use.
        ai_tests_s, shared_fixtures_s, other_tests_s: what these bear of them. how: they were found, one phrase.
    """

    domain: str
    name: str
    row: Machine
    n_cpu: int
    rate_g_per_s: GramsPerSecond
    capacity_s: float
    ai_tests_s: float
    shared_fixtures_s: float
    other_tests_s: float
    how: str

    @property
    def unattributed_s(self) -> float:
        """Seconds that no test of this run bears: idle, and work of others."""
        return max(self.capacity_s - math.fsum((self.ai_tests_s, self.shared_fixtures_s, self.other_tests_s)), 0.0)

    @property
    def unattributed_g(self) -> Grams:
        """Grams CO2e of the seconds that no test bears: ``rate x (capacity - what was borne)``."""
        return Grams(self.rate_g_per_s.scale(self.unattributed_s))


def hardware_uses(  # noqa: PLR0913 - what a run's hardware is made of
    shares: Sequence[DomainShares],
    data: MachineData,
    lanes: Sequence[Lane],
    pricer: Pricer,
    classify: Callable[[str, int], Kind],
    reserved_s: Mapping[OwnerKey, float] | None,
) -> tuple[HardwareUse, ...]:
    """The machine and every card that was metered.

    Args:
        shares: of all domains.
        data: of this machine.
        lanes: all processes that ran tests; those of another host count as if on a machine like this one.
        pricer: for the rows.
        classify: the kind of a (worker, owner).
        reserved_s: of every owner, where idle is shared (``records.domains.reserved_seconds``).
    """
    selection = data.selection
    model = selection.cpu_model
    _, remote = split_by_host(lanes, selection.host.boot_id)
    wall_s = math.fsum((data.duration_s, *host_durations_s(remote)))
    used_s, _, _ = cpu_seconds(lanes)
    if reserved_s is not None:
        used_s = {key: s * model.idle_cpus for key, s in reserved_s.items()}
    found = [
        HardwareUse(
            "cpu",
            selection.host.cpu_model,
            pricer.local_hardware.machine(model.machine),
            model.n_cpu,
            # Of one second.
            GramsPerSecond(pricer.hardware_g(1.0, model.machine, model.n_cpu)),
            wall_s * model.idle_cpus,
            *_by_kind(used_s, classify),
            how=CPU_HOW if reserved_s is None else SHARED_HOW,
        )
    ]
    for share in shares:
        if share.busy is None:
            continue
        name = selection.card(share.domain)
        row, rate = pricer.local_hardware.card(name), GramsPerSecond(pricer.accelerator_g(1.0, name))
        by_kind = _by_kind(share.busy.owners if reserved_s is None else reserved_s, classify)
        how = share.busy.how if reserved_s is None else SHARED_HOW
        found.append(HardwareUse(share.domain, name, row, 1, rate, data.duration_s, *by_kind, how=how))
    return tuple(found)


def unattributed_g(uses: Iterable[HardwareUse]) -> Grams:
    """Grams CO2e of manufacture that the run's seconds stand for and no test bears."""
    return total(use.unattributed_g for use in uses)


def hardware_notices(uses: Iterable[HardwareUse], pricer: Pricer) -> Iterator[Notice]:
    """Cards that some test worked on and that have no row of their own."""
    for use in uses:
        if use.domain != "cpu" and math.fsum((use.ai_tests_s, use.shared_fixtures_s, use.other_tests_s)) > 0:
            notice = pricer.local_hardware.card_notice(use.domain, use.name)
            if notice is not None:
                yield notice


def _by_kind(seconds: Mapping[OwnerKey, float], classify: Callable[[str, int], Kind]) -> tuple[float, float, float]:
    """Of AI tests, shared fixtures and other tests."""
    sums: dict[Kind, list[float]] = {"ai": [], "fixture": [], "other": []}
    for (worker, owner), s in seconds.items():
        sums[classify(worker, owner)].append(s)
    ai, fixtures, others = (max(math.fsum(sums[kind]), 0.0) for kind in sums)
    return ai, fixtures, others
