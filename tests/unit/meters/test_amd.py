"""AMD cards through the binding amdsmi, on a driver library of our own making."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_aifootprint.meters.amd import cards, find_amd
from pytest_aifootprint.meters.amd_card import AmdCard, Die
from pytest_aifootprint.meters.amd_meter import AmdMeter
from pytest_aifootprint.meters.selection import select

BUILDER = Path(__file__).with_name("build_fake_amdsmi.py")

# Runs in a process of its own: the library is found by LD_LIBRARY_PATH, which the loader reads once.
PLAY = """
import itertools, json, os, sys
from msgspec.structs import asdict
from pathlib import Path
from pytest_aifootprint.meters.amd import find_amd
seconds = itertools.count(0, 10**9).__next__
meters, rejected = find_amd(Path(sys.argv[1]), os.environ, first=int(os.environ.get("FIRST", "0")), clock=seconds)
reads = []
for turn in range(int(os.environ.get("READS", "2"))):
    if str(turn) == os.environ.get("SHUT_DOWN"):
        import amdsmi
        amdsmi.amdsmi_shut_down()
    reads += [asdict(m.read()) for m in meters]
for m in meters:
    m.close()
    m.close()
print(json.dumps({
    "meters": [[m.domain, m.name, m.basis, m.reason] for m in meters], "cards": [m.card for m in meters],
    "rejected": [asdict(r) for r in rejected], "reads": reads, "closed": [asdict(m.read()) for m in meters],
    "loads": [m.signals.load_percent.tolist() for m in meters],
    "counted": [m.signals.counter_j.tolist() for m in meters],
    "holders": [[h.pids for h in m.signals.holders] for m in meters],
    "breaks": [len(m.signals.breaks_ns) for m in meters],
    "imported": [name for name in ("amdsmi", "codecarbon") if name in sys.modules],
}))
"""

Play = Callable[..., dict[str, Any]]
Grow = Callable[[Path, dict[str, str]], Path]

J = 65536  # counts of 2^-16 J
MI210 = "name=AMD_Instinct_MI210 util=10 procs="
MI250X = "name=AMD_Instinct_MI250X util={} procs={}"
TWO = [f"0 {MI210} hip=0 energy={J}", f"1 {MI210} hip=1 energy={5 * J}"]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("amd")
    built = subprocess.run([sys.executable, BUILDER, folder], stderr=subprocess.PIPE, text=True, check=False)
    if built.returncode == 77:
        pytest.skip(built.stderr)
    assert (built.returncode, built.stderr) == (0, "")
    return folder


@pytest.fixture
def play(library: Path, tmp_path: Path) -> Play:
    def run(*lines: str, **environ: str) -> dict[str, Any]:
        script = tmp_path / "script"
        script.write_text("\n".join(lines))
        hiding = {"ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES", "GPU_DEVICE_ORDINAL"}
        inherited = {k: v for k, v in os.environ.items() if k not in {*hiding, "ROCM_PATH", "ROCM_HOME"}}
        paths = {"LD_LIBRARY_PATH": str(library), "FAKE_AMD_SCRIPT": str(script)}
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", PLAY, str(tmp_path)],
            env={**inherited, **paths, **environ},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.stderr == ""
        result: dict[str, Any] = json.loads(done.stdout)  # and nothing besides on stdout
        return result

    return run


def test_every_card_is_a_domain_and_its_joules_are_counts_times_resolution(play: Play) -> None:
    later = [f"0 {MI210} hip=0 energy={3 * J + J // 2}", f"1 {MI210} hip=1 energy={6 * J}"]
    got = play(*TWO, *later)
    assert got["meters"] == [
        ["gpu0", "amdsmi", "measured", "AMD SMI energy counter of AMD Instinct MI210 (GPU-a000000000000000)"],
        ["gpu1", "amdsmi", "measured", "AMD SMI energy counter of AMD Instinct MI210 (GPU-b000000000000000)"],
    ]
    assert got["cards"] == ["AMD Instinct MI210"] * 2
    assert [r["energy_j"] for r in got["reads"]] == [0, 0, 2.5, 1]
    assert got["rejected"] == []
    assert got["imported"] == ["amdsmi"]
    assert [c["reason"] for c in got["closed"]] == ["the meter is closed"] * 2


def test_the_counter_is_read_a_last_time_when_the_meter_is_closed(play: Play) -> None:
    (counted,) = play(*(f"0 {MI210} energy={n * J}" for n in (1, 2, 4, 8)))["counted"]
    assert counted == [0, 1, 3]


def test_cards_of_another_maker_come_first(play: Play) -> None:
    assert [m[0] for m in play(*TWO, FIRST="2")["meters"]] == ["gpu2", "gpu3"]


def test_beside_nvidia_cards_each_has_a_domain_of_its_own(library: Path, grow: Grow, tmp_path: Path) -> None:
    source = Path(__file__).with_name("fake_nvml.c")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", "libnvidia-ml.so.1", source], cwd=tmp_path, check=True)
    root = grow(tmp_path, {"proc/cpuinfo": "processor: 0\n", "dev/kfd": "", "dev/nvidiactl": ""})
    (tmp_path / "script").write_text(TWO[0])
    code = """
