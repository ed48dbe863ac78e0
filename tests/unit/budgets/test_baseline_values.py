"""The baseline's file: what it keeps, what it lets go, what it refuses."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_aifootprint.budgets import baseline_file
from pytest_aifootprint.budgets.baseline import (
    MOST_SETTINGS,
    Baseline,
    BaselineError,
    fingerprint,
    same_project,
    setting_id,
    updated,
)
from pytest_aifootprint.budgets.spread import MOST_VALUES
from pytest_aifootprint.quantities import Range
from pytest_aifootprint.quantities.changed import replace
from pytest_aifootprint.records.snapshot import FIXTURE, Setting, Snapshot, Spent

HERE = Setting({"cpu": "A", "kind": "vm", "meters": ["cpu: load"]}, "1", {"local": 56.0, "openai": 384.0})
PROJECT = {"name": "p", "from": "pyproject.toml"}


def spent(joules: float = 100.0, tokens: int | None = 300, **changed: Any) -> Spent:
    energy = Range(joules, {"model:m": (-1.50408, 1.50408), "tiny": (1e-5, -1e-5)})
    return replace(Spent(2, tokens, energy, energy.scale(1e-3), joules, 300, ("m",), "passed"), **changed)


def snapshot(setting: Setting = HERE, partial: str | None = "", **tests: Spent) -> Snapshot:
    return Snapshot(PROJECT, setting, dict(tests), partial)


def made_of(*snapshots: Snapshot) -> Baseline:
    made = Baseline(None)
    for number, one in enumerate(snapshots):
        made = updated(made, one, f"report {number}").baseline
    return made


def text_of(baseline: Baseline) -> str:
    return "".join(baseline_file.chunks(baseline))


def joules(baseline: Baseline, name: str) -> list[float]:
    return [v.energy_j for v in baseline.entries[name].past[setting_id(HERE)].values]


spents = st.builds(
    Spent,
    calls=st.integers(0, 10**6),
    tokens=st.none() | st.integers(0, 10**12),
    energy_j=st.builds(Range, st.floats(0, 1e12)),
    carbon_g=st.builds(
        Range,
        st.floats(0, 1e12),
        st.dictionaries(st.text(max_size=9), st.tuples(st.floats(-9, 9), st.floats(-9, 9)), max_size=3),
    ),
    remote_j=st.floats(0, 1e12),
    remote_tokens=st.integers(0, 10**12),
    models=st.lists(st.text(max_size=9), max_size=2).map(tuple),
    outcome=st.just("passed"),
)


@given(st.lists(st.dictionaries(st.text(max_size=20), spents, max_size=4), min_size=1, max_size=4))
def test_what_is_written_is_read_back_and_written_alike(runs: list[dict[str, Spent]]) -> None:
    baseline = made_of(*(Snapshot(PROJECT, HERE, tests, "") for tests in runs))
    text = text_of(baseline)
    read = baseline_file.read(json.loads(text))
    assert read == baseline
    assert text_of(read) == text
    assert text.isascii()


def test_each_test_stands_on_a_line_and_the_lines_are_sorted() -> None:
    lines = text_of(made_of(snapshot(b=spent(), a=spent(), c=spent()))).splitlines()
    assert [line[:3] for line in lines if line.startswith(('"a"', '"b"', '"c"'))] == ['"a"', '"b"', '"c"']


def test_one_tests_new_value_changes_its_line_and_the_reports_alone() -> None:
    before = made_of(snapshot(a=spent(), b=spent()))
    after = updated(before, snapshot(partial="x", a=spent(101.0)), "later").baseline
    old, new = (text_of(one).splitlines() for one in (before, after))
    assert [line[:5] for line in new if line not in old] == ['"1": ', '"2": ', '"a": ']


def test_the_same_report_twice_changes_nothing() -> None:
    once = updated(Baseline(None), snapshot(a=spent()), "r")
    twice = updated(once.baseline, snapshot(a=spent()), "r")
    assert (once.known, twice.known) == (False, True)
    assert twice.baseline is once.baseline
    assert len(joules(updated(once.baseline, snapshot(a=spent()), "s").baseline, "a")) == 2


def test_a_report_is_known_however_it_is_formatted() -> None:
    report = {"b": [1, 2.5, None], "a": {"x": "ü"}}
    again = json.loads(json.dumps(report, indent=4))
    assert fingerprint(report) == fingerprint(dict(reversed(again.items())))
    assert fingerprint(report) != fingerprint({**report, "b": [1, 2.5, 0]})


def test_numbers_have_five_digits_and_factors_four_decimals() -> None:
    entry = made_of(snapshot(a=spent(123.456789))).entries["a"]
    past = entry.past[setting_id(HERE)]
    assert past.values[0].energy_j == 123.46
    assert past.energy_factors == {"model:m": (-1.5041, 1.5041)}


def test_the_last_ten_values_are_kept() -> None:
    runs = [snapshot(a=spent(100.0 + n % 3)) for n in range(MOST_VALUES + 5)]
    baseline = made_of(*runs)
    assert joules(baseline, "a") == [100.0 + n % 3 for n in range(5, MOST_VALUES + 5)]
    assert len(baseline.reports) == MOST_VALUES


def test_the_last_machines_are_kept() -> None:
    machines = [replace(HERE, machine={"cpu": str(n)}) for n in range(MOST_SETTINGS + 2)]
    baseline = made_of(*(snapshot(machine, a=spent()) for machine in machines))
    assert baseline.settings.keys() == {setting_id(machine) for machine in machines[2:]}
    assert baseline.newest == setting_id(machines[-1])


def test_a_whole_run_drops_tests_that_are_gone_and_a_partial_one_does_not() -> None:
    before = made_of(snapshot(a=spent(), b=spent()))
    whole = updated(before, snapshot(a=spent()), "x")
    assert whole.dropped == ("b",)
    assert whole.baseline.entries.keys() == {"a"}
    for now in (
        snapshot(partial="1 test was deselected", a=spent()),
        snapshot(partial=None, a=spent()),
        replace(snapshot(a=spent()), asked=("a",)),
        replace(snapshot(a=spent()), lost=("gw0",)),
        replace(snapshot(a=spent()), without_row=1),
    ):
        kept = updated(before, now, "x")
        assert kept.dropped == ()
        assert kept.baseline.entries.keys() == {"a", "b"}


@pytest.mark.parametrize("changed", [{"outcome": "failed"}, {"outcome": "skipped"}, {"unpriced": 1}])
def test_what_is_not_typical_adds_no_value(changed: dict[str, Any]) -> None:
    before = made_of(snapshot(a=spent(), b=spent()))
    done = updated(before, snapshot(a=spent(**changed), b=spent()), "x")
    assert done.left_out == ("a",)
    assert (len(joules(done.baseline, "a")), len(joules(done.baseline, "b"))) == (1, 2)


def test_another_model_begins_a_new_history() -> None:
    done = updated(made_of(*[snapshot(a=spent())] * 4), snapshot(a=spent(models=("other",))), "x")
    assert done.anew == ("a",)
    assert len(joules(done.baseline, "a")) == 1


def test_another_number_of_tokens_begins_a_new_history_on_every_machine() -> None:
    other = replace(HERE, machine={"cpu": "B"})
    runs = [snapshot(a=spent()), snapshot(other, a=spent()), snapshot(a=spent())]
    done = updated(made_of(*runs), snapshot(a=spent(tokens=450)), "x")
    assert done.anew == ("a",)
    assert done.baseline.entries["a"].past.keys() == {setting_id(HERE)}


def test_joules_of_another_level_begin_a_new_history_the_second_time_or_when_accepted() -> None:
    noisy = [snapshot(a=spent(x)) for x in (100.0, 104.0, 97.0, 101.0, 99.0)]
    once = updated(made_of(*noisy), snapshot(a=spent(200.0)), "x")
    assert once.anew == ()
    twice = updated(once.baseline, snapshot(a=spent(203.0)), "y")
    assert joules(twice.baseline, "a") == [200.0, 203.0]
    accepted = updated(made_of(*noisy), snapshot(a=spent(200.0)), "x", accept=True)
    assert (accepted.anew, joules(accepted.baseline, "a")) == (("a",), [200.0])


def test_another_grid_keeps_joules_and_forgets_grams() -> None:
    baseline = made_of(snapshot(a=spent()), snapshot(replace(HERE, grids={"local": 400.0}), a=spent()))
    values = baseline.entries["a"].past[setting_id(HERE)].values
    assert [v.energy_j for v in values] == [100.0, 100.0]
    assert [v.carbon_g for v in values] == [None, 0.1]


def test_a_fixture_is_an_entry_with_its_share() -> None:
    tests = {"a": spent(), f"{FIXTURE}conftest.py::judge": spent(outcome="", share=1 / 3)}
    baseline = made_of(Snapshot(PROJECT, HERE, tests, ""))
    assert baseline.entries[f"{FIXTURE}conftest.py::judge"].share == 0.33333


GOOD = json.loads(text_of(made_of(snapshot(a=spent()))))
ID = setting_id(HERE)


def broken(*path: str, to: Any) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(json.dumps(GOOD))
    inner = document
    for key in path[:-1]:
        inner = inner[key]
    if to is ...:
        del inner[path[-1]]
    else:
        inner[path[-1]] = to
    return document


@pytest.mark.parametrize(
    "document",
    [
        broken("schema_version", to=2),
        broken("schema_version", to=...),
        broken("project", to="p"),
        broken("project", "name", to=7),
        broken("columns", to=["run"]),
        broken("settings", to=...),
        broken("settings", to={}),
        broken("settings", ID, "grids", to={"local": "56"}),
        broken("settings", ID, "machine", to=3),
        broken("reports", to={}),
        broken("reports", to={"x": "y"}),
        broken("tests", to=[]),
        broken("tests", "a", "past", to={}),
        broken("tests", "a", "share", to=None),
        broken("tests", "a", "models", to=[1]),
        broken("tests", "a", "past", ID, "values", to=[]),
        broken("tests", "a", "past", ID, "values", to=[[1, 2, 3]]),
        broken("tests", "a", "past", ID, "values", to=[[1, 2, 300, -1.0, 1.0, 1.0, 300]]),
        broken("tests", "a", "past", ID, "values", to=[[1, 2, 300, float("nan"), 1.0, 1.0, 300]]),
        broken("tests", "a", "past", ID, "values", to=[[1, 2.5, 300, 1.0, 1.0, 1.0, 300]]),
        broken("tests", "a", "past", ID, "values", to=[[1, True, 300, 1.0, 1.0, 1.0, 300]]),
        broken("tests", "a", "past", ID, "values", to=[[9, 2, 300, 1.0, 1.0, 1.0, 300]]),
        broken("tests", "a", "past", ID, "energy_factors", to={"m": [0.1]}),
        broken("tests", "a", "past", ID, "energy_factors", to={"m": [float("inf"), 0.1]}),
    ],
)
def test_a_file_that_is_not_whole_is_refused_in_one_line(document: dict[str, Any]) -> None:
    with pytest.raises(BaselineError) as refused:
        baseline_file.read(document)
    assert "\n" not in str(refused.value)


def test_a_project_is_the_same_whatever_its_separators() -> None:
    def named(name: str) -> dict[str, str]:
        return {"name": name, "from": "git"}

    assert same_project(named("My_Project"), named("my-project"))
    assert not same_project(named("a"), named("b"))
