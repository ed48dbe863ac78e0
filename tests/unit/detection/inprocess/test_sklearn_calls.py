"""Calls of scikit-learn's estimators, with the real library: their sizes, work, loads, children and odd objects."""

from __future__ import annotations

import copy
import io
import pickle
import time
import warnings
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.cluster import Birch
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier, VotingClassifier
from sklearn.exceptions import InconsistentVersionWarning, NotFittedError
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator
from sklearn.utils.parallel import Parallel, _FuncWrapper, delayed
from sklearn.utils.validation import check_is_fitted, validate_data

from pytest_aifootprint.attribution.cputree import CpuTree

X = np.random.default_rng(1).random((40, 3))
Y = (X[:, 0] > 0.5).astype(int)


class Mine(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    def fit(self, data: Any, target: Any) -> Mine:
        data, target = validate_data(self, data, target)
        self.classes_ = np.unique(target)
        return self

    def predict(self, data: Any) -> Any:
        check_is_fitted(self)
        data = validate_data(self, data, reset=False)
        return np.full(len(data), self.classes_[0])


class Burner(Mine):
    def __init__(self, again: int = 0) -> None:
        self.again = again

    def fit(self, data: Any, target: Any) -> Burner:
        until = time.process_time() + 0.15
        while time.process_time() < until:
            pass
        super().fit(data, target)
        return self


class TestSizeAndWork:
    def test_a_model_has_the_size_that_its_training_gave_it(self, watched: Any) -> None:
        model = LogisticRegression().fit(X, Y)
        model.predict(X)
        model.fit(X[:, :2], Y)
        model.predict(X[:, :2])
        assert [(c.operation, c.parameters, c.precision, c.device, c.count) for c in watched.calls] == [
            ("training", 4, "float64", "cpu", 1),
            ("inference", 4, "float64", "cpu", 1),
            ("training", 3, "float64", "cpu", 1),
            ("inference", 3, "float64", "cpu", 1),
        ]

    def test_a_training_says_its_steps_and_epochs(self, watched: Any) -> None:
        model = SGDClassifier(random_state=0).fit(X, Y)
        call = watched.only()
        assert (call.steps, call.epochs, call.samples) == (model.n_iter_, model.n_iter_, 40)

    def test_the_same_training_again_looks_the_same(self, watched: Any) -> None:
        for _ in range(3):
            RandomForestClassifier(5, random_state=0).fit(X, Y)
        call = watched.only()
        assert (call.count, call.samples) == (3, 120)

    def test_updates_of_one_object_are_one_training(self, watched: Any) -> None:
        model = SGDClassifier(random_state=0)
        for part in range(4):
            model.partial_fit(X[part * 10 : part * 10 + 10], Y[part * 10 : part * 10 + 10], classes=[0, 1])
        call = watched.only()
        assert (call.count, call.steps, call.epochs, call.samples, call.parameters) == (1, 4, None, 40, 4)

    def test_an_update_may_change_the_size(self, watched: Any) -> None:
        model = Birch(threshold=0.01, n_clusters=None).partial_fit(X[:10])
        model.partial_fit(X).predict(X)
        training, inference = watched.calls
        assert (training.count, training.steps, training.parameters) == (1, 2, 30)
        assert inference.parameters == 3 * len(model.subcluster_centers_) > 30

    def test_a_search_is_one_training_and_its_fits_are_steps(self, watched: Any) -> None:
        GridSearchCV(LogisticRegression(), {"C": [1, 2]}, cv=3).fit(X, Y)
        call = watched.only()
        assert (call.count, call.steps, call.parameters, call.samples) == (1, 7, 4, 40)

    def test_a_failed_training_has_no_size_and_no_steps(self, watched: Any) -> None:
        with pytest.raises(ValueError, match="Found array"):
            LogisticRegression().fit(np.zeros((0, 3)), [])
        call = watched.only()
        assert (call.status, call.parameters, call.steps, call.notices) == ("error", None, None, ())

    def test_a_failed_one_has_not_the_steps_of_the_one_before(self, watched: Any) -> None:
        model = SGDClassifier(random_state=0).fit(X, Y)
        with pytest.raises(ValueError, match="inconsistent"):
            model.fit(X, Y[:3])
        failed = watched.calls[-1]
        assert (failed.status, failed.steps, failed.epochs) == ("error", None, None)

    def test_a_pipeline_that_only_transforms_is_no_model(self, watched: Any) -> None:
        make_pipeline(StandardScaler(), PCA(1)).fit_transform(X)
        make_pipeline(StandardScaler(), "passthrough").fit(X)
        assert watched.calls == []


class TestChildren:
    def test_the_cpu_of_a_search_has_that_of_its_processes(self, watched: Any) -> None:
        watched.recorder.tree_cpu_ns = CpuTree().now_ns
        GridSearchCV(Burner(), {"again": [0, 1]}, cv=2, refit=False, n_jobs=2).fit(X, Y)
        call = watched.only()
        assert call.count == 1
        assert call.cpu_ns >= 4 * 150_000_000

    @pytest.mark.parametrize("backend", ["threading", "loky"])
    def test_tasks_of_an_estimator_are_inside_its_call(self, watched: Any, backend: str) -> None:
        with joblib.parallel_backend(backend):
            VotingClassifier([("a", LogisticRegression()), ("b", Mine())], n_jobs=2).fit(X, Y)
        assert [(c.operation, c.count) for c in watched.calls] == [("training", 1)]

    def test_tasks_that_no_estimator_made_count(self, watched: Any) -> None:
        models = [LogisticRegression(), LogisticRegression()]
        with joblib.parallel_backend("threading"):
            Parallel(2)(delayed(LogisticRegression.fit)(model, X, Y) for model in models)
            Parallel(n_jobs=2)(iterable=[delayed(LogisticRegression.fit)(model, X, Y) for model in models])
        assert watched.only().count == 4

    def test_after_a_marked_task_its_thread_counts_again(self, watched: Any) -> None:
        tasks: list[Any] = []

        class Keeps(Mine):
            def fit(self, data: Any, target: Any) -> Keeps:
                tasks.extend(delayed(LogisticRegression.fit)(LogisticRegression(), data, target) for _ in range(2))
                Parallel(1)(iter(tasks))
                return self

        Keeps().fit(X, Y)
        for function, args, kwargs in tasks:
            function(*args, **kwargs)
        assert watched.only().count == 1
        LogisticRegression().fit(X, Y)
        assert [c.count for c in watched.calls] == [1, 1]

    def test_threads_end_with_their_call(self, watched: Any) -> None:
        forest = RandomForestClassifier(4, n_jobs=2).fit(X, Y)
        with joblib.parallel_backend("threading", n_jobs=1):
            forest.predict(X)
            LogisticRegression().fit(X, Y)
        assert [c.operation for c in watched.calls] == ["training", "inference", "training"]


class TestLoads:
    def test_a_model_from_a_file(self, watched: Any, tmp_path: Path) -> None:
        path = tmp_path / "churn.joblib"
        joblib.dump(make_pipeline(StandardScaler(), LogisticRegression()).fit(X, Y), path)
        for _ in range(2):
            model = joblib.load(path)
        model.predict(X)
        (load,) = watched.owner.loads
        assert (load.client, load.operation, load.count) == ("sklearn", "load", 2)
        assert (load.model, load.parameters, load.file) == ("sklearn.Pipeline(LogisticRegression)", 10, str(path))
        assert load.duration_ns > 0
        inference = watched.calls[-1]
        assert (inference.model, inference.parameters, inference.file) == (load.model, 10, str(path))

    def test_trained_again_it_is_no_longer_the_file(self, watched: Any, tmp_path: Path) -> None:
        joblib.dump(LogisticRegression().fit(X, Y), tmp_path / "m.joblib", compress=3)
        model = joblib.load(tmp_path / "m.joblib")
        model.fit(X, Y).predict(X)
        assert [c.file for c in watched.calls] == [None, None]
        assert [c.file for c in watched.owner.loads] == [str(tmp_path / "m.joblib")]

    def test_updated_it_is_no_longer_the_file(self, watched: Any, tmp_path: Path) -> None:
        joblib.dump(SGDClassifier(random_state=0).fit(X, Y), tmp_path / "m.joblib")
        model = joblib.load(tmp_path / "m.joblib")
        model.partial_fit(X, Y)
        model.predict(X)
        assert [(c.operation, c.file) for c in watched.calls[-2:]] == [("training", None), ("inference", None)]

    def test_an_open_file_and_a_relative_path(
        self, watched: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        joblib.dump(LogisticRegression().fit(X, Y), "m.joblib")
        with Path("m.joblib").open("rb") as file:
            joblib.load(file)
        joblib.load("m.joblib")
        memory = io.BytesIO(Path("m.joblib").read_bytes())
        joblib.load(memory)
        assert [(c.count, c.file) for c in watched.owner.loads] == [(2, str(tmp_path / "m.joblib")), (1, None)]

    def test_what_is_no_model_is_no_load(self, watched: Any, tmp_path: Path) -> None:
        for thing in ({"model": LogisticRegression()}, StandardScaler(), make_pipeline(PCA(1)), X, LogisticRegression):
            joblib.dump(thing, tmp_path / "thing")
            joblib.load(tmp_path / "thing")
        with pytest.raises(FileNotFoundError):
            joblib.load(tmp_path / "nothing")
        (tmp_path / "broken").write_bytes(b"\x80\x04broken")
        with pytest.raises(Exception, match=r".+"):
            joblib.load(tmp_path / "broken")
        assert watched.owner.loads == []

    def test_any_object_that_predicts_is_one(self, watched: Any, tmp_path: Path) -> None:
        joblib.dump(Duck(), tmp_path / "duck")
        joblib.load(tmp_path / "duck")
        (load,) = watched.owner.loads
        assert (load.client, load.model, load.file) == ("joblib", "test_sklearn_calls.Duck", str(tmp_path / "duck"))

    def test_unpickling_and_copies_are_silent(self, watched: Any) -> None:
        model = LogisticRegression().fit(X, Y)
        copy.deepcopy(clone(pickle.loads(pickle.dumps(model))))
        assert watched.owner.loads == []
        assert watched.only().operation == "training"


class Duck:
    def predict(self) -> int:
        return 3


class Hostile(Mine):
    """Raises wherever it is asked for anything but its work."""

    __slots__ = ("extra",)

    def get_params(self, deep: bool = True) -> Any:  # noqa: FBT001, FBT002 - scikit-learn's signature
        raise ZeroDivisionError(deep)

    def __repr__(self) -> str:
        raise ZeroDivisionError

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise ZeroDivisionError(name)

    def __eq__(self, other: object) -> bool:
        raise ZeroDivisionError

    __hash__ = None  # type: ignore[assignment]

    @property
    def coef_(self) -> Any:
        raise ZeroDivisionError

    def fit(self, _data: Any, _target: Any) -> Hostile:
        return self

    def predict(self, data: Any) -> Any:
        return [0] * len(data)


class Odd:
    @property
    def shape(self) -> Any:
        raise ZeroDivisionError


class TestOddObjects:
    def test_an_estimator_that_raises_is_counted_and_named(self, watched: Any) -> None:
        model = Hostile().fit(X, Y)
        assert model.predict(X) == [0] * 40
        assert [(c.operation, c.model, c.parameters, c.notices) for c in watched.calls] == [
            ("training", "test_sklearn_calls.Hostile", None, ()),
            ("inference", "test_sklearn_calls.Hostile", None, ()),
        ]

    def test_a_value_that_raises_leaves_the_name_and_one_notice(self, watched: Any) -> None:
        model = Mine().fit(X, Y)
        model.coef_ = Odd()
        model.predict(X)
        call = watched.calls[-1]
        assert (call.model, call.parameters) == ("test_sklearn_calls.Mine", None)
        model.fit(X, Y)
        assert watched.calls[-1].notices == ("unreadable-model",)

    def test_an_unfitted_one_fails_as_before(self, watched: Any) -> None:
        with pytest.raises(NotFittedError):
            LogisticRegression().predict(X)
        call = watched.only()
        assert (call.status, call.parameters, call.notices) == ("error", None, ())

    def test_one_of_another_version_warns_as_before(self, watched: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        model = LogisticRegression().fit(X, Y)
        monkeypatch.setattr("sklearn.base.__version__", "0.1")
        old = pickle.dumps(model)
        monkeypatch.undo()

        def use() -> list[tuple[type, str, str]]:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                pickle.loads(old).predict(X)
            return [(w.category, str(w.message), w.filename) for w in caught]

        with_us = use()
        assert [category for category, *_ in with_us] == [InconsistentVersionWarning]
        assert (watched.calls[-1].operation, watched.calls[-1].parameters) == ("inference", 4)
        watched.seams.disarm()
        assert use() == with_us

    def test_a_half_of_one_pickled_by_another_version(self, watched: Any) -> None:
        model = LogisticRegression().fit(X, Y)
        del model.__dict__["intercept_"], model.__dict__["n_iter_"]
        with pytest.raises(AttributeError):
            model.predict(X)
        assert watched.calls[-1].status == "error"


class TestTransparency:
    def test_the_checks_of_scikit_learn_end_the_same(self, watched: Any) -> None:
        def check() -> list[tuple[str, str, str]]:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                results = check_estimator(Mine(), on_skip=None, on_fail=None)
            return [(result["check_name"], result["status"], repr(result["exception"])) for result in results]

        with_us = check()
        assert len(with_us) > 20
        assert len(watched.calls) > 2
        watched.seams.disarm()
        assert check() == with_us

    def test_pickles_copies_and_texts_are_the_same(self, watched: Any) -> None:
        def behave() -> list[Any]:
            model = make_pipeline(StandardScaler(), LogisticRegression(C=2)).fit(X, Y)
            return [
                pickle.dumps(model),
                pickle.dumps(LogisticRegression.predict),
                repr(model),
                sorted(model.get_params()),
                sorted(vars(clone(model))),
                copy.deepcopy(model).predict(X).tolist(),
                sorted(vars(model)),
            ]

        with_us = behave()
        assert watched.calls
        watched.seams.disarm()
        assert behave() == with_us

    def test_everything_is_taken_back(self, watched: Any) -> None:
        from joblib.numpy_pickle import NumpyUnpickler

        patched = [(LogisticRegression, "fit"), (_FuncWrapper, "__call__"), (Parallel, "__call__")]
        for owner, name in patched:
            assert hasattr(vars(owner)[name], "__aifootprint__")
        assert "load" in vars(NumpyUnpickler)
        watched.seams.disarm()
        for owner, name in patched:
            assert not hasattr(vars(owner)[name], "__aifootprint__")
        assert "load" not in vars(NumpyUnpickler)
