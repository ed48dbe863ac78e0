"""Suites whose cost is known: every test reports the CPU seconds of itself and its children to a file beside it.

A burn lasts until the burner's own CPU clock says so, not for a span of wall time: beside a neighbour a span of wall
time would do a third of the work, and the truth would be unknown.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from known_truth import lay_out

BURN_S = 2.0
PIECE_S = 0.5
PIECES = 8
RETRY_S = 0.5
ATTEMPTS = 3

_BURN_SLEEP_CHILD = f"""
import time

import known


def test_first():
    pass  # whatever a tool does when the first test comes falls on this one


def test_burn():
    with known.told("test_burn"):
        known.burn({BURN_S})


def test_sleep():
    with known.told("test_sleep"):
        time.sleep({BURN_S})


def test_child():
    with known.told("test_child"):
        known.burn_in_child({BURN_S})
"""

_PIECES = f"""
import pytest

import known


@pytest.mark.parametrize("n", range({PIECES}))
def test_piece(n):
    with known.told(f"test_piece[{{n}}]"):
        known.burn({PIECE_S})
"""

_RETRIES = f"""
import pytest

import known

ATTEMPTS = []


def test_first():
    pass


@pytest.mark.flaky(reruns={ATTEMPTS - 1})
def test_retried():
    with known.told("test_retried"):
        known.burn({RETRY_S})
        ATTEMPTS.append(1)
        assert len(ATTEMPTS) == {ATTEMPTS}


def test_once():
    with known.told("test_once"):
        known.burn({RETRY_S})
"""


@dataclass(frozen=True, slots=True)
class Suite:
    """A suite, and how it is run.

    Attributes:
        workers: of pytest-xdist; 0 for none. neighbours: processes beside it that burn all the time.
    """

    name: str
    text: str
    workers: int = 0
    neighbours: int = 0

    def write(self, folder: Path) -> None:
        """Lay the suite out in an empty folder."""
        folder.mkdir(parents=True)
        lay_out(folder)
        (folder / "test_suite.py").write_text(self.text)
        # A root of its own: no configuration of a folder above it is read.
        (folder / "pytest.ini").write_text("[pytest]\naddopts = -p no:cacheprovider\n")


def suites(n_cpu: int) -> tuple[Suite, ...]:
    """All known-truth suites; ``n_cpu`` neighbours keep a machine of that many CPUs busy."""
    return (
        Suite("alone", _BURN_SLEEP_CHILD),
        Suite("neighbour", _BURN_SLEEP_CHILD, neighbours=n_cpu),
        Suite("n0", _PIECES),
        Suite("n1", _PIECES, workers=1),
        Suite("n2", _PIECES, workers=2),
        Suite("n4", _PIECES, workers=4),
        Suite("retries", _RETRIES),
    )
