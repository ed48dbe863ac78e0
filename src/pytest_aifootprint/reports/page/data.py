"""What the HTML page's script works on: tests, fixtures and sheets as JSON, each text once.

A row is a list, in the order of ``TEST_COLUMNS``, ``CALL_COLUMNS`` and so on; the script has the same names. Texts that
repeat (models, sources, outcomes) are numbers: places in ``texts``. Figures come with their printed form, made here, so
that the page says what the terminal says.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct, field

from pytest_aifootprint.quantities import Range, Sheet
from pytest_aifootprint.records.amounts import Carbon, Energy, Water
from pytest_aifootprint.records.model import (
    HERE,
    CallFootprint,
    FixtureFootprint,
    MeteredParts,
    RunFootprint,
    TestFootprint,
)
from pytest_aifootprint.reports import formatting, remarks
from pytest_aifootprint.reports.saved.values import factors_of, finite
from pytest_aifootprint.reports.summary import carbon_central

TEST_COLUMNS = (
    "name", "outcome", "ai", "models", "calls", "tokens", "energy", "carbon", "low", "high", "parts", "printed",
    "others", "rows", "own", "shares", "verdicts", "notices",
)  # fmt: skip
CALL_COLUMNS = (
    "times", "model", "operation", "realness", "locality", "phase", "count", "told", "tokens", "energy", "carbon",
    "range", "basis", "source", "equation", "sheet", "notices",
)  # fmt: skip
FIXTURE_COLUMNS = ("name", "scope", "payers", "parts", "rows", "own", "others")
SHARE_COLUMNS = ("fixture", "users", "energy", "carbon", "range")

_DOMAINS = ("cpu", "ram", "gpu")
_FAR = 1000.0
"""The log of what no number can hold, or of nothing."""
_METERED = {
    "J_counter": "cpu_counter",
    "J_model": "cpu_load_model",
    "J_idle": "cpu_idle_model",
    "J_above_idle": "counters_above_idle",
}
Told = dict[str, Any]


class Texts(Struct):
    """Texts by number, each once."""

    numbers: dict[str, int] = field(default_factory=dict)
    seen: dict[str | None, int] = field(default_factory=lambda: {None: -1})

    def __call__(self, text: str | None) -> int:
        """The number of a text; -1 for none."""
        number = self.seen.get(text)
        if number is None:
            assert text is not None
            number = self.seen[text] = self.numbers.setdefault(formatting.one_line(text), len(self.numbers))
        return number


class Units(Struct, frozen=True):
    """One unit for each column of the table of tests."""

    carbon: formatting.Unit
    energy: formatting.Unit
    tokens: formatting.Unit

    @classmethod
    def of(cls, tests: Sequence[TestFootprint]) -> Units:
        """Of the largest values."""
        return cls(
            formatting.carbon_unit([carbon_central(test) for test in tests]),
            formatting.energy_unit([energy_central(test.energy) for test in tests]),
            formatting.count_unit([test.tokens.all for test in tests if test.calls]),
        )


def energy_central(energy: Energy) -> float:
    """Joules: ``energy.total.central`` without the cost of its range."""
    return sum(part.central for part in energy.by_domain.values())


def data(run: RunFootprint) -> Iterator[str]:
    """The JSON as text that may stand in a ``script`` element, a test at a time."""
    texts, units = Texts(), Units.of(run.tests)
    here = run.sheets.get(HERE)
    numbers = {fixture.id: number for number, fixture in enumerate(run.fixtures)}
    yield '{"tests":['
    separator = ""
    for test in run.tests:
        yield separator + encoded(_test(test, texts, units, here, numbers))
        separator = ",\n"
    rest = {
        "fixtures": [_fixture(fixture, texts, here) for fixture in run.fixtures],
        "sheets": {formatting.one_line(name): _sheet(sheet, texts) for name, sheet in run.sheets.items()},
        "here": HERE,
        "told": here_told(run),
        "columns": {
            "test": TEST_COLUMNS, "call": CALL_COLUMNS, "fixture": FIXTURE_COLUMNS, "share": SHARE_COLUMNS,
        },
    }  # fmt: skip
    # Last: by now it has every text.
    yield f"],{encoded(rest)[1:-1]},"
    yield f'"texts":{encoded(list(texts.numbers))}}}'


def encoded(value: Any) -> str:
    """JSON that HTML finds nothing in, and that any encoding of Unicode can hold."""
    return _ACTIVE.sub(lambda found: f"\\u{ord(found[0]):04x}", _encoder.encode(value))


_encoder = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), check_circular=False)
_ACTIVE = re.compile("[<>&\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def _short(value: float | None) -> float | None:
    """Six digits: enough to sort by, and for a bar."""
    return None if value is None or finite(value) is None else float(f"{value:.6g}")


def _test(
    test: TestFootprint, texts: Texts, units: Units, here: Sheet | None, fixtures: Mapping[str, int]
) -> list[Any]:
    """A row of ``TEST_COLUMNS``."""
    carbon = test.carbon.known_total
    tokens = test.tokens if test.calls else None
    number = tokens.all if tokens is not None and (tokens.all or not tokens.unknown_calls) else None
    joules = energy_central(test.energy)
    calls = sum(priced.call.count for priced in test.calls)
    return [
        formatting.one_line(test.nodeid),
        texts(test.outcome),
        int(test.ai),
        list(dict.fromkeys(texts(priced.call.model or "unknown") for priced in test.calls)),
        calls,
        number if test.calls else 0,
        _short(joules if test.energy.by_domain else None),
        *([None] * 3 if carbon is None else [_short(end) for end in (carbon.central, carbon.low, carbon.high)]),
        parts(test.carbon),
        [
            formatting.count(calls),
            formatting.count(number if test.calls else 0, units.tokens),
            formatting.energy(joules if test.energy.by_domain else None, units.energy),
            formatting.carbon(carbon, units.carbon),
            formatting.carbon_range(carbon, units.carbon) if carbon is not None and carbon.factors else "",
        ],
        _others(test.carbon, test.water, test, texts),
        _calls(test.calls, texts),
        own_told(
            here,
            test.direct_cpu_s,
            test.direct_machine_s,
            test.direct_cards_s,
            test.direct_energy,
            test.direct_metered,
        ),
        [
            [
                fixtures.get(share.id, -1),
                share.users,
                texts(formatting.energy(share.energy.total)),
                texts(formatting.carbon(share.carbon.total)),
                texts(_span(share.carbon.total)),
            ]
            for share in test.fixtures
        ],
        [[verdict.verdict, remarks.said(verdict)] for verdict in test.verdicts],
        [texts(f"{notice.message} ({notice.code})") for notice in test.notices],
    ]


def _others(carbon: Carbon, water: Water, test: TestFootprint, texts: Texts) -> list[list[Any]]:
    """Label, printed value and range of what the columns do not show."""
    found = [[texts(name), formatting.carbon(value), _span(value)] for name, value in carbon.parts]
    for domain, joules in test.energy.by_domain.items():
        found.append([texts(f"energy, {domain.replace('_', ' ')}"), formatting.energy(joules), _joules_span(joules)])
    litres = water.total
    if litres.central:
        span = formatting.water_range(litres) if litres.factors else ""
        found.append([texts("water"), formatting.water(litres), span])
    for name, grams in (("avoidable", test.avoidable_carbon_g), ("avoided", test.avoided_carbon_g)):
        if grams.central:
            found.append([texts(name), formatting.carbon(grams), _span(grams)])
    return found


def _span(value: Any) -> str:
    return formatting.carbon_range(value) if value is not None and value.factors and value.central else ""


def _joules_span(value: Any) -> str:
    return formatting.energy_range(value) if value.factors and value.central else ""


def parts(carbon: Carbon) -> list[float | None]:
    """Grams of use, training and hardware; None: unknown."""
    return [None if value is None else _short(value.central) for _, value in carbon.parts]


def _calls(calls: Sequence[CallFootprint], texts: Texts) -> list[list[Any]]:
    """Rows of ``CALL_COLUMNS``; calls that are alike in all of them are one row, so many times."""
    times: dict[str, int] = {}
    rows: dict[str, list[Any]] = {}
    for priced in calls:
        row = _call(priced, texts)
        key = repr(row)
        times[key] = times.get(key, 0) + 1
        rows[key] = row
    return [[times[key], *row] for key, row in rows.items()]


def _call(priced: CallFootprint, texts: Texts) -> list[Any]:
    """A row of ``CALL_COLUMNS`` but for the first."""
    call, impact = priced.call, priced.impact
    carbon = priced.carbon
    joules = impact.energy_j if priced.local_energy_j is None else priced.local_energy_j
    whole = carbon.total
    sheet = impact.sheet.name if impact.sheet is not None and impact.sheet.name else None
    tokens = f"{formatting.count(call.input_tokens)} in, {formatting.count(call.output_tokens)} out"
    if call.input_tokens is None and call.output_tokens is None:
        tokens = "" if call.operation in {"inference", "training"} else "tokens unknown"
    return [
        texts(call.model or "unknown"),
        texts(call.operation),
        texts(call.realness),
        texts(call.locality),
        texts(call.phase),
        call.count,
        _told(priced),
        texts(tokens),
        formatting.energy(joules),
        formatting.carbon(carbon.known_total),
        formatting.carbon_range(whole) if whole.factors else "",
        texts(impact.basis.value),
        texts(impact.source),
        # A sheet says the same, and more.
        -1 if sheet is not None else texts(impact.equation),
        texts(sheet),
        [texts(f"{notice.message} ({notice.code})") for notice in impact.notices],
    ]


def _told(priced: CallFootprint) -> Told:
    """What a sheet of calls has to be told of one call: numbers by symbol."""
    call = priced.call
    said = {
        "n": call.input_tokens,
        "c": call.cached_input_tokens or 0,
        "out": call.output_tokens,
        "items": call.samples or 1,
        "media_s": call.media_s,
    }
    return {symbol: number for symbol, number in said.items() if number is not None}


def own_told(  # noqa: PLR0913 - what the sheet of a machine has to be told
    here: Sheet | None,
    cpu_s: float | None,
    machine_s: float | None,
    cards_s: Mapping[str, float],
    energy: Energy,
    metered: MeteredParts | None,
) -> Told | None:
    """What the sheet of this machine has to be told of an owner's windows: a number, or low, central and high.

    What is 0 is left out: ``here_told`` has all symbols.
    """
    if here is None:
        return None
    told: Told = {"t": max(cpu_s or 0.0, 0.0), "t_machine": machine_s or 0.0}
    told |= {f"t_{domain}": s or 0.0 for domain, s in cards_s.items()}
    for domain in _DOMAINS:
        if not here.makes(f"E_{domain}"):
            told[f"E_{domain}"] = _ends(energy.by_domain.get(domain))
    for symbol, name in _METERED.items():
        if here.needs(symbol):
            told[symbol] = (getattr(metered, name) or 0.0) if metered is not None else 0.0
    return {symbol: value for symbol, value in told.items() if value}


def here_told(run: RunFootprint) -> list[str]:
    """Symbols that the sheet of this machine has to be told."""
    here = run.sheets.get(HERE)
    if here is None:
        return []
    cards = dict.fromkeys(f"t_{domain}" for test in run.tests for domain in test.direct_cards_s)
    domains = [f"E_{domain}" for domain in _DOMAINS if not here.makes(f"E_{domain}")]
    return ["t", "t_machine", *cards, *domains, *(symbol for symbol in _METERED if here.needs(symbol))]


def _ends(value: Range | None) -> float | list[float | None]:
    if value is None or not value.central:
        return 0.0
    return [value.low, value.central, finite(value.high)] if value.factors else value.central


def _fixture(fixture: FixtureFootprint, texts: Texts, here: Sheet | None) -> list[Any]:
    """A row of ``FIXTURE_COLUMNS``."""
    own = own_told(here, fixture.cpu_s, fixture.machine_s, fixture.cards_s, fixture.energy, fixture.metered)
    others = [[texts(name), formatting.carbon(value), _span(value)] for name, value in fixture.carbon.parts]
    return [
        formatting.one_line(fixture.id),
        fixture.scope,
        fixture.payers,
        parts(fixture.carbon),
        _calls(fixture.calls, texts),
        own,
        others,
    ]


def _sheet(sheet: Sheet, texts: Texts) -> dict[str, Any]:
    """Inputs with their factors (log changes), and steps."""
    return {
        "given": [
            [
                given.symbol,
                formatting.one_line(given.what),
                given.unit,
                finite(given.value.central),
                {row["name"]: [log(row["low"]), log(row["high"])] for row in factors_of(given.value)},
                texts(given.source),
                given.year,
                given.basis,
            ]
            for given in sheet.given
        ],
        "steps": [[step.symbol, step.equation, step.unit, step.what, step.gathered] for step in sheet.steps],
        "answers": dict(sheet.answers),
    }


def log(times: float | None) -> float:
    """Of what the JSON report says, so that the page of a saved one is the same."""
    return _FAR if times is None else math.log(times) if times else -_FAR
