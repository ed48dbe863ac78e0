"""The JSON report: schema_version 1, described in ``records/report.schema.json`` and docs/reference/json-report.md."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from msgspec import Struct
from msgspec.json import Encoder

from pytest_aifootprint.impacts.contract import CallImpact
from pytest_aifootprint.quantities import EXACT_ZERO, Range
from pytest_aifootprint.records.amounts import Carbon, Energy, Tokens
from pytest_aifootprint.records.model import Attempt, CallFootprint, RunFootprint, TestFootprint
from pytest_aifootprint.reports import files
from pytest_aifootprint.reports.files import probe
from pytest_aifootprint.reports.saved import rows
from pytest_aifootprint.reports.saved.changes import changes_row
from pytest_aifootprint.reports.saved.file import SCHEMA_VERSION
from pytest_aifootprint.reports.saved.models import hint_row, model_row
from pytest_aifootprint.reports.saved.sheets import sheet_row
from pytest_aifootprint.reports.saved.values import ZERO, edges, finite, plain, ranged

__all__ = ["NAME", "as_dict", "chunks", "probe", "write"]

Item = TypeVar("Item")

NAME = "aifootprint.json"


def write(run: RunFootprint, path: Path) -> None:
    """Write the report: a new file takes the place of an old one when it is complete. Raises OSError, see ``files``."""
    files.write(path, "the JSON report", chunks(run), encoding="ascii")


def chunks(run: RunFootprint) -> Iterator[str]:
    """The report as text, a test a line: one on 100,000 tests is never in memory as a whole."""
    yield "{\n"
    head = {
        "schema_version": SCHEMA_VERSION,
        "tool": {"name": "pytest-aifootprint", "version": run.version, "factors_version": run.factors_version},
        "run": rows.run_row(run),
        "totals": rows.totals_row(run),
        "balance": {domain: rows.balance_row(balance) for domain, balance in run.balance.items()},
    }
    for key, value in head.items():
        yield f"{_dumps(key)}:{_dumps(value)},\n"
    yield from _array("tests", map(_Tests().row, run.tests))
    yield from _array("fixtures", (_dumps(rows.fixture_row(fixture)) for fixture in run.fixtures))
    yield from _array("models", (_dumps(model_row(model)) for model in run.models))
    tail = {
        "verdicts": [rows.verdict_row(verdict) for verdict in run.verdicts],
        "hints": [hint_row(hint) for hint in run.hints],
        "notices": [rows.notice_row(notice) for notice in run.notices],
        "baseline": None if run.changes is None else changes_row(run.changes),
        "seams": dict(run.seams),
        "sheets": {name: sheet_row(sheet) for name, sheet in run.sheets.items()},
    }
    yield ",\n".join(f"{_dumps(key)}:{_dumps(value)}" for key, value in tail.items())
    yield "\n}\n"


def as_dict(run: RunFootprint) -> dict[str, Any]:
    """The whole report as builtin types, as reading the file would give it."""
    report: dict[str, Any] = json.loads("".join(chunks(run)))
    return report


class _Edges(Struct):
    low: float
    central: float
    high: float


class _Tests:
    """Makes the rows of tests as text, a test a line; what several have alike is made once."""

    def __init__(self) -> None:
        self._prices: dict[int, tuple[CallImpact, str]] = {}

    def row(self, test: TestFootprint) -> str:
        """A test: all its attempts, its calls, its cost and what of it is its own; phases as they are."""
        carbon, own_carbon = test.carbon, test.direct_carbon
        energy = test.energy.total
        energy_text = _energy(test.energy, energy)
        total = carbon.total
        carbon_text, use = _carbon(carbon, total)
        own_energy, own_total, own_energy_text, own_carbon_text = energy, total, energy_text, carbon_text
        if test.direct_energy is not test.energy and test.direct_energy != test.energy:
            own_energy = test.direct_energy.total
            own_energy_text = _energy(test.direct_energy, own_energy)
        if own_carbon is not carbon and own_carbon != carbon:
            own_total = own_carbon.total
            own_carbon_text, _ = _carbon(own_carbon, own_total)
        cpu_s = _number(test.direct_cpu_s)
        same_s = test.direct_machine_s is test.direct_cpu_s
        return (
            f'{{"nodeid":{_text(test.nodeid)},"worker":{_text(test.worker)},"outcome":{_text(test.outcome)},'
            f'"ai":{"true" if test.ai else "false"},'
            f'"attempts":{_attempts(test.attempts)},'
            f'"calls":[{",".join(map(self._call, test.calls))}],'
            f'"tokens":{_dumped(rows.tokens_row(test.tokens)) if test.calls else _NO_TOKENS},'
            f'"water_l":{_range(test.water.total)},'
            f'"avoidable_carbon_g":{use if test.avoidable_carbon_g == carbon.use else _range(test.avoidable_carbon_g)},'
            f'"avoided_carbon_g":{_range(test.avoided_carbon_g)},'
            f'"fixtures":{_list(rows.share_row, test.fixtures)},'
            f'"verdicts":{_list(rows.verdict_row, test.verdicts)},'
            f'"notices":{_list(rows.notice_row, test.notices)},'
            f'"energy_j":{energy_text},"carbon_g":{carbon_text},'
            f'"direct":{{"cpu_s":{cpu_s},"machine_s":{cpu_s if same_s else _number(test.direct_machine_s)},'
            f'"cards_s":{_dumps(plain(test.direct_cards_s)) if test.direct_cards_s else "{}"},'
            f'"active_energy_j":{_range(test.direct_active_j)},'
            f'"metered_j":{_dumps(rows.metered_row(test.direct_metered)) if test.direct_metered else "null"},'
            f'"factors":{_dumps(rows.factors_row(own_energy, own_total)) if test.ai else "null"},'
            f'"energy_j":{own_energy_text},"carbon_g":{own_carbon_text}}}}}'
        )

    def _call(self, priced: CallFootprint) -> str:
        impact = priced.impact
        if priced.local_energy_j is not None or priced.reported is not None:
            price = _dumped(rows.price_row(priced))
        else:
            known = self._prices.get(id(impact))
            if known is None or known[0] is not impact:
                if len(self._prices) >= _MOST_PRICES:
                    self._prices.clear()
                known = self._prices[id(impact)] = impact, _dumped(rows.price_row(priced))
            price = known[1]
        return f"{_dumped(rows.call_facts(priced.call))[:-1]},{price[1:]}"


def _attempts(attempts: Sequence[Attempt]) -> str:
    told = [rows.attempt_row(attempt) for attempt in attempts]
    if all(type(value) is float for one in attempts for phase in one.phases.values() for value in phase.values()):
        with suppress(TypeError, ValueError):  # a word that is not ASCII
            return _encode(told).decode("ascii")
    return _dumped(told)


def _energy(energy: Energy, total: Range) -> str:
    """The domains that there are, null for one that is unknown, and their sum."""
    domains = {domain: _range(value) for domain, value in energy.by_domain.items()}
    domains |= dict.fromkeys(energy.unread, "null")
    text = ",".join(f"{_text(domain)}:{value}" for domain, value in domains.items())
    if len(domains) == 1 and energy.reported_total is None:
        return f'{{{text},"total":{next(iter(domains.values()))}}}'
    same = next((domains[domain] for domain, value in energy.by_domain.items() if value is total), None)
    return f'{{{text}{"," if text else ""}"total":{_range(total) if same is None else same}}}'


def _carbon(carbon: Carbon, total: Range) -> tuple[str, str]:
    """Use, training, hardware and the sum of what is known, null if nothing is; and use by itself."""
    use, training, hardware = carbon.use, carbon.training, carbon.hardware
    of_use = _range(use)
    whole = "null" if use is None and training is None and hardware is None else _range(total)
    text = f'{{"use":{of_use},"training":{_range(training)},"hardware":{_range(hardware)},"total":{whole}}}'
    return text, of_use


def _range(value: Range | None) -> str:
    """R of the contract."""
    if value is EXACT_ZERO:
        return _ZERO
    if value is None:
        return "null"
    told = edges(value)
    if told is None:
        return "null"
    try:
        return _encode(_Edges(*told)).decode("ascii")
    except TypeError:  # somebody's own kind of number
        return _dumps(ranged(value))


def _number(value: float | None) -> str:
    return _repr(value) if type(value) is float and math.isfinite(value) else _dumps(finite(value))


def _list(row: Callable[[Item], dict[str, Any]], items: Sequence[Item]) -> str:
    return _dumped([row(item) for item in items]) if items else "[]"


def _dumped(value: Any) -> str:
    """As text. What JSON cannot say stands there seldom: no time is spent on looking for it."""
    try:
        return _dumps(value)
    except (TypeError, ValueError):
        return _dumps(plain(value))


def _array(key: str, values: Iterable[str]) -> Iterator[str]:
    yield f"{_dumps(key)}:["
    separator = "\n"
    for value in values:
        yield separator + value
        separator = ",\n"
    yield "],\n"


_encoder = json.JSONEncoder(allow_nan=False, separators=(",", ":"), check_circular=False)
_dumps = _encoder.encode
# Writes a float as short as float.__repr__ does, faster (timeit, three of a range: 1.6 us, so 0.2), and as null what
# JSON cannot say. Only for numbers and words: a record of ours it would write as its fields.
_encode = Encoder().encode
_text = json.encoder.encode_basestring_ascii
_repr = float.__repr__
_NO_TOKENS = _dumps(rows.tokens_row(Tokens()))
_ZERO = _dumps(ZERO)
_MOST_PRICES = 1000
