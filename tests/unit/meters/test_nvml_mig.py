"""A card split by MIG, a virtual GPU, and limits: on a driver library of our own making."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import nvml_library

OURS, OTHER_WORKER, STRANGER = 5_000_001, 5_000_002, 5_000_003  # beyond any pid that Linux gives out
TICKS = 100

# Ticks of 100 ms; one window from the first tick to the last, for each worker. MIG mode tells no utilisation.
PLAY = """
import ctypes, json, os, sys
from pathlib import Path
from pytest_aifootprint.attribution.gpu import gpu_shares
from pytest_aifootprint.attribution.lanes import Lane, Span
from pytest_aifootprint.meters.contract import Reading
from pytest_aifootprint.meters.nvml import find_nvml
from pytest_aifootprint.timeline.readings import CounterReadings
now = [0]
driver = ctypes.CDLL("libnvidia-ml.so.1")
driver.fake_line(0)
meters, rejected = find_nvml(Path(sys.argv[1]), os.environ, clock=lambda: now[0], epoch_clock=lambda: now[0] + 10**18)
pids = json.loads(os.environ["PIDS"])
readings = {m.domain: CounterReadings(m.domain, m.name) for m in meters}
asked = []
for i in range(int(os.environ["TICKS"])):
    now[0] = i * 10**8 + i % 3 * int(os.environ.get("LATE_NS", "0"))
    asked.append(driver.fake_asked())
    driver.fake_line(i)
    for m in meters:
        got = m.read()
        if not isinstance(got, Reading):
            readings[m.domain].gaps.append(got)
lanes = [Lane(worker, "boot", 0, now[0]) for worker in pids]
for lane in lanes:
    lane.add(Span(1, 1, 1, 0, now[0], 0, 0))
