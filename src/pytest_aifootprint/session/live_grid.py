"""The grid of this machine in this hour: asked for once, before any window, by the process that prints."""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Mapping
from typing import Any

import pytest

from pytest_aifootprint.catalogue import Catalogue, default_catalogue
from pytest_aifootprint.catalogue.electricitymaps import (
    BASE_URL,
    TOKEN_VARIABLE,
    LiveError,
    LiveIntensity,
    ask,
    named_zone,
    read_answer,
)
from pytest_aifootprint.impacts.contract import Grid
from pytest_aifootprint.impacts.grids import average_grid, live_grid, place_named_by

URL_VARIABLE = "PYTEST_AIFOOTPRINT_ELECTRICITYMAPS_URL"
"""Another address of the service: for tests."""

CACHE = "aifootprint/electricitymaps"
_FRESH_S = 3600.0
_KEPT = ("zone", "carbonIntensity", "datetime", "emissionFactorType", "isEstimated")


def electricity_maps(
    text: str, config: pytest.Config, environ: Mapping[str, str], catalogue: Catalogue | None = None, *, runs: bool
) -> Grid:
    """The grid that Electricity Maps tells, at most an hour old; whatever goes wrong, the average with a notice.

    Asks the network only with the user's token, and only if pytest's cache has no answer of the last hour.

    Args:
        text: ``electricitymaps`` or ``electricitymaps/FR``.
        config: whose cache is used.
        environ: has the token, and may name the place.
        catalogue: whose ranges are used; None: the one that ships.
        runs: tests will run; else nobody is asked, and the average stands in.

    Raises:
        ZoneError: one line, if the zone is none, or nobody tells it.
    """
    named = place_named_by(environ)
    zone = named_zone(text, named[0] if named is not None else None)
    catalogue = catalogue if catalogue is not None else default_catalogue()
    if not runs:
        return average_grid(zone, "no test runs", catalogue)
    token = environ.get(TOKEN_VARIABLE, "").strip()
    try:
        live = _remembered(config, zone) if token else None
        if live is None:
            live = ask(zone, token, environ.get(URL_VARIABLE, BASE_URL))
            _remember(config, live)
    except LiveError as error:
        return average_grid(zone, str(error), catalogue)
    return live_grid(live, catalogue)


def _remembered(config: pytest.Config, zone: str) -> LiveIntensity | None:
    try:
        kept = _kept(config)[zone]
        if not 0 <= time.time() - kept["asked_at"] < _FRESH_S:
            return None
        return read_answer(json.dumps(kept["answer"]), zone)
    except (KeyError, TypeError, ValueError):
        # Nothing there, or nothing of ours: asked again.
        return None


def _remember(config: pytest.Config, live: LiveIntensity) -> None:
    cache = getattr(config, "cache", None)
    if cache is None:
        return  # -p no:cacheprovider
    factor = None if live.lifecycle is None else "lifecycle" if live.lifecycle else "direct"
    answer = dict(zip(_KEPT, (live.zone, live.g_per_kwh, live.hour, factor, live.estimated), strict=True))
    with warnings.catch_warnings():
        # A folder that cannot be written is no concern of a run that has its figure.
        warnings.simplefilter("ignore")
        cache.set(CACHE, {**_kept(config), live.zone: {"asked_at": time.time(), "answer": answer}})


def _kept(config: pytest.Config) -> dict[str, Any]:
    cache = getattr(config, "cache", None)
    kept = cache.get(CACHE, {}) if cache is not None else {}
    return kept if isinstance(kept, dict) else {}
