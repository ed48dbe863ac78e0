"""Append-only readings of one counter, and of how busy the machine was."""

from __future__ import annotations

from array import array

from msgspec import Struct, field

from pytest_aifootprint.meters.contract import Unreadable


class CounterReadings(Struct):
    """What one counter said over the run.

    Attributes:
        domain, name: as the meter's.
        t_ns, energy_j: the readings, in time order. gaps: what could not be read, with reason and remedy.
    """

    domain: str
    name: str
    t_ns: array[int] = field(default_factory=lambda: array("q"))
    energy_j: array[float] = field(default_factory=lambda: array("d"))
    gaps: list[Unreadable] = field(default_factory=list)


class BusyReadings(Struct):
    """Busy CPU seconds of the whole machine since boot (user+nice+system+irq+softirq), in time order.

    Taken at the start and the end of the run, and at every tick where a counter is sampled. Empty where the platform
    does not tell.

    Attributes:
        t_ns, busy_s: the readings. steal_s: what the hypervisor gave to others meanwhile, one for each of ``t_ns``;
            empty where the platform does not tell.
    """

    t_ns: array[int] = field(default_factory=lambda: array("q"))
    busy_s: array[float] = field(default_factory=lambda: array("d"))
    steal_s: array[float] = field(default_factory=lambda: array("d"))
