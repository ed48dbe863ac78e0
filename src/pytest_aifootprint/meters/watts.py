"""Watts of what no counter meters: of CPUs by kind of machine, of memory, and the PUE of the cloud (method: section 2).

Rows like those of the catalogue, each with unit, source, year and evidence: ``assumed`` means that no source gives the
figure, ``derived`` that it is arithmetic from what was seen. They are Python and no data file because they are needed
when a run starts, and reading a file of tables costs 4 ms there.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from pytest_aifootprint.quantities import Basis
from pytest_aifootprint.quantities.tables import Factor, Origin, Triple


class CpuRow(Struct, frozen=True):
    """One kind of machine; watts as low, central, high.

    Attributes:
        active_w: per busy CPU second, above idle. idle_w: per logical CPU.
        cloud: at the wall of a server, memory included; to be multiplied by PUE.
    """

    name: str
    active_w: Triple
    idle_w: Triple
    cloud: bool
    basis: Basis
    origin: Origin

    @property
    def source(self) -> str:
        """The publication."""
        return self.origin.source


_ECO_CI = "eco-ci (green-coding-solutions) @c10acd3, AMD EPYC 7763: 4 of 128 threads, 1.76 W idle, 8.18 W busy"
_CCF = "Cloud Carbon Footprint coefficients"
_NOBODY = Origin("assumed: no published figure", 2026, "assumed")
_SHAPE = Origin("shape of eco-ci's load curve (@c10acd3, AMD EPYC 7763); high end assumed", 2024, "derived")

CPU_ROWS: Mapping[str, CpuRow] = {
    "vm": CpuRow(
        "VM, unknown CPU",
        (1.1, 2.0, 3.6),
        (0.4, 0.6, 1.0),
        cloud=True,
        basis=Basis.MODELLED,
        origin=Origin(
            f"{_ECO_CI} (low: its flattest quarter of load) ... {_CCF}, Intel Skylake (high)", 2024, "derived"
        ),
    ),
    "vm-epyc": CpuRow(
        "VM, AMD EPYC",
        (1.1, 1.6, 2.3),
        (0.4, 0.45, 0.8),
        cloud=True,
        basis=Basis.MODELLED,
        origin=Origin(f"{_ECO_CI}; low and high: its flattest and steepest quarter of load", 2024, "derived"),
    ),
    "vm-xeon": CpuRow(
        "VM, Intel Xeon",
        (2.0, 3.3, 3.7),
        (0.6, 0.65, 1.0),
        cloud=True,
        basis=Basis.MODELLED,
        origin=Origin(f"{_CCF}, Intel Broadwell ... Skylake; low assumed", 2022, "derived"),
    ),
    "vm-arm": CpuRow(
        "VM, ARM server",
        (0.8, 1.2, 2.2),
        (0.3, 0.47, 0.8),
        cloud=True,
        basis=Basis.MODELLED,
        origin=Origin(f"{_CCF}, AWS Graviton2; both ends assumed", 2022, "derived"),
    ),
    "laptop": CpuRow(
        "laptop, TDP unknown",
        (2.0, 5.0, 15.0),
        (0.2, 0.4, 1.0),
        cloud=False,
        basis=Basis.ASSUMED,
        origin=_NOBODY,
    ),
    "desktop": CpuRow(
        "desktop, TDP unknown",
        (4.0, 10.0, 30.0),
        (0.3, 0.8, 2.0),
        cloud=False,
        basis=Basis.ASSUMED,
        origin=_NOBODY,
    ),
}
"""Method, section 2. The remaining row, bare metal with a TDP, is a formula: ``load_model.tdp_row``."""

TDP_ACTIVE = Factor(
    "tdp.active",
    (0.9, 1.3, 3.0),
    None,
    "W per busy CPU second and W of TDP: low for each thread of a socket, central and high for each core",
    _SHAPE,
)
TDP_IDLE = Factor("tdp.idle", (0.05, 0.1, 0.3), None, "W per logical CPU and W of TDP for each thread", _SHAPE)
PUE_CLOUD = Factor(
    "pue.cloud",
    (1.09, 1.15, 1.54),
    None,
    "kWh at the meter per kWh of the machines",
    Origin(
        "Google 1.09, AWS 1.14-1.15 (their own reports), industry average 1.54 (Uptime Institute survey 2025)",
        2025,
        "seen (secondary)",
    ),
)
MEMORY = Factor(
    "memory",
    (0.15, 0.39, 0.63),
    None,
    "W per GB installed",
    Origin("Cloud Carbon Footprint, 0.39 W/GB (0.15-0.63)", 2021, "seen (0.000392 kWh per GB and hour); ends assumed"),
)
FACTORS = (TDP_ACTIVE, TDP_IDLE, PUE_CLOUD, MEMORY)


def values(factor: Factor) -> Triple:
    """(low, central, high) of a row above."""
    assert factor.value is not None
    return factor.value
