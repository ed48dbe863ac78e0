"""Fills the signals of an NVIDIA card, each as often as it is worth its cost."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_aifootprint.meters.gpu import GpuSignals, Holders, Mig, ProcessLoad
from pytest_aifootprint.meters.nvml_card import NvmlCard, all_known
from pytest_aifootprint.quantities.units import NS_PER_S

POWER_NS = NS_PER_S
"""The driver of an H100 keeps 2.4 s of power samples."""
SLACK_NS = NS_PER_S // 20
LOOK_NS = NS_PER_S // 5
"""The driver of an H100 moves its utilisation as often; where it keeps power samples, nothing is lost in between."""
LOADS_NS = 2 * NS_PER_S
LOADS_CHANGED_NS = 2 * LOOK_NS
LOADS_ALONE_NS = 10 * NS_PER_S
"""In a container the driver lists its own processes alone, but tells of the load of those outside, too."""


class NvmlWatch:
    """When the energy of a card went, and whose it is.

    Args:
        card: to ask. instances: of a card that is split by MIG; ``mig``: how it is.
        phase_ns: by how much this card comes before its turn, less than 1 s: of several, not all are asked at one tick.

    Attributes:
        signals: what the card said. dense: whether its driver keeps samples of its power.
    """

    def __init__(
        self, card: NvmlCard, *, instances: Sequence[NvmlCard] = (), mig: Mig | None = None, phase_ns: int = 0
    ) -> None:
        self.signals = GpuSignals(mig=mig)
        self.dense = True
        self._card = card
        self._instances = instances
        self._phase_ns = phase_ns
        self._turn = -1
        self._due_ns = dict.fromkeys(("power", "loads"), 0)
        self._samples_us = self._loads_us = card.now_us()
        self._loads_ns = self._looked_ns = 0
        self._seen: set[int] = set()
        self._strangers = self._held = False

    def look(self, t_ns: int, *, last: bool = False) -> None:
        """Note what is due at this moment; ``last``: everything. Never raises; microseconds at most ticks."""
        signals, card = self.signals, self._card
        turn = (t_ns + self._phase_ns) // LOOK_NS
        if last:
            self._due_ns = dict.fromkeys(self._due_ns, 0)
        elif self.dense and turn == self._turn:
            return
        new_turn, self._turn = turn != self._turn, turn
        load = card.load_percent()
        signals.load_t_ns.append(t_ns)
        signals.load_percent.append(-1 if load is None else min(load, 100))
        if self._due("power", t_ns, POWER_NS):
            self._take_power(t_ns)
        if new_turn or last:
            self._take_holders(t_ns)
        holders = signals.holders[-1].pids
        if not holders:
            if self._looked_ns != t_ns:
                return
            if self._held:  # what those did that have just gone, as workers have when their run is over
                self._take_loads(t_ns)
            # A context that the next look shows may be there from now on.
            self._held, self._loads_us, self._loads_ns = False, card.now_us(), t_ns
            return
        self._held = True
        period_ns = LOADS_NS if len(holders) > 1 or self._strangers else LOADS_ALONE_NS
        if (last or t_ns - self._loads_ns >= period_ns) and self._due("loads", t_ns, LOADS_NS):
            self._take_loads(t_ns)

    def _take_holders(self, t_ns: int) -> None:
        holders = self.signals.holders
        parts = tuple([instance.holders() for instance in self._instances])
        pids = _together(parts) if parts else self._card.holders()
        if not holders or holders[-1].pids != pids or holders[-1].by_instance != parts:
            if self._held and pids and t_ns - self._loads_ns >= LOADS_CHANGED_NS:
                self._take_loads(t_ns)  # what was done until now is not of who comes now
            all_known(pids or (), self.signals.ancestors)
            holders.append(Holders(t_ns, pids, self._looked_ns or t_ns, parts))
            self._seen.update(pids or ())
        self._looked_ns = t_ns

    def _due(self, what: str, t_ns: int, period_ns: int) -> bool:
        if t_ns + SLACK_NS < self._due_ns[what]:  # ticks come a little early or late
            return False
        self._due_ns[what] = t_ns + period_ns - (0 if self._due_ns[what] else self._phase_ns)
        return True

    def _take_power(self, t_ns: int) -> None:
        signals = self.signals
        if self._card.now_us() < self._samples_us:
            self._samples_us = 0  # the machine's clock was set back, and the driver's time stamps with it
        samples = self._card.power_samples(self._samples_us, t_ns)
        self.dense = samples is not None
        if not samples:
            return
        known_ns = signals.power_t_ns[-1] if signals.power_t_ns else 0
        for stamp_us, at_ns, power_w in samples:
            if known_ns < at_ns <= t_ns + SLACK_NS:  # else a time stamp from before the clock was set
                self._samples_us, known_ns = stamp_us, at_ns
                signals.power_t_ns.append(at_ns)
                signals.power_w.append(power_w)

    def _take_loads(self, t_ns: int) -> None:
        got = self._card.process_load(self._loads_us)
        if got is None:
            return
        newest_us, percent = got
        if percent:
            all_known(percent, self.signals.ancestors)
            self._strangers = any(part > 0 and pid not in self._seen for pid, part in percent.items())
            self.signals.loads.append(ProcessLoad(self._loads_ns, t_ns, percent))
            self._loads_us, self._loads_ns = newest_us, t_ns


def _together(parts: Sequence[tuple[int, ...] | None]) -> tuple[int, ...] | None:
    """Everybody of whom some instance tells; None if none of them does."""
    told = [part for part in parts if part is not None]
    return tuple(sorted({pid for part in told for pid in part})) if told else None
