"""A run beside its baseline, in words."""

from __future__ import annotations

import math
from collections.abc import Iterator

from pytest_aifootprint.quantities import Joules, Notice, Range
from pytest_aifootprint.records.changes import RUN, Change, Changes
from pytest_aifootprint.reports import formatting

MOST_NAMES = 3
FELT = 0.01
"""A change below this share of a test's is not listed."""

_NAMES = {
    "carbon_g": "carbon",
    "energy_j": "energy",
    "tokens": "tokens",
    "calls": "live calls",
    "energy_j_per_token": "energy per token",
}


def amount(unit: str, value: float) -> str:
    """A quantity with its unit: ``3.3 g``, ``12 Wh``, ``48 k tokens``."""
    if unit == "carbon_g":
        return formatting.carbon(value)
    if unit == "energy_j":
        return formatting.energy(value)
    if unit == "energy_j_per_token":
        return f"{formatting.energy(Joules(Range(value)))}/token"
    return formatting.counted(round(value), "token" if unit == "tokens" else "live call")


def said(change: Change) -> str:
    """A change with its figures: ``carbon 3.3 g, +12 % on 2.9 g (10 runs)``."""
    now = amount(change.unit, change.actual.central)
    subject = "" if change.unit in {"tokens", "calls"} else f"{_NAMES[change.unit]} "
    return f"{subject}{now}, {compared(change)}"


def compared(change: Change) -> str:
    """The increase, the baseline's value, and how many runs that is from: ``+12 % on 2.9 g (10 runs)``."""
    runs = f" ({formatting.counted(change.runs, 'run')})" if change.runs else ""
    if change.increase is None:
        return f"0 in the baseline{runs}"
    return f"{formatting.increase(change.increase)} on {amount(change.unit, change.before)}{runs}"


def name(unit: str) -> str:
    """Of a quantity: ``carbon``, ``energy per token``."""
    return _NAMES[unit]


def line(changes: Changes) -> str:
    """The change of the run in one line."""
    parts = [said(change) for change in changes.of_run]
    parts = parts or ["nothing to compare"]
    return formatting.one_line(f"{'; '.join(parts)}; {tests(changes)}")


def tests(changes: Changes) -> str:
    """How many are compared, new and gone: ``9 tests compared, 1 new``."""
    words = f"{formatting.counted(changes.compared, 'test')} compared"
    if changes.new:
        words += f", {formatting.count(len(changes.new))} new"
    if changes.vanished:
        words += f", {formatting.count(len(changes.vanished))} gone"
    return words


def rows(changes: Changes, most: int) -> tuple[tuple[str, ...], ...]:
    """Scope, quantity, before, now and change: of the run, and of what changed most of the rest."""
    rest = sorted(
        (c for c in changes.changes if c.scope != RUN and (c.increase is None or abs(c.increase) >= FELT)),
        key=lambda c: -abs(c.increase) if c.increase is not None else -math.inf,
    )
    return tuple(
        (
            formatting.one_line(change.scope),
            _NAMES[change.unit],
            amount(change.unit, change.before),
            amount(change.unit, change.actual.central),
            formatting.UNKNOWN if change.increase is None else formatting.increase(change.increase),
        )
        for change in (*changes.of_run, *rest[:most])
    )


def notices(changes: Changes) -> Iterator[Notice]:
    """What a reader of the comparison has to know, each thing once."""
    if changes.differs:
        what = "; ".join(changes.differs)
        message = f"carbon and energy are not comparable, tokens, calls and energy per token are compared: {what}"
        yield Notice("baseline-differs", formatting.one_line(message))
    if changes.grids:
        yield Notice("baseline-grid", formatting.one_line(f"carbon is not compared: {'; '.join(changes.grids)}"))
    if changes.partial:
        ran = formatting.counted(changes.compared + len(changes.silent), "test")
        message = f"only a part of the suite ran ({changes.partial}): {ran} of the baseline compared, "
        message += f"{formatting.count(changes.absent)} did not run; new tests are not in the comparison"
        yield Notice("baseline-partial", formatting.one_line(message))
    for names, what in (
        (changes.new, "not in the baseline"),
        (changes.vanished, "in the baseline and not in this run"),
        (changes.silent, "in the baseline, made no AI call this time"),
        (changes.remodelled, "with other models than in the baseline"),
    ):
        if names:
            message = f"{formatting.counted(len(names), 'test')} {what}: {formatting.listed(names, MOST_NAMES)}"
            yield Notice("baseline-tests", formatting.one_line(message))
    if changes.elsewhere:
        tests = formatting.counted(changes.elsewhere, "test")
        yield Notice("baseline-tests", f"{tests} of the baseline without a value of this machine: not compared")
    if changes.without_row:
        tests = formatting.counted(changes.without_row, "AI test")
        yield Notice("baseline-tests", f"{tests} without a row (--aifootprint-tests marked): not compared")
