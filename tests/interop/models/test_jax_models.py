"""JAX: what can be seen of it, which is optax's steps."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

jax = pytest.importorskip("jax")
optax = pytest.importorskip("optax")

pytestmark = pytest.mark.filterwarnings("default")

X, Y = jax.numpy.ones((10, 4)), jax.numpy.ones((10, 2))
ADAM = optax.adam(0.01)


def weights() -> Any:
    return {"w": jax.numpy.zeros((4, 2)), "b": jax.numpy.zeros(2)}


def loss(params: Any) -> Any:
    return ((X @ params["w"] + params["b"] - Y) ** 2).mean()


def step(params: Any, state: Any) -> Any:
    updates, state = ADAM.update(jax.grad(loss)(params), state, params)
    return optax.apply_updates(params, updates), state


def train(step: Any, steps: int) -> Any:
    params = weights()
    state = ADAM.init(params)
    for _ in range(steps):
        params, state = step(params, state)
    return params


def test_steps_outside_jit_are_counted(watched: Any) -> None:
    params = train(step, 5)
    assert loss(params) < loss(weights())
    call = watched.only()
    assert (call.client, call.operation, call.model, call.count, call.steps) == ("optax", "training", None, 1, 5)
    assert (call.parameters, call.precision, call.device) == (10, "float32", "cpu")
    assert call.notices == ("unknown-model",)
    assert call.cpu_ns > 0


def test_a_compiled_step_is_a_training_of_unknown_length(watched: Any) -> None:
    train(jax.jit(step), 5)
    call = watched.only()
    assert (call.operation, call.count, call.steps, call.parameters) == ("training", 1, None, 10)
    assert call.notices == ("unknown-model", "steps-unseen")
    assert (call.duration_ns, call.cpu_ns) == (0, 0)


def test_a_loop_that_is_compiled_as_a_whole(watched: Any) -> None:
    state = ADAM.init(weights())
    jax.lax.scan(lambda carry, _: (step(*carry), None), (weights(), state), length=7)
    assert (watched.only().count, watched.only().steps) == (1, None)


def test_what_learns_nothing_is_not_recorded(watched: Any) -> None:
    jax.jit(loss)(weights())
    jax.grad(loss)(weights())
    jax.numpy.linalg.svd(X)
    ADAM.init(weights())
    assert watched.calls == []


def test_a_step_inside_another_librarys_call_is_a_step_of_that(watched: Any) -> None:
    from sklearn.base import BaseEstimator, RegressorMixin

    class Mine(RegressorMixin, BaseEstimator):  # type: ignore[misc]
        def fit(self, data: Any, target: Any) -> Any:
            train(step, 3)
            return self

        def predict(self, data: Any) -> Any:
            return data

    Mine().fit(X, Y)
    assert watched.only().client == "sklearn"


def test_phases_are_kept_apart(watched: Any) -> None:
    for watched.owner.phase in ("setup", "call"):
        train(step, 2)
    assert [(call.phase, call.count, call.steps) for call in watched.calls] == [("setup", 1, 2), ("call", 1, 2)]


def test_an_error_passes_as_before(watched: Any) -> None:
    with pytest.raises(ValueError, match="key"):
        optax.apply_updates(weights(), {"other": X})
    assert watched.calls == []


def test_leaves_that_are_no_arrays_are_the_users_business(watched: Any) -> None:
    assert optax.apply_updates({"w": 1.0, "none": None}, {"w": 2.0, "none": None})["w"] == 3.0
    assert watched.only().parameters == 1


def test_the_function_is_as_it_was_and_is_put_back() -> None:
    from pytest_aifootprint.detection import Recorder, Seams

    before = dict(vars(optax))
    seams = Seams.arm(Recorder())
    assert seams.status()["optax"] == "armed"
    assert optax.apply_updates is not before["apply_updates"]
    assert list(inspect.signature(optax.apply_updates).parameters) == ["params", "updates"]
    assert optax.apply_updates.__name__ == "apply_updates"
    seams.disarm()
    assert dict(vars(optax)) == before


def test_flax_steps_through_optax(watched: Any) -> None:
    nnx = pytest.importorskip("flax.nnx")
    model = nnx.Linear(4, 2, rngs=nnx.Rngs(0))
    optimizer = nnx.Optimizer(model, optax.adam(0.01), wrt=nnx.Param)

    def learn(model: Any, optimizer: Any) -> None:
        optimizer.update(model, nnx.grad(lambda model: ((model(X) - Y) ** 2).mean())(model))

    for _ in range(3):
        learn(model, optimizer)
    nnx.jit(learn)(model, optimizer)
    assert [(call.steps, call.parameters) for call in watched.calls] == [(3, 10), (None, 10)]
