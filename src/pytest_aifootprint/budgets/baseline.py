"""A baseline: what the tests of a project came to in their last runs, on each machine and with each set of factors."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from msgspec import Struct, field

from pytest_aifootprint.budgets.spread import MOST_VALUES, continued
from pytest_aifootprint.quantities import Range
from pytest_aifootprint.quantities.changed import replace
from pytest_aifootprint.records.snapshot import Setting, Snapshot, Spent

MOST_SETTINGS = 4
"""Machines with their factors that a baseline keeps values of: those of the last updates."""
DIGITS = 5
"""Significant digits of joules and grams in the file: far below any noise, so that no line changes for nothing."""
LOG_DIGITS = 4
LEAST_LOG = 5e-4
TYPICAL = frozenset({"", "passed", "xpassed", "xfailed"})
"""Outcomes of a test whose cost is that of the whole test; one that failed may have ended early."""

LogPair = tuple[float, float]


class BaselineError(ValueError):
    """A baseline that cannot be used: one line, without the file's name."""


class Value(NamedTuple):
    """What one run made of a test; its fields are the columns of the file."""

    run: int
    calls: int
    tokens: int | None
    energy_j: float
    carbon_g: float | None
    remote_j: float
    remote_tokens: int


class Past(Struct, frozen=True):
    """A test's last values in one setting, oldest first, and the factors of the newest one."""

    values: tuple[Value, ...] = ()
    energy_factors: Mapping[str, LogPair] = field(default_factory=dict)
    carbon_factors: Mapping[str, LogPair] = field(default_factory=dict)


class Entry(Struct, frozen=True):
    """A test, or a shared fixture as a whole.

    Attributes:
        models: that its calls were to. share: of a fixture, that AI tests bear. past: by setting.
    """

    models: tuple[str, ...]
    share: float
    past: Mapping[str, Past]

    def pooled(self) -> tuple[Value, ...]:
        """The last values of all settings: of what depends on no machine."""
        every = sorted((value for past in self.past.values() for value in past.values), key=lambda v: v.run)
        return tuple(every[-MOST_VALUES:])


class Baseline(Struct, frozen=True):
    """What a file of ours holds.

    Attributes:
        project: as a ``Snapshot`` has it. settings: by their id. reports: fingerprints of the reports whose values are
            here, by the number of their run. entries: by node id, or ``fixture`` and its id.
    """

    project: Mapping[str, str] | None
    settings: Mapping[str, Setting] = field(default_factory=dict)
    reports: Mapping[int, str] = field(default_factory=dict)
    entries: Mapping[str, Entry] = field(default_factory=dict)

    @property
    def newest(self) -> str | None:
        """Id of the setting of the last run."""
        last = {value.run: name for _, name, value in _values(self.entries)}
        return last[max(last)] if last else None


def same_project(there: Mapping[str, str], here: Mapping[str, str]) -> bool:
    """Whether two names are one: case and separators do not matter (PyPA, name normalisation)."""
    a, b = (re.sub(r"[-_.]+", "-", project["name"]).lower() for project in (there, here))
    return a == b


def setting_id(setting: Setting) -> str:
    """Equal for the same machine and factors; grids may differ: they are kept of the last run alone."""
    return _digest({"machine": dict(setting.machine), "factors": setting.factors}, 4)


def fingerprint(report: Any) -> str:
    """Tells reports apart by what is in them, however the file is formatted."""
    return _digest(report, 8)


def _digest(content: Any, size: int) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2s(text.encode(), digest_size=size).hexdigest()


class Update(NamedTuple):
    """A baseline with one more run, and what was done.

    Attributes:
        known: the report was there already, and nothing changed.
        added, begun: entries that got a value; those of them that are new. anew: whose history began anew, because the
            value is of another level, or of another model.
        dropped: tests that a whole run did not have any more. left_out: tests whose value is not typical.
    """

    baseline: Baseline
    known: bool = False
    added: int = 0
    begun: tuple[str, ...] = ()
    anew: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


