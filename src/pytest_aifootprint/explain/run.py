"""How every number of the summary is made."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from pytest_aifootprint.explain.costs import FIGURES, Figures, of_call, of_fixture, of_test, summed
from pytest_aifootprint.explain.lines import Book, Section, Table, known
from pytest_aifootprint.explain.owners import figures_table, reported_of, sum_up, totals
from pytest_aifootprint.explain.saved import HERE, Row, Saved, ranged
from pytest_aifootprint.quantities import EXACT_ZERO, Given, Range

MOST_ROWS = 20
NOTHING_RAN = "no model ran"
RANGE = "high = central * exp(sqrt(sum(ln(factor) ** 2))) over each input's worse end above 1; low likewise below 1"


def explain_run(saved: Saved, most_rows: int = MOST_ROWS) -> list[Section]:
    """Everything that the run's numbers are made from: its tests, each of which can be explained by itself."""
    fixtures = {name: of_fixture(saved, row).direct for name, row in saved.fixtures.items()}
    wholes = [(row, of_test(saved, row, fixtures)) for row in saved.tests]
    tests = [(row, whole.total) for row, whole in wholes]
    return [
        _counts(saved),
        _tests(saved, tests, most_rows),
        *_avoidable(saved, [(row, whole.direct) for row, whole in wholes], fixtures, most_rows),
        *_ranges(tests),
        *_widest(saved, tests),
        *_amortised(saved, fixtures),
        *_work(saved),
        *_basis(saved),
        *_unattributed(saved),
        *_grids(saved),
        *_training(saved),
        *_sci(saved),
    ]


def _counts(saved: Saved) -> Section:
    """What was seen: tests, calls, tokens."""
    report = saved.report["totals"]
    calls = [c for row in (*saved.tests, *saved.fixtures.values()) for c in row["calls"]]
    counts = (
        _of_run(
            "ai_tests", "tests that called a model, used a fixture that did, or are marked", "", _count(saved.tests)
        ),
        _of_run("tests", "all tests", "", Range(float(report["tests"]))),
        _of_run("models", "models that were called", "", _count(m for m in saved.report["models"] if m["calls"])),
    )
    book = Book()
    for realness in ("live", "replayed", "mocked"):
        rows = [c for c in calls if c["realness"] == realness]
        if rows:
            book.values[f"{realness}_of_calls"] = [Range(float(c["count"])) for c in rows]
            said = _number(report["calls"][realness])
            book.make(f"{realness}_calls", f"sum({realness}_of_calls)", "", f"{realness} calls", said)
    live = [c for c in calls if c["realness"] == "live" and c["operation"] not in {"inference", "training"}]
    for kind in ("input", "output"):
        numbers = [Range(float((c[f"{kind}_tokens"] or 0) * c["count"])) for c in live]
        if any(n.central for n in numbers):
            book.values[f"{kind}_of_calls"] = numbers
            said = _number(report["tokens"][kind])
            book.make(f"{kind}_tokens", f"sum({kind}_of_calls)", "", f"{kind} tokens of live calls", said)
    if {"input_tokens", "output_tokens"} <= book.values.keys():
        book.make("tokens", "input_tokens + output_tokens", "", "tokens")
    names = [name for name in book.values if name.endswith("_of_calls")]
    text = [f"{name}: {', '.join(_short(r.central) for r in _column(book, name))}" for name in names]
    return Section("what was seen", tuple(text), counts, lines=tuple(book.lines))


def _count(rows: Iterable[Row]) -> Range:
    return Range(float(sum(1 for _ in rows)))


def _column(book: Book, name: str) -> Sequence[Range]:
    value = book.values[name]
    return (value,) if isinstance(value, Range) else value


