"""torch: which network it is, whatever has been done to it, and bad ones (`make interop-models`)."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

torch = pytest.importorskip("torch")
# torch says of its own older ways that they are deprecated; people use them all the same.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:Lazy modules", "ignore:torch.quantize")
X = torch.ones(4, 3)
NAME = "torch.Sequential"


@pytest.fixture(autouse=True)
def settled(watched: Any) -> Iterator[None]:
    """What is undecided at the end is settled, as it is when a test ends."""
    yield
    watched.recorder.flush(None)


@pytest.fixture
def net() -> Any:
    return torch.nn.Sequential(torch.nn.Linear(3, 5), torch.nn.ReLU(), torch.nn.Linear(5, 2)).eval()


def found(watched: Any) -> list[tuple[str | None, int | None, str | None, str | None]]:
    """Name, parameters, precision and device of what was called since the last look."""
    watched.recorder.flush(None)
    seen = [(call.model, call.parameters, call.precision, call.device) for call in watched.calls]
    watched.calls.clear()
    watched.owner.tally.clear()
    return seen


def call(network: Any, data: Any = X) -> None:
    with torch.no_grad():
        network(data)


def test_what_a_plain_network_is(watched: Any, net: Any) -> None:
    call(net)
    assert found(watched) == [(NAME, 32, "float32", "cpu")]
    assert watched.recorder.errors == []


def test_networks_of_one_class_and_other_sizes_are_other_models(watched: Any) -> None:
    for width in (2, 3, 2):
        call(torch.nn.Sequential(torch.nn.Linear(3, width)))
    assert found(watched) == [(NAME, 8, "float32", "cpu"), (NAME, 12, "float32", "cpu")]


def test_tied_weights_are_counted_once(watched: Any) -> None:
    first = torch.nn.Linear(3, 3)
    second = torch.nn.Linear(3, 3)
    second.weight = first.weight
    call(torch.nn.Sequential(first, second))
    assert found(watched) == [(NAME, 9 + 3 + 3, "float32", "cpu")]


def test_precision_is_that_of_most_parameters(watched: Any, net: Any) -> None:
    class Mixed(torch.nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.large, self.small = torch.nn.Linear(30, 30).bfloat16(), torch.nn.Linear(2, 2)

        def forward(self, data: Any) -> Any:
            return data

    call(Mixed())
    assert found(watched)[0][2] == "bfloat16"


@pytest.mark.parametrize(
    ("change", "precision", "device"),
    [
        (lambda net: net.double(), "float64", "cpu"),
        (lambda net: net.to(torch.bfloat16), "bfloat16", "cpu"),
        (lambda net: net.to("meta"), "float32", "meta"),
        (lambda net: net.to_empty(device="meta"), "float32", "meta"),
        (lambda net: net[0].to("meta") and net, "float32", "cpu"),
    ],
    ids=["double", "bfloat16", "meta", "empty", "a part of it: not seen"],
)
def test_a_network_that_is_moved_is_looked_at_again(
    watched: Any, net: Any, change: Any, precision: str, device: str
) -> None:
    call(net)
    changed = change(net)
    assert found(watched) == [(NAME, 32, "float32", "cpu")]
    weight = next(changed.parameters())
    if changed[2].weight.device == weight.device:
        call(changed, torch.ones(4, 3, dtype=weight.dtype, device=weight.device))
        assert found(watched) == [(NAME, 32, precision, device)]


def test_half_loaded(watched: Any, net: Any) -> None:
    net[2].to("meta")
    with pytest.raises((RuntimeError, NotImplementedError)):
        call(net)
    (seen,) = watched.calls
    assert (seen.status, seen.parameters, seen.device) == ("error", 32, "mixed")


def test_lazy_networks_get_their_size_when_they_have_one(watched: Any) -> None:
    call(torch.nn.Sequential(torch.nn.LazyLinear(2)))
    assert found(watched) == [(NAME, 8, "float32", "cpu")]


def test_quantised(watched: Any, net: Any) -> None:
    call(torch.ao.quantization.quantize_dynamic(net, {torch.nn.Linear}))
    assert found(watched) == [(NAME, 32, "int8", "cpu")]


def test_quantised_layers_that_repeat(watched: Any) -> None:
    for kind, ways in ((torch.nn.LSTM, 2), (torch.nn.GRU, 1)):
        plain = torch.nn.Sequential(kind(3, 8, 2, bidirectional=ways == 2))
        call(torch.ao.quantization.quantize_dynamic(plain, {kind}), torch.ones(2, 4, 3))
        assert found(watched) == [(NAME, sum(weight.numel() for weight in plain.parameters()), "int8", "cpu")]


def test_quantised_pictures_and_words(watched: Any) -> None:
    """Static quantisation of a convolution; an embedding with weights alone."""
    plain = torch.nn.Sequential(torch.nn.Conv2d(4, 6, 3, groups=2))
    plain.qconfig = torch.ao.quantization.default_qconfig
    ready = torch.ao.quantization.prepare(torch.ao.quantization.QuantWrapper(plain.eval()))
    picture = torch.ones(1, 4, 5, 5)
    ready.module.qconfig = plain.qconfig
    ready(picture)
    quantised = torch.ao.quantization.convert(ready)
    found(watched)
    call(quantised, picture)
    words = torch.nn.Sequential(torch.nn.Embedding(7, 4))
    words.qconfig = torch.ao.quantization.float_qparams_weight_only_qconfig
    packed = torch.ao.quantization.convert(torch.ao.quantization.prepare(words.train(False)))
    call(packed, torch.ones(4, dtype=torch.long))
    sizes = [(size, precision) for _, size, precision, _ in found(watched)]
    assert (28, "uint8") in sizes
    assert ((4 // 2 * 9 + 1) * 6, "int8") in sizes


def test_a_network_is_the_same_scripted_traced_compiled_and_in_a_graph(watched: Any, net: Any) -> None:
    traced = torch.jit.trace(net, X)
    scripted = torch.jit.script(net)
    graph = torch.fx.symbolic_trace(net)
    compiled = torch.compile(net, backend="eager")
    nested = torch.nn.DataParallel(net)
    found(watched)
    for network in (net, scripted, traced, graph, compiled, nested):
        call(network)
    assert found(watched) == [(NAME, 32, "float32", "cpu")]


def test_a_frozen_script_has_weights_that_cannot_be_counted(watched: Any, net: Any) -> None:
    call(torch.jit.freeze(torch.jit.script(net)))
    call(torch.jit.script(torch.ao.quantization.quantize_dynamic(net, {torch.nn.Linear})))
    assert found(watched) == [(NAME, None, None, None)]


def test_weights_that_nobody_trains(watched: Any) -> None:
    class Filter(torch.nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("weights", torch.ones(3))

        def forward(self, data: Any) -> Any:
            return data * self.weights

    call(Filter())
    (seen,) = found(watched)
    assert seen[1:] == (None, None, "cpu")


def test_what_a_hub_calls_it(watched: Any, tmp_path: Any) -> None:
    class Net(torch.nn.Linear):  # type: ignore[misc,name-defined]
        config = SimpleNamespace(_name_or_path="org/tiny-model", _commit_hash="0a1b")

        def forward(self, model: Any) -> Any:  # a keyword that our wrapper must not swallow
            return super().forward(model)

    with torch.no_grad():
        Net(3, 2)(model=X)
        local = Net(3, 2)
        local.config = SimpleNamespace(_name_or_path=str(tmp_path / "mine"))
        local(X)
        snapshot = Net(3, 2)
        snapshot.config = SimpleNamespace(_name_or_path="/c/hub/models--org--name/snapshots/0a1b")
        snapshot(X)
    assert [(call.model, call.revision, call.file) for call in watched.calls] == [
        ("org/tiny-model", "0a1b", None),
        ("mine", None, str(tmp_path / "mine")),
        ("org/name", None, "/c/hub/models--org--name/snapshots/0a1b"),
    ]


class Odd(torch.nn.Linear):  # type: ignore[misc,name-defined]
    def __repr__(self) -> str:
        raise ZeroDivisionError


class NoParameters(Odd):
    def parameters(self, recurse: bool = True) -> Any:  # noqa: FBT001, FBT002
        raise ZeroDivisionError(recurse)


class NoAttributes(Odd):
    @property
    def config(self) -> Any:
        raise ZeroDivisionError

    def modules(self) -> Any:
        raise ZeroDivisionError

    def __eq__(self, other: object) -> bool:
        raise ZeroDivisionError

    __hash__ = None  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("kind", "parameters", "notices"),
    [(Odd, 8, ()), (NoParameters, None, ("unreadable-model",)), (NoAttributes, None, ("unreadable-model",))],
)
def test_a_network_that_raises_when_it_is_read(watched: Any, kind: Any, parameters: int | None, notices: Any) -> None:
    network = kind(3, 2)
    call(network)
    call(network)
    watched.recorder.flush(None)
    seen = watched.only()
    assert (seen.model, seen.count, seen.parameters) == (f"test_torch_networks.{kind.__name__}", 2, parameters)
    assert seen.notices == notices


def test_inputs_and_results_that_raise_when_they_are_read(watched: Any) -> None:
    class Strange:
        @property
        def shape(self) -> Any:
            raise ZeroDivisionError

        def __getattr__(self, name: str) -> Any:
            if name == "requires_grad":
                raise AttributeError(name)
            raise ZeroDivisionError(name)

    class Passes(torch.nn.Linear):  # type: ignore[misc,name-defined]
        def forward(self, data: Any) -> Any:
            return data

    strange = Strange()
    assert Passes(3, 2)(strange) is strange
    watched.recorder.flush(None)
    assert (watched.only().operation, watched.only().samples) == ("inference", None)


def test_a_network_that_was_never_made(watched: Any) -> None:
    class Unmade(torch.nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            """Forgets the parent's."""

    with pytest.raises(AttributeError):
        Unmade()(X)
    assert watched.only().status == "error"


def test_no_network_is_kept_alive(watched: Any, net: Any) -> None:
    del watched
    other = torch.nn.Linear(3, 2)
    for network in (other, torch.jit.script(other), torch.nn.DataParallel(other)):
        call(network)
    gone = weakref.ref(other)
    del other, network
    gc.collect()
    assert gone() is None
