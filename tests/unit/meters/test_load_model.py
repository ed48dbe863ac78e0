"""Watts of a CPU without a counter: which row, which range, and what a declaration changes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_aifootprint.meters.contract import LoadModel
from pytest_aifootprint.meters.hardware import Hardware
from pytest_aifootprint.meters.host import recognise
from pytest_aifootprint.meters.load_model import load_model, tdp_row, validate_hardware
from pytest_aifootprint.meters.watts import CPU_ROWS, MEMORY, PUE_CLOUD, TDP_ACTIVE, TDP_IDLE
from pytest_aifootprint.quantities import Basis, Range

Build = Callable[[str], Path]
GITHUB = {"GITHUB_ACTIONS": "true", "RUNNER_ENVIRONMENT": "github-hosted"}


def model_of(root: Path, environ: dict[str, str] | None = None, **hardware: object) -> LoadModel:
    return load_model(recognise(root, environ or {}), validate_hardware(hardware))


@pytest.mark.parametrize(
    ("name", "row", "machine_row"),
    [
        ("vm-epyc", "vm-epyc", "vm"),
        ("vm-xeon", "vm-xeon", "vm"),
        ("vm-arm", "vm-arm", "vm"),
        ("vm-nameless", "vm", "vm"),
        ("vm-qemu-core", "vm", "vm"),
        ("wsl-on-laptop", "laptop", "laptop"),
        ("laptop-unlisted", "laptop", "laptop"),
        ("desktop-unlisted", "desktop", "desktop"),
        ("server-unlisted", "desktop", "server"),
    ],
)
def test_each_machine_gets_its_row(machine: Build, name: str, row: str, machine_row: str) -> None:
    model = model_of(machine(name))
    assert model.name == f"load model: {CPU_ROWS[row].name}"
    assert model.machine == machine_row
    assert model.source == CPU_ROWS[row].source


def test_an_arm_server_of_bare_metal_is_priced_by_the_core(machine: Build) -> None:
    model = model_of(machine("metal-arm"))
    assert model.name == "load model: bare metal, ARM server"
    assert model.active_w == model_of(machine("vm-arm")).active_w
    assert (model.machine, model.boundary, model.n_cpu) == ("server", "wall", 64)
    assert model_of(machine("metal-arm"), tdp_w=180).active_w.central == pytest.approx(1.3 * 180 / 64)
    assert model_of(machine("metal-arm"), machine="desktop").name == "load model: desktop, TDP unknown"


def test_the_table_is_the_one_of_the_method() -> None:
    assert {name: (row.active_w, row.idle_w) for name, row in CPU_ROWS.items()} == {
        "vm": ((1.1, 2.0, 3.6), (0.4, 0.6, 1.0)),
        "vm-epyc": ((1.1, 1.6, 2.3), (0.4, 0.45, 0.8)),
        "vm-xeon": ((2.0, 3.3, 3.7), (0.6, 0.65, 1.0)),
        "vm-arm": ((0.8, 1.2, 2.2), (0.3, 0.47, 0.8)),
        "laptop": ((2, 5, 15), (0.2, 0.4, 1.0)),
        "desktop": ((4, 10, 30), (0.3, 0.8, 2)),
    }
    assert [row.value for row in (PUE_CLOUD, MEMORY, TDP_ACTIVE, TDP_IDLE)] == [
        (1.09, 1.15, 1.54),
        (0.15, 0.39, 0.63),
        (0.9, 1.3, 3.0),
        (0.05, 0.1, 0.3),
    ]


def test_a_tdp_of_100_watts_on_10_cores_and_20_threads_is_the_formula_of_the_method() -> None:
    row = tdp_row(100, 10, 20, "a test")
    assert row.active_w == pytest.approx((0.9 * 100 / 20, 1.3 * 100 / 10, 3 * 100 / 10))
    assert row.idle_w == pytest.approx((0.25, 0.5, 1.5))


def test_every_row_has_a_source_and_every_unsourced_one_is_assumed() -> None:
    for row in CPU_ROWS.values():
        assert row.source
        assert (row.basis is Basis.ASSUMED) == row.source.startswith("assumed")


def test_cloud_watts_are_at_the_wall_with_pue_and_memory_inside(machine: Build) -> None:
    model = model_of(machine("vm-epyc"))
    assert model.active_w == Range.of(1.1, 1.6, 2.3, "cpu_w") * Range.of(1.09, 1.15, 1.54, "pue:local")
    assert model.idle_w_per_cpu == Range.of(0.4, 0.45, 0.8, "idle_w") * Range.of(1.09, 1.15, 1.54, "pue:local")
    assert (model.boundary, model.includes_ram, model.basis) == ("wall", True, Basis.MODELLED)
    assert model.n_cpu == 2


def test_bare_metal_is_at_the_component_without_pue(machine: Build) -> None:
    model = model_of(machine("laptop-i7"))  # 15 W, 4 cores, 8 threads
    assert model.active_w.central == pytest.approx(1.3 * 15 / 4)
    assert model.active_w.low == pytest.approx(0.9 * 15 / 8)
    assert model.active_w.high == pytest.approx(3 * 15 / 4)
    assert model.idle_w_per_cpu.central == pytest.approx(0.1 * 15 / 8)
    assert set(model.active_w.factors) == {"cpu_w"}
    assert (model.boundary, model.includes_ram, model.machine) == ("component", False, "laptop")
    assert "15 W TDP" in model.reason


def test_two_sockets_are_priced_per_socket(machine: Build) -> None:
    model = model_of(machine("dual-xeon"))  # 150 W, 20 cores, 40 threads each
    assert model.active_w.central == pytest.approx(1.3 * 150 / 20)
    assert model.n_cpu == 80


@given(tdp=st.floats(1, 500), cores=st.integers(1, 256), smt=st.integers(1, 4))
def test_the_tdp_row_is_always_ordered_and_never_above_the_socket(tdp: float, cores: int, smt: int) -> None:
    row = tdp_row(tdp, cores, cores * smt, "a test")
    low, central, high = row.active_w
    assert 0 < low <= central <= high <= tdp * (1 + 1e-9)
    assert 0 < row.idle_w[0] < row.idle_w[1] < row.idle_w[2]


def test_a_github_hosted_runner_is_known_whatever_its_processor(machine: Build) -> None:
    model = model_of(machine("vm-xeon"), GITHUB)
    assert model.name.endswith("AMD EPYC")
    assert "GitHub-hosted runner" in model.reason
    assert model_of(machine("vm-arm"), GITHUB).name.endswith("ARM server")


def test_a_self_hosted_runner_is_not_github_hosted(machine: Build) -> None:
    model = model_of(machine("vm-xeon"), {"GITHUB_ACTIONS": "true", "RUNNER_ENVIRONMENT": "self-hosted"})
    assert model.name.endswith("Intel Xeon")


@pytest.mark.parametrize("name", ["vm-xeon", "wsl-on-laptop", "vm-epyc"])
def test_a_sockets_tdp_is_never_used_undivided_in_a_vm(machine: Build, name: str) -> None:
    plain = model_of(machine(name))
    assert "bare metal" not in plain.name
    assert model_of(machine(name), tdp_w=280).active_w == plain.active_w
    assert "cores and threads" in model_of(machine(name), tdp_w=280).reason
    divided = model_of(machine(name), tdp_w=280, cores=64, threads=128)
    assert divided.active_w.central == pytest.approx(1.3 * 280 / 64)


def test_declared_watts_win_and_are_taken_as_they_are(machine: Build) -> None:
    model = model_of(machine("vm-epyc"), watts_per_cpu_second=[1, 2, 4], idle_watts_per_cpu=0.3)
    assert model.active_w == Range.of(1, 2, 4, "cpu_w")
    assert model.idle_w_per_cpu.central == 0.3
    assert model.idle_w_per_cpu.high == pytest.approx(0.3)
    assert model.name == "load model: declared watts"


def test_a_declared_pue_goes_on_top(machine: Build) -> None:
    model = model_of(machine("vm-epyc"), pue=1.5)
    assert model.active_w.central == pytest.approx(1.6 * 1.5)
    assert model_of(machine("laptop-i7"), pue=2).active_w.central == pytest.approx(2 * 1.3 * 15 / 4)
    assert "PUE 2" in model_of(machine("laptop-i7"), pue=2).reason


def test_a_model_says_which_pue_its_watts_contain(machine: Build) -> None:
    assert model_of(machine("vm-epyc")).pue == Range.of(1.09, 1.15, 1.54, "pue:local")
    assert model_of(machine("vm-epyc"), pue=1.5).pue == Range.of(1.5, 1.5, 1.5, "pue:local")
    assert model_of(machine("laptop-i7")).pue is None
    # Measured by the user, wherever: nothing was multiplied.
    assert model_of(machine("vm-epyc"), watts_per_cpu_second=2).pue is None
    assert model_of(machine("vm-epyc"), watts_per_cpu_second=2, pue=1.5).pue is not None


def test_a_declared_machine_overrules_what_was_recognised(machine: Build) -> None:
    assert model_of(machine("desktop-unlisted"), machine="laptop").name.endswith("laptop, TDP unknown")
    vm = model_of(machine("desktop-unlisted"), machine="vm")
    assert (vm.name, vm.machine) == ("load model: VM, unknown CPU", "vm")
    metal = model_of(machine("vm-xeon"), machine="server")
    assert metal.boundary == "component"


def test_a_machine_that_we_cannot_look_into_is_assumed(tmp_path: Path) -> None:
    model = model_of(tmp_path)  # no /proc: as on macOS or Windows
    assert model.basis is Basis.ASSUMED
    assert model.name in {"load model: desktop, TDP unknown", "load model: laptop, TDP unknown"}
    assert model.n_cpu >= 1


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ({"tdp": 15}, "unknown key 'tdp'; valid: tdp_w, cores"),
        ({"tdp_w": -1}, "tdp_w = -1 is not valid; tdp_w is watts of one socket"),
        ({"tdp_w": True}, "tdp_w = True"),
        ({"tdp_w": "15"}, "tdp_w = '15'"),
        ({"tdp_w": float("inf")}, "tdp_w = inf"),
        ({"cores": 1.5}, "cores = 1.5"),
        ({"cores": 8, "threads": 4}, "threads = 4 is less than cores = 8"),
        ({"watts_per_cpu_second": [3, 2, 1]}, "[low, central, high]"),
        ({"watts_per_cpu_second": [1, 2]}, "[low, central, high]"),
        ({"idle_watts_per_cpu": 0}, "idle_watts_per_cpu = 0"),
        ({"pue": 0.9}, "pue = 0.9"),
        ({"wue_l_per_kwh": 0}, "wue_l_per_kwh = 0 is not valid; wue_l_per_kwh is litres of water"),
        ({"wue_l_per_kwh": [1, 3, 2]}, "[low, central, high]"),
        ({"machine": "toaster"}, "one of vm, laptop, desktop, server"),
        ({"machine": ["vm"]}, "machine = ['vm']"),
        ({"embodied_kgco2e": 0}, "embodied_kgco2e = 0 is not valid; embodied_kgco2e is kg CO2e of making this machine"),
        ({"lifetime_years": 0}, "lifetime_years = 0 is not valid; lifetime_years is years that this machine is used"),
        ({"lifetime_years": -4}, "lifetime_years = -4 is not valid; lifetime_years is years"),
        ({"lifetime_years": [3, -4, 5]}, "lifetime_years = [3, -4, 5] is not valid"),
        ({"lifetime_years": [6, 5, 4]}, "[low, central, high]"),
        ({"utilisation": 0}, "utilisation = 0 is not valid; utilisation is share of its life"),
        ({"utilisation": 1.01}, "utilisation = 1.01 is not valid; utilisation is share of its life"),
        ({"utilisation": [0.5, 0.7, 2]}, "utilisation = [0.5, 0.7, 2] is not valid; utilisation is share of its life"),
        ({"gpu_embodied_kgco2e": "200"}, "gpu_embodied_kgco2e = '200' is not valid; gpu_embodied_kgco2e is kg CO2e"),
        ({"gpu_lifetime_years": -1}, "gpu_lifetime_years = -1 is not valid; gpu_lifetime_years is years"),
        ({"lifetime_years": 35_040}, "lifetime_years = 35040 is not valid; lifetime_years is years that this machine"),
        ({"lifetime_years": [3, 4, 101]}, "[low, central, high]; 100 at most"),
        ({"embodied_kgco2e": 1e30}, "embodied_kgco2e = 1e+30 is not valid"),
        ({"cores": 1e30}, "cores = 1e+30 is not valid; cores is physical cores of one socket, a whole number above 0"),
        ({"tdp_w": 1e30}, "tdp_w is watts of one socket, above 0; 10,000 at most"),
        ({"pue": 115}, "pue = 115 is not valid"),
        ({"gpu_utilisation": 70}, "gpu_utilisation = 70 is not valid; gpu_utilisation is share of its life"),
    ],
)
def test_a_wrong_declaration_is_one_clear_line(table: dict[str, object], says: str) -> None:
    with pytest.raises(ValueError, match="hardware") as caught:
        validate_hardware(table)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_nothing_declared_is_nothing_changed() -> None:
    assert validate_hardware(None) == validate_hardware({}) == Hardware()
    assert validate_hardware({"pue": 1, "watts_per_cpu_second": (1, 2, 3)}) == Hardware(
        pue=(1, 1, 1), watts_per_cpu_second=(1, 2, 3)
    )
    assert validate_hardware(
        {
            "embodied_kgco2e": 320, "lifetime_years": 6, "utilisation": [0.1, 0.2, 1],
            "gpu_embodied_kgco2e": [1, 2, 3], "gpu_lifetime_years": 4.5, "gpu_utilisation": 1,
        }
    ) == Hardware(
        embodied_kgco2e=(320, 320, 320), lifetime_years=(6, 6, 6), utilisation=(0.1, 0.2, 1),
        gpu_embodied_kgco2e=(1, 2, 3), gpu_lifetime_years=(4.5, 4.5, 4.5), gpu_utilisation=(1, 1, 1),
    )  # fmt: skip
