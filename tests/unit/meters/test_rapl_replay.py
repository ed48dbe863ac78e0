"""Recorded RAPL machines, replayed tick by tick: a script rewrites the tree, the real reader reads it.

What the kernel shows is made as the kernel makes it (drivers/powercap/intel_rapl_common.c): a 32-bit register times the
unit of the zone in nanojoules, cut to microjoules; ``max_energy_range_uj`` is the register's highest value.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pytest_aifootprint.attribution.counters import counter_shares
from pytest_aifootprint.attribution.idle import IdlePower
from pytest_aifootprint.attribution.lanes import Lane
from pytest_aifootprint.meters.contract import Selection
from pytest_aifootprint.meters.selection import select
from pytest_aifootprint.quantities import Basis
from pytest_aifootprint.timeline.busy import BusyTimes
from pytest_aifootprint.timeline.readings import CounterReadings
from pytest_aifootprint.timeline.sampler import Sampler

Build = Callable[[str], Path]

TICK_NS = 100_000_000
UNIT_NJ = {"package": 61_035, "dram": 15_300}  # 2^-14 J; the fixed unit of a Xeon's DRAM
REGISTER = 2**32


@dataclass
class Zone:
    """One register, and all zones that show it."""

    files: list[Path]
    unit_nj: int
    raw: int
    spent: int = 0

    def spend(self, steps: int) -> None:
        """Rise by so many steps of the register, and show it."""
        self.raw = (self.raw + steps) % REGISTER
        self.spent += steps
        self.show()

    def show(self) -> None:
        for file in self.files:
            if file.is_file():
                # In place, as sysfs does: cutting a file to nothing first costs a disk milliseconds.
                with file.open("r+") as f:
                    f.write(f"{self.raw * self.unit_nj // 1000}\n".rjust(24))

    @property
    def spent_uj(self) -> float:
        return self.spent * self.unit_nj / 1000


@dataclass
class Machine:
    """A server: two packages with DRAM and sub-domains, the first package mirrored, psys over all."""

    root: Path
    zones: dict[str, Zone] = field(default_factory=dict)
    now_ns: int = 0

    def clock(self) -> int:
        return self.now_ns

    def add(self, key: str, names: dict[str, str], unit_nj: int, raw: int) -> None:
        files = []
        for path, name in names.items():
            folder = self.root / "sys/class/powercap" / path
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "name").write_text(name + "\n")
            (folder / "max_energy_range_uj").write_text(f"{(REGISTER - 1) * unit_nj // 1000}\n")
            (folder / "energy_uj").touch()
            files.append(folder / "energy_uj")
        self.zones[key] = Zone(files, unit_nj, raw)
        self.zones[key].show()

    def file(self, key: str) -> Path:
        return self.zones[key].files[0]

    def tick(self, steps: dict[str, int]) -> None:
        self.now_ns += TICK_NS
        for key, n in steps.items():
            self.zones[key].spend(n)

    def everything_moves(self, _: float) -> None:
        """What a pause does to it: all counters go on, which the selection wants to see."""
        for zone in self.zones.values():
            zone.spend(1000)

    def select(self) -> Selection:
        return select(root=self.root, environ={}, clock=self.clock, pause=self.everything_moves)


def near_the_end(unit_nj: int, joules: float) -> int:
    """The register's value so many joules before it starts again from 0."""
    return REGISTER - round(joules * 1e9 / unit_nj)


@pytest.fixture
def xeon(machine: Build) -> Machine:
    """Every counter at another place of its range, several of them about to wrap."""
    root = machine("vm-xeon")
    (root / "proc/cpuinfo").write_text((root / "proc/cpuinfo").read_text().replace("hypervisor", ""))
    m = Machine(root)
    package, dram = UNIT_NJ["package"], UNIT_NJ["dram"]
    m.add("pkg0", {"intel-rapl:0": "package-0", "intel-rapl-mmio:0": "package-0"}, package, near_the_end(package, 500))
    m.add("core0", {"intel-rapl:0:0": "core"}, package, near_the_end(package, 100))
    m.add("uncore0", {"intel-rapl:0:1": "uncore"}, package, 77)
    m.add("dram0", {"intel-rapl:0:2": "dram", "intel-rapl-mmio:0:0": "dram"}, dram, near_the_end(dram, 50))
    m.add("pkg1", {"intel-rapl:1": "package-1"}, package, 12_345)
    m.add("dram1", {"intel-rapl:1:0": "dram"}, dram, near_the_end(dram, 120))
    m.add("psys", {"intel-rapl:2": "psys"}, package, near_the_end(package, 1000))
    return m


