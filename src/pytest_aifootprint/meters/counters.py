"""What makes a raw cumulative counter safe: wrap-arounds taken out, falls, leaps and standstills refused.

A counter that cannot be trusted raises ``CounterFault`` inside this room; a meter turns it into ``Unreadable``. Reading
a failed counter as 0 and taking the fall for a wrap-around would invent 262 kJ, the range of a 32-bit RAPL register.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable
from pathlib import Path

from pytest_aifootprint.meters.contract import Reading, Unreadable
from pytest_aifootprint.quantities.unfaked import REAL
from pytest_aifootprint.quantities.units import NS_PER_S

HOW_TO = "docs/how-to/read-power-sensors.md"
J_PER_UJ = 1e-6
SLACK_S = 0.1
"""Counters are refreshed in steps (RAPL 1 ms, NVML up to 100 ms): one step more than the time between two reads."""

_READ_BYTES = 4096
_MAX_DIGITS = 20  # of a 64-bit counter


class CounterFault(Exception):  # noqa: N818 - a state of the device, not an error of the program
    """A counter that says nothing now.

    Attributes:
        reason: what was seen. remedy: what the reader can do about it.
    """

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.remedy = remedy


def read_text(path: str | Path) -> str:
    """The first 4 KiB of a file of sysfs or procfs, stripped. Raises OSError.

    The real file, also while a test has put a fake ``os`` into all modules.
    """
    fd = REAL.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        text: bytes = REAL.read(fd, _READ_BYTES)
    finally:
        REAL.close(fd)
    return text.decode("utf-8", "replace").strip()


def read_text_or(path: str | Path, default: str = "") -> str:
    """``read_text``, or the default where the file cannot be read: for facts that may be missing, never for joules."""
    try:
        return read_text(path)
    except OSError:
        return default


def read_microjoules(path: str) -> int:
    """A sysfs energy counter in microjoules.

    Raises:
        CounterFault: unreadable, or no number; with the remedy.
    """
    try:
        text = read_text(path)
    except PermissionError:
        raise CounterFault(
            f"no permission to read {path}",
            f"sudo chmod a+r {path} (until the next boot), or the udev rule in {HOW_TO}",
        ) from None
    except OSError as e:
        raise CounterFault(f"{path}: {_why(e)}", f"see {HOW_TO}") from None
    # ASCII: "²" is a digit, too, and no number. A longer number is none that a register holds, nor one that floats do.
    if not (text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS):
        raise CounterFault(f"{path} holds {text[:40]!r}, which is no counter", f"see {HOW_TO}")
    return int(text)


def _why(e: OSError) -> str:
    return errno.errorcode.get(e.errno or 0, type(e).__name__) + f" ({e.strerror or e})"


class Accumulator:
    """Joules since the first reading of one raw counter; never falls.

    Args:
        wrap_j: at which the raw counter starts again from 0; None if it does not, or if nobody knows.
        max_w: more than this device can draw: a larger step is a reset or a misread, not energy.
        still_ns: how long the counter may stand at one value; a powered device always draws something.
    """

    __slots__ = ("_max_w", "_moved_ns", "_raw_j", "_still_ns", "_wrap_j", "energy_j")

    def __init__(self, *, wrap_j: float | None, max_w: float, still_ns: int) -> None:
        self._wrap_j = wrap_j
        self._max_w = max_w
        self._still_ns = still_ns
        self._raw_j: float | None = None
        self._moved_ns = 0
        self.energy_j = 0.0

    def restart(self) -> None:
        """The raw counter begins anew: its next reading is a new base, what it did until then is unknown."""
        self._raw_j = None

    def advance(self, t_ns: int, raw_j: float) -> float:
        """Take in a raw reading.

        Returns:
            Joules since the first reading.

        Raises:
            CounterFault: the step is not plausible (the counter goes on from here, what it did meanwhile is unknown),
                or the counter has stood still.
        """
        if self._raw_j is None:
            self._raw_j, self._moved_ns = raw_j, t_ns
            return self.energy_j
        before, since_s = self._raw_j, (t_ns - self._moved_ns) / NS_PER_S
        step = raw_j - before
        if step < 0 and self._wrap_j is not None:
            step += self._wrap_j
        if not 0 <= step <= self._max_w * (since_s + SLACK_S):
            self._raw_j, self._moved_ns = raw_j, t_ns
            raise CounterFault(
                f"the counter went from {before:.6g} to {raw_j:.6g} J in {since_s:.3g} s, "
                f"which neither its device (at most {self._max_w:.0f} W) nor a wrap-around explains",
                "the driver or the machine may have been reset; metering goes on from here",
            )
        if step == 0:
            if t_ns - self._moved_ns > self._still_ns:
                raise CounterFault(
                    f"the counter has stood at {raw_j:.6g} J for {since_s:.3g} s, but a powered device draws something",
                    f"see {HOW_TO}",
                )
            return self.energy_j
        self._raw_j, self._moved_ns = raw_j, t_ns
        self.energy_j += step
        return self.energy_j


def read_parts(t_ns: int, parts: Iterable[tuple[Callable[[], float], Accumulator]]) -> Reading | Unreadable:
    """Joules of several raw counters together.

    One that cannot be read makes the whole unreadable: half a sum is not a measurement. All are read nevertheless, so
    that what happened to all of them at once (the machine slept) is one gap and not one after the other.

    Args:
        t_ns: the moment of the reading.
        parts: what gives the raw joules of each, or raises ``CounterFault``, and what adds them up.
    """
    energy_j, fault = 0.0, None
    for raw_j, accumulator in parts:
        try:
            energy_j += accumulator.advance(t_ns, raw_j())
        except CounterFault as e:
            fault = fault or e
    return Reading(t_ns, energy_j) if fault is None else Unreadable(t_ns, fault.reason, fault.remedy)
