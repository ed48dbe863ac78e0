"""Memory without a counter: a constant power of what is installed, in idle (method: section 2).

Billing resident memory x time would make a test that runs late pay for what ran before it.
"""

from __future__ import annotations

from pytest_aifootprint.meters.contract import Host, LoadModel, MemoryModel
from pytest_aifootprint.meters.watts import MEMORY, values
from pytest_aifootprint.quantities import Basis, Range, Watts

BYTES_PER_GB = 2**30
"""As DIMMs count it."""
RAM_W = "ram_w"


def memory_model(host: Host, cpu: LoadModel, *, cpu_counter: bool, ram_counter: bool) -> MemoryModel:
    """How memory is priced.

    Args:
        host: the machine.
        cpu: its load model.
        cpu_counter: a counter prices the CPU: it does not include memory, whatever the load model's row does.
        ram_counter: a counter prices memory; the model stands by.
    """
    gigabytes = host.memory_bytes / BYTES_PER_GB
    if cpu.includes_ram and not cpu_counter:
        return MemoryModel("in cpu: the CPU's watts include memory", None, cpu.source, basis=cpu.basis)
    if not gigabytes:
        return MemoryModel("the size of memory is unknown", None, MEMORY.origin.source, basis=Basis.ASSUMED)
    power = Watts(Range.of(*values(MEMORY), RAM_W).scale(gigabytes))
    stands_by = "; stands by for the counter" if ram_counter else ""
    return MemoryModel(f"{gigabytes:.1f} GB installed, stands in idle{stands_by}", power, MEMORY.origin.source)
