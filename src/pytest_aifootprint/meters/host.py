"""What machine this is, as far as its energy depends on it: from small files, no subprocess, no network."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from pytest_aifootprint.meters.boot import boot_id
from pytest_aifootprint.meters.contract import Host
from pytest_aifootprint.meters.counters import read_text_or
from pytest_aifootprint.meters.cpus import cpu_limit, online_cpus

UNKNOWN = "unknown"

# SMBIOS 3.7, table 17 "System enclosure or chassis types".
_LAPTOP_CHASSIS = {"8", "9", "10", "11", "14", "30", "31", "32"}
_SERVER_CHASSIS = {"17", "22", "23", "25", "28", "29"}
_DESKTOP_CHASSIS = {"3", "4", "5", "6", "7", "13", "15", "16", "24", "34", "35", "36"}

# sys_vendor or product_name of a hypervisor's virtual board. Amazon's bare metal says "Amazon EC2" too, with ".metal".
_VM_BOARD = re.compile(
    r"qemu|kvm|vmware|virtualbox|innotek|xen|bochs|openstack|parallels|google compute engine|amazon ec2|firecracker"
    r"|digitalocean|hetzner|alibaba cloud|kubevirt|bhyve|apple virtualization|droplet|virtual machine|nutanix ahv",
    re.IGNORECASE,
)

# Arm's MIDR: implementer and part of cores that are sold in servers (Linux: arch/arm64/include/asm/cputype.h).
_ARM_SERVER_PARTS = {
    ("0x41", "0xd0c"): "Arm Neoverse-N1",
    ("0x41", "0xd40"): "Arm Neoverse-V1",
    ("0x41", "0xd49"): "Arm Neoverse-N2",
    ("0x41", "0xd4f"): "Arm Neoverse-V2",
    ("0x41", "0xd83"): "Arm Neoverse-V3AE",
    ("0x41", "0xd84"): "Arm Neoverse-V3",
    ("0x41", "0xd8e"): "Arm Neoverse-N3",
    ("0x6d", "0xd49"): "Azure Cobalt 100",
    ("0xc0", "0xac3"): "Ampere-1",
    ("0xc0", "0xac4"): "Ampere-1A",
    ("0x48", "0xd01"): "HiSilicon Kunpeng-920",
}
_ARM_IMPLEMENTERS = {"0x41": "Arm", "0x61": "Apple", "0xc0": "Ampere", "0x51": "Qualcomm", "0x48": "HiSilicon"}

_CLIENT_CPU = re.compile(
    r"\bcore\b|\bryzen\b|\bpentium\b|\bceleron\b|\bathlon\b|\batom\b|apple|snapdragon", re.IGNORECASE
)
# QEMU's CPU models for Haswell, Broadwell and Skylake: a cloud's as likely as anybody's, and no real processor's name.
_QEMU_CPU = re.compile(r"Intel Core Processor \(")
_CPUINFO_HEAD = 8192


class Facts(Struct, frozen=True):
    """What was recognised.

    Attributes:
        host: the part that the report shows.
        vendor: of an x86 processor, as CPUID says it (``GenuineIntel``); "" where not known.
        family: ``epyc``, ``xeon``, ``arm-server``, ``client`` or ``unknown``.
        n_sockets: 1 where not known. virtual_because: what told that this is a virtual machine, "" if none does.
        github_hosted: a runner of GitHub's own fleet. linux: the facts come from the kernel's files.
        x64: the instruction set is x86-64.
    """

    host: Host
    vendor: str
    family: str
    n_sockets: int
    virtual_because: str
    github_hosted: bool
    linux: bool
    x64: bool


def recognise(root: Path, environ: Mapping[str, str]) -> Facts:
    """Recognise this machine.

    Args:
        root: of the file system.
        environ: the environment; only GitHub's own variables are looked at.
    """
    github = environ.get("GITHUB_ACTIONS") == "true" and environ.get("RUNNER_ENVIRONMENT") == "github-hosted"
    info = _cpuinfo(root)
    return _linux(root, info, github=github) if info else _elsewhere(github=github)


def _linux(root: Path, info: dict[str, str], *, github: bool) -> Facts:
    name = _cpu_name(info)
    n_cpu = _n_cpu(root)
    limit = cpu_limit(root, n_cpu)
    siblings, cores = (int(info.get(key, "0") or 0) for key in ("siblings", "cpu cores"))
    n_sockets = max(1, round(n_cpu / siblings)) if siblings else 1
    family = _family(name, info)
    because = _virtual_because(root, info)
    if not because and github:
        because = "GitHub-hosted runner"
    host = Host(
        cpu_model=name,
        n_cpu=n_cpu,
        n_cores=min(cores * n_sockets, n_cpu) if cores else None,
        virtual=bool(because),
        memory_bytes=_memory_bytes(root),
        kind=_kind(root, family, virtual=bool(because), github=github),
        boot_id=boot_id(root),
        usable_cpus=limit.cpus if limit else None,
        limited_by=limit.by if limit else "",
    )
    return Facts(host, info.get("vendor_id", ""), family, n_sockets, because, github, linux=True, x64="flags" in info)


def _cpuinfo(root: Path) -> dict[str, str]:
    """The first processor of /proc/cpuinfo; the whole file would cost milliseconds on a large server."""
    try:
        with (root / "proc/cpuinfo").open("rb") as f:
            head = f.read(_CPUINFO_HEAD).decode("utf-8", "replace")
    except OSError:
        return {}
    info: dict[str, str] = {}
    for line in head.splitlines():
        key, colon, value = line.partition(":")
        if colon:
            info.setdefault(key.strip(), value.strip())
        elif info:
            break
    return info


def _cpu_name(info: Mapping[str, str]) -> str:
    name = info.get("model name", "")
    if name and not name.startswith(("ARMv", "AArch64")):
        return " ".join(name.split())
    implementer, part = info.get("CPU implementer", ""), info.get("CPU part", "")
    if not implementer:
        return name or UNKNOWN
    maker = _ARM_IMPLEMENTERS.get(implementer, f"ARM implementer {implementer}")
    return _ARM_SERVER_PARTS.get((implementer, part)) or f"{maker} part {part}"


def _family(name: str, info: Mapping[str, str]) -> str:
    lower = name.lower()
    if "epyc" in lower:
        return "epyc"
    if "xeon" in lower:
        return "xeon"
    if (info.get("CPU implementer", ""), info.get("CPU part", "")) in _ARM_SERVER_PARTS:
        return "arm-server"
    return "client" if _CLIENT_CPU.search(name) and not _QEMU_CPU.match(name) else UNKNOWN


def _n_cpu(root: Path) -> int:
    """Logical CPUs that are online: the kernel's list (``0-3,6``), else the lines of /proc/cpuinfo."""
    count = len(online_cpus(root))
    if not count:
        try:
            count = len(re.findall(r"(?m)^processor\s*:", (root / "proc/cpuinfo").read_text("utf-8", "replace")))
        except OSError:
            count = 0
    return count or os.cpu_count() or 1