asked.append(driver.fake_asked())
result = {"rejected": [[r.name, r.reason, r.remedy] for r in rejected], "cards": {}}
for m in meters:
    m.close()
    shares = gpu_shares(readings[m.domain], m.signals, lanes, pids, basis=m.basis)
    mig = m.signals.mig
    result["cards"][m.domain] = {
        "reason": m.reason, "metered_j": shares.metered_j, "idle_j": shares.idle_j,
        "others_j": shares.other_processes_j,
        "owners": {k[0]: v for k, v in shares.owners.items()}, "basis": shares.basis.value,
        "notices": {n.code: n.message for n in shares.notices}, "gaps": [g.reason for g in readings[m.domain].gaps],
        "mig": mig and [mig.weights, mig.unseen, sorted(mig.mine)], "looks": [t // 10**8 for t in m.signals.load_t_ns],
    }
result["users"] = driver.fake_users()
result["asked"] = [[i, b - a] for i, (a, b) in enumerate(zip(asked, asked[1:])) if b > a]
print(json.dumps(result))
"""

Play = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return nvml_library.library(tmp_path_factory)


@pytest.fixture
def play(library: Path, tmp_path: Path) -> Play:
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/nvidiactl").touch()

    def run(script: list[str], *, pids: dict[str, int] | None = None, **environ: str) -> dict[str, Any]:
        (tmp_path / "script").write_text("\n".join(script) + "\n")
        environ = {
            "LD_LIBRARY_PATH": str(library),
            "FAKE_NVML_SCRIPT": str(tmp_path / "script"),
            "FAKE_NVML_COUNT": str(len({line[0] for line in script})),
            "FAKE_NVML_MIG": "0",
            "FAKE_NVML_INSTANCES": "7:0:1:14,3:0:2:28,1:0:3:42",
            "PIDS": json.dumps(pids or {"main": OURS}),
            "TICKS": str(len([line for line in script if line[0] == "0"])),
            **environ,
        }
        inherited = {k: v for k, v in os.environ.items() if k != "CUDA_VISIBLE_DEVICES"}
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", PLAY, str(tmp_path)],
            env={**inherited, **environ}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.stderr == ""
        result: dict[str, Any] = json.loads(done.stdout)
        assert result["users"] == 0
        for got in result["cards"].values():
            whole = sum(got["owners"].values()) + got["others_j"] + got["idle_j"]
            assert whole == pytest.approx(got["metered_j"], abs=5e-7)
        return result

    return run


def split(*held: str, monitor: bool = True, busy: range = range(40, 60), ticks: int = TICKS) -> list[str]:
    """80 W for 2 s while nobody holds an instance; then 120 W, and 300 W while busy."""
    mj, script = 7_000_000, []
    for i in range(ticks):
        watts = 80 if i <= 20 else 300 if i in busy else 120
        mj += watts * 100
        line = f"0 energy={mj} power={watts * 1000} procs={'' if monitor else '!4'} draws="
        line += "".join(
            f" procs{n}={pids if i > 20 or pids.startswith('!') else ''} draws{n}=!3" for n, pids in enumerate(held)
        )
        script.append(line)
    return script


ABOVE_J = (59 * 40 + 20 * 220) / 10
"""80 W is idle; the last of 20 s begins at tick 20."""


def test_the_card_is_the_domain_and_its_instances_share_by_their_multiprocessors(play: Play) -> None:
    held = str(OURS), str(OTHER_WORKER), str(STRANGER)
    got = play(split(*held), pids={"gw0": OURS, "gw1": OTHER_WORKER})["cards"]["gpu0"]
    assert got["mig"] == [[14, 28, 42], 0, []]
    assert got["metered_j"] == pytest.approx(2 * 80 + 59 * 12 + 20 * 30, abs=5e-4)
    assert got["idle_j"] == pytest.approx(9.9 * 80, abs=5e-4)
    assert got["owners"] == pytest.approx({"gw0": ABOVE_J * 14 / 84, "gw1": ABOVE_J * 28 / 84}, abs=5e-4)
    assert got["others_j"] == pytest.approx(ABOVE_J * 42 / 84, abs=5e-4)
    assert got["basis"] == "modelled"
    assert list(got["notices"]) == ["gpu-mig"]
    assert got["reason"] == "NVML energy counter of Fake H100 (GPU-a0000000-fake), split by MIG"


def test_two_processes_that_change_their_instances_change_their_shares(play: Play) -> None:
    ours, other = split(str(OURS), "", str(STRANGER)), split(str(STRANGER), "", str(OURS))
    got = play(ours[:60] + other[60:], pids={"main": OURS})["cards"]["gpu0"]
    # Between the two looks around the change, 0.2 s, both may have held both.
    before_j, doubt_j, after_j = 19 * 4 + 19 * 22, 22 + 4, 39 * 4
    assert got["owners"]["main"] == pytest.approx((before_j * 14 + after_j * 42) / 56 + doubt_j / 2, abs=5e-4)


def test_who_alone_holds_an_instance_pays_for_all_above_idle(play: Play) -> None:
    got = play(split("", str(OURS), ""))["cards"]["gpu0"]
    assert got["owners"] == pytest.approx({"main": ABOVE_J}, abs=5e-4)
    assert got["others_j"] == pytest.approx(0, abs=5e-4)


def test_without_the_privilege_to_monitor_the_rest_of_the_card_counts_as_others(play: Play) -> None:
    # As in a container that was given one instance: the driver shows this one alone.
    got = play(split("", str(OURS), monitor=False, ticks=5), FAKE_NVML_INSTANCES="!4,7:0:2:28")["cards"]["gpu0"]
    assert got["mig"] == [[28], 70, []]
    got = play(split("", str(OURS), monitor=False), FAKE_NVML_INSTANCES="7:0:2:28,8:0:1:14")["cards"]["gpu0"]
    assert got["mig"] == [[28, 14], 56, []]
    assert got["owners"] == pytest.approx({"main": ABOVE_J * 14 / 70}, abs=5e-4)
    assert "57% of the card may be instances that are not to be seen" in got["notices"]["gpu-mig"]
    assert "gpu-idle-unknown" in got["notices"]
    assert got["idle_j"] == pytest.approx(9.9 * 80, abs=5e-4)


@pytest.mark.parametrize("code", ["3", "4", "999"], ids=["unsupported", "denied", "unknown"])
def test_an_instance_that_does_not_show_its_processes_counts_as_held(play: Play, code: str) -> None:
    got = play(split(str(OURS), f"!{code}", ""))["cards"]["gpu0"]
    # No moment in which surely nobody held the card: its idle is not known, and is in what is shared.
    assert got["idle_j"] == 0
    assert got["owners"] == pytest.approx({"main": (59 * 12 + 20 * 30) * 14 / 42}, abs=5e-4)
    assert "1 of 3 instances do not tell" in got["notices"]["gpu-mig"]
    assert "gpu-idle-unknown" in got["notices"]


def test_where_multiprocessors_are_not_told_an_instance_weighs_by_number(play: Play) -> None:
    got = play(split(str(OURS), str(STRANGER), ""), FAKE_NVML_ATTRIBUTES="3")["cards"]["gpu0"]
    assert got["mig"] == [[1, 1, 1], 0, []]
    assert got["owners"] == pytest.approx({"main": ABOVE_J / 2}, abs=5e-4)


def test_a_card_without_a_counter_is_divided_by_its_power(play: Play) -> None:
    script = [line.replace(" energy=", " was=") for line in split(str(OURS), str(STRANGER), "")]
    got = play(script)["cards"]["gpu0"]
    assert got["basis"] == "modelled"
    assert got["owners"]["main"] == pytest.approx(ABOVE_J * 14 / 42, rel=0.02)
    assert got["reason"].startswith("NVML power of Fake H100 (GPU-a0000000-fake), integrated, split by MIG: ")


def test_a_card_that_is_lost_in_mid_run_is_a_gap(play: Play) -> None:
    lost = "0 energy=!15 power=!15 procs=!15 procs0=!15 procs1=!15 procs2=!15"
    script = [lost if i >= 60 else line for i, line in enumerate(split(str(OURS), "", ""))]
    got = play(script)["cards"]["gpu0"]
    assert got["metered_j"] == pytest.approx(2 * 80 + 19 * 12 + 20 * 30, abs=5e-4)
    assert "fallen off the bus" in got["gaps"][0]
    assert "counter-gap" in got["notices"]


OLD = {"FAKE_NVML_UUIDS": "old"}  # as drivers before 470 name instances


@pytest.mark.parametrize(
    ("visible", "mine", "names"),
    [
        ("MIG-a1000000-fake", [1], {}),
        ("MIG-a1", [1], {}),
        ("MIG-a1000000-fake,MIG-a2000000-fake", [1, 2], {}),
        ("MIG-GPU-a0000000-fake/3/0", [1], {}),
        ("MIG-GPU-a0000000-fake/3/0", [1], OLD),
        ("MIG-GPU-a0000000-fake/1", [2], OLD),
        ("GPU-a0", [], {}),
        ("0", [], {}),
    ],
)
def test_the_environment_may_name_instances(play: Play, visible: str, mine: list[int], names: dict[str, str]) -> None:
    script = split(str(OURS), "", "", ticks=5) + ["1 energy=5000 util=0 procs= draws="] * 5
    got = play(script, CUDA_VISIBLE_DEVICES=visible, **names)
    assert list(got["cards"]) == ["gpu0"]
    assert got["cards"]["gpu0"]["mig"][2] == mine
    assert got["rejected"] == []


@pytest.mark.parametrize("visible", ["MIG-b1", "MIG-a", "MIG-GPU-a0000000-fake/9/0"])
def test_a_name_that_fits_no_instance_or_several_is_rejected(play: Play, visible: str) -> None:
    got = play(split("", "", "", ticks=5), CUDA_VISIBLE_DEVICES=visible)
    assert got["cards"] == {}
    ((name, reason, remedy),) = got["rejected"]
    assert name == "nvml"
    assert f"names {visible!r}, which is no MIG instance" in reason
    assert remedy == "correct the variable"


def test_two_workers_whose_processes_are_not_shown_share_the_instance_that_is_named(play: Play) -> None:
    pids, visible = {"gw0": OURS, "gw1": OTHER_WORKER}, "MIG-a1000000-fake"
    got = play(split("4999998", "4999999", ""), pids=pids, CUDA_VISIBLE_DEVICES=visible)["cards"]["gpu0"]
    assert "shows no process of this run" in got["notices"]["gpu-mig"]
    assert list(got["notices"]) == ["gpu-mig"]
    each = ABOVE_J * 28 / 42 / 2
    assert got["owners"] == pytest.approx({"gw0": each, "gw1": each}, abs=5e-4)


def test_a_virtual_gpu_is_rejected_with_what_to_do(play: Play) -> None:
    got = play(split(str(OURS), ticks=5), FAKE_NVML_MIG="-1", FAKE_NVML_VIRTUAL="2")
    assert got["cards"] == {}
    ((name, reason, remedy),) = got["rejected"]
    assert name == "nvml gpu0"
    assert "virtual GPU (vGPU)" in reason
    assert "meter on the host" in remedy


@pytest.mark.parametrize("mode", ["0", "1", "3"], ids=["bare metal", "passed through", "host of virtual GPUs"])
def test_a_whole_card_is_metered_wherever_it_is(play: Play, mode: str) -> None:
    script = ["0 energy=5000 util=0 procs= draws="] * 5
    got = play(script, FAKE_NVML_MIG="-1", FAKE_NVML_VIRTUAL=mode)
    assert list(got["cards"]) == ["gpu0"]
    assert got["cards"]["gpu0"]["mig"] is None


def test_the_limit_is_told_and_bounds_what_the_counter_may_say(play: Play) -> None:
    def leap(mj: int) -> list[str]:
        return [f"0 energy={5_000_000 + 70_000 * i + (mj if i >= 30 else 0)} util=100 procs=" for i in range(60)]

    got = play(leap(0), FAKE_NVML_MIG="-1", FAKE_NVML_LIMIT="700000")["cards"]["gpu0"]
    assert got["reason"] == "NVML energy counter of Fake H100 (GPU-a0000000-fake), limit 700 W"
    assert got["gaps"] == []
    # 0.1 s at 3 times the limit, and one step of the counter: 420 J; the same leap is believed of an unknown card.
    assert play(leap(500_000), FAKE_NVML_MIG="-1")["cards"]["gpu0"]["gaps"] == []
    (gap,) = play(leap(500_000), FAKE_NVML_MIG="-1", FAKE_NVML_LIMIT="700000")["cards"]["gpu0"]["gaps"]
    assert "at most 2100 W" in gap
    assert play(leap(300_000), FAKE_NVML_MIG="-1", FAKE_NVML_LIMIT="700000")["cards"]["gpu0"]["gaps"] == []


def samples(tick: int) -> str:
    """What the driver keeps of power: a value every 20 ms."""
    return ",".join(f"{10**15 + stamp * 20_000}:80000" for stamp in range(max(0, tick - 24) * 5, tick * 5 + 1))


def test_cards_whose_driver_keeps_power_are_looked_at_five_times_a_second_and_in_turn(play: Play) -> None:
    script = [
        f"{card} energy={5_000_000 + 8_000 * i} util=0 procs= draws= samples={samples(i)}"
        for i in range(TICKS)
        for card in (0, 1)
    ]
    got = play(script, FAKE_NVML_MIG="-1", LATE_NS="2000000")
    first, second = (got["cards"][f"gpu{n}"]["looks"] for n in (0, 1))
    assert first == [*range(0, TICKS, 2), TICKS - 1]
    assert second == [0, *range(1, TICKS, 2), TICKS - 1]
    # Power once a second (the binding asks twice), never of both cards at one tick but the first, which has none yet.
    assert got["asked"] == [[i, 2] for i in sorted([0, *range(10, TICKS, 10), *range(9, TICKS, 10)])]


def test_a_card_whose_driver_keeps_no_power_is_looked_at_at_every_tick(play: Play) -> None:
    script = [f"0 energy={5_000_000 + 8_000 * i} util=0 procs= draws=" for i in range(TICKS)]
    assert play(script, FAKE_NVML_MIG="-1")["cards"]["gpu0"]["looks"] == [*range(TICKS), TICKS - 1]
