"""The hooks for tests that others run cost every test: they are there only where somebody runs tests himself."""

from __future__ import annotations

import pytest

ASK = """
def test_it(pytestconfig):
    print("LOOSE", pytestconfig.pluginmanager.has_plugin("aifootprint-loose"))
"""

RUNS_TESTS = """
from _pytest.runner import runtestprotocol

def pytest_runtest_protocol(item, nextitem):
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    runtestprotocol(item, nextitem=nextitem)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True
"""

WRAPS = """
import pytest

@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    return (yield)
"""


@pytest.mark.parametrize(
    ("conftest", "there"),
    [("", "False"), (WRAPS, "False"), (RUNS_TESTS, "True")],
    ids=["pytest runs them", "somebody looks on", "a conftest runs them"],
)
def test_hooks_that_cost_every_test_are_there_only_where_they_are_needed(
    pytester: pytest.Pytester, conftest: str, there: str, workers: tuple[str, ...]
) -> None:
    pytester.makeconftest(conftest)
    pytester.makepyfile(ASK)
    run = pytester.runpytest_subprocess("--aifootprint", "-p", "no:rerunfailures", "-rP", *workers)
    run.assert_outcomes(passed=1)
    run.stdout.fnmatch_lines([f"LOOSE {there}"])