def _virtual_because(root: Path, info: Mapping[str, str]) -> str:
    if "hypervisor" in info.get("flags", "").split():
        return "hypervisor flag in /proc/cpuinfo"
    kind = read_text_or(root / "sys/hypervisor/type")
    if kind:
        return f"/sys/hypervisor says {kind}"
    board = " ".join(read_text_or(root / "sys/class/dmi/id" / key) for key in ("sys_vendor", "product_name")).strip()
    if _VM_BOARD.search(board) and ".metal" not in board:
        return f"the mainboard calls itself {board}"
    if (root / "proc/device-tree/hypervisor").exists():
        return "hypervisor node in the device tree"
    return ""


def _kind(root: Path, family: str, *, virtual: bool, github: bool) -> str:
    if virtual and (github or family != "client"):
        return "vm"
    chassis = read_text_or(root / "sys/class/dmi/id/chassis_type")
    if chassis in _LAPTOP_CHASSIS or _has_battery(root) or virtual:
        # A virtual machine on a client processor (WSL, a desktop hypervisor) runs on somebody's own machine.
        return "laptop"
    if chassis in _SERVER_CHASSIS:
        return "server"
    if chassis in _DESKTOP_CHASSIS:
        return "desktop"
    return "server" if family in {"epyc", "xeon", "arm-server"} else "desktop"


def _has_battery(root: Path) -> bool:
    supplies = root / "sys/class/power_supply"
    try:
        entries = list(supplies.iterdir())
    except OSError:
        return False
    # The battery of a mouse has the scope "Device".
    return any(
        read_text_or(p / "type") == "Battery" and read_text_or(p / "scope", "System") != "Device" for p in entries
    )


def _memory_bytes(root: Path) -> int:
    match = re.search(r"MemTotal:\s*(\d+) kB", read_text_or(root / "proc/meminfo"))
    return int(match[1]) * 1024 if match else 0


def _elsewhere(*, github: bool) -> Facts:
    """macOS, Windows and the rest: psutil and platform know the counts, not the watts."""
    import platform

    import psutil

    name = platform.processor() or platform.machine() or UNKNOWN
    apple = platform.system() == "Darwin"
    battery = psutil.sensors_battery() if hasattr(psutil, "sensors_battery") else None
    virtual = github
    kind = "laptop" if apple or battery is not None else "desktop"
    host = Host(
        cpu_model=f"Apple {platform.machine()}" if apple else name,
        n_cpu=os.cpu_count() or 1,
        n_cores=psutil.cpu_count(logical=False),
        virtual=virtual,
        memory_bytes=psutil.virtual_memory().total,
        kind="vm" if virtual and not apple else kind,
        boot_id=boot_id(),
    )
    family = "client" if apple else UNKNOWN
    x64 = platform.machine().lower() in {"x86_64", "amd64"}
    because = "GitHub-hosted runner" if github else ""
    return Facts(host, "", family, 1, because, github, linux=False, x64=x64)
