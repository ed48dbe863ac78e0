"""What the summary says beside its sums: work on models, basis, balance, places, methods, rates."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence

from pytest_aifootprint.explain.costs import DOMAINS
from pytest_aifootprint.explain.lines import Book, Section
from pytest_aifootprint.explain.saved import HERE, Row, Saved, ranged
from pytest_aifootprint.quantities import EXACT_ZERO, Basis, Given, Range, basis_of_sum
from pytest_aifootprint.quantities.changed import replace

NOTHING_RAN = "no model ran"
MOST_LISTED = 20


def work_section(saved: Saved) -> Iterator[Section]:
    """Models that were trained or loaded here: a part of what their windows took."""
    intensity = next(g for g in saved.sheets[HERE].given if g.symbol == "I_here")
    exact = replace(intensity, value=Range(intensity.value.central))
    for key, title in (("trained_here", "trained"), ("loads", "loads")):
        for model in saved.report["models"]:
            work = model[key]
            if not work or not work["count"] or work["energy_j"] is None:
                continue
            if saved.sheets[HERE].makes("E_wall"):
                grams = "unknown" if work["carbon_g"] is None else f"{_short(work['carbon_g']['central'])} g"
                text = (
                    f"{grams}, contained in use: not derived, the report does not say which of it a PUE came on top of"
                )
                yield Section(f"{title} here: {model['id']}", (text,))
                continue
            windows = [(w["where"], Range(w["energy_j"]["central"])) for w in work["windows"] if w["energy_j"]]
            windows.sort(key=lambda window: -window[1].central)
            if rest := windows[MOST_LISTED:]:
                sum_j = Range(math.fsum(joules.central for _, joules in rest))
                windows[MOST_LISTED:] = [(f"{len(rest)} other windows", sum_j)]
            given = [
                exact,
                *(of_run("E_windows", f"{where}, by CPU seconds", "J", joules) for where, joules in windows),
            ]
            book = Book({"I_here": exact.value, "E_windows": [joules for _, joules in windows]})
            said = None if work["carbon_g"] is None else plain_number(work["carbon_g"]["central"])
            what = f"{work['count']} x, contained in use"
            book.make(title, "sum(E_windows) * I_here / 3.6e6", "g", what, said)
            if key == "trained_here" and work["inferences"]:
                number = Range(float(work["inferences"]))
                given.append(of_run("inferences", "with that model", "", number))
                book.values["inferences"] = number
                per = work["carbon_g_per_inference"]
                each = None if per is None else plain_number(per["central"])
                book.make("per_inference", f"{title} / inferences", "g", "information, never a cost again", each)
            yield Section(f"{title} here: {model['id']}", given=tuple(given), lines=tuple(book.lines))


def of_run(symbol: str, what: str, unit: str, value: Range) -> Given:
    """An input that this run counted or metered."""
    return Given(symbol, what, unit, value, "this run", None, "")


def basis_section(saved: Saved) -> Iterator[Section]:
    """How much of the energy is how sure."""
    totals_j = saved.report["totals"]["energy_j"]
    joules: dict[str, list[float]] = {}
    metered: dict[str, list[tuple[float, Basis]]] = {}
    for meter in saved.report["run"]["meters"]:
        domain = meter["domain"]
        part = saved.report["balance"].get(domain, {}).get("metered_j") or 0.0, Basis(meter["basis"])
        metered.setdefault("gpu" if domain.startswith("gpu") else domain, []).append(part)
    for name, meters in metered.items():
        if totals_j.get(name) is not None:
            whole = basis_of_sum(meters) or meters[0][1]
            joules.setdefault(whole.value, []).append(totals_j[name]["central"])
    for owner in (*saved.tests, *saved.fixtures.values()):
        for call in owner["calls"]:
            if call["energy_j"] is not None and call["energy_j"]["central"]:
                joules.setdefault(call["basis"], []).append(call["energy_j"]["central"])
    book = Book()
    book.values["E_all"] = [Range(j) for parts in joules.values() for j in parts]
    for basis, parts in joules.items():
        if math.fsum(parts):
            book.values[f"E_{basis}"] = [Range(j) for j in parts]
            said = plain_number(saved.report["totals"]["basis_share"][basis])
            book.make(basis, f"sum(E_{basis}) / sum(E_all)", "", f"share of the energy that is {basis}", said)
    if book.lines:
        text = tuple(listed(f"E_{basis}", [j for j in parts if j], "J") for basis, parts in joules.items())
        every = listed("E_all", [j for parts in joules.values() for j in parts if j], "J")
        yield Section("basis", (*text, every), lines=tuple(book.lines))


_BALANCE = {
    "idle": "idle_j",
    "other_tests": "other_tests_j",
    "other_processes": "other_processes_j",
    "this_plugin": "plugin_j",
}


def unattributed_section(saved: Saved) -> Iterator[Section]:
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
    parts = []
    for name in _BALANCE:
        if math.fsum(r.central for r in column_of(book, f"{name}_j")):
            book.make(name, f"sum({name}_j) / sum(metered_j)", "", "share of what was metered here")
            parts.append(name)
    unborne = [(row, _unborne_j(row)) for row in saved.fixtures.values()]
    whole = math.fsum(r.central for r in column_of(book, "fixtures_j"))
    if math.fsum(joules for _, joules in unborne) > 1e-6 * whole:
        what = "{}: metered here, times its users without AI over all"
        given += [of_run("unborne", what.format(row["id"]), "J", Range(joules)) for row, joules in unborne if joules]
        book.values["unborne"] = [Range(joules) for _, joules in unborne]
        said = "what no AI test bears of shared fixtures"
        book.make("fixtures_of_other_tests", "sum(unborne) / sum(metered_j)", "", said)
        parts.append("fixtures_of_other_tests")
    if parts:
        book.make("unattributed", " + ".join(parts), "", "share of what was metered here that no AI test caused")
    yield Section("unattributed", given=tuple(given), lines=tuple(book.lines))


def _unborne_j(fixture: Row) -> float:
    """Joules of a shared fixture that were metered here and that no AI test bears."""
    here = math.fsum((fixture["energy_j"].get(d) or {"central": 0.0})["central"] for d in DOMAINS)
    return here * (1 - fixture["ai_payers"] / fixture["payers"]) if fixture["payers"] else here


def grids_section(saved: Saved) -> Iterator[Section]:
    """Electricity of all places."""
    grids = saved.report["run"]["grids"]
    rows = [("this machine", grids["local"]), *grids["remote"].items()]
    given = []
    for who, grid in rows:
        value = ranged(grid["carbon_g_per_kwh"], "grid") or EXACT_ZERO
        basis = "a guess" if grid["guessed"] else ""
        given.append(Given("I", f"{who}: {grid['zone']}", "g/kWh", value, grid["source"], grid["year"], basis))
    yield Section("grids", given=tuple(given))


def training_section(saved: Saved) -> Iterator[Section]:
    """By which method each model's training share is made, and the share of inference that the share method goes by."""
    by_method: dict[str, list[str]] = {}
    for model in saved.report["models"]:
        if model["calls"] and model["training"]["source"] != NOTHING_RAN:
            by_method.setdefault(model["training"]["method"], []).append(model["id"])
    if not by_method:
        return
    given = [
        of_run(f"{method}_models", ", ".join(names), "", Range(float(len(names))))
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
        book.make(name, f"1 / (1 + {symbol})", "", "share of inference in a model's life", plain_number(phi[1]))
    yield Section("training", given=tuple(given), lines=tuple(book.lines))


def sci_section(saved: Saved) -> Iterator[Section]:
    """Per call and per passed test."""
    sci = saved.report["totals"]["sci_style"]
    if not sci:
        return
    text = [f"{key}: {value}" for key, value in sci.items() if isinstance(value, str)]
    text += [f"departs: {value}" for value in sci["departures"]]
    carbon = saved.report["totals"]["carbon_g"]
    units = {f"{unit}s": number for unit, number in sci["functional_units"].items() if number}
    counts = [
        of_run(f"{unit}s", "", "", Range(float(number))) for unit, number in sci["functional_units"].items() if number
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
                book.make(f"{name}_per_{unit.removesuffix('s')}", equation, "g", what, plain_number(said["central"]))
    yield Section("in the style of SCI", tuple(text), tuple(counts), lines=tuple(book.lines))


def plain_number(value: float) -> dict[str, float]:
    """A plain number as the report would have it as a range."""
    return dict.fromkeys(("low", "central", "high"), float(value))


def listed(name: str, values: Sequence[float], unit: str = "") -> str:
    """The values behind a sum: ``name: 37, 37, 22``; many of them with how often each stands there, the rest summed."""
    if len(values) <= MOST_LISTED:
        return f"{name}: {', '.join(map(_short, values))} {unit}".rstrip()
    times = Counter(values).most_common()
    said = [f"{_short(value)} ({number} times)" for value, number in times[:MOST_LISTED]]
    if rest := times[MOST_LISTED:]:
        number = sum(n for _, n in rest)
        said.append(f"and {number} others, {_short(math.fsum(value * n for value, n in rest))} in all")
    return f"{name}: {', '.join(said)} {unit}".rstrip()


def _short(value: float) -> str:
    """Six digits."""
    return f"{value:.6g}"


def column_of(book: Book, name: str) -> Sequence[Range]:
    """A value of the book as a column."""
    value = book.values[name]
    return (value,) if isinstance(value, Range) else value