import sys
from pathlib import Path
from pytest_aifootprint.meters.selection import select
print([(m.domain, m.name) for m in select(root=Path(sys.argv[1]), environ={"CUDA_VISIBLE_DEVICES": "1"}).counters])
"""
    paths = {"LD_LIBRARY_PATH": f"{library}:{tmp_path}", "FAKE_AMD_SCRIPT": str(tmp_path / "script")}
    done = subprocess.run(
        [sys.executable, "-c", code, str(root)], env={**os.environ, **paths}, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[('gpu1', 'nvml'), ('gpu2', 'amdsmi')]"


def test_cards_stand_in_the_order_of_hip(play: Play) -> None:
    got = play(f"0 {MI210} hip=1 energy={J}", f"1 {MI210} hip=0 energy={J}", HIP_VISIBLE_DEVICES="0")
    assert [m[3].rpartition("(")[2] for m in got["meters"]] == ["GPU-b000000000000000)"]


@pytest.mark.parametrize(
    ("environ", "domains", "reasons"),
    [
        ({"ROCR_VISIBLE_DEVICES": "1"}, ["gpu1"], []),
        ({"ROCR_VISIBLE_DEVICES": "GPU-b000000000000000"}, ["gpu1"], []),
        ({"ROCR_VISIBLE_DEVICES": "gpu-B000000000000000, 0,0"}, ["gpu0", "gpu1"], []),
        ({"ROCR_VISIBLE_DEVICES": "GPU-b"}, [], ["ROCR_VISIBLE_DEVICES names 'GPU-b', which is no card here"]),
        ({"ROCR_VISIBLE_DEVICES": "-1"}, [], ["ROCR_VISIBLE_DEVICES='-1' hides every card"]),
        ({"HIP_VISIBLE_DEVICES": "0"}, ["gpu0"], []),
        ({"ROCR_VISIBLE_DEVICES": "1", "HIP_VISIBLE_DEVICES": "0"}, ["gpu1"], []),
        ({"ROCR_VISIBLE_DEVICES": ""}, [], ["ROCR_VISIBLE_DEVICES='' hides every card"]),
        ({"HIP_VISIBLE_DEVICES": "0,7"}, ["gpu0"], ["HIP_VISIBLE_DEVICES names '7', which is no card here"]),
        ({"CUDA_VISIBLE_DEVICES": "1"}, ["gpu1"], []),
        ({"CUDA_VISIBLE_DEVICES": "1", "HIP_VISIBLE_DEVICES": "0"}, ["gpu0"], []),
        ({"CUDA_VISIBLE_DEVICES": "1", "FIRST": "4"}, ["gpu4", "gpu5"], []),
        ({"GPU_DEVICE_ORDINAL": "1"}, ["gpu1"], []),
    ],
)
def test_only_visible_cards_are_metered(
    play: Play, environ: dict[str, str], domains: list[str], reasons: list[str]
) -> None:
    got = play(*TWO, **environ)
    assert [m[0] for m in got["meters"]] == domains
    assert [r["reason"] for r in got["rejected"]] == reasons


def test_two_dies_with_one_counter_are_one_card(play: Play) -> None:
    before = [f"0 {MI250X.format(0, '')} energy={J}", f"1 {MI250X.format(0, '')} energy=0"]
    after = [f"0 {MI250X.format(5, 41)} energy={3 * J}", f"1 {MI250X.format(70, '40,41')} energy=0"]
    got = play(*before, *after)
    ((domain, name, basis, reason),) = got["meters"]
    assert (domain, name, basis) == ("gpu0", "amdsmi", "measured")
    assert reason.endswith("which counts for its 2 dies")
    assert [r["energy_j"] for r in got["reads"]] == [0, 2]
    assert got["loads"][0][:2] == [0, 70]
    assert got["holders"] == [[[], [40, 41]]]
    assert got["rejected"] == []
    # A process that may use the second die alone has its joules from the counter of both.
    assert [m[0] for m in play(*before, *after, ROCR_VISIBLE_DEVICES="1")["meters"]] == ["gpu0"]


def die(name: str, bus: str, energy_j: float | None) -> Die:
    return Die(None, name, "", bus, None, energy_j)


def test_what_counts_elsewhere_is_told_from_what_does_not_count() -> None:
    mi250, mi300, mi210 = "AMD Instinct MI250X / MI250", "AMD Instinct MI300X", "AMD Instinct MI210"
    pairs = [die(mi250, f"0000:{n:02x}:00.0", 0.0 if n % 2 else 1.0) for n in range(4)]
    assert cards(pairs) == [[0, 1], [2, 3]]
    partitions = [die(mi300, f"0000:0c:00.{n}", None if n else 1.0) for n in range(4)]
    assert cards([*partitions, die(mi300, "0000:0d:00.0", 1.0)]) == [[0, 1, 2, 3], [4]]
    # Its counter stands at 0, for whatever reason: nobody's second die.
    assert cards([die(mi210, "0000:0c:00.0", 1.0), die(mi210, "0000:0d:00.0", 0.0)]) == [[0], [1]]
    assert cards([die(mi250, "0000:0c:00.0", 0.0), die(mi250, "0000:0d:00.0", 0.0)]) == [[0], [1]]
    assert cards([die(mi250, "0000:0c:00.0", 1.0), die(mi210, "0000:0c:00.1", 0.0)]) == [[0], [1]]
    three = [die(mi250, f"0000:{n:02x}:00.0", 0.0 if n else 1.0) for n in range(3)]
    assert cards(three) == [[0, 1], [2]]


def test_a_second_die_whose_first_is_hidden_is_not_zero_joules(play: Play) -> None:
    got = play(f"0 {MI250X.format(0, '')} energy=0")
    assert got["meters"] == []
    (rejected,) = got["rejected"]
    assert rejected["name"] == "amdsmi gpu0"
    assert "nothing feeds it" in rejected["reason"]
    assert "second die" in rejected["remedy"]


@pytest.mark.parametrize("energy", ["", "energy=!2", "energy=0", f"energy={2**64 - 1}"])
def test_without_a_counter_the_power_is_integrated_and_that_is_said(play: Play, energy: str) -> None:
    got = play(f"0 {MI210} {energy} power=200")
    ((_, name, basis, reason),) = got["meters"]
    assert (name, basis) == ("amdsmi power", "modelled")
    assert "integrated" in reason
    assert [r["energy_j"] for r in got["reads"]] == [0, 200]


def test_a_gap_of_the_power_adds_nothing_and_loses_nothing(play: Play) -> None:
    powers = ("100", "100", "!12", "0", "100", "100")
    got = play(*(f"0 {MI210} power={power}" for power in powers), READS="6")
    assert [r.get("energy_j") for r in got["reads"]] == [0, 100, None, None, 100, 200]
    assert got["breaks"] == [2]
    assert "could not be read (amdsmi status 12)" in got["reads"][2]["reason"]
    assert "tells no power" in got["reads"][3]["reason"]


@pytest.mark.parametrize("power", ["", "power=0", "power=65535", "power=4294967295"])
def test_a_card_that_tells_nothing_is_rejected(play: Play, power: str) -> None:
    got = play(f"0 {MI210} energy=!2 {power}")
    assert got["meters"] == []
    assert "does not tell (amdsmi status 2)" in got["rejected"][0]["reason"]


@pytest.mark.parametrize(("head", "metered"), [(b"\x80\0\2\3", 0), (b"\x80\0\3\0", 0), (b"\x80\0\1\3", 1)])
def test_graphics_inside_a_processor_are_not_metered_twice(
    play: Play, tmp_path: Path, head: bytes, metered: int
) -> None:
    folder = tmp_path / "sys/bus/pci/devices/0000:0c:00.0"
    folder.mkdir(parents=True)
    (folder / "gpu_metrics").write_bytes(head + bytes(100))
    got = play(f"0 name=AMD_Radeon_Graphics energy={J} power=30")
    assert len(got["meters"]) == metered
    assert metered or "part of the processor" in got["rejected"][0]["reason"]


@pytest.mark.parametrize(
    ("code", "reason", "remedy"),
    [
        ("34", "driver is not loaded", "modprobe amdgpu"),
        ("10", "no permission", "render,video"),
        ("16", "Internal error", "amd-smi"),
        ("77", "unknown error", "amd-smi"),
    ],
)
def test_a_driver_that_does_not_start_is_rejected_in_words(play: Play, code: str, reason: str, remedy: str) -> None:
    got = play(*TWO, FAKE_AMD_INIT=code)
    assert got["meters"] == []
    (rejected,) = got["rejected"]
    assert reason in rejected["reason"]
    assert f"amdsmi status {code}" in rejected["reason"]
    assert remedy in rejected["remedy"]


def test_a_driver_without_cards_is_rejected(play: Play) -> None:
    assert "no card" in play()["rejected"][0]["reason"]


@pytest.mark.parametrize(
    ("energy", "said"),
    [("!31", "the card is gone"), ("!8", "did not answer in time"), ("0", "which neither its device"), ("!99", "99")],
)
def test_a_fault_in_mid_run_is_a_gap_and_not_zero(play: Play, energy: str, said: str) -> None:
    got = play(f"0 {MI210} energy={J}", f"0 {MI210} energy={energy}")
    first, second = got["reads"]
    assert first["energy_j"] == 0
    assert said in second["reason"]
    assert second["remedy"]
    assert "energy_j" not in second
    assert got["breaks"][0] >= 1


def test_a_counter_that_stands_still_is_a_gap(play: Play) -> None:
    got = play(f"0 {MI210} energy={J}", READS="9")
    assert ["energy_j" in r for r in got["reads"]] == [True] * 7 + [False] * 2  # 2 s each; 12 s are allowed


def test_a_driver_that_somebody_shut_down_is_a_gap(play: Play) -> None:
    got = play(f"0 {MI210} energy={J}", SHUT_DOWN="1")
    assert "shut down by somebody else" in got["reads"][1]["reason"]


def test_what_the_driver_does_not_tell_is_unknown(play: Play) -> None:
    got = play(f"0 name=Card energy={J} util=!2 procs=!10", f"0 name=Card energy={J} util=50 procs=1")
    assert got["loads"] == [[-1, -1, -1]]
    assert got["holders"] == [[None]]
    lines = [f"0 name=Card energy={J} util={2**32 - 1} procs=!8", f"0 name=Card energy={J} util=65535 procs=1"]
    got = play(*lines, f"0 name=Card energy={J} util=50 procs=1")
    assert got["loads"] == [[-1, -1, 50]]
    assert got["holders"] == [[None, [1]]]


@pytest.mark.parametrize("driver", ["dev/kfd", "sys/module/amdgpu/version"])
def test_cards_are_looked_for_where_the_kernel_has_their_driver(
    grow: Grow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, driver: str
) -> None:
    monkeypatch.setitem(sys.modules, "amdsmi", None)
    root = grow(tmp_path, {"proc/cpuinfo": "processor: 0\n", driver: ""})
    assert [r.name for r in select(root=root, environ={}).rejected] == ["rapl", "perf", "nvml", "amdsmi"]


def test_without_the_binding_the_remedy_is_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "amdsmi", None)
    meters, (rejected,) = find_amd(tmp_path, {})
    assert meters == []
    assert "does not import" in rejected.reason
    assert "pip install amdsmi" in rejected.remedy


def test_a_binding_without_its_library_prints_nothing(play: Play, tmp_path: Path) -> None:
    got = play(*TWO, LD_LIBRARY_PATH=str(tmp_path))
    if "was not found" not in got["rejected"][0]["reason"]:
        pytest.skip("this machine has ROCm")
    assert "amd-smi-lib" in got["rejected"][0]["remedy"]


def test_a_library_older_than_the_binding_is_rejected(play: Play, tmp_path: Path, library: Path) -> None:
    (tmp_path / "empty.c").write_text("int nothing;\n")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", "libamd_smi.so", "empty.c"], cwd=tmp_path, check=True)
    got = play(*TWO, LD_LIBRARY_PATH=str(tmp_path))
    assert "different versions" in got["rejected"][0]["reason"]
    assert "ROCm" in got["rejected"][0]["remedy"]


class Driver:
    """In the place of the module amdsmi: counts the questions, and lets each cost so many CPU ns."""

    class AmdSmiException(Exception):  # noqa: N818 - its name there
        pass

    def __init__(self, **costs_ns: int) -> None:
        self.asked = dict.fromkeys(costs_ns, 0)
        self.cpu_ns = 0
        self._costs_ns = costs_ns

    def _ask(self, name: str) -> int:
        self.asked[name] += 1
        self.cpu_ns += self._costs_ns[name]
        return self.asked[name]

    def amdsmi_get_energy_count(self, _handle: object) -> dict[str, float]:
        return {"power": 1_000_000 * self._ask("energy"), "counter_resolution": 1.0}  # its name before ROCm 6.4

    def amdsmi_get_gpu_activity(self, _handle: object) -> dict[str, object]:
        return {"gfx_activity": "N/A"}

    def amdsmi_get_gpu_process_list(self, _handle: object) -> list[dict[str, int]]:
        self._ask("list")
        return [{"pid": 1}]


@pytest.mark.parametrize(
    ("costs_ns", "asked"),
    [
        ({"energy": 0, "list": 0}, {"energy": 100, "list": 50}),  # at every tick; five times a second
        ({"energy": 100_000, "list": 1_000_000}, {"energy": 50, "list": 5}),  # 0.14 s, hence every second tick; 2 s
        ({"energy": 9_000_000, "list": 9_000_000}, {"energy": 50, "list": 2}),  # at most 0.2 s and 5 s
    ],
)
def test_what_is_dear_is_asked_seldom(costs_ns: dict[str, int], asked: dict[str, int]) -> None:
    driver, now_ns = Driver(**costs_ns), 0
    card = AmdCard(driver, [object()])
    meter = AmdMeter(card, "gpu0", "", lambda: now_ns, cpu_clock=lambda: driver.cpu_ns)
    for tick in range(100):
        now_ns = tick * 100_000_000
        meter.read()
    assert driver.asked == asked
    assert set(meter.signals.load_percent) == {-1}
