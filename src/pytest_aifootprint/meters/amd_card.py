"""One AMD card through amdsmi: each question, and what it answers where the driver cannot.

The only module that knows amdsmi's functions. codecarbon's AMDGPUDevice asks the same ones, but answers 0 or None for
every error, and importing it imports codecarbon's tracker.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from pytest_aifootprint.meters.amd_codes import NEVER, AmdFault, of_binding, translate
from pytest_aifootprint.meters.counters import J_PER_UJ, CounterFault

_NOT_AVAILABLE = 2**64 - 1
_POWERS = ("current_socket_power", "average_socket_power", "socket_power")
_MOST_W = 5000
"""Above it: a field that holds "not available" (2^16 - 1 or 2^32 - 1)."""


class AmdCard:
    """Asks one card. A question that the driver will never answer is not asked again.

    Args:
        smi: the module. handles: of its dies; the counter of the first one is of all of them.
    """

    def __init__(self, smi: Any, handles: Sequence[Any]) -> None:
        self._smi = smi
        self._handles = handles
        self._never: set[str] = set()

    def energy_j(self) -> float:
        """Joules since the driver was loaded. Raises CounterFault."""
        got = ask(self._smi, "amdsmi_get_energy_count", self._handles[0])
        counts = got.get("energy_accumulator", got.get("power"))  # its name before ROCm 6.4
        step_uj = got.get("counter_resolution")
        if not (isinstance(counts, int) and isinstance(step_uj, float)) or counts == _NOT_AVAILABLE or step_uj <= 0:
            raise CounterFault(f"this card has no energy counter ({counts} x {step_uj} uJ)", "nothing to do")
        return counts * step_uj * J_PER_UJ

    def power_w(self) -> float:
        """Watts as the driver reports them. Raises CounterFault; a power of 0 is none, a card always draws some."""
        got = ask(self._smi, "amdsmi_get_power_info", self._handles[0])
        for name in _POWERS:
            watts = got.get(name)
            if isinstance(watts, int) and 0 < watts <= _MOST_W:
                return float(watts)
        raise CounterFault("this card tells no power", "nothing to do: the card is not metered")

    def load_percent(self) -> int | None:
        """Share of time in which the busiest die ran anything; None where the driver does not tell."""
        found = [self._signal("amdsmi_get_gpu_activity", handle) for handle in self._handles]
        percent = [got["gfx_activity"] for got in found if got and isinstance(got.get("gfx_activity"), int)]
        return max(percent) if percent and max(percent) <= 100 else None

    def holders(self) -> tuple[int, ...] | None:
        """Pids with the card open, as the driver gives them; None where it does not tell."""
        pids: set[int] = set()
        for handle in self._handles:
            listed = self._signal("amdsmi_get_gpu_process_list", handle)
            if listed is None or not all(isinstance(entry, dict) and "pid" in entry for entry in listed):
                return None
            pids.update(int(entry["pid"]) for entry in listed)
        return tuple(sorted(pids))

    def _signal(self, name: str, handle: Any) -> Any:
        """The answer; None where there is none."""
        if name in self._never:
            return None
        try:
            return ask(self._smi, name, handle)
        except AmdFault as fault:
            if fault.code in NEVER:
                self._never.add(name)
            return None


def ask(smi: Any, name: str, *arguments: Any) -> Any:
    """The answer of one of amdsmi's functions.

    Raises:
        AmdFault: in words, with the remedy.
    """
    try:
        return getattr(smi, name)(*arguments)
    except smi.AmdSmiException as e:
        raise translate(e) from None
    except (AttributeError, KeyError, TypeError, ValueError) as e:
        raise of_binding(e) from None


class Die(Struct, frozen=True):
    """What amdsmi lists: a card, a die of one, or a partition of one.

    Attributes:
        name: the driver's. uuid: as ROCR_VISIBLE_DEVICES takes it, "" if not known. bus: its PCI address, "" likewise.
        hip_id: its number for HIP; None where the library does not tell.
        energy_j: of its counter now; None where it cannot be read.
    """

    handle: Any
    name: str
    uuid: str
    bus: str
    hip_id: int | None
    energy_j: float | None

    @property
    def counts(self) -> bool:
        """Whether it has a counter that something feeds."""
        return bool(self.energy_j)


def dies(smi: Any) -> list[Die]:
    """All that amdsmi lists, in HIP's order where that is known. Raises AmdFault."""
    found = [_die(smi, handle) for handle in ask(smi, "amdsmi_get_processor_handles")]
    if all(die.hip_id is not None for die in found):
        found.sort(key=lambda die: die.hip_id or 0)
    return found


def _die(smi: Any, handle: Any) -> Die:
    def fact(name: str) -> Any:
        try:
            return ask(smi, name, handle)
        except AmdFault:
            return None

    numbers = fact("amdsmi_get_gpu_enumeration_info") or {}
    hip_id = numbers.get("hip_id")
    try:
        energy_j = AmdCard(smi, (handle,)).energy_j()
    except CounterFault:
        energy_j = None
    name = str((fact("amdsmi_get_gpu_asic_info") or {}).get("market_name") or "N/A")
    return Die(
        handle=handle,
        name="AMD card" if name == "N/A" else name,
        uuid=str(numbers.get("hip_uuid") or ""),
        bus=str(fact("amdsmi_get_gpu_device_bdf") or ""),
        hip_id=hip_id if isinstance(hip_id, int) else None,
        energy_j=energy_j,
    )
