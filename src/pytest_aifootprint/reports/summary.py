"""What the terminal says about a run, as text without a layout: knows no pytest and draws no table."""

# ruff: noqa: RUF002 - the sign that is printed
from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

from pytest_aifootprint.quantities import ZERO_G, total
from pytest_aifootprint.records.amounts import Energy, Water
from pytest_aifootprint.records.model import LOCAL_SERVER, FixtureFootprint, RunFootprint, TestFootprint
from pytest_aifootprint.reports import changing, facts, formatting, remarks
from pytest_aifootprint.reports.remarks import Line

MOST_TRAINED = 3
# With -v the same test has another figure, and without a word that is a contradiction.
WITH_SHARES = "shares of fixtures included; -v and limits on tests take a test's own cost"
ENERGY_ORDER = ("gpu", "cpu", "ram", LOCAL_SERVER, "remote")


class Figure(Struct, frozen=True):
    """A quantity of the run: its central value, its range, and what else the line says."""

    label: str
    central: str
    range: str
    detail: str = ""


class Row(Struct, frozen=True):
    """A test in the ranking; ``share`` of the heaviest test's carbon, for the bar."""

    nodeid: str
    calls: str
    tokens: str
    energy: str
    carbon: str
    range: str
    share: float


class Summary(Struct, frozen=True):
    """Everything that the terminal says.

    Attributes:
        header: what was seen. figures: carbon (whose parts are ``parts``), energy, water; none without AI calls.
        asides: label, figure and remark. facts: label and text. ranking: the heaviest tests; ranking_remark: what is
            in their figures. lines: hints, notices and budgets. changes: against the baseline, cell by
            cell.
    """

    header: str
    parts: tuple[tuple[str, str], ...]
    figures: tuple[Figure, ...]
    asides: tuple[tuple[str, str, str], ...]
    facts: tuple[tuple[str, str], ...]
    ranking: tuple[Row, ...]
    lines: tuple[Line, ...]
    ranking_remark: str = ""
    changes: tuple[tuple[str, ...], ...] = ()


def summarise(run: RunFootprint, top: int = 10) -> Summary:
    """What there is to say about a run, with at most ``top`` tests."""
    # What decides stands last, where one looks first: above pytest's own last line.
    lines = (*remarks.hints(run), *remarks.notices(run), *remarks.budgets(run))
    if not _calls(run) and not run.totals.ai_tests:
        return Summary(header(run), (), (), (), (), (), lines)
    totals = run.totals
    carbon = totals.carbon
    headline = carbon.total
    ranked = _heaviest(run.tests, top)
    unit = formatting.carbon_unit([headline])
    return Summary(
        header(run),
        tuple((name, formatting.carbon(value, unit)) for name, value in carbon.parts),
        (
            Figure("carbon", *_carbon(run, unit)),
            _energy(totals.energy),
            _water(totals.water),
        ),
        tuple(_asides(run, unit)),
        tuple(facts.facts(run)),
        _rows(ranked),
        lines,
        WITH_SHARES if any(map(_bears_shares, ranked)) else "",
        changing.rows(run.changes, top) if run.changes is not None else (),
    )


def header(run: RunFootprint) -> str:
    """One line: how many tests called how many models how often."""
    totals = run.totals
    if not _calls(run):
        if totals.ai_tests:
            marked = formatting.counted(totals.ai_tests, "marked AI test")
            return f"0 AI calls in {formatting.counted(totals.tests, 'test')}, {marked}; {_watched(run)}"
        return f"0 AI calls in {formatting.counted(totals.tests, 'test')}; {_watched(run)}"
    said = [formatting.counted(totals.calls_live, "live call")]
    said += [
        f"{formatting.count(number)} {word}"
        for number, word in ((totals.calls_replayed, "replayed"), (totals.calls_mocked, "mocked"))
        if number
    ]
    if models := sum(bool(model.calls) for model in run.models):
        said.append(formatting.counted(models, "model"))
    if totals.tokens.all:
        said.append(formatting.tokens(totals.tokens.all))
    if totals.tokens.unknown_calls:
        said.append(f"tokens of {formatting.counted(totals.tokens.unknown_calls, 'call')} unknown")
    tests = formatting.counted(totals.tests, "test")
    idle = _marked_alone(run)
    more = f" ({formatting.count(idle)} more {'is' if idle == 1 else 'are'} marked)" if idle else ""
    return f"{formatting.count(totals.ai_tests - idle)} of {tests} called an AI model{more}: {', '.join(said)}"


