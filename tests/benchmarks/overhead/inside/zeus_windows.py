"""A window of zeus around every test."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest
from zeus.monitor import ZeusMonitor


class Windows:
    """A window for each test."""

    def __init__(self) -> None:
        """Without devices: zeus raises where it is asked for one that is not there."""
        self.monitor: Any = ZeusMonitor(gpu_indices=[], cpu_indices=[])

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """All phases of a test."""
        self.monitor.begin_window(item.nodeid)
        try:
            return (yield)
        finally:
            self.monitor.end_window(item.nodeid)


def pytest_sessionstart(session: pytest.Session) -> None:
    """Before tests are collected."""
    session.config.pluginmanager.register(Windows())
