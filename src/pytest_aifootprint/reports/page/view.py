"""What the sections of the HTML page say, as text and geometry: its templates only lay it out."""

# ruff: noqa: RUF001 - the sign of a product is what is meant
from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from msgspec import Struct

from pytest_aifootprint.quantities import Basis, Range, basis_of_sum
from pytest_aifootprint.records.amounts import Carbon
from pytest_aifootprint.records.changes import RUN
from pytest_aifootprint.records.model import RunFootprint, TestFootprint
from pytest_aifootprint.records.model_use import ModelFootprint
from pytest_aifootprint.reports import changing, facts, formatting, remarks
from pytest_aifootprint.reports.page import charts, data
from pytest_aifootprint.reports.page.charts import Bar
from pytest_aifootprint.reports.saved.values import factors_of
from pytest_aifootprint.reports.summary import Row, carbon_central

MOST_VERDICTS = 100
MOST_NOTICES = 100
MOST_CHANGES = 10
MOST_FACTORS = 8
_MOST_LOG = 700.0
"""A number whose logarithm is larger is none."""
_WORST = ("fail", "undecided", "pass")


class Amount(Struct, frozen=True):
    """A figure of the run: its name, what it comes to, and how and from what it is made."""

    label: str
    central: str
    range: str
    how: str
    source: str = ""
    basis: str = ""


def scale_of(tests: Sequence[TestFootprint]) -> float:
    """Grams at the end of the tests' bars: the furthest that a bar or a whisker reaches."""
    heaviest = sorted(tests, key=carbon_central, reverse=True)[:200]
    ends = [whole.high for t in heaviest if (whole := t.carbon.known_total) is not None]
    return max((end for end in ends if math.isfinite(end)), default=0.0)


def test_bar(test: TestFootprint, scale: float) -> Bar:
    """Use, training and hardware of a test, and its range."""
    return _bar(test.carbon, scale)


def total_bar(run: RunFootprint) -> Bar:
    """The same of the run, on a scale of its own."""
    carbon = run.totals.carbon
    high = carbon.total.high
    whole = high if math.isfinite(high) and high else carbon.total.central
    return _bar(carbon, whole)


def _bar(carbon: Carbon, scale: float) -> Bar:
    whole = carbon.total
    parts = [(name, None if part is None else part.central) for name, part in carbon.parts]
    ends = (whole.low, whole.high) if whole.factors and math.isfinite(whole.high) else None
    return charts.bar(parts, scale, ends)


def basis_bar(run: RunFootprint) -> Bar:
    """How much of the energy is how sure."""
    return charts.bar([(b.value, run.totals.basis_share.get(b.value)) for b in Basis], 1.0)


def heaviest(run: RunFootprint, ranking: Sequence[Row]) -> tuple[str, str, str] | None:
    """Name, carbon and share of the test that comes to most; None where nothing does."""
    if not ranking or not ranking[0].share:
        return None
    whole = run.totals.carbon.total.central
    share = formatting.percent(max(map(carbon_central, run.tests)) / whole) if whole else ""
    return ranking[0].nodeid, ranking[0].carbon, share


def verdicts(run: RunFootprint) -> list[tuple[str, str]]:
    """Every verdict on the run, and those on tests that are no pass, the worst first: the word, and the line."""
    of_tests = remarks.broken(run, of_run=False)
    # The word stands before the line.
    found = [
        (v.verdict, remarks.said(v, word=False))
        for v in sorted((*run.verdicts, *of_tests[:MOST_VERDICTS]), key=lambda v: _WORST.index(v.verdict))
    ]
    if (more := len(of_tests) - MOST_VERDICTS) > 0:
        found.append(("fail", f"and {formatting.counted(more, 'test')} more, see the table of tests"))
    return found


