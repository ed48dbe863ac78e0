"""The lines under the tables: what the limits say, and what a reader of the numbers has to know."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from msgspec import Struct

from pytest_aifootprint.quantities import Notice
from pytest_aifootprint.quantities.changed import replace
from pytest_aifootprint.records.model import RunFootprint, Verdict
from pytest_aifootprint.reports import facts, formatting, hinting

MOST_HINTS = 3
MOST_NOTICES = 8
MOST_VERDICTS = 10
MOST_NAMES = 4
LABEL = len("budget")
FAR_OVER = 100.0  # beyond that the figures say it better than a percentage
_UNKNOWN_MODEL = re.compile(r"the model ('[^']*')")


class Line(Struct, frozen=True):
    """One line: its label, its text, and for a verdict ``pass``, ``fail`` or ``undecided``."""

    label: str
    text: str
    verdict: str = ""

    def __str__(self) -> str:
        return f"{self.label:<{LABEL}}  {self.text}" if self.label else self.text


def hints(run: RunFootprint, most: int = MOST_HINTS) -> list[Line]:
    """What could be saved, the largest saving first."""
    return [Line("hint", hinting.message(hint)) for hint in run.hints[:most]]


def budgets(run: RunFootprint) -> list[Line]:
    """Every verdict on the run, and those on tests that are not a pass."""
    of_tests = broken(run, of_run=False)
    lines = [Line("budget", said(v), v.verdict) for v in (*run.verdicts, *of_tests[:MOST_VERDICTS])]
    if len(of_tests) > MOST_VERDICTS:
        lines.append(Line("budget", f"… and {len(of_tests) - MOST_VERDICTS} more (see the JSON report)", "fail"))
    return lines


def broken(run: RunFootprint, *, of_run: bool = True) -> list[Verdict]:
    """The verdicts that are no pass, on the run and on its tests or on its tests alone."""
    verdicts = run.all_verdicts if of_run else run.verdicts_on_tests
    return [verdict for verdict in verdicts if verdict.verdict != "pass"]


def said(verdict: Verdict, *, word: bool = True) -> str:
    """A verdict in one line: ``3.3 g of 5 g (66 %): pass (the range crosses the limit)``, or without its word."""
    subject = "" if verdict.scope == "run" else f"{verdict.scope}: "
    held = _held(verdict)
    # The message has the figures, too: it stands where there are none before it.
    reason = verdict.reason or ("" if held else verdict.message)
    why = f" ({reason})" if reason else ""
    return formatting.one_line(f"{subject}{held or verdict.limit}{f': {verdict.verdict}' if word else ''}{why}")


def _held(verdict: Verdict) -> str:
    kind = formatting.KIND_OF_LIMIT.get(verdict.unit)
    if verdict.actual is None or kind is None:
        return ""
    actual = {"low": verdict.actual.low, "high": verdict.actual.high}.get(verdict.bound, verdict.actual.central)
    # A prefix of the limit ("use: 5 gCO2e") says what was left out, a count what is counted.
    subject, colon, _ = verdict.limit.rpartition(":")
    share = actual / verdict.limit_value if verdict.limit_value else 0.0
    remarks = [formatting.percent(share)] if 0 < share < FAR_OVER else []
    remarks += [f"{verdict.bound} end"] if verdict.bound != "central" else []
    # A count is exact: rounded, a value over its limit could read as the limit itself.
    exact = f"{formatting.exact_count(actual)} of {formatting.exact_count(verdict.limit_value)}"
    held = exact if kind is formatting.COUNT else formatting.held_against(actual, verdict.limit_value, kind)
    counted = f" {verdict.unit}" if kind is formatting.COUNT else ""
    remark = f" ({', '.join(remarks)})" if remarks else ""
    return f"{subject.strip()}{colon} {held}{counted}{remark}".strip()


def notices(run: RunFootprint, most: int = MOST_NOTICES) -> list[Line]:
    """Each notice once, with the number of tests that it concerns; those about the whole run first."""
    as_one = _together(run.notices)
    of_run = dict.fromkeys(as_one.get(notice, notice) for notice in run.notices)
    counts: Counter[Notice] = Counter()
    for test in run.telling_tests:
        if test.notices or test.calls:
            found = {*test.notices, *(n for c in test.calls for n in c.impact.notices)}
            counts.update({as_one.get(notice, notice) for notice in found})
    of_fixtures = {n for fixture in run.fixtures for c in fixture.calls for n in c.impact.notices}
    counts.update({as_one.get(notice, notice) for notice in of_fixtures} - counts.keys())
    codes = {notice.code for notice in (*of_run, *counts)}
    ours = [notice for notice in _missing(run) if notice.code not in codes]
    common = sorted(counts.keys() - of_run.keys(), key=lambda n: (-counts[n], n))
    every = [*ours, *of_run, *common]
    lines = [Line("notice", _noticed(notice, counts[notice])) for notice in every[:most]]
    if len(every) > most:
        lines.append(Line("notice", f"… and {len(every) - most} more (see the JSON report)"))
    return lines


def _together(notices: Iterable[Notice]) -> dict[Notice, Notice]:
    """Of models that nobody knows one notice that names them: six of them would leave no line for anything else."""
    alike: dict[str, list[tuple[str, Notice]]] = {}
    for notice in dict.fromkeys(notices):
        found = _UNKNOWN_MODEL.search(notice.message) if notice.code == "unknown-model" else None
        if found is not None:
            words = f"{notice.message[: found.start()]}\0{notice.message[found.end() :]}"
            alike.setdefault(words, []).append((found[1], notice))
    as_one = {}
    for words, named in alike.items():
        if len(named) > 1:
            message = words.replace("\0", f"the models {names([name for name, _ in named])}", 1)
            as_one.update({notice: replace(notice, message=message) for _, notice in named})
    return as_one


def _noticed(notice: Notice, tests: int) -> str:
    concerned = f", {formatting.counted(tests, 'test')}" if tests > 1 else ""
    return formatting.one_line(f"{notice.message} ({notice.code}{concerned})")


def _missing(run: RunFootprint) -> list[Notice]:
    """What the totals leave out, in case nobody said so yet."""
    found = []
    lost = [worker.id for worker in run.workers if not worker.reported]
    if lost:
        found.append(Notice("worker-lost", f"no totals from {names(lost)}: the tests run there are not in the sums"))
    for name, why in facts.failed_seams(run):
        found.append(Notice("seam-not-armed", f"{name}: {why}; its calls are not seen"))
    if run.totals.unpriced_calls:
        calls = formatting.counted(run.totals.unpriced_calls, "call")
        found.append(Notice("unpriced-calls", f"{calls} could not be priced: not in the totals"))
    unknown = [m.id for m in run.models if m.calls and m.carbon.training is None]
    if unknown or run.totals.carbon.training is None:
        whose = f" of {names(unknown)}" if unknown else ""
        found.append(Notice("training-unknown", f"training share{whose} unknown: not in the totals"))
    return found


def names(listed: list[str]) -> str:
    """As many names as one line holds."""
    return formatting.listed(listed, MOST_NAMES)
