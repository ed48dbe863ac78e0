"""One machine with everything at once, whose truth is scripted.

Two packages of which one wraps around, a neighbour, two workers, three overlapping windows on one of them, and on the
other a child that lives through three tests.

The counters are files that the real RAPL reader reads; the sampler, the windows and the attribution are the real ones.
Only the clocks are scripted.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path

import pytest

from pytest_aifootprint.attribution.balance import TOLERANCE, Balance, Kind, balance, check
from pytest_aifootprint.attribution.counters import counter_shares
from pytest_aifootprint.attribution.fixtures import FixtureKey
from pytest_aifootprint.attribution.idle import IdlePower
from pytest_aifootprint.attribution.lanes import Lane
from pytest_aifootprint.attribution.shares import DomainShares, OwnerKey
from pytest_aifootprint.meters.powercap import PowercapMeter, find_powercap
from pytest_aifootprint.quantities import Basis
from pytest_aifootprint.quantities.unfaked import REAL
from pytest_aifootprint.records.raw import FixtureWindow, TestRun, book
from pytest_aifootprint.session.clock import EdgeClock
from pytest_aifootprint.session.windows import OpenTest, Windows
from pytest_aifootprint.timeline.busy import BusyTimes
from pytest_aifootprint.timeline.sampler import Sampler

S = 1_000_000_000
TICK = S // 10
IDLE_W = 30.0
WRAP_UJ = 262_143_328_850
MODULUS_UJ = WRAP_UJ * 2**32 / (2**32 - 1)  # the range is the register's last value, of 2**32
NEIGHBOUR = "neighbour"
Who = OwnerKey | str


class Kernel:
    """Time passes in steps; who works in a step, and at how many watts per CPU second, is the script."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.t_ns = 50 * S + 30_000_000  # inside a tick
        self.worked: dict[Who, float] = {}
        self.cpu_ns: dict[str, int] = {"gw0": 7 * S, "gw1": 3 * S}
        self.threads: dict[int, int] = {}
        self.busy_s = 1000.0
        self.truth: dict[Who, float] = {}
        self.idle_j = 0.0
        self.base = root / "sys/class/powercap"
        self.uj = [5_000_000_000.0, WRAP_UJ - 20_000_000.0]  # the second wraps after 20 J
        for n in range(2):
            zone = self.base / f"intel-rapl:{n}"
            zone.mkdir(parents=True)
            (zone / "name").write_text(f"package-{n}\n")
            (zone / "max_energy_range_uj").write_text(f"{WRAP_UJ}\n")
        self._write()
        monkeypatch.setattr(REAL, "monotonic_ns", lambda: self.t_ns)
        monkeypatch.setattr(REAL, "clock_gettime_ns", lambda clock: self.threads.get(~(clock >> 3), 0))
        meters, _ = find_powercap(root, clock=lambda: self.t_ns, pause=lambda _: self._draw(0.001, 0.002))
        (self.meter,) = meters
        self.ticks: list[Callable[[int], None]] = []
        self.sampler = Sampler(
            (self.meter,),
            lambda: BusyTimes(self.busy_s, 0.0),
            lambda t: [tick(t) for tick in self.ticks],
            clock=lambda: self.t_ns,
            thread_clock=lambda: 0,
        )

    def work(self, seconds: float, watts: float, **cpus: float) -> None:
        """``gw0=1.0``: so many CPUs are busy for that process. Stops at every tick for the sampler."""
        left = round(seconds * S)
        while left:
            step = min(left, TICK - self.t_ns % TICK)
            used = math.fsum(cpus.values()) * step / S
            self.t_ns += step
            self.busy_s += used
            for name, n in cpus.items():
                if name in self.cpu_ns:
                    self.cpu_ns[name] += round(n * step)
                self.worked[name] = self.worked.get(name, 0.0) + n * step / S * watts
            self._draw(IDLE_W * step / S * 0.25 + used * watts * 0.4, IDLE_W * step / S * 0.75 + used * watts * 0.6)
            self.idle_j += IDLE_W * step / S
            left -= step
            if self.t_ns % TICK == 0:
                self.sampler.sample()

    def _draw(self, *joules: float) -> None:
        self.uj = [uj + j * 1e6 for uj, j in zip(self.uj, joules, strict=True)]
        self._write()

    def _write(self) -> None:
        for n, uj in enumerate(self.uj):
            (self.base / f"intel-rapl:{n}" / "energy_uj").write_text(f"{round(uj % MODULUS_UJ)}\n")

    @contextmanager
    def owes(self, who: Who, name: str) -> Iterator[None]:
        """What the process uses in here, this owner owes."""
        before = self.worked.get(name, 0.0)
        yield
        self.truth[who] = self.truth.get(who, 0.0) + self.worked.get(name, 0.0) - before


class Worker:
    """A process that runs tests: the real windows on the kernel's clocks."""

    def __init__(self, kernel: Kernel, name: str) -> None:
        owners = count()
        self.name, self.kernel = name, kernel
        self.clock = EdgeClock(lambda: kernel.cpu_ns[name])
        self.windows = Windows(self.clock, lambda: next(owners))
        self.lane = Lane(name, "boot", kernel.t_ns)
        self.owners = owners
        kernel.ticks.append(lambda t: self.lane.flat_ticks.extend((t, self.clock.edge()[1], 0)))

    def start(self, nodeid: str) -> OpenTest:
        return self.windows.enter(TestRun(next(self.owners), nodeid, self.name))[0]

    def end(self, test: OpenTest) -> None:
        for phase in range(3):
            test.run.phase = ("setup", "call", "teardown")[phase]
            self.windows.cut(test, phase)
        self.windows.leave(test)
        book(self.lane, test.run)


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kernel:
    return Kernel(tmp_path, monkeypatch)


