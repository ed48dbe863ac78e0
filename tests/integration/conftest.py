"""Real pytest runs through pytester, in a clean environment, with errors of the plugin raised."""

import os

import pytest

from pytest_aifootprint.session.parts import RAISE


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("PYTEST_") or name in {"CI", "GITHUB_ACTIONS", "GITHUB_SHA"}:
            monkeypatch.delenv(name)
    monkeypatch.setenv(RAISE, "1")
    monkeypatch.setenv("PYTEST_ADDOPTS", "-o asyncio_default_fixture_loop_scope=function")


@pytest.fixture(params=[(), ("-n1",), ("-n2",)], ids=["alone", "n1", "n2"])
def workers(request: pytest.FixtureRequest) -> tuple[str, ...]:
    """Without workers, with one, with two: the same result is expected."""
    param: tuple[str, ...] = request.param
    return param
