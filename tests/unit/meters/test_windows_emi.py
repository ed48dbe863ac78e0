"""Windows' energy meters through codecarbon's reader, on a library of our own making that stands for Windows' DLLs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SOURCE = Path(__file__).with_name("fake_emi.c")

# codecarbon's module is made to believe, while it is imported, that it is on Windows; the registry is a module winreg.
PLAY = """
import contextlib, ctypes, itertools, json, os, sys, types
from msgspec.structs import asdict
from pathlib import Path

class Registry(types.ModuleType):
    HKEY_LOCAL_MACHINE = 1
    @staticmethod
    def OpenKey(root, name):
        if os.environ["REGISTRY"] == "none":
            raise FileNotFoundError(2, "The system cannot find the file specified")
        assert name.endswith("{45BD8344-7ED6-49CF-A440-C276C933B053}")
        return contextlib.nullcontext(name)
    @staticmethod
    def QueryInfoKey(key):
        return (int(os.environ["REGISTRY"]), 0, 0)

sys.modules["winreg"] = Registry("winreg")
sys.modules["amdsmi"] = None  # codecarbon would warn of a binding without its library
if os.environ["REGISTRY"] == "1":
    import codecarbon
    sys.modules.pop("codecarbon.core.windows_emi", None)
    del codecarbon.core.windows_emi
    library = ctypes.CDLL(os.environ["FAKE_DLL"])
    ctypes.WinDLL = lambda name, use_last_error: library
    ctypes.get_last_error = library.fake_last_error
    ctypes.FormatError = lambda code: f"error {code}"
    platform, sys.platform = sys.platform, "win32"
    import codecarbon.core.windows_emi
    sys.platform = platform

from pytest_aifootprint.meters.selection import select
script = Path(os.environ["FAKE_EMI"])
turns = script.read_text().split("---\\n")
script.write_text(turns[0])
seconds = itertools.count(0, 10**9).__next__
selection = select(root=Path("/nothing"), environ={}, system=("win32", "AMD64"), clock=seconds)
reads = []
for turn in turns:
    script.write_text(turn)
    reads.append({m.domain: asdict(m.read()) for m in selection.counters})
for m in selection.counters:
    m.close()
