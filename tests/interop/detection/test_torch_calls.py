"""torch, in an environment that has it (`make interop`)."""

from __future__ import annotations

import copy
import gc
import pickle
import threading
import weakref
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from pytest_aifootprint.detection import AICall, Recorder, Seams

torch = pytest.importorskip("torch")


@dataclass(eq=False)
class Owner:
    calls: list[AICall] = field(default_factory=list)
    loads: list[AICall] = field(default_factory=list)
    phase: str = "call"
    closed: bool = False
    tally: dict[tuple[object, ...], AICall] = field(default_factory=dict)


class Watched:
    def __init__(self) -> None:
        self.recorder = Recorder()
        self.owner = Owner()
        self.recorder.current = self.owner
        self.seams = Seams.arm(self.recorder)
        assert self.seams.status()["torch"] == "armed"

    def rows(self) -> list[tuple[str, str | None, int, int | None]]:
        self.recorder.flush(self.owner)
        assert self.recorder.errors == []
        return [(call.operation, call.model, call.count, call.samples) for call in self.owner.calls]


@pytest.fixture
def watched() -> Iterator[Watched]:
    made = Watched()
    yield made
    made.seams.disarm()
    made.recorder.flush(None)
    assert made.recorder.errors == []
    assert not made.recorder._pending


@pytest.fixture
def net() -> Any:
    return torch.nn.Sequential(torch.nn.Linear(3, 5), torch.nn.ReLU(), torch.nn.Linear(5, 2))


def test_only_the_root_counts(watched: Watched, net: Any) -> None:
    with torch.no_grad():
        for _ in range(3):
            net(torch.ones(4, 3))
    assert watched.rows() == [("inference", "torch.Sequential", 3, 12)]
    (call,) = watched.owner.calls
    assert (call.client, call.parameters, call.locality, call.realness) == ("torch", 32, "local", "live")


def test_eval_mode_is_inference_with_and_without_gradients(watched: Watched, net: Any) -> None:
    net.eval()
    net(torch.ones(4, 3))
    with torch.inference_mode():
        net(torch.ones(4, 3))
    assert watched.rows() == [("inference", "torch.Sequential", 2, 8)]


def train(net: Any, steps: int, optimizer: Any = None) -> None:
    optimizer = optimizer or torch.optim.SGD(net.parameters(), lr=0.1)
    for _ in range(steps):
        optimizer.zero_grad()
        net(torch.ones(4, 3)).sum().backward()
        optimizer.step()


def test_a_training_loop_is_training(watched: Watched, net: Any) -> None:
    train(net, 5)
    train(net, 2)
    assert watched.rows() == [("training", "torch.Sequential", 1, 28)]
    assert watched.owner.calls[0].steps == 7


def test_gradients_gathered_over_forwards_are_one_step(watched: Watched, net: Any) -> None:
    optimizer = torch.optim.Adam(net.parameters())
    for _ in range(3):
        net(torch.ones(4, 3)).sum().backward()
    optimizer.step()
    assert watched.rows() == [("training", "torch.Sequential", 1, 12)]


def test_a_closure_is_training_too(watched: Watched, net: Any) -> None:
    optimizer = torch.optim.LBFGS(net.parameters(), max_iter=2)

    def closure() -> Any:
        optimizer.zero_grad()
        loss = (net(torch.ones(4, 3)) ** 2).sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    assert [(row[0], row[2]) for row in watched.rows()] == [("training", 1)]


def test_a_forward_in_train_mode_without_a_step_is_inference_in_its_phase(watched: Watched, net: Any) -> None:
    watched.owner.phase = "setup"
    net(torch.ones(4, 3))
    watched.owner.phase = "call"
    net(torch.ones(4, 3))
    net(torch.ones(4, 3))
    watched.owner.phase = "teardown"
    assert watched.rows() == [("inference", "torch.Sequential", 1, 4), ("inference", "torch.Sequential", 2, 8)]
    assert [call.phase for call in watched.owner.calls] == ["setup", "call"]


