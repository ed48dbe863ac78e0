"""The energy counter of NVIDIA cards (Volta and later), by NVML through nvidia-ml-py.

``nvmlDeviceGetTotalEnergyConsumption``: millijoules since the driver was loaded (NVML API reference, device queries).
Power is not integrated: on A100 and H100 the power reading samples a quarter of the time (arXiv:2312.02741).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pytest_aifootprint.meters.contract import Reading, RejectedMeter, Unreadable
from pytest_aifootprint.meters.counters import HOW_TO, Accumulator, CounterFault
from pytest_aifootprint.quantities import Basis
from pytest_aifootprint.quantities.units import NS_PER_S

J_PER_MJ = 1e-3
MAX_CARD_W = 5000.0
"""No card draws that much: a B200 has a limit of 1,000 W, a superchip of two with its CPU 2,700 W."""
STILL_NS = 5 * NS_PER_S
"""An idle card draws some watts, and the counter is refreshed several times a second."""

_LINUX_DRIVER = ("dev/nvidiactl", "proc/driver/nvidia/version", "dev/dxg")
_WINDOWS_DRIVER = ("System32/nvml.dll",)
_MIG_ENABLED = 1

# Return codes of NVML (nvml.h, nvmlReturn_t): what it means here, and what to do.
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
_UNINITIALIZED = 1


class NvmlMeter:
    """The energy counter of one card."""

    name = "nvml"
    basis = Basis.MEASURED

    def __init__(self, nvml: Any, handle: Any, domain: str, reason: str, clock: Callable[[], int]) -> None:
        self.domain = domain
        self.reason = reason
        self._nvml = nvml
        self._handle = handle
        self._clock = clock
        self._joules = Accumulator(wrap_j=None, max_w=MAX_CARD_W, still_ns=STILL_NS)
        self._open = True

    def read(self) -> Reading | Unreadable:
        """Joules since the first read."""
        t_ns = self._clock()
        if not self._open:
            return Unreadable(t_ns, "the meter is closed", "nothing to do")
        try:
            raw = _energy_mj(self._nvml, self._handle)
            return Reading(t_ns, self._joules.advance(t_ns, raw * J_PER_MJ))
        except CounterFault as e:
            return Unreadable(t_ns, e.reason, e.remedy)

    def close(self) -> None:
        """Give NVML back; it counts its users."""
        if self._open:
            self._open = False
            _shutdown(self._nvml)


def find_nvml(
    root: Path, environ: Mapping[str, str], *, clock: Callable[[], int] = time.monotonic_ns
) -> tuple[list[NvmlMeter], list[RejectedMeter]]:
    """A meter for every visible card, and the cards that cannot be metered.

    Args:
        root: the file system's root.
        environ: for CUDA_VISIBLE_DEVICES.
        clock: CLOCK_MONOTONIC in ns.
    """
    if not _driver_there(root, environ):
        return [], [RejectedMeter("nvml", "NVIDIA driver not found", "nothing to do on a machine without NVIDIA cards")]
    try:
        import pynvml as nvml
    except ImportError as e:
        return [], [RejectedMeter("nvml", f"nvidia-ml-py does not import: {e}", "pip install nvidia-ml-py")]
    try:
        nvml.nvmlInit()
    except nvml.NVMLError as e:
        return [], [_rejected("nvml", _translate(e))]
    try:
        return _cards(nvml, environ, clock)
    finally:
        _shutdown(nvml)


def visible_cards(text: str | None, uuids: list[str]) -> tuple[list[int], list[str]]:
    """The cards that CUDA_VISIBLE_DEVICES leaves visible.

    Args:
        text: the variable; None if it is not set.
        uuids: of all cards, in NVML's order.

    Returns:
        Indices, and the entries that name no card. As CUDA does, the list ends at the first of those.
    """
    if text is None:
        return list(range(len(uuids))), []
    chosen: list[int] = []
    for entry in (part.strip() for part in text.split(",")):
        if entry.isdigit() and int(entry) < len(uuids):
            index = int(entry)
        else:
            matches = [i for i, uuid in enumerate(uuids) if entry.startswith("GPU-") and uuid.startswith(entry)]
            if len(matches) != 1:
                return chosen, [entry] if entry not in {"", "-1", "NoDevFiles"} else []
            index = matches[0]
        if index not in chosen:
            chosen.append(index)
    return chosen, []


def _driver_there(root: Path, environ: Mapping[str, str]) -> bool:
    """By the driver's files: loading a library or a Python module to learn that there is none would cost more."""
    if any((root / name).exists() for name in _LINUX_DRIVER):
        return True
    windows = environ.get("WINDIR") if os.name == "nt" else None
    return windows is not None and any((Path(windows) / name).exists() for name in _WINDOWS_DRIVER)