print(json.dumps({
    "meters": [[m.domain, m.name, m.basis, m.reason] for m in selection.counters], "reads": reads,
    "rejected": [asdict(r) for r in selection.rejected if r.name.startswith("emi")],
    "codecarbon": "codecarbon" in sys.modules,
}))
"""

Play = Callable[..., dict[str, Any]]

PWH = 3.6e-9  # joules
J = round(1 / PWH)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None or not sys.platform.startswith("linux"):
        pytest.skip("needs a C compiler on Linux to build what stands for Windows' DLLs")
    found = tmp_path_factory.mktemp("emi") / "emi.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", found, SOURCE], check=True)
    return found


@pytest.fixture
def play(library: Path, tmp_path: Path) -> Play:
    def run(*turns: str, registry: str = "1") -> dict[str, Any]:
        script = tmp_path / "emi"
        script.write_text("---\n".join(turns))
        environ = {"FAKE_DLL": str(library), "FAKE_EMI": str(script), "REGISTRY": registry}
        done = subprocess.run(
            [sys.executable, "-c", PLAY], env={**os.environ, **environ}, capture_output=True, text=True, check=False
        )
        assert done.stderr == ""
        result: dict[str, Any] = json.loads(done.stdout)
        return result

    return run


def machine(package: object, dram: object, core: object = 7) -> str:
    return f"emi0 RAPL_Package0_Core0_CORE {core}\nemi1 RAPL_Package0_PKG {package}\nemi1 RAPL_Package0_DRAM {dram}\n"


def test_the_package_is_the_processor_and_its_memory_stands_beside_it(play: Play) -> None:
    got = play(machine(5 * J, 3 * J), machine(9 * J, 4 * J), machine(9 * J + 10**10 // 36, 4 * J))
    assert got["meters"] == [
        ["cpu", "emi", "measured", "Windows energy meter RAPL_Package0_PKG (EMI)"],
        ["ram", "emi", "measured", "Windows energy meter RAPL_Package0_DRAM (EMI)"],
    ]
    assert [r["cpu"]["energy_j"] for r in got["reads"]] == pytest.approx([0, 4, 5], rel=1e-8)
    assert [r["ram"]["energy_j"] for r in got["reads"]] == pytest.approx([0, 1, 1], rel=1e-8)
    assert got["rejected"] == []


def test_several_sockets_are_added_up(play: Play) -> None:
    first = f"emi1 RAPL_Package0_PKG {5 * J}\nemi2 RAPL_Package1_PKG {90 * J}\n"
    later = f"emi1 RAPL_Package0_PKG {6 * J}\nemi2 RAPL_Package1_PKG {92 * J}\n"
    got = play(first, later)
    assert [r["cpu"]["energy_j"] for r in got["reads"]] == pytest.approx([0, 3], rel=1e-8)
    (rejected,) = got["rejected"]
    assert (rejected["name"], "no DRAM channel" in rejected["reason"]) == ("emi ram", True)


def test_two_dies_that_show_one_register_count_once(play: Play) -> None:
    dies = f"emi1 RAPL_Package0_Die0_PKG +{J}\nemi2 RAPL_Package0_Die1_PKG =RAPL_Package0_Die0_PKG\n"
    got = play(dies, dies)
    assert got["meters"][0][3] == "Windows energy meter RAPL_Package0_Die0_PKG (EMI)"
    assert [r["cpu"]["energy_j"] for r in got["reads"]] == pytest.approx([0, 1], rel=1e-8)
    assert "same counter as RAPL_Package0_Die0_PKG" in got["rejected"][0]["reason"]


@pytest.mark.parametrize("turn", [machine("!31", J), machine("!5", J)])
def test_a_meter_that_cannot_be_read_in_mid_run_is_a_gap_and_not_zero(play: Play, turn: str) -> None:
    got = play(machine(5 * J, J), turn, machine(6 * J, J))
    first, broken, last = (r["cpu"] for r in got["reads"])
    assert (first["energy_j"], last["energy_j"]) == pytest.approx((0, 1))
    assert "energy_j" not in broken
    assert "RAPL_Package0_PKG cannot be read" in broken["reason"]


def test_a_device_that_goes_in_mid_run_is_a_gap_and_not_zero(play: Play) -> None:
    got = play(machine(5 * J, J), "emi0 RAPL_Package0_Core0_CORE 7\n")
    assert "cannot be read" in got["reads"][1]["cpu"]["reason"]


def test_a_channel_that_goes_in_mid_run_is_a_gap_and_not_zero(play: Play) -> None:
    got = play(machine(5 * J, J), f"emi1 RAPL_Package0_PKG {6 * J}\n")
    assert got["reads"][1]["cpu"]["energy_j"] == pytest.approx(1)
    assert "gave 1 of 2 channels" in got["reads"][1]["ram"]["reason"]


def test_a_counter_that_falls_is_a_gap(play: Play) -> None:
    got = play(machine(5 * J, J), machine(1, J))
    assert "neither its device" in got["reads"][1]["cpu"]["reason"]


def test_without_a_package_nothing_is_added_up(play: Play) -> None:
    got = play(f"emi0 RAPL_Package0_Core0_CORE {J}\nemi1 RAPL_Package0_PP0 {J}\n")
    assert got["meters"] == []
    assert "RAPL_Package0_Core0_CORE, RAPL_Package0_PP0" in got["rejected"][0]["reason"]


@pytest.mark.parametrize("bad", ["emi2 !5\n", "emi2 RAPL_Package1_PKG ?\n"])
def test_a_device_that_cannot_be_asked_may_be_a_socket_so_none_is_metered(play: Play, bad: str) -> None:
    got = play(f"emi1 RAPL_Package0_PKG {J}\n{bad}")
    assert got["meters"] == []
    assert [r["name"] for r in got["rejected"]] == ["emi emi2"]


def test_a_counter_that_nothing_feeds_is_rejected(play: Play) -> None:
    got = play(machine(0, J))
    assert [m[0] for m in got["meters"]] == ["ram"]
    assert "nothing feeds it" in got["rejected"][0]["reason"]


def test_a_package_that_cannot_be_read_is_rejected(play: Play) -> None:
    got = play(f"emi1 RAPL_Package0_PKG !5\nemi2 RAPL_Package1_PKG {J}\n")
    assert got["meters"] == []
    assert "RAPL_Package0_PKG cannot be read" in got["rejected"][0]["reason"]


@pytest.mark.parametrize("registry", ["none", "0"])
def test_without_a_registered_meter_codecarbon_is_not_imported(play: Play, registry: str) -> None:
    got = play(machine(J, J), registry=registry)
    assert got["meters"] == []
    assert "Windows 11" in got["rejected"][0]["reason"]
    assert not got["codecarbon"]
