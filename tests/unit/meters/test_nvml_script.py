"""A card's whole run against a driver library of our own making that plays a script, tick by tick."""

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

EPOCH_US = 10**15
OURS, OTHER_WORKER, STRANGER = 5_000_001, 5_000_002, 5_000_003  # beyond any pid that Linux gives out

# Ticks of 100 ms; one window from the first tick to the last, for each worker.
PLAY = """
import ctypes, json, os, sys
from pathlib import Path
from pytest_aifootprint.attribution.gpu import gpu_shares
from pytest_aifootprint.attribution.lanes import Lane, Span
from pytest_aifootprint.meters.contract import Reading
from pytest_aifootprint.meters.nvml import find_nvml
from pytest_aifootprint.timeline.readings import CounterReadings
now = [0]
line = ctypes.CDLL("libnvidia-ml.so.1").fake_line
back_ns = int(os.environ.get("BACK_NS", "0"))
meters, rejected = find_nvml(
    Path(sys.argv[1]), {}, clock=lambda: now[0], epoch_clock=lambda: now[0] + 10**18 - back_ns * (now[0] >= 5 * 10**9)
)
pids = json.loads(os.environ["PIDS"])
ticks = int(os.environ["TICKS"])
cost_ns = int(os.environ.get("COST_NS", "0"))
cpu = iter(range(0, 10**15, cost_ns or 1))
for m in meters:
    m._cpu_clock = cpu.__next__
readings = {m.domain: CounterReadings(m.domain, m.name) for m in meters}
for i in range(ticks):
    now[0] = i * 10**8
    line(i)
    for m in meters:
        got = m.read()
        kept = readings[m.domain]
        if isinstance(got, Reading):
            kept.t_ns.append(got.t_ns)
            kept.energy_j.append(got.energy_j)
        else:
            kept.gaps.append(got)
end = now[0]
lanes = [Lane(worker, "boot", 0, end) for worker in pids]
for lane in lanes:
    lane.add(Span(1, 1, 1, 0, end, 0, 0))
result = {"rejected": [r.reason for r in rejected]}
for m in meters:
    m.close()
    shares = gpu_shares(readings[m.domain], m.signals, lanes, pids, basis=m.basis)
    result[m.domain] = {
        "name": m.name, "reason": m.reason, "metered_j": shares.metered_j, "idle_j": shares.idle_j,
        "others_j": shares.other_processes_j, "owners": {k[0]: v for k, v in shares.owners.items()},
        "basis": shares.basis.value, "notices": [[n.code, n.message] for n in shares.notices],
        "gaps": [g.reason for g in readings[m.domain].gaps], "counted": len(m.signals.counter_t_ns),
        "loads": len(m.signals.loads), "power": len(m.signals.power_t_ns),
        "last_j": readings[m.domain].energy_j[-1], "asked": ctypes.CDLL("libnvidia-ml.so.1").fake_asked(),
    }
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

    def run(script: list[str], *, pids: dict[str, int] | None = None, ticks: int = 0, **environ: str) -> dict[str, Any]:
        (tmp_path / "script").write_text("\n".join(script) + "\n")
        environ |= {
            "LD_LIBRARY_PATH": str(library),
            "FAKE_NVML_SCRIPT": str(tmp_path / "script"),
            "FAKE_NVML_COUNT": str(len({line[0] for line in script})),
            "PIDS": json.dumps(pids or {"main": OURS}),
            "TICKS": str(ticks or len([line for line in script if line[0] == "0"])),
        }
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", PLAY, str(tmp_path)],
            env={**os.environ, **environ}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.stderr == ""
        result: dict[str, Any] = json.loads(done.stdout)
        for name, got in result.items():
            if name != "rejected":
                whole = sum(got["owners"].values()) + got["others_j"] + got["idle_j"]
                assert whole == pytest.approx(got["metered_j"], abs=5e-7)
        return result

    return run


def card(  # every tick of one card: bare at 80 W for 2 s, then held by somebody
    ticks: int,
    *,
    number: int = 0,
    busy: Sequence[int] = (),
    holders: str = f"{OURS}",
    samples: bool = True,
    replace: Callable[[int, str], str] = lambda _, line: line,
    **keys: str,
) -> list[str]:
    mj, script = 7_000_000, []
    for i in range(ticks):
        watts = 80 if i <= 20 else 700 if i in busy else 120
        mj += watts * 100
        line = f"{number} energy={mj} power={watts * 1000} util={100 if i in busy else 0}"
        line += f" procs={'' if i <= 20 else holders} draws="
        if samples:
            stamps = range(max(0, i - 24) * 5, i * 5 + 1)
            powers = [80 if s <= 100 else 700 if -(-s // 5) in busy else 120 for s in stamps]
            line += " samples=" + ",".join(
                f"{EPOCH_US + s * 20_000}:{w * 1000}" for s, w in zip(stamps, powers, strict=True)
            )
        line += "".join(f" {key}={value}" for key, value in keys.items() if i > 20)
        script.append(replace(i, line))
    return script


def test_two_cards_are_exact_to_the_millijoule(play: Play) -> None:
    script = card(100, busy=range(40, 60)) + card(100, number=1, busy=range(70, 80))
    got = play(script)
    assert got["gpu0"]["metered_j"] == pytest.approx((20 * 80 + 59 * 120 + 20 * 700) / 10, abs=5e-4)
    assert got["gpu1"]["metered_j"] == pytest.approx((20 * 80 + 69 * 120 + 10 * 700) / 10, abs=5e-4)
    assert got["gpu0"]["idle_j"] == pytest.approx(9.9 * 80, rel=0.01)
    assert got["gpu0"]["owners"]["main"] == pytest.approx((59 * 40 + 20 * 620) / 10, rel=0.01)
    assert got["gpu0"]["basis"] == "measured"
    assert got["gpu0"]["notices"] == []


def test_a_costly_counter_is_read_seldom_and_a_last_time_at_the_end(play: Play) -> None:
    script = card(100, busy=range(40, 60))
    seldom = play(script, COST_NS="3000000")["gpu0"]
    assert seldom["counted"] == 4  # 0 s, 4.3 s, 8.6 s and the end
    often = play(script)["gpu0"]
    assert often["counted"] == 101
    for key in ("metered_j", "idle_j"):
        assert seldom[key] == pytest.approx(often[key], rel=0.01)
    assert seldom["owners"]["main"] == pytest.approx(often["owners"]["main"], rel=0.01)


def test_a_costly_counter_without_power_samples_is_read_five_times_a_second(play: Play) -> None:
    assert play(card(100, samples=False), COST_NS="3000000")["gpu0"]["counted"] == 51


def test_three_processes_on_one_card_pay_by_their_load(play: Play) -> None:
    holders, loads = f"{OURS},{OTHER_WORKER},{STRANGER}", f"{OURS}:50,{OTHER_WORKER}:30,{STRANGER}:20"
    script = card(100, busy=range(21, 100), holders=holders, loads=loads)
    got = play(script, pids={"gw0": OURS, "gw1": OTHER_WORKER})["gpu0"]
    above_j = 79 * 620 / 10
    assert got["owners"]["gw0"] == pytest.approx(0.5 * above_j, rel=0.02)
    assert got["owners"]["gw1"] == pytest.approx(0.3 * above_j, rel=0.02)
    assert got["others_j"] == pytest.approx(0.2 * above_j, rel=0.02)


def test_a_stranger_that_only_its_load_shows_is_not_billed_to_us(play: Play) -> None:
    # As in a container: the driver lists our process alone, but tells the load of those outside.
    script = card(200, busy=range(21, 200), loads=f"{OURS}:25,{STRANGER}:75")
    got = play(script)["gpu0"]
    assert got["owners"]["main"] == pytest.approx(0.25 * 179 * 62, rel=0.02)
    assert got["loads"] >= 4  # the first after 10 s; once the stranger is known, every 2 s


def test_where_the_driver_does_not_tell_loads_all_count_alike_and_a_notice_says_so(play: Play) -> None:
    got = play(card(100, busy=range(21, 100), holders=f"{OURS},{STRANGER}"))["gpu0"]
    assert got["owners"]["main"] == pytest.approx(0.5 * 79 * 62, rel=0.02)
    assert [code for code, _ in got["notices"]] == ["gpu-share"]


@pytest.mark.parametrize(
    "shown",
    ["procs=!3", "procs=!4", "procs=", f"procs={STRANGER}"],
    ids=["unsupported", "denied", "nobody", "pids of the host"],
)
def test_where_the_driver_does_not_show_us_we_take_what_is_above_idle_and_say_so(play: Play, shown: str) -> None:
    script = card(100, busy=range(60, 80), replace=lambda _, line: line.replace(f"procs={OURS}", shown))
    got = play(script)["gpu0"]
    assert got["owners"]["main"] == pytest.approx((59 * 40 + 20 * 620) / 10, rel=0.02)
    assert [code for code, _ in got["notices"]] == ["gpu-share"]


@pytest.mark.parametrize("code", ["3", "13", "4"])
def test_a_card_without_a_counter_is_metered_by_its_power(play: Play, code: str) -> None:
    script = card(100, busy=range(40, 60), replace=lambda _, line: line.replace(" energy=", f" energy=!{code} was="))
    got = play(script)["gpu0"]
    assert got["name"] == "nvml power"
    assert f"NVML error {code}" in got["reason"]
    assert got["basis"] == "modelled"
    assert got["metered_j"] == pytest.approx((20 * 80 + 59 * 120 + 20 * 700) / 10, rel=0.02)


def test_power_that_could_not_be_read_for_a_while_adds_nothing_and_takes_nothing_away(play: Play) -> None:
    def refused(i: int, line: str) -> str:
        line = line.replace(" energy=", " energy=!3 was=").replace(" samples=", " samples=!3 were=")
        return line.replace(" power=", " power=!4 is=") if 40 <= i < 50 else line

    got = play(card(100, busy=range(60, 80), replace=refused))["gpu0"]
    whole = play(card(100, busy=range(60, 80), replace=lambda _, line: refused(0, line)))["gpu0"]
    # From the 40th to the 51st look nobody knows.
    assert whole["last_j"] - 12 * 12 <= got["last_j"] < whole["last_j"]
    assert got["gaps"]


def test_power_is_polled_where_the_driver_keeps_no_samples(play: Play) -> None:
    script = card(100, busy=range(40, 60), samples=False, replace=lambda _, line: line.replace(" energy=", " was="))
    got = play(script)["gpu0"]
    assert got["power"] == 100
    assert got["asked"] == 1  # what is not supported is not asked for again
    assert got["last_j"] == pytest.approx(got["metered_j"])
    assert got["metered_j"] == pytest.approx((20 * 80 + 59 * 120 + 20 * 700) / 10, rel=0.02)


def test_a_card_that_says_neither_energy_nor_power_is_rejected(play: Play) -> None:
    got = play(card(10, replace=lambda _, line: line.replace(" energy=", " was=").replace(" power=", " drew=")))
    assert list(got) == ["rejected"]
    assert "no energy counter" in got["rejected"][0]


def test_a_card_that_falls_off_the_bus_is_a_gap_and_not_zero(play: Play) -> None:
    def lost(i: int, line: str) -> str:
        return "0 " + " ".join(f"{k}=!15" for k in ("energy", "power", "util", "procs", "samples")) if i >= 60 else line

    got = play(card(100, busy=range(30, 50), replace=lost))["gpu0"]
    assert got["metered_j"] == pytest.approx((20 * 80 + 19 * 120 + 20 * 700) / 10, abs=5e-4)
    assert "fallen off the bus" in got["gaps"][0]
    ((code, message),) = got["notices"]
    assert code == "counter-gap"
    assert "4 s of the run are not metered" in message


def test_over_a_reset_of_the_counter_its_power_is_integrated(play: Play) -> None:
    def reset(i: int, line: str) -> str:
        before, _, rest = line.partition(" energy=")
        mj, _, rest = rest.partition(" ")
        return f"{before} energy={int(mj) - (7_000_000 if i >= 60 else 0)} {rest}"

    got = play(card(100, busy=range(50, 70), replace=reset))["gpu0"]
    assert got["metered_j"] == pytest.approx((20 * 80 + 59 * 120 + 20 * 700) / 10, rel=0.01)
    assert "integral of its power" in got["notices"][0][1]


def test_a_card_that_does_not_tell_its_load_has_an_unknown_idle_and_says_so(play: Play) -> None:
    got = play(card(100, replace=lambda _, line: line.replace(" util=", " util=!999 was=")))["gpu0"]
    assert got["idle_j"] == 0
    assert [code for code, _ in got["notices"]] == ["gpu-idle-unknown"]


def test_an_old_driver_without_the_calls_for_processes_is_metered_all_the_same(play: Play) -> None:
    script = card(100, busy=range(40, 60), replace=lambda _, line: line.replace(" procs=", " procs=!13 were="))
    assert play(script)["gpu0"]["metered_j"] == pytest.approx((20 * 80 + 59 * 120 + 20 * 700) / 10, abs=5e-4)


def test_a_clock_that_is_set_back_loses_no_power(play: Play) -> None:
    def set_back(i: int, line: str) -> str:
        return line.replace(f"{EPOCH_US // 10**9}", f"{(EPOCH_US - 4_000_000_000) // 10**9}") if i >= 50 else line

    back = play(card(100, busy=range(60, 80), replace=set_back), BACK_NS="4000000000000", COST_NS="3000000")["gpu0"]
    same = play(card(100, busy=range(60, 80)), COST_NS="3000000")["gpu0"]
    assert back["power"] == same["power"]
    assert back["owners"]["main"] == pytest.approx(same["owners"]["main"])


def test_what_processes_did_is_asked_for_when_the_last_of_them_has_gone(play: Play) -> None:
    # As at the end of a run with workers, which are over before the meter is closed.
    holders, loads = f"{OURS},{STRANGER}", f"{OURS}:60,{STRANGER}:20"

    def gone(i: int, line: str) -> str:
        return line.replace(f"procs={holders}", "procs=") if i >= 36 else line

    got = play(card(60, busy=range(21, 34), holders=holders, replace=gone, loads=loads))["gpu0"]
    assert got["loads"] == 1
    assert got["notices"] == []  # from the look before the one that showed them until they had gone, all by load
    above_j = 13 * (700 - 120) / 10
    assert got["owners"]["main"] == pytest.approx(0.75 * above_j + 15 * 40 / 10 / 2, rel=0.1)


def test_what_was_done_alone_is_not_shared_with_who_comes_after(play: Play) -> None:
    def second(i: int, line: str) -> str:
        if i < 33:
            return line
        line = line.replace(f"procs={OURS}", f"procs={OURS},{STRANGER}")
        since = f"{OURS}:40,{STRANGER}:30" if i < 50 else f"{STRANGER}:80"  # as a look back from here would tell
        return line.replace(f"loads={OURS}:80", f"loads={since}") if i >= 36 else line

    script = card(70, busy=(*range(23, 32), *range(36, 66)), loads=f"{OURS}:80")
    got = play([second(i, line) for i, line in enumerate(script)])["gpu0"]
    assert got["owners"]["main"] == pytest.approx(9 * (700 - 120) / 10 + 12 * 40 / 10 + 37 * 40 / 10 / 2, rel=0.15)
    assert got["others_j"] > 0.8 * 30 * (700 - 120) / 10