def changes(run: RunFootprint) -> dict[str, Any] | None:
    """The run beside its baseline: what that is, and rows of scope (None: the run), quantity, before, now, change."""
    found = run.changes
    rows = () if found is None else changing.rows(found, MOST_CHANGES)
    if found is None or not rows:
        return None
    runs = f"{formatting.counted(found.runs, 'run')} in {formatting.one_line(found.file)}"
    return {
        "about": f"Against {runs}: {changing.tests(found)}",
        "rows": [(None if scope == RUN else scope, *cells) for scope, *cells in rows],
        "more": sum(change.scope != RUN for change in found.changes) > MOST_CHANGES,
    }


def amounts(run: RunFootprint) -> Iterator[Amount]:
    """Every figure of the totals."""
    totals = run.totals
    carbon, unit = totals.carbon, formatting.carbon_unit([totals.carbon.total])
    basis = _basis(run)
    local, remote = _places(run)
    machines = "; ".join(dict.fromkeys(use.row.origin.source for use in run.hardware))
    rows = (
        ("carbon", carbon.total, "use + training + hardware, as far as known", "", ""),
        ("use", carbon.use, "electricity × carbon of its grid", "; ".join((*local, *remote)), basis),
        ("training", carbon.training, "each call's part of its model's training", facts.training(run), ""),
        ("hardware", carbon.hardware, "seconds of the machine × its manufacture over its life", machines, ""),
        ("avoidable", totals.avoidable_carbon_g, "had these tests not run; in no other total", "", ""),
        ("avoided", totals.avoided_carbon_g, "what replayed calls would have cost live; in no other total", "", ""),
        ("retries", totals.retries.carbon.total, "attempts that were run again; contained above", "", ""),
        (
            "hardware, nobody's",
            totals.hardware_unattributed_g,
            "manufacture for the seconds that no test bears; in no other total",
            machines,
            "",
        ),
    )
    for label, grams, how, source, sure in rows:
        if label in {"carbon", "use", "training", "hardware"} or (grams is not None and grams.central):
            yield Amount(
                label, formatting.carbon(grams, unit), _span(formatting.carbon_range, grams, unit), how, source, sure
            )
    yield from _energies(run, basis)
    water, litres = totals.water, formatting.water_unit([totals.water.total])
    for label, value, how in (
        ("water", water.total, "site + source"),
        ("water, site", water.site, "electricity of data centres × their cooling water (WUE)"),
        ("water, source", water.source, "electricity × water of the power plants (EWIF)"),
    ):
        yield Amount(label, formatting.water(value, litres), _span(formatting.water_range, value, litres), how)


def _energies(run: RunFootprint, basis: str) -> Iterator[Amount]:
    energy = run.totals.energy
    unit = formatting.energy_unit([energy.total])
    text, span = formatting.energy(energy.total, unit), _span(formatting.energy_range, energy.total, unit)
    yield Amount("energy", text, span, "sum of the domains below", "", basis)
    meters: dict[str, list[Any]] = {}
    for meter in run.meters:
        meters.setdefault("gpu" if meter.domain.startswith("gpu") else meter.domain, []).append(meter)
    for domain, joules in energy.by_domain.items():
        mine = meters.get(domain, [])
        how = "; ".join(dict.fromkeys(m.name for m in mine)) or "each call by its model and tokens"
        why = "; ".join(dict.fromkeys(m.reason for m in mine))
        sure = ", ".join(dict.fromkeys(m.basis.value for m in mine)) or "estimated"
        text, span = formatting.energy(joules, unit), _span(formatting.energy_range, joules, unit)
        yield Amount(f"energy, {domain.replace('_', ' ')}", text, span, how, why, sure)
    for domain in energy.unread:
        how = "; ".join(dict.fromkeys(m.name for m in meters.get(domain, [])))
        yield Amount(f"energy, {domain}", formatting.UNKNOWN, "", f"{how}, which could not be read")


def _basis(run: RunFootprint) -> str:
    found = basis_of_sum([(run.totals.basis_share.get(basis.value, 0.0), basis) for basis in Basis])
    return found.value if found is not None and any(run.totals.basis_share.values()) else ""


