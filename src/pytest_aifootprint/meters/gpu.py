"""What a card says beside its energy counter: power, load, and who holds it. Append-only, filled at ticks.

The counter says how much; these say when, and whose. They cost microseconds where the counter costs milliseconds
(docs/explanation/gpu-accuracy.md), so a card's meter may read its counter seldom and still know what a short test took.
"""

from __future__ import annotations

from array import array
from typing import NamedTuple, Protocol, runtime_checkable

from msgspec import Struct, field

from pytest_aifootprint.meters.contract import CounterMeter


class Holders(NamedTuple):
    """The processes with a context on the card from this moment on; None where the driver does not tell.

    ``before_ns`` is the look before, at which it was not so yet. ``by_instance``: the same for each instance of a card
    that is split by MIG.
    """

    t_ns: int
    pids: tuple[int, ...] | None
    before_ns: int
    by_instance: tuple[tuple[int, ...] | None, ...] = ()


class ProcessLoad(NamedTuple):
    """How busy each process kept the card between two moments, in percent; who did nothing may be missing."""

    t0_ns: int
    t1_ns: int
    percent: dict[int, int]


class Mig(Struct, frozen=True):
    """How a card is split.

    Attributes:
        weights: multiprocessors of each instance that is to be seen from here (slices where those are not told).
        unseen: likewise of instances that there may be, but are not to be seen.
        mine: numbers of the instances that the environment names for this process; empty: it names none.
    """

    weights: tuple[float, ...]
    unseen: float
    mine: frozenset[int]


class GpuSignals(Struct):
    """Signals of one card over the run; all times are ns of CLOCK_MONOTONIC, rising.

    Attributes:
        counter_t_ns, counter_j: every reading of the counter, the last one from when the meter was closed. Empty for a
            card without a counter, whose energy is the integral of its power.
        breaks_ns: when the counter was found reset or standing still: the energy of that time is not the difference of
            the readings around it. gaps_ns: when it did not answer: if it goes on counting, that difference it is.
        power_t_ns, power_w: mean power since the entry before (the first entry only begins), where it is known.
        load_t_ns, load_percent: share of time in which the card ran anything, over the last moments; -1: unknown.
        holders: on every change. loads: of each process, only taken while there are several.
        ancestors: of every holder its parent, its parent's parent, ...; empty for a process that is not to be seen from
            here, such as one outside this container.
        mig: how the card is split; None where it is not.
    """

    counter_t_ns: array[int] = field(default_factory=lambda: array("q"))
    counter_j: array[float] = field(default_factory=lambda: array("d"))
    breaks_ns: list[int] = field(default_factory=list)
    gaps_ns: list[int] = field(default_factory=list)
    power_t_ns: array[int] = field(default_factory=lambda: array("q"))
    power_w: array[float] = field(default_factory=lambda: array("d"))
    load_t_ns: array[int] = field(default_factory=lambda: array("q"))
    load_percent: array[int] = field(default_factory=lambda: array("b"))
    holders: list[Holders] = field(default_factory=list)
    loads: list[ProcessLoad] = field(default_factory=list)
    ancestors: dict[int, tuple[int, ...]] = field(default_factory=dict)
    mig: Mig | None = None


@runtime_checkable
class GpuMeter(CounterMeter, Protocol):
    """A counter meter of a card: it has signals, too."""

    signals: GpuSignals
