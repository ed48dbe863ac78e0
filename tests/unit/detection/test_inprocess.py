"""Models that run in this process, with the real libraries."""

from __future__ import annotations

import gc
import inspect
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import magika
import numpy as np
import onnxruntime
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.cluster import KMeans
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from pytest_aifootprint.detection.inprocess.names import model_name
from pytest_aifootprint.detection.inprocess.rows import batch

X = np.random.default_rng(1).random((40, 3))
Y = (X[:, 0] > 0.5).astype(int)


def rows(watched: Any) -> list[tuple[str, str, int, int | None]]:
    return [(call.operation, call.model, call.count, call.samples) for call in watched.calls]


@pytest.fixture(scope="module")
def detector() -> magika.Magika:
    return magika.Magika()


def test_a_real_model_is_counted_in_one_row(detector: magika.Magika, watched: Any) -> None:
    for _ in range(5):
        assert detector.identify_bytes(b"def f():\n    return 1\n" * 9).output.label == "python"
    call = watched.only()
    assert (call.client, call.operation, call.model, call.count) == (
        "onnxruntime",
        "inference",
        "magika/standard_v3_3",
        5,
    )
    assert (call.locality, call.realness, call.provider, call.status) == ("local", "live", None, None)
    assert call.duration_ns > 0
    assert call.samples == 5


def test_rows_are_kept_apart_by_phase_and_owner(detector: Any, watched: Any, make_owner: Any) -> None:
    def identify() -> None:
        detector.identify_bytes(b"hello, this is a text that is long enough")

    watched.owner.phase = "setup"
    identify()
    watched.owner.phase = "call"
    identify()
    identify()
    other = make_owner()
    token = watched.recorder.context.set(other)
    identify()
    watched.recorder.context.reset(token)
    assert [(call.phase, call.count) for call in watched.calls] == [("setup", 1), ("call", 2)]
    assert [(call.phase, call.count) for call in other.calls] == [("call", 1)]


def test_calls_outside_any_test_are_one_row_too(detector: Any, watched: Any) -> None:
    watched.owner.closed = True
    watched.recorder.current = None
    for _ in range(3):
        detector.identify_bytes(b"hello, this is a text that is long enough")
    (row,) = watched.recorder.unowned
    assert (row.phase, row.count) == ("outside", 3)


def test_every_way_to_run_a_session(detector: Any, watched: Any) -> None:
    session: onnxruntime.InferenceSession = detector._onnx_session
    name = session.get_inputs()[0].name
    feed = {name: np.zeros((2, 2048), dtype=np.int32)}
    session.run(None, feed)
    session.run(None, input_feed=feed)
    done = threading.Event()
    session.run_async(None, feed, lambda *_: done.set(), None)
    assert done.wait(30)
    session.run_with_ort_values(None, {name: onnxruntime.OrtValue.ortvalue_from_numpy(feed[name])})
    binding = session.io_binding()
    binding.bind_cpu_input(name, feed[name])
    binding.bind_output(session.get_outputs()[0].name)
    session.run_with_iobinding(binding)
    call = watched.only()
    assert (call.count, call.samples) == (5, 10)


def test_a_failing_run_fails_as_before_and_is_a_row_of_its_own(detector: Any, watched: Any) -> None:
    with pytest.raises(ValueError, match="Required inputs"):
        detector._onnx_session.run(None, {})
    call = watched.only()
    assert (call.status, call.count) == ("error", 1)


def test_a_session_from_bytes_has_no_name(watched: Any, detector: Any) -> None:
    with open(detector._onnx_session._model_path, "rb") as file:  # noqa: PTH123
        session = onnxruntime.InferenceSession(file.read())
    session.run(None, {session.get_inputs()[0].name: np.zeros((1, 2048), dtype=np.int32)})
    call = watched.only()
    assert (call.model, call.notices) == (None, ("unknown-model",))
    gone = weakref.ref(session)
    del session
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/v/lib/python3.11/site-packages/magika/models/standard_v3_3/model.onnx", "magika/standard_v3_3"),
        ("C:\\v\\site-packages\\silero_vad\\data\\silero_vad.onnx", "silero_vad/silero_vad"),
        ("/v/site-packages/tool/models/model.onnx", "tool"),
        ("/h/hub/models--org--all-MiniLM/snapshots/0a1b/onnx/model.onnx", "org/all-MiniLM"),
        ("/home/me/classifier.onnx", "classifier"),
        ("/home/me/classifier/onnx/model_quantized.onnx", "classifier"),
        ("model.onnx", "model"),
    ],
)
def test_names_of_model_files(path: str, name: str) -> None:
    assert model_name(path) == name


def test_training_and_inference(watched: Any) -> None:
    model = LogisticRegression().fit(X, Y)
    model.predict(X)
    model.predict(X[:5])
    model.predict_proba(X)
    model.score(X, Y)
    assert rows(watched) == [
        ("training", "sklearn.LogisticRegression", 1, 40),
        ("inference", "sklearn.LogisticRegression", 4, 125),
    ]