def updated(baseline: Baseline, snapshot: Snapshot, mark: str, *, accept: bool = False) -> Update:
    """The baseline with the values of one more run.

    Args:
        baseline: to begin with; it is not changed.
        snapshot: of the report.
        mark: the fingerprint of the report: one that is known adds nothing.
        accept: another level is meant: histories begin anew with it at once.
    """
    if mark in baseline.reports.values():
        return Update(baseline, known=True)
    number = max(baseline.reports, default=0) + 1
    name = setting_id(snapshot.setting)
    before = baseline.settings.get(name)
    same_grids = before is None or before.grids == snapshot.setting.grids
    whole = snapshot.partial == "" and not snapshot.lost and not snapshot.without_row
    gone = {k for k in baseline.entries if whole and k not in snapshot.spent and snapshot.was_asked_for(k)}
    kept = {k: entry for k, entry in baseline.entries.items() if k not in gone}
    entries: dict[str, Entry] = dict(kept) if same_grids else {k: _without_carbon(e, name) for k, e in kept.items()}
    begun, anew, left_out = [], [], []
    for key, spent in snapshot.spent.items():
        if spent.outcome not in TYPICAL or spent.unpriced:
            left_out.append(key)
            continue
        old = entries.get(key)
        entries[key], is_new_level = _with(old, name, number, spent, accept=accept)
        if old is None:
            begun.append(key)
        elif is_new_level:
            anew.append(key)
    settings = {**baseline.settings, name: snapshot.setting}
    reports = {**baseline.reports, number: mark}
    made = _tidied(Baseline(snapshot.project or baseline.project, settings, reports, entries))
    added = len(snapshot.spent) - len(left_out)
    return Update(made, False, added, tuple(begun), tuple(anew), tuple(sorted(gone)), tuple(left_out))


def _with(old: Entry | None, setting: str, number: int, spent: Spent, *, accept: bool) -> tuple[Entry, bool]:
    """The entry with one more value, and whether its history begins anew with it."""
    value = Value(
        number,
        spent.calls,
        spent.tokens,
        _rounded(spent.energy_j.central),
        _rounded(spent.carbon_g.central),
        _rounded(spent.remote_j),
        spent.remote_tokens,
    )
    past: dict[str, Past] = dict(old.past) if old else {}
    is_new = False
    if old is not None and (old.models != spent.models or _counts_moved(old.pooled(), value, accept=accept)):
        # Another model or another number of tokens is another level everywhere.
        past, is_new = {}, True
    values = past[setting].values if setting in past else ()
    kept = continued([v.energy_j for v in values], value.energy_j, accept=accept)
    if kept < len(values):
        values, is_new = values[len(values) - kept :], True
    past[setting] = Past(
        (*values, value)[-MOST_VALUES:], _factors(spent.energy_j.factors), _factors(spent.carbon_g.factors)
    )
    return Entry(spent.models, _rounded(spent.share), past), is_new


def _counts_moved(values: Sequence[Value], value: Value, *, accept: bool) -> bool:
    counts = [([v.calls for v in values], value.calls)]
    if value.tokens is not None:
        counts.append(([v.tokens for v in values if v.tokens is not None], value.tokens))
    return any(continued(before, now, accept=accept) < len(before) for before, now in counts)


def _without_carbon(entry: Entry, setting: str) -> Entry:
    """Grams of another grid are no grams to compare with."""
    if setting not in entry.past:
        return entry
    past = entry.past[setting]
    values = tuple(value._replace(carbon_g=None) for value in past.values)
    return replace(entry, past={**entry.past, setting: replace(past, values=values)})


def _tidied(baseline: Baseline) -> Baseline:
    """Without the settings that were not met for longest, and without what nothing refers to any more."""
    last: dict[str, int] = {}
    for _, name, value in _values(baseline.entries):
        last[name] = max(last.get(name, 0), value.run)
    keep = set(sorted(last, key=lambda name: last[name])[-MOST_SETTINGS:])
    entries = {}
    for key, entry in baseline.entries.items():
        past = {name: p for name, p in entry.past.items() if name in keep}
        if past:
            entries[key] = replace(entry, past=past)
    runs = {value.run for _, _, value in _values(entries)}
    # The last report is known although it may have left nothing.
    runs.add(max(baseline.reports))
    return Baseline(
        baseline.project,
        {name: setting for name, setting in baseline.settings.items() if name in keep},
        {number: mark for number, mark in baseline.reports.items() if number in runs},
        entries,
    )


def _values(entries: Mapping[str, Entry]) -> Iterator[tuple[str, str, Value]]:
    for key, entry in entries.items():
        for name, past in entry.past.items():
            for value in past.values:
                yield key, name, value


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS - 1}e}")


def _factors(factors: Mapping[str, LogPair]) -> dict[str, LogPair]:
    """Those that move the value by more than the digits of the file do."""
    felt = {name: pair for name, pair in factors.items() if max(map(abs, pair)) > LEAST_LOG}
    return {name: (round(d, LOG_DIGITS) + 0.0, round(u, LOG_DIGITS) + 0.0) for name, (d, u) in felt.items()}


def ranged(central: float, factors: Mapping[str, LogPair]) -> Range:
    """A value of the baseline with what makes it uncertain."""
    return Range(central, dict(factors))
