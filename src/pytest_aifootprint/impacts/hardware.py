"""Embodied carbon of hardware, shared out by time in use (method, section 6)."""

from __future__ import annotations

from collections.abc import Mapping

from pytest_aifootprint.catalogue import Machine, default_catalogue
from pytest_aifootprint.quantities import EXACT_ZERO, Range
from pytest_aifootprint.quantities.units import S_PER_YEAR

HOURS_PER_YEAR = S_PER_YEAR / 3600
G_PER_KG = 1000.0


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


def rate_g_per_s(machine: Machine) -> Range:
    """Grams CO2e per second of use of a machine (of one vCPU of it, for a row per CPU); factor ``hw:CLASS``.

    Embodied footprint, life and utilisation are uncertain independently of each other: their log changes combine in
    quadrature and stand under the one name of the row.
    """
    low, central, high = machine.embodied_kg
    host = machine.host_kg
    wide = (
        Range.of(low + host, central + host, high + host, "embodied").scale(G_PER_KG / S_PER_YEAR)
        / Range.of(*machine.life_years, "life")
        / Range.of(*machine.utilisation, "utilisation")
    )
    return Range.of(wide.low, wide.central, wide.high, f"hw:{machine.key}")


def cpu_share_g(machine: Machine, cpu_s: float, n_cpu: int) -> Range:
    """Grams CO2e of the machine that CPU seconds bear: ``M = TE x (CPU s / n_cpu) / (life x 31,536,000 x U)``.

    Waiting costs nothing and unused capacity is nobody's: hence CPU seconds, not wall time. For a row per vCPU, TE
    grows with ``n_cpu``, so it cancels.
    """
    seconds = cpu_s if machine.per_cpu else cpu_s / n_cpu
    return rate_g_per_s(machine).scale(seconds) if seconds > 0 else EXACT_ZERO


def accelerator_share_g(machine: Machine, busy_s: float) -> Range:
    """Grams CO2e of an accelerator, with its part of the host server, that its busy seconds bear."""
    return rate_g_per_s(machine).scale(busy_s) if busy_s > 0 else EXACT_ZERO


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
    if key not in machines:
        raise KeyError(f"{key!r} is no row of the hardware table; valid: {', '.join(machines)}")
    return machines[key]
