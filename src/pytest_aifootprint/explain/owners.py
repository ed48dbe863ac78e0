"""How the cost of a test, or of a shared fixture, is made: its own windows, its calls, its part of fixtures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pytest_aifootprint.explain.costs import (
    FIGURES,
    Figures,
    Whole,
    machine_told,
    of_fixture,
    of_test,
    told_of,
)
from pytest_aifootprint.explain.lines import Book, Section, Table, known
from pytest_aifootprint.explain.saved import HERE, Row, Saved
from pytest_aifootprint.quantities import Given, Range
from pytest_aifootprint.quantities.sheets import Value

TOLD = {
    "t": ("s", "CPU seconds of its windows, its children's and local servers' included"),
    "t_machine": ("s", "CPU seconds that the machine's manufacture goes by"),
    "n": ("", "tokens read"),
    "c": ("", "of these from a cache"),
    "out": ("", "tokens written"),
    "items": ("", "items of the call"),
    "media_s": ("s", "seconds of one clip"),
    "E_cpu": ("J", "electricity of the CPU, as metered"),
    "E_ram": ("J", "electricity of memory, as metered"),
    "E_gpu": ("J", "electricity of GPUs, as metered"),
    "J_counter": ("J", "electricity of the CPU, as its counter has it"),
    "J_model": ("J", "CPU seconds without a reading, times the load model's watts above idle"),
    "J_idle": ("J", "time without a reading, times the load model's idle watts"),
    "J_above_idle": ("J", "electricity above idle, as counters have it"),
}
IN_REPORT = {
    "E_cpu": ("energy_j", "cpu"),
    "E_ram": ("energy_j", "ram"),
    "E_gpu": ("energy_j", "gpu"),
    "E_server": ("energy_j", "local_server"),
    "E_remote": ("energy_j", "remote"),
    "use": ("carbon_g", "use"),
    "training": ("carbon_g", "training"),
    "hardware": ("carbon_g", "hardware"),
}
"""Figure to where a row of the report has it."""


def explain_test(saved: Saved, test: Row) -> list[Section]:
    """Everything that a test's numbers are made from."""
    whole = of_test(saved, test)
    reported = {**reported_of(test), "avoidable": test["avoidable_carbon_g"], "avoided": test["avoided_carbon_g"]}
    return [
        _windows(saved, test["direct"], test["direct"]["energy_j"]),
        *_calls(saved, test["calls"]),
        *_owner(whole, reported, test["water_l"], _shares(saved, whole)),
    ]


def explain_fixture(saved: Saved, fixture: Row) -> list[Section]:
    """Everything that a shared fixture's numbers are made from, as a whole."""
    whole = of_fixture(saved, fixture)
    return [
        _windows(saved, fixture, fixture["energy_j"]),
        *_calls(saved, fixture["calls"]),
        *_owner(whole, reported_of(fixture), None, ()),
    ]


def reported_of(row: Row) -> dict[str, Any]:
    """What the report says, by symbol."""
    return {name: row[part].get(key) for name, (part, key) in IN_REPORT.items()}


def _windows(saved: Saved, seconds: Row, energy: Row) -> Section:
    sheet = saved.sheets[HERE]
    told = machine_told(saved, seconds, energy)
    book = Book()
    book.follow(sheet, told, {"E_cpu": energy.get("cpu"), "E_active": seconds.get("active_energy_j")})
    return Section("its own windows on this machine", given=(*told_given(told), *sheet.given), lines=tuple(book.lines))


def told_given(told: Mapping[str, Range], source: str = "this run") -> Iterator[Given]:
    """What a sheet was told, as inputs."""
    for symbol, value in told.items():
        unit, what = TOLD.get(symbol, ("s", f"seconds that the manufacture of {symbol[2:]} goes by"))
        yield Given(symbol, what, unit, value, source, None, "")


def _calls(saved: Saved, calls: Sequence[Row]) -> Iterator[Section]:
    """Each kind of call once: all calls of one sheet that tell the same."""
    kinds: dict[tuple[Any, ...], Row] = {}
    for call in calls:
        kinds.setdefault((call["sheet"], *sorted((k, v.central) for k, v in told_of(call).items())), call)
    for call in kinds.values():
        yield call_section(saved, call)


