"""The domains of this machine: each metered by a counter where there is one, else by a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pytest_aifootprint.attribution.counters import counter_shares
from pytest_aifootprint.attribution.gpu import gpu_shares
from pytest_aifootprint.attribution.idle import idle_power
from pytest_aifootprint.attribution.lanes import Lane
from pytest_aifootprint.attribution.shares import DomainShares, memory_shares, model_shares
from pytest_aifootprint.meters.contract import LoadModel, MemoryModel, Selection
from pytest_aifootprint.meters.gpu import GpuMeter
from pytest_aifootprint.quantities import Basis
from pytest_aifootprint.timeline.readings import BusyReadings, CounterReadings


@dataclass(frozen=True, slots=True)
class MachineData:
    """What the meters of this machine said over the run."""

    selection: Selection
    busy: BusyReadings
    duration_s: float
    counters: Sequence[CounterReadings] = field(default_factory=tuple)

    @property
    def machine_busy_s(self) -> float | None:
        """Busy CPU seconds of the machine in this run; None where the platform does not tell."""
        values = self.busy.busy_s
        return values[-1] - values[0] if len(values) > 1 else None

    def reason_of(self, domain: str) -> str:
        """Why this domain is metered the way it is."""
        counter = self.selection.counter(domain)
        if counter is not None:
            return counter.reason
        return self.selection.memory_model.reason if domain == "ram" else self.selection.cpu_model.reason


def domain_shares(data: MachineData, lanes: Sequence[Lane], pids: Mapping[str, int]) -> list[DomainShares]:
    """Joules by owner in every domain of this machine; ``pids`` of the lanes, by worker."""
    selection = data.selection
    boot_id = selection.host.boot_id
    shares: list[DomainShares] = [_counter_domain(readings, data, lanes, pids) for readings in data.counters]
    metered = {s.domain for s in shares}
    if "cpu" not in metered:
        shares.insert(
            0, model_shares(selection.cpu_model, lanes, data.duration_s, data.machine_busy_s, boot_id=boot_id)
        )
    if "ram" not in metered and (memory := memory_shares(selection.memory_model, data.duration_s)) is not None:
        shares.append(memory)
    return shares


def _counter_domain(
    readings: CounterReadings, data: MachineData, lanes: Sequence[Lane], pids: Mapping[str, int]
) -> DomainShares:
    selection = data.selection
    boot_id = selection.host.boot_id
    counter = selection.counter(readings.domain)
    basis = counter.basis if counter is not None else Basis.MEASURED
    if isinstance(counter, GpuMeter):
        return gpu_shares(readings, counter.signals, lanes, pids, basis=basis, boot_id=boot_id)
    gpu = readings.domain.startswith("gpu")
    models: dict[str, LoadModel | MemoryModel] = {"cpu": selection.cpu_model, "ram": selection.memory_model}
    fallback = models.get(readings.domain)
    idle = idle_power(readings, data.busy, selection.host.n_cpu, fallback)
    return counter_shares(
        readings,
        data.busy,
        lanes,
        idle,
        fallback=fallback,
        basis=basis,
        boot_id=boot_id,
        weight="time" if gpu else "cpu",
    )
