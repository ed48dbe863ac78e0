"""Perf events: the real system call and real descriptors, on a PMU whose counters every kernel has.

The tree names PERF_TYPE_SOFTWARE as the type and cpu-clock as the event: 1 ns of a CPU's time is one count, so that
with 1e-9 J per count each "package" draws 1 W.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from pytest_aifootprint.meters.contract import Reading, Unreadable
from pytest_aifootprint.meters.perf_events import HIGH_FD, PerfEventMeter, find_perf_events
from pytest_aifootprint.meters.selection import select
from pytest_aifootprint.quantities.unfaked import REAL

Build = Callable[[str], Path]
Grow = Callable[[Path, dict[str, str]], Path]
Living = Callable[[Path], Callable[[float], None]]

POWER = "sys/bus/event_source/devices/power"
CPU_CLOCK = {
    f"{POWER}/type": "1",
    f"{POWER}/cpumask": "0",
    f"{POWER}/format/event": "config:0-7",
    f"{POWER}/events/energy-pkg": "event=0x00",
    f"{POWER}/events/energy-pkg.scale": "1e-9",
    f"{POWER}/events/energy-pkg.unit": "Joules",
}
DRAM = {
    f"{POWER}/events/energy-ram": "event=0x00",
    f"{POWER}/events/energy-ram.scale": "2e-9",
    f"{POWER}/events/energy-ram.unit": "Joules",
}
BOTH = ("cpu", "ram")


def perf_fds() -> set[int]:
    """Descriptors of this process that are perf events."""
    found = set()
    for fd in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):
            if "perf_event" in str(fd.readlink()):
                found.add(int(fd.name))
    return found


@pytest.fixture
def tree(tmp_path: Path, grow: Grow) -> Path:
    """A machine whose PMU counts the time of CPU 0; skips where the kernel lets nobody count it."""
    if sys.platform != "linux":
        pytest.skip("perf events are Linux's")
    root = grow(tmp_path, CPU_CLOCK)
    _, rejected = find_perf_events(root, ["cpu"])
    if any("perf_event_open" in r.reason for r in rejected):
        pytest.skip(f"this kernel refuses: {rejected[0].reason}")
    return root


@contextmanager
def meter_of(root: Path, domain: str = "cpu") -> Iterator[PerfEventMeter]:
    meters, rejected = find_perf_events(root, BOTH)
    meter = next((m for m in meters if m.domain == domain), None)
    assert meter is not None, rejected
    try:
        yield meter
    finally:
        meter.close()


def joules(meter: PerfEventMeter) -> float:
    got = meter.read()
    assert isinstance(got, Reading), got
    return got.energy_j


def burn_ns(ns: int) -> None:
    end = time.monotonic_ns() + ns
    while time.monotonic_ns() < end:
        pass


def interval(meter: PerfEventMeter) -> tuple[float, float, float]:
    """Joules between two readings, and the shortest and longest time that can lie between them, in s."""
    t = [time.monotonic_ns()]
    first = joules(meter)
    t.append(time.monotonic_ns())
    burn_ns(20_000_000)
    t.append(time.monotonic_ns())
    second = joules(meter)
    t.append(time.monotonic_ns())
    return second - first, (t[2] - t[1]) / 1e9, (t[3] - t[0]) / 1e9


def test_joules_are_counts_times_scale(tree: Path) -> None:
    with meter_of(tree) as meter:
        energy_j, shortest_s, longest_s = interval(meter)
    assert shortest_s * 0.99 <= energy_j <= longest_s * 1.01
    assert meter.reason == "RAPL energy counter power/energy-pkg/ (perf events)"
    assert (meter.name, meter.domain) == ("perf", "cpu")


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="needs two CPUs")
def test_one_descriptor_for_each_package_and_their_sum(tree: Path, grow: Grow) -> None:
    grow(tree, {f"{POWER}/cpumask": "0-1"} | DRAM)
    with meter_of(tree) as meter, meter_of(tree, "ram") as memory:
        energy_j, shortest_s, longest_s = interval(meter)
        assert len(perf_fds()) == 2
        assert shortest_s * 2 * 0.99 <= energy_j <= longest_s * 2 * 1.01
        energy_j, shortest_s, longest_s = interval(memory)
        assert len(perf_fds()) == 4
        assert shortest_s * 4 * 0.99 <= energy_j <= longest_s * 4 * 1.01
    assert meter.reason == "RAPL energy counter power/energy-pkg/ of 2 packages (perf events)"
    assert perf_fds() == set()


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="needs two CPUs")
@pytest.mark.parametrize(
    ("vendor", "packages", "descriptors"),
    [("AuthenticAMD", "00", 1), ("AuthenticAMD", "01", 2), ("GenuineIntel", "00", 2), ("AuthenticAMD", "", 2)],
)
def test_two_dies_of_one_amd_package_are_counted_once(
    tree: Path, grow: Grow, vendor: str, packages: str, descriptors: int
) -> None:
    grow(tree, {f"{POWER}/cpumask": "0,1"})
    for cpu, package in enumerate(packages):
        grow(tree, {f"sys/devices/system/cpu/cpu{cpu}/topology/physical_package_id": package})
    ((meter,), _) = find_perf_events(tree, ["cpu"], vendor=vendor)
    joules(meter)
    assert len(perf_fds()) == descriptors
    meter.close()


def test_nothing_is_open_before_the_first_read_nor_after_close(tree: Path) -> None:
    with meter_of(tree) as meter:
        assert perf_fds() == set()
        joules(meter)
        assert len(perf_fds()) == 1
        meter.close()
        assert perf_fds() == set()
        meter.close()
        assert isinstance(meter.read(), Unreadable)
        assert perf_fds() == set()


def test_descriptors_stand_high_up_and_do_not_survive_an_exec(tree: Path) -> None:
    with meter_of(tree) as meter:
        joules(meter)
        (fd,) = perf_fds()
        assert fd >= HIGH_FD
        assert not os.get_inheritable(fd)
        code = "import os, sys; print(os.path.lexists(f'/proc/self/fd/{sys.argv[1]}'))"
        done = subprocess.run(
            [sys.executable, "-c", code, str(fd)], capture_output=True, text=True, check=True, close_fds=False
        )
        assert done.stdout.strip() == "False"


def test_few_descriptors_are_enough(tree: Path) -> None:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with meter_of(tree) as meter:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, HIGH_FD), hard))
        try:
            joules(meter)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert 0 < next(iter(perf_fds())) < HIGH_FD


def close_ours() -> int:
    (fd,) = perf_fds()
    os.close(fd)
    return fd


def test_a_closed_descriptor_is_one_gap_and_then_metering_goes_on(tree: Path) -> None:
    with meter_of(tree) as meter:
        burn_ns(5_000_000)
        before = joules(meter)
        close_ours()
        gap = meter.read()
        assert isinstance(gap, Unreadable)
        assert "closed" in gap.reason
        # What it did meanwhile is not known: no energy is made up for it, and none falls.
        again = joules(meter)
        assert again == before
        energy_j, shortest_s, longest_s = interval(meter)
        assert shortest_s * 0.99 <= energy_j <= longest_s * 1.01


def test_after_all_descriptors_were_closed_no_package_is_left_out(tree: Path, grow: Grow) -> None:
    grow(tree, {f"{POWER}/cpumask": ",".join(["0"] * 3)})
    with meter_of(tree) as meter:
        joules(meter)
        for fd in perf_fds():
            os.close(fd)
        assert isinstance(meter.read(), Unreadable)
        joules(meter)
        energy_j, shortest_s, longest_s = interval(meter)
        assert shortest_s * 3 * 0.99 <= energy_j <= longest_s * 3 * 1.01


def test_what_a_test_puts_in_our_place_is_neither_read_nor_closed(tree: Path) -> None:
    with meter_of(tree) as meter, ExitStack() as stack:
        before = joules(meter)
        fd = close_ours()
        source, sink = os.pipe()
        os.dup2(source, fd)
        for each in (source, sink, fd):
            stack.callback(os.close, each)
        os.write(sink, b"sixteen bytes ok")
        assert isinstance(meter.read(), Unreadable)
        assert os.read(fd, 100) == b"sixteen bytes ok"
        assert joules(meter) == before
        meter.close()
        assert os.fstat(fd).st_ino == os.fstat(source).st_ino


def test_a_descriptor_that_was_replaced_is_not_closed_with_the_meter(tree: Path) -> None:
    with meter_of(tree) as meter:
        joules(meter)
        fd = close_ours()
        source, sink = os.pipe()
        os.dup2(source, fd)
        meter.close()
        assert os.fstat(fd).st_ino == os.fstat(source).st_ino
        for each in (source, sink, fd):
            os.close(each)


def test_another_perf_event_in_our_place_is_not_taken_for_ours(tree: Path) -> None:
    with meter_of(tree) as meter, meter_of(tree) as of_a_test:
        before = joules(meter)
        (fd,) = perf_fds()
        burn_ns(5_000_000)
        joules(of_a_test)
        (theirs,) = perf_fds() - {fd}
        os.dup2(theirs, fd)
        assert isinstance(meter.read(), Unreadable)
        assert fd in perf_fds()
        assert joules(meter) == before
        os.close(fd)


def test_a_swap_in_the_moment_between_question_and_read_gives_no_number(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with meter_of(tree) as meter, meter_of(tree) as of_a_test:
        before = joules(meter)
        (fd,) = perf_fds()
        joules(of_a_test)
        (theirs,) = perf_fds() - {fd}

        def asked_then_swapped(fd: int, request: int, number: bytearray) -> int:
            done: int = fcntl.ioctl(fd, request, number)
            os.dup2(theirs, fd)
            return done

        with monkeypatch.context() as patched:
            patched.setattr("pytest_aifootprint.meters.perf_events._REAL.ioctl", asked_then_swapped)
            gap = meter.read()
        assert isinstance(gap, Unreadable)
        assert "another perf event" in gap.reason
        os.close(fd)
        assert isinstance(meter.read(), Unreadable)
        assert joules(meter) == before


def test_an_event_that_the_kernel_gave_up_is_a_gap(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with meter_of(tree) as meter:
        joules(meter)
        # What read(2) gives for an event in the error state.
        monkeypatch.setattr(REAL, "read", lambda *_: b"")
        gap = meter.read()
    assert isinstance(gap, Unreadable)
    assert "stopped" in gap.reason


def test_a_fork_shares_the_counter_and_closes_only_its_own_copy(tree: Path) -> None:
    with meter_of(tree) as meter:
        before = joules(meter)
        child = os.fork()
        if not child:
            meter.close()
            os._exit(0)
        os.waitpid(child, 0)
        burn_ns(1_000_000)
        assert joules(meter) > before


def test_a_counter_that_does_not_move_is_rejected(tree: Path, grow: Grow) -> None:
    grow(tree, {f"{POWER}/events/energy-pkg": "event=0x09"})  # PERF_COUNT_SW_DUMMY
    meters, (rejected,) = find_perf_events(tree, ["cpu"])
    assert meters == []
    assert "do not move" in rejected.reason
    assert perf_fds() == set()


def test_a_counter_that_stops_in_mid_run_is_a_gap(tree: Path) -> None:
    times = iter([0, 10**9, 12 * 10**9])
    ((meter,), _) = find_perf_events(tree, ["cpu"], clock=times.__next__)
    joules(meter)
    (fd,) = perf_fds()
    fcntl.ioctl(fd, 0x2401)  # PERF_EVENT_IOC_DISABLE
    joules(meter)
    gap = meter.read()
    meter.close()
    assert isinstance(gap, Unreadable)
    assert "has stood" in gap.reason


@contextmanager
def unprivileged() -> Iterator[None]:
    """Without the rights of root, if we have them: they pass every check of the kernel."""
    try:
        os.seteuid(65534)
    except PermissionError:
        yield
        return
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_refusal_names_the_setting_and_the_command(grow: Grow) -> None:
    paranoid = Path("/proc/sys/kernel/perf_event_paranoid")
    if not paranoid.exists() or int(paranoid.read_text()) < 1:
        pytest.skip("this kernel lets everybody count")
    folder = Path(tempfile.mkdtemp())  # tmp_path is closed to others than its owner
    try:
        folder.chmod(0o755)
        grow(folder, CPU_CLOCK)
        with unprivileged():
            meters, (rejected,) = find_perf_events(folder, ["cpu"])
    finally:
        shutil.rmtree(folder)
    assert meters == []
    assert "EACCES" in rejected.reason or "EPERM" in rejected.reason
    assert f"kernel.perf_event_paranoid is {paranoid.read_text().strip()}" in rejected.reason
    assert "sysctl kernel.perf_event_paranoid=0" in rejected.remedy
    assert "CAP_PERFMON" in rejected.remedy


@pytest.mark.parametrize(
    ("file", "text", "says"),
    [
        ("type", "99999", "ENOENT"),
        ("cpumask", "4095", "perf_event_open for CPU 4095 failed"),
    ],
)
def test_what_the_kernel_does_not_know_is_rejected_with_its_answer(
    tree: Path, grow: Grow, file: str, text: str, says: str
) -> None:
    grow(tree, {f"{POWER}/{file}": text})
    meters, (rejected,) = find_perf_events(tree, ["cpu"])
    assert meters == []
    assert says in rejected.reason
    assert rejected.remedy


@pytest.mark.parametrize(
    ("file", "text", "says"),
    [
        ("type", "power", "invalid literal"),
        ("type", None, "No such file"),
        ("cpumask", "", "names no CPU"),
        ("events/energy-pkg", "umask=0x01,event=0x02", "umask"),
        ("events/energy-pkg", "", "events/energy-pkg is ''"),
        ("format/event", "config1:0-7", "config1"),
        ("events/energy-pkg.unit", "Watts", "Watts"),
        ("events/energy-pkg.unit", None, "No such file"),
        ("events/energy-pkg.scale", "a lot", "could not convert"),
        ("events/energy-pkg.scale", "0", "scale is 0.0"),
        ("events/energy-pkg.scale", "nan", "scale is nan"),
        ("events/energy-pkg.scale", "-1e-9", "scale is -1e-09"),
    ],
)
def test_a_pmu_that_makes_no_sense_is_rejected_and_never_guessed(
    tmp_path: Path, grow: Grow, file: str, text: str | None, says: str
) -> None:
    root = grow(tmp_path, CPU_CLOCK)
    path = root / POWER / file
    path.unlink() if text is None else path.write_text(text)
    meters, (rejected,) = find_perf_events(root, ["cpu"])
    assert meters == []
    assert says in rejected.reason
    assert rejected.name == "perf cpu"


def test_a_machine_without_the_pmu_says_so_once(tmp_path: Path) -> None:
    meters, (rejected,) = find_perf_events(tmp_path, BOTH, virtual=True)
    assert meters == []
    assert (rejected.name, "virtual machine" in rejected.reason) == ("perf", True)
    assert "modprobe rapl" in find_perf_events(tmp_path, BOTH)[1][0].remedy
    # Who lacks nothing but a counter of memory need not hear of it.
    assert find_perf_events(tmp_path, ["ram"]) == ([], [])


def test_memory_without_an_event_is_named_where_the_package_has_one(tree: Path) -> None:
    meters, (rejected,) = find_perf_events(tree, BOTH)
    assert [m.domain for m in meters] == ["cpu"]
    assert rejected.name == "perf ram"
    assert find_perf_events(tree, ["ram"]) == ([], [])


def test_perf_events_stand_in_where_powercap_is_closed(tree: Path, machine: Build, grow: Grow) -> None:
    root = grow(machine("laptop-i7"), CPU_CLOCK | DRAM)
    for file in (root / "sys/class/powercap").glob("*/energy_uj"):
        file.unlink()
        file.mkdir()  # unreadable to root as well
    selection = select(root=root, environ={})
    assert [(m.domain, m.name) for m in selection.counters] == [("cpu", "perf"), ("ram", "perf")]
    assert any(r.name == "rapl cpu" for r in selection.rejected)
    assert not any(r.name.startswith("perf") for r in selection.rejected)
    assert perf_fds() == set()


def test_what_powercap_gives_is_not_asked_of_perf_events(
    tree: Path, machine: Build, grow: Grow, living: Living
) -> None:
    root = grow(machine("laptop-i7"), CPU_CLOCK | DRAM)
    assert [m.name for m in select(root=root, environ={}, pause=living(root)).counters] == ["rapl", "rapl"]
    desktop = grow(machine("amd-desktop"), CPU_CLOCK | DRAM)
    counters = select(root=desktop, environ={}, pause=living(desktop)).counters
    assert [(m.domain, m.name) for m in counters] == [("cpu", "rapl"), ("ram", "perf")]
