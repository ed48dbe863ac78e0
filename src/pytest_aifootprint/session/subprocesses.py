"""Watches Python processes that tests start: a folder for what they write, and the calls' way to their tests."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from pytest_aifootprint.attribution.lanes import PHASES
from pytest_aifootprint.detection.calls import LOAD, AICall
from pytest_aifootprint.detection.children.child import watch_forks
from pytest_aifootprint.detection.children.inbox import Inbox
from pytest_aifootprint.detection.children.site import UNWATCHED, make_folder, put_first, restore
from pytest_aifootprint.detection.children.spawns import Spawns
from pytest_aifootprint.detection.recorder import Recorder
from pytest_aifootprint.quantities.unfaked import REAL
from pytest_aifootprint.records.raw import EDGE_FIELDS, FixtureWindow, TestRun


class Subprocesses:
    """The children of this process that are watched, while the run lasts."""

    def __init__(self, recorder: Recorder) -> None:
        """Make the folder and put it on the children's path. Raises OSError."""
        self._pid = REAL.getpid()
        self._recorder = recorder
        self._folder = Path(tempfile.mkdtemp(prefix="aifootprint-"))
        make_folder(self._folder)
        self._before = put_first(os.environ, self._folder)
        self._inbox = Inbox(self._folder, recorder.error)
        self._spawns = Spawns(str(self._folder))
        watch_forks(recorder, str(self._folder))

    def deliver(self, run: TestRun) -> None:
        """Give a test the calls that its children wrote since the last time; those of shared fixtures to these."""
        for call in self._inbox.collect():
            call.inferred = not _give(call, run)

    def stop(self) -> tuple[dict[str, int], dict[str, int]]:
        """The last calls belong to no test; the folder goes.

        Returns:
            Names of Python programs that could not be watched, and of other programs that were started with an AI
            provider's address, each with its number.
        """
        self._spawns.stop()
        if REAL.getpid() != self._pid:
            return {}, {}  # a fork that ran on into pytest's end: the folder is its parent's
        self._recorder.forks_to = None
        for call in self._inbox.collect():
            call.phase = "outside"
            self._recorder.unowned.append(call)
        for note in self._folder.glob(f"*{UNWATCHED}"):
            self._spawns.unwatched[note.read_text(errors="replace")] += 1
        restore(os.environ, self._folder, self._before)
        shutil.rmtree(self._folder, ignore_errors=True)
        return dict(self._spawns.unwatched), dict(self._spawns.foreign)


def _give(call: AICall, run: TestRun) -> bool:
    """Put a call where its time says. Returns False if that is before this test began: then it is only inferred."""
    at = call.started_ns
    window = _innermost(run.windows, at)
    if window is not None:
        call.phase = window.phase
        (window.loads if call.operation == LOAD else window.calls).append(call)
        return True
    call.phase = run.phase
    edges = run.edges
    for i in range(0, len(edges), EDGE_FIELDS):
        if edges[i + 2] <= at < edges[i + 3]:
            call.phase = PHASES[edges[i + 1]]
    (run.loads if call.operation == LOAD else run.calls).append(call)
    return not edges or at >= edges[2]


def _innermost(windows: Sequence[FixtureWindow], at: int) -> FixtureWindow | None:
    inside = [window for window in windows if window.span[0] <= at < window.span[1]]
    return max(inside, key=lambda window: window.span[0], default=None)