def _tests(saved: Saved, tests: Sequence[tuple[Row, Figures]], most_rows: int) -> Section:
    """The headline: a sum over the tests."""
    names = [n for n in FIGURES if n != "avoidable" and any(f[n] is None or f[n].central for _, f in tests)]  # type: ignore[union-attr]
    book = Book()
    report = saved.report["totals"]
    said = {**reported_of(report), "W_site": report["water_l"]["site"], "W_source": report["water_l"]["source"]}
    said["avoided"] = report["avoided_carbon_g"]
    for name in names:
        sum_up(book, name, "tests", (f[name] for _, f in tests), said.get(name))
    totals(
        book,
        [name for name in names if name in book.values],
        report["water_l"]["total"],
        report["energy_j"]["total"],
        report["carbon_g"]["total"],
    )
    tests = sorted(tests, key=lambda pair: -_grams(pair[1]))
    rows = [(row["nodeid"], figures) for row, figures in tests[:most_rows]]
    printed = [(row["nodeid"], _as_printed(row, figures)) for row, figures in tests[:most_rows]]
    if rest := tests[most_rows:]:
        rows.append((f"{len(rest)} others", summed([figures for _, figures in rest])))
    tables = (
        figures_table("tests", "tests", rows, names),
        Table("as the summary's table has them (1 Wh = 3600 J)", _AS_PRINTED, tuple(printed)),
    )
    text = ("each test by itself: aifootprint explain NODEID",)
    return Section("the summary", text, lines=tuple(book.lines), tables=tables)


_AS_PRINTED = (("calls_tests", ""), ("tokens_tests", ""), ("energy_tests", "J"), ("carbon_tests", "g"))


def _as_printed(row: Row, figures: Figures) -> tuple[Range, ...]:
    """Calls, tokens, energy (the sum of its domains) and carbon (use + training + hardware) of a test."""
    carbon = _sum([figures[name] for name in ("use", "training", "hardware")])
    energy = _sum([figures[name] for name in FIGURES if name.startswith("E_")])
    calls, tokens = sum(c["count"] for c in row["calls"]), row["tokens"]["input"] + row["tokens"]["output"]
    return Range(float(calls)), Range(float(tokens)), energy, carbon


def _avoidable(
    saved: Saved, own: Sequence[tuple[Row, Figures]], fixtures: Mapping[str, Figures], most_rows: int
) -> Iterator[Section]:
    """What had not been emitted had no AI test run: a fixture that another test needs stays, and one of theirs goes."""
    tests = [(row["nodeid"], figures) for row, figures in own if figures["avoidable"] and figures["avoidable"].central]
    shared = [(name, fixtures[name]) for name, row in saved.fixtures.items() if row["only_ai_users"]]
    book, tables, terms = Book(), [], []
    for kind, rows in (("tests", tests), ("fixtures", [r for r in shared if (a := r[1]["avoidable"]) and a.central])):
        if rows:
            column = f"avoidable_{kind}"
            book.values[column] = known(figures["avoidable"] for _, figures in rows)
            terms.append(f"sum({column})")
            rest = [(f"{len(rows) - most_rows} others", summed([f for _, f in rows[most_rows:]]))] * (
                len(rows) > most_rows
            )
            title = "tests, without shared fixtures" if kind == "tests" else "shared fixtures that only AI tests use"
            tables.append(figures_table(title, kind, [*rows[:most_rows], *rest], ["avoidable"]))
    if terms:
        what = "carbon that had not been emitted had these tests not run"
        book.make("avoidable", " + ".join(terms), "g", what, saved.report["totals"]["avoidable_carbon_g"])
        yield Section("avoidable", lines=tuple(book.lines), tables=tuple(tables))


def _grams(figures: Figures) -> float:
    return math.fsum(r.central for r in known(figures[name] for name in ("use", "training", "hardware")))


def _ranges(tests: Sequence[tuple[Row, Figures]]) -> Iterator[Section]:
    """What makes the sums uncertain: each input's own effect on them, and how these combine."""
    whole = summed([figures for _, figures in tests])
    carbon = [whole[name] for name in ("use", "training", "hardware")]
    energy = [whole[name] for name in FIGURES if name.startswith("E_")]
    water = [whole["W_site"], whole["W_source"]]
    tables = []
    for title, parts in (("carbon", carbon), ("energy", energy), ("water", water)):
        value = _sum(parts)
        if value.factors:
            wide = sorted(value.factors.items(), key=lambda item: -abs(item[1][1] - item[1][0]))
            rows = tuple((name, (Range(math.exp(low)), Range(math.exp(high)))) for name, (low, high) in wide)
            tables.append(
                Table(f"{title} is multiplied by", ((f"{title}_low_end", ""), (f"{title}_high_end", "")), rows)
            )
    if tables:
        yield Section("ranges", (RANGE,), tables=tuple(tables))


