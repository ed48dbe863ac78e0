"""RAPL counters of the CPU packages and of DRAM, by the kernel's powercap files (Intel, and AMD since Linux 5.8).

The kernel's documentation: https://docs.kernel.org/power/powercap/powercap.html. ``energy_uj`` counts microjoules and
starts again from 0 after ``max_energy_range_uj``. A package contains its cores and its graphics (``core``, ``uncore``):
they are never added to it. DRAM is a measurement of its own. ``psys`` contains the packages, and the display and the
disk as well. A package seen by the MSR and by the MMIO interface is one package.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from msgspec import Struct, field

from pytest_aifootprint.meters.contract import Reading, RejectedMeter, Unreadable
from pytest_aifootprint.meters.counters import (
    HOW_TO,
    J_PER_UJ,
    Accumulator,
    CounterFault,
    read_microjoules,
    read_parts,
    read_text_or,
)
from pytest_aifootprint.quantities import Basis
from pytest_aifootprint.quantities.units import NS_PER_S

REGISTER_STEPS = 2**32
"""A RAPL energy register has 32 bits (Linux: ENERGY_STATUS_MASK)."""
MAX_ZONE_W = 2000.0
"""No CPU package or its memory draws that much; the largest server package of 2025 has a TDP of 500 W."""
STILL_NS = NS_PER_S
"""RAPL registers are refreshed about every millisecond (Intel SDM vol. 3B, 15.10)."""
PROBE_ROUNDS = 4
PROBE_PAUSE_S = 0.003

_ZONE = re.compile(r"intel-rapl(?P<mmio>-mmio)?:(?P<top>\d+)(?::(?P<sub>\d+))?\Z")
_NOTHING_TO_DO = "nothing to do"


class _Zone(Struct):
    """One counter file. ``package``: the package that it is, or lies in."""

    path: str
    name: str
    package: str
    wrap_uj: int | None
    fault: CounterFault | None = None
    seen_uj: list[int] = field(default_factory=list)

    @property
    def energy_file(self) -> str:
        return f"{self.path}/energy_uj"

    def look(self) -> None:
        """Read once and remember."""
        try:
            self.seen_uj.append(read_microjoules(self.energy_file))
        except CounterFault as e:
            self.fault = e

    @property
    def moved(self) -> bool:
        return len(set(self.seen_uj)) > 1


class PowercapMeter:
    """The counters of all packages, or of all their memory, as one."""

    name = "rapl"
    basis = Basis.MEASURED

    def __init__(self, domain: str, zones: Iterable[_Zone], clock: Callable[[], int]) -> None:
        self.domain = domain
        self._clock = clock
        self._parts = [
            (
                partial(_joules, zone.energy_file),
                Accumulator(
                    # The range is the register's highest value; it starts again from 0 one step later.
                    wrap_j=zone.wrap_uj * J_PER_UJ * (REGISTER_STEPS / (REGISTER_STEPS - 1)) if zone.wrap_uj else None,
                    max_w=MAX_ZONE_W,
                    still_ns=STILL_NS,
                ),
            )
            for zone in zones
        ]
        names = " + ".join(f"{z.package} {z.name}" if z.name != z.package else z.name for z in zones)
        self.reason = f"RAPL energy counter of {names} (powercap)"

    def read(self) -> Reading | Unreadable:
        """Joules of all parts since the first read; one unreadable part makes the whole unreadable."""
        return read_parts(self._clock(), self._parts)

    def close(self) -> None:
        """Nothing is held open."""


def _joules(path: str) -> float:
    return read_microjoules(path) * J_PER_UJ


def find_powercap(
    root: Path,
    *,
    virtual: bool = False,
    clock: Callable[[], int] = time.monotonic_ns,
    pause: Callable[[float], None] = time.sleep,
) -> tuple[list[PowercapMeter], list[RejectedMeter]]:
    """The RAPL meters that work here, and those that do not.

    Args:
        root: the file system's root.
        virtual: this is a virtual machine, which changes the remedy.
        clock: CLOCK_MONOTONIC in ns.
        pause: sleep; called only if there are counters, for a few milliseconds.
    """
    base = root / "sys/class/powercap"
    if not base.is_dir():
        return [], [_absent(base, virtual=virtual)]
    zones, hidden = _zones(base)
    if not zones:
        return [], [_no_zones(base, hidden=hidden)]
    packages = [z for z in zones if z.name.startswith("package")]
    memories = [z for z in zones if z.name == "dram"]
    _probe(packages + memories, pause)
    meters: list[PowercapMeter] = []
    rejected: list[RejectedMeter] = []
    for domain, candidates in (("cpu", packages), ("ram", memories)):
        chosen, why_not = _choose(domain, candidates)
        if chosen:
            meters.append(PowercapMeter(domain, chosen, clock))
        rejected += why_not
    if any(z.name == "psys" for z in zones):
        rejected.append(_psys(packages=bool(packages)))
    return meters, rejected


def _zones(base: Path) -> tuple[list[_Zone], bool]:
    """All RAPL zones, MSR before MMIO; and whether some are there in name only, as a container runtime hides them."""
    entries = {p.name: p for p in sorted(base.glob("intel-rapl*")) if _ZONE.match(p.name)}
    for top in list(entries.values()):
        for sub in sorted(top.glob("intel-rapl*:*:*")):
            entries.setdefault(sub.name, sub)
    names = {key: read_text_or(path / "name") for key, path in entries.items()}
    zones = []
    for key in sorted(entries, key=lambda k: (k.startswith("intel-rapl-mmio"), k)):
        match = _ZONE.match(key)
        if match is None or not names[key]:
            continue
        parent = key.rsplit(":", 1)[0] if match["sub"] else key
        limit = read_text_or(entries[key] / "max_energy_range_uj")
        zones.append(
            _Zone(str(entries[key]), names[key], names.get(parent) or parent, int(limit) if limit.isdecimal() else None)
        )
    return zones, any(not name for name in names.values())


def _probe(zones: list[_Zone], pause: Callable[[float], None]) -> None:
    """Read every counter until each has moved, for a few milliseconds at most."""
    for zone in zones:
        zone.look()
    for _ in range(PROBE_ROUNDS):
        waiting = [z for z in zones if z.fault is None and not z.moved]
        if not waiting:
            return
        pause(PROBE_PAUSE_S)
        for zone in waiting:
            zone.look()
    for zone in zones:
        if zone.fault is None and not zone.moved:
            zone.fault = CounterFault(
                f"{zone.energy_file} stands at {zone.seen_uj[-1]} and does not move",
                "some virtual machines show a counter that nothing feeds: the load model is used",
            )


def _choose(domain: str, candidates: list[_Zone]) -> tuple[list[_Zone], list[RejectedMeter]]:
    """One zone per package; if a package cannot be read, none at all: half a sum is not a measurement."""
    if not candidates:
        what, why = ("package", "") if domain == "cpu" else ("DRAM", " (desktop, laptop and AMD processors have none)")
        return [], [RejectedMeter(f"rapl {domain}", f"no {what} counter in powercap{why}", _NOTHING_TO_DO)]
    by_package: dict[str, list[_Zone]] = {}
    for zone in candidates:
        by_package.setdefault(zone.package, []).append(zone)
    chosen: list[_Zone] = []
    rejected: list[RejectedMeter] = []
    for package, zones in by_package.items():
        sane = next((z for z in zones if z.fault is None), None)
        if sane is None:
            fault = next(z.fault for z in zones if z.fault is not None)
            return [], [RejectedMeter(f"rapl {domain}", fault.reason, fault.remedy)]
        twin = next((z for z in chosen if _same_counter(z, sane)), None)
        if twin is None:
            chosen.append(sane)
        else:
            reason = f"{package} shows the same counter as {twin.package}"
            rejected.append(RejectedMeter(f"rapl {domain} {package}", reason, "nothing to do: it is counted once"))
    return chosen, rejected


def _same_counter(a: _Zone, b: _Zone) -> bool:
    """Whether b reads between two reads of a: then they are one register (seen on processors with several dies)."""
    try:
        first = read_microjoules(a.energy_file)
        middle = read_microjoules(b.energy_file)
        return first <= middle <= read_microjoules(a.energy_file)
    except CounterFault:
        return False


def _absent(base: Path, *, virtual: bool) -> RejectedMeter:
    if virtual:
        return RejectedMeter(
            "rapl", f"no {base}: a virtual machine rarely has it", "nothing to do: the load model is used"
        )
    remedy = f"sudo modprobe intel_rapl_msr on an Intel or AMD processor; see {HOW_TO}"
    return RejectedMeter("rapl", f"no {base}: the load model is used", remedy)


def _no_zones(base: Path, *, hidden: bool) -> RejectedMeter:
    if hidden:
        return RejectedMeter(
            "rapl",
            f"{base} lists RAPL zones whose files are hidden, as container runtimes do",
            f"docker run --security-opt systempaths=unconfined, or meter outside the container; see {HOW_TO}",
        )
    return RejectedMeter("rapl", f"{base} has no RAPL zone", f"sudo modprobe intel_rapl_msr; see {HOW_TO}")


def _psys(*, packages: bool) -> RejectedMeter:
    contains = (
        "it contains the packages" if packages else "it contains the display and the disk, and no package is shown"
    )
    return RejectedMeter("rapl psys", f"the whole platform: {contains}", _NOTHING_TO_DO)
