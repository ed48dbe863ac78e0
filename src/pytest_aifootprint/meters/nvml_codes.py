"""What NVML's return codes mean here, and what to do about them (nvml.h, nvmlReturn_t)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_aifootprint.meters.contract import RejectedMeter
from pytest_aifootprint.meters.counters import HOW_TO, CounterFault

NOTHING_NEW = frozenset({0, 6})
"""Success without an entry, and "not found": there is nothing since the time asked for."""
NEVER = frozenset({2, 3, 4, 13, 25})
"""Not asked again: invalid, not supported, no permission, no such function, a version that the driver does not know."""

_UNINITIALIZED = 1
_CODES: Mapping[int, tuple[str, str]] = {
    2: ("the card has been replaced or reset since it was opened", "run again"),
    3: ("this card has no energy counter (before Volta, or a virtual GPU)", "nothing to do: the card is not metered"),
    4: ("no permission to read the energy counter", f"ask the administrator for NVML access; see {HOW_TO}"),
    6: ("the card is gone", "see nvidia-smi"),
    9: ("the NVIDIA driver is not loaded", "load it: sudo modprobe nvidia; nvidia-smi must work"),
    10: ("the driver did not answer in time", "see nvidia-smi"),
    12: (
        "libnvidia-ml.so.1 was not found",
        "install the driver's libnvidia-ml, or start the container with --gpus all",
    ),
    13: ("the driver is too old for its energy counter", "update the NVIDIA driver"),
    15: ("the GPU has fallen off the bus", "see dmesg and nvidia-smi; the machine may need a restart"),
    16: ("the GPU needs a reset", "see nvidia-smi"),
    17: (
        "the operating system blocks access to the driver",
        "start the container with --gpus all, check cgroup devices",
    ),
    18: ("driver and library have different versions", "restart the machine after a driver update"),
    999: ("the driver reports an unknown error", "see nvidia-smi"),
}


def translate(e: Any) -> CounterFault:
    """An NVMLError in words, with the remedy."""
    code = int(e.value)
    if code == _UNINITIALIZED:
        return CounterFault("NVML was shut down by somebody else in this process", "run again")
    reason, remedy = _CODES.get(code, (str(e), "see nvidia-smi"))
    return CounterFault(f"{reason} (NVML error {code})", remedy)


def rejected(name: str, fault: CounterFault) -> RejectedMeter:
    """A meter that this fault keeps from working."""
    return RejectedMeter(name, fault.reason, fault.remedy)
