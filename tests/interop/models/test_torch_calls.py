"""torch, in an environment that has it (`make interop`)."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Iterator
from typing import Any

import pytest

from pytest_aifootprint.detection import Recorder, Seams

torch = pytest.importorskip("torch")


def rows(watched: Any) -> list[tuple[str, str | None, int, int | None]]:
    watched.recorder.flush(None)
    return [(call.operation, call.model, call.count, call.samples) for call in watched.calls]


@pytest.fixture(autouse=True)
def settled(watched: Any) -> Iterator[None]:
    """What is undecided at the end is settled, as it is when a test ends."""
    yield
    watched.recorder.flush(None)


@pytest.fixture
def net() -> Any:
    return torch.nn.Sequential(torch.nn.Linear(3, 5), torch.nn.ReLU(), torch.nn.Linear(5, 2))


def test_only_the_root_counts(watched: Any, net: Any) -> None:
    with torch.no_grad():
        for _ in range(3):
            net(torch.ones(4, 3))
    assert rows(watched) == [("inference", "torch.Sequential", 3, 12)]
    (call,) = watched.owner.calls
    assert (call.client, call.parameters, call.locality, call.realness) == ("torch", 32, "local", "live")


def test_eval_mode_is_inference_with_and_without_gradients(watched: Any, net: Any) -> None:
    net.eval()
    net(torch.ones(4, 3))
    with torch.inference_mode():
        net(torch.ones(4, 3))
    assert rows(watched) == [("inference", "torch.Sequential", 2, 8)]


def test_a_forward_in_train_mode_without_a_step_is_inference_in_its_phase(watched: Any, net: Any) -> None:
    watched.owner.phase = "setup"
    net(torch.ones(4, 3))
    watched.owner.phase = "call"
    net(torch.ones(4, 3))
    net(torch.ones(4, 3))
    watched.owner.phase = "teardown"
    assert rows(watched) == [("inference", "torch.Sequential", 1, 4), ("inference", "torch.Sequential", 2, 8)]
    assert [call.phase for call in watched.owner.calls] == ["setup", "call"]


def test_a_forward_after_a_flush_is_not_lost(watched: Any, net: Any) -> None:
    net(torch.ones(4, 3))
    rows(watched)
    net(torch.ones(4, 3))
    assert rows(watched) == [("inference", "torch.Sequential", 2, 8)]


def test_exceptions_pass_and_nesting_is_left(watched: Any, net: Any) -> None:
    with pytest.raises(RuntimeError, match="shapes"):
        net(torch.ones(4, 7))
    with torch.no_grad():
        net(torch.ones(4, 3))
    assert [(call.status, call.count) for call in watched.owner.calls] == [("error", 1), (None, 1)]


def test_networks_are_copied_pickled_scripted_and_traced_as_before(watched: Any, net: Any) -> None:
    net.eval()
    data = torch.ones(4, 3)
    expected = net(data)
    assert torch.equal(copy.deepcopy(net)(data), expected)
    assert torch.equal(pickle.loads(pickle.dumps(net))(data), expected)
    graph = torch.fx.symbolic_trace(net)
    assert torch.equal(graph(data), expected)
    assert torch.equal(torch.export.export(net, (data,)).module()(data), expected)


def everything() -> tuple[object, ...]:
    """What the seam replaces, as it is now."""
    from torch.optim import optimizer as hooks

    places = (torch.nn.Module, torch.autograd, torch, torch.serialization, torch.jit, torch.hub, torch.export)
    names = ("__call__", "_apply", "load_state_dict", "backward", "load")
    found = [vars(place)[name] for place in places for name in names if name in vars(place)]
    found += [torch.jit._serialization.load, torch.export.ExportedProgram.module]
    return (*found, len(hooks._global_optimizer_pre_hooks), len(hooks._global_optimizer_post_hooks))


def test_disarming_leaves_torch_as_it_was(watched: Any, net: Any) -> None:
    before = everything()
    inner = Recorder()
    seams = Seams.arm(inner)
    assert len([1 for was, now in zip(before, everything(), strict=True) if was is not now]) == len(before)
    seams.disarm()
    assert everything() == before
    net(torch.ones(4, 3))
    assert inner.unowned == []


def test_two_armed_sessions_both_see_each_call(watched: Any, net: Any) -> None:
    inner = Recorder()
    seams = Seams.arm(inner)
    with torch.no_grad():
        net(torch.ones(4, 3))
    seams.disarm()
    assert [(call.model, call.count) for call in inner.unowned] == [("torch.Sequential", 1)]
    assert rows(watched) == [("inference", "torch.Sequential", 1, 4)]


def test_what_has_no_weights_is_no_model_but_what_it_calls_may_be(watched: Any, net: Any) -> None:
    class Around(torch.nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.hidden = [net]

        def forward(self, data: Any) -> Any:
            return self.hidden[0](data)

    with torch.no_grad():
        torch.nn.Softmax(dim=0)(Around()(torch.ones(4, 3)))
        torch.nn.CrossEntropyLoss()(torch.ones(4, 2), torch.ones(4, dtype=torch.long))
    assert rows(watched) == [("inference", "torch.Sequential", 1, 4)]


def test_a_class_with_a_call_of_its_own_is_seen_where_it_calls_the_original(watched: Any) -> None:
    class Loud(torch.nn.Linear):  # type: ignore[misc,name-defined]
        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            return super().__call__(*args, **kwargs)

    class Silent(torch.nn.Linear):  # type: ignore[misc,name-defined]
        def __call__(self, data: Any) -> Any:
            return self.forward(data)

    with torch.no_grad():
        Loud(3, 2)(torch.ones(4, 3))
        Silent(3, 2)(torch.ones(4, 3))
    assert [row[1].rpartition(".")[2] for row in rows(watched) if row[1]] == ["Loud"]


def test_hooks_of_modules_run_as_before(watched: Any, net: Any) -> None:
    heard: list[str] = []
    net[0].register_forward_pre_hook(lambda *_: heard.append("before"))
    net[0].register_forward_hook(lambda *_: heard.append("after"))
    net.register_full_backward_hook(lambda *_: heard.append("backward"))
    net(torch.ones(4, 3).requires_grad_()).sum().backward()
    assert heard == ["before", "after", "backward"]
    assert rows(watched) == [("training", "torch.Sequential", 1, 4)]


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode, lambda: torch.autocast("cpu")])
def test_modes_of_torch_are_as_they_were(watched: Any, net: Any, mode: Any) -> None:
    with mode():
        expected = net.forward(torch.ones(4, 3))
        found = net(torch.ones(4, 3))
    assert torch.equal(found, expected)
    assert (found.dtype, found.requires_grad, found.is_inference()) == (
        expected.dtype,
        expected.requires_grad,
        expected.is_inference(),
    )
    # By hand it is not seen, but its layers are.
    assert [row for row in rows(watched) if row[1] == "torch.Sequential"] == [("inference", "torch.Sequential", 1, 4)]


@pytest.mark.parametrize(
    ("shape", "samples"),
    [((4, 3), 4), ((3,), 1), ((2, 5, 3), 2)],
    ids=["batch", "one sample", "batch of sequences"],
)
def test_samples_are_counted_by_the_first_dimension_of_a_batch(
    watched: Any, net: Any, shape: tuple[int, ...], samples: int
) -> None:
    with torch.no_grad():
        net(torch.ones(*shape))
        net(input=torch.ones(*shape))
    assert rows(watched) == [("inference", "torch.Sequential", 2, 2 * samples)]


def test_data_parallel_is_its_network(watched: Any, net: Any) -> None:
    with torch.no_grad():
        torch.nn.DataParallel(net)(torch.ones(4, 3))
        net(torch.ones(4, 3))
    assert rows(watched) == [("inference", "torch.Sequential", 2, 8)]


def test_a_traceback_shows_no_frame_of_ours(watched: Any, pytester: pytest.Pytester) -> None:
    del watched
    pytester.makepyfile("import torch\ndef test(): torch.nn.Sequential(torch.nn.Linear(3, 2))(torch.ones(4, 7))")
    result = pytester.runpytest_inprocess("--aifootprint", "-p", "no:cacheprovider")
    result.stdout.no_fnmatch_line("*inprocess*torch.py*")
    result.stdout.fnmatch_lines("*mat1 and mat2 shapes cannot be multiplied*")