def scenario(kernel: Kernel) -> list[Lane]:
    """Who works when; every change of watts falls on a tick, because a tick has one price."""
    gw0, gw1 = Worker(kernel, "gw0"), Worker(kernel, "gw1")
    kernel.sampler.sample()
    kernel.work(0.07, 12.0, neighbour=1.0)
    # A child of gw0 lives through three tests; half of what its worker's clock counts is the child's.
    for n, seconds in enumerate((0.333, 0.05, 0.717)):
        test = gw0.start(f"child-{n}")
        with kernel.owes(("gw0", test.run.index), "gw0"):
            if n == 1:
                window = FixtureWindow(next(gw0.owners), FixtureKey("", "model", ""), "session", "setup", "child-1")
                gw0.windows.open_fixture(test, window)
                with kernel.owes(("gw0", window.index), "gw0"):
                    kernel.work(0.4, 12.0, gw0=2.0, neighbour=0.5)
                kernel.truth["gw0", test.run.index] = -kernel.truth["gw0", window.index]
                test.run.windows += gw0.windows.close_fixture(test, 0)
            kernel.work(seconds, 12.0, gw0=1.0, neighbour=3.0)
        gw0.end(test)
    assert kernel.t_ns % TICK == 0
    with ExitStack() as stack:
        pools = [stack.enter_context(ThreadPoolExecutor(1)) for _ in range(3)]
        ids = [pool.submit(threading.get_native_id).result() for pool in pools]
        beside = gw0.start("beside")
        opened: list[OpenTest] = []
        for n, pool in enumerate(pools):
            opened.append(pool.submit(gw1.start, f"thread-{n}").result())
            cpus = [0.5, 0.3, 0.2][: n + 1]
            with kernel.owes(("gw0", beside.run.index), "gw0"):
                kernel_threads(kernel, ids, cpus, opened)
        for test in opened:
            gw1.end(test)
        gw0.end(beside)
    kernel.work(0.2, 40.0)
    kernel.sampler.sample()
    for worker in (gw0, gw1):
        worker.lane.end_ns = kernel.t_ns
    return [gw0.lane, gw1.lane]


def kernel_threads(kernel: Kernel, ids: list[int], cpus: list[float], opened: list[OpenTest]) -> None:
    """A tick in which the open threads of gw1 work, and 0.1 CPUs more that no thread of a test used."""
    seconds, watts = 0.1, 25.0
    for thread, n in zip(ids, cpus, strict=False):
        kernel.threads[thread] = kernel.threads.get(thread, 0) + round(n * seconds * S)
    for test, n in zip(opened, cpus, strict=True):
        key = ("gw1", test.run.index)
        joules = (n + 0.1 / len(opened)) * seconds * watts
        kernel.truth[key] = kernel.truth.get(key, 0.0) + joules
    kernel.work(seconds, watts, gw0=0.25, gw1=sum(cpus) + 0.1, neighbour=1.5)


def shares_of(kernel: Kernel, lanes: list[Lane]) -> DomainShares:
    idle = IdlePower(IDLE_W, Basis.MEASURED, 100, "scripted")
    return counter_shares(kernel.sampler.readings["cpu"], kernel.sampler.busy, lanes, idle, fallback=None)


def kind(worker: str, owner: int) -> Kind:
    if (worker, owner) == ("gw0", 2):
        return "fixture"
    return "ai" if worker == "gw1" else "other"


def test_every_owner_and_every_term_gets_its_scripted_joules(kernel: Kernel) -> None:
    lanes = scenario(kernel)
    shares = shares_of(kernel, lanes)
    assert isinstance(kernel.meter, PowercapMeter)
    assert kernel.uj[1] > WRAP_UJ, "the second package wrapped around"
    assert not kernel.sampler.readings["cpu"].gaps
    assert dict(shares.owners) == pytest.approx(kernel.truth, rel=1e-6, abs=1e-6)
    terms = balance(shares, kind)
    by_kind = {
        k: math.fsum(j for key, j in kernel.truth.items() if kind(*key) == k) for k in ("ai", "fixture", "other")
    }
    assert terms.ai_tests_j == pytest.approx(by_kind["ai"], rel=1e-6)
    assert terms.shared_fixtures_j == pytest.approx(by_kind["fixture"], rel=1e-6)
    assert terms.other_tests_j == pytest.approx(by_kind["other"], rel=1e-6)
    assert terms.other_processes_j == pytest.approx(kernel.worked[NEIGHBOUR], rel=1e-6)
    assert terms.idle_j == pytest.approx(kernel.idle_j, rel=1e-6)
    assert terms.plugin_j == 0
    metered = math.fsum(j for name, j in kernel.worked.items()) + kernel.idle_j
    assert terms.metered_j == pytest.approx(metered, rel=1e-6)
    assert check(terms) <= TOLERANCE
    assert_no_term_below_zero(terms)


def test_the_order_in_which_workers_report_changes_nothing(kernel: Kernel) -> None:
    lanes = scenario(kernel)
    one, other = shares_of(kernel, lanes), shares_of(kernel, lanes[::-1])
    assert dict(one.owners) == pytest.approx(dict(other.owners), rel=1e-12)
    assert balance(one, kind).terms_j == pytest.approx(balance(other, kind).terms_j, rel=1e-12)


def assert_no_term_below_zero(terms: Balance) -> None:
    assert all(term >= 0 for term in terms.terms_j)
    assert terms.clamped_j == 0
