"""What the hooks of a process that runs tests work with: its lane, windows and owners, and who is told of calls."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from pytest_aifootprint.attribution.lanes import Lane
from pytest_aifootprint.detection.amended import CALL_HOOK, amend
from pytest_aifootprint.detection.believed import disbelieve
from pytest_aifootprint.detection.calls import AICall
from pytest_aifootprint.detection.recorder import Owner, Recorder
from pytest_aifootprint.records.raw import TestRun
from pytest_aifootprint.session.children import Children
from pytest_aifootprint.session.clock import EdgeClock
from pytest_aifootprint.session.users import FixtureUsers
from pytest_aifootprint.session.windows import OpenTest, Windows

if TYPE_CHECKING:
    from pytest_aifootprint.session.subprocesses import Subprocesses


class Running:
    """The running half of a process, as its hooks share it.

    Attributes:
        lane: where the spans go. clock, windows: edges. recorder: calls, and whom they belong to.
        children: what living children use between tests. users: which tests use which shared fixtures.
        subprocesses: watched children, None if they are not. config: whose hooks are called.
    """

    def __init__(self, lane: Lane, clock: EdgeClock, recorder: Recorder, children: Children) -> None:
        """Take what the process has."""
        self.lane = lane
        self.clock = clock
        self.recorder = recorder
        self.children = children
        self.users = FixtureUsers()
        self.subprocesses: Subprocesses | None = None
        self.config: pytest.Config | None = None
        self._owners = 0
        self.windows = Windows(clock, self.new_owner)

    def new_owner(self) -> int:
        """The next owner number of the lane."""
        self._owners += 1
        return self._owners - 1

    def new_run(self, nodeid: str) -> TestRun:
        """The record of a test that begins."""
        return TestRun(self.new_owner(), nodeid, self.lane.worker)

    def own(self, owner: Owner | None) -> None:
        """From here on calls in this context, and such as have none, belong to this owner."""
        self.recorder.current = owner
        self.recorder.context.set(owner)

    def enter(self, run: TestRun, *, loose: bool = False) -> OpenTest:
        """A test begins."""
        test, alone = self.windows.enter(run, loose=loose)
        if alone:
            self.children.window_again(test.edge[0])
        return test

    def tell(self, test: OpenTest) -> None:
        """Tell other plugins of the calls of a test that they have not been told of."""
        calls, test.told = test.run.calls[test.told :], len(test.run.calls)
        self.tell_of(calls, test.run.nodeid)

    def tell_of(self, calls: list[AICall], nodeid: str) -> None:
        """Tell other plugins of calls. Their errors are kept for the report."""
        if not calls or self.config is None or not self.config.hook.pytest_aifootprint_call.get_hookimpls():
            return
        ask = partial(self.config.hook.pytest_aifootprint_call, config=self.config, nodeid=nodeid)
        for call in calls:
            try:
                for line in amend(call, lambda told: ask(call=told)):
                    self.recorder.error(CALL_HOOK, ValueError(line))
            except Exception as error:  # noqa: BLE001 - another plugin's error changes no result
                self.recorder.error(CALL_HOOK, error)
            disbelieve(call)  # a count that is none would not even reach the process that prices
