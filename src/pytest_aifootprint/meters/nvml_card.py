"""One card through nvidia-ml-py: each question, what it costs, and what it answers where the driver cannot.

Costs as measured on an H100 80GB HBM3 with driver 580.159.04 (docs/explanation/gpu-accuracy.md).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

from pytest_aifootprint.meters.counters import CounterFault, read_text_or
from pytest_aifootprint.meters.nvml_codes import NEVER, NOTHING_NEW, translate

J_PER_MJ = 1e-3
W_PER_MW = 1e-3

_TOTAL_POWER_SAMPLES = 0  # nvmlSamplingType_t
_UNSIGNED_INT = 1  # nvmlValueType_t
_VGPU = 2  # nvmlGpuVirtualizationMode_t
_NS_PER_US = 1000
_MOST_ANCESTORS = 64


class NvmlCard:
    """Asks one card. A question that the driver will never answer is not asked again.

    Args:
        nvml: the module. handle: of the card. epoch_clock: of the driver's time stamps, in ns.
    """

    def __init__(self, nvml: Any, handle: Any, *, epoch_clock: Callable[[], int] = time.time_ns) -> None:
        self._nvml = nvml
        self._handle = handle
        self._epoch = epoch_clock
        self._never: set[str] = set()
        self._missing = AttributeError, getattr(nvml, "NVMLLibraryMismatchError", AttributeError)

    def energy_j(self) -> float:
        """Joules since the driver was loaded. Raises CounterFault. 2.3 to 18 ms, most of it CPU."""
        try:
            return int(self._nvml.nvmlDeviceGetTotalEnergyConsumption(self._handle)) * J_PER_MJ
        except self._nvml.NVMLError as e:
            raise translate(e) from None

    def power_w(self) -> float:
        """Watts as the driver reports them: on an H100 the mean of the last second. Raises CounterFault. 2 us."""
        try:
            return int(self._nvml.nvmlDeviceGetPowerUsage(self._handle)) * W_PER_MW
        except self._nvml.NVMLError as e:
            raise translate(e) from None

    def power_samples(self, since_us: int, now_ns: int) -> list[tuple[int, int, float]] | None:
        """What the driver keeps of power since a time stamp: on an H100 every 20 ms, over 2.4 s. 0.3 to 0.7 ms.

        Returns:
            (the driver's time stamp in us, the same in ns of the clock of ``now_ns``, watts); None where it keeps none.
        """
        got = self._ask("nvmlDeviceGetSamples", _TOTAL_POWER_SAMPLES, since_us)
        if got is None or (got and got[0] != _UNSIGNED_INT):
            return None
        offset_ns = now_ns - self._epoch()
        samples = got[1] if got else ()
        # Fifty a second: each attribute of a C structure is looked up once.
        return [
            (stamp_us, stamp_us * _NS_PER_US + offset_ns, sample.sampleValue.uiVal * W_PER_MW)
            for sample in samples
            if (stamp_us := sample.timeStamp) > since_us
        ]

    def load_percent(self) -> int | None:
        """Share of time in which the card ran anything, over its last sample period (H100: 200 ms). 2 us."""
        got = self._ask("nvmlDeviceGetUtilizationRates")
        return None if not got else int(got.gpu)

    def holders(self) -> tuple[int, ...] | None:
        """Pids with a context, as seen from this pid namespace; None where the driver does not tell. 2 x 40 us."""
        computing = self._ask("nvmlDeviceGetComputeRunningProcesses")
        if computing is None:
            return None
        drawing = self._ask("nvmlDeviceGetGraphicsRunningProcesses") or ()
        return tuple(sorted({int(p.pid) for p in (*computing, *drawing)}))

    def process_load(self, since_us: int) -> tuple[int, dict[int, int]] | None:
        """How busy each process kept the card since a time stamp. 1.3 to 2.4 ms.

        Returns:
            The newest time stamp in us, and percent by pid; None where the driver does not tell.
        """
        got = self._ask("nvmlDeviceGetProcessUtilization", since_us)
        if got is None:
            return None
        newest, percent = since_us, {}
        for sample in got:
            newest = max(newest, int(sample.timeStamp))
            percent[int(sample.pid)] = int(sample.smUtil)
        return newest, percent

    def limit_w(self) -> float | None:
        """The most that the card may take on average, all limits considered; None where the driver does not tell."""
        got = self._ask("nvmlDeviceGetEnforcedPowerLimit")
        return int(got) * W_PER_MW if got else None

    def is_virtual(self) -> bool:
        """Whether this machine is the guest of a virtual GPU (vGPU); a card passed through as a whole is none."""
        return bool(self._ask("nvmlDeviceGetVirtualizationMode") == _VGPU)

    def now_us(self) -> int:
        """The time on the clock of the driver's time stamps."""
        return self._epoch() // _NS_PER_US

    def _ask(self, name: str, *arguments: int) -> Any:
        """The answer; () where there is nothing new; None where there is no answer."""
        if name in self._never:
            return None
        try:
            return getattr(self._nvml, name)(self._handle, *arguments)
        except self._nvml.NVMLError as e:
            if int(e.value) in NOTHING_NEW:
                return ()
            if int(e.value) in NEVER:
                self._never.add(name)
            return None
        except self._missing:  # a binding older than this function, or a driver older than the binding
            self._never.add(name)
            return None


def ancestors(pid: int) -> tuple[int, ...]:
    """The process itself, its parent, its parent's parent, ...; empty if there is no such process here (proc(5))."""
    found: list[int] = []
    while pid > 0 and pid not in found and len(found) < _MOST_ANCESTORS:
        text = read_text_or(f"/proc/{pid}/stat")
        if not text:
            break
        found.append(pid)
        pid = int(text[text.rindex(")") + 2 :].split()[1])
    return tuple(found)


def probe(card: NvmlCard) -> None:
    """Read the counter. Raises CounterFault if nothing feeds it. That it moves, its meter watches."""
    if card.energy_j() == 0:
        raise CounterFault("the energy counter reads 0 mJ: nothing feeds it", "nothing to do: the card is not metered")


def all_known(pids: Iterable[int], known: dict[int, tuple[int, ...]]) -> None:
    """Look up the ancestors of those pids that are not known yet."""
    for pid in pids:
        if pid not in known:
            known[pid] = ancestors(pid)