def _sum(parts: Sequence[Range | None]) -> Range:
    found = EXACT_ZERO
    for part in known(parts):
        found += part
    return found


def _amortised(saved: Saved, fixtures: Mapping[str, Figures]) -> Iterator[Section]:
    """Fixtures that train a model."""
    for name, row in saved.fixtures.items():
        if not (any(call["operation"] == "training" for call in row["calls"]) and row["users"]):
            continue
        known_parts = {part: fixtures[name][part] or EXACT_ZERO for part in ("use", "training", "hardware")}
        parts = {f"{part}_whole": value for part, value in known_parts.items() if value.central}
        given = [_of_run(symbol, f"aifootprint explain {name}", "g", value) for symbol, value in parts.items()]
        book = Book(dict(parts))
        what = f"borne by {row['payers']} tests"
        book.make("amortised", " + ".join(parts) or "0", "g", what, row["carbon_g"]["total"])
        yield Section(f"amortised: fixture {name}", given=tuple(given), lines=tuple(book.lines))


def _widest(saved: Saved, tests: Sequence[tuple[Row, Figures]]) -> Iterator[Section]:
    """The input that the carbon range comes from most, and the figure that it makes least sure."""
    name = saved.report["totals"]["widest_input"]
    if name is None:
        return
    figures = [("all tests", *pair) for pair in summed([whole for _, whole in tests]).items()]
    for model in saved.report["models"]:
        own = summed([of_call(saved, call) for _, call in saved.calls_of(model)])
        figures += [(f"calls to {model['id']}", *pair) for pair in own.items()]
    figures += [("this machine", given.symbol, given.value) for given in saved.sheets[HERE].given]
    pairs = [
        (where, figure, value.factors[name]) for where, figure, value in figures if value and name in value.factors
    ]
    if not pairs:
        return
    where, figure, (low, high) = max(pairs, key=lambda pair: abs(pair[2][1] - pair[2][0]))
    ends = {"at_low_end": math.exp(min(low, high)), "at_high_end": math.exp(max(low, high))}
    book = Book({symbol: Range(value) for symbol, value in ends.items()})
    book.make("widest", "(at_high_end / at_low_end) ** 0.5", "", f"{name}: x/÷ so much, in the {figure} of {where}")
    given = (
        Given("at_low_end", f"what {name} multiplies {figure} by", "", book.range_of("at_low_end"), where, None, ""),
        Given("at_high_end", "likewise", "", book.range_of("at_high_end"), where, None, ""),
    )
    yield Section("widest input", given=given, lines=tuple(book.lines))


def _work(saved: Saved) -> Iterator[Section]:
    """Models that were trained or loaded here: a part of what their windows took."""
    intensity = next(g for g in saved.sheets[HERE].given if g.symbol == "I_here")
    exact = replace(intensity, value=Range(intensity.value.central))
    for key, title in (("trained_here", "trained"), ("loads", "loads")):
        for model in saved.report["models"]:
            work = model[key]
            if not work or not work["count"] or work["energy_j"] is None:
                continue
            windows = [(w["where"], Range(w["energy_j"]["central"])) for w in work["windows"] if w["energy_j"]]
            given = [
                exact,
                *(_of_run("E_windows", f"{where}, by CPU seconds", "J", joules) for where, joules in windows),
            ]
            book = Book({"I_here": exact.value, "E_windows": [joules for _, joules in windows]})
            said = None if work["carbon_g"] is None else _number(work["carbon_g"]["central"])
            what = f"{work['count']} x, contained in use"
            book.make(title, "sum(E_windows) * I_here / 3.6e6", "g", what, said)
            if key == "trained_here" and work["inferences"]:
                number = Range(float(work["inferences"]))
                given.append(_of_run("inferences", "with that model", "", number))
                book.values["inferences"] = number
                per = work["carbon_g_per_inference"]
                each = None if per is None else _number(per["central"])
                book.make("per_inference", f"{title} / inferences", "g", "information, never a cost again", each)
            yield Section(f"{title} here: {model['id']}", given=tuple(given), lines=tuple(book.lines))


