"""Apple silicon through zeus-apple-silicon, whose module exists on macOS alone: one of our own making stands for it."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from pytest_aifootprint.cli.doctor import diagnose
from pytest_aifootprint.meters.apple import find_apple
from pytest_aifootprint.meters.contract import Reading, Unreadable
from pytest_aifootprint.meters.selection import select
from pytest_aifootprint.quantities import Basis

Metrics = dict[str, "int | None"]
Install = Callable[..., list[int]]

ALL: Metrics = {"cpu_total_mj": 1000, "dram_mj": 500, "gpu_mj": 200, "gpu_sram_mj": 90, "ane_mj": 10}
MAC = ("darwin", "arm64")


def after(**more: int) -> Metrics:
    return {name: (value or 0) + more.get(name.rpartition("_")[0], 0) for name, value in ALL.items()}


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Install:
    """Installs a zeus_apple_silicon that gives these samples, the last one for ever; gives the list of those given."""

    def put(*samples: Metrics | Exception, start: Exception | None = None) -> list[int]:
        given: list[int] = []

        class AppleEnergyMonitor:
            def __init__(self) -> None:
                if start is not None:
                    raise start

            def get_cumulative_energy(self) -> Any:
                sample = samples[min(len(given), len(samples) - 1)]
                given.append(len(given))
                if isinstance(sample, Exception):
                    raise sample
                return SimpleNamespace(**sample)

        module = ModuleType("zeus_apple_silicon")
        module.AppleEnergyMonitor = AppleEnergyMonitor  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "zeus_apple_silicon", module)
        return given

    return put


def seconds() -> Callable[[], int]:
    return itertools.count(0, 10**9).__next__


def joules(got: Reading | Unreadable) -> float | None:
    return got.energy_j if isinstance(got, Reading) else None


def test_processor_memory_and_graphics_are_domains_and_their_joules_begin_at_zero(install: Install) -> None:
    install(ALL, ALL, after(cpu_total=2000, dram=300, gpu=40, gpu_sram=9999, ane=5))
    meters, rejected = find_apple("arm64", clock=seconds())
    assert [(m.domain, m.name, m.basis) for m in meters] == [
        ("cpu", "apple", Basis.MODELLED),
        ("ram", "apple", Basis.MODELLED),
        ("gpu0", "apple", Basis.MODELLED),
    ]
    assert all("own estimate" in m.reason for m in meters)
    assert rejected == []
    assert [joules(m.read()) for m in meters] == [0, 0, 0]
    assert [joules(m.read()) for m in meters] == pytest.approx([2, 0.3, 0.045])


def test_one_sample_serves_all_meters_of_a_tick(install: Install) -> None:
    given = install(ALL)
    meters, _ = find_apple("arm64", clock=seconds())
    for _ in range(3):
        times = {m.read().t_ns for m in meters}
        assert len(times) == 1
    assert len(given) == 4  # the first one looks for what there is


def test_a_dear_sample_is_taken_seldom(install: Install) -> None:
    given = install(ALL)
    ticks = itertools.count(0, 100_000_000)
    spent = itertools.count(0, 1_500_000)  # CPU ns between two looks: 1.5 ms a sample, 0.3 % of 0.5 s
    meters, _ = find_apple("arm64", clock=ticks.__next__, cpu_clock=spent.__next__)
    first = [meters[0].read().t_ns for _ in range(11)]
    assert len(given) - 1 == 3
    assert sorted(set(first)) == [0, 500_000_000, 1_000_000_000]


def test_what_a_chip_does_not_have_is_rejected_and_the_rest_is_metered(install: Install) -> None:
    install({"cpu_total_mj": 1, "dram_mj": None, "gpu_mj": None, "ane_mj": None})
    meters, rejected = find_apple("arm64", clock=seconds())
    assert [m.domain for m in meters] == ["cpu"]
    assert [r.name for r in rejected] == ["apple ram", "apple gpu0"]
    assert "memory" in rejected[0].reason
    install({"cpu_total_mj": 1, "dram_mj": 1, "gpu_mj": 1, "ane_mj": None})
    assert [m.domain for m in find_apple("arm64", clock=seconds())[0]] == ["cpu", "ram", "gpu0"]


def test_a_fault_in_mid_run_is_a_gap_for_all_and_then_it_goes_on(install: Install) -> None:
    silent = {**ALL, "cpu_total_mj": None}
    install(ALL, ALL, RuntimeError("no sample"), after(cpu_total=1000), silent, after(cpu_total=3000))
    (cpu, ram, _), _ = find_apple("arm64", clock=itertools.count(0, 10**8).__next__)
    assert (joules(cpu.read()), joules(ram.read())) == (0, 0)
    broken = [cpu.read(), ram.read()]
    assert [got.reason for got in broken if isinstance(got, Unreadable)] == ["IOReport: no sample"] * 2
    assert (joules(cpu.read()), joules(ram.read())) == (1, 0)
    missing = cpu.read()
    assert isinstance(missing, Unreadable)
    assert "cpu_total_mj" in missing.reason
    assert joules(ram.read()) == 0
    assert joules(cpu.read()) == 3


def test_a_counter_that_falls_or_stands_still_is_a_gap(install: Install) -> None:
    install(ALL, ALL, {**ALL, "cpu_total_mj": 3})
    (cpu, ram, gpu), _ = find_apple("arm64", clock=seconds())
    first = [cpu.read(), ram.read(), gpu.read()]
    assert all(isinstance(got, Reading) for got in first)
    fallen = cpu.read()
    assert isinstance(fallen, Unreadable)
    assert "neither its device" in fallen.reason
    for _ in range(3):
        ram.read()
    still = ram.read()
    assert isinstance(still, Unreadable)
    assert "stood at" in still.reason
    # Graphics at rest may draw less than a counter's step.
    assert [joules(gpu.read()) for _ in range(20)] == [0] * 20


def test_a_monitor_that_does_not_start_is_rejected(install: Install) -> None:
    install(ALL, start=RuntimeError("Failed to create IOReport subscription."))
    meters, (rejected,) = find_apple("arm64")
    assert meters == []
    assert "Failed to create IOReport subscription" in rejected.reason


def test_without_the_library_the_remedy_names_the_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "zeus_apple_silicon", None)
    selection = select(root=tmp_path, environ={}, system=MAC)
    assert selection.counters == ()
    rejected = selection.rejected[0]
    assert rejected.name == "apple"
    assert "load model is used" in rejected.reason
    assert rejected.remedy == "pip install 'pytest-aifootprint[apple]'"


def test_a_mac_without_such_a_chip_is_told_why(install: Install, tmp_path: Path) -> None:
    install(ALL)
    rejected = select(root=tmp_path, environ={}, system=("darwin", "x86_64")).rejected[0]
    assert "x86_64" in rejected.reason
    assert "arm64" in rejected.remedy


def test_the_meters_of_a_mac_are_chosen_and_its_graphics_are_no_card(install: Install, tmp_path: Path) -> None:
    install(ALL)
    selection = select(root=tmp_path, environ={}, system=MAC, clock=seconds())
    assert [m.domain for m in selection.counters] == ["cpu", "ram", "gpu0"]
    assert "stands by for the counter" in selection.memory_model.reason
    assert [selection.on_chip(domain) for domain in ("cpu", "gpu0", "gpu1")] == [True, True, False]


def test_the_doctor_shows_the_meters_of_a_mac_and_one_manufacture(
    install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(ALL)
    real = os.uname()
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(os, "uname", lambda: os.uname_result((*real[:4], "arm64")))
    found = diagnose(tmp_path, {})
    assert [(m["domain"], m["name"], m["basis"]) for m in found["meters"]] == [
        ("cpu", "apple", "modelled"),
        ("ram", "apple", "modelled"),
        ("gpu0", "apple", "modelled"),
    ]
    assert [row["of"] for row in found["hardware"]] == ["this machine"]


def test_no_process_is_started_on_a_mac(tmp_path: Path) -> None:
    (tmp_path / "zeus_apple_silicon.py").write_text("raise ImportError('not for this platform')")
    code = """
import sys
def audit(event, args):
    if event in ("subprocess.Popen", "os.fork", "os.posix_spawn", "os.exec", "os.system"):
        raise SystemExit(f"{event} {args}")
from pytest_aifootprint.meters.selection import select
from pathlib import Path
import psutil, platform
platform.processor()  # it may ask uname, and keeps the answer
sys.addaudithook(audit)
print(select(root=Path(sys.argv[1]) / "none", environ={}, system=("darwin", "arm64")).rejected[0].reason)
"""
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], env=environ, capture_output=True, text=True, check=False
    )
    assert done.stdout.startswith("zeus-apple-silicon does not import: not for this platform")
    assert done.stderr == ""
