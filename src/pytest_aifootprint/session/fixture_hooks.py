"""The hooks of shared fixtures: each set-up and teardown is a window of its own, inside the test that triggers it."""

from __future__ import annotations

from collections.abc import Generator
from functools import partial
from typing import Any

import pytest

from pytest_aifootprint.attribution.fixtures import FixtureKey
from pytest_aifootprint.records.raw import FixtureWindow
from pytest_aifootprint.session.running import Running


class FixtureHooks:
    """Nested windows of fixtures of wider than function scope."""

    def __init__(self, running: Running) -> None:
        """Take the running half of this process."""
        self._running = running

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_fixture_setup(
        self, fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
    ) -> Generator[None, object, object]:
        """The set-up of a fixture of wider than function scope is a window of its own."""
        __tracebackhide__ = True
        if fixturedef.scope == "function" or (test := self._running.windows.here()) is None:
            return (yield)
        key, before = self._running.users.setting_up(fixturedef, request)
        if key not in test.run.users_of:
            test.run.users_of.append(key)
        self._open(key, fixturedef.scope, "setup")
        try:
            return (yield)
        finally:
            self._close(key, "setup")
            self._running.users.set_up(fixturedef, request, before)
            # There is an end hook for a teardown but none for its begin: the finalizer added last runs first.
            fixturedef.addfinalizer(partial(self._open, key, fixturedef.scope, "teardown"))

    def pytest_fixture_post_finalizer(self, fixturedef: pytest.FixtureDef[Any]) -> None:
        """The end of a shared fixture's teardown."""
        if fixturedef.scope != "function" and (key := self._running.users.keys.get(fixturedef)) is not None:
            self._close(key, "teardown")

    def _open(self, key: FixtureKey, scope: str, kind: str) -> None:
        test = self._running.windows.here()
        if test is None:
            return
        window = FixtureWindow(self._running.new_owner(), key, scope, kind, test.run.nodeid)
        self._running.windows.open_fixture(test, window)
        self._running.own(window)

    def _close(self, key: FixtureKey, kind: str) -> None:
        test = self._running.windows.here()
        if test is None:
            return
        position = next((i for i, w in enumerate(test.stack) if (w.key, w.kind) == (key, kind)), None)
        if position is None:
            return
        # A window above it that never closed (its teardown raised) ends here, too.
        for window in self._running.windows.close_fixture(test, position):
            self._running.recorder.flush(window)
            self._running.tell_of(window.calls, test.run.nodeid)
            window.closed = True
            window.tally.clear()
            test.run.windows.append(window)
            self._running.children.started_by(window.index)
        self._running.own(test.stack[-1] if test.stack else test.run)
