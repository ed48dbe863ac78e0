"""A hint in words."""

from __future__ import annotations

from pytest_aifootprint.records.model_use import Hint
from pytest_aifootprint.reports import formatting

MOST_NAMED = 3
_DONE = {
    "trained-again": ("training", "train once in a shared fixture"),
    "loaded-again": ("load", "load it once in a shared fixture"),
}


def message(hint: Hint) -> str:
    """One line: what was repeated, where, and what sharing it saves in each run."""
    if hint.reported:
        return formatting.one_line(hint.reported)
    what, advice = _DONE[hint.code]
    where = [formatting.one_line(test.rpartition("::")[2]) for test in hint.tests]
    where += [f"fixture {formatting.one_line(fixture.rpartition('::')[2])}" for fixture in hint.fixtures]
    named = formatting.listed(where, MOST_NAMED)
    unit = formatting.energy_unit([hint.energy_j])
    energy, saving = formatting.energy(hint.energy_j, unit), formatting.energy(hint.saving_j, unit)
    grams = f" ({formatting.suffix(hint.saving_g)})" if hint.saving_g is not None else ""
    return (
        f"{formatting.counted(hint.count, what)} of {formatting.one_line(hint.subject)} in {named}, {energy}: "
        f"{advice} and save {saving}{grams} per run"
    )
