"""NVIDIA cards through nvidia-ml-py, on a driver library of our own making."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

import nvml_library
from pytest_aifootprint.meters.nvml import find_nvml
from pytest_aifootprint.meters.nvml_visible import Visible, visible_cards

# Runs in a process of its own: the library is found by LD_LIBRARY_PATH, which the loader reads once.
PLAY = """
import ctypes, itertools, json, os, sys
from msgspec.structs import asdict
from pathlib import Path
from pytest_aifootprint.meters.nvml import find_nvml
meters, rejected = find_nvml(Path(sys.argv[1]), os.environ, clock=itertools.count(0, 10**9).__next__)
reads = [asdict(m.read()) for m in meters for _ in range(int(os.environ.get("READS", "2")))]
users = ctypes.CDLL("libnvidia-ml.so.1").fake_users
opened = ctypes.CDLL("libnvidia-ml.so.1").fake_opened()
while_open = users()
kept = []
for m in meters:
    m.close()
    m.close()
    kept.append(users())
print(json.dumps({
    "meters": [[m.domain, m.name, m.reason] for m in meters], "cards": [m.card for m in meters],
    "rejected": [asdict(r) for r in rejected],
    "opened": opened, "reads": reads, "users": [while_open, *kept], "closed": [asdict(m.read()) for m in meters],
}))
"""

Play = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return nvml_library.library(tmp_path_factory)


@pytest.fixture
def play(library: Path, tmp_path: Path) -> Play:
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/nvidiactl").touch()

    def run(**environ: str) -> dict[str, Any]:
        inherited = {k: v for k, v in os.environ.items() if k != "CUDA_VISIBLE_DEVICES"}
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", PLAY, str(tmp_path)],
            env={**inherited, "LD_LIBRARY_PATH": str(library), **environ},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.stderr == ""
        result: dict[str, Any] = json.loads(done.stdout)
        return result

    return run


def test_every_card_is_a_domain_and_its_joules_begin_at_zero(play: Play) -> None:
    got = play()
    assert got["meters"] == [
        ["gpu0", "nvml", "NVML energy counter of Fake H100 (GPU-a0000000-fake)"],
        ["gpu1", "nvml", "NVML energy counter of Fake H200 (GPU-b0000000-fake)"],
    ]
    assert got["cards"] == ["Fake H100", "Fake H200"]
    assert [r["energy_j"] for r in got["reads"]] == [0, 1, 0, 1]
    assert got["rejected"] == []


def test_nvml_is_given_back_with_the_last_meter(play: Play) -> None:
    got = play()
    assert got["users"] == [1, 1, 0]
    assert [c["reason"] for c in got["closed"]] == ["the meter is closed"] * 2


@pytest.mark.parametrize(
    ("visible", "domains", "rejected"),
    [
        ("1", ["gpu1"], []),
        ("GPU-b", ["gpu1"], []),
        ("", [], ["hides every card"]),
        ("-1", [], ["hides every card"]),
        ("0,7,1", ["gpu0"], ["names '7'"]),
        ("MIG-1234", [], ["no MIG instance"]),
    ],
)
def test_only_visible_cards_are_metered(play: Play, visible: str, domains: list[str], rejected: list[str]) -> None:
    got = play(CUDA_VISIBLE_DEVICES=visible)
    assert [m[0] for m in got["meters"]] == domains
    assert len(got["rejected"]) == len(rejected)
    assert all(text in r["reason"] for text, r in zip(rejected, got["rejected"], strict=True))


@pytest.mark.parametrize(
    ("visible", "opened"), [("5", [5]), ("2,0", [0, 2]), ("", []), ("GPU-b", range(8)), (None, range(8))]
)
def test_a_card_that_is_not_visible_is_not_opened(play: Play, visible: str | None, opened: Sequence[int]) -> None:
    environ = {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}
    assert play(FAKE_NVML_COUNT="8", **environ)["opened"] == sum(1 << i for i in opened)


@pytest.mark.parametrize(
    ("code", "reason", "remedy"),
    [
        ("9", "driver is not loaded", "modprobe nvidia"),
        ("4", "no permission", "administrator"),
        ("18", "different versions", "restart"),
        ("77", "Something New", "nvidia-smi"),
    ],
)
def test_a_driver_that_does_not_start_is_rejected_in_words(play: Play, code: str, reason: str, remedy: str) -> None:
    got = play(FAKE_NVML_INIT=code)
    assert got["meters"] == []
    (rejected,) = got["rejected"]
    assert reason in rejected["reason"]
    assert f"NVML error {code}" in rejected["reason"]
    assert remedy in rejected["remedy"]


def test_a_card_without_an_energy_counter_is_rejected(play: Play) -> None:
    got = play(FAKE_NVML_ENERGY="3")
    assert got["meters"] == []
    assert [r["name"] for r in got["rejected"]] == ["nvml gpu0", "nvml gpu1"]
    assert "no energy counter" in got["rejected"][0]["reason"]
    assert got["users"] == [0]


def test_a_card_of_which_no_instance_is_to_be_seen_is_rejected_and_the_other_is_metered(play: Play) -> None:
    got = play(FAKE_NVML_MIG="0")
    assert [m[0] for m in got["meters"]] == ["gpu1"]
    assert "no instance of it" in got["rejected"][0]["reason"]


def test_a_counter_that_nothing_feeds_is_rejected(play: Play) -> None:
    got = play(FAKE_NVML_ZERO="1")
    assert got["meters"] == []
    assert "nothing feeds it" in got["rejected"][0]["reason"]


def test_a_driver_without_cards_is_rejected(play: Play) -> None:
    assert "no card" in play(FAKE_NVML_COUNT="0")["rejected"][0]["reason"]


def test_a_card_that_is_lost_in_mid_run_is_a_gap_and_not_zero(play: Play) -> None:
    # One card: a probing read, then a good one.
    got = play(CUDA_VISIBLE_DEVICES="0", FAKE_NVML_ENERGY="15", FAKE_NVML_AFTER="2")
    first, second = got["reads"]
    assert first["energy_j"] == 0
    assert "fallen off the bus" in second["reason"]
    assert "energy_j" not in second


def test_a_counter_that_falls_to_zero_in_mid_run_is_a_gap(play: Play) -> None:
    got = play(CUDA_VISIBLE_DEVICES="0", FAKE_NVML_ZERO="1", FAKE_NVML_AFTER="2")
    assert "reset" in got["reads"][1]["remedy"]


def test_a_counter_that_stands_still_in_mid_run_is_a_gap(play: Play) -> None:
    got = play(CUDA_VISIBLE_DEVICES="0", FAKE_NVML_STEP="0", READS="8")
    assert ["energy_j" in r for r in got["reads"]] == [True] * 7 + [False]


def test_without_a_driver_nothing_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    meters, (rejected,) = find_nvml(tmp_path, {})
    assert meters == []
    assert rejected.reason == "NVIDIA driver not found"


def test_a_driver_without_its_library_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/nvidiactl").touch()
    code = "import sys; from pathlib import Path; from pytest_aifootprint.meters.nvml import find_nvml\n"
    code += "print(find_nvml(Path(sys.argv[1]), {})[1][0].reason)"
    environ = {k: v for k, v in os.environ.items() if k != "LD_LIBRARY_PATH"}
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], env=environ, capture_output=True, text=True, check=True
    )
    if "libnvidia-ml" not in done.stdout:
        pytest.skip("this machine has the NVIDIA driver")
    assert "was not found" in done.stdout


def test_a_uuid_that_fits_two_cards_is_no_card() -> None:
    uuid = ["GPU-aa1", "GPU-aa2", "GPU-b"].__getitem__
    assert visible_cards("GPU-aa", 3, uuid) == Visible([], ["GPU-aa"])
    assert visible_cards("GPU-aa2, GPU-b,0,0", 3, uuid) == Visible([1, 2, 0])
    assert visible_cards(None, 3, uuid) == Visible([0, 1, 2])
    assert visible_cards("2,-1,0", 3, uuid) == Visible([2])


def test_an_instance_whose_name_begins_another_is_found_all_the_same() -> None:
    names = [["MIG-GPU-a/1/1", "MIG-GPU-a/1/10"], ["MIG-b1"]].__getitem__
    assert visible_cards("MIG-GPU-a/1/1", 2, str, names) == Visible([0], named={0: {"MIG-GPU-a/1/1"}})
    assert visible_cards("MIG-b,MIG-GPU-a/1/1", 2, str, names).cards == [1, 0]
    assert visible_cards("MIG-GPU-a/1", 2, str, names) == Visible([], ["MIG-GPU-a/1"])
