"""The pytest11 entry point. Imports pytest and the option table, nothing else: off means off."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING

import pytest

from pytest_aifootprint.options import MARKER_HELP, add_options, is_on, read_settings

if TYPE_CHECKING:
    from pytest_aifootprint.fixtures import Footprint
    from pytest_aifootprint.session import Metering

METERING: pytest.StashKey[Metering] = pytest.StashKey()
# Variables that somebody sets for one run, and not for good as a grid.
GATES = tuple(f"PYTEST_AIFOOTPRINT_{name}" for name in ("BUDGET", "BUDGETS", "TEST_BUDGET", "FAIL_ON_INCREASE"))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options."""
    add_options(parser)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Declare the extension points, so that a conftest may use them whether we are on or off."""
    from pytest_aifootprint import hookspecs

    pluginmanager.add_hookspecs(hookspecs)


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Read the settings and arm the seams before a conftest can import a client library."""
    if is_on(early_config):
        began_ns = time.thread_time_ns()
        settings = read_settings(early_config)
        from pytest_aifootprint.session import Metering

        early_config.stash[METERING] = metering = Metering.arm(early_config, settings)
        metering.arming_ns = time.thread_time_ns() - began_ns


def pytest_configure(config: pytest.Config) -> None:
    """Pick the role: a worker knows that it is one only now."""
    config.addinivalue_line("markers", MARKER_HELP)
    metering = config.stash.get(METERING, None)
    if metering is not None:
        metering.start(config)
        return
    # With -q, --no-header or without a terminal nobody asks for the header.
    hidden = getattr(config.option, "no_header", True) or config.option.verbose < 0
    line = _without_effect(config) if hidden and not hasattr(config, "workerinput") else None
    if line is not None:
        sys.stderr.write(f"{line}\n")


def pytest_report_header(config: pytest.Config) -> str | None:
    """Say so: a limit on the command line or in the environment without the switch is a gate that is not there."""
    return _without_effect(config)


def _without_effect(config: pytest.Config) -> str | None:
    if METERING in config.stash:
        return None
    options = [name for name, value in vars(config.option).items() if name.startswith("aifootprint_") and value]
    given = [f"--{name.replace('_', '-')}" for name in options]
    if config.option.aifootprint is None and not os.environ.get("PYTEST_AIFOOTPRINT", "").strip():
        given += [name for name in GATES if os.environ.get(name, "").strip()]
    return f"aifootprint: metering is off, {given[0]} has no effect; add --aifootprint" if given else None


def pytest_unconfigure(config: pytest.Config) -> None:
    """Undo every patch, also when the run broke off."""
    metering = config.stash.get(METERING, None)
    if metering is not None:
        metering.disarm()


@pytest.fixture
def aifootprint(request: pytest.FixtureRequest) -> Footprint:
    """What this test did with AI models so far; records calls that no seam can see. Harmless when metering is off."""
    metering = request.config.stash.get(METERING, None)
    if metering is not None and "pytest_aifootprint.fixtures" not in sys.modules:
        _load_fixtures(metering)
    from pytest_aifootprint.fixtures import footprint_of

    return footprint_of(request, metering)


def _load_fixtures(metering: Metering) -> None:
    """On our account: the first test that asks does not pay for it."""
    began_ns = time.thread_time_ns()
    from pytest_aifootprint import fixtures  # noqa: F401

    metering.recorder.own_ns += time.thread_time_ns() - began_ns
