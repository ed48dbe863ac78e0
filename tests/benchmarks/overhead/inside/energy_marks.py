"""pytest-energy-reporter measures marked tests: marks all."""

from __future__ import annotations

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The mark, with the plugin's own number of iterations."""
    for item in items:
        item.add_marker(pytest.mark.energy)
