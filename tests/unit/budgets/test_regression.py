"""A run beside its baseline."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_aifootprint.budgets.baseline import Baseline, updated
from pytest_aifootprint.budgets.regression import CALLS, CARBON, ENERGY, PER_TOKEN, TOKENS, compare, remaining
from pytest_aifootprint.quantities import Range
from pytest_aifootprint.quantities.changed import replace
from pytest_aifootprint.records.changes import RUN, Change, Changes
from pytest_aifootprint.records.snapshot import FIXTURE, Setting, Snapshot, Spent, plain_id

HERE = Setting({"cpu": "A", "kind": "vm", "meters": ["cpu: load"], "idle_shared": False}, "1", {"local": 56.0})
MODEL = {"model:m": (-1.5, 1.5), "grid:FRA": (-0.2, 0.2)}


def spent(joules: float, tokens: int | None = 300, calls: int = 2, **changed: Any) -> Spent:
    energy = Range(joules, MODEL)
    plain = Spent(calls, tokens, energy, energy.scale(1e-3), joules, tokens or 0, ("m",), "passed")
    return replace(plain, **changed)


def suite(tests: dict[str, Spent], setting: Setting = HERE, partial: str = "") -> Snapshot:
    return Snapshot({"name": "p", "from": "folder"}, setting, tests, partial)


def snapshot(setting: Setting = HERE, partial: str = "", **tests: Spent) -> Snapshot:
    return suite(tests, setting, partial)


def baseline(*snapshots: Snapshot) -> Baseline:
    made = Baseline(None)
    for number, one in enumerate(snapshots):
        made = updated(made, one, f"report {number}").baseline
    return made


def held(now: Snapshot, *before: Snapshot, ran: tuple[str, ...] = (), threshold: float | None = 0.1) -> Changes:
    return compare(now, baseline(*before), "b.json", frozenset(ran), threshold)


def of(changes: Changes, scope: str, unit: str) -> Change:
    return next(change for change in changes.changes if (change.scope, change.unit) == (scope, unit))


def over(changes: Changes) -> set[tuple[str, str]]:
    return {(c.scope, c.unit) for c in changes.changes if c.allowed is not None and c.actual.central > c.allowed}


# --- what cancels -----------------------------------------------------------------------------------------------------


@given(st.floats(0.1, 1e6), st.floats(0.1, 1e6))
def test_of_the_same_model_only_the_change_itself_is_left(now: float, then: float) -> None:
    left = remaining(Range(now, MODEL), Range(then, MODEL))
    assert left.low == left.central == left.high == now


def test_what_only_one_side_has_is_left_as_it_is() -> None:
    left = remaining(Range(3.0, {**MODEL, "prefill": (-0.3, 0.4)}), Range(2.0, MODEL))
    assert left.factors == {"prefill": pytest.approx((-0.3, 0.4))}


def test_a_model_that_was_exchanged_does_not_cancel() -> None:
    other = {"model:other": (-1.5, 1.5), "grid:FRA": (-0.2, 0.2)}
    left = remaining(Range(3.0, other), Range(3.0, MODEL))
    assert left.factors.keys() == {"model:other", "model:m"}
    assert left.high > 4 * left.central


def test_an_increase_is_told_although_the_value_is_known_to_a_factor_of_four_only() -> None:
    changes = held(snapshot(a=spent(115.0)), snapshot(a=spent(100.0)))
    run = of(changes, RUN, CARBON)
    assert run.actual.low == pytest.approx(0.115)
    assert run.actual.high == pytest.approx(0.115)
    assert run.increase == pytest.approx(0.15)
    assert over(changes) == {(RUN, CARBON), (RUN, ENERGY), ("a", CARBON), ("a", ENERGY)}


# --- what is compared with what ---------------------------------------------------------------------------------------


def test_the_same_machine_and_factors_compare_carbon_and_energy() -> None:
    changes = held(snapshot(a=spent(105.0)), snapshot(a=spent(100.0)))
    assert {c.unit for c in changes.changes} == {CARBON, ENERGY}
    assert changes.differs == changes.grids == ()
    assert over(changes) == set()


@pytest.mark.parametrize(
    ("setting", "why"),
    [
        (replace(HERE, machine={**HERE.machine, "cpu": "B"}), "CPU: A → B"),
        (replace(HERE, machine={**HERE.machine, "meters": ["cpu: rapl"]}), "meters: cpu: load → cpu: rapl"),
        (replace(HERE, machine={**HERE.machine, "idle_shared": True}), "idle shared: False → True"),
        (replace(HERE, factors="2"), "factors: 1 → 2"),
    ],
)
def test_another_machine_or_other_factors_compare_counts_and_energy_per_token(setting: Setting, why: str) -> None:
    changes = held(snapshot(setting, a=spent(1000.0, 330)), snapshot(a=spent(100.0)))
    assert changes.differs == (why,)
    assert {c.unit for c in changes.changes} == {TOKENS, CALLS, PER_TOKEN}
    assert over(changes) == {(RUN, PER_TOKEN), ("a", PER_TOKEN)}
    assert of(changes, RUN, TOKENS).increase == pytest.approx(0.1)


def test_another_grid_compares_energy_alone() -> None:
    changes = held(snapshot(replace(HERE, grids={"local": 400.0}), a=spent(100.0)), snapshot(a=spent(100.0)))
    assert {c.unit for c in changes.changes} == {ENERGY}
    assert changes.grids == ("grid of this machine: 56 → 400 g/kWh",)


def test_each_machine_has_a_history_of_its_own() -> None:
    other = replace(HERE, machine={**HERE.machine, "cpu": "B"})
    before = snapshot(a=spent(100.0)), snapshot(other, a=spent(10.0))
    assert of(held(snapshot(a=spent(100.0)), *before), RUN, ENERGY).increase == pytest.approx(0.0)
    assert of(held(snapshot(other, a=spent(20.0)), *before), RUN, ENERGY).increase == pytest.approx(1.0)


def test_a_machine_that_ran_few_of_the_tests_is_another_machine() -> None:
    other = replace(HERE, machine={**HERE.machine, "cpu": "B"})
    tests = {f"t{n}": spent(100.0) for n in range(20)}
    changes = held(suite(tests, other), suite(tests), snapshot(other, t0=spent(100.0), partial="x"))
    assert changes.differs == ("of 20 tests of the baseline 1 have a value of this machine",)


def test_a_test_that_this_machine_has_not_run_is_on_neither_side() -> None:
    other = replace(HERE, machine={**HERE.machine, "cpu": "B"})
    tests = {f"t{n}": spent(100.0) for n in range(20)}
    most = {name: value for name, value in tests.items() if name != "t7"}
    changes = held(suite(tests, other), suite(tests), suite(most, other, "x"))
    assert changes.elsewhere == 1
    assert of(changes, RUN, ENERGY).before == pytest.approx(1900.0)
    assert of(changes, RUN, ENERGY).increase == pytest.approx(0.0)


# --- new, gone, silent, partial ---------------------------------------------------------------------------------------


def test_new_and_vanished_tests_are_said_and_the_total_has_them() -> None:
    changes = held(snapshot(a=spent(100.0), c=spent(300.0)), snapshot(a=spent(100.0), b=spent(100.0)))
    assert (changes.new, changes.vanished) == (("c",), ("b",))
    assert of(changes, RUN, ENERGY).increase == pytest.approx(1.0)
    assert over(changes) == {(RUN, CARBON), (RUN, ENERGY)}


def test_a_test_that_ran_without_a_call_is_said() -> None:
    changes = held(snapshot(a=spent(100.0)), snapshot(a=spent(100.0), b=spent(100.0)), ran=("b",))
    assert (changes.silent, changes.vanished, changes.partial) == (("b",), (), "")
    assert of(changes, RUN, ENERGY).increase == pytest.approx(-0.5)


def test_a_partial_run_compares_the_tests_that_ran_and_no_new_ones() -> None:
    before = snapshot(a=spent(100.0), b=spent(1000.0))
    changes = held(snapshot(partial="2 tests were deselected", a=spent(150.0), new=spent(500.0)), before)
    assert changes.partial == "2 tests were deselected"
    assert (changes.compared, changes.absent, changes.new, changes.vanished) == (1, 1, ("new",), ())
    assert of(changes, RUN, ENERGY).increase == pytest.approx(0.5)


def test_what_was_not_asked_for_is_not_gone() -> None:
    now = replace(snapshot(), asked=("tests/unit",), spent={"tests/unit/t.py::a": spent(1.0)})
    before = replace(snapshot(), spent={"tests/unit/t.py::a": spent(1.0), "tests/unity/t.py::b": spent(1.0)})
    assert held(now, before).partial == "tests/unit was asked for"
    assert held(replace(now, asked=("tests",)), before).vanished == ("tests/unity/t.py::b",)


def test_a_lost_worker_makes_a_run_partial() -> None:
    now = replace(snapshot(a=spent(1.0)), lost=("gw0",))
    assert held(now, snapshot(a=spent(1.0), b=spent(1.0))).partial == "a worker was lost"


def test_a_shared_fixture_has_the_weight_that_it_has_in_a_whole_run() -> None:
    judge = f"{FIXTURE}conftest.py::judge"
    before = Snapshot(None, HERE, {"a": spent(100.0), "b": spent(100.0), judge: spent(400.0, share=0.5)}, "")
    whole = held(before, before)
    assert of(whole, RUN, ENERGY).before == pytest.approx(400.0)
    # Alone, a test would bear all of it.
    part = Snapshot(None, HERE, {"a": spent(100.0), judge: spent(400.0, share=1.0)}, "1 test was deselected")
    assert over(held(part, before)) == set()


def test_models_that_changed_are_said() -> None:
    now = snapshot(a=spent(50.0, models=("big",)))
    assert held(now, snapshot(a=spent(50.0))).remodelled == ("a: m → big",)


def test_without_a_threshold_nothing_is_gated() -> None:
    changes = held(snapshot(a=spent(500.0)), snapshot(a=spent(100.0)), threshold=None)
    assert {c.allowed for c in changes.changes} == {None}


def test_an_increase_from_nothing_is_over_any_threshold() -> None:
    nothing = spent(0.0, 0, 0, energy_j=Range(0.0), carbon_g=Range(0.0))
    changes = held(snapshot(a=spent(10.0)), snapshot(a=nothing), threshold=100.0)
    assert of(changes, "a", ENERGY).increase is None
    assert ("a", ENERGY) in over(changes)


def test_a_run_of_nothing_beside_an_empty_baseline_passes() -> None:
    assert over(held(snapshot(), snapshot())) == set()


# --- the spread -------------------------------------------------------------------------------------------------------


def test_a_noisy_test_is_judged_by_its_spread_and_not_by_one_value() -> None:
    before = [snapshot(a=spent(100.0), noisy=spent(x)) for x in (70.0, 130.0, 90.0, 110.0, 80.0, 120.0)]
    changes = held(snapshot(a=spent(100.0), noisy=spent(130.0)), *before)
    assert of(changes, "noisy", ENERGY).by_spread
    assert over(changes) == set()
    assert ("noisy", ENERGY) in over(held(snapshot(a=spent(100.0), noisy=spent(500.0)), *before))
    # A test beside it that never varied is still held to ten per cent.
    assert ("a", ENERGY) in over(held(snapshot(a=spent(112.0), noisy=spent(100.0)), *before))


def test_what_noisy_tests_have_in_common_is_left_to_the_total() -> None:
    factors = (0.9, 1.1, 1.0, 0.95, 1.05, 1.02)
    before = [suite({f"t{n}": spent(100.0 * factors[(run + n) % 6]) for n in range(6)}) for run in range(6)]
    busy = suite({f"t{n}": spent(160.0) for n in range(6)})
    assert over(held(busy, *before)) == {(RUN, CARBON), (RUN, ENERGY)}
    assert {scope for scope, _ in over(held(suite({**busy.spent, "t0": spent(400.0)}), *before))} == {
        RUN,
        "t0",
    }


def test_an_increase_that_is_nothing_to_the_run_fails_with_the_run_alone() -> None:
    before = snapshot(a=spent(100_000.0), tiny=spent(10.0))
    assert over(held(snapshot(a=spent(100_000.0), tiny=spent(100.0)), before)) == set()
    assert over(held(snapshot(a=spent(100_000.0), tiny=spent(120.0)), before)) == {("tiny", CARBON), ("tiny", ENERGY)}


def test_tokens_are_counts_and_no_increase_of_them_is_too_small() -> None:
    other = replace(HERE, factors="2")
    before = snapshot(a=spent(1.0, 1_000_000), tiny=spent(1.0, 10))
    assert ("tiny", TOKENS) in over(held(snapshot(other, a=spent(1.0, 1_000_000), tiny=spent(1.0, 12)), before))


def test_the_total_has_a_spread_of_its_own_run_by_run() -> None:
    # Two tests that rise and fall against each other: their sum does not vary.
    before = [snapshot(a=spent(100.0 + d), b=spent(100.0 - d)) for d in (20.0, -20.0, 10.0, -10.0, 0.0)]
    changes = held(snapshot(a=spent(111.0), b=spent(111.0)), *before)
    assert not of(changes, RUN, ENERGY).by_spread
    assert over(changes) == {(RUN, CARBON), (RUN, ENERGY)}


def test_shards_that_report_one_by_one_have_a_spread_all_the_same() -> None:
    before = []
    for x in (80.0, 120.0, 100.0, 90.0):
        before += [snapshot(partial="shard", a=spent(x)), snapshot(partial="shard", b=spent(x))]
    changes = held(snapshot(a=spent(110.0), b=spent(110.0)), *before)
    assert of(changes, RUN, ENERGY).by_spread
    assert over(changes) == set()


def test_a_partial_run_is_not_judged_by_its_shared_fixtures_alone() -> None:
    judge = f"{FIXTURE}conftest.py::judge"
    before = suite({"a": spent(100.0), judge: spent(1.0)})
    changes = held(suite({"new": spent(500.0), judge: spent(3.0)}, partial="1 test was deselected"), before)
    assert (changes.compared, over(changes)) == (0, set())
    # With a test beside it, it is.
    changes = held(suite({"a": spent(100.0), judge: spent(30.0)}, partial="1 test was deselected"), before)
    assert (judge, ENERGY) in over(changes)


@pytest.mark.parametrize(
    ("nodeid", "name"),
    [
        ("t.py::test_a@gw", "t.py::test_a"),
        ("t.py::test_a[x@y]@gw", "t.py::test_a[x@y]"),
        ("t.py::test_a[x@y]", "t.py::test_a[x@y]"),
        ("@x/t.py::test_a", "@x/t.py::test_a"),
        ("x@y.txt", "x@y.txt"),
    ],
)
def test_a_test_is_the_same_in_a_group_of_workers(nodeid: str, name: str) -> None:
    assert plain_id(nodeid) == name
