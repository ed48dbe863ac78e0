"""NVIDIA cards, by NVML through nvidia-ml-py: which of them can be metered, and how.

``nvmlDeviceGetTotalEnergyConsumption``: millijoules since the driver was loaded, Volta and later (NVML API reference,
device queries). Where a card has no such counter, its power is integrated, and the basis says so.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from pytest_aifootprint.meters.contract import RejectedMeter
from pytest_aifootprint.meters.counters import CounterFault
from pytest_aifootprint.meters.nvml_card import NvmlCard, probe
from pytest_aifootprint.meters.nvml_codes import rejected as _rejected
from pytest_aifootprint.meters.nvml_codes import translate
from pytest_aifootprint.meters.nvml_meter import NvmlMeter

_LINUX_DRIVER = ("dev/nvidiactl", "proc/driver/nvidia/version", "dev/dxg")
_LINUX_LIBRARY = "libnvidia-ml.so.1"
_WINDOWS_DRIVER = ("System32/nvml.dll",)
_MIG_ENABLED = 1


def find_nvml(
    root: Path,
    environ: Mapping[str, str],
    *,
    clock: Callable[[], int] = time.monotonic_ns,
    epoch_clock: Callable[[], int] = time.time_ns,
) -> tuple[list[NvmlMeter], list[RejectedMeter]]:
    """A meter for every visible card, and the cards that cannot be metered.

    Args:
        root: the file system's root.
        environ: for CUDA_VISIBLE_DEVICES.
        clock: CLOCK_MONOTONIC in ns.
        epoch_clock: of the driver's time stamps, in ns since 1970.
    """
    if not _driver_there(root, environ):
        remedy = "nothing to do on a machine without NVIDIA cards"
        return [], [RejectedMeter("nvml", "NVIDIA driver not found", remedy, absent=True)]
    try:
        import pynvml as nvml
    except ImportError as e:
        return [], [RejectedMeter("nvml", f"nvidia-ml-py does not import: {e}", "pip install nvidia-ml-py")]
    try:
        nvml.nvmlInit()
    except nvml.NVMLError as e:
        return [], [_rejected("nvml", translate(e))]
    try:
        return _cards(nvml, environ, clock, epoch_clock)
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
    """By the driver's files: loading a library or a Python module to learn that there is none would cost more.

    Its library counts where LD_LIBRARY_PATH names its folder, as containers do into which it was mounted: then NVML
    itself says what is missing. Elsewhere it may be installed on any machine, with a card or without.
    """
    if any((root / name).exists() for name in _LINUX_DRIVER):
        return True
    folders = environ.get("LD_LIBRARY_PATH", "").replace(";", ":").split(":") if os.name == "posix" else ()
    if any(folder and (root / folder.lstrip("/") / _LINUX_LIBRARY).exists() for folder in folders):
        return True
    windows = environ.get("WINDIR") if os.name == "nt" else None
    return windows is not None and any((Path(windows) / name).exists() for name in _WINDOWS_DRIVER)


def _cards(
    nvml: Any, environ: Mapping[str, str], clock: Callable[[], int], epoch_clock: Callable[[], int]
) -> tuple[list[NvmlMeter], list[RejectedMeter]]:
    try:
        handles = [nvml.nvmlDeviceGetHandleByIndex(i) for i in range(nvml.nvmlDeviceGetCount())]
        uuids = [nvml.nvmlDeviceGetUUID(h) for h in handles]
        names = [nvml.nvmlDeviceGetName(h) for h in handles]
    except nvml.NVMLError as e:
        return [], [_rejected("nvml", translate(e))]
    if not handles:
        return [], [RejectedMeter("nvml", "the NVIDIA driver shows no card", "see nvidia-smi")]
    text = environ.get("CUDA_VISIBLE_DEVICES")
    indices, unknown = visible_cards(text, uuids)
    rejected = [_unknown_entry(entry) for entry in unknown]
    if not indices and not unknown:
        hides = f"CUDA_VISIBLE_DEVICES={text!r} hides every card"
        rejected.append(RejectedMeter("nvml", hides, "nothing to do", absent=True))
    meters: list[NvmlMeter] = []
    for i in indices:
        domain = f"gpu{i}"
        try:
            card = NvmlCard(nvml, handles[i], epoch_clock=epoch_clock)
            meters.append(_meter(nvml, handles[i], card, domain, (names[i], uuids[i]), clock))
        except CounterFault as e:
            rejected.append(_rejected(f"nvml {domain}", e))
    return meters, rejected


def _meter(  # noqa: PLR0913 - made of all these
    nvml: Any, handle: Any, card: NvmlCard, domain: str, names: tuple[str, str], clock: Callable[[], int]
) -> NvmlMeter:
    """The meter of a card: by its counter if that moves, else by its power. Raises CounterFault."""
    if _mig_enabled(nvml, handle):
        raise CounterFault(
            "the card is split by MIG: its energy counter is of the whole card, shared with other users of it",
            "not metered yet; nothing to do",
        )
    name = "{} ({})".format(*names)
    counts, reason = True, f"NVML energy counter of {name}"
    try:
        probe(card)
    except CounterFault as fault:
        try:
            card.power_w()
        except CounterFault:
            raise fault from None
        counts, reason = False, f"NVML power of {name}, integrated: {fault.reason}"
    try:
        nvml.nvmlInit()  # NVML counts its users: one for each meter, given back by its close().
    except nvml.NVMLError as e:
        raise translate(e) from None
    return NvmlMeter(card, domain, reason, clock, partial(_shutdown, nvml), counts=counts, called=names[0])


def _mig_enabled(nvml: Any, handle: Any) -> bool:
    try:
        current, _ = nvml.nvmlDeviceGetMigMode(handle)
    except nvml.NVMLError:
        return False  # A card or a driver without MIG answers "not supported" or "function not found".
    return bool(current == _MIG_ENABLED)


def _unknown_entry(entry: str) -> RejectedMeter:
    if entry.startswith("MIG-"):
        return RejectedMeter("nvml", f"{entry} is a slice of a card (MIG)", "not metered yet; nothing to do")
    return RejectedMeter("nvml", f"CUDA_VISIBLE_DEVICES names {entry!r}, which is no card here", "correct the variable")


def _shutdown(nvml: Any) -> None:
    try:
        nvml.nvmlShutdown()
    except nvml.NVMLError:
        return  # Somebody else has shut it down already: there is nothing left to give back.