def call_section(saved: Saved, call: Row) -> Section:
    """How one row of calls is priced."""
    title = f"a call: {called(call)}"
    if call["sheet"] is None:
        return Section(title, text=(call["equation"] or "nothing is known of it", f"source: {call['source']}"))
    sheet = saved.sheets[call["sheet"]]
    own = {given.symbol for given in sheet.given}
    used = {name for name, value in told_of(call).items() if name not in own and sheet.needs(name)}
    told = {name: value for name, value in told_of(call).items() if name in used}
    book = Book()
    book.follow(sheet, told)
    return Section(title, given=(*told_given(told), *sheet.given), lines=tuple(book.lines))


def called(call: Row) -> str:
    """A call in half a line."""
    name = f"{call['operation']} {call['model'] or 'unknown model'}"
    where = f" at {call['provider']}" if call["provider"] else ""
    return f"{name}{where}, {call['locality']}, {call['realness']}"


def _shares(saved: Saved, whole: Whole) -> tuple[tuple[str, Figures], ...]:
    return tuple(
        (f"{share['id']} over {saved.fixtures[share['id']]['payers']}", figures) for share, figures in whole.shares
    )


def _owner(
    whole: Whole, reported: Mapping[str, Any], water: Any, shares: Sequence[tuple[str, Figures]]
) -> Iterator[Section]:
    """The sums."""
    calls = [(f"{call['count']} x {called(call)}", figures) for call, figures in whole.calls]
    names = [name for name in FIGURES if _is_there(name, [whole.own, *(f for _, f in (*calls, *shares))])]
    tables = []
    book = Book()
    own = {f"{name}_own": value for name in names if (value := whole.own[name]) is not None and value.central}
    book.values.update(own)
    columns: dict[str, list[str]] = {name: [f"{name}_own"] if f"{name}_own" in own else [] for name in names}
    for title, kind, rows in (
        ("its calls", "calls", calls),
        ("its part of shared fixtures, each over those who bear it (aifootprint explain FIXTURE)", "shares", shares),
    ):
        kept = [name for name in names if _is_there(name, [figures for _, figures in rows])]
        if not kept:
            continue
        tables.append(figures_table(title, kind, rows, kept))
        for name in kept:
            column: Value = known(figures[name] for _, figures in rows)
            book.values[f"{name}_{kind}"] = column
            columns[name].append(f"sum({name}_{kind})")
    for name in names:
        unit, what = FIGURES[name]
        if whole.total[name] is None:
            book.unknown(name, " + ".join(columns[name]), unit, what)
        else:
            book.make(name, " + ".join(columns[name]) or "0", unit, what, reported.get(name))
    totals(book, [name for name in names if name in book.values], water)
    made = []
    for symbol, value in own.items():
        unit, what = FIGURES[symbol.removesuffix("_own")]
        made.append(Given(symbol, f"{what}, of its own windows", unit, value, "above", None, ""))
    yield Section("in all", given=tuple(made), tables=tuple(tables), lines=tuple(book.lines))


def totals(book: Book, names: Sequence[str], water: Any, energy: Any = None, carbon: Any = None) -> None:
    """Energy, carbon and water from their parts; each as the report has it."""
    for symbol, parts, unit, what, said in (
        ("energy", [n for n in names if n.startswith("E_")], "J", "electricity", energy),
        ("carbon", [n for n in names if n in {"use", "training", "hardware"}], "g", "carbon, as far as known", carbon),
        ("water", [n for n in names if n.startswith("W_")], "L", "water", water),
    ):
        if parts:
            book.make(symbol, " + ".join(parts), unit, what, said)


def sum_up(book: Book, name: str, kind: str, values: Iterable[Range | None], reported: Any = None) -> None:
    """The sum of a column of figures, named like ``use_calls``; unknown where nothing in it is known."""
    unit, what = FIGURES[name]
    column = known(values)
    if not column:
        book.unknown(name, f"sum({name}_{kind})", unit, what)
        return
    book.values[f"{name}_{kind}"] = column
    book.make(name, f"sum({name}_{kind})", unit, what, reported)


def figures_table(title: str, kind: str, rows: Sequence[tuple[str, Figures]], names: Sequence[str]) -> Table:
    """Rows of figures, in columns named like ``use_calls``."""
    columns = tuple((f"{name}_{kind}", FIGURES[name][0]) for name in names)
    return Table(title, columns, tuple((label, tuple(figures[name] for name in names)) for label, figures in rows))


def _is_there(name: str, parts: Sequence[Figures]) -> bool:
    return any(value is None or value.central for value in (part[name] for part in parts))
