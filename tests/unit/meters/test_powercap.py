"""RAPL counters: what is counted, what is not, and what happens when one cannot be read."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_aifootprint.meters.contract import Reading, Unreadable
from pytest_aifootprint.meters.counters import Accumulator, CounterFault, read_microjoules
from pytest_aifootprint.meters.powercap import PowercapMeter, find_powercap
from pytest_aifootprint.quantities.units import NS_PER_S

Build = Callable[[str], Path]
Living = Callable[[Path], Callable[[float], None]]
Spend = Callable[[Path, int], None]


def meters_of(root: Path, living: Living) -> dict[str, PowercapMeter]:
    clock = count(0, NS_PER_S // 10).__next__
    meters, _ = find_powercap(root, clock=clock, pause=living(root))
    return {m.domain: m for m in meters}


def joules(meter: PowercapMeter) -> float:
    got = meter.read()
    assert isinstance(got, Reading), got
    return got.energy_j


def energy_file(root: Path, zone: str) -> Path:
    return root / "sys/class/powercap" / zone / "energy_uj"


def add(root: Path, zone: str, microjoules: int) -> None:
    file = energy_file(root, zone)
    file.write_text(str(int(file.read_text()) + microjoules))


def test_a_laptop_has_its_package_and_its_dram_and_counts_no_sub_domain_twice(
    machine: Build, living: Living, spend: Spend
) -> None:
    root = machine("laptop-i7")
    meters = meters_of(root, living)
    assert set(meters) == {"cpu", "ram"}
    assert joules(meters["cpu"]) == 0
    assert joules(meters["ram"]) == 0
    # Package, core, uncore, dram, psys and the mirrored package all rise by 3 J: 3 J are the package's, 3 J dram's.
    spend(root, 3_000_000)
    assert joules(meters["cpu"]) == pytest.approx(3)
    assert joules(meters["ram"]) == pytest.approx(3)


def test_psys_is_named_as_left_out(machine: Build, living: Living) -> None:
    root = machine("amd-desktop")
    meters, rejected = find_powercap(root, pause=living(root))
    assert [m.domain for m in meters] == ["cpu"]
    assert {r.name for r in rejected} == {"rapl psys", "rapl ram"}


def test_psys_alone_is_no_cpu_counter(machine: Build, living: Living) -> None:
    root = machine("amd-desktop")
    for zone in ("intel-rapl:0", "intel-rapl:0:0"):
        shutil.rmtree(root / "sys/class/powercap" / zone)
    meters, rejected = find_powercap(root, pause=living(root))
    assert meters == []
    assert "display" in next(r.reason for r in rejected if r.name == "rapl psys")


def test_two_packages_are_one_counter(machine: Build, living: Living) -> None:
    root = machine("dual-xeon")
    meters = meters_of(root, living)
    joules(meters["cpu"])
    joules(meters["ram"])
    add(root, "intel-rapl:0", 2_000_000)
    add(root, "intel-rapl:1", 5_000_000)
    add(root, "intel-rapl:1:0", 500_000)
    assert joules(meters["cpu"]) == pytest.approx(7)
    assert joules(meters["ram"]) == pytest.approx(0.5)
    assert meters["cpu"].reason == "RAPL energy counter of package-0 + package-1 (powercap)"
    assert meters["ram"].reason == "RAPL energy counter of package-0 dram + package-1 dram (powercap)"


def test_two_dies_that_show_one_register_are_counted_once(machine: Build, living: Living, spend: Spend) -> None:
    root = machine("threadripper-two-dies")
    meters, rejected = find_powercap(root, clock=count(0, NS_PER_S).__next__, pause=living(root))
    (cpu,) = meters
    joules(cpu)
    spend(root, 4_000_000)
    assert joules(cpu) == pytest.approx(4)
    assert any("same counter" in r.reason for r in rejected)


def test_a_wrap_around_is_energy_not_a_fall(machine: Build, living: Living) -> None:
    root = machine("laptop-i7")
    cpu = meters_of(root, living)["cpu"]
    energy_file(root, "intel-rapl:0").write_text(str(262_143_328_850 - 1_000_000))
    cpu.read()  # A leap of 262 kJ: refused, and the new base.
    before = joules(cpu)
    energy_file(root, "intel-rapl:0").write_text("2000000")
    # 1 J to the register's highest value, one step of it (61.035 uJ) to 0, and 2 J.
    assert joules(cpu) - before == pytest.approx(3.000061, abs=1e-6)


def test_a_counter_that_fell_to_zero_is_a_gap_and_not_262_kilojoules(machine: Build, living: Living) -> None:
    root = machine("laptop-i7")
    cpu = meters_of(root, living)["cpu"]
    before = joules(cpu)
    energy_file(root, "intel-rapl:0").write_text("0")
    gap = cpu.read()
    assert isinstance(gap, Unreadable)
    assert "wrap-around" in gap.reason
    add(root, "intel-rapl:0", 1_000_000)
    assert joules(cpu) - before == pytest.approx(1)


@pytest.mark.parametrize("text", ["", "not a number", "-5", "1.5e3", "²", "1 2", "9" * 4000])
def test_a_counter_that_turns_unreadable_says_so_and_is_never_zero(machine: Build, living: Living, text: str) -> None:
    root = machine("laptop-i7")
    cpu = meters_of(root, living)["cpu"]
    joules(cpu)
    energy_file(root, "intel-rapl:0").write_text(text)
    gap = cpu.read()
    assert isinstance(gap, Unreadable)
    assert str(energy_file(root, "intel-rapl:0")) in gap.reason
    assert gap.remedy


def test_one_unreadable_package_makes_the_sum_unreadable(machine: Build, living: Living, spend: Spend) -> None:
    root = machine("dual-xeon")
    cpu = meters_of(root, living)["cpu"]
    joules(cpu)
    spend(root, 1_000_000)
    file = energy_file(root, "intel-rapl:1")
    kept = file.read_text()
    file.unlink()
    assert isinstance(cpu.read(), Unreadable)
    file.write_text(kept)
    assert joules(cpu) == pytest.approx(2)


def test_one_package_that_cannot_be_read_at_the_start_rejects_the_domain(machine: Build, living: Living) -> None:
    root = machine("dual-xeon")
    file = energy_file(root, "intel-rapl:1")
    file.unlink()
    file.mkdir()
    meters, rejected = find_powercap(root, pause=living(root))
    assert [m.domain for m in meters] == ["ram"]
    assert any(r.name == "rapl cpu" and str(file) in r.reason for r in rejected)


def test_the_mirror_takes_over_where_the_first_interface_cannot_be_read(
    machine: Build, living: Living, spend: Spend
) -> None:
    root = machine("laptop-i7")
    energy_file(root, "intel-rapl:0").write_text("garbage")
    cpu = meters_of(root, living)["cpu"]
    joules(cpu)
    spend(root, 2_000_000)
    assert joules(cpu) == pytest.approx(2)


def test_no_permission_names_the_file_and_the_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    # Permission bits do not bind root, who may run these tests.
    def refuse(path: str) -> str:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr("pytest_aifootprint.meters.counters.read_text", refuse)
    with pytest.raises(CounterFault) as caught:
        read_microjoules(str(tmp_path / "energy_uj"))
    assert str(tmp_path / "energy_uj") in caught.value.reason
    assert f"sudo chmod a+r {tmp_path / 'energy_uj'}" in caught.value.remedy


@pytest.mark.parametrize("value", ["0", "123456"])
def test_a_counter_that_never_moves_is_rejected(machine: Build, value: str) -> None:
    root = machine("amd-desktop")
    energy_file(root, "intel-rapl:0").write_text(value)
    pauses: list[float] = []
    meters, rejected = find_powercap(root, pause=pauses.append)
    assert meters == []
    assert any(r.name == "rapl cpu" and f"stands at {value}" in r.reason for r in rejected)
    assert 0 < sum(pauses) < 0.1


def test_a_counter_that_freezes_in_mid_run_is_a_gap(machine: Build, living: Living) -> None:
    root = machine("amd-desktop")
    meters, _ = find_powercap(root, clock=count(0, 2 * NS_PER_S).__next__, pause=living(root))
    joules(meters[0])
    gap = meters[0].read()
    assert isinstance(gap, Unreadable)
    assert "has stood" in gap.reason


def test_no_powercap_in_a_vm_is_no_fault_of_the_user(machine: Build) -> None:
    meters, (rejected,) = find_powercap(machine("vm-epyc"), virtual=True)
    assert meters == []
    assert "a virtual machine rarely has it" in rejected.reason
    assert "nothing to do" in rejected.remedy


def test_no_powercap_on_bare_metal_names_the_kernel_module(machine: Build) -> None:
    _, (rejected,) = find_powercap(machine("vm-epyc"), virtual=False)
    assert "modprobe intel_rapl_msr" in rejected.remedy


def test_files_hidden_by_a_container_are_told_from_a_missing_driver(machine: Build) -> None:
    _, (hidden,) = find_powercap(machine("container-hides-rapl"))
    assert "hidden" in hidden.reason
    assert "systempaths=unconfined" in hidden.remedy
    _, (absent,) = find_powercap(machine("no-rapl-driver"))
    assert "no RAPL zone" in absent.reason


def test_nothing_waits_where_there_is_no_counter(machine: Build) -> None:
    def never(seconds: float) -> None:
        raise AssertionError(seconds)

    find_powercap(machine("vm-epyc"), pause=never)


@given(
    start=st.integers(0, 2**32 - 1),
    steps=st.lists(st.integers(0, 150), max_size=60),
)
def test_wrap_arounds_are_taken_out_whatever_the_start(start: int, steps: list[int]) -> None:
    # In joules on a range of 262,144 J: 150 J in a tick of 100 ms are below what a package can draw.
    wrap = 262_144
    counter = Accumulator(wrap_j=wrap, max_w=2000, still_ns=10**15)
    raw = start % wrap
    counter.advance(0, raw)
    seen = [0.0]
    for i, step in enumerate(steps, 1):
        raw = (raw + step) % wrap
        seen.append(counter.advance(i * NS_PER_S // 10, raw))
    assert seen[-1] == pytest.approx(sum(steps))
    assert seen == sorted(seen)


@given(raws=st.lists(st.floats(0, 3e5), min_size=1, max_size=40))
def test_readings_never_fall_whatever_the_device_says(raws: list[float]) -> None:
    counter = Accumulator(wrap_j=262_144, max_w=2000, still_ns=NS_PER_S)
    best = 0.0
    for i, raw in enumerate(raws):
        try:
            energy = counter.advance(i * NS_PER_S // 10, raw)
        except CounterFault:
            continue
        assert energy >= best
        assert energy <= best + 2000 * (0.1 * (i + 1) + 0.1)
        best = energy