def _places(run: RunFootprint) -> tuple[list[str], list[str]]:
    def said(who: str, grid: Any) -> str:
        year = f", {grid.year}" if grid.year and str(grid.year) not in grid.source else ""
        return f"{who} {grid.zone} {formatting.intensity(grid.carbon_g_per_kwh)} ({grid.source}{year})"

    return [said("local", run.local_grid)], [said(n, g) for n, g in sorted(run.remote_grids.items())]


def _span(printed: Any, value: Range | None, unit: formatting.Unit) -> str:
    return printed(value, unit) if value is not None and value.factors and value.central else ""


def factors(run: RunFootprint) -> list[tuple[str, str, float]]:
    """The inputs that make the carbon uncertain, widest first: name, x/÷ so much, and a part of the widest."""
    # In the order of the JSON report: of two that are as wide but for the last digit, a saved one has no other first.
    found = [
        (row["name"], abs(data.log(row["high"]) - data.log(row["low"])) / 2)
        for row in factors_of(run.totals.carbon.total)
        if ":" in row["name"] or "_" in row["name"] or row["name"] in {"phi", "gpu", "prefill"}
    ]
    return [
        (
            formatting.one_line(facts.input_named(name, run)),
            formatting.factor(math.exp(min(half, _MOST_LOG))),
            half / found[0][1] if found[0][1] else 0.0,
        )
        for name, half in found[:MOST_FACTORS]
    ]


def model_rows(run: RunFootprint) -> list[dict[str, Any]]:
    """Each model: printed figures, and where its training comes from."""
    unit = formatting.carbon_unit([m.carbon.total for m in run.models])
    joules = formatting.energy_unit([m.energy_j for m in run.models])
    scale = max((m.carbon.total.high for m in run.models if math.isfinite(m.carbon.total.high)), default=0.0)
    return [
        {
            "id": formatting.one_line(model.id),
            "provider": model.provider or "in the process",
            "calls": formatting.count(model.calls),
            "tokens": formatting.count(model.tokens.all) if model.tokens.all else "",
            "energy": formatting.energy(model.energy_j, joules),
            "carbon": formatting.carbon(model.carbon.known_total, unit),
            "range": _span(formatting.carbon_range, model.carbon.total, unit),
            "bar": _bar(model.carbon, scale),
            "facts": list(_model_facts(model)),
        }
        for model in run.models
    ]


def _model_facts(model: ModelFootprint) -> Iterator[tuple[str, str]]:
    training = model.training
    yield "training share", f"{training.method}: {training.source or 'nothing is known'}"
    if training.phi is not None:
        yield "phi", f"{formatting.percent(training.phi.central)}: inference's share of the energy of the model's life"
    if training.carbon_kg is not None:
        known = f"{formatting.carbon(training.carbon_kg.central * 1000)}CO2e, {training.whole or 'known'}"
        yield "whole training", known
    if training.parent:
        yield "parent", f"{training.parent}: its training is not in it"
    if model.parameters is not None:
        yield "parameters", formatting.count(model.parameters)
    for name, values in (("precision", model.precisions), ("device", model.devices)):
        if values:
            yield name, ", ".join(values)
    if model.revision:
        yield "revision", model.revision
    if model.loads.count:
        yield "loads", _work(model.loads.count, "load", model.loads.energy_j)
    if model.trained is not None:
        yield "trained here", _work(model.trained.work.count, "training", model.trained.work.energy_j)


def _work(count: int, what: str, energy_j: Any) -> str:
    return f"{formatting.counted(count, what)}, {formatting.energy(energy_j)}, contained in use"


