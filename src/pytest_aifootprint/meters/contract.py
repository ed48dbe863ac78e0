"""What a meter is.

A counter meter reads one device's cumulative energy in joules. A load model has no counter: it turns CPU seconds into
joules. Neither ever answers 0 for "don't know": an unreadable counter says why, and what to do about it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from msgspec import Struct, field

from pytest_aifootprint.meters.hardware import Hardware
from pytest_aifootprint.quantities import Basis, LitresPerKwh, Range, Watts


class Reading(Struct, frozen=True):
    """A counter's value.

    Attributes:
        t_ns: CLOCK_MONOTONIC when it was read.
        energy_j: joules since some fixed moment, wrap-arounds already taken out; never falls.
    """

    t_ns: int
    energy_j: float


class Unreadable(Struct, frozen=True):
    """A counter that could not be read: a gap, never a zero."""

    t_ns: int
    reason: str
    remedy: str


class CounterMeter(Protocol):
    """One device's cumulative energy counter."""

    @property
    def name(self) -> str:
        """The source, as the report prints it: ``rapl``, ``perf``, ``nvml``, ``recorded``."""

    @property
    def domain(self) -> str:
        """``cpu``, ``ram``, ``gpu0``, ``gpu1``, ..."""

    @property
    def basis(self) -> Basis:
        """How good its joules are."""

    @property
    def reason(self) -> str:
        """Why it was chosen, with the device: one line for the report."""

    def read(self) -> Reading | Unreadable:
        """The counter now. Never raises; costs microseconds."""

    def close(self) -> None:
        """Give the device back. May be called twice."""


class LoadModel(Struct, frozen=True):
    """Joules from CPU seconds, linear, so that a neighbour does not change a test's number (method: section 2).

    Attributes:
        name: the table row, ``load model: VM, AMD EPYC``.
        reason: what was recognised and why no counter stands here: one line.
        active_w: watts per busy CPU second above idle (at the wall for cloud rows: PUE is inside), factor ``cpu_w``.
        idle_w_per_cpu: watts per logical CPU, whether busy or not, factor ``idle_w``.
        n_cpu: logical CPUs of this machine: CPU seconds are shares of these.
        usable_cpus: as the host's; its idle power is what stands for this process.
        includes_ram: the CPU figure contains memory, so the memory domain is "in cpu".
        boundary: ``wall`` or ``component``: what the watts contain.
        source, year: publication of the row; year None of declared watts.
        machine: row of the hardware table: ``vm``, ``laptop``, ``desktop``, ``server``.
        pue: what ``active_w`` was multiplied by; None: it is as its source has it.
    """

    name: str
    reason: str
    active_w: Watts
    idle_w_per_cpu: Watts
    n_cpu: int
    includes_ram: bool
    boundary: str
    source: str
    machine: str
    basis: Basis = Basis.MODELLED
    usable_cpus: float | None = None
    pue: Range | None = None
    year: int | None = None

    @property
    def idle_cpus(self) -> float:
        """CPUs whose idle power stands for this process, where no counter meters the whole machine."""
        return self.n_cpu if self.usable_cpus is None else self.usable_cpus


class MemoryModel(Struct, frozen=True):
    """Memory without a counter: a constant power that stands in idle (method: section 2).

    Attributes:
        power_w: watts of the installed memory; None where the CPU figure includes it ("in cpu").
    """

    reason: str
    power_w: Watts | None
    source: str
    name: str = "memory model"
    basis: Basis = Basis.MODELLED


class RejectedMeter(Struct, frozen=True):
    """A meter that does not work here: why, and what to do about it.

    Attributes:
        absent: there is nothing for it to meter, or the user hid it: no number lacks anything.
    """

    name: str
    reason: str
    remedy: str
    absent: bool = False


class Host(Struct, frozen=True):
    """This machine, as far as numbers depend on it.

    Attributes:
        cpu_model: as the kernel names it, or "unknown".
        n_cpu: logical CPUs of the machine. n_cores: physical cores, None where not known.
        virtual: the kernel runs in a virtual machine. memory_bytes: installed, or the VM's.
        kind: ``vm``, ``laptop``, ``desktop`` or ``server``.
        usable_cpus: where a cgroup's quota or the affinity leaves this process fewer than ``n_cpu``, how many, with
            fractions; else None. limited_by: which of the two, or "".
    """

    cpu_model: str
    n_cpu: int
    n_cores: int | None
    virtual: bool
    memory_bytes: int
    kind: str
    boot_id: str
    usable_cpus: float | None = None
    limited_by: str = ""


class Selection(Struct, frozen=True):
    """What was chosen to meter this machine, and what was not.

    ``cpu_model`` is always there: it prices CPU seconds where no counter stands, or when one breaks in mid-run.

    Attributes:
        recorded_busy: the machine's busy CPU seconds as a recorded meter scripts them; None: read the machine.
        pue, wue_l_per_kwh: of the data centre, as declared; None: nothing was.
        declared: what the user says of the machine, as it stands in the table.
    """

    host: Host
    counters: tuple[CounterMeter, ...]
    cpu_model: LoadModel
    memory_model: MemoryModel
    rejected: tuple[RejectedMeter, ...]
    recorded_busy: Callable[[], float | None] | None = None
    pue: Range | None = None
    wue_l_per_kwh: LitresPerKwh | None = None
    declared: Hardware = field(default_factory=Hardware)

    def counter(self, domain: str) -> CounterMeter | None:
        """The counter of a domain, if there is one."""
        return next((m for m in self.counters if m.domain == domain), None)

    def card(self, domain: str) -> str:
        """The driver's name of the card of a domain; "" where no driver tells one."""
        return str(getattr(self.counter(domain), "card", ""))

    def on_chip(self, domain: str) -> bool:
        """Whether the device of a domain is a part of the processor, whose manufacture is the machine's."""
        return bool(getattr(self.counter(domain), "on_chip", False))
