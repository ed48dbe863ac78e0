"""How many of the machine's CPUs a process may use: affinity, and quotas of control groups of both versions."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_aifootprint.attribution.idle import model_idle_w
from pytest_aifootprint.attribution.shares import model_shares
from pytest_aifootprint.meters.cpus import AFFINITY, QUOTA, CpuLimit, cpu_limit, cpu_list
from pytest_aifootprint.meters.host import recognise
from pytest_aifootprint.meters.selection import select

Build = Callable[[str], Path]
Grow = Callable[[Path, dict[str, str]], Path]

V2 = "31 23 0:28 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
V1 = (
    "30 23 0:27 / / rw,relatime - ext4 /dev/vda rw\n"
    "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:9 master:3 - cgroup cgroup rw,cpu,cpuacct\n"
    "33 31 0:30 / /sys/fs/cgroup/memory rw,nosuid - cgroup cgroup rw,memory\n"
)
ONLINE_64 = {"sys/devices/system/cpu/online": "0-63"}


def v2(own: str, quotas: dict[str, str], mount_root: str = "/") -> dict[str, str]:
    files = {f"sys/fs/cgroup{folder}/cpu.max": text for folder, text in quotas.items()}
    mounts = V2.replace("0:28 / ", f"0:28 {mount_root} ")
    return ONLINE_64 | {"proc/self/cgroup": f"0::{own}\n", "proc/self/mountinfo": mounts} | files


def v1(own: str, quotas: dict[str, tuple[int, int]], mount_root: str = "/") -> dict[str, str]:
    files = {}
    for folder, (quota, period) in quotas.items():
        files[f"sys/fs/cgroup/cpu,cpuacct{folder}/cpu.cfs_quota_us"] = f"{quota}\n"
        files[f"sys/fs/cgroup/cpu,cpuacct{folder}/cpu.cfs_period_us"] = f"{period}\n"
    groups = f"11:memory:/elsewhere\n4:cpu,cpuacct:{own}\n1:name=systemd:/x\n0::/unified\n"
    return (
        ONLINE_64
        | {"proc/self/cgroup": groups, "proc/self/mountinfo": V1.replace("0:29 / ", f"0:29 {mount_root} ")}
        | files
    )


def quota_file(folder: str) -> dict[str, str]:
    base = f"sys/fs/cgroup/{folder}"
    return {f"{base}/cpu.cfs_quota_us": "100000", f"{base}/cpu.cfs_period_us": "100000"}


@pytest.mark.parametrize(
    ("files", "cpus"),
    [
        # A container sees its own group as the root: with a namespace of its own, and without.
        (v2("/", {"": "200000 100000\n"}), 2),
        (v2("/docker/c0", {"": "50000 100000\n"}, mount_root="/docker/c0"), 0.5),
        (v2("/docker/c0", {"": "150000 100000\n", "/tests": "100000 100000"}, mount_root="/docker/c0"), 1.5),
        # The path is told in another view of the tree than the mount: the mount's own group it is.
        (v2("/../../user.slice", {"": "300000 100000\n"}, mount_root="/.."), 3),
        (v2("/kubepods/pod1", {"": "300000 100000\n"}, mount_root="/docker/c0"), 3),
        (v2("/ci/job", {"/ci/job": "100000 50000", "": "max 100000"}, mount_root="/other"), 2),
        # On the host: the tightest of the group and of all above it, whichever it is.
        (v2("/ci/job", {"/ci": "800000 100000", "/ci/job": "400000 100000"}), 4),
        (v2("/ci/job", {"/ci": "400000 100000", "/ci/job": "800000 100000"}), 4),
        (v2("/ci/job", {"/ci": "400000 100000", "/ci/job": "max 100000"}), 4),
        (v2("/ci/job", {"/ci/other": "100000 100000", "/cij": "100000 100000", "/ci": "700000 100000"}), 7),
        (v2("/a b", {"/a b": "100000 100000"}), 1),
        (v1("/", {"": (250_000, 100_000)}), 2.5),
        (v1("/docker/c0", {"": (100_000, 100_000)}, mount_root="/docker/c0"), 1),
        (v1("/ci/job", {"": (-1, 100_000), "/ci": (600_000, 100_000), "/ci/job": (-1, 100_000)}), 6),
        (v1("/ci/job", {"/ci": (600_000, 100_000), "/ci/job": (50_000, 25_000)}), 2),
    ],
)
def test_a_quota_is_found_wherever_it_binds(tmp_path: Path, grow: Grow, files: dict[str, str], cpus: float) -> None:
    assert cpu_limit(grow(tmp_path, files), 64) == CpuLimit(cpus, QUOTA)


@pytest.mark.parametrize(
    "files",
    [
        {},
        v2("/", {"": "max 100000\n"}),
        v2("/", {}),
        v2("/", {"": "6400000 100000"}),  # as many as there are
        v2("/", {"": "9999999 100000"}),
        v2("/", {"": "some 100000"}),
        v2("/", {"": "100000 0"}),
        v2("/", {"": "100000"}),
        v2("/", {"": ""}),
        v1("/", {"": (-1, 100_000)}),
        v1("/", {"": (0, 100_000)}),
        v2("/", {"": "100000 100000"}) | {"proc/self/mountinfo": "garbage\n- - -\n1 2 3 - cgroup2"},
        v2("/", {"": "100000 100000"}) | {"proc/self/cgroup": "garbage\n::\n0\n"},
        # Our path in another hierarchy, and the path of another hierarchy in that of the CPU.
        v1("/a", {}) | quota_file("memory/a"),
        v1("/a", {}) | quota_file("cpu,cpuacct/elsewhere"),
        v1("/a", {}) | {"proc/self/mountinfo": V2, "sys/fs/cgroup/a/cpu.max": "100000 100000"},
        # What lies outside the mount is no group.
        v2("/../../user.slice", {"": "max 100000"}, mount_root="/..") | {"sys/fs/user.slice/cpu.max": "100000 100000"},
    ],
)
def test_no_quota_and_nonsense_are_no_limit(tmp_path: Path, grow: Grow, files: dict[str, str]) -> None:
    assert cpu_limit(grow(tmp_path, files), 64) is None


def test_a_space_in_a_mount_point_is_written_in_octal(tmp_path: Path, grow: Grow) -> None:
    files = v2("/", {}) | {
        "proc/self/mountinfo": V2.replace("/sys/fs/cgroup", "/my\\040groups"), "my groups/cpu.max": "100000 100000"
    }  # fmt: skip
    assert cpu_limit(grow(tmp_path, files), 64) == CpuLimit(1, QUOTA)


@pytest.mark.parametrize(
    ("allowed", "online", "cpus"),
    [("0-3", "0-63", 4), ("1,5,9-10", "0-63", 4), ("0-127", "0-63", None), ("0-3", "0,2-63", 3), ("0-3", "", 4)],
)
def test_affinity_counts_the_cpus_that_are_on(
    tmp_path: Path, grow: Grow, allowed: str, online: str, cpus: float | None
) -> None:
    status = f"Name:\tpython\nCpus_allowed:\tff\nCpus_allowed_list:\t{allowed}\nMems_allowed_list:\t0\n"
    limit = cpu_limit(grow(tmp_path, {"proc/self/status": status, "sys/devices/system/cpu/online": online}), 64)
    assert limit == (None if cpus is None else CpuLimit(cpus, AFFINITY))


def test_the_tighter_of_quota_and_affinity_is_named(tmp_path: Path, grow: Grow) -> None:
    root = grow(tmp_path, v2("/", {"": "200000 100000"}) | {"proc/self/status": "Cpus_allowed_list:\t0-7\n"})
    assert cpu_limit(root, 64) == CpuLimit(2, QUOTA)
    grow(root, {"proc/self/status": "Cpus_allowed_list:\t5\n"})
    assert cpu_limit(root, 64) == CpuLimit(1, AFFINITY)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs affinity")
def test_this_process_on_one_of_its_cpus() -> None:
    before = os.sched_getaffinity(0)
    if len(before) < 2:
        pytest.skip("there is only one CPU to run on")
    os.sched_setaffinity(0, {min(before)})
    try:
        limit = cpu_limit(Path("/"), os.cpu_count() or 1)
    finally:
        os.sched_setaffinity(0, before)
    assert limit is not None
    assert limit.cpus <= 1


def test_the_kernels_lists() -> None:
    assert cpu_list("0-3,6\n") == [0, 1, 2, 3, 6]
    assert cpu_list("") == cpu_list("none,,x-3,1-,0x2") == []


def test_a_container_stands_for_the_idle_power_of_its_cpus_and_not_of_the_machines(machine: Build, grow: Grow) -> None:
    root = machine("vm-epyc")
    grow(root, v2("/", {"": "200000 100000"}))
    host = recognise(root, {}).host
    assert (host.n_cpu, host.usable_cpus, host.limited_by) == (64, 2, QUOTA)
    model = select(root=root, environ={}).cpu_model
    assert "idle of 2 of 64 CPUs by cgroup quota" in model.reason
    shares = model_shares(model, [], 100.0, 640.0)
    assert shares.idle_j == pytest.approx(0.45 * 1.15 * 2 * 100)
    # The machine's work stays the machine's, and a CPU second is a part of 64 CPUs still.
    assert shares.other_processes_j == pytest.approx(1.6 * 1.15 * 640)
    assert model.n_cpu == 64
    # A counter meters the whole machine: so does the model that stands in for it.
    assert model_idle_w(model) == pytest.approx(0.45 * 1.15 * 64)


def test_without_a_limit_idle_is_that_of_all_cpus(machine: Build) -> None:
    model = select(root=machine("vm-epyc"), environ={}).cpu_model
    assert model.idle_cpus == 2
    assert "idle of" not in model.reason
    assert model_shares(model, [], 100.0, 0.0).idle_j == pytest.approx(0.45 * 1.15 * 2 * 100)
