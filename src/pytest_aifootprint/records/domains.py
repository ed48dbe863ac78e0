"""The domains of this machine: each metered by a counter where there is one, else by a model."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from msgspec import Struct, field

from pytest_aifootprint.attribution.counters import counter_shares
from pytest_aifootprint.attribution.idle import idle_power
from pytest_aifootprint.attribution.lanes import Lane
from pytest_aifootprint.attribution.reserved import reserve, share_idle
from pytest_aifootprint.attribution.shares import (
    DomainShares,
    OwnerKey,
    host_durations_s,
    memory_shares,
    model_shares,
    split_by_host,
)
from pytest_aifootprint.meters.contract import LoadModel, MemoryModel, Selection
from pytest_aifootprint.meters.gpu import GpuMeter
from pytest_aifootprint.quantities import Basis, Notice
from pytest_aifootprint.quantities.changed import replace
from pytest_aifootprint.records.wall import Wall
from pytest_aifootprint.timeline.busy import steal_notice
from pytest_aifootprint.timeline.readings import BusyReadings, CounterReadings


class MachineData(Struct, frozen=True):
    """What the meters of this machine said over the run; ``started_ns``: CLOCK_MONOTONIC at its start."""

    selection: Selection
    busy: BusyReadings
    duration_s: float
    started_ns: int = 0
    counters: Sequence[CounterReadings] = field(default_factory=tuple)

    @property
    def machine_busy_s(self) -> float | None:
        """Busy CPU seconds of the machine in this run; None where the platform does not tell."""
        values = self.busy.busy_s
        return values[-1] - values[0] if len(values) > 1 else None

    @property
    def notices(self) -> tuple[Notice, ...]:
        """What a reader has to know about the machine over this run."""
        notice = steal_notice(self.busy)
        return () if notice is None else (notice,)

    def reason_of(self, domain: str) -> str:
        """Why this domain is metered the way it is."""
        selection = self.selection
        counter = selection.counter(domain)
        if counter is not None:
            reason = counter.reason
        else:
            reason = selection.memory_model.reason if domain == "ram" else selection.cpu_model.reason
        return reason + Wall.of(selection).told(domain)


def domain_shares(
    data: MachineData,
    lanes: Sequence[Lane],
    pids: Mapping[str, int],
    *,
    beside: Sequence[Lane] = (),
    idle_shared: bool = False,
) -> list[DomainShares]:
    """Joules by owner in every domain of this machine; ``pids`` of the lanes, by worker.

    ``beside``: lanes of processes of ours that ran no test; they use the CPU, and no card.

    With ``idle_shared`` also of what it takes anyway.
    """
    selection = data.selection
    boot_id = selection.host.boot_id
    shares: list[DomainShares] = [_counter_domain(readings, data, lanes, pids, beside) for readings in data.counters]
    metered = {s.domain for s in shares}
    if "cpu" not in metered:
        shares.insert(
            0,
            model_shares(selection.cpu_model, [*lanes, *beside], data.duration_s, data.machine_busy_s, boot_id=boot_id),
        )
    if "ram" not in metered and (memory := memory_shares(selection.memory_model, data.duration_s)) is not None:
        shares.append(memory)
    return [_with_idle(share, data, lanes) for share in shares] if idle_shared else shares


def reserved_seconds(data: MachineData, lanes: Sequence[Lane]) -> dict[OwnerKey, float]:
    """Seconds of this machine that every owner had it, each second divided among the windows open in it."""
    local, _ = split_by_host(lanes, data.selection.host.boot_id)
    return reserve(local, _run_bounds(data)).seconds()


def _run_bounds(data: MachineData) -> tuple[int, int]:
    return data.started_ns, data.started_ns + max(round(data.duration_s * 1e9), 1)


def _with_idle(share: DomainShares, data: MachineData, lanes: Sequence[Lane]) -> DomainShares:
    local, remote = split_by_host(lanes, data.selection.host.boot_id)
    if share.bounds_ns:
        model = data.selection.cpu_model
        # A counter counts the whole machine; what is reserved is the part that this run may use.
        part = model.idle_cpus / model.n_cpu if share.domain in {"cpu", "ram"} else 1.0
        return share_idle(share, reserve(local, share.bounds_ns), [joules * part for joules in share.idle_by_tick_j])
    bounds = _run_bounds(data)
    # A model's idle power is constant; that of other machines is not of this one.
    whole_s = data.duration_s + math.fsum(host_durations_s(remote) if share.domain == "cpu" else ())
    here_j = share.idle_j * data.duration_s / whole_s if whole_s else 0.0
    return share_idle(share, reserve(local, bounds), (here_j,))


def _counter_domain(
    readings: CounterReadings,
    data: MachineData,
    lanes: Sequence[Lane],
    pids: Mapping[str, int],
    beside: Sequence[Lane],
) -> DomainShares:
    selection = data.selection
    boot_id = selection.host.boot_id
    counter = selection.counter(readings.domain)
    basis = counter.basis if counter is not None else Basis.MEASURED
    if isinstance(counter, GpuMeter):
        from pytest_aifootprint.attribution.gpu import gpu_shares  # most machines have no card

        return gpu_shares(readings, counter.signals, lanes, pids, basis=basis, boot_id=boot_id)
    gpu = readings.domain.startswith("gpu")
    models: dict[str, LoadModel | MemoryModel] = {"cpu": selection.cpu_model, "ram": selection.memory_model}
    fallback = models.get(readings.domain)
    idle = idle_power(readings, data.busy, selection.host.n_cpu, fallback)
    shares = counter_shares(
        readings,
        data.busy,
        lanes if gpu else [*lanes, *beside],
        idle,
        fallback=fallback,
        basis=basis,
        boot_id=boot_id,
        weight="time" if gpu else "cpu",
    )
    return replace(shares, busy=None) if selection.on_chip(readings.domain) else shares
