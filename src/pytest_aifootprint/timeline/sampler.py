"""The thread that reads the counters ten times a second.

It exists only where there is a counter. Its own CPU is measured, so that it can be taken out of the windows: a test
does not pay for being watched.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable

from pytest_aifootprint.meters.contract import CounterMeter, Reading, Unreadable
from pytest_aifootprint.meters.gpu import GpuMeter
from pytest_aifootprint.quantities.units import NS_PER_S
from pytest_aifootprint.timeline.busy import BusyTimes
from pytest_aifootprint.timeline.clock import TICK_NS, next_tick_ns
from pytest_aifootprint.timeline.readings import BusyReadings, CounterReadings

MAX_ERRORS = 20
_JOIN_S = 5.0


class Sampler:
    """Reads counters, busy seconds and a callback on the grid of ticks.

    Reading how busy the machine is costs more the more CPUs it has: it is done at every tick only for counters whose
    joules are divided by that, which those of cards are not.

    Args:
        counters: the meters; without any, no thread is started, unless ``threaded``.
        busy: the machine's busy CPU seconds and steal, or None if it does not tell.
        tick: called at every tick with CLOCK_MONOTONIC in ns, before the counters are read.
        period_ns: of the grid. clock: CLOCK_MONOTONIC in ns. thread_clock: CPU ns of the calling thread.
        stopped: what the thread waits on; a test injects one that turns the clock instead of waiting.
        threaded: start the thread also without a counter of its own: an xdist worker notes its CPU clock on the same
            grid on which the controller reads the counters.

    Attributes:
        readings: by domain, append-only; complete after ``stop``. busy: likewise.
        errors: what went wrong in us, in one line each; never printed, never raised.
    """

    def __init__(  # noqa: PLR0913 - everything that a test must be able to replace
        self,
        counters: Iterable[CounterMeter],
        busy: Callable[[], BusyTimes | None],
        tick: Callable[[int], object] | None = None,
        *,
        period_ns: int = TICK_NS,
        clock: Callable[[], int] = time.monotonic_ns,
        thread_clock: Callable[[], int] = time.thread_time_ns,
        stopped: threading.Event | None = None,
        threaded: bool = False,
    ) -> None:
        self._counters = tuple(counters)
        self._read_busy = busy
        self._tick = tick
        self._period_ns = period_ns
        self._clock = clock
        self._thread_clock = thread_clock
        self._stopped = stopped or threading.Event()
        self._threaded = threaded or bool(self._counters)
        self._busy_at_ticks = not self._counters or any(not isinstance(m, GpuMeter) for m in self._counters)
        self._thread: threading.Thread | None = None
        self._pid = 0
        self._cpu_ns = 0
        self.readings = {m.domain: CounterReadings(m.domain, m.name) for m in self._counters}
        self.busy = BusyReadings()
        self.errors: list[str] = []

    @property
    def cpu_ns(self) -> int:
        """CPU that the thread has used, as of its last tick."""
        return self._cpu_ns

    def start(self) -> None:
        """Take the first readings here and now, and start the thread if there is a counter. Once."""
        if self._pid:
            return
        self._pid = os.getpid()
        self.sample()
        if self._threaded:
            self._thread = threading.Thread(target=self.run, name="aifootprint-sampler", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End the thread and take the last readings. A second call, or one in a forked child, does nothing."""
        # A fork may have copied the event with its lock held: in a child it must not be touched.
        if self._pid != os.getpid():
            return
        self._pid = -1
        self._stopped.set()
        if self._thread is not None:
            self._thread.join(_JOIN_S)
            if self._thread.is_alive():
                self._error(f"the sampler thread did not end within {_JOIN_S:g} s: a counter hangs")
                return
        self.sample()

    def run(self) -> None:
        """The thread: wait for the next tick, sample, until stopped."""
        while True:
            now = self._clock()
            if self._stopped.wait((next_tick_ns(now, self._period_ns) - now) / NS_PER_S):
                break
            self.sample(busy=self._busy_at_ticks)
            self._cpu_ns = self._thread_clock()
        self._cpu_ns = self._thread_clock()

    def sample(self, *, busy: bool = True) -> None:
        """Read everything once, at this moment; ``busy``: also how busy the machine is."""
        t_ns = self._clock()
        if self._tick is not None:
            try:
                self._tick(t_ns)
            except Exception as e:  # noqa: BLE001 - our error must not end the run's metering
                self._error(f"tick callback: {type(e).__name__}: {e}")
        if busy:
            self._sample_busy()
        for meter in self._counters:
            readings = self.readings[meter.domain]
            try:
                got = meter.read()
            except Exception as e:  # noqa: BLE001 - a meter never raises; if it does, that is a gap
                got = Unreadable(t_ns, f"{meter.name} failed: {type(e).__name__}: {e}", "please report this")
                self._error(f"{meter.name} {meter.domain}: {type(e).__name__}: {e}")
            if isinstance(got, Reading):
                readings.t_ns.append(got.t_ns)
                readings.energy_j.append(got.energy_j)
            else:
                readings.gaps.append(got)

    def _sample_busy(self) -> None:
        try:
            # Its own time: on a busy machine the thread may have waited since the tick began, and CPU seconds of one
            # moment under the time of another would make one tick's load too large and the next one's too small.
            times, t_ns = self._read_busy(), self._clock()
        except Exception as e:  # noqa: BLE001 - as above
            self._error(f"busy seconds: {type(e).__name__}: {e}")
            return
        if times is not None:
            self.busy.t_ns.append(t_ns)
            self.busy.busy_s.append(times.busy_s)
            if times.steal_s is not None:
                self.busy.steal_s.append(times.steal_s)

    def _error(self, text: str) -> None:
        if len(self.errors) < MAX_ERRORS:
            self.errors.append(text)