def _marked_alone(run: RunFootprint) -> int:
    """How many AI tests are that by their mark alone: nothing was called, by them or by a fixture of theirs."""
    called = {fixture.id for fixture in run.fixtures if fixture.calls}
    return sum(
        test.ai and not test.calls and called.isdisjoint(share.id for share in test.fixtures)
        for test in run.telling_tests
    )


def headline(run: RunFootprint) -> str:
    """The run in half a line: ``3.3 gCO2e (1.2 – 13 g), 14 of 52 tests, 37 live calls``."""
    totals = run.totals
    if not _calls(run):
        return header(run)
    carbon = totals.carbon.total
    span = f" ({formatting.carbon_range(carbon)})" if carbon.factors else ""
    tests = f"{formatting.count(totals.ai_tests)} of {formatting.counted(totals.tests, 'test')}"
    return f"{formatting.suffix(carbon)}{span}, {tests}, {formatting.counted(totals.calls_live, 'live call')}"


def ranking(tests: Iterable[TestFootprint], top: int) -> tuple[Row, ...]:
    """The tests with the most carbon, heaviest first; numbers of a column in one unit."""
    return _rows(_heaviest(tests, top))


def _heaviest(tests: Iterable[TestFootprint], top: int) -> list[TestFootprint]:
    return heapq.nsmallest(
        top, (t for t in tests if t.ai or carbon_central(t)), key=lambda t: (-carbon_central(t), t.nodeid)
    )


def _rows(heaviest: list[TestFootprint]) -> tuple[Row, ...]:
    if not heaviest:
        return ()
    carbons = [t.carbon.total for t in heaviest]
    energies = [t.energy.total for t in heaviest]
    tokens = [None if t.tokens.unknown_calls and not t.tokens.all else t.tokens.all for t in heaviest]
    carbon_unit, energy_unit = formatting.carbon_unit(carbons), formatting.energy_unit(energies)
    token_unit, most = formatting.count_unit(tokens), carbons[0].central
    return tuple(
        Row(
            formatting.one_line(test.nodeid),
            formatting.count(sum(c.call.count for c in test.calls)),
            formatting.count(number, token_unit),
            formatting.energy(energy, energy_unit),
            formatting.carbon(carbon, carbon_unit),
            formatting.carbon_range(carbon, carbon_unit) if carbon.factors else "",
            carbon.central / most if most else 0.0,
        )
        for test, number, energy, carbon in zip(heaviest, tokens, energies, carbons, strict=True)
    )


def carbon_central(test: TestFootprint) -> float:
    """Grams CO2e of a test as far as known: ``carbon.total.central`` without the cost of its range."""
    carbon = test.carbon
    if carbon.reported_total is not None:
        return carbon.reported_total.central
    return math.fsum(part.central for _, part in carbon.parts if part is not None)


def _bears_shares(test: TestFootprint) -> bool:
    """Whether its shares of fixtures are more than a difference in the second digit."""
    shares = sum(share.carbon.total.central for share in test.fixtures)
    return shares > 0.01 * carbon_central(test)


def _calls(run: RunFootprint) -> int:
    totals = run.totals
    return totals.calls_live + totals.calls_replayed + totals.calls_mocked


def _watched(run: RunFootprint) -> str:
    """How far it is known that there was nothing: what a lost worker saw, and with which seams, nobody knows."""
    lost = [formatting.one_line(worker.id) for worker in run.workers if not worker.reported]
    if not lost:
        return _seams(run) if run.totals.tests else "no test ran"
    text = f"{'worker' if len(lost) == 1 else 'workers'} {remarks.names(lost)} lost"
    return f"{text}; {_seams(run)}" if facts.failed_seams(run) else text


def _seams(run: RunFootprint) -> str:
    failed = facts.failed_seams(run)
    if not failed:
        return "every seam armed"
    return "not every seam armed: " + formatting.one_line("; ".join(f"{name} ({why})" for name, why in failed))


def _carbon(run: RunFootprint, unit: formatting.Unit) -> tuple[str, str]:
    carbon = run.totals.carbon
    if len(carbon.unknown) == 3:
        return formatting.UNKNOWN, ""
    headline = carbon.total
    return formatting.carbon(headline, unit), formatting.carbon_range(headline, unit) if headline.factors else ""


def _water(water: Water) -> Figure:
    whole = water.total
    return Figure("water", formatting.water(whole), formatting.water_range(whole) if whole.factors else "")


