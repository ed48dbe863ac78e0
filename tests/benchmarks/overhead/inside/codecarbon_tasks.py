"""codecarbon's task API around every test: one tracker of the process, offline."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest
from codecarbon import OfflineEmissionsTracker


class Tasks:
    """A task for each test."""

    def __init__(self) -> None:
        """Start the tracker."""
        self.tracker: Any = OfflineEmissionsTracker(
            country_iso_code="FRA", tracking_mode="process", save_to_file=False, log_level="critical"
        )

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """All phases of a test."""
        self.tracker.start_task(item.nodeid)
        try:
            return (yield)
        finally:
            self.tracker.stop_task(item.nodeid)


def pytest_sessionstart(session: pytest.Session) -> None:
    """Before tests are collected."""
    session.config.pluginmanager.register(Tasks())
