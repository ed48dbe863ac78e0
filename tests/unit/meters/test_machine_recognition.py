"""What machine this is, from its files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_aifootprint.meters.contract import Host
from pytest_aifootprint.meters.host import recognise
from pytest_aifootprint.meters.tdp import normal_name, tdp_w

Build = Callable[[str], Path]


def test_the_laptop(machine: Build) -> None:
    facts = recognise(machine("laptop-i7"), {})
    assert facts.host == Host(
        cpu_model="Intel(R) Core(TM) i7-8650U CPU @ 1.90GHz",
        n_cpu=8,
        n_cores=4,
        virtual=False,
        memory_bytes=16 * 2**30,
        kind="laptop",
        boot_id="boot-1",
    )
    assert (facts.family, facts.n_sockets, facts.x64, facts.linux) == ("client", 1, True, True)


def test_the_server_with_two_sockets(machine: Build) -> None:
    facts = recognise(machine("dual-xeon"), {})
    assert (facts.host.n_cpu, facts.host.n_cores, facts.n_sockets) == (80, 40, 2)
    assert facts.host.kind == "server"


def test_cpus_are_counted_without_sysfs(machine: Build) -> None:
    assert recognise(machine("laptop-unlisted"), {}).host.n_cpu == 2


def test_an_arm_server_is_named_by_its_part_number(machine: Build) -> None:
    facts = recognise(machine("vm-arm"), {})
    assert facts.host.cpu_model == "Arm Neoverse-N1"
    assert (facts.family, facts.host.n_cores, facts.x64) == ("arm-server", None, False)


@pytest.mark.parametrize(
    ("files", "because"),
    [
        ({"sys/hypervisor/type": "xen"}, "xen"),
        ({"sys/class/dmi/id/sys_vendor": "QEMU"}, "QEMU"),
        ({"sys/class/dmi/id/product_name": "VirtualBox"}, "VirtualBox"),
        ({"sys/class/dmi/id/product_name": "Google Compute Engine"}, "Google Compute Engine"),
        ({"proc/device-tree/hypervisor/compatible": "linux,kvm"}, "device tree"),
    ],
)
def test_a_virtual_machine_gives_itself_away(machine: Build, files: dict[str, str], because: str) -> None:
    root = machine("server-unlisted")
    assert not recognise(root, {}).host.virtual
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    facts = recognise(root, {})
    assert facts.host.virtual
    assert because in facts.virtual_because
    assert facts.host.kind == "vm"


def test_amazons_bare_metal_is_none(machine: Build) -> None:
    assert not recognise(machine("metal-arm"), {}).host.virtual


def test_the_battery_of_a_mouse_makes_no_laptop(machine: Build) -> None:
    assert recognise(machine("desktop-unlisted"), {}).host.kind == "desktop"


@pytest.mark.parametrize(
    ("kernel", "watts"),
    [
        ("Intel(R) Core(TM) i7-8650U CPU @ 1.90GHz", 15),
        ("Intel(R) Core(TM)2 Duo CPU     P8400  @ 2.26GHz", 25),
        ("13th Gen Intel(R) Core(TM) i9-13900K", 125),
        ("Intel(R) Xeon(R) CPU E5-2680 v4 @ 2.40GHz", 120),
        ("INTEL(R) XEON(R) PLATINUM 8480+", 350),
        ("AMD EPYC 7763 64-Core Processor", 280),
        ("AMD Ryzen 7 PRO 4750U with Radeon Graphics", 15),
        ("AMD Ryzen 7 7840U w/ Radeon  780M Graphics", 28),
        ("AMD Ryzen Threadripper 3970X 32-Core Processor", 280),
        ("AMD FX(tm)-8350 Eight-Core Processor", 125),
        ("AMD EPYC", None),
        ("Intel Xeon Processor (Skylake, IBRS)", None),
        ("QEMU Virtual CPU version 2.5+", None),
        ("Intel(R) Core(TM) i9-99999X CPU @ 9.90GHz", None),
    ],
)
def test_the_tdp_is_found_by_the_name_that_the_kernel_gives(kernel: str, watts: float | None) -> None:
    assert tdp_w(kernel) == watts


def test_a_name_that_merely_contains_another_is_not_that_processor(tmp_path: Path) -> None:
    table = tmp_path / "cpu_power.csv"
    table.write_text("Name,TDP\nIntel Core i7-1265UL,15\nIntel Core i7-1265,45\nbroken\nIntel Core i7-1266U,many\n")
    assert tdp_w("12th Gen Intel(R) Core(TM) i7-1265U", table) is None
    assert tdp_w("12th Gen Intel(R) Core(TM) i7-1266U", table) is None
    assert tdp_w("12th Gen Intel(R) Core(TM) i7-1265", table) == 45
    assert tdp_w("Intel i7", tmp_path / "absent.csv") is None


def test_names_have_one_normal_form() -> None:
    assert normal_name("Intel(R) Core(TM) i7-8650U CPU @ 1.90GHz") == "intel core i7-8650u"
    assert normal_name("Intel Core i7-8650U") == "intel core i7-8650u"
