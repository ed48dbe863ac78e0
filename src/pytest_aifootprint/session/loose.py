"""Tests that a plugin runs together on one event loop, outside of ``pytest_runtest_protocol``."""

from __future__ import annotations

from collections.abc import Callable, Generator

import pytest

from pytest_aifootprint.detection.recorder import Owner
from pytest_aifootprint.session.windows import Windows


class LooseCalls:
    """The call phase of such a test begins and ends in its own task. Registered when the first such test begins."""

    def __init__(self, windows: Windows, own: Callable[[Owner], None]) -> None:
        """Take the windows, and what makes a test the owner of the calls in the running context."""
        self._windows = windows
        self._own = own

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        """Entered inside the test's task, by plugins that let the wrappers of this hook see their tests."""
        __tracebackhide__ = True
        test = self._windows.find(item.nodeid)
        if test is None or not test.loose:
            return (yield)
        self._own(test.run)
        self._windows.begin(test)
        try:
            return (yield)
        finally:
            self._windows.pause(test)