def _of_run(symbol: str, what: str, unit: str, value: Range) -> Given:
    return Given(symbol, what, unit, value, "this run", None, "")


def _basis(saved: Saved) -> Iterator[Section]:
    """How much of the energy is how sure."""
    totals_j = saved.report["totals"]["energy_j"]
    joules: dict[str, list[float]] = {}
    for meter in saved.report["run"]["meters"]:
        name = "gpu" if meter["domain"].startswith("gpu") else meter["domain"]
        if totals_j.get(name) is not None:
            joules.setdefault(meter["basis"], []).append(totals_j[name]["central"])
    for owner in (*saved.tests, *saved.fixtures.values()):
        for call in owner["calls"]:
            if call["energy_j"] is not None and call["energy_j"]["central"]:
                joules.setdefault(call["basis"], []).append(call["energy_j"]["central"])
    book = Book()
    book.values["E_all"] = [Range(j) for parts in joules.values() for j in parts]
    for basis, parts in joules.items():
        if math.fsum(parts):
            book.values[f"E_{basis}"] = [Range(j) for j in parts]
            said = _number(saved.report["totals"]["basis_share"][basis])
            book.make(basis, f"sum(E_{basis}) / sum(E_all)", "", f"share of the energy that is {basis}", said)
    if book.lines:
        text = tuple(f"E_{basis}: {', '.join(_short(j) for j in parts if j)} J" for basis, parts in joules.items())
        every = f"E_all: {', '.join(_short(j) for parts in joules.values() for j in parts if j)} J"
        yield Section("basis", (*text, every), lines=tuple(book.lines))


_BALANCE = {
    "idle": "idle_j",
    "other_tests": "other_tests_j",
    "other_processes": "other_processes_j",
    "this_plugin": "plugin_j",
}


def _unattributed(saved: Saved) -> Iterator[Section]:
    """Where the metered joules went that no AI test caused."""
    balance = saved.report["balance"]
    domains = list(balance)
    if not math.fsum(balance[d]["metered_j"] for d in domains):
        return
    book = Book()
    given = []
    for name, key in (("metered", "metered_j"), *_BALANCE.items(), ("fixtures", "shared_fixtures_j")):
        column = [Range(balance[d][key]) for d in domains]
        book.values[f"{name}_j"] = column
        given += [
            Given(
                f"{name}_j",
                f"of {d}, in the report's balance",
                "J",
                value,
                balance[d]["meter"],
                None,
                balance[d]["basis"],
            )
            for d, value in zip(domains, column, strict=True)
        ]
    borne = [share["energy_j"] for row in saved.tests for share in row["fixtures"]]
    book.values["borne"] = [
        Range(_metered_part(saved, share, e))
        for share, e in zip((s for r in saved.tests for s in r["fixtures"]), borne, strict=True)
    ]
    parts = []
    for name in _BALANCE:
        if math.fsum(r.central for r in _column(book, f"{name}_j")):
            book.make(name, f"sum({name}_j) / sum(metered_j)", "", "share of what was metered here")
            parts.append(name)
    fixtures = math.fsum(r.central for r in _column(book, "fixtures_j"))
    unborne = fixtures - math.fsum(r.central for r in _column(book, "borne"))
    if unborne > 1e-6 * fixtures:
        book.make(
            "fixtures_of_other_tests",
            "(sum(fixtures_j) - sum(borne)) / sum(metered_j)",
            "",
            "what no AI test bears of them",
        )
        parts.append("fixtures_of_other_tests")
        given.append(
            Given(
                "borne",
                "shares of fixtures that AI tests bear, summed",
                "J",
                Range(fixtures - unborne),
                "the tests",
                None,
                "",
            )
        )
    if parts:
        book.make("unattributed", " + ".join(parts), "", "share of what was metered here that no AI test caused")
    yield Section("unattributed", given=tuple(given), lines=tuple(book.lines))


