"""Hints on repeated work: priced from what was measured, silent where nothing is saved."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_aifootprint.hints import hints_of
from pytest_aifootprint.impacts.contract import Training
from pytest_aifootprint.quantities import EXACT_ZERO, Grams, Joules, Range
from pytest_aifootprint.quantities.changed import replace
from pytest_aifootprint.records.amounts import Carbon, Energy, Tokens
from pytest_aifootprint.records.model import FixtureFootprint, RunFootprint
from pytest_aifootprint.records.model_use import Hint, ModelFootprint, Place, Trained, Work
from pytest_aifootprint.reports.hinting import message


def place(where: str, joules: float | None, count: int = 1) -> Place:
    return Place(where, "call", count, None if joules is None else Joules(Range.times_over(joules, 1.5, "cpu_w")))


def work(*places: Place) -> Work:
    joules = sum(p.energy_j.central for p in places if p.energy_j is not None)
    whole = Joules(Range.times_over(joules, 1.5, "cpu_w")) if joules else None
    return Work(sum(p.count for p in places), 1.0, whole, Grams(whole.scale(0.1)) if whole else None, places)


def model(name: str = "lib.Net", **facts: Any) -> ModelFootprint:
    return ModelFootprint(name, None, 1, Tokens(), None, Carbon(), Training("unknown", ""), **facts)


def trained(*places: Place) -> Trained:
    return Trained(work(*places), None, None, None, 0, None, None, (places,) if len(places) > 1 else ())


def hints(*models: ModelFootprint, whole_j: float = 100.0, fixtures: tuple[str, ...] = ()) -> tuple[Hint, ...]:
    class Run:
        totals = type("Totals", (), {"energy": Energy({"cpu": Joules(Range(whole_j))})})

    run: Any = Run()
    run.models = models
    run.fixtures = [FixtureFootprint(name, name, "module", (), 1, (), Energy(), Carbon(), 0.0) for name in fixtures]
    typed: RunFootprint = run
    return hints_of(typed)


def test_a_model_trained_in_four_places_could_be_trained_in_one() -> None:
    places = [place(f"t.py::test_{n}", 4.0) for n in "abc"] + [place("t.py::shared", 8.0)]
    (hint,) = hints(model(trained=trained(*places)), fixtures=("t.py::shared",))
    assert (hint.code, hint.count) == ("trained-again", 4)
    assert hint.tests == ("t.py::test_a", "t.py::test_b", "t.py::test_c")
    assert hint.fixtures == ("t.py::shared",)
    assert (hint.energy_j.central, hint.saving_j.central) == (20.0, 15.0)
    assert hint.saving_g is not None
    assert hint.saving_g.central == pytest.approx(1.5)
    assert hint.saving_j.factors == hint.energy_j.factors
    assert message(hint) == (
        "4 trainings of lib.Net in test_a, test_b, test_c and 1 more, 5.6 mWh: "
        "train once in a shared fixture and save 4.2 mWh (1.5 gCO2e) per run"
    )


def test_a_model_loaded_by_two_tests_could_be_loaded_by_one_fixture() -> None:
    loads = work(place("t.py::a", 3.0), place("t.py::a", 1.0), place("t.py::b", 4.0), place("outside", None))
    (hint,) = hints(model(loads=loads))
    assert (hint.code, hint.count, hint.tests) == ("loaded-again", 3, ("t.py::a", "t.py::b"))
    assert hint.saving_j.central == 4.0


@pytest.mark.parametrize(
    "nothing",
    [
        model(),
        model(loads=work(place("a", 5.0, count=3))),
        model(loads=work(place("a", 5.0), place("outside", None))),
        model(loads=work(place("a", None), place("b", None))),
        model(trained=trained(place("a", 5.0))),
        model(loads=work(place("a", 0.4), place("b", 0.4))),
    ],
    ids=["nothing", "one test", "at import", "unmetered", "trained once", "below a hundredth"],
)
def test_what_saves_nothing_is_not_said(nothing: ModelFootprint) -> None:
    assert hints(nothing) == ()


def test_the_largest_saving_stands_first_and_without_energy_there_is_none() -> None:
    small, large = work(place("a", 2.0), place("b", 2.0)), work(place("a", 5.0), place("b", 5.0))
    found = hints(model("small", loads=small), model("large", loads=large))
    assert [hint.subject for hint in found] == ["large", "small"]
    assert hints(model("small", loads=small), whole_j=0.0) == ()


def test_names_of_users_stand_on_one_line() -> None:
    (hint,) = hints(model("odd\nname", loads=work(place("t.py::a[x\ny]", 3.0), place("t.py::b", 3.0))))
    assert "\n" not in message(replace(hint, saving_g=None))
    assert EXACT_ZERO not in (hint.saving_j, hint.saving_g)
