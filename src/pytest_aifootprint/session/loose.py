"""Tests that a plugin runs together on one event loop, outside of ``pytest_runtest_protocol``."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from typing import Any

import pytest

from pytest_aifootprint.session.running import Running
from pytest_aifootprint.session.windows import OpenTest

_CALLS = "aifootprint-loose-calls"
_LOOSE = "aifootprint-loose"
_RUN_BY = ("pytest_runtestloop", "pytest_runtest_protocol")
# The worker of xdist is a module that execnet sends: it has this name.
_CHAINED = ("_pytest.", "xdist.", "__channelexec__")


class LooseWatch:
    """Registers ``LooseTests`` where a plugin runs tests itself, not pytest or xdist: its hooks cost every test."""

    def __init__(self, loose: LooseTests) -> None:
        """Take what is to be registered."""
        self._loose = loose

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """All plugins and conftests are known now."""
        manager = session.config.pluginmanager
        if not manager.has_plugin(_LOOSE) and any(map(_runs_tests, _implementations(session.config))):
            manager.register(self._loose, _LOOSE)


def _implementations(config: pytest.Config) -> Iterator[Any]:
    for name in _RUN_BY:
        yield from getattr(config.hook, name).get_hookimpls()


def _runs_tests(implementation: Any) -> bool:
    if implementation.wrapper or implementation.hookwrapper:
        return False
    return not str(getattr(implementation.function, "__module__", "")).startswith(_CHAINED)


class LooseTests:
    """Opens and closes such tests by the hooks that frame every test."""

    def __init__(self, running: Running, leave: Callable[[OpenTest], None]) -> None:
        """Take the running half of this process, and what is done with a test that is over."""
        self._running = running
        self._leave = leave

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """A test that nobody has opened."""
        running = self._running
        only = running.windows.only
        if (only is not None and only.run.nodeid == nodeid) or running.windows.find(nodeid) is not None:
            return
        if running.config is not None and not running.config.pluginmanager.has_plugin(_CALLS):
            running.config.pluginmanager.register(LooseCalls(running), _CALLS)
        run = running.new_run(nodeid)
        running.enter(run, loose=True)
        running.own(run)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> None:
        """The teardown of such a test begins: nothing chained it to the phase before."""
        windows = self._running.windows
        test = None if windows.only is not None else windows.find(item.nodeid)
        if test is not None and test.loose:
            windows.begin(test)

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """The end of such a test."""
        windows = self._running.windows
        test = None if windows.only is not None else windows.find(nodeid)
        if test is not None and test.loose:
            self._leave(test)


class LooseCalls:
    """The call phase of such a test begins and ends in its own task. Registered when the first such test begins."""

    def __init__(self, running: Running) -> None:
        """Take the running half of this process."""
        self._running = running

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        """Entered inside the test's task, by plugins that let the wrappers of this hook see their tests."""
        __tracebackhide__ = True
        windows = self._running.windows
        test = windows.find(item.nodeid)
        if test is None or not test.loose:
            return (yield)
        self._running.own(test.run)
        windows.begin(test)
        try:
            return (yield)
        finally:
            windows.pause(test)
