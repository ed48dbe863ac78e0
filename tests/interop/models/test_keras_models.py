"""keras with a real backend. Which one is said by KERAS_BACKEND; the last tests run this file under another one."""

from __future__ import annotations

import copy
import gc
import inspect
import json
import os
import pickle
import subprocess
import sys
import threading
import weakref
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "torch")

import numpy as np
import pytest

keras = pytest.importorskip("keras")

BACKEND = keras.backend.backend()
TORCH_ONLY = pytest.mark.skipif(BACKEND != "torch", reason="of the torch backend")
EAGER_DATA = pytest.mark.skipif(BACKEND == "tensorflow", reason="tensorflow draws its data inside a graph")
X = np.random.default_rng(1).random((50, 4)).astype("float32")
Y = X.sum(1, keepdims=True)

# keras and the backends warn about themselves.
pytestmark = pytest.mark.filterwarnings("default")


def make(**named: Any) -> Any:
    layers = [keras.Input((4,)), keras.layers.Dense(8, activation="relu"), keras.layers.Dense(1)]
    net = keras.Sequential(layers, **named)
    net.compile("sgd", "mse")
    return net


class Mine(keras.Model):  # type: ignore[misc,name-defined]
    def __init__(self) -> None:
        super().__init__()
        self.dense = keras.layers.Dense(3)

    def call(self, inputs: Any) -> Any:
        return self.dense(inputs)


class Failing(Mine):
    steps = 0

    def train_step(self, *args: Any) -> Any:
        self.steps += 1
        if self.steps > 2:
            raise ZeroDivisionError("mine")
        return super().train_step(*args)


class Odd(Mine):
    def count_params(self) -> int:
        raise ZeroDivisionError

    def __repr__(self) -> str:
        raise ZeroDivisionError


class Own(Mine):
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return super().__call__(*args, **kwargs)

    def predict(self, *args: Any, **kwargs: Any) -> Any:
        return super().predict(*args, **kwargs)


@pytest.fixture
def net() -> Any:
    return make()


@pytest.fixture
def rows(watched: Any) -> Any:
    def read() -> list[tuple[str, str | None, int, int | None]]:
        watched.recorder.flush(watched.owner)
        return [(call.operation, call.model, call.count, call.samples) for call in watched.calls]

    return read


def batches(size: int) -> Any:
    while True:
        yield X[:size], Y[:size]


