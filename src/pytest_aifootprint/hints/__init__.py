"""Priced advice from what a run measured: what could be saved, and how much. Reports put it into words."""

from __future__ import annotations

from pytest_aifootprint.hints.repeats import loaded_again, trained_again
from pytest_aifootprint.records.model import RunFootprint
from pytest_aifootprint.records.model_use import Hint

HINTS = (trained_again, loaded_again)
"""The kinds of hints. A new one is one function here: from a run to its hints."""

# A saving below this part of the run's metered and remote energy is not worth a line.
LEAST = 0.01


def hints_of(run: RunFootprint) -> tuple[Hint, ...]:
    """What is worth saying, the largest saving first."""
    whole = run.totals.energy.total.central
    found = [hint for kind in HINTS for hint in kind(run)]
    worth = [hint for hint in found if hint.saving_j.central >= LEAST * whole > 0]
    return tuple(sorted(worth, key=lambda hint: (-hint.saving_j.central, hint.code, hint.subject)))
