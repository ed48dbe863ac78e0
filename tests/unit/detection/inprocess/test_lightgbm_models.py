"""lightgbm, with the real library."""

from __future__ import annotations

import copy
import gc
import pickle
import threading
import weakref
from pathlib import Path
from typing import Any

import joblib
import lightgbm
import numpy as np
import pytest

X = np.random.default_rng(0).random((200, 5))
Y = (X[:, 0] + X[:, 1] > 1).astype(int)
SMALL = {"verbose": -1, "num_leaves": 7, "num_threads": 1, "deterministic": True}


def data(rows: slice = slice(None)) -> Any:
    return lightgbm.Dataset(X[rows], Y[rows])


@pytest.fixture
def model_file(tmp_path: Path) -> Path:
    path = tmp_path / "churn.txt"
    lightgbm.train(SMALL, data(), 4).save_model(path)
    return path


def nodes(booster: Any) -> int:
    """Counted in the dump of the library itself."""

    def count(node: Any) -> int:
        return 1 + sum(count(node[side]) for side in ("left_child", "right_child") if side in node)

    return sum(count(tree["tree_structure"]) for tree in booster.dump_model(num_iteration=-1)["tree_info"])


class TestInference:
    def test_predictions(self, watched: Any) -> None:
        booster = lightgbm.train(SMALL, data(), 7)
        booster.predict(X)
        booster.predict(data=X[:5])
        training, call = watched.calls
        assert (training.operation, call.operation) == ("training", "inference")
        assert (call.client, call.model, call.count, call.samples) == ("lightgbm", "lightgbm.Booster", 2, 205)
        assert (call.parameters, call.precision, call.device) == (nodes(booster), "float64", "cpu")
        assert (training.parameters, call.status, call.notices) == (call.parameters, None, ())

    @pytest.mark.parametrize(
        ("params", "target"),
        [
            ({"objective": "multiclass", "num_class": 3}, (X[:, 0] * 3).astype(int)),
            ({"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.5}, Y),
            ({"boosting": "dart"}, Y),
            ({"min_gain_to_split": 1e9}, Y),
        ],
        ids=["classes", "forest", "dart", "stumps"],
    )
    def test_nodes_of_every_kind_of_tree(self, watched: Any, params: Any, target: Any) -> None:
        booster = lightgbm.train({**SMALL, **params}, lightgbm.Dataset(X, target), 3)
        assert watched.only().parameters == nodes(booster) > 0

    def test_linear_trees_have_numbers_that_are_not_counted(self, watched: Any) -> None:
        lightgbm.train({**SMALL, "linear_tree": True}, data(), 3)
        call = watched.only()
        assert (call.parameters, call.precision, call.notices) == (None, "float64", ())

    def test_threads_count_each(self, watched: Any) -> None:
        booster = lightgbm.train(SMALL, data(), 2)
        threads = [threading.Thread(target=booster.predict, args=(X,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [c.count for c in watched.calls] == [1, 4]

    def test_nothing_is_kept_alive(self, watched: Any) -> None:
        booster = lightgbm.train(SMALL, data(), 2)
        booster.predict(X)
        gone = weakref.ref(booster)
        del booster
        gc.collect()
        assert gone() is None


class TestTraining:
    def test_train_is_one_training_of_its_rounds(self, watched: Any) -> None:
        lightgbm.train(params=SMALL, train_set=data(), num_boost_round=6)
        call = watched.only()
        assert (call.operation, call.count, call.steps, call.samples) == ("training", 1, 6, 200)

    def test_the_same_again_looks_the_same(self, watched: Any) -> None:
        for _ in range(3):
            lightgbm.train(SMALL, data(), 5)
        call = watched.only()
        assert (call.count, call.steps, call.samples) == (3, 15, 600)

    def test_rounds_by_hand_are_one_training(self, watched: Any) -> None:
        booster = lightgbm.Booster(SMALL, data())
        for _ in range(3):
            booster.update()
        booster.predict(X)
        booster.update(fobj=lambda found, _: (found - Y, np.ones_like(found)))
        booster.predict(X)
        training, *inferences = watched.calls
        assert (training.count, training.steps, training.samples) == (1, 4, 800)
        assert [c.parameters for c in inferences] == sorted({c.parameters for c in inferences})
        assert inferences[-1].parameters == nodes(booster)
        assert watched.owner.loads == []

    def test_a_custom_objective_metric_and_early_stopping_are_inside(self, watched: Any) -> None:
        def objective(found: Any, wanted: Any) -> Any:
            return found - wanted.get_label(), np.ones_like(found)

        rounds: list[int] = []

        def seen(environment: Any) -> None:
            environment.model.predict(X[:3])
            rounds.append(environment.iteration)

        lightgbm.train(
            {**SMALL, "objective": objective},
            data(slice(150)),
            50,
            valid_sets=[data(slice(150, 200))],
            feval=lambda found, _: ("mean", float(found.mean()), False),
            callbacks=[seen, lightgbm.early_stopping(2, verbose=False)],
        )
        call = watched.only()
        assert (call.operation, call.count, call.steps, call.samples) == ("training", 1, len(rounds), 150)

    def test_trees_after_the_best_iteration_are_there_too(self, watched: Any) -> None:
        booster = lightgbm.train(
            SMALL,
            data(slice(150)),
            80,
            valid_sets=[data(slice(150, 200))],
            callbacks=[lightgbm.early_stopping(2, verbose=False)],
            keep_training_booster=True,
        )
        assert 0 < booster.best_iteration < booster.num_trees()
        assert watched.only().parameters == nodes(booster)

    def test_cross_validation_trains_a_booster_a_fold(self, watched: Any) -> None:
        lightgbm.cv(SMALL, data(), 5, nfold=4, stratified=False)
        call = watched.only()
        assert (call.operation, call.model, call.count, call.steps) == ("training", "lightgbm.Booster", 4, 20)
        assert call.samples == 3 * 200

    def test_a_refit_is_a_training(self, watched: Any) -> None:
        booster = lightgbm.train(SMALL, data(), 2)
        booster.refit(X[:50], Y[:50])
        call = watched.only()
        assert (call.operation, call.count, call.samples, call.steps) == ("training", 2, 250, 2)
        assert watched.owner.loads == []

    def test_its_estimators_are_those_of_scikit_learn(self, watched: Any, tmp_path: Path) -> None:
        model = lightgbm.LGBMClassifier(n_estimators=6, num_leaves=4, verbose=-1, n_jobs=1).fit(X, Y)
        model.predict_proba(X)
        joblib.dump(model, tmp_path / "clf.joblib")
        joblib.load(tmp_path / "clf.joblib")
        training, inference = watched.calls
        size = nodes(model.booster_)
        assert (training.client, training.model, training.steps) == ("sklearn", "lightgbm.LGBMClassifier", 6)
        assert (training.parameters, training.precision, training.device) == (size, "float64", "cpu")
        assert (inference.count, inference.parameters) == (1, size)
        (load,) = watched.owner.loads
        assert (load.client, load.model, load.parameters) == ("sklearn", "lightgbm.LGBMClassifier", size)


class TestLoads:
    def test_every_way_to_load(self, watched: Any, model_file: Path) -> None:
        watched.owner.calls.clear()
        booster = lightgbm.Booster(model_file=model_file)
        booster.predict(X)
        lightgbm.Booster(None, None, str(model_file))
        text = booster.model_to_string()
        other = lightgbm.Booster(model_str=text)
        other.model_from_string(text)
        assert [(c.model, c.count, c.file, c.status) for c in watched.owner.loads] == [
            ("churn", 2, str(model_file), None),
            ("lightgbm.Booster", 2, None, None),
        ]
        inference = watched.calls[-1]
        assert (inference.model, inference.file, inference.parameters) == ("churn", str(model_file), nodes(booster))

    def test_by_joblib(self, watched: Any, tmp_path: Path) -> None:
        joblib.dump(lightgbm.train(SMALL, data(), 2), tmp_path / "b.joblib")
        joblib.load(tmp_path / "b.joblib").predict(X)
        (load,) = watched.owner.loads
        assert (load.client, load.model, load.file) == ("lightgbm", "b", str(tmp_path / "b.joblib"))

    def test_copies_and_pickles_are_no_loads(self, watched: Any) -> None:
        booster = lightgbm.train(SMALL, data(), 2)
        for made in (copy.copy(booster), copy.deepcopy(booster), pickle.loads(pickle.dumps(booster))):
            made.predict(X)
        assert watched.owner.loads == []
        assert [(c.operation, c.count) for c in watched.calls] == [("training", 1), ("inference", 3)]

    def test_what_a_training_reads_is_no_load(self, watched: Any, model_file: Path) -> None:
        lightgbm.train(SMALL, data(), 2, init_model=str(model_file))
        assert watched.owner.loads == []

    def test_made_for_training_it_is_no_load(self, watched: Any) -> None:
        lightgbm.Booster(SMALL, data(), model_str="not looked at")
        assert watched.owner.loads == []

    def test_a_load_that_fails(self, watched: Any, tmp_path: Path) -> None:
        with pytest.raises(lightgbm.basic.LightGBMError):
            lightgbm.Booster(model_file=str(tmp_path / "nothing.txt"))
        with pytest.raises(TypeError, match="Need at least one"):
            lightgbm.Booster()
        (load,) = watched.owner.loads
        assert (load.model, load.status, load.count) == ("nothing", "error", 1)


class TestBadInput:
    def test_exceptions_pass_and_are_counted_apart(self, watched: Any) -> None:
        with pytest.raises(lightgbm.basic.LightGBMError, match="nope"):
            lightgbm.train({**SMALL, "objective": "nope"}, data(), 3)
        booster = lightgbm.train(SMALL, data(), 2)
        with pytest.raises(lightgbm.basic.LightGBMError, match="number of features"):
            booster.predict(X[:, :2])
        assert [(c.operation, c.status, c.count) for c in watched.calls] == [
            ("training", "error", 1),
            ("training", None, 1),
            ("inference", "error", 1),
        ]

    def test_a_booster_that_raises_is_counted(self, watched: Any) -> None:
        class Odd(lightgbm.Booster):  # type: ignore[misc]
            __hash__ = None  # type: ignore[assignment]

            def num_trees(self) -> int:
                raise ZeroDivisionError

            def __repr__(self) -> str:
                raise ZeroDivisionError

            def __eq__(self, other: object) -> bool:
                raise ZeroDivisionError

        booster = Odd(SMALL, data())
        booster.update()
        booster.predict(X)
        inference = watched.calls[-1]
        assert (inference.model or "").endswith("Odd")
        assert (inference.parameters, inference.notices) == (None, ("unreadable-model",))


class TestTransparency:
    def test_results_are_the_same(self, watched: Any) -> None:
        def behave() -> list[Any]:
            booster = lightgbm.train(SMALL, data(), 3)
            model = lightgbm.LGBMClassifier(n_estimators=2, verbose=-1, n_jobs=1).fit(X, Y)
            return [
                booster.model_to_string(),
                booster.predict(X).tolist(),
                sorted(vars(booster)),
                repr(model),
                model.get_params(),
                pickle.loads(pickle.dumps(model)).predict(X).tolist(),
                lightgbm.cv(SMALL, data(), 2, stratified=False),
            ]

        with_us = behave()
        assert watched.calls
        watched.seams.disarm()
        assert repr(behave()) == repr(with_us)

    def test_everything_is_taken_back(self, watched: Any) -> None:
        methods = ("__init__", "__deepcopy__", "predict", "update", "refit", "model_from_string")
        places = [
            *((lightgbm.Booster, name) for name in methods),
            *((module, name) for module in (lightgbm, lightgbm.engine) for name in ("train", "cv")),
        ]
        assert all(hasattr(vars(owner)[name], "__aifootprint__") for owner, name in places)
        watched.seams.disarm()
        assert not any(hasattr(vars(owner)[name], "__aifootprint__") for owner, name in places)
