"""The meter of one AMD card: its energy counter, or its power, integrated; and its signals."""

from __future__ import annotations

import time
from collections.abc import Callable

from pytest_aifootprint.meters.amd_card import AmdCard
from pytest_aifootprint.meters.contract import Reading, Unreadable
from pytest_aifootprint.meters.counters import Accumulator, CounterFault
from pytest_aifootprint.meters.gpu import GpuSignals, Holders
from pytest_aifootprint.meters.nvml_card import all_known
from pytest_aifootprint.quantities import Basis
from pytest_aifootprint.quantities.units import NS_PER_S

MAX_CARD_W = 5000.0
"""No card draws that much: an MI355X has a limit of 1,400 W."""
STILL_NS = 12 * NS_PER_S
"""An idle card draws some watts; a counter that stands for so long is fed by nothing (seen on an MI100)."""

COUNTER_CPU_SHARE = 0.0007
HOLDERS_CPU_SHARE = 0.0005
"""How much of a core reading the counter, and listing the processes, may cost."""
COUNTER_NS = NS_PER_S // 5
"""Nothing but the counter says when the energy went: it is read at least so often, whatever it costs."""
HOLDERS_NS, HOLDERS_SELDOM_NS = NS_PER_S // 5, 5 * NS_PER_S


class AmdMeter:
    """The energy of one card.

    Attributes:
        signals: what the card said beside its counter. Not how busy each process kept it: the driver tells that of
            graphics, not of what ROCm computes. card: the driver's name for it.
    """

    def __init__(  # noqa: PLR0913 - everything that a test must be able to replace
        self,
        card: AmdCard,
        domain: str,
        reason: str,
        clock: Callable[[], int],
        *,
        counts: bool = True,
        called: str = "",
        cpu_clock: Callable[[], int] = time.thread_time_ns,
    ) -> None:
        self.domain = domain
        self.reason = reason
        self.card = called
        self.name = "amdsmi" if counts else "amdsmi power"
        self.basis = Basis.MEASURED if counts else Basis.MODELLED
        self.signals = GpuSignals()
        self._card = card
        self._clock = clock
        self._cpu_clock = cpu_clock
        self._counts = counts
        self._joules = Accumulator(wrap_j=None, max_w=MAX_CARD_W, still_ns=STILL_NS)
        self._last: Reading | Unreadable | None = None
        self._powered_ns: int | None = None
        self._power_j = 0.0
        self._open = True
        self._counter_due_ns = self._holders_due_ns = self._looked_ns = 0

    def read(self) -> Reading | Unreadable:
        """Joules since the first read, as of ``Reading.t_ns``. Never raises."""
        t_ns = self._clock()
        if not self._open:
            return Unreadable(t_ns, "the meter is closed", "nothing to do")
        self._look(t_ns)
        if not self._counts:
            self._last = self._integrate(t_ns)
        elif self._last is None or t_ns >= self._counter_due_ns:
            self._last = self._count(t_ns)
        return self._last

    def close(self) -> None:
        """Read the counter a last time. amdsmi counts no users: shut down here, it would be gone for torch as well."""
        if not self._open:
            return
        if self._last is not None:
            t_ns = self._clock()
            self._holders_due_ns = 0
            self._look(t_ns)
            if self._counts:
                self._count(t_ns)
        self._open = False

    def _look(self, t_ns: int) -> None:
        signals = self.signals
        load = self._card.load_percent()
        signals.load_t_ns.append(t_ns)
        signals.load_percent.append(-1 if load is None else load)
        if t_ns < self._holders_due_ns:
            return
        started = self._cpu_clock()
        pids = self._card.holders()
        cost_ns = self._cpu_clock() - started
        self._holders_due_ns = t_ns + min(max(int(cost_ns / HOLDERS_CPU_SHARE), HOLDERS_NS), HOLDERS_SELDOM_NS)
        if not signals.holders or signals.holders[-1].pids != pids:
            all_known(pids or (), signals.ancestors)
            signals.holders.append(Holders(t_ns, pids, self._looked_ns or t_ns))
        self._looked_ns = t_ns

    def _count(self, t_ns: int) -> Reading | Unreadable:
        started = self._cpu_clock()
        try:
            raw_j = self._card.energy_j()
            now_ns = self._clock()  # the driver takes its time
            joules = self._joules.advance(now_ns, raw_j)
        except CounterFault as e:
            self.signals.breaks_ns.append(t_ns)
            return Unreadable(t_ns, e.reason, e.remedy)
        finally:
            cost_ns = self._cpu_clock() - started
            self._counter_due_ns = t_ns + min(int(cost_ns / COUNTER_CPU_SHARE), COUNTER_NS)
        self.signals.counter_t_ns.append(now_ns)
        self.signals.counter_j.append(joules)
        return Reading(now_ns, joules)

    def _integrate(self, t_ns: int) -> Reading | Unreadable:
        """A card without a counter: its power now, for the time since the last look; a gap adds nothing."""
        since_ns, self._powered_ns = self._powered_ns, None
        try:
            power_w = self._card.power_w()
        except CounterFault as e:
            self.signals.breaks_ns.append(t_ns)
            return Unreadable(t_ns, e.reason, e.remedy)
        self.signals.power_t_ns.append(t_ns)
        self.signals.power_w.append(power_w)
        self._powered_ns = t_ns
        if since_ns is not None:
            self._power_j += power_w * (t_ns - since_ns) / NS_PER_S
        return Reading(t_ns, self._power_j)
