"""The choice of meters, and of what stands in where there is none."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_aifootprint.meters.hardware import Hardware
from pytest_aifootprint.meters.selection import select
from pytest_aifootprint.quantities import Range

Build = Callable[[str], Path]
Living = Callable[[Path], Callable[[float], None]]


def test_a_vm_without_sensors_has_a_model_and_says_why(machine: Build) -> None:
    selection = select(root=machine("vm-epyc"), environ={})
    assert selection.counters == ()
    assert {r.name for r in selection.rejected} == {"rapl", "perf", "nvml"}
    assert all(r.reason and r.remedy for r in selection.rejected)
    assert selection.memory_model.power_w is None
    assert selection.memory_model.reason.startswith("in cpu")
    assert selection.recorded_busy is None


def test_a_laptop_has_counters_and_a_model_that_stands_by(machine: Build, living: Living) -> None:
    root = machine("laptop-i7")
    selection = select(root=root, environ={}, pause=living(root))
    assert {m.domain for m in selection.counters} == {"cpu", "ram"}
    cpu = selection.counter("cpu")
    assert cpu is not None
    assert cpu.name == "rapl"
    assert selection.counter("gpu0") is None
    assert selection.cpu_model.n_cpu == 8


def test_memory_without_a_counter_is_a_constant_power_in_idle(machine: Build, living: Living) -> None:
    root = machine("amd-desktop")
    power = select(root=root, environ={}, pause=living(root)).memory_model.power_w
    assert power is not None
    assert power.central == pytest.approx(0.39 * 16)
    assert power.low == pytest.approx(0.15 * 16)
    assert power.high == pytest.approx(0.63 * 16)
    assert set(power.factors) == {"ram_w"}


def test_memory_is_not_in_a_cpu_counter_even_where_the_models_watts_include_it(
    machine: Build, living: Living, tmp_path: Path
) -> None:
    root = machine("amd-desktop")
    info = root / "proc/cpuinfo"
    info.write_text(
        info.read_text().replace("AMD Ryzen 7 5800X 8-Core Processor", "AMD EPYC").replace("vme", "hypervisor")
    )
    selection = select(root=root, environ={}, pause=living(root))
    assert selection.cpu_model.includes_ram
    assert selection.memory_model.power_w is not None


def test_memory_of_unknown_size_is_unknown_and_not_zero(machine: Build, living: Living) -> None:
    root = machine("amd-desktop")
    (root / "proc/meminfo").write_text("")
    model = select(root=root, environ={}, pause=living(root)).memory_model
    assert model.power_w is None
    assert "unknown" in model.reason


def test_a_system_that_nobody_knows_has_the_load_model(tmp_path: Path) -> None:
    selection = select(root=tmp_path, environ={}, system=("freebsd14", "amd64"))
    assert selection.counters == ()
    assert [r.name for r in selection.rejected] == ["rapl", "nvml"]
    assert "freebsd14" in selection.rejected[0].reason


def test_hardware_may_be_a_table_or_validated(machine: Build) -> None:
    root = machine("vm-epyc")
    by_table = select(root=root, environ={}, hardware={"pue": 1.2})
    assert by_table == select(root=root, environ={}, hardware=Hardware(pue=(1.2, 1.2, 1.2)))
    with pytest.raises(ValueError, match="unknown key"):
        select(root=root, environ={}, hardware={"watt": 1})


def test_the_data_centre_is_as_declared_and_else_unknown(machine: Build) -> None:
    root = machine("vm-epyc")
    declared = select(root=root, environ={}, hardware={"pue": [1.1, 1.2, 1.4], "wue_l_per_kwh": 0.5})

    assert declared.pue == Range.of(1.1, 1.2, 1.4, "pue:local") == declared.cpu_model.pue
    assert declared.wue_l_per_kwh == Range.of(0.5, 0.5, 0.5, "wue:local")
    undeclared = select(root=root, environ={})
    assert (undeclared.pue, undeclared.wue_l_per_kwh) == (None, None)


def test_a_recorded_meter_is_the_only_counter(machine: Build, tmp_path: Path) -> None:
    script = tmp_path / "script.json"
    script.write_text('{"domains": {"cpu": [[0, 0], [1000, 1]]}, "busy_s": [[0, 0], [1000, 4]]}')
    selection = select(root=machine("laptop-i7"), environ={}, recorded=script)
    assert [(m.name, m.domain) for m in selection.counters] == [("recorded", "cpu")]
    assert selection.rejected == ()
    assert selection.recorded_busy is not None


def test_choosing_imports_nothing_heavy_and_starts_no_process(machine: Build) -> None:
    code = """
import sys
def audit(event, args):
    if event in ("subprocess.Popen", "os.fork", "os.posix_spawn", "os.exec", "socket.connect", "socket.getaddrinfo"):
        raise SystemExit(event)
sys.addaudithook(audit)
before = set()
if sys.version_info < (3, 11):
    import msgspec  # its uuid brings subprocess along
    before = set(sys.modules)
from pathlib import Path
from pytest_aifootprint.meters.selection import select
select()
select(root=Path(sys.argv[1]), environ={})
heavy = {"codecarbon", "pandas", "psutil", "pynvml", "ctypes", "subprocess", "pydantic", "rich", "typer", "tomllib"}
heavy |= {"amdsmi", "pytest_aifootprint.meters.amd"}
print(sorted(heavy & (set(sys.modules) - before)))
"""
    root = machine("laptop-unlisted")
    done = subprocess.run([sys.executable, "-c", code, str(root)], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")
