"""How every number of the summary is made."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence

from pytest_aifootprint.explain.costs import FIGURES, Figures, of_call, of_fixture, of_test, summed
from pytest_aifootprint.explain.facts import (
    basis_section,
    column_of,
    grids_section,
    listed,
    of_run,
    plain_number,
    sci_section,
    training_section,
    unattributed_section,
    work_section,
)
from pytest_aifootprint.explain.lines import Book, Section, Table, known
from pytest_aifootprint.explain.owners import figures_table, reported_of, sum_up, totals
from pytest_aifootprint.explain.saved import HERE, Row, Saved
from pytest_aifootprint.quantities import EXACT_ZERO, Given, Range
from pytest_aifootprint.quantities.changed import replace

MOST_ROWS = 20
RANGE = "high = central * exp(sqrt(sum(ln(factor) ** 2))) over each input's worse end above 1; low likewise below 1"


def explain_run(saved: Saved, most_rows: int = MOST_ROWS) -> list[Section]:
    """Everything that the run's numbers are made from: its tests, each of which can be explained by itself."""
    fixtures = {name: of_fixture(saved, row).direct for name, row in saved.fixtures.items()}
    wholes = [(row, of_test(saved, row, fixtures)) for row in saved.tests]
    tests = [(row, whole.total) for row, whole in wholes]
    sums = [
        _counts(saved),
        _tests(saved, tests, most_rows),
        *_avoidable(saved, [(row, whole.direct) for row, whole in wholes], fixtures, most_rows),
    ]
    return [
        *(_without_rows(saved, sums) if saved.without_row else sums),
        *_ranges(tests),
        *_widest(saved, tests),
        *_amortised(saved, fixtures),
        *work_section(saved),
        *(() if saved.without_row else basis_section(saved)),
        *unattributed_section(saved),
        *grids_section(saved),
        *training_section(saved),
        *sci_section(saved),
    ]


def _without_rows(saved: Saved, sums: Iterable[Section]) -> Iterator[Section]:
    """The same where tests have no row: the report's totals have them, and cannot be calculated again."""
    number = saved.report["totals"]["ai_tests"]
    text = (
        f"{saved.without_row} of {number} AI tests have no row in this report (--aifootprint-tests marked).",
        "The sums on this page are of those that have one, not the report's totals, and are not held against them.",
        "How sure the energy is (basis) cannot be calculated without them.",
    )
    yield Section("not derived", text)
    for section in sums:
        lines = tuple(replace(line, reported=None) for line in section.lines)
        yield replace(section, lines=lines)


def _counts(saved: Saved) -> Section:
    """What was seen: tests, calls, tokens."""
    report = saved.report["totals"]
    calls = [c for row in (*saved.tests, *saved.fixtures.values()) for c in row["calls"]]
    counts = (
        of_run(
            "ai_tests",
            "tests that called a model, used a fixture that did, or are marked",
            "",
            Range(float(len(saved.tests) + saved.without_row)),
        ),
        of_run("tests", "all tests", "", Range(float(report["tests"]))),
        of_run("models", "models that were called", "", _count(m for m in saved.report["models"] if m["calls"])),
    )
    book = Book()
    for realness in ("live", "replayed", "mocked"):
        rows = [c for c in calls if c["realness"] == realness]
        if rows:
            book.values[f"{realness}_of_calls"] = [Range(float(c["count"])) for c in rows]
            said = plain_number(report["calls"][realness])
            book.make(f"{realness}_calls", f"sum({realness}_of_calls)", "", f"{realness} calls", said)
    live = [c for c in calls if c["realness"] == "live" and c["operation"] not in {"inference", "training"}]
    for kind in ("input", "output"):
        numbers = [Range(float((c[f"{kind}_tokens"] or 0) * c["count"])) for c in live]
        if any(n.central for n in numbers):
            book.values[f"{kind}_of_calls"] = numbers
            said = plain_number(report["tokens"][kind])
            book.make(f"{kind}_tokens", f"sum({kind}_of_calls)", "", f"{kind} tokens of live calls", said)
    if {"input_tokens", "output_tokens"} <= book.values.keys():
        book.make("tokens", "input_tokens + output_tokens", "", "tokens")
    names = [name for name in book.values if name.endswith("_of_calls")]
    text = [listed(name, [r.central for r in column_of(book, name)]) for name in names]
    return Section("what was seen", tuple(text), counts, lines=tuple(book.lines))


def _count(rows: Iterable[Row]) -> Range:
    return Range(float(sum(1 for _ in rows)))


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
        given = [of_run(symbol, f"aifootprint explain {name}", "g", value) for symbol, value in parts.items()]
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
