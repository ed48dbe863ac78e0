"""What every process that runs tests has: lane, clock, recorder, runner; and what is done to its markers."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable
from typing import TYPE_CHECKING, Any

import pytest

from pytest_aifootprint.attribution.cputree import CpuTree
from pytest_aifootprint.attribution.lanes import Lane
from pytest_aifootprint.attribution.servers import LocalServers
from pytest_aifootprint.detection.patching import Seams
from pytest_aifootprint.detection.recorder import Recorder
from pytest_aifootprint.meters.boot import boot_id
from pytest_aifootprint.options import MARKER, option_error
from pytest_aifootprint.options.marks import marker_limits
from pytest_aifootprint.quantities import Basis
from pytest_aifootprint.quantities.unfaked import REAL
from pytest_aifootprint.records.raw import TestRun
from pytest_aifootprint.session.children import Children
from pytest_aifootprint.session.clock import EdgeClock
from pytest_aifootprint.session.dispatch import runners_calls
from pytest_aifootprint.session.fixture_hooks import FixtureHooks
from pytest_aifootprint.session.loose import LooseTests, LooseWatch
from pytest_aifootprint.session.runner import TestRunner
from pytest_aifootprint.session.running import Running
from pytest_aifootprint.session.selection import LeftOut

if TYPE_CHECKING:
    from pytest_aifootprint.session.scoping import MarkScopes
    from pytest_aifootprint.session.subprocesses import Subprocesses
    from pytest_aifootprint.timeline.sampler import Sampler

RUNNER = "aifootprint-runner"
ALONE = "main"
# An error of ours becomes a notice; our own test suite sets this to see it raised.
RAISE = "PYTEST_AIFOOTPRINT_RAISE"


def must_raise() -> bool:
    """Whether errors of ours are raised: in our own test suite only."""
    return os.environ.get(RAISE) == "1"


def told(error: Exception) -> str:
    """An exception of somebody else's as a phrase, whatever its own text does."""
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:  # noqa: BLE001 - nothing is said of it but its kind
        return type(error).__name__


class RunningPart:
    """The half of a role that runs tests.

    Attributes:
        subprocesses: watched children of this process, None if they are not. unseen_programs: at the end, names of
            Python programs and of others whose calls could not be seen, with their number.
        before_end: called before a window ends; None for nothing.
        left_out: counts tests that were collected and taken away again.
        lane: the spans of this process. recorder, seams: detection. clock: wall and CPU time at an edge.
    """

    def __init__(self, recorder: Recorder, seams: Seams, worker: str = ALONE) -> None:
        """Start this process's clock: metering begins here."""
        self.recorder = recorder
        recorder.own_ns = 0  # until here it is a part of arming
        recorder.servers = LocalServers(controller=None if worker == ALONE else REAL.getppid())
        self.seams = seams
        self.lane = Lane(worker, boot_id(), start_ns=REAL.monotonic_ns())
        self.tree = tree = CpuTree()
        recorder.tree_cpu_ns = tree.now_ns
        self.clock = EdgeClock(tree.now_ns, detection=recorder, quick_ns=tree.quick_ns)
        self.children = Children(tree)
        self.left_out = LeftOut()
        self.subprocesses: Subprocesses | None = None
        self.before_end: Callable[[], None] | None = None
        self.unseen_programs: tuple[dict[str, int], dict[str, int]] = ({}, {})
        self.runner: TestRunner | None = None
        self.markers: Markers | None = None
        self._config: pytest.Config | None = None
        self._seams_at_end: dict[str, str] | None = None

    def begin(
        self,
        config: pytest.Config,
        on_test: Callable[[TestRun], None],
        on_report: Callable[[pytest.TestReport, TestRun], None] | None = None,
        scopes: MarkScopes | None = None,
    ) -> None:
        """Register the hooks."""
        self._config = config
        running = Running(self.lane, self.clock, self.recorder, self.children)
        running.config = config
        running.subprocesses = self.subprocesses
        running.windows.before_end = self.before_end
        self.runner = TestRunner(running, on_test, on_report)
        self.runner.calls = runners_calls()
        config.pluginmanager.register(self.left_out, "aifootprint-left-out")
        config.pluginmanager.register(self.runner, RUNNER)
        config.pluginmanager.register(FixtureHooks(running), "aifootprint-fixtures")
        loose = LooseTests(running, self.runner.leave)
        config.pluginmanager.register(LooseWatch(loose), "aifootprint-loose-watch")
        self.markers = Markers(self.runner, self.clock, scopes, in_worker=hasattr(config, "workerinput"))
        config.pluginmanager.register(self.markers, "aifootprint-markers")

    def end(self) -> None:
        """No more tests: close the lane, undo the patches. May be called twice."""
        if self._seams_at_end is not None:
            return
        self.recorder.flush(None)
        if self.subprocesses is not None:
            self.unseen_programs = self.subprocesses.stop()
        self.children.window_again(self.clock.edge()[0])
        self.lane.flat_pieces.extend(self.children.flat_pieces)
        self.lane.end_ns = REAL.monotonic_ns()
        self.lane.plugin_ns = self.clock.own_ns()
        self.tree.close()
        self._seams_at_end = self.seams.status()
        self.seams.disarm()

    @property
    def strangers(self) -> int:
        """Tests that reported in this process but ran in another that nobody meters."""
        return self.runner.strangers if self.runner is not None else 0

    @property
    def coarse(self) -> bool:
        """Some child's CPU could not be read by a clock."""
        return self.tree.basis is not Basis.MEASURED

    def seams_status(self) -> dict[str, str]:
        """Seam name to what became of it."""
        return self._seams_at_end if self._seams_at_end is not None else self.seams.status()

    def sample_cpu(self) -> Sampler:
        """Note this process's CPU clock on the grid on which another process reads the counters. Started."""
        from pytest_aifootprint.timeline.sampler import Sampler

        sampler = Sampler((), lambda: None, self.tick, threaded=True)
        self.clock.watch_threads(lambda: sampler.cpu_ns)
        sampler.start()
        return sampler

    def tick(self, t_ns: int) -> None:
        """Note this process's CPU clock: called by the sampler, only where there is a counter."""
        own = self.clock.own_ns()
        self.lane.flat_ticks.extend((t_ns, self.clock.edge()[1], own))


