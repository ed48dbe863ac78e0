"""A tracker of codecarbon around every test, as the first example of its documentation has it; offline."""

from __future__ import annotations

from collections.abc import Generator

import pytest
from codecarbon import OfflineEmissionsTracker


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol() -> Generator[None, object, object]:
    """All phases of a test."""
    with OfflineEmissionsTracker(country_iso_code="FRA", save_to_file=False, log_level="critical"):
        return (yield)
