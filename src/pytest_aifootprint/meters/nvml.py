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
from pytest_aifootprint.meters.nvml_mig import NO_INSTANCE, Instance, instances, layout, split_by_mig
from pytest_aifootprint.meters.nvml_visible import visible_cards
from pytest_aifootprint.quantities.units import NS_PER_S

_LINUX_DRIVER = ("dev/nvidiactl", "proc/driver/nvidia/version", "dev/dxg")
_LINUX_LIBRARY = "libnvidia-ml.so.1"
_WINDOWS_DRIVER = ("System32/nvml.dll",)
TURN_NS = NS_PER_S // 10
VIRTUAL = (
    "a virtual GPU (vGPU): other virtual machines use its card, too, and no counter is of this one's part",
    "meter on the host, or have the whole card passed through to this machine",
)


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
        cards = _Cards(nvml, nvml.nvmlDeviceGetCount())
    except nvml.NVMLError as e:
        return [], [_rejected("nvml", translate(e))]
    if not cards.count:
        return [], [RejectedMeter("nvml", "the NVIDIA driver shows no card", "see nvidia-smi")]
    text = environ.get("CUDA_VISIBLE_DEVICES")
    visible = visible_cards(text, cards.count, cards.uuid_or_none, cards.instance_names)
    rejected = [_unknown_entry(entry) for entry in visible.unknown]
    if not visible.cards and not visible.unknown:
        hides = f"CUDA_VISIBLE_DEVICES={text!r} hides every card"
        rejected.append(RejectedMeter("nvml", hides, "nothing to do", absent=True))
    meters: list[NvmlMeter] = []
    users = _Users(nvml)
    for i in visible.cards:
        try:
            make = partial(NvmlMeter, clock=clock, give_back=users.give_back, phase_ns=len(meters) % 10 * TURN_NS)
            meters.append(_meter(cards, i, make, visible.named.get(i, set()), epoch_clock))
        except CounterFault as e:
            rejected.append(_rejected(f"nvml gpu{i}", e))
    try:
        users.take(len(meters))
    except nvml.NVMLError as e:
        return [], [*rejected, _rejected("nvml", translate(e))]
    return meters, rejected


class _Cards:
    """The cards of this machine, each opened and asked for its name when it is needed, once."""

    def __init__(self, nvml: Any, count: int) -> None:
        self.nvml = nvml
        self.count = count
        self._handles: dict[int, Any] = {}
        self._uuids: dict[int, str] = {}
        self._instances: dict[int, list[Instance]] = {}

    def handle(self, i: int) -> Any:
        """Raises CounterFault."""
        if i not in self._handles:
            try:
                self._handles[i] = self.nvml.nvmlDeviceGetHandleByIndex(i)
            except self.nvml.NVMLError as e:
                raise translate(e) from None
        return self._handles[i]

    def uuid(self, i: int) -> str:
        """Raises CounterFault."""
        if i not in self._uuids:
            try:
                self._uuids[i] = str(self.nvml.nvmlDeviceGetUUID(self.handle(i)))
            except self.nvml.NVMLError as e:
                raise translate(e) from None
        return self._uuids[i]

    def uuid_or_none(self, i: int) -> str:
        """``""`` for a card that does not answer: it is not the one that somebody names."""
        try:
            return self.uuid(i)
        except CounterFault:
            return ""

    def instances(self, i: int) -> list[Instance]:
        """Those of a card that is split by MIG. Raises CounterFault."""
        if i not in self._instances:
            self._instances[i] = instances(self.nvml, self.handle(i), self.uuid(i))
        return self._instances[i]

    def instance_names(self, i: int) -> list[str]:
        try:
            return [name for instance in self.instances(i) for name in instance.names]
        except CounterFault:
            return []


class _Users:
    """NVML counts its users: all meters together are one, which goes with the last of them."""

    def __init__(self, nvml: Any) -> None:
        self._nvml = nvml
        self._left = 0

    def take(self, meters: int) -> None:
        """Keep NVML for so many meters."""
        self._left = meters
        if meters:
            self._nvml.nvmlInit()

    def give_back(self) -> None:
        """One of them is closed."""
        self._left -= 1
        if self._left == 0:
            _shutdown(self._nvml)


def _meter(
    cards: _Cards, i: int, make: Callable[..., NvmlMeter], named: set[str], epoch_clock: Callable[[], int]
) -> NvmlMeter:
    """The meter of a card: by its counter if that moves, else by its power. Raises CounterFault."""
    nvml, handle = cards.nvml, cards.handle(i)
    card = NvmlCard(nvml, handle, epoch_clock=epoch_clock)
    if card.is_virtual():
        raise CounterFault(*VIRTUAL)
    counts, fault = True, ""
    try:
        probe(card)
    except CounterFault as e:
        try:
            card.power_w()
        except CounterFault:
            raise e from None
        counts, fault = False, e.reason
    try:
        called = str(nvml.nvmlDeviceGetName(handle))
    except nvml.NVMLError as e:
        raise translate(e) from None
    name, limit_w = f"{called} ({cards.uuid(i)})", card.limit_w()
    reason = f"NVML energy counter of {name}" if counts else f"NVML power of {name}, integrated"
    if limit_w is not None:
        reason += f", limit {limit_w:g} W"
    mig = None
    if seen := cards.instances(i):
        mig = layout(nvml, handle, seen, named, sees_all=card.holders() is not None)
        reason += ", split by MIG"
    elif split_by_mig(nvml, handle):
        raise CounterFault(*NO_INSTANCE)
    return make(
        card, f"gpu{i}", reason if counts else f"{reason}: {fault}", counts=counts, called=called, limit_w=limit_w,
        mig=mig, instances=[NvmlCard(nvml, instance.handle, epoch_clock=epoch_clock) for instance in seen],
    )  # fmt: skip


def _unknown_entry(entry: str) -> RejectedMeter:
    kind = "MIG instance that is to be seen from here" if entry.startswith("MIG-") else "card here"
    return RejectedMeter("nvml", f"CUDA_VISIBLE_DEVICES names {entry!r}, which is no {kind}", "correct the variable")


def _shutdown(nvml: Any) -> None:
    try:
        nvml.nvmlShutdown()
    except nvml.NVMLError:
        return  # Somebody else has shut it down already: there is nothing left to give back.
