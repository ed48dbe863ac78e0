"""What amdsmi's status codes mean here, and what to do about them (amdsmi.h, amdsmi_status_t)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_aifootprint.meters.counters import HOW_TO, CounterFault

NEVER = frozenset({2, 3, 5, 10})
"""Not asked again: not supported, not implemented, no such function, no permission."""
NO_VERSION = 5
"""A function that the library or the binding lacks (AMDSMI_STATUS_FAIL_LOAD_SYMBOL)."""
SAME_VERSION = "install the amdsmi of your ROCm's version"

_SEE = "see amd-smi and dmesg"
_CODES: Mapping[int, tuple[str, str]] = {
    2: ("this card does not tell", "nothing to do"),
    3: ("the driver does not tell yet", "update ROCm"),
    NO_VERSION: ("the driver's library lacks a function", SAME_VERSION),
    8: ("the driver did not answer in time", _SEE),
    10: ("no permission to ask the driver", f"sudo usermod --append --groups render,video $USER; see {HOW_TO}"),
    12: ("the driver could not be read", _SEE),
    14: ("a file of the driver could not be opened", _SEE),
    30: ("the card is busy with something else", _SEE),
    31: ("the card is gone", _SEE),
    32: ("amdsmi was shut down by somebody else in this process", "run again"),
    34: ("the AMD driver is not loaded", "load it: sudo modprobe amdgpu; amd-smi must work"),
    40: ("the driver has no data", _SEE),
}


class AmdFault(CounterFault):
    """A fault with amdsmi's code; None where the binding itself failed."""

    def __init__(self, reason: str, remedy: str, code: int | None = None) -> None:
        super().__init__(reason, remedy)
        self.code = code


def translate(e: Any) -> AmdFault:
    """An AmdSmiException in words, with the remedy."""
    code = getattr(e, "err_code", None)
    if not isinstance(code, int):  # an argument that the binding refuses
        return AmdFault(f"amdsmi: {' '.join(str(e).split())}", SAME_VERSION)
    known = " ".join(str(getattr(e, "err_info", e)).split())
    reason, remedy = _CODES.get(code, (known, _SEE))
    return AmdFault(f"{reason} (amdsmi status {code})", remedy, code)


def of_binding(e: Exception) -> AmdFault:
    """What the binding itself fails with where it is of another version than the driver's library."""
    return AmdFault(f"amdsmi: {type(e).__name__}: {e}", SAME_VERSION, NO_VERSION)
