"""Suites that know what they cost: what their tests share, where they write it down, and what must hold of a report."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from pathlib import Path
from typing import Any

TERMS = ("ai_tests_j", "shared_fixtures_j", "other_tests_j", "other_processes_j", "idle_j", "plugin_j")

_TRUTH = "truth.jsonl"
# The clocks are taken when the module is imported: a test may replace them.
_KNOWN = '''
"""What the tests of this suite have in common. Written by tests/benchmarks/known_truth.py."""

import contextlib
import gc
import json
import os
import resource
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "main")
process_time = time.process_time
getrusage = resource.getrusage

# A full collection takes 30 ms beside pytest's heap, and falls on whatever test allocates one object too many.
gc.disable()

# Until the child's own CPU clock says so, its start included.
CHILD = "import sys, time\\nwhile time.process_time() < float(sys.argv[1]): sum(range(10_000))"


def burn(seconds):
    end = process_time() + seconds
    while process_time() < end:
        sum(range(10_000))


def burn_in_child(seconds):
    subprocess.run([sys.executable, "-S", "-c", CHILD, str(seconds)], check=True)


def cpu_s():
    ended = getrusage(resource.RUSAGE_CHILDREN)
    return process_time() + ended.ru_utime + ended.ru_stime


def tell(name, seconds):
    line = json.dumps({"test": name, "cpu_s": seconds, "worker": WORKER, "pid": os.getpid()}) + "\\n"
    file = os.open(os.path.join(HERE, "truth.jsonl"), os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, line.encode())
    os.close(file)


@contextlib.contextmanager
def told(name):
    before = cpu_s()
    try:
        yield
    finally:
        tell(name, cpu_s() - before)
'''
# For suites whose tests should not have to do it themselves, or cannot (doctests).
_CONFTEST = """
import known
import pytest


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_call(item):
    with known.told(item.nodeid):
        return (yield)
"""


def lay_out(folder: Path, *, conftest: bool = False) -> None:
    """Write ``known.py`` for the tests; with ``conftest``, a hook that tells the CPU seconds of every test."""
    (folder / "known.py").write_text(_KNOWN)
    if conftest:
        (folder / "conftest.py").write_text(_CONFTEST)


def lines_of(folder: Path) -> list[dict[str, Any]]:
    """What was told: test, cpu_s, worker, pid; in order."""
    path = folder / _TRUTH
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def truth_of(folder: Path) -> dict[str, float]:
    """CPU seconds of every test by name, over all its attempts, processes and workers, as the tests themselves say."""
    seconds: defaultdict[str, float] = defaultdict(float)
    for told in lines_of(folder):
        seconds[told["test"]] += told["cpu_s"]
    return dict(seconds)


def imbalance(report: dict[str, Any]) -> float:
    """How far the terms of the worst domain are from what it metered, as a share; infinite for a term below 0."""
    worst = 0.0
    for balance in report["balance"].values():
        terms = [balance[term] for term in TERMS]
        if min(terms) < 0 or balance["metered_j"] <= 0:
            return math.inf
        worst = max(worst, abs(math.fsum(terms) / balance["metered_j"] - 1))
    return worst if report["balance"] else math.inf
