"""The meters of this machine while the run lasts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_aifootprint.meters.contract import Selection
from pytest_aifootprint.quantities.unfaked import REAL
from pytest_aifootprint.session.parts import RunningPart
from pytest_aifootprint.timeline.busy import busy_reader
from pytest_aifootprint.timeline.sampler import Sampler

if TYPE_CHECKING:
    from pytest_aifootprint.records.domains import MachineData


class Machine:
    """Starts the sampler, or just notes how busy the machine is at both ends where there is no counter.

    Attributes:
        selection: the meters. sampler: reads them; has a thread only where there is a counter.
    """

    def __init__(self, selection: Selection) -> None:
        """Take the meters; ``start`` begins."""
        self.selection = selection
        self.sampler = Sampler(selection.counters, busy_reader(selection.recorded_busy), self._tick)
        self._part: RunningPart | None = None
        self._started_ns = REAL.monotonic_ns()
        self._ended_ns = 0

    def start(self, part: RunningPart | None = None) -> None:
        """Begin metering; ``part`` is the running half of this process, whose CPU clock is noted at ticks."""
        if part is not None and self.selection.counters:
            self._part = part
            sampler = self.sampler
            part.clock.watch_threads(lambda: sampler.cpu_ns)
        self._started_ns = REAL.monotonic_ns()
        self.sampler.start()

    def stop(self) -> None:
        """The last readings; the meters are given back. May be called twice."""
        if self._ended_ns:
            return
        self.sampler.stop()
        self._ended_ns = REAL.monotonic_ns()
        for meter in self.selection.counters:
            meter.close()

    def data(self) -> MachineData:
        """What the meters said."""
        from pytest_aifootprint.records.domains import MachineData

        return MachineData(
            selection=self.selection,
            busy=self.sampler.busy,
            started_ns=self._started_ns,
            duration_s=((self._ended_ns or REAL.monotonic_ns()) - self._started_ns) / 1e9,
            counters=tuple(self.sampler.readings.values()),
        )

    def _tick(self, t_ns: int) -> None:
        if self._part is not None:
            self._part.tick(t_ns)
