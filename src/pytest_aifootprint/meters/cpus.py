"""How many CPUs this process may use: all of the machine's, or what a cgroup's quota or its affinity leaves.

A container with a quota of 2 CPUs on a machine of 64 stands for the idle power of 2 of them, not of 64. Quotas of both
versions of control groups (https://docs.kernel.org/admin-guide/cgroup-v2.html, cpu.max;
https://docs.kernel.org/scheduler/sched-bwc.html, cpu.cfs_quota_us) bind all groups below them: the tightest counts.
Affinity contains cpusets. Groups above the root of a container's own view cannot be seen.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from msgspec import Struct

from pytest_aifootprint.meters.counters import read_text_or

QUOTA = "cgroup quota"
AFFINITY = "CPU affinity"

_OCTAL = re.compile(r"\\([0-7]{3})")
_RANGE = re.compile(r"(\d{1,6})(?:-(\d{1,6}))?\Z")


class CpuLimit(Struct, frozen=True):
    """Fewer CPUs than the machine has.

    Attributes:
        cpus: how many, with fractions. by: ``QUOTA`` or ``AFFINITY``.
    """

    cpus: float
    by: str


def cpu_list(text: str) -> list[int]:
    """Numbers of the CPUs in a list as the kernel writes it (``0-3,6``); what is no number is left out."""
    found: list[int] = []
    for part in text.strip().split(","):
        match = _RANGE.match(part.strip())
        if match:
            found += range(int(match[1]), int(match[2] or match[1]) + 1)
    return found


def online_cpus(root: Path) -> list[int]:
    """Numbers of the machine's CPUs that are online; empty where the kernel does not tell."""
    return cpu_list(read_text_or(root / "sys/devices/system/cpu/online"))


def cpu_limit(root: Path, n_cpu: int) -> CpuLimit | None:
    """What leaves this process fewer CPUs than the machine has.

    Args:
        root: of the file system.
        n_cpu: logical CPUs of the machine.

    Returns:
        The tightest limit; None if there is none, or none that the kernel tells.
    """
    limits = [CpuLimit(quota, QUOTA) for quota in _quotas(root)]
    allowed = _allowed(root)
    if allowed:
        limits.append(CpuLimit(float(allowed), AFFINITY))
    tightest = min(limits, key=lambda limit: limit.cpus, default=None)
    return tightest if tightest is not None and tightest.cpus < n_cpu else None


def _allowed(root: Path) -> int:
    """CPUs that the scheduler may run this process on; 0 where the kernel does not tell."""
    match = re.search(r"(?m)^Cpus_allowed_list:\s*(\S+)", _text(root / "proc/self/status"))
    if not match:
        return 0
    # The mask may have bits for CPUs that are off, or that do not exist.
    allowed, online = set(cpu_list(match[1])), set(online_cpus(root))
    return len(allowed & online) if online else len(allowed)


def _quotas(root: Path) -> Iterator[float]:
    """CPUs of every quota that binds this process."""
    groups = list(_groups(_text(root / "proc/self/cgroup")))
    for kind, mount_root, mount_point, options in _mounts(_text(root / "proc/self/mountinfo")):
        for controllers, path in groups:
            if kind == "cgroup2" and controllers == "":
                read = _quota_v2
            elif kind == "cgroup" and "cpu" in controllers.split(",") and "cpu" in options.split(","):
                read = _quota_v1
            else:
                continue
            for folder in _lineage(root, mount_root, mount_point, path):
                quota = read(folder)
                if quota is not None:
                    yield quota


def _groups(text: str) -> Iterator[tuple[str, str]]:
    """Controllers and path of the group in each hierarchy: ``4:cpu,cpuacct:/a``, version 2: ``0::/a`` (cgroups(7))."""
    for line in text.splitlines():
        number, _, rest = line.partition(":")
        controllers, colon, path = rest.partition(":")
        if number.isdigit() and colon:
            yield controllers, path


def _mounts(text: str) -> Iterator[tuple[str, str, str, str]]:
    """Kind, root, mount point and options of every mounted hierarchy (proc_pid_mountinfo(5))."""
    for line in text.splitlines():
        before, _, after = line.partition(" - ")
        fields, behind = before.split(), after.split()
        if len(fields) >= 6 and len(behind) >= 3 and behind[0].startswith("cgroup"):
            yield behind[0], _plain(fields[3]), _plain(fields[4]), behind[2]


def _plain(text: str) -> str:
    return _OCTAL.sub(lambda m: chr(int(m[1], 8)), text)


def _lineage(root: Path, mount_root: str, mount_point: str, path: str) -> Iterator[Path]:
    """Folders of the group and of all above it, as far as they are mounted."""
    top = root / mount_point.lstrip("/")
    own = PurePosixPath(path)
    if own.is_relative_to(mount_root):
        inner = own.relative_to(mount_root)
    elif (top / path.lstrip("/")).is_dir():
        inner = PurePosixPath(path.lstrip("/"))
    else:
        # The mount shows another part of the tree than the path is told in: in a container, its own group.
        inner = PurePosixPath()
    if ".." in inner.parts:
        inner = PurePosixPath()
    yield top
    for part in inner.parts:
        top = top / part
        yield top


def _quota_v2(folder: Path) -> float | None:
    quota, _, period = read_text_or(folder / "cpu.max").partition(" ")
    return _ratio(quota, period)


def _quota_v1(folder: Path) -> float | None:
    return _ratio(read_text_or(folder / "cpu.cfs_quota_us"), read_text_or(folder / "cpu.cfs_period_us"))


def _ratio(quota_us: str, period_us: str) -> float | None:
    """CPUs of a quota; None without one (``max``, ``-1``) or if it cannot be read."""
    if not (quota_us.isdecimal() and period_us.isdecimal()):
        return None
    quota, period = int(quota_us), int(period_us)
    return quota / period if quota and period else None


def _text(path: Path) -> str:
    """A whole file: mount tables are longer than what ``read_text`` takes. Empty where it cannot be read."""
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        return ""
