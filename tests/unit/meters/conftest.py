"""File trees of machines, as their kernels show them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

CPUINFO_X86 = """processor\t: 0
vendor_id\t: {vendor}
model name\t: {name}
siblings\t: {siblings}
cpu cores\t: {cores}
flags\t\t: fpu vme {flags}

processor\t: 1
model name\t: {name}
"""
CPUINFO_ARM = """processor\t: 0
BogoMIPS\t: 243.75
Features\t: fp asimd evtstrm aes
CPU implementer\t: 0x41
CPU architecture: 8
CPU part\t: 0xd0c

processor\t: 1
CPU implementer\t: 0x41
"""


def x86(name: str, *, vendor: str = "GenuineIntel", siblings: int = 8, cores: int = 4, flags: str = "") -> str:
    return CPUINFO_X86.format(name=name, vendor=vendor, siblings=siblings, cores=cores, flags=flags)


def zone(path: str, name: str, energy: int, limit: int = 262_143_328_850) -> dict[str, str]:
    base = f"sys/class/powercap/{path}"
    return {f"{base}/name": name, f"{base}/energy_uj": str(energy), f"{base}/max_energy_range_uj": str(limit)}


COMMON = {"proc/meminfo": "MemTotal:       16777216 kB\nMemFree: 1 kB\n", "proc/sys/kernel/random/boot_id": "boot-1\n"}

MACHINES: dict[str, dict[str, str]] = {
    "laptop-i7": {
        "proc/cpuinfo": x86("Intel(R) Core(TM) i7-8650U CPU @ 1.90GHz"),
        "sys/devices/system/cpu/online": "0-7",
        "sys/class/dmi/id/chassis_type": "10",
        "sys/class/dmi/id/sys_vendor": "LENOVO",
        "sys/class/power_supply/BAT0/type": "Battery",
        "sys/class/powercap/intel-rapl/enabled": "1",
        **zone("intel-rapl:0", "package-0", 1_000_000),
        **zone("intel-rapl:0:0", "core", 600_000),
        **zone("intel-rapl:0:1", "uncore", 100_000),
        **zone("intel-rapl:0:2", "dram", 400_000, 65_712_999_613),
        **zone("intel-rapl:1", "psys", 9_000_000),
        **zone("intel-rapl-mmio:0", "package-0", 1_000_000),
    },
    "dual-xeon": {
        "proc/cpuinfo": x86("Intel(R) Xeon(R) Gold 6148 CPU @ 2.40GHz", siblings=40, cores=20),
        "sys/devices/system/cpu/online": "0-79",
        "sys/class/dmi/id/chassis_type": "23",
        "sys/class/dmi/id/sys_vendor": "Dell Inc.",
        **zone("intel-rapl:0", "package-0", 5_000_000),
        **zone("intel-rapl:0:0", "dram", 700_000),
        **zone("intel-rapl:1", "package-1", 80_000_000),
        **zone("intel-rapl:1:0", "dram", 30_700_000),
    },
    "amd-desktop": {
        "proc/cpuinfo": x86("AMD Ryzen 7 5800X 8-Core Processor", vendor="AuthenticAMD", siblings=16, cores=8),
        "sys/devices/system/cpu/online": "0-15",
        "sys/class/dmi/id/chassis_type": "3",
        **zone("intel-rapl:0", "package-0", 7_000_000, 65_532_610_987),
        **zone("intel-rapl:0:0", "core", 3_000_000, 65_532_610_987),
        **zone("intel-rapl:1", "psys", 90_000_000),
    },
    "threadripper-two-dies": {
        "proc/cpuinfo": x86("AMD Ryzen Threadripper 2990WX 32-Core Processor", siblings=64, cores=32),
        "sys/devices/system/cpu/online": "0-63",
        "sys/class/dmi/id/chassis_type": "3",
        **zone("intel-rapl:0", "package-0-die-0", 4_000_000),
        **zone("intel-rapl:1", "package-0-die-1", 4_000_000),
    },
    "vm-epyc": {
        "proc/cpuinfo": x86("AMD EPYC", vendor="AuthenticAMD", siblings=2, cores=2, flags="hypervisor"),
        "sys/devices/system/cpu/online": "0-1",
    },
    "vm-xeon": {
        "proc/cpuinfo": x86("Intel(R) Xeon(R) Platinum 8370C CPU @ 2.80GHz", flags="hypervisor"),
        "sys/devices/system/cpu/online": "0-3",
    },
    "vm-nameless": {
        "proc/cpuinfo": x86("QEMU Virtual CPU version 2.5+", flags="hypervisor"),
        "sys/devices/system/cpu/online": "0-3",
    },
    "vm-qemu-core": {
        "proc/cpuinfo": x86("Intel Core Processor (Haswell, no TSX)", flags="hypervisor"),
        "sys/devices/system/cpu/online": "0-1",
    },
    "vm-arm": {
        "proc/cpuinfo": CPUINFO_ARM,
        "sys/devices/system/cpu/online": "0-3",
        "sys/class/dmi/id/sys_vendor": "Amazon EC2",
        "sys/class/dmi/id/product_name": "t4g.xlarge",
    },
    "metal-arm": {
        "proc/cpuinfo": CPUINFO_ARM,
        "sys/devices/system/cpu/online": "0-63",
        "sys/class/dmi/id/sys_vendor": "Amazon EC2",
        "sys/class/dmi/id/product_name": "c6g.metal",
        "sys/class/dmi/id/chassis_type": "1",
    },
    "wsl-on-laptop": {
        "proc/cpuinfo": x86("11th Gen Intel(R) Core(TM) i7-1165G7 @ 2.80GHz", flags="hypervisor"),
        "sys/devices/system/cpu/online": "0-7",
    },
    "desktop-unlisted": {
        "proc/cpuinfo": x86("Zhaoxin KaiXian KX-U6780A@2.7GHz"),
        "sys/devices/system/cpu/online": "0-7",
        "sys/class/dmi/id/chassis_type": "3",
        "sys/class/power_supply/hidpp_battery_0/type": "Battery",
        "sys/class/power_supply/hidpp_battery_0/scope": "Device",
    },
    "laptop-unlisted": {
        "proc/cpuinfo": x86("Intel(R) Core(TM) i9-99999X CPU @ 9.90GHz"),
        "sys/class/power_supply/BAT1/type": "Battery",
    },
    "server-unlisted": {
        "proc/cpuinfo": x86("Intel(R) Xeon(R) Gold 9999X CPU @ 2.40GHz", siblings=40, cores=20),
        "sys/devices/system/cpu/online": "0-39",
    },
    "container-hides-rapl": {
        "proc/cpuinfo": x86("Intel(R) Core(TM) i7-8650U CPU @ 1.90GHz"),
        "sys/class/powercap/intel-rapl:0/device/vendor": "",
    },
    "no-rapl-driver": {
        "proc/cpuinfo": x86("Intel(R) Core(TM) i7-8650U CPU @ 1.90GHz"),
        "sys/class/powercap/dtpm/enabled": "0",
    },
}


@pytest.fixture
def machine(tmp_path: Path) -> Callable[[str], Path]:
    """Builds the named machine; gives its root."""

    def build(name: str) -> Path:
        return _grow(tmp_path / name, {**COMMON, **MACHINES[name]})

    return build


def _add(root: Path, microjoules: int) -> None:
    for file in (root / "sys/class/powercap").glob("*/energy_uj"):
        if file.is_file() and file.read_text().isdigit():
            file.write_text(str(int(file.read_text()) + microjoules))


def _grow(root: Path, files: dict[str, str]) -> Path:
    for path, text in files.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return root


@pytest.fixture
def grow() -> Callable[[Path, dict[str, str]], Path]:
    """Adds files to a machine; gives its root."""
    return _grow


@pytest.fixture
def spend() -> Callable[[Path, int], None]:
    """Lets every counter of a machine rise by so many microjoules."""
    return _add


@pytest.fixture
def living() -> Callable[[Path], Callable[[float], None]]:
    """A pause in which the counters of a machine go on, 10 W each."""

    def of(root: Path) -> Callable[[float], None]:
        return lambda seconds: _add(root, round(10e6 * seconds))

    return of