def fixture_rows(run: RunFootprint) -> list[dict[str, Any]]:
    """Each shared fixture as a whole, heaviest first; ``number`` is its place in the run."""
    unit = formatting.carbon_unit([f.carbon.total for f in run.fixtures])
    order = sorted(enumerate(run.fixtures), key=lambda pair: -pair[1].carbon.total.central)
    return [
        {
            "number": number,
            "id": formatting.one_line(fixture.id),
            "scope": fixture.scope,
            "users": formatting.count(len(fixture.users)),
            "setups": formatting.count(fixture.setups),
            "energy": formatting.energy(fixture.energy.total),
            "carbon": formatting.carbon(fixture.carbon.total, unit),
            "range": _span(formatting.carbon_range, fixture.carbon.total, unit),
            "trained": ", ".join(map(formatting.one_line, fixture.trained)),
        }
        for number, fixture in order
    ]


BALANCE = (
    ("ai_tests_j", "AI tests"),
    ("shared_fixtures_j", "shared fixtures"),
    ("other_tests_j", "other tests"),
    ("other_processes_j", "other processes"),
    ("idle_j", "idle"),
    ("plugin_j", "this plugin"),
)


def balance_rows(run: RunFootprint) -> list[dict[str, Any]]:
    """Where each domain's metered joules went."""
    found = []
    for domain, balance in run.balance.items():
        terms = [(key.removesuffix("_j"), name, getattr(balance, key)) for key, name in BALANCE]
        power = balance.idle_power
        idle = "" if power is None else f"idle at {formatting.power(power.power_w)}, {power.basis.value}: {power.how}"
        shares = [
            (css, name, formatting.joules(j), formatting.percent(j / balance.metered_j if balance.metered_j else None))
            for css, name, j in terms
        ]
        found.append(
            {
                "domain": domain,
                "metered": formatting.joules(balance.metered_j),
                "meter": balance.meter,
                "basis": balance.basis.value,
                "idle": idle,
                "terms": shares,
                "bar": charts.bar([(css, j) for css, _, j in terms], balance.metered_j),
            }
        )
    return found


def grid_rows(run: RunFootprint) -> list[dict[str, str]]:
    """Electricity of each place."""
    places = [("this machine", run.local_grid), *sorted(run.remote_grids.items())]
    places += [(f"{name}, marginal", grid) for name, grid in sorted(run.marginal.items())]
    found = []
    for who, grid in places:
        carbon, water = grid.carbon_g_per_kwh, grid.water_l_per_kwh
        low, high = (formatting.intensity(end) if math.isfinite(end) else "" for end in (carbon.low, carbon.high))
        found.append(
            {
                "who": formatting.one_line(who),
                "zone": grid.zone + (" (a guess)" if grid.guessed else ""),
                "carbon": formatting.intensity(carbon),
                "range": f"{low.removesuffix(' g/kWh')} to {high}" if carbon.factors else "",
                "water": "" if water is None else f"{formatting.water(water.central)}/kWh",
                "source": formatting.one_line(grid.source),
                "year": str(grid.hour or grid.year or ""),
            }
        )
    return found


def about(run: RunFootprint) -> list[tuple[str, str]]:
    """The run: when, where, with what."""
    host = run.host
    workers = ", ".join(w.id + ("" if w.reported else " (lost)") for w in run.workers)
    rows = [
        ("started", run.started_at.replace("T", " ").replace("+00:00", " UTC")),
        ("took", formatting.seconds(run.duration_s)),
        ("commit", run.commit or ""),
        (
            "machine",
            ", ".join(str(part) for part in (host.get("cpu"), host.get("kind"), *host.get("gpus", ())) if part),
        ),
        ("pytest", f"{run.pytest} on Python {run.python}"),
        ("plugin", f"pytest-aifootprint {run.version}, figures {run.factors_version}"),
        ("processes", workers),
        ("CI", ", ".join(f"{key} {value}" for key, value in run.ci.items())),
        ("rows", {"ai": "AI tests", "marked": "marked tests", "all": "all tests"}.get(run.rows, run.rows)),
        ("calls are watched in", ", ".join(sorted(run.seams))),
    ]
    return [(name, formatting.one_line(text)) for name, text in rows if text]