class TestInference:
    def test_a_model_is_named_and_measured(self, watched: Any, net: Any) -> None:
        net.predict(X, verbose=0)
        call = watched.only()
        assert (call.client, call.operation, call.model) == ("keras", "inference", "keras.Sequential")
        assert (call.parameters, call.precision, call.device) == (49, "float32", "cpu")
        assert (call.locality, call.realness, call.status, call.notices) == ("local", "live", None, ())
        assert call.duration_ns > 0
        assert call.cpu_ns > 0

    def test_every_way_to_run_a_model_is_one_call_each(self, rows: Any, net: Any) -> None:
        net.predict(X, verbose=0, batch_size=7)
        net.evaluate(X[:20], Y[:20], verbose=0)
        net.predict_on_batch(X[:6])
        net.test_on_batch(X[:5], Y[:5])
        assert rows() == [("inference", "keras.Sequential", 4, 81)]

    def test_a_plain_call_is_an_inference(self, rows: Any, net: Any) -> None:
        net(X[:9], training=False)
        net(X[:9])
        assert sum(row[2] for row in rows()) == 2
        assert {row[0:2] for row in rows()} == {("inference", "keras.Sequential")}
        assert sum(row[3] for row in rows()) == 18

    def test_the_backend_sees_no_call_of_its_own(self, watched: Any, rows: Any, net: Any) -> None:
        net(X)
        net.predict(X, verbose=0)
        net.fit(X, Y, verbose=0)
        rows()
        assert {call.client for call in watched.calls} == {"keras"}

    def test_building_models_calls_none(self, rows: Any) -> None:
        make()
        inputs = keras.Input((4,))
        keras.Model(inputs, keras.layers.Dense(2)(keras.layers.Dropout(0.5)(inputs)))
        Mine().compute_output_spec(inputs)
        Mine().build((None, 4))
        assert rows() == []

    def test_what_has_nothing_to_learn_is_no_model(self, rows: Any) -> None:
        scale = keras.layers.Normalization()
        scale.adapt(X)
        scale(X)
        keras.Sequential([keras.Input((4,)), keras.layers.Rescaling(2.0)]).predict(X, verbose=0)
        assert rows() == []
        keras.layers.Dense(2)(X)
        assert rows() == [("inference", "keras.Dense", 1, 50)]

    def test_many_inputs_are_one_batch(self, rows: Any) -> None:
        left, right = keras.Input((4,), name="left"), keras.Input((2,), name="right")
        both = keras.layers.Dense(2)(keras.layers.Concatenate()([left, right]))
        listed, named = keras.Model([left, right], both), keras.Model({"left": left, "right": right}, both)
        listed.predict([X, X[:, :2]], verbose=0)
        listed([X, X[:, :2]], training=False)
        named({"left": X, "right": X[:, :2]}, training=False)
        assert rows() == [("inference", "keras.Functional", 3, 150)]

    @EAGER_DATA
    def test_data_of_unknown_size_are_counted_as_they_are_drawn(self, rows: Any, net: Any) -> None:
        net.predict(batches(6), steps=3, verbose=0)
        assert rows() == [("inference", "keras.Sequential", 1, 18)]

    def test_a_model_in_a_model_is_part_of_it(self, rows: Any, net: Any) -> None:
        outer = keras.Sequential([keras.Input((4,)), net, keras.layers.Dense(2)])
        outer.predict(X, verbose=0)
        assert rows() == [("inference", "keras.Sequential", 1, 50)]

    def test_threads_count_each(self, rows: Any, net: Any) -> None:
        net(X, training=False)
        threads = [threading.Thread(target=lambda: [net(X, training=False) for _ in range(5)]) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert rows() == [("inference", "keras.Sequential", 21, 21 * 50)]


class TestTraining:
    def test_a_fit_tells_its_steps_epochs_and_samples(self, watched: Any, rows: Any, net: Any) -> None:
        net.fit(X, Y, epochs=3, batch_size=16, verbose=0)
        assert rows() == [("training", "keras.Sequential", 1, 150)]
        assert (watched.only().steps, watched.only().epochs) == (12, 3)

    def test_early_stopping_and_validation(self, watched: Any, rows: Any, net: Any) -> None:
        stop = keras.callbacks.EarlyStopping(monitor="loss", min_delta=1e9, patience=1)
        net.fit(X, Y, epochs=20, batch_size=10, validation_split=0.2, verbose=0, callbacks=[stop])
        assert rows() == [("training", "keras.Sequential", 1, 80)]
        assert (watched.only().steps, watched.only().epochs) == (8, 2)

    def test_a_callback_that_predicts_is_part_of_the_training(self, watched: Any, rows: Any, net: Any) -> None:
        def predicts(*_: Any, **__: Any) -> None:
            net.predict(X, verbose=0)
            net(X)

        # Under jax a model has no weights between two batches.
        when = "on_epoch_end" if BACKEND == "jax" else "on_train_batch_end"
        callback = keras.callbacks.LambdaCallback(**{when: predicts})
        net.fit(X, Y, epochs=2, batch_size=25, verbose=0, callbacks=[callback])
        assert rows() == [("training", "keras.Sequential", 1, 100)]
        assert watched.only().steps == 4

    @EAGER_DATA
    def test_data_of_unknown_size(self, watched: Any, rows: Any, net: Any) -> None:
        class Pieces(keras.utils.PyDataset):  # type: ignore[misc,name-defined]
            def __len__(self) -> int:
                return 3

            def __getitem__(self, index: int) -> Any:
                return X[index * 4 : index * 4 + 4 - index], Y[index * 4 : index * 4 + 4 - index]

        net.fit(batches(6), steps_per_epoch=5, epochs=2, verbose=0)
        net.fit(Pieces(), validation_data=Pieces(), epochs=2, verbose=0)
        assert rows() == [("training", "keras.Sequential", 2, 60 + 18)]
        assert watched.only().steps == 16

    @pytest.mark.skipif(BACKEND == "torch", reason="torch allows one step per execution")
    def test_steps_that_run_together_are_counted_each(self, watched: Any, rows: Any, net: Any) -> None:
        net.compile("sgd", "mse", steps_per_execution=3, jit_compile=BACKEND == "jax")
        net.fit(X, Y, epochs=2, batch_size=10, verbose=0)
        assert (rows()[0][3], watched.only().steps) == (100, 10)

    def test_steps_by_hand_are_one_training(self, watched: Any, rows: Any, net: Any) -> None:
        for _ in range(3):
            net.train_on_batch(X[:7], Y[:7])
        assert rows() == [("training", "keras.Sequential", 1, 21)]
        assert watched.only().steps == 3

    def test_a_fit_again_is_a_training_again(self, rows: Any, net: Any) -> None:
        net.fit(X, Y, verbose=0)
        net.fit(X, Y, verbose=0)
        assert rows() == [("training", "keras.Sequential", 2, 100)]

    def test_a_step_of_an_optimizer_alone_is_a_training_of_something(self, watched: Any, rows: Any) -> None:
        weight = keras.Variable(np.ones(3, dtype="float32"))
        keras.optimizers.SGD().apply([keras.ops.ones(3)], [weight])
        assert rows() == [("training", None, 1, None)]
        assert watched.only().notices == ("unknown-model",)

    @TORCH_ONLY
    @pytest.mark.parametrize("optimizer", ["keras", "torch"])
    def test_a_loop_of_the_users_is_training(self, watched: Any, rows: Any, net: Any, optimizer: str) -> None:
        import torch

        ours, theirs = keras.optimizers.Adam(), torch.optim.SGD(net.parameters(), 0.01)
        net.eval()  # as keras leaves a model: it is the step that tells
        for _ in range(4):
            net.zero_grad()
            ((net(torch.tensor(X[:10])) - torch.tensor(Y[:10])) ** 2).mean().backward()
            if optimizer == "torch":
                theirs.step()
                continue
            weights = net.trainable_weights[:]
            with torch.no_grad():
                ours.apply([weight.value.grad for weight in weights], weights)
        assert rows() == [("training", "keras.Sequential", 1, 40)]
        assert (watched.only().steps, watched.only().client) == (4, "keras")

    @pytest.mark.skipif(BACKEND != "jax", reason="of the jax backend")
    def test_what_jax_only_traces_is_not_counted(self, rows: Any, net: Any) -> None:
        jax = pytest.importorskip("jax")

        def loss(weights: Any, others: Any) -> Any:
            return keras.ops.mean(net.stateless_call(weights, others, X)[0])

        state = [weight.value for weight in net.trainable_variables], [w.value for w in net.non_trainable_variables]
        jax.jit(jax.grad(loss))(*state)
        assert rows() == []


class TestIdentity:
    def test_a_name_that_was_given_is_the_name(self, rows: Any) -> None:
        make(name="digits").predict(X, verbose=0)
        Mine().predict(X, verbose=0)
        make(name="sequential_9").predict(X, verbose=0)
        assert [row[1] for row in rows()] == ["digits", "test_keras_models.Mine", "keras.Sequential"]

    def test_a_model_has_its_size_when_it_is_built(self, watched: Any, rows: Any) -> None:
        net = Mine()
        with pytest.raises(ValueError, match="tensors"):
            net(object())
        net(X)
        rows()
        assert [call.parameters for call in watched.calls] == [None, 15]

    def test_a_model_that_is_quantised_is_another_one(self, watched: Any, rows: Any, net: Any) -> None:
        net(X)
        net.quantize("int8")
        net(X)
        rows()
        assert [call.precision for call in watched.calls] == ["float32", "int8"]

    def test_models_are_not_kept_alive(self, watched: Any) -> None:
        net = Mine()
        net(X)
        watched.recorder.flush(watched.owner)
        gone = weakref.ref(net)
        del net
        gc.collect()
        assert gone() is None


class TestLoads:
    def test_loads_are_apart_and_name_the_model(self, watched: Any, net: Any, tmp_path: Path) -> None:
        net.save(tmp_path / "digits.keras")
        for _ in range(2):
            keras.models.load_model(tmp_path / "digits.keras").predict(X, verbose=0)
        (load,) = watched.owner.loads
        call = watched.only()
        assert (load.operation, load.model, load.count, load.parameters) == ("load", "digits", 2, 49)
        assert (load.file, call.file) == (str(tmp_path / "digits.keras"),) * 2
        assert (call.operation, call.model, call.count) == ("inference", "digits", 2)

    def test_weights_and_the_old_format(self, watched: Any, net: Any, tmp_path: Path) -> None:
        net.save_weights(tmp_path / "mine.weights.h5")
        net.save(tmp_path / "old.h5")
        other = make()
        other.load_weights(str(tmp_path / "mine.weights.h5"))
        other.predict(X, verbose=0)
        keras.saving.load_model(str(tmp_path / "old.h5"), compile=False).predict(X, verbose=0)
        assert [load.model for load in watched.owner.loads] == ["mine", "old"]
        assert [call.model for call in watched.calls] == ["mine", "old"]

    def test_a_load_that_fails_fails_as_before(self, watched: Any, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="not found"):
            keras.models.load_model(tmp_path / "no.keras")
        (tmp_path / "bad.weights.h5").write_bytes(b"no weights")
        with pytest.raises(OSError, match="open"):
            make().load_weights(tmp_path / "bad.weights.h5")
        assert [(load.model, load.status) for load in watched.owner.loads] == [("bad", "error")]


class TestBadInput:
    def test_a_training_step_that_raises(self, watched: Any, rows: Any) -> None:
        net = Failing()
        net.compile("sgd", "mse", run_eagerly=True)
        with pytest.raises(ZeroDivisionError, match="mine"):
            net.fit(X, X[:, :3], batch_size=10, verbose=0)
        assert rows() == [("training", "test_keras_models.Failing", 1, 20 if BACKEND != "tensorflow" else None)]
        assert (watched.only().status, watched.only().steps) == ("error", 2)

    def test_a_model_that_cannot_be_read(self, watched: Any, rows: Any) -> None:
        Odd().predict(X, verbose=0)
        call = watched.only()
        assert (call.model, call.parameters, call.notices) == ("test_keras_models.Odd", None, ("unreadable-model",))
        assert (call.precision, call.samples) == ("float32", 50)

    def test_a_class_that_overrides_what_is_watched(self, rows: Any) -> None:
        net = Own()
        net.predict(X, verbose=0)
        net(X)
        assert [row[:2] for row in rows()] == [("inference", "test_keras_models.Own")] * len(rows())
        assert sum(row[2] for row in rows()) == 2

    def test_a_failing_predict_is_counted_apart_without_samples_of_the_last(self, watched: Any, net: Any) -> None:
        net.predict(X, verbose=0)
        with pytest.raises(Exception, match=r"."):  # each backend has its own
            net.predict(X[:, :2], verbose=0)
        assert [(call.status, call.count) for call in watched.calls] == [(None, 1), ("error", 1)]
        assert watched.calls[1].samples in (None, 32)


def test_models_are_copied_pickled_and_called_as_before(watched: Any, net: Any) -> None:
    expected = net.predict(X, verbose=0)
    assert np.allclose(copy.deepcopy(net).predict(X, verbose=0), expected)
    assert np.allclose(pickle.loads(pickle.dumps(net)).predict(X, verbose=0), expected)
    assert list(inspect.signature(net.fit).parameters)[:3] == ["x", "y", "batch_size"]
    assert type(net).predict.__name__ == "predict"


@TORCH_ONLY
def test_compiling_sees_one_whole_graph(watched: Any, net: Any) -> None:
    import torch

    data = torch.tensor(X)
    with torch.no_grad():
        expected = net(data)
        compiled = torch.compile(net, backend="eager", fullgraph=True)
        assert torch.allclose(compiled(data), expected)
        function = torch.compile(lambda data: net(data) * 2, backend="eager", fullgraph=True)
        assert torch.allclose(function(data), expected * 2)
    net.compile("sgd", "mse", jit_compile=True)
    net.fit(X, Y, batch_size=25, verbose=0)
    watched.recorder.flush(watched.owner)
    assert [(call.operation, call.count, call.steps) for call in watched.calls if call.client == "keras"] == [
        ("inference", 1, None),
        ("training", 1, 2),
    ]


def test_undoing_leaves_the_library_as_it_was() -> None:
    from pytest_aifootprint.detection import Recorder, Seams

    def state() -> list[Any]:
        source = keras.src
        kinds = [*keras.Model.__mro__[:-1], source.callbacks.callback_list.CallbackList, source.saving.saving_lib]
        kinds += [source.optimizers.base_optimizer.BaseOptimizer, source.trainers.epoch_iterator.EpochIterator]
        kinds += source.trainers.epoch_iterator.EpochIterator.__subclasses__()
        kinds.append(source.legacy.saving.legacy_h5_format)
        return [dict(vars(kind)) for kind in kinds]

    before = state()
    seams = Seams.arm(Recorder())
    assert seams.status()["keras"] == "armed"
    assert state() != before
    seams.disarm()
    assert state() == before


@pytest.mark.skipif(BACKEND == "jax", reason="this is the other one")
def test_the_same_under_jax(tmp_path: Path) -> None:
    pytest.importorskip("jax")
    environ = {**os.environ, "KERAS_BACKEND": "jax"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__]
    result = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


@TORCH_ONLY
def test_a_run_reports_training_and_inference(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import keras, numpy as np

        X = np.random.rand(50, 4).astype("float32")

        def test_learns():
            net = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)], name="sums")
            net.compile("sgd", "mse")
            net.fit(X, X.sum(1), epochs=2, verbose=0)
            assert net.predict(X, verbose=0).shape == (50, 1)
        """
    )
    result = pytester.runpytest_subprocess("--aifootprint", "--aifootprint-report=json:r.json")
    result.assert_outcomes(passed=1)
    report = json.loads((pytester.path / "r.json").read_text())
    (test,) = report["tests"]
    assert [(call["operation"], call["model"], call["client"], call["count"]) for call in test["calls"]] == [
        ("training", "sums", "keras", 1),
        ("inference", "sums", "keras", 1),
    ]
