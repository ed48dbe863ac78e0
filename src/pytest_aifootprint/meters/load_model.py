"""Joules of the CPU where no counter stands: watts per busy CPU second and per idle CPU (method: section 2).

The watts are above idle, so that a test's number does not contain the machine's standing power. Cloud rows are a share
of a server measured at the wall, memory included, and are multiplied by the data centre's PUE. A row made of a TDP is
at the component. A socket's TDP is never used undivided in a virtual machine, which sees a few threads of it.
"""

from __future__ import annotations

from pathlib import Path

from pytest_aifootprint.meters.contract import LoadModel
from pytest_aifootprint.meters.hardware import HARDWARE_KEYS, Hardware, validate_hardware
from pytest_aifootprint.meters.host import Facts
from pytest_aifootprint.meters.tdp import SOURCE as TDP_SOURCE
from pytest_aifootprint.meters.tdp import tdp_w
from pytest_aifootprint.meters.watts import CPU_ROWS, PUE_CLOUD, TDP_ACTIVE, TDP_IDLE, CpuRow, values
from pytest_aifootprint.quantities import Basis, Range, Watts
from pytest_aifootprint.quantities.changed import replace

__all__ = ["HARDWARE_KEYS", "Hardware", "load_model", "tdp_row", "validate_hardware"]

CPU_W, IDLE_W, PUE_LOCAL = "cpu_w", "idle_w", "pue:local"
DECLARE = "declare tdp_w, or watts_per_cpu_second if you have measured it"


def tdp_row(tdp: float, cores: int, threads: int, source: str) -> CpuRow:
    """Bare metal with a TDP: T watts, C cores and N threads of one socket.

    ``.9 T/N / 1.3 T/C / min(T, 3 T/C)`` per busy CPU second and ``T/N x .05 / .1 / .3`` idle, with the factors of the
    rows ``tdp.active`` and ``tdp.idle``. On one core, 1.3 T would be more than the socket draws: T bounds it.
    """
    low_share, central_share, high_share = values(TDP_ACTIVE)
    idle_low, idle, idle_high = (share * tdp / threads for share in values(TDP_IDLE))
    high = min(tdp, high_share * tdp / cores)
    central = min(central_share * tdp / cores, high)
    return CpuRow(
        f"bare metal, TDP {tdp:g} W, {cores} cores, {threads} threads",
        (min(low_share * tdp / threads, central), central, high),
        (idle_low, idle, idle_high),
        cloud=False,
        basis=Basis.MODELLED,
        origin=replace(TDP_ACTIVE.origin, source=f"TDP: {source}; shape: eco-ci's load curve, high end assumed"),
    )


def arm_metal() -> CpuRow:
    """Bare metal with an ARM server's processor.

    No table has the TDPs of ARM servers. Their cores have one thread each, so that the cloud's figure per CPU is that
    of a core, on a whole machine as well; a desktop's 10 W would be 640 W for a processor of 64 cores.
    """
    return replace(CPU_ROWS["vm-arm"], name="bare metal, ARM server")


def load_model(facts: Facts, hardware: Hardware, *, tdp_table: Path | None = None) -> LoadModel:
    """The load model of this machine.

    Args:
        facts: what was recognised.
        hardware: what the user declared, which wins.
        tdp_table: another table of TDPs than codecarbon's.
    """
    row, reason = _row(facts, hardware, tdp_table)
    declared = hardware.watts_per_cpu_second
    active = Range.of(*(declared or row.active_w), CPU_W)
    idle = Range.of(*(hardware.idle_watts_per_cpu or row.idle_w), IDLE_W)
    pue = hardware.pue or (values(PUE_CLOUD) if row.cloud else None)
    inside: Range | None = None
    if pue is not None:
        # What the user declared in watts is what the user measured: only a PUE that was declared too goes on top.
        if declared is None or hardware.pue:
            inside = Range.of(*pue, PUE_LOCAL)
            active *= inside
        if hardware.idle_watts_per_cpu is None or hardware.pue:
            idle *= Range.of(*pue, PUE_LOCAL)
        reason += f"; PUE {pue[1]:g}"
    host = facts.host
    if host.usable_cpus is not None:
        reason += f"; idle of {round(host.usable_cpus, 2):g} of {host.n_cpu} CPUs by {host.limited_by}"
    return LoadModel(
        name="load model: " + ("declared watts" if declared else row.name),
        reason=reason,
        active_w=Watts(active),
        idle_w_per_cpu=Watts(idle),
        n_cpu=host.n_cpu,
        usable_cpus=host.usable_cpus,
        includes_ram=row.cloud,
        boundary="wall" if row.cloud else "component",
        source="declared watts_per_cpu_second" if declared else row.source,
        year=None if declared else row.origin.year,
        machine=hardware.machine or host.kind,
        basis=Basis.MODELLED if declared else row.basis,
        pue=inside,
    )


def _row(facts: Facts, hardware: Hardware, tdp_table: Path | None) -> tuple[CpuRow, str]:
    """The row, and what made us choose it."""
    host = facts.host
    seen = f"{host.cpu_model}, {host.n_cpu} logical CPUs"
    declared_machine = hardware.machine
    virtual = host.virtual if declared_machine is None else declared_machine == "vm"
    if hardware.tdp_w is not None:
        cores, threads = _socket(facts, hardware)
        if not virtual or (hardware.cores is not None and hardware.threads is not None):
            return tdp_row(hardware.tdp_w, cores, threads, "declared"), f"{seen}: tdp_w declared"
        seen += "; tdp_w is left out: a VM sees a part of the socket, declare the socket's cores and threads as well"
    if virtual:
        row, why = _vm_row(facts, declared=declared_machine == "vm")
        return row, f"{seen}: {why}"
    tdp = tdp_w(host.cpu_model, tdp_table) if facts.linux else None
    if tdp is not None:
        cores, threads = _socket(facts, hardware)
        return tdp_row(tdp, cores, threads, TDP_SOURCE), f"{seen}: {tdp:g} W TDP"
    kind = declared_machine or host.kind
    if kind == "server" and facts.family == "arm-server":
        return arm_metal(), f"{seen}: an ARM server, per core as in the cloud; {DECLARE}"
    row = CPU_ROWS["laptop" if kind == "laptop" else "desktop"]
    if kind == "server":
        return row, f"{seen}: a server whose TDP is unknown, taken for a desktop; {DECLARE}"
    return row, f"{seen}: {kind} whose TDP is unknown; {DECLARE}"


def _vm_row(facts: Facts, *, declared: bool) -> tuple[CpuRow, str]:
    because = "machine = vm declared" if declared else f"virtual machine ({facts.virtual_because})"
    if facts.github_hosted and facts.x64:
        return CPU_ROWS["vm-epyc"], "GitHub-hosted runner, x64"
    if facts.family == "client" and not declared:
        # The threads that the guest sees may be a few of the socket's, so its TDP would be a guess.
        return CPU_ROWS["laptop"], f"{because} on a processor for laptops and desktops; {DECLARE}"
    row = {"epyc": "vm-epyc", "xeon": "vm-xeon", "arm-server": "vm-arm"}.get(facts.family, "vm")
    return CPU_ROWS[row], because


def _socket(facts: Facts, hardware: Hardware) -> tuple[int, int]:
    """Cores and threads of one socket."""
    host = facts.host
    threads = hardware.threads or max(1, host.n_cpu // facts.n_sockets)
    cores = hardware.cores or max(1, (host.n_cores or host.n_cpu) // facts.n_sockets)
    return min(cores, threads), threads
