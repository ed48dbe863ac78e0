"""Watts of a device when nobody works: found at the end of the run, never by waiting (method: section 2)."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence

from msgspec import Struct

from pytest_aifootprint.meters.contract import LoadModel, MemoryModel
from pytest_aifootprint.quantities import Basis
from pytest_aifootprint.timeline.readings import BusyReadings, CounterReadings

NS = 1e-9
QUIET = 0.03
QUIET_TICKS = 20
FIT_TICKS = 5
FIT_SPREAD = 0.10  # of the machine's CPUs, between the quietest and the busiest tick
FIT_EXPLAINED = 0.5
SHORT_S = 0.05  # a shorter tick has more noise than power
PERCENTILE = 0.05


class IdlePower(Struct, frozen=True):
    """Power of an idle device.

    Attributes:
        power_w: watts. basis: measured (quiet ticks), modelled (intercept), or the model's.
        n: ticks that it was found from; 0 for a model. how: one phrase for the report.
    """

    power_w: float
    basis: Basis
    n: int
    how: str


def idle_power(
    readings: CounterReadings, busy: BusyReadings, n_cpu: int, fallback: LoadModel | MemoryModel | None
) -> IdlePower:
    """The power of a counter's device when idle.

    The 5th percentile of power over ticks in which less than 3 % of the machine's CPUs were busy (at least 20 of them);
    else the intercept of power against busy over the run, by least squares (at least 5 ticks whose busy differs by 10 %
    of the machine and explains at least half of the power's variance, and a positive result); else the model's figure;
    without a model 0, basis assumed: then all energy is somebody's.
    """
    ticks = _ticks(readings, busy, n_cpu)
    quiet = sorted(power for share, power in ticks if share < QUIET)
    if len(quiet) >= QUIET_TICKS:
        at = PERCENTILE * (len(quiet) - 1)
        low = int(at)
        power = quiet[low] + (at - low) * (quiet[min(low + 1, len(quiet) - 1)] - quiet[low])
        return IdlePower(power, Basis.MEASURED, len(quiet), "5th percentile of quiet ticks")
    intercept = _intercept(ticks)
    if intercept is not None:
        return IdlePower(intercept, Basis.MODELLED, len(ticks), "power at zero load, fitted over the run")
    if fallback is None or (isinstance(fallback, MemoryModel) and fallback.power_w is None):
        return IdlePower(0.0, Basis.ASSUMED, 0, "unknown, taken as 0")
    return IdlePower(model_idle_w(fallback), fallback.basis, 0, fallback.name)


def model_idle_w(model: LoadModel | MemoryModel | None) -> float:
    """Idle watts of the whole device by its model; 0 without one."""
    if isinstance(model, LoadModel):
        return model.idle_w_per_cpu.central * model.n_cpu
    return model.power_w.central if model is not None and model.power_w is not None else 0.0


def busy_at(busy: BusyReadings, times_ns: Sequence[int]) -> list[float]:
    """Busy CPU seconds of the machine at these times, on straight lines between the readings; flat outside them."""
    known_t, known_s = busy.t_ns, busy.busy_s
    if not known_t:
        return [0.0] * len(times_ns)
    found: list[float] = []
    for t in times_ns:
        i = bisect_left(known_t, t)
        if i == len(known_t):
            found.append(known_s[-1])
        elif i == 0 or known_t[i] == t:
            found.append(known_s[i])
        else:
            part = (t - known_t[i - 1]) / (known_t[i] - known_t[i - 1])
            found.append(known_s[i - 1] + part * (known_s[i] - known_s[i - 1]))
    return found


def _ticks(readings: CounterReadings, busy: BusyReadings, n_cpu: int) -> list[tuple[float, float]]:
    """Share of the machine that was busy, and watts, of every tick without a gap that both cover."""
    if len(busy.t_ns) < 2:
        return []
    t_ns, energy_j = readings.t_ns, readings.energy_j
    busy_s = busy_at(busy, t_ns)
    gaps = sorted(gap.t_ns for gap in readings.gaps)
    first, last = busy.t_ns[0], busy.t_ns[-1]
    found: list[tuple[float, float]] = []
    for i in range(1, len(t_ns)):
        start, end = t_ns[i - 1], t_ns[i]
        seconds, joules = (end - start) * NS, energy_j[i] - energy_j[i - 1]
        broken = bisect_left(gaps, start) != bisect_left(gaps, end + 1)
        if seconds >= SHORT_S and joules >= 0 and not broken and first <= start and end <= last:
            found.append(((busy_s[i] - busy_s[i - 1]) / (seconds * n_cpu), joules / seconds))
    return found


def _intercept(ticks: list[tuple[float, float]]) -> float | None:
    n = len(ticks)
    if n < FIT_TICKS:
        return None
    shares = [share for share, _ in ticks]
    if max(shares) - min(shares) < FIT_SPREAD:
        return None
    mean_share, mean_power = math.fsum(shares) / n, math.fsum(power for _, power in ticks) / n
    of_shares = math.fsum((s - mean_share) ** 2 for s in shares)
    of_power = math.fsum((p - mean_power) ** 2 for _, p in ticks)
    together = math.fsum((s - mean_share) * (p - mean_power) for s, p in ticks)
    # Where load does not explain power, the intercept is near the mean power: all energy would be idle, nobody's.
    if together <= 0 or together**2 < FIT_EXPLAINED * of_shares * of_power:
        return None
    intercept = mean_power - together / of_shares * mean_share
    return intercept if intercept > 0 else None
