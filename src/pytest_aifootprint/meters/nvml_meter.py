"""The meter of one NVIDIA card: its energy counter, read as seldom as its cost asks for, and its signals."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from pytest_aifootprint.meters.contract import Reading, Unreadable
from pytest_aifootprint.meters.counters import Accumulator, CounterFault
from pytest_aifootprint.meters.gpu import Mig
from pytest_aifootprint.meters.nvml_card import NvmlCard
from pytest_aifootprint.meters.nvml_watch import NvmlWatch
from pytest_aifootprint.quantities import Basis
from pytest_aifootprint.quantities.units import NS_PER_S

MAX_CARD_W = 5000.0
"""No card draws that much: a B200 has a limit of 1,000 W, a superchip of two with its CPU 2,700 W."""
ABOVE_LIMIT = 3.0
"""Times its enforced limit, a card's counter is not believed. An H100 drew 1.36 times its limit for 20 ms after a rest;
and the limit, which is read once, may have been raised since."""
STILL_NS = 12 * NS_PER_S
"""An idle card draws some watts, and the counter moves several times a second; it is read every 5 s at most."""

COUNTER_CPU_SHARE = 0.0007
"""How much of a core reading the counter may cost."""
SELDOM_NS = 5 * NS_PER_S
SELDOM_ALONE_NS = NS_PER_S // 5
"""Without the driver's own power samples, nothing but the counter says when the energy went."""


class NvmlMeter:
    """The energy of one card: by its counter, or, where it has none, by its power, integrated.

    Args:
        limit_w: the most that the card may take on average; None where the driver does not tell.
        mig, instances, phase_ns: of ``NvmlWatch``.

    Attributes:
        signals: what the card said beside its counter. card: the driver's name for it. basis: of a card that is split
            by MIG only modelled: the counter counts all of it, and nothing says what each instance took.
    """

    def __init__(  # noqa: PLR0913 - everything that a test must be able to replace
        self,
        card: NvmlCard,
        domain: str,
        reason: str,
        clock: Callable[[], int],
        give_back: Callable[[], None],
        *,
        counts: bool = True,
        called: str = "",
        limit_w: float | None = None,
        mig: Mig | None = None,
        instances: Sequence[NvmlCard] = (),
        phase_ns: int = 0,
        cpu_clock: Callable[[], int] = time.thread_time_ns,
    ) -> None:
        self.domain = domain
        self.reason = reason
        self.card = called
        self.name = "nvml" if counts else "nvml power"
        self.basis = Basis.MEASURED if counts and mig is None else Basis.MODELLED
        self._watch = NvmlWatch(card, instances=instances, mig=mig, phase_ns=phase_ns)
        self.signals = self._watch.signals
        self._card = card
        self._clock = clock
        self._cpu_clock = cpu_clock
        self._give_back = give_back
        self._counts = counts
        max_w = ABOVE_LIMIT * limit_w if limit_w else MAX_CARD_W
        self._joules = Accumulator(wrap_j=None, max_w=max_w, still_ns=STILL_NS)
        self._last: Reading | Unreadable | None = None
        self._integrated_j = 0.0
        self._open = True
        self._due_ns = 0

    def read(self) -> Reading | Unreadable:
        """Joules since the first read, as of the counter's last turn: that is in ``Reading.t_ns``."""
        t_ns = self._clock()
        if not self._open:
            return Unreadable(t_ns, "the meter is closed", "nothing to do")
        self._watch.look(t_ns)
        if self._counts:
            if self._last is None or t_ns >= self._due_ns:
                self._last = self._count(t_ns)
        else:
            self._last = self._integrate(t_ns)
        return self._last

    def close(self) -> None:
        """Read the counter a last time, and give NVML back; it counts its users."""
        if not self._open:
            return
        t_ns = self._clock()
        if self._last is not None:
            self._watch.look(t_ns, last=True)
            if self._counts:
                self._count(t_ns)
        self._open = False
        self._give_back()

    def _count(self, t_ns: int) -> Reading | Unreadable:
        started, missed = self._cpu_clock(), self.signals.gaps_ns
        try:
            raw_j = self._card.energy_j()
            now_ns = self._clock()  # the driver takes its time
            missed = self.signals.breaks_ns
            joules = self._joules.advance(now_ns, raw_j)
        except CounterFault as e:
            missed.append(t_ns)
            return Unreadable(t_ns, e.reason, e.remedy)
        finally:
            cost_ns = self._cpu_clock() - started
            seldom = SELDOM_NS if self._watch.dense else SELDOM_ALONE_NS
            self._due_ns = t_ns + min(int(cost_ns / COUNTER_CPU_SHARE), seldom)
        self.signals.counter_t_ns.append(now_ns)
        self.signals.counter_j.append(joules)
        return Reading(now_ns, joules)

    def _integrate(self, t_ns: int) -> Reading | Unreadable:
        """A card without a counter: its power now, for the time since the last look."""
        signals = self.signals
        try:
            power_w = self._card.power_w()
        except CounterFault as e:
            signals.breaks_ns.append(t_ns)
            return Unreadable(t_ns, e.reason, e.remedy)
        if not self._watch.dense:
            signals.power_t_ns.append(t_ns)
            signals.power_w.append(power_w)
        if isinstance(self._last, Reading):  # else it is not known what it took since
            self._integrated_j += power_w * (t_ns - self._last.t_ns) / NS_PER_S
        return Reading(t_ns, self._integrated_j)
