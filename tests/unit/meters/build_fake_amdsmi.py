"""Builds libamd_smi.so of fake_amdsmi.c in a folder, with every function that the binding amdsmi wants.

Ends with status 77, and one line why, where this machine cannot.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

SOURCE = Path(__file__).with_name("fake_amdsmi.c")


def lacking(why: str) -> NoReturn:
    """Say why it cannot be built here."""
    sys.stderr.write(why)
    raise SystemExit(77)


def build(folder: Path) -> None:
    """Compile it."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None or not sys.platform.startswith("linux"):
        lacking("needs a C compiler on Linux to build a fake libamd_smi.so")
    spec = importlib.util.find_spec("amdsmi")  # finds it, imports nothing
    if spec is None or spec.origin is None:
        lacking("needs the binding amdsmi, which the extra dev has")
    wrapper = Path(spec.origin).with_name("amdsmi_wrapper.py").read_text()
    wanted = set(re.findall(r"_libraries\['libamd_smi\.so'\]\.(\w+)", wrapper))
    there = set(re.findall(r"^\w+ (amdsmi_\w+)\(", SOURCE.read_text(), re.MULTILINE))
    rest = folder / "rest.c"
    rest.write_text("".join(f"int {name}(void) {{ return 2; }}\n" for name in sorted(wanted - there)))
    subprocess.run([compiler, "-shared", "-fPIC", "-o", folder / "libamd_smi.so", SOURCE, rest], check=True)


if __name__ == "__main__":
    build(Path(sys.argv[1]))