def _metered_part(saved: Saved, share: Row, energy: Row) -> float:
    """Joules of a share of a fixture that were metered here: without what its calls came to elsewhere."""
    fixture = saved.fixtures[share["id"]]
    here = math.fsum((fixture["energy_j"].get(d) or {"central": 0.0})["central"] for d in ("cpu", "ram", "gpu"))
    whole: float = fixture["energy_j"]["total"]["central"]
    central: float = energy["central"]
    return central * here / whole if whole else 0.0


def _grids(saved: Saved) -> Iterator[Section]:
    """Electricity of all places."""
    grids = saved.report["run"]["grids"]
    rows = [("this machine", grids["local"]), *grids["remote"].items()]
    given = []
    for who, grid in rows:
        value = ranged(grid["carbon_g_per_kwh"], "grid") or EXACT_ZERO
        basis = "a guess" if grid["guessed"] else ""
        given.append(Given("I", f"{who}: {grid['zone']}", "g/kWh", value, grid["source"], grid["year"], basis))
    yield Section("grids", given=tuple(given))


def _training(saved: Saved) -> Iterator[Section]:
    """By which method each model's training share is made, and the share of inference that the share method goes by."""
    by_method: dict[str, list[str]] = {}
    for model in saved.report["models"]:
        if model["calls"] and model["training"]["source"] != NOTHING_RAN:
            by_method.setdefault(model["training"]["method"], []).append(model["id"])
    if not by_method:
        return
    given = [
        _of_run(f"{method}_models", ", ".join(names), "", Range(float(len(names))))
        for method, names in by_method.items()
    ]
    book = Book()
    phis = dict.fromkeys(
        (phi["low"], phi["central"], phi["high"])
        for model in saved.report["models"]
        if model["training"]["method"] == "share" and (phi := model["training"].get("phi"))
    )
    for number, phi in enumerate(phis, 1):
        symbol = "m" if len(phis) == 1 else f"m_{number}"
        m = Range(1 / phi[1] - 1)
        book.values[symbol] = m
        given.append(Given(symbol, "training per inference", "", m, "aifootprint explain MODEL", None, ""))
        name = symbol.replace("m", "phi")
        book.make(name, f"1 / (1 + {symbol})", "", "share of inference in a model's life", _number(phi[1]))
    yield Section("training", given=tuple(given), lines=tuple(book.lines))


def _sci(saved: Saved) -> Iterator[Section]:
    """Per call and per passed test."""
    sci = saved.report["totals"]["sci_style"]
    if not sci:
        return
    text = [f"{key}: {value}" for key, value in sci.items() if isinstance(value, str)]
    text += [f"departs: {value}" for value in sci["departures"]]
    carbon = saved.report["totals"]["carbon_g"]
    units = {f"{unit}s": number for unit, number in sci["functional_units"].items() if number}
    counts = [
        _of_run(f"{unit}s", "", "", Range(float(number))) for unit, number in sci["functional_units"].items() if number
    ]
    book = Book({unit: Range(float(number)) for unit, number in units.items()})
    for name, parts in (("consumer", ("use", "hardware")), ("provider", ("training",))):
        values = {part: Range(carbon[part]["central"]) for part in parts if carbon[part] is not None}
        book.values.update(values)
        for unit in units:
            said = sci.get(f"{name}_g_per_{unit.removesuffix('s')}")
            if said is not None:
                what = f"grams per {unit.removesuffix('s').replace('_', ' ')}"
                equation = f"({' + '.join(values)}) / {unit}"
                book.make(f"{name}_per_{unit.removesuffix('s')}", equation, "g", what, _number(said["central"]))
    yield Section("in the style of SCI", tuple(text), tuple(counts), lines=tuple(book.lines))


def _number(value: float) -> dict[str, float]:
    """A plain number as the report would have it as a range."""
    return dict.fromkeys(("low", "central", "high"), float(value))


def _short(value: float) -> str:
    return f"{value:.6g}"
