"""Apple silicon: the chip's own energy counters (IOReport), through zeus-apple-silicon, which needs no root.

codecarbon reads them through ``sudo powermetrics``, which may ask for a password in the middle of a run. Not exercised
on that hardware: written against the library's interface and a module of our own making.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from pytest_aifootprint.meters.contract import Reading, RejectedMeter, Unreadable
from pytest_aifootprint.meters.counters import Accumulator, CounterFault, read_parts
from pytest_aifootprint.quantities import Basis
from pytest_aifootprint.quantities.units import NS_PER_S

J_PER_MJ = 1e-3
MAX_CHIP_W = 1000.0
"""No such chip draws that much: the power supply of the largest machine with one gives less."""
STILL_NS = 5 * NS_PER_S
"""Processor and memory always draw something; a graphics part at rest may draw less than the counters' 1 mJ."""
EVER_NS = 2**63 - 1
SAMPLE_CPU_SHARE = 0.003
"""How much of a core taking samples may cost: what one costs is not measured yet."""
SELDOM_NS = NS_PER_S

# GPU SRAM is left out: nobody says whether "GPU Energy" contains it.
_DOMAINS: dict[str, tuple[tuple[str, ...], int]] = {
    "cpu": (("cpu_total_mj",), STILL_NS),
    "ram": (("dram_mj",), STILL_NS),
    "gpu0": (("gpu_mj", "ane_mj"), EVER_NS),
}
_WHAT = {"cpu": "processor", "ram": "memory", "gpu0": "GPU and Neural Engine"}
_REMEDY = "pip install 'pytest-aifootprint[apple]'"


class _Samples:
    """One sample of all counters serves all meters: a new one is taken when a meter asks for a second time.

    Args:
        monitor: AppleEnergyMonitor. clock: CLOCK_MONOTONIC in ns. cpu_clock: CPU ns of the calling thread.
    """

    def __init__(self, monitor: Any, clock: Callable[[], int], cpu_clock: Callable[[], int]) -> None:
        self._monitor = monitor
        self._clock = clock
        self._cpu_clock = cpu_clock
        self._asked: set[str] = set()
        self._due_ns = 0
        self._taken: Any = None
        self.t_ns = 0

    def of(self, domain: str) -> Any:
        """The metrics for this meter. Raises CounterFault."""
        now_ns = self._clock()
        if self._taken is None or (domain in self._asked and now_ns >= self._due_ns):
            self._take(now_ns)
        self._asked.add(domain)
        if isinstance(self._taken, CounterFault):
            raise self._taken
        return self._taken

    def _take(self, now_ns: int) -> None:
        started = self._cpu_clock()
        try:
            self._taken = self._monitor.get_cumulative_energy()
        except RuntimeError as e:
            self._taken = CounterFault(f"IOReport: {e}", "run again")
        self.t_ns = now_ns
        self._asked.clear()
        self._due_ns = now_ns + min(int((self._cpu_clock() - started) / SAMPLE_CPU_SHARE), SELDOM_NS)


class AppleMeter:
    """One part of the chip. Its joules are the chip's estimate, from how busy it is and at which voltage.

    Attributes:
        on_chip: it was made with the machine: no card is to be accounted for besides.
    """

    name = "apple"
    basis = Basis.MODELLED
    on_chip = True

    def __init__(self, domain: str, fields: tuple[str, ...], samples: _Samples) -> None:
        self.domain = domain
        self.reason = f"IOReport energy counter of the {_WHAT[domain]}: the chip's own estimate (zeus-apple-silicon)"
        self._samples = samples
        still_ns = _DOMAINS[domain][1]
        self._parts = [
            (partial(self._joules, name), Accumulator(wrap_j=None, max_w=MAX_CHIP_W, still_ns=still_ns))
            for name in fields
        ]

    def read(self) -> Reading | Unreadable:
        """Joules since the first read, as of the last sample. Never raises."""
        try:
            self._metrics = self._samples.of(self.domain)
        except CounterFault as e:
            return Unreadable(self._samples.t_ns, e.reason, e.remedy)
        return read_parts(self._samples.t_ns, self._parts)

    def close(self) -> None:
        """The library gives its subscription back by itself."""

    def _joules(self, name: str) -> float:
        millijoules = getattr(self._metrics, name, None)
        if millijoules is None:
            raise CounterFault(f"IOReport does not tell {name} any more", "run again")
        return int(millijoules) * J_PER_MJ


def find_apple(
    machine: str, *, clock: Callable[[], int] = time.monotonic_ns, cpu_clock: Callable[[], int] = time.thread_time_ns
) -> tuple[list[AppleMeter], list[RejectedMeter]]:
    """The counters of this Mac. Starts no process, and never asks for a password.

    Args:
        machine: as ``platform.machine()``.
        clock: CLOCK_MONOTONIC in ns.
        cpu_clock: CPU ns of the calling thread.
    """
    if machine != "arm64":
        reason = f"no counter can be read without root on a Mac with {machine}: the load model is used"
        remedy = "on Apple silicon, run a Python for arm64; else declare watts_per_cpu_second if you have measured it"
        return [], [RejectedMeter("apple", reason, remedy)]
    try:
        import zeus_apple_silicon as zeus
    except ImportError as e:
        reason = f"zeus-apple-silicon does not import: {e}: the load model is used"
        return [], [RejectedMeter("apple", reason, _REMEDY)]
    try:
        monitor = zeus.AppleEnergyMonitor()
        known = monitor.get_cumulative_energy()
    except RuntimeError as e:
        return [], [RejectedMeter("apple", f"IOReport: {e}: the load model is used", "please report your Mac's model")]
    samples = _Samples(monitor, clock, cpu_clock)
    meters: list[AppleMeter] = []
    rejected: list[RejectedMeter] = []
    for domain, (names, _) in _DOMAINS.items():
        fields = tuple(name for name in names if getattr(known, name, None) is not None)
        if fields:
            meters.append(AppleMeter(domain, fields, samples))
        else:
            reason = f"IOReport has no counter of the {_WHAT[domain]} that zeus-apple-silicon knows on this chip"
            rejected.append(RejectedMeter(f"apple {domain}", reason, "a newer zeus-apple-silicon may know it"))
    return meters, rejected