def _cards(
    nvml: Any, environ: Mapping[str, str], clock: Callable[[], int]
) -> tuple[list[NvmlMeter], list[RejectedMeter]]:
    try:
        handles = [nvml.nvmlDeviceGetHandleByIndex(i) for i in range(nvml.nvmlDeviceGetCount())]
        uuids = [nvml.nvmlDeviceGetUUID(h) for h in handles]
        names = [nvml.nvmlDeviceGetName(h) for h in handles]
    except nvml.NVMLError as e:
        return [], [_rejected("nvml", _translate(e))]
    if not handles:
        return [], [RejectedMeter("nvml", "the NVIDIA driver shows no card", "see nvidia-smi")]
    text = environ.get("CUDA_VISIBLE_DEVICES")
    indices, unknown = visible_cards(text, uuids)
    rejected = [_unknown_entry(entry) for entry in unknown]
    if not indices and not unknown:
        rejected.append(RejectedMeter("nvml", f"CUDA_VISIBLE_DEVICES={text!r} hides every card", "nothing to do"))
    meters: list[NvmlMeter] = []
    for i in indices:
        domain = f"gpu{i}"
        reason = f"NVML energy counter of {names[i]} ({uuids[i]})"
        try:
            meters.append(_card(nvml, handles[i], domain, reason, clock))
        except CounterFault as e:
            rejected.append(_rejected(f"nvml {domain}", e))
    return meters, rejected


def _card(nvml: Any, handle: Any, domain: str, reason: str, clock: Callable[[], int]) -> NvmlMeter:
    """The meter of a card whose counter reads twice. Raises CounterFault."""
    if _mig_enabled(nvml, handle):
        raise CounterFault(
            "the card is split by MIG: its energy counter is of the whole card, shared with other users of it",
            "not metered yet; nothing to do",
        )
    first, second = _energy_mj(nvml, handle), _energy_mj(nvml, handle)
    if second == 0 or second < first:
        raise CounterFault(
            f"the energy counter reads {first}, then {second} mJ: nothing feeds it",
            "a virtual GPU has none: the card is not metered",
        )
    try:
        nvml.nvmlInit()  # NVML counts its users: one for each meter, given back by its close().
    except nvml.NVMLError as e:
        raise _translate(e) from None
    return NvmlMeter(nvml, handle, domain, reason, clock)


def _mig_enabled(nvml: Any, handle: Any) -> bool:
    try:
        current, _ = nvml.nvmlDeviceGetMigMode(handle)
    except nvml.NVMLError:
        return False  # A card or a driver without MIG answers "not supported" or "function not found".
    return bool(current == _MIG_ENABLED)


def _energy_mj(nvml: Any, handle: Any) -> int:
    try:
        return int(nvml.nvmlDeviceGetTotalEnergyConsumption(handle))
    except nvml.NVMLError as e:
        raise _translate(e) from None


def _translate(e: Any) -> CounterFault:
    code = int(e.value)
    if code == _UNINITIALIZED:
        return CounterFault("NVML was shut down by somebody else in this process", "run again")
    reason, remedy = _CODES.get(code, (str(e), "see nvidia-smi"))
    return CounterFault(f"{reason} (NVML error {code})", remedy)


def _rejected(name: str, fault: CounterFault) -> RejectedMeter:
    return RejectedMeter(name, fault.reason, fault.remedy)


def _unknown_entry(entry: str) -> RejectedMeter:
    if entry.startswith("MIG-"):
        return RejectedMeter("nvml", f"{entry} is a slice of a card (MIG)", "not metered yet; nothing to do")
    return RejectedMeter("nvml", f"CUDA_VISIBLE_DEVICES names {entry!r}, which is no card here", "correct the variable")


def _shutdown(nvml: Any) -> None:
    try:
        nvml.nvmlShutdown()
    except nvml.NVMLError:
        return  # Somebody else has shut it down already: there is nothing left to give back.