@dataclass
class Replay:
    """A run on a machine: the sampler reads after every tick of the script."""

    machine: Machine
    selection: Selection
    sampler: Sampler

    @classmethod
    def begin(cls, machine: Machine) -> Replay:
        selection = machine.select()
        busy = lambda: BusyTimes(4 * machine.now_ns / 1e9, 0.0)  # noqa: E731 - four CPUs busy, always
        replay = cls(machine, selection, Sampler(selection.counters, busy, clock=machine.clock))
        replay.sampler.sample()
        for zone in machine.zones.values():
            zone.spent = 0
        return replay

    def tick(self, steps: dict[str, int]) -> None:
        self.machine.tick(steps)
        self.sampler.sample()

    def __getitem__(self, domain: str) -> CounterReadings:
        return self.sampler.readings[domain]


def random_steps(zones: dict[str, Zone], rng: random.Random) -> dict[str, int]:
    """What each register may rise by in a tick, up to 150 W."""
    return {key: rng.randrange(1, round(15e9 / zone.unit_nj)) for key, zone in zones.items()}


def test_two_packages_with_dram_are_exact_to_the_microjoule_over_wraps(xeon: Machine) -> None:
    replay = Replay.begin(xeon)
    assert {m.domain for m in replay.selection.counters} == {"cpu", "ram"}
    rng = random.Random(3)
    starts = {key: zone.raw for key, zone in xeon.zones.items()}
    truth: dict[str, list[float]] = {"cpu": [0.0], "ram": [0.0]}
    for _ in range(200):
        replay.tick(random_steps(xeon.zones, rng))
        truth["cpu"].append(xeon.zones["pkg0"].spent_uj + xeon.zones["pkg1"].spent_uj)
        truth["ram"].append(xeon.zones["dram0"].spent_uj + xeon.zones["dram1"].spent_uj)
    wrapped = {key for key, zone in xeon.zones.items() if zone.raw < starts[key]}
    assert wrapped >= {"pkg0", "dram0", "dram1", "core0"}
    for domain, expected in truth.items():
        readings = replay[domain]
        assert readings.gaps == []
        assert len(readings.energy_j) == len(expected) == 201
        # Each file is cut to whole microjoules by the kernel, at both ends: up to one for each of two packages.
        worst = max(abs(j * 1e6 - uj) for j, uj in zip(readings.energy_j, expected, strict=True))
        assert worst <= 2


def test_psys_core_uncore_and_the_mirror_are_in_no_sum(xeon: Machine) -> None:
    replay = Replay.begin(xeon)
    for _ in range(5):
        replay.tick(dict.fromkeys(("core0", "uncore0", "psys"), 5000) | {"pkg0": 1, "pkg1": 1, "dram0": 1, "dram1": 1})
    assert replay["cpu"].energy_j[-1] * 1e6 == pytest.approx(5 * 2 * 61.035, abs=2)
    assert replay["ram"].energy_j[-1] * 1e6 == pytest.approx(5 * 2 * 15.3, abs=2)
    assert {r.name for r in replay.selection.rejected} >= {"rapl psys"}


def test_an_amd_machine_has_its_package_alone(machine: Build) -> None:
    m = Machine(machine("server-unlisted"))
    unit = 15_258  # 2^-16 J, as AMD counts
    m.add("pkg0", {"intel-rapl:0": "package-0"}, unit, near_the_end(unit, 200))
    m.add("core0", {"intel-rapl:0:0": "core"}, unit, 5)
    m.add("pkg1", {"intel-rapl:1": "package-1"}, unit, 99)
    m.add("core1", {"intel-rapl:1:0": "core"}, unit, 7)
    replay = Replay.begin(m)
    assert [c.domain for c in replay.selection.counters] == ["cpu"]
    rng = random.Random(5)
    for _ in range(100):
        replay.tick(random_steps(m.zones, rng))
    spent_uj = m.zones["pkg0"].spent_uj + m.zones["pkg1"].spent_uj
    assert replay["cpu"].energy_j[-1] * 1e6 == pytest.approx(spent_uj, abs=2)
    assert m.zones["pkg0"].raw < 2**31  # it did wrap
    assert any(r.name == "rapl ram" for r in replay.selection.rejected)