class Markers:
    """Reads the marks of tests once they are known, so that no test pays for it while it runs.

    Attributes:
        scopes: which tests the user's expressions of marks mean; None without such limits.
    """

    def __init__(
        self, runner: TestRunner, clock: EdgeClock, scopes: MarkScopes | None = None, *, in_worker: bool = False
    ) -> None:
        """Take the runner that wants them, and the clock that keeps account of what we use."""
        self._runner = runner
        self._clock = clock
        runner.late_mark = lambda item: merged_mark(item, {})
        self.scopes = scopes
        self._in_worker = in_worker
        self.usage_error: str | None = None

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(
        self, session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
    ) -> Generator[None, object, object]:
        """Merge each test's ``aifootprint`` marks, the nearest winning, and find out which tests expressions mean.

        Behind all other plugins: a conftest may add marks in this very hook. Those of tests that are not to run are
        read, too: what is wrong in a mark is wrong whatever -k says.

        Raises:
            pytest.UsageError: for a mark that cannot be read, before any test runs. An error in a worker would reach
                nobody: there the tests are taken away, and the controller says why.
        """
        collected = list(items)
        result = yield
        try:
            self._clock.book(self._merge, dict.fromkeys((*collected, *items)))
            if self.scopes is not None:
                self._look(session, config, collected, items)
        except pytest.UsageError as error:
            if not self._in_worker:
                raise
            self.usage_error = str(error)
            items.clear()
        return result

    def _look(
        self, session: pytest.Session, config: pytest.Config, collected: list[pytest.Item], items: list[pytest.Item]
    ) -> None:
        from pytest_aifootprint.session.scoping import registered_marks

        assert self.scopes is not None
        everything = dict.fromkeys((*collected, *items))
        registered = registered_marks(config)
        self._runner.scopes = self.scopes.look(everything, items, registered, whole=not session.testsfailed)

    def _merge(self, items: Iterable[pytest.Item]) -> None:
        known: dict[int, None] = {}
        # Tests of one module or class have its marks in common: nodes are asked once, not once for each of their tests.
        of_parents: dict[pytest.Collector | None, bool] = {}
        for item in items:
            parent = item.parent
            inherited = of_parents.get(parent)
            if inherited is None:
                inherited = of_parents[parent] = parent is not None and any(parent.iter_markers(MARKER))
            if not inherited and not any(mark.name == MARKER for mark in item.own_markers):
                continue
            merged = merged_mark(item, known)
            if merged is not None:
                self._runner.markers[item] = merged


def merged_mark(item: pytest.Item, known: dict[int, None]) -> dict[str, Any] | None:
    """The keywords of a test's ``aifootprint`` marks, the nearest winning; None without any.

    Args:
        item: the test.
        known: marks that were read before and need no look; gets those of this test.

    Raises:
        pytest.UsageError: for a mark that cannot be read.
    """
    marks = list(item.iter_markers(MARKER))
    if not marks:
        return None
    merged: dict[str, Any] = {}
    for mark in reversed(marks):
        if id(mark) not in known:
            try:
                marker_limits(mark.kwargs, mark.args)
            except ValueError as error:
                raise option_error(f"@pytest.mark.{MARKER}", f"mark of {item.nodeid}", str(error)) from None
            known[id(mark)] = None
        # Only what survives the wire between workers; marker_limits reads numbers and text alike.
        merged |= {k: v if v is None or isinstance(v, (bool, int)) else str(v) for k, v in mark.kwargs.items()}
    return merged