def _energy(energy: Energy) -> Figure:
    whole = energy.total
    unit = formatting.energy_unit([whole])
    known = [*ENERGY_ORDER, *sorted(energy.by_domain.keys() - set(ENERGY_ORDER))]
    parts = [(name, energy.by_domain[name]) for name in known if name in energy.by_domain]
    detail = " · ".join(
        [
            *(f"{name} {formatting.UNKNOWN}" for name in energy.unread),
            *(
                f"{name.replace('_', ' ')} {formatting.energy_number(part, unit)}"
                for name, part in parts
                if part.central
            ),
        ]
    )
    span = formatting.energy_range(whole) if whole.factors else ""
    return Figure("energy", formatting.energy(whole, unit), span, detail)


def _asides(run: RunFootprint, unit: formatting.Unit) -> list[tuple[str, str, str]]:
    totals = run.totals
    found = []
    if totals.avoidable_carbon_g.central or run.marginal:
        text = f"had these tests not run, at {_saved_at(['local', *sorted(run.remote_grids)], run)}"
        found.append(("avoidable", formatting.carbon(totals.avoidable_carbon_g, unit), text))
    if totals.calls_replayed:
        avoided = totals.avoided_carbon_g if totals.avoided_carbon_g.central else None
        text = f"{formatting.counted(totals.calls_replayed, 'call')} replayed from cassettes"
        if not run.marginal.keys().isdisjoint(run.remote_grids):
            text += f", at {_saved_at(sorted(run.remote_grids), run)}"
        found.append(("avoided", formatting.carbon(avoided, unit), text))
    if totals.retries.attempts:
        text = f"{formatting.counted(totals.retries.attempts, 'attempt')} run again, contained above"
        found.append(("retries", formatting.carbon(totals.retries.carbon.total, unit), text))
    found += [
        ("amortised", formatting.carbon(fixture.carbon.total, unit), _amortised(fixture))
        for fixture in run.fixtures
        if fixture.trained and fixture.users
    ]
    return [*found, *_trained(run, unit), *_loaded(run, unit)]


def _saved_at(names: Sequence[str], run: RunFootprint) -> str:
    """By which factors what is not emitted at these places was priced."""
    given = [
        f"{name} {formatting.intensity(run.marginal[name].carbon_g_per_kwh)}" for name in names if name in run.marginal
    ]
    if not given:
        return "the average grid factor"
    factors = "the marginal factor that you gave" if len(given) == 1 else "the marginal factors that you gave"
    return f"{factors}: {', '.join(given)}{'; else the average' if len(given) < len(names) else ''}"


def _trained(run: RunFootprint, unit: formatting.Unit) -> Iterator[tuple[str, str, str]]:
    """Models that this run trained itself: contained in use, and what that is per inference, as information."""
    trained = [(model, model.trained) for model in run.models if model.trained is not None]
    heaviest = sorted(trained, key=lambda pair: -(pair[1].work.carbon_g or ZERO_G).central)
    for model, training in heaviest[:MOST_TRAINED]:
        times = formatting.counted(training.work.count, "training")
        text = f"{times} of {formatting.one_line(model.id)}, contained in use"
        if training.per_inference_g is not None:
            each = formatting.carbon(training.per_inference_g, formatting.carbon_unit([training.per_inference_g]))
            text += f"; over its {formatting.counted(training.inferences, 'inference')} here {each} each"
        yield "trained", formatting.carbon(training.work.carbon_g, unit), text
    if (more := len(heaviest) - MOST_TRAINED) > 0:
        rest = [training.work.carbon_g for _, training in heaviest[MOST_TRAINED:] if training.work.carbon_g is not None]
        yield "", formatting.carbon(total(rest) if rest else None, unit), f"training of {more} more models"


def _loaded(run: RunFootprint, unit: formatting.Unit) -> Iterator[tuple[str, str, str]]:
    """How often models were loaded: what a shared fixture saves."""
    loaded = [model.loads for model in run.models if model.loads.count]
    if loaded:
        times = formatting.counted(sum(loads.count for loads in loaded), "load")
        grams = [loads.carbon_g for loads in loaded if loads.carbon_g is not None]
        text = f"{times} of {formatting.counted(len(loaded), 'model')}"
        yield "loads", formatting.carbon(total(grams) if grams else None, unit), text


def _amortised(fixture: FixtureFootprint) -> str:
    """A model that is trained once for many tests: each bears its part."""
    again = f", set up {fixture.setups} times" if fixture.setups > 1 else ""
    models = ", ".join(map(formatting.one_line, fixture.trained))
    return (
        f"over {formatting.counted(len(fixture.users), 'test')}: fixture {formatting.one_line(fixture.name)} "
        f"({fixture.scope}) trains {models}{again}"
    )
