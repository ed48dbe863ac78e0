"""Which running kernel this is: processes of one boot share its clock and its counters."""

from __future__ import annotations

from pathlib import Path


def boot_id(root: Path = Path("/")) -> str:
    """The kernel's boot id (Linux), else host name and time of the boot by psutil."""
    try:
        return (root / "proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        if root != Path("/"):
            return "unknown"
    import platform

    import psutil

    return f"{platform.node()}@{psutil.boot_time():.0f}"
