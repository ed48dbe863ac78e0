"""What a run did with each model: which calls are of one model, its loads, its trainings."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_aifootprint.detection.calls import AICall
from pytest_aifootprint.impacts import Pricer, resolve_grid
from pytest_aifootprint.impacts.outcomes import NOTHING_RAN
from pytest_aifootprint.quantities import Joules, Range
from pytest_aifootprint.quantities.changed import replace
from pytest_aifootprint.records.model import CallFootprint
from pytest_aifootprint.records.model_use import ModelFootprint
from pytest_aifootprint.records.models import Placed, model_footprints

GRID_G_PER_KWH = 360.0
PRICER = Pricer(resolve_grid(f"{GRID_G_PER_KWH:g} g/kWh", {}))


def placed(where: str, operation: str = "inference", joules: float | None = 1.0, **facts: Any) -> Placed:
    facts = {"model": "lib.Net", "phase": "call", **facts}
    call = AICall(operation, "lib", "local", "live", 0, 1_000_000_000, **facts)
    return Placed(where, CallFootprint(call, NOTHING_RAN, None if joules is None else Joules(Range(joules))))


def central(value: Range | None) -> float:
    assert value is not None
    return value.central


def only(calls: list[Placed], loads: list[Placed] | None = None) -> ModelFootprint:
    (model,) = model_footprints(calls, loads or [], PRICER)
    return model


class TestWhichModel:
    def test_two_of_one_class_are_told_apart_by_size(self) -> None:
        models = model_footprints([placed("a", parameters=3), placed("b", parameters=5)], [], PRICER)
        assert [(m.id, m.parameters, m.calls) for m in models] == [("lib.Net", 3, 1), ("lib.Net", 5, 1)]

    def test_and_by_revision(self) -> None:
        models = model_footprints([placed("a", revision="v1"), placed("b", revision="v2")], [], PRICER)
        assert {m.revision for m in models} == {"v1", "v2"}

    def test_the_same_weights_loaded_twice_are_one_model(self) -> None:
        loads = [placed("a", "load", parameters=3), placed("b", "load", parameters=3)]
        model = only([placed("a", parameters=3), placed("b", parameters=3)], loads)
        assert (model.calls, model.loads.count) == (2, 2)

    def test_what_one_call_did_not_tell_yet_another_does(self) -> None:
        model = only([placed("a"), placed("a", parameters=3, precision="int8", device="cpu")])
        assert (model.parameters, model.precisions, model.devices) == (3, ("int8",), ("cpu",))

    def test_of_two_that_it_could_be_it_is_neither(self) -> None:
        models = model_footprints([placed("a"), placed("b", parameters=3), placed("c", parameters=5)], [], PRICER)
        assert [m.parameters for m in models] == [None, 3, 5]

    def test_a_model_that_was_only_loaded_stands_last_with_no_calls(self) -> None:
        models = model_footprints([placed("a", model="z")], [placed("a", "load", 9.0, model="b")], PRICER)
        assert [(m.id, m.calls, m.loads.count) for m in models] == [("z", 1, 0), ("b", 0, 1)]


class TestEnergy:
    def test_of_a_model_in_the_process_is_its_part_of_the_windows(self) -> None:
        model = only([placed("a", joules=2.0), placed("b", joules=3.0)])
        assert central(model.energy_j) == 5.0
        assert central(model.carbon.use) == pytest.approx(5.0 / 3.6e6 * GRID_G_PER_KWH)

    def test_is_unknown_where_nothing_was_metered(self) -> None:
        model = only([placed("a", joules=None)], [placed("outside", "load", None)])
        assert model.energy_j is None
        assert model.loads.energy_j is None
        assert model.loads.carbon_g is None
        assert model.loads.count == 1

    def test_of_loads_stands_with_their_windows(self) -> None:
        loads = [placed("a", "load", 2.0), placed("a", "load", 1.0), placed("fix", "load", 4.0, phase="fixture")]
        work = only([placed("a")], [*loads, placed("outside", "load", None, phase="outside")]).loads
        assert (work.count, central(work.energy_j), work.duration_s) == (4, 7.0, 4.0)
        assert [(p.where, p.phase, p.count, p.energy_j and p.energy_j.central) for p in work.places] == [
            ("a", "call", 2, 3.0),
            ("fix", "fixture", 1, 4.0),
            ("outside", "outside", 1, None),
        ]


def training(where: str, joules: float | None = 6.0, **facts: Any) -> Placed:
    return placed(where, "training", joules, **{"samples": 40, "steps": 5, "epochs": 1.0, **facts})


class TestTraining:
    def test_stands_apart_and_over_the_inferences_of_the_run(self) -> None:
        trained = only([training("a"), training("b", count=2, samples=80), placed("c", count=4)]).trained
        assert trained is not None
        assert (trained.work.count, trained.steps, trained.samples, trained.epochs) == (3, 10, 120, 2.0)
        assert (trained.inferences, central(trained.work.energy_j)) == (4, 12.0)
        assert central(trained.per_inference_j) == 3.0
        assert central(trained.per_inference_g) == pytest.approx(3.0 / 3.6e6 * GRID_G_PER_KWH)

    def test_without_inferences_there_is_nothing_to_share_it_over(self) -> None:
        trained = only([training("a")]).trained
        assert trained is not None
        assert (trained.inferences, trained.per_inference_j, trained.per_inference_g) == (0, None, None)

    def test_a_model_that_was_not_trained_here_has_none(self) -> None:
        assert only([placed("a")]).trained is None

    def test_the_same_training_in_several_places_is_told(self) -> None:
        trained = only([training("a"), training("b"), training("b"), training("c", samples=7)]).trained
        assert trained is not None
        ((first, second),) = trained.again
        assert (first.where, first.count, second.where, second.count) == ("a", 1, "b", 2)
        assert central(second.energy_j) == 12.0

    def test_folds_of_one_test_are_no_repeats(self) -> None:
        trained = only([training("a", count=4, samples=160)]).trained
        assert trained is not None
        assert trained.again == ()


def test_where_the_share_comes_from_is_told_by_a_call_that_bears_one() -> None:
    call = AICall(
        "chat", "lib", "remote", "live", 0, 1, provider="openai", model="gpt-4o", input_tokens=9, output_tokens=9
    )
    live = CallFootprint(call, PRICER.call(call), None)
    replayed = CallFootprint(replace(call, realness="replayed"), PRICER.call(replace(call, realness="replayed")), None)

    assert only([Placed("a", replayed), Placed("b", live)]).training == live.impact.training
    assert only([Placed("a", replayed)]).training.source == "no model ran"
