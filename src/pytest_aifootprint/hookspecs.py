"""Extension points, in pairs: replace what we would do (the first answer counts), or amend what we did.

What replaces or amends a figure is asked once for each, in the process that prices, before anything is priced: from
plugins and from the ``conftest.py`` of the root folder. Each answer says where it is from; without source and year it
is refused. A hook that raises or whose answer is not valid becomes the notice ``hook-failed``, the shipped figure
stands, and no budget passes. ``docs/reference/hooks.md`` has an example of each.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pytest_aifootprint.detection.calls import AICall
    from pytest_aifootprint.records.model import RunFootprint


@pytest.hookspec(firstresult=True)
def pytest_aifootprint_factor(
    config: pytest.Config, table: str, key: str, row: Mapping[str, Any]
) -> Mapping[str, Any] | None:
    """Replace a row of the catalogue.

    Args:
        config: of this run.
        table: ``factor``, ``class``, ``machine`` or ``provider``.
        key: of the row, as in the data file: ``standby``, ``chat``, ``vm``, ``openai``.
        row: a copy of the shipped row.

    Return every figure of the row with ``source`` and ``year``, or None to leave it to the next.
    """


@pytest.hookspec
def pytest_aifootprint_update_factor(config: pytest.Config, table: str, key: str, row: dict[str, Any]) -> None:
    """Amend a row of the catalogue: change figures in ``row``, and its ``source`` with them. Arguments as above."""


@pytest.hookspec(firstresult=True)
def pytest_aifootprint_grid(config: pytest.Config) -> str | Mapping[str, Any] | None:
    """Replace the default grid of this machine, where no option names one.

    Return what ``--aifootprint-grid`` would take ("FRA", "56 g/kWh", ...), or a table with ``g_per_kwh`` (a number or
    [low, central, high]), ``source``, ``year`` and, if wanted, ``zone`` and ``l_per_kwh``, the water of its power
    plants; or None to leave it to the next.
    """


@pytest.hookspec(firstresult=True)
def pytest_aifootprint_provider_grid(config: pytest.Config, provider: str, zone: str) -> str | Mapping[str, Any] | None:
    """Replace the grid that a remote provider runs on.

    Args:
        config: of this run.
        provider: its key in the catalogue; ``unknown`` for all that have no row.
        zone: that ships.

    Return the name of a zone, a table as for ``pytest_aifootprint_grid``, or None. A bare number has no source.
    """


@pytest.hookspec
def pytest_aifootprint_update_grid(config: pytest.Config, place: str, grid: dict[str, Any]) -> None:
    """Amend a grid: change ``g_per_kwh`` or ``l_per_kwh`` in ``grid``, and ``source`` and ``year`` with them.

    Args:
        config: of this run.
        place: ``local`` for this machine, else the provider's key.
        grid: ``zone``, ``g_per_kwh`` and ``l_per_kwh`` as [low, central, high], ``source``, ``year``.
    """


@pytest.hookspec(firstresult=True)
def pytest_aifootprint_model(config: pytest.Config, name: str, found: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Say of a model what ``[tool.aifootprint.models."name"]`` would, where no table there does.

    Args:
        config: of this run.
        name: as the call has it.
        found: what is known of it: ``id``, ``kind``, ``active_b``, ``total_b``, ``source``.

    Return a table with the keys that are valid there (``params``, ``training_kwh``, ...), or None.
    """


@pytest.hookspec
def pytest_aifootprint_update_model(
    config: pytest.Config, name: str, found: Mapping[str, Any], model: dict[str, Any]
) -> None:
    """Amend what was said of a model: ``model`` is the table, empty where nobody said anything. Arguments as above."""


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
