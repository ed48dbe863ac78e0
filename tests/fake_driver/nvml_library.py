"""The fake libnvidia-ml.so.1, compiled; and what the tests of whole runs need to know of its cards."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
SOURCE = HERE.parent / "unit" / "meters" / "fake_nvml.c"
BARE_W, HELD_W, FULL_W = 80, 40, 600
"""Of a live card: at rest, what contexts add, and the work that is 100 percent of load (live_card.h)."""

_built: dict[int, Path] = {}


def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder for LD_LIBRARY_PATH; compiled once a process. Skips where there is no compiler."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None or not sys.platform.startswith("linux"):
        pytest.skip("needs a C compiler on Linux to build a fake libnvidia-ml.so.1")
    if os.getpid() not in _built:
        folder = tmp_path_factory.mktemp("nvml")
        subprocess.run([compiler, "-shared", "-fPIC", "-o", folder / "libnvidia-ml.so.1", SOURCE], check=True)
        _built[os.getpid()] = folder
    return _built[os.getpid()]
