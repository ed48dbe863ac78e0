"""Extension points, in pairs: replace what we would do, or amend what we did."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_aifootprint.detection.calls import AICall
    from pytest_aifootprint.records.model import RunFootprint


@pytest.hookspec(firstresult=True)
def pytest_aifootprint_grid(config: pytest.Config) -> str | None:
    """Replace the default grid of this machine, where no option names one.

    Return what ``--aifootprint-grid`` would take ("FRA", "56 g/kWh", ...), or None to leave it to the next.
    """


@pytest.hookspec
def pytest_aifootprint_call(config: pytest.Config, nodeid: str, call: AICall) -> None:
    """Use or amend an AI call that was seen: in the process that ran the test, at the end of the phase that it ran in.

    A plugin that knows more than the wire tells (tokens of a client whose answers we cannot read, the name behind an
    alias) sets it on ``call``. Equal calls inside the process are one row, told of when its first phase ends. Calls
    outside every test are not told of. An exception becomes a notice and changes no result.
    """


@pytest.hookspec
def pytest_aifootprint_footprint(config: pytest.Config, footprint: RunFootprint) -> None:
    """Use the footprint of the finished run: called once, before the reports are written, in the process that prints.

    ``footprint`` is frozen; an exception becomes a notice and changes no result.
    """
