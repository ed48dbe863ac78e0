"""What the user declares about the machine: the table ``hardware`` of ``[tool.aifootprint]``."""

from __future__ import annotations

import math
from collections.abc import Mapping

from msgspec import Struct

MACHINES = ("vm", "laptop", "desktop", "server")

HARDWARE_KEYS: Mapping[str, str] = {
    "tdp_w": "watts of one socket, above 0",
    "cores": "physical cores of one socket, a whole number above 0",
    "threads": "threads of one socket, a whole number above 0",
    "watts_per_cpu_second": "watts of one busy CPU above idle, above 0: a number or [low, central, high]",
    "idle_watts_per_cpu": "watts of one idle logical CPU, above 0: a number or [low, central, high]",
    "pue": "power usage effectiveness, 1 or more: a number or [low, central, high]",
    "wue_l_per_kwh": "litres of water that the data centre evaporates per kWh of its machines, above 0: a number or "
    "[low, central, high]",
    "machine": "one of " + ", ".join(MACHINES),
    "embodied_kgco2e": "kg CO2e of making this machine (of a virtual machine: its part of the host), above 0: a number "
    "or [low, central, high]",
    "lifetime_years": "years that this machine is used for, above 0: a number or [low, central, high]",
    "utilisation": "share of its life in which this machine is in use, above 0 and 1 at most: a number or "
    "[low, central, high]",
    "gpu_embodied_kgco2e": "kg CO2e of making one card, above 0: a number or [low, central, high]",
    "gpu_lifetime_years": "years that a card is used for, above 0: a number or [low, central, high]",
    "gpu_utilisation": "share of its life in which a card is in use, above 0 and 1 at most: a number or "
    "[low, central, high]",
}
"""Key to what it means; the message for an unknown or invalid key quotes it."""

MOST_DECLARED: Mapping[str, float] = {
    "tdp_w": 10_000, "cores": 10_000, "threads": 100_000, "watts_per_cpu_second": 10_000, "idle_watts_per_cpu": 10_000,
    "pue": 10, "wue_l_per_kwh": 100, "embodied_kgco2e": 1_000_000, "lifetime_years": 100,
    "gpu_embodied_kgco2e": 100_000, "gpu_lifetime_years": 100,
}  # fmt: skip
"""What no machine exceeds: a higher number has the wrong unit (hours for years, grams for kilograms)."""

Triple = tuple[float, float, float]


class Hardware(Struct, frozen=True):
    """Declared hardware; None where nothing was declared. Triples are low, central, high."""

    tdp_w: float | None = None
    cores: int | None = None
    threads: int | None = None
    watts_per_cpu_second: Triple | None = None
    idle_watts_per_cpu: Triple | None = None
    pue: Triple | None = None
    wue_l_per_kwh: Triple | None = None
    machine: str | None = None
    embodied_kgco2e: Triple | None = None
    lifetime_years: Triple | None = None
    utilisation: Triple | None = None
    gpu_embodied_kgco2e: Triple | None = None
    gpu_lifetime_years: Triple | None = None
    gpu_utilisation: Triple | None = None


def validate_hardware(table: Mapping[str, object] | None) -> Hardware:
    """Read the table.

    Raises:
        ValueError: one line that names the key, what was found and what is valid.
    """
    table = table or {}
    for key in table:
        if key not in HARDWARE_KEYS:
            raise ValueError(f"hardware: unknown key {key!r}; valid: {', '.join(HARDWARE_KEYS)}")
    pue = _triple(table, "pue")
    if pue is not None and pue[0] < 1:
        raise _invalid("pue", table["pue"])
    machine = table.get("machine")
    if machine is not None and (not isinstance(machine, str) or machine not in MACHINES):
        raise _invalid("machine", machine)
    cores, threads = _count(table, "cores"), _count(table, "threads")
    if cores is not None and threads is not None and threads < cores:
        raise ValueError(f"hardware: threads = {threads} is less than cores = {cores}; both are of one socket")
    return Hardware(
        tdp_w=_watts(table, "tdp_w"),
        cores=cores,
        threads=threads,
        watts_per_cpu_second=_triple(table, "watts_per_cpu_second"),
        idle_watts_per_cpu=_triple(table, "idle_watts_per_cpu"),
        pue=pue,
        wue_l_per_kwh=_triple(table, "wue_l_per_kwh"),
        machine=machine,
        embodied_kgco2e=_triple(table, "embodied_kgco2e"),
        lifetime_years=_triple(table, "lifetime_years"),
        utilisation=_share(table, "utilisation"),
        gpu_embodied_kgco2e=_triple(table, "gpu_embodied_kgco2e"),
        gpu_lifetime_years=_triple(table, "gpu_lifetime_years"),
        gpu_utilisation=_share(table, "gpu_utilisation"),
    )


def _invalid(key: str, value: object) -> ValueError:
    most = f"; {MOST_DECLARED[key]:,} at most" if key in MOST_DECLARED else ""
    return ValueError(f"hardware: {key} = {value!r} is not valid; {key} is {HARDWARE_KEYS[key]}{most}")


def _number(key: str, value: object) -> float | None:
    """A positive number that is not more than anybody has; True is none."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if 0 < value <= MOST_DECLARED.get(key, math.inf) and math.isfinite(value) else None


def _watts(table: Mapping[str, object], key: str) -> float | None:
    if key not in table:
        return None
    number = _number(key, table[key])
    if number is None:
        raise _invalid(key, table[key])
    return number


def _count(table: Mapping[str, object], key: str) -> int | None:
    number = _watts(table, key)
    if number is None:
        return None
    if number != int(number):
        raise _invalid(key, table[key])
    return int(number)


def _share(table: Mapping[str, object], key: str) -> Triple | None:
    triple = _triple(table, key)
    if triple is not None and triple[2] > 1:
        raise _invalid(key, table[key])
    return triple


def _triple(table: Mapping[str, object], key: str) -> Triple | None:
    if key not in table:
        return None
    value = table[key]
    members = [_number(key, v) for v in value] if isinstance(value, (list, tuple)) else [_number(key, value)] * 3
    if len(members) != 3:
        raise _invalid(key, value)
    low, central, high = members
    if low is None or central is None or high is None or not low <= central <= high:
        raise _invalid(key, value)
    return low, central, high
