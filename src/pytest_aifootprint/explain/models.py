"""How the cost of a model is made: each kind of call to it, and the sum over its calls."""

from __future__ import annotations

from pytest_aifootprint.explain.costs import of_call, told_of
from pytest_aifootprint.explain.lines import Book, Section
from pytest_aifootprint.explain.owners import call_section, called, figures_table, sum_up
from pytest_aifootprint.explain.saved import Row, Saved
from pytest_aifootprint.quantities.changed import replace

BESIDE = ("E_server", "E_remote", "use", "training", "hardware", "W_site", "W_source", "avoidable", "avoided")


def explain_model(saved: Saved, model: Row) -> list[Section]:
    """Everything that a model's numbers are made from, beside what its calls took in the windows of tests."""
    calls = list(saved.calls_of(model))
    training = model["training"]
    known_facts = {
        "training share by": training["method"],
        "source": training["source"],
        "whole training, kWh": training["kwh"],
        "whole training, kg CO2e": None if training["carbon_kg"] is None else training["carbon_kg"]["central"],
        "parameters": model["parameters"],
        "revision": model["revision"],
    }
    head = Section(
        "what is known", tuple(f"{name}: {value}" for name, value in known_facts.items() if value is not None)
    )
    kinds: dict[tuple[object, ...], Row] = {}
    for _, call in calls:
        kinds.setdefault((call["sheet"], call["realness"], *sorted(told_of(call))), call)
    rows = [(f"{owner}: {call['count']} x {called(call)}", of_call(saved, call)) for owner, call in calls]
    names = [name for name in BESIDE if any(f[name] is None or f[name].central for _, f in rows)]  # type: ignore[union-attr]
    book = Book()
    for name in names:
        alone = name in {"training", "hardware"} and len(saved.models(model["id"])) == 1 and not saved.without_row
        sum_up(book, name, "calls", (figures[name] for _, figures in rows), model["carbon_g"][name] if alone else None)
    table = figures_table("its calls, beside what the windows of their tests took", "calls", rows, names)
    if saved.without_row:
        missing = f"{saved.without_row} AI tests have no row in this report: calls of theirs are not in this sum"
        table = replace(table, title=f"{table.title} ({missing})")
    return [
        head,
        *(call_section(saved, call) for call in kinds.values()),
        Section("in all", tables=(table,) if names else (), lines=tuple(book.lines)),
    ]