def test_a_forward_after_a_flush_is_not_lost(watched: Watched, net: Any) -> None:
    net(torch.ones(4, 3))
    watched.rows()
    net(torch.ones(4, 3))
    assert watched.rows() == [("inference", "torch.Sequential", 2, 8)]


def test_a_step_without_a_network_is_training_of_something(watched: Watched) -> None:
    weight = torch.nn.Parameter(torch.ones(2))
    optimizer = torch.optim.SGD([weight], lr=0.1)
    weight.sum().backward()
    optimizer.step()
    assert watched.rows() == [("training", None, 1, None)]
    assert watched.owner.calls[0].notices == ("unknown-model",)


def test_threads_do_not_mix(watched: Watched) -> None:
    nets = [torch.nn.Linear(3, 2) for _ in range(4)]
    threads = [threading.Thread(target=train, args=(net, 20)) for net in nets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert watched.rows() == [("training", "torch.Linear", 4, 320)]
    assert watched.owner.calls[0].steps == 80


def test_exceptions_pass_and_nesting_is_left(watched: Watched, net: Any) -> None:
    with pytest.raises(RuntimeError, match="shapes"):
        net(torch.ones(4, 7))
    with torch.no_grad():
        net(torch.ones(4, 3))
    assert [(call.status, call.count) for call in watched.owner.calls] == [("error", 1), (None, 1)]


def test_networks_are_not_kept_alive(watched: Watched) -> None:
    net = torch.nn.Linear(3, 2)
    train(net, 1)
    net(torch.ones(4, 3))
    gone = weakref.ref(net)
    del net
    gc.collect()
    assert gone() is None
    assert [row[0] for row in watched.rows()] == ["training", "inference"]


def test_lazy_networks_get_their_size_when_they_have_one(watched: Watched) -> None:
    net = torch.nn.LazyLinear(2)
    with torch.no_grad():
        net(torch.ones(4, 3))
    assert watched.owner.calls[0].parameters == 8


def test_a_hub_name_is_preferred(watched: Watched) -> None:
    class Config:
        _name_or_path = "org/tiny-model"

    class Net(torch.nn.Module):  # type: ignore[misc,name-defined]
        config = Config()

        def forward(self, model: Any) -> Any:  # a keyword that our wrapper must not swallow
            return model

    Net()(model=torch.ones(1))
    assert [row[1] for row in watched.rows()] == ["org/tiny-model"]


def test_compiling_sees_one_whole_graph(watched: Watched, net: Any) -> None:
    compiled = torch.compile(net, backend="eager", fullgraph=True)
    with torch.no_grad():
        expected = net(torch.ones(4, 3))
        assert torch.equal(compiled(torch.ones(4, 3)), expected)
    assert watched.rows() == [("inference", "torch.Sequential", 2, 8)]


def test_networks_are_copied_pickled_scripted_and_traced_as_before(watched: Watched, net: Any) -> None:
    net.eval()
    data = torch.ones(4, 3)
    expected = net(data)
    assert torch.equal(copy.deepcopy(net)(data), expected)
    assert torch.equal(pickle.loads(pickle.dumps(net))(data), expected)
    graph = torch.fx.symbolic_trace(net)
    assert torch.equal(graph(data), expected)
    assert torch.equal(torch.export.export(net, (data,)).module()(data), expected)


def test_disarming_puts_the_original_back_and_unhooks(net: Any) -> None:
    from torch.optim import optimizer as hooks

    before = (vars(torch.nn.Module)["__call__"], len(hooks._global_optimizer_post_hooks))
    watched = Watched()
    watched.seams.disarm()
    assert (vars(torch.nn.Module)["__call__"], len(hooks._global_optimizer_post_hooks)) == before
    train(net, 1)
    assert watched.rows() == []