def test_only_the_outermost_call_counts(watched: Any) -> None:
    make_pipeline(StandardScaler(), LogisticRegression()).fit(X, Y).predict(X)
    GridSearchCV(LogisticRegression(), {"C": [1, 2]}).fit(X, Y)
    assert rows(watched) == [
        ("training", "sklearn.Pipeline(LogisticRegression)", 1, 40),
        ("inference", "sklearn.Pipeline(LogisticRegression)", 1, 40),
        ("training", "sklearn.GridSearchCV(LogisticRegression)", 1, 40),
    ]


@pytest.mark.parametrize("jobs", [1, 2])
def test_threads_of_an_estimator_are_inside_its_call(watched: Any, jobs: int) -> None:
    forest = RandomForestClassifier(6, n_jobs=jobs).fit(X, Y)
    forest.predict(X)
    assert rows(watched) == [
        ("training", "sklearn.RandomForestClassifier", 1, 40),
        ("inference", "sklearn.RandomForestClassifier", 1, 40),
    ]


def test_a_function_that_trains_counts_each_training(watched: Any) -> None:
    cross_val_score(LogisticRegression(), X, Y, cv=4)
    assert [(row[0], row[2]) for row in rows(watched)] == [("training", 4), ("inference", 4)]


def test_what_only_transforms_is_no_model(watched: Any) -> None:
    StandardScaler().fit(X)
    StandardScaler().fit_transform(X)
    assert rows(watched) == []
    KMeans(2, n_init=1).fit_transform(X)
    assert rows(watched) == [("training", "sklearn.KMeans", 1, 40)]


def test_partial_fit_and_clones(watched: Any) -> None:
    model = SGDClassifier()
    for _ in range(3):
        model.partial_fit(X, Y, classes=[0, 1])
    clone(model).fit(X, Y)
    assert [(row[0], row[2]) for row in rows(watched)] == [("training", 2)]


def test_estimators_of_the_user_are_seen(watched: Any) -> None:
    class Mine(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
        def fit(self, data: Any, target: Any, *, model: str = "x") -> Any:
            self.classes_ = np.unique(target)
            return self

        def predict(self, data: Any) -> Any:
            return np.zeros(len(data), dtype=int)

    model = Mine().fit(X.tolist(), Y, model="a keyword that our wrapper must not swallow")
    model.score(X, Y)
    assert rows(watched) == [
        ("training", "test_inprocess.Mine", 1, 40),
        ("inference", "test_inprocess.Mine", 1, 40),
    ]


def test_exceptions_pass_and_are_counted_apart(watched: Any) -> None:
    with pytest.raises(ValueError, match="Found array"):
        LogisticRegression().fit(np.zeros((0, 3)), [])
    assert (watched.only().status, watched.only().count) == ("error", 1)
    LogisticRegression().fit(X, Y)
    assert [call.status for call in watched.calls] == ["error", None]


def test_methods_that_are_there_on_condition_still_are(watched: Any) -> None:
    assert not hasattr(make_pipeline(StandardScaler()), "predict")
    assert hasattr(make_pipeline(LogisticRegression()), "predict_proba")
    assert not hasattr(SVC(), "predict_proba")
    assert Pipeline.predict.__name__ == "predict"
    assert list(inspect.signature(Pipeline.predict).parameters)[:2] == ["self", "X"]
    assert list(inspect.signature(LogisticRegression().fit).parameters) == ["X", "y", "sample_weight"]


def test_threads_of_the_user_count_each(watched: Any) -> None:
    model = LogisticRegression().fit(X, Y)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: model.predict(X), range(200)))
    training, inference = watched.calls
    assert (training.inferred, inference.inferred) == (False, True)
    assert inference.count == 200
    assert inference.samples == 200 * 40


def test_one_root_over_all_frameworks(watched: Any, detector: Any) -> None:
    class Wraps(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
        def fit(self, _data: Any, _target: Any) -> Any:
            return self

        def predict(self, data: Any) -> Any:
            detector.identify_bytes(b"hello, this is a text that is long enough")
            return data

    Wraps().predict(X)
    assert watched.only().client == "sklearn"


def test_an_error_of_ours_reaches_the_report_only(watched: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    model = LogisticRegression().fit(X, Y)
    monkeypatch.setattr(watched.recorder, "owner", lambda: 1 // 0)
    assert len(model.predict(X)) == 40
    assert watched.recorder.errors == ["sklearn: ZeroDivisionError: integer division or modulo by zero"]
    watched.recorder.errors.clear()


class Odd:
    @property
    def shape(self) -> Any:
        raise ZeroDivisionError("odd")


@pytest.mark.parametrize(
    ("data", "size"),
    [(X, 40), ([1, 2], 2), ("text", None), (np.float64(1), None), (None, None), ({}, None), (Odd(), None)],
)
def test_sizes_of_batches(data: Any, size: int | None) -> None:
    assert batch(data) == size
