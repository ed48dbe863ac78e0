"""Windows: the energy meters of the processor (EMI: Windows 11 on real hardware), through codecarbon's functions.

Its ``WindowsEMI`` class is not used: a device that it cannot read adds 0 there. Not exercised on that hardware: written
against the documented interface and libraries of our own making.
"""

from __future__ import annotations

import importlib
import struct
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

from pytest_aifootprint.meters.contract import Reading, RejectedMeter, Unreadable
from pytest_aifootprint.meters.counters import Accumulator, CounterFault, read_parts
from pytest_aifootprint.quantities import Basis
from pytest_aifootprint.quantities.units import NS_PER_S

J_PER_PWH = 3.6e-9
"""AbsoluteEnergy is in picowatt-hours (emi.h, EMI_CHANNEL_MEASUREMENT_DATA)."""
MAX_SOCKET_W = 2000.0
STILL_NS = 5 * NS_PER_S

_DEVICES = r"SYSTEM\CurrentControlSet\Control\DeviceClasses\{45BD8344-7ED6-49CF-A440-C276C933B053}"
"""GUID_DEVICE_ENERGY_METER: looked for in the registry, because importing codecarbon to find none would cost 0.1 s."""
_NOTHING_TO_DO = "nothing to do: the load model is used"


class _Channel(NamedTuple):
    """One counter: of ``path``, which has ``of`` of them, the one at ``place``."""

    path: str
    of: int
    place: int
    name: str


class EmiMeter:
    """The counters of all sockets, or of all their memory, as one."""

    name = "emi"
    basis = Basis.MEASURED

    def __init__(self, domain: str, channels: Sequence[_Channel], emi: Any, clock: Callable[[], int]) -> None:
        self.domain = domain
        self._clock = clock
        self._parts = [
            (partial(_joules, emi, channel), Accumulator(wrap_j=None, max_w=MAX_SOCKET_W, still_ns=STILL_NS))
            for channel in channels
        ]
        self.reason = f"Windows energy meter {' + '.join(channel.name for channel in channels)} (EMI)"

    def read(self) -> Reading | Unreadable:
        """Joules of all parts since the first read; one unreadable part makes the whole unreadable."""
        return read_parts(self._clock(), self._parts)

    def close(self) -> None:
        """Nothing is held open."""


def find_emi(*, clock: Callable[[], int] = time.monotonic_ns) -> tuple[list[EmiMeter], list[RejectedMeter]]:
    """The energy meters of this Windows, and why there are none. Needs no administrator."""
    if not _registered():
        reason = "Windows shows no energy meter (it has them from Windows 11 on, not in a virtual machine)"
        return [], [RejectedMeter("emi", reason, _NOTHING_TO_DO)]
    try:
        from codecarbon.core import windows_emi as emi
    except ImportError as e:
        return [], [RejectedMeter("emi", f"codecarbon's reader does not import: {e}", "pip install -U codecarbon")]
    channels, rejected = _channels(emi)
    if rejected:  # it may be one of several sockets: half a sum is not a measurement
        return [], rejected
    meters: list[EmiMeter] = []
    for domain, sign in (("cpu", "pkg"), ("ram", "dram")):
        named = [channel for channel in channels if sign in channel.name.lower()]
        if not named:
            seen = ", ".join(channel.name for channel in channels) or "none"
            reason = f"no {sign.upper()} channel among the energy meters (channels: {seen})"
            rejected.append(RejectedMeter(f"emi {domain}", reason, "nothing to do"))
            continue
        try:
            meters.append(EmiMeter(domain, _once(emi, named, rejected), emi, clock))
        except CounterFault as e:
            rejected.append(RejectedMeter(f"emi {domain}", e.reason, e.remedy))
    return meters, rejected


def _registered() -> bool:
    """Whether a device of this class was ever there."""
    winreg: Any = importlib.import_module("winreg")  # not on other platforms, nor in their type information
    try:
        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, _DEVICES) as key:
            return bool(winreg.QueryInfoKey(key)[0])
    except OSError:
        return False


def _channels(emi: Any) -> tuple[list[_Channel], list[RejectedMeter]]:
    """All channels of all devices, and the devices that cannot be asked for theirs."""
    found: list[_Channel] = []
    rejected: list[RejectedMeter] = []
    for path in emi.list_emi_device_paths():
        try:
            names = emi._read_device_channels(path)  # noqa: SLF001 - codecarbon's version is bounded for this
        except (OSError, ValueError, struct.error) as e:
            rejected.append(RejectedMeter(f"emi {path}", f"its channels cannot be read: {e}", _NOTHING_TO_DO))
            continue
        found += [_Channel(path, len(names), i, name) for i, name in enumerate(names)]
    return found, rejected


def _once(emi: Any, channels: Sequence[_Channel], rejected: list[RejectedMeter]) -> list[_Channel]:
    """The channels without those that show another one's register, as several dies of a socket do.

    Raises:
        CounterFault: one cannot be read; half a sum is not a measurement.
    """
    chosen: list[_Channel] = []
    for channel in channels:
        twin = next((other for other in chosen if _same_counter(emi, other, channel)), None)
        if twin is None:
            if _joules(emi, channel) == 0:
                raise CounterFault(f"the energy meter {channel.name} reads 0: nothing feeds it", _NOTHING_TO_DO)
            chosen.append(channel)
        else:
            reason = f"{channel.name} shows the same counter as {twin.name}"
            rejected.append(RejectedMeter(f"emi {channel.name}", reason, "nothing to do: it is counted once"))
    return chosen


def _same_counter(emi: Any, a: _Channel, b: _Channel) -> bool:
    """Whether b reads between two reads of a: then they are one register."""
    return _joules(emi, a) <= _joules(emi, b) <= _joules(emi, a)


def _joules(emi: Any, channel: _Channel) -> float:
    try:
        measured = emi._read_device_measurements(channel.path, channel.of)  # noqa: SLF001 - as above
    except OSError as e:
        raise CounterFault(f"the energy meter {channel.name} cannot be read: {e}", _NOTHING_TO_DO) from None
    if channel.place >= len(measured):
        raise CounterFault(
            f"the energy meter {channel.name} gave {len(measured)} of {channel.of} channels", "run again"
        )
    return float(measured[channel.place][0]) * J_PER_PWH