STEPS = {"pkg0": 16_384, "pkg1": 32_768, "dram0": 6536, "dram1": 6536}  # 10, 20, 1 and 1 W


def vanish(m: Machine) -> Iterator[None]:
    kept = m.file("pkg1")
    kept.unlink()
    yield
    kept.touch()
    m.zones["pkg1"].show()


def text(m: Machine) -> Iterator[None]:
    m.file("pkg1").write_text("N/A\n")
    yield


def empty(m: Machine) -> Iterator[None]:
    m.file("pkg1").write_text("")
    yield


def unreadable(m: Machine) -> Iterator[None]:
    file = m.file("pkg1")
    file.unlink()
    file.mkdir()
    yield
    file.rmdir()
    file.touch()
    m.zones["pkg1"].show()


def backwards(m: Machine) -> Iterator[None]:
    """A reset: the register starts again from somewhere low, and goes on from there."""
    m.zones["pkg1"].raw = 100
    m.zones["pkg1"].show()
    yield


def both_at_once(m: Machine) -> Iterator[None]:
    """The machine slept: all registers start again."""
    for key in ("pkg0", "pkg1"):
        m.zones[key].raw = 1_000_000
        m.zones[key].show()
    yield


def ahead(m: Machine) -> Iterator[None]:
    """A misread: a value that no package can have reached."""
    m.zones["pkg1"].raw += REGISTER // 2
    m.zones["pkg1"].show()
    yield


@pytest.mark.parametrize(
    ("harm", "gaps"),
    [(vanish, 3), (unreadable, 3), (text, 1), (empty, 1), (backwards, 1), (both_at_once, 1), (ahead, 1)],
    ids=lambda x: getattr(x, "__name__", str(x)),
)
def test_what_befalls_a_counter_is_a_gap_and_a_notice_and_never_zero_and_never_a_jump(
    xeon: Machine, harm: Callable[[Machine], Iterator[None]], gaps: int
) -> None:
    xeon.zones["pkg0"].raw, xeon.zones["pkg1"].raw = 100_000_000, 200_000_000
    replay = Replay.begin(xeon)
    for _ in range(10):
        replay.tick(STEPS)
    doing = harm(xeon)
    next(doing)
    # Harmed between two ticks. What holds text is text until the driver writes again, one tick later.
    xeon.now_ns += TICK_NS
    replay.sampler.sample()
    for _ in range(gaps - 1):
        replay.tick({"pkg0": STEPS["pkg0"], "dram0": STEPS["dram0"], "dram1": STEPS["dram1"]})
    next(doing, None)
    for _ in range(10):
        replay.tick(STEPS)
    cpu, memory = replay["cpu"], replay["ram"]
    assert len(cpu.gaps) == gaps
    assert all(g.reason and g.remedy for g in cpu.gaps)
    assert len(cpu.t_ns) == 1 + 10 + 10
    # Both packages draw 30 W. Across the gap the sum may have less, as what happened in it is unknown, but no more.
    steps_j = [b - a for a, b in zip(cpu.energy_j, cpu.energy_j[1:], strict=False)]
    assert [s for i, s in enumerate(steps_j) if i != 10] == pytest.approx([3.0] * 19, abs=1e-4)
    assert 0 <= steps_j[10] <= 3.0 * (gaps + 1) + 1e-4
    # The other domain has nothing to do with it.
    assert memory.gaps == []
    # The gap is priced by the model, with a notice: neither 0 nor what the counter says across it.
    lane = Lane("main", "boot-1", start_ns=cpu.t_ns[0], end_ns=cpu.t_ns[-1])
    shares = counter_shares(
        cpu,
        replay.sampler.busy,
        [lane],
        IdlePower(5.0, Basis.MEASURED, 20, "a test"),
        fallback=replay.selection.cpu_model,
        boot_id="boot-1",
    )
    model = replay.selection.cpu_model
    gap_s = (gaps + 1) * TICK_NS / 1e9
    gap_j = (model.active_w.central * 4 + model.idle_w_per_cpu.central * model.n_cpu) * gap_s
    assert shares.metered_j == pytest.approx(19 * 3.0 + gap_j, rel=1e-4)
    assert [n.code for n in shares.notices] == ["counter-gap"]
    assert cpu.gaps[0].reason in shares.notices[0].message
