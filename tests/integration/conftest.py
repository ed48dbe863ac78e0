"""Real pytest runs through pytester, in a clean environment, with errors of the plugin raised."""

import gc
import importlib
import os

import pytest

from pytest_aifootprint.session.parts import RAISE

# pytester forgets what an inner run imported. What is imported here stays, so that 100 runs do not import it 100 times;
# what a run imports by itself is tested in subprocesses (test_off.py, test_imports.py).
for _name in (
    "ecologits.tracers.utils",
    "pytest_aifootprint.cli",
    "pytest_aifootprint.records.build",
    "pytest_aifootprint.reports.text",
    "pytest_aifootprint.session.direct",
    "pytest_aifootprint.session.metering",
    "pytest_aifootprint.session.roles",
    "pytest_aifootprint.session.worker",
    "rich.table",
    "sklearn.dummy",
):
    importlib.import_module(_name)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, pytester: pytest.Pytester) -> None:
    for name in list(os.environ):
        # COLUMNS is what pytest-xdist tells its workers: lines would be wrapped for it.
        if name.startswith("PYTEST_") or name in {"CI", "GITHUB_ACTIONS", "GITHUB_SHA", "COLUMNS"}:
            monkeypatch.delenv(name)
    monkeypatch.setenv(RAISE, "1")
    # An inner run's tests would pay for collecting what thousands of outer tests have left: 200 ms at a time.
    gc.freeze()
    # After pytester, which takes the variable away. Else pytest-asyncio warns in every inner run, and the plugin of
    # hypothesis imports all of it at the end of each, every file rewritten for its asserts: 2 s of CPU.
    monkeypatch.setenv("PYTEST_ADDOPTS", "-o asyncio_default_fixture_loop_scope=function -p no:hypothesispytest")


@pytest.fixture(params=[(), ("-n1",), ("-n2",)], ids=["alone", "n1", "n2"])
def workers(request: pytest.FixtureRequest) -> tuple[str, ...]:
    """Without workers, with one, with two: the same result is expected."""
    param: tuple[str, ...] = request.param
    return param
