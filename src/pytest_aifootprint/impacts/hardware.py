"""Embodied carbon of hardware, shared out by time in use (method, section 6)."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping

from pytest_aifootprint.catalogue import Catalogue, Machine, default_catalogue
from pytest_aifootprint.meters.hardware import Hardware
from pytest_aifootprint.quantities import ZERO_G, Grams, GramsPerSecond, Notice, Range
from pytest_aifootprint.quantities.changed import replace
from pytest_aifootprint.quantities.tables import Triple
from pytest_aifootprint.quantities.units import S_PER_YEAR

HOURS_PER_YEAR = S_PER_YEAR / 3600
G_PER_KG = 1000.0
UNKNOWN_CARD = "gpu"
"""The row for a card that has none of its own."""


def embodied_share_g(total_kg: float, used_s: float, life_years: float, utilisation: float = 1.0) -> float:
    """Grams CO2e of a machine's manufacture that a time of use bears: ``M = TE x t / (life x 31,536,000 x U)``.

    Args:
        total_kg: embodied footprint of the machine (SCI: TE), or of the reserved part of it.
        used_s: seconds in use.
        life_years: expected life (SCI: EL).
        utilisation: share of the life in which it is used.

    Source: SCI, ISO/IEC 21031:2024, ``M = TE x (TiR/EL) x (RR/ToR)``; the utilisation as in BLOOM
    (arXiv:2211.02001, s4.1: 6 years at 85 %).
    """
    return total_kg * G_PER_KG * used_s / (life_years * S_PER_YEAR * utilisation)


@functools.lru_cache(maxsize=64)
@functools.lru_cache(maxsize=64)
def rate_g_per_s(machine: Machine) -> GramsPerSecond:
    """Grams CO2e per second of use of a machine (of one vCPU of it, for a row per CPU); factor ``hw:CLASS``.

    ``TE / (life x 31,536,000 x U)``, TE with the part of the host. Embodied footprint, life and utilisation are
    uncertain independently of each other: their log changes combine in quadrature and stand under the one name of the
    row. What was declared as one number is exact.
    """
    low, central, high = machine.embodied_kg
    host = machine.host_kg
    wide = (
        Range.of(low + host, central + host, high + host, "embodied").scale(G_PER_KG / S_PER_YEAR)
        / Range.of(*machine.life_years, "life")
        / Range.of(*machine.utilisation, "utilisation")
    )
    if wide.low == wide.high:
        return GramsPerSecond(Range(wide.central))
    return GramsPerSecond(Range.of(wide.low, wide.central, wide.high, f"hw:{machine.key}"))


def used_g(rate_g_per_s: GramsPerSecond, used_s: float) -> Grams:
    """Grams CO2e of manufacture that seconds of use bear: ``M = rate x t``; exact 0 of none."""
    return Grams(rate_g_per_s.scale(used_s)) if used_s > 0 else ZERO_G


def cpu_share_g(machine: Machine, cpu_s: float, n_cpu: int) -> Grams:
    """Grams CO2e of the machine that CPU seconds bear: ``M = TE x (CPU s / n_cpu) / (life x 31,536,000 x U)``.

    Waiting costs nothing and unused capacity is nobody's: hence CPU seconds, not wall time. For a row per vCPU, TE
    grows with ``n_cpu``, so it cancels.
    """
    seconds = cpu_s if machine.per_cpu else cpu_s / n_cpu
    return used_g(rate_g_per_s(machine), seconds)


def accelerator_share_g(machine: Machine, busy_s: float) -> Grams:
    """Grams CO2e of a card, with its part of the host server, that its busy seconds bear.

    ``M = (TE + host) x busy s / (life x 31,536,000 x U)``.
    """
    return used_g(rate_g_per_s(machine), busy_s)


def cpu_embodied_kg(die_mm2: float) -> float:
    """Kilograms CO2e of making a CPU with this die area: ``die x 0.0197 + 9.14``. Source: Boavizta, BoaviztAPI 2.5."""
    per_mm2_kg, base_kg = (default_catalogue().value(f"boavizta.{row}")[1] for row in ("cpu_die", "cpu_base"))
    return die_mm2 * per_mm2_kg + base_kg


def memory_embodied_kg(capacity_gb: float, density_gb_per_cm2: float) -> float:
    """Kilograms CO2e of making a memory module: ``GB / density x 2.20 + 5.22``. Source: Boavizta, BoaviztAPI 2.5."""
    per_cm2_kg, base_kg = (default_catalogue().value(f"boavizta.{row}")[1] for row in ("ram_die", "ram_base"))
    return capacity_gb / density_gb_per_cm2 * per_cm2_kg + base_kg


def machine_row(machines: Mapping[str, Machine], key: str) -> Machine:
    """The row of a kind of machine. Raises KeyError naming the valid ones."""
    valid = [name for name, row in machines.items() if not row.accelerator]
    if key not in valid:
        raise KeyError(f"{key!r} is no machine of the hardware table; valid: {', '.join(valid)}")
    return machines[key]


def card_row(machines: Mapping[str, Machine], name: str) -> Machine | None:
    """The row of a card, by the driver's name for it: the one that has most words in common; None if there is none.

    All words of the row's name must stand in the driver's: ``NVIDIA H100 PCIe`` is no ``h100 80gb hbm3``.
    """
    words = set(re.findall(r"[a-z0-9]+", name.lower()))
    found = [
        (len(wanted), row)
        for row in machines.values()
        for wanted in (pattern.split() for pattern in row.names)
        if words.issuperset(wanted)
    ]
    return max(found, key=lambda pair: pair[0])[1] if found else None


class LocalHardware:
    """The rows for this machine and its cards, with what the user declared in their place."""

    def __init__(self, catalogue: Catalogue, declared: Hardware | None = None) -> None:
        """Take the table; it is read when the first row is asked for."""
        self._catalogue = catalogue
        self._declared = declared or Hardware()
        self._machines: dict[str, Machine] = {}
        self._rows: dict[str, Machine] = {}

    def machine(self, kind: str) -> Machine:
        """The row of this machine; ``kind`` as ``Host.kind``. Raises KeyError naming the valid ones."""
        row = self._machines.get(kind)
        if row is None:
            said = self._declared
            found = machine_row(self._catalogue.machines, kind)
            row = with_declared(found, said.embodied_kgco2e, said.lifetime_years, said.utilisation)
            self._machines[kind] = row
        return row

    def card(self, name: str) -> Machine:
        """The row of a card, by the driver's name for it; the class of all cards for one without a row."""
        row = self._rows.get(name)
        if row is None:
            said, machines = self._declared, self._catalogue.machines
            found = card_row(machines, name) or machines[UNKNOWN_CARD]
            row = with_declared(found, said.gpu_embodied_kgco2e, said.gpu_lifetime_years, said.gpu_utilisation)
            self._rows[name] = row
        return row

    def card_notice(self, domain: str, name: str) -> Notice | None:
        """What to say of a card for which the class of all cards stands."""
        row = self.card(name)
        if row.key != UNKNOWN_CARD or self._declared.gpu_embodied_kgco2e is not None:
            return None
        low, _, high = row.embodied_kg
        what = f"nobody published what making a {name} took" if name else "nobody told which card it is"
        message = f"{domain}: {what}: {low:.0f} to {high:.0f} kg stand for it; declare gpu_embodied_kgco2e"
        return Notice("unknown-gpu-hardware", message)


def with_declared(row: Machine, embodied_kg: Triple | None, life_years: Triple | None, u: Triple | None) -> Machine:
    """The row with what was declared in its place; a declared footprint is of the whole machine, host included."""
    named = {"embodied": embodied_kg, "lifetime": life_years, "utilisation": u}
    declared = [name for name, value in named.items() if value is not None]
    if not declared:
        return row
    rest = f"; else {row.origin.source}" if len(declared) < len(named) else ""
    return replace(
        row,
        per_cpu=row.per_cpu and embodied_kg is None,
        embodied_kg=embodied_kg or row.embodied_kg,
        host_kg=row.host_kg if embodied_kg is None else 0.0,
        life_years=life_years or row.life_years,
        utilisation=u or row.utilisation,
        origin=replace(row.origin, source=f"declared: {', '.join(declared)}{rest}"),
    )
