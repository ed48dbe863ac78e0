"""xgboost, with the real library."""

from __future__ import annotations

import copy
import gc
import pickle
import threading
import warnings
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import xgboost

X = np.random.default_rng(0).random((200, 5), dtype=np.float32)
Y = (X[:, 0] + X[:, 1] > 1).astype(int)
SMALL = {"max_depth": 3, "nthread": 1}


@pytest.fixture
def data() -> Any:
    return xgboost.DMatrix(X, Y)


@pytest.fixture
def model_file(data: Any, tmp_path: Path) -> Path:
    path = tmp_path / "churn.ubj"
    xgboost.train(SMALL, data, 4).save_model(path)
    return path


def nodes(booster: Any) -> int:
    """Counted in the text that the library itself dumps: one line a node."""
    return sum(len(tree.splitlines()) for tree in booster.get_dump())


DEPRECATED = pytest.mark.filterwarnings(r"ignore:.*booster=\w+. is deprecated")
"""Of xgboost 3.4: dart and linear boosters."""


class TestInference:
    def test_every_way_to_predict(self, watched: Any, data: Any) -> None:
        booster = xgboost.train(SMALL, data, 7)
        booster.predict(data)
        booster.predict(data=data)
        booster.inplace_predict(X[:5])
        training, call = watched.calls
        assert (training.operation, call.operation) == ("training", "inference")
        assert (call.client, call.model, call.count, call.samples) == ("xgboost", "xgboost.Booster", 3, 405)
        assert (call.parameters, call.precision, call.device) == (nodes(booster), "float32", "cpu")
        assert (training.parameters, call.status, call.notices) == (call.parameters, None, ())

    @pytest.mark.parametrize(
        ("params", "target"),
        [
            ({"objective": "multi:softprob", "num_class": 3}, (X[:, 0] * 3).astype(int)),
            ({"num_parallel_tree": 3, "subsample": 0.5}, Y),
            ({"booster": "dart"}, Y),
        ],
        ids=["classes", "forest", "dart"],
    )
    @DEPRECATED
    def test_nodes_of_every_kind_of_tree(self, watched: Any, params: Any, target: Any) -> None:
        booster = xgboost.train({**SMALL, **params}, xgboost.DMatrix(X, target), 3)
        found = watched.only()
        assert found.parameters == nodes(booster)
        assert found.notices == ()

    def test_trees_of_several_outputs_are_not_asked(self, watched: Any) -> None:
        """xgboost 2.1 ends the process when it is asked for their splits."""
        params = {**SMALL, "multi_strategy": "multi_output_tree", "tree_method": "hist"}
        xgboost.train(params, xgboost.DMatrix(X, np.stack([Y, 1 - Y], 1)), 3)
        call = watched.only()
        assert (call.parameters, call.precision, call.device, call.notices) == (None, "float32", "cpu", ())

    def test_a_booster_of_no_round(self, watched: Any, data: Any) -> None:
        xgboost.train(SMALL, data, 0).predict(data)
        assert [(c.parameters, c.steps) for c in watched.calls] == [(0, None)] * 2

    @DEPRECATED
    def test_a_linear_booster_has_its_weights(self, watched: Any, data: Any) -> None:
        xgboost.train({"booster": "gblinear", "nthread": 1}, data, 2)
        assert watched.only().parameters == 6

    def test_threads_count_each(self, watched: Any, data: Any) -> None:
        booster = xgboost.train(SMALL, data, 2)
        threads = [threading.Thread(target=booster.predict, args=(data,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [c.count for c in watched.calls] == [1, 4]

    def test_nothing_is_kept_alive(self, watched: Any, data: Any) -> None:
        booster = xgboost.train(SMALL, data, 2)
        booster.predict(data)
        gone = weakref.ref(booster)
        del booster
        gc.collect()
        assert gone() is None


class TestTraining:
    def test_train_is_one_training_of_its_rounds(self, watched: Any, data: Any) -> None:
        xgboost.train(params=SMALL, dtrain=data, num_boost_round=6)
        call = watched.only()
        assert (call.operation, call.count, call.steps, call.samples) == ("training", 1, 6, 200)

    def test_the_same_again_looks_the_same(self, watched: Any, data: Any) -> None:
        for _ in range(3):
            xgboost.train(SMALL, data, 5)
        call = watched.only()
        assert (call.count, call.steps, call.samples) == (3, 15, 600)

    def test_rounds_by_hand_are_one_training(self, watched: Any, data: Any) -> None:
        booster, other = xgboost.Booster(SMALL, [data]), xgboost.Booster(SMALL, [data])
        for i in range(4):
            booster.update(data, i)
        other.boost(data, 0, grad=np.ones(200, np.float32), hess=np.ones(200, np.float32))
        booster.predict(data)
        booster.update(dtrain=data, iteration=4)
        booster.predict(data)
        training, *inferences = watched.calls
        assert (training.count, training.steps, training.samples) == (2, 6, 1200)
        assert [c.parameters for c in inferences] == sorted({c.parameters for c in inferences})
        assert inferences[-1].parameters == nodes(booster)

    def test_a_custom_objective_and_metric_are_inside(self, watched: Any, data: Any) -> None:
        def objective(found: Any, wanted: Any) -> Any:
            return found - wanted.get_label(), np.ones_like(found)

        def metric(found: Any, _: Any) -> Any:
            return "mean", float(found.mean())

        xgboost.train(SMALL, data, 4, obj=objective, custom_metric=metric, evals=[(data, "here")], verbose_eval=False)
        call = watched.only()
        assert (call.operation, call.count, call.steps) == ("training", 1, 4)

    def test_early_stopping_and_callbacks(self, watched: Any) -> None:
        rounds: list[int] = []

        class Counting(xgboost.callback.TrainingCallback):  # type: ignore[misc]
            def after_iteration(self, model: Any, epoch: int, _: Any) -> bool:
                model.predict(xgboost.DMatrix(X[:3]))
                rounds.append(epoch)
                return False

        stop = xgboost.callback.EarlyStopping(rounds=2, save_best=True)
        best = xgboost.train(
            SMALL,
            xgboost.DMatrix(X[:150], Y[:150]),
            50,
            evals=[(xgboost.DMatrix(X[150:], Y[150:]), "v")],
            callbacks=[Counting(), stop],
            verbose_eval=False,
        )
        call = watched.only()
        assert (call.steps, call.parameters) == (len(rounds), nodes(best))
        assert best.num_boosted_rounds() < len(rounds) < 50

    def test_cross_validation_trains_a_booster_a_fold(self, watched: Any, data: Any) -> None:
        xgboost.cv(SMALL, data, 5, nfold=4, metrics="rmse")
        call = watched.only()
        assert (call.operation, call.model, call.count, call.steps) == ("training", "xgboost.Booster", 4, 20)
        assert call.samples == 3 * 200

    def test_its_estimators_are_those_of_scikit_learn(self, watched: Any, tmp_path: Path) -> None:
        model = xgboost.XGBClassifier(n_estimators=6, max_depth=2, n_jobs=1).fit(X, Y)
        model.predict(X)
        model.save_model(tmp_path / "clf.json")
        loaded = xgboost.XGBClassifier()
        loaded.load_model(tmp_path / "clf.json")
        loaded.predict(X)
        training, inference, again = watched.calls
        size = nodes(model.get_booster())
        assert (training.client, training.model, training.steps) == ("sklearn", "xgboost.XGBClassifier", 6)
        assert (training.parameters, training.precision, training.device) == (size, "float32", "cpu")
        assert (inference.parameters, inference.file) == (size, None)
        (load,) = watched.owner.loads
        file = str(tmp_path / "clf.json")
        assert (load.client, load.model, load.parameters, load.file) == ("sklearn", "xgboost.XGBClassifier", size, file)
        assert (again.model, again.parameters, again.file) == ("xgboost.XGBClassifier", size, file)

    def test_a_search_over_them_counts_its_fits(self, watched: Any) -> None:
        from sklearn.model_selection import GridSearchCV

        GridSearchCV(xgboost.XGBClassifier(n_estimators=2, n_jobs=1), {"max_depth": [1, 2]}, cv=2).fit(X, Y)
        call = watched.only()
        assert (call.model, call.count, call.steps) == ("sklearn.GridSearchCV(XGBClassifier)", 1, 5)


class TestLoads:
    def test_every_way_to_load(self, watched: Any, data: Any, model_file: Path) -> None:
        watched.owner.calls.clear()
        booster = xgboost.Booster(model_file=model_file)
        booster.predict(data)
        other = xgboost.Booster()
        other.load_model(fname=str(model_file))
        other.load_model(booster.save_raw())
        assert [(c.model, c.count, c.file, c.status) for c in watched.owner.loads] == [
            ("churn", 2, str(model_file), None),
            ("xgboost.Booster", 1, None, None),
        ]
        inference = watched.calls[-1]
        assert (inference.model, inference.file, inference.parameters) == ("churn", str(model_file), nodes(booster))

    def test_trained_further_it_is_no_longer_the_file(self, watched: Any, data: Any, model_file: Path) -> None:
        booster = xgboost.Booster(model_file=model_file)
        booster.update(data, 4)
        booster.predict(data)
        assert [(c.model, c.file) for c in watched.calls[-2:]] == [("xgboost.Booster", None)] * 2

    def test_a_load_that_fails(self, watched: Any, tmp_path: Path) -> None:
        with pytest.raises(xgboost.core.XGBoostError):
            xgboost.Booster(model_file=str(tmp_path / "nothing.json"))
        (load,) = watched.owner.loads
        assert (load.model, load.status) == ("nothing", "error")

    def test_by_joblib(self, watched: Any, data: Any, tmp_path: Path) -> None:
        booster = xgboost.train(SMALL, data, 2)
        joblib.dump(booster, tmp_path / "b.joblib")
        joblib.load(tmp_path / "b.joblib").predict(data)
        (load,) = watched.owner.loads
        assert (load.client, load.model, load.file) == ("xgboost", "b", str(tmp_path / "b.joblib"))
        assert (watched.calls[-1].model, watched.calls[-1].parameters) == ("b", nodes(booster))

    def test_copies_and_pickles_are_no_loads(self, watched: Any, data: Any) -> None:
        booster = xgboost.train(SMALL, data, 2)
        for made in (copy.copy(booster), copy.deepcopy(booster), booster.copy(), pickle.loads(pickle.dumps(booster))):
            made.predict(data)
        assert watched.owner.loads == []
        assert [(c.operation, c.count) for c in watched.calls] == [("training", 1), ("inference", 4)]


class TestBadInput:
    def test_a_booster_that_was_never_trained(self, watched: Any, data: Any) -> None:
        xgboost.Booster()  # an empty one is no load
        assert watched.owner.loads == []
        booster = xgboost.Booster(model_file=None)
        try:
            booster.predict(data)
        except xgboost.core.XGBoostError:
            assert watched.only().status == "error"
        else:
            assert watched.only().status is None

    def test_exceptions_pass_and_are_counted_apart(self, watched: Any, data: Any) -> None:
        with pytest.raises(xgboost.core.XGBoostError, match="nope"):
            xgboost.train({"objective": "nope"}, data, 3)
        with pytest.raises(TypeError):
            xgboost.train()
        call = watched.only()
        assert (call.status, call.count, call.steps, call.model) == ("error", 2, None, "xgboost.Booster")

    def test_a_booster_that_raises_is_counted(self, watched: Any, data: Any) -> None:
        class Odd(xgboost.Booster):  # type: ignore[misc]
            __hash__ = None  # type: ignore[assignment]

            def save_config(self) -> str:
                raise ZeroDivisionError

            def __repr__(self) -> str:
                raise ZeroDivisionError

            def __eq__(self, other: object) -> bool:
                raise ZeroDivisionError

        booster = Odd(SMALL, [data])
        booster.update(data, 0)
        booster.predict(data)
        inference = watched.calls[-1]
        assert (inference.model or "").endswith("Odd")
        assert inference.parameters is None
        assert inference.notices == ("unreadable-model",)

    def test_overrides_and_super(self, watched: Any, data: Any) -> None:
        class Louder(xgboost.Booster):  # type: ignore[misc]
            def predict(self, *args: Any, **kwargs: Any) -> Any:
                return super().predict(*args, **kwargs) * 2

        booster = Louder(SMALL, [data])
        booster.update(data, 0)
        booster.predict(data)
        assert [(c.operation, c.count) for c in watched.calls] == [("training", 1), ("inference", 1)]


class TestTransparency:
    def test_warnings_come_where_they_came(self, watched: Any, data: Any, model_file: Path) -> None:
        """A booster is configured, and warns of what it does not know, when the user uses it; never when we look."""

        def use(step: Callable[[], Any]) -> int:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                step()
            return len(caught)

        def behave() -> list[int]:
            made: list[Any] = []
            odd = {**SMALL, "of_our_own": 1}
            found = [
                use(lambda: made.append(xgboost.Booster(odd, model_file=model_file))),
                use(lambda: made[0].predict(data)),
                use(lambda: made[0].predict(data)),
            ]
            held = xgboost.DMatrix(X[150:], Y[150:])
            stop = xgboost.callback.EarlyStopping(rounds=2, save_best=True)

            def train() -> None:
                evals = [(held, "v")]
                made.append(xgboost.train(odd, data, 9, evals=evals, callbacks=[stop], verbose_eval=False))

            return [*found, use(train), use(lambda: made[1].predict(data)), use(lambda: made[1].copy().predict(data))]

        with_us = behave()
        assert watched.owner.loads
        watched.seams.disarm()
        assert behave() == with_us
        assert sum(with_us) >= 2

    def test_results_are_the_same(self, watched: Any, data: Any) -> None:
        def behave() -> list[Any]:
            booster = xgboost.train(SMALL, data, 3)
            model = xgboost.XGBClassifier(n_estimators=2, n_jobs=1).fit(X, Y)
            return [
                bytes(booster.save_raw()),
                booster.predict(data).tolist(),
                sorted(vars(booster)),
                repr(model),
                model.get_params(),
                pickle.loads(pickle.dumps(model)).predict(X).tolist(),
                sorted(xgboost.cv(SMALL, data, 2, as_pandas=False)),
            ]

        with_us = behave()
        watched.seams.disarm()
        assert repr(behave()) == repr(with_us)

    def test_everything_is_taken_back(self, watched: Any) -> None:
        places = [
            *((xgboost.Booster, n) for n in ("predict", "inplace_predict", "update", "boost", "load_model")),
            *((module, n) for module in (xgboost, xgboost.training) for n in ("train", "cv")),
            (xgboost.XGBModel, "load_model"),
        ]
        assert all(hasattr(vars(owner)[name], "__aifootprint__") for owner, name in places)
        assert xgboost.train.__name__ == "train"
        watched.seams.disarm()
        assert not any(hasattr(vars(owner)[name], "__aifootprint__") for owner, name in places)
