"""torch.compile, scripts, traces and exports are as without us (`make interop-models`)."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from pytest_aifootprint.detection import Recorder, Seams
from pytest_aifootprint.detection.seams import SEAMS

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
X = torch.ones(4, 3)
TORCH = tuple(seam for seam in SEAMS if seam.name == "torch")


if TYPE_CHECKING:
    Tensor = Any
else:
    Tensor = torch.Tensor  # a script wants to know


class Net(torch.nn.Module):  # type: ignore[misc,name-defined]
    def __init__(self) -> None:
        super().__init__()
        self.first = torch.nn.Sequential(torch.nn.Linear(3, 5), torch.nn.ReLU())
        self.last = torch.nn.Linear(5, 2)

    def forward(self, data: Tensor) -> Tensor:
        return self.last(self.first(data))


class Breaks(Net):
    def forward(self, data: Any) -> Any:
        data = self.first(data)
        torch._dynamo.graph_break()
        return self.last(data)


class Loud(Net):
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return super().__call__(*args, **kwargs)


Backend = Callable[[Any, Any], Any]


def network(backend: Backend) -> None:
    compiled = torch.compile(Net(), backend=backend, fullgraph=True)
    for _ in range(3):
        compiled(X)


def function(backend: Backend) -> None:
    net = Net()
    compiled = torch.compile(lambda data: net(data) + 1, backend=backend, fullgraph=True)
    for _ in range(3):
        compiled(X)


def hooks(backend: Backend) -> None:
    net = Net()
    net.first.register_forward_hook(lambda *_: None)
    compiled = torch.compile(net, backend=backend, fullgraph=True)
    for _ in range(3):
        compiled(X)


def call_of_its_own(backend: Backend) -> None:
    compiled = torch.compile(Loud(), backend=backend, fullgraph=True)
    for _ in range(3):
        compiled(X)


def in_place(backend: Backend) -> None:
    net = Net()
    net.compile(backend=backend, fullgraph=True)
    for _ in range(3):
        net(X)


def pieces(backend: Backend) -> None:
    compiled = torch.compile(Breaks(), backend=backend)
    for _ in range(3):
        compiled(X)


def training(backend: Backend) -> None:
    net = Net()
    compiled = torch.compile(net, backend=backend, fullgraph=True)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        compiled(X).sum().backward()
        optimizer.step()


def whole_step(backend: Backend) -> None:
    net = Net()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)

    @torch.compile(backend=backend)  # type: ignore[untyped-decorator]
    def step() -> None:
        optimizer.zero_grad()
        net(X).sum().backward()
        optimizer.step()

    for _ in range(3):
        step()


def run(scenario: Callable[[Backend], None], recwarn: pytest.WarningsRecorder) -> tuple[object, ...]:
    """What the compiler says of it: its graphs, its counters, and the warnings."""
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    recwarn.clear()
    graphs: list[str] = []

    def backend(graph: Any, inputs: Any) -> Any:
        del inputs
        graphs.append(str([(node.op, str(node.target)) for node in graph.graph.nodes]))
        return graph.forward

    scenario(backend)
    counters = {name: dict(counter) for name, counter in torch._dynamo.utils.counters.items()}
    return graphs, counters, {str(warning.message) for warning in recwarn.list}


SCENARIOS = (network, function, hooks, call_of_its_own, in_place, pieces, training, whole_step)


@pytest.mark.filterwarnings("always")
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_the_compiler_does_the_same_as_without_us(
    scenario: Callable[[Backend], None], recwarn: pytest.WarningsRecorder
) -> None:
    torch.manual_seed(1)
    run(scenario, recwarn)  # some warnings and breaks come once in a process
    bare = run(scenario, recwarn)
    recorder = Recorder()
    seams = Seams.arm(recorder, TORCH)
    try:
        watched = run(scenario, recwarn)
    finally:
        recorder.flush(None)
        seams.disarm()
    assert watched == bare
    assert recorder.errors == []
    assert run(scenario, recwarn) == bare


@pytest.fixture
def settled(watched: Any) -> Iterator[None]:
    yield
    watched.recorder.flush(None)


@pytest.mark.usefixtures("settled")
class TestWhatIsSeen:
    def test_a_compiled_network(self, watched: Any) -> None:
        net = Net().eval()
        compiled = torch.compile(net, backend="eager", fullgraph=True)
        with torch.no_grad():
            assert torch.equal(compiled(X), net(X))
        call = watched.only()
        assert (call.model, call.count, call.samples, call.parameters) == ("test_torch_compiler.Net", 2, 8, 32)

    def test_a_compiled_network_that_is_trained(self, watched: Any) -> None:
        training(lambda graph, _: graph.forward)
        watched.recorder.flush(None)
        call = watched.only()
        assert (call.operation, call.count, call.steps, call.samples) == ("training", 1, 3, 12)

    def test_a_network_that_a_compiled_function_calls_between_its_graphs(self, watched: Any) -> None:
        net = Net()

        @torch.compile(backend="eager")  # type: ignore[untyped-decorator]
        def function(data: Any) -> Any:
            torch._dynamo.graph_break()
            return net(data)

        with torch.no_grad():
            function(X)
        assert watched.recorder.errors == []

    def test_copies_pickles_scripts_graphs_and_exports_compute_the_same(self, watched: Any) -> None:
        net = Net().eval()
        expected = net(X)
        others = (
            copy.deepcopy(net),
            pickle.loads(pickle.dumps(net)),
            torch.jit.script(net),
            torch.jit.trace(net, X),
            torch.fx.symbolic_trace(net),
            torch.export.export(net, (X,)).module(),
        )
        for other in others:
            assert torch.equal(other(X), expected)
        watched.recorder.flush(None)
        assert {call.operation for call in watched.calls} == {"inference"}

    def test_a_trace_and_an_export_are_no_calls(self, watched: Any) -> None:
        net = Net().eval()
        torch.jit.trace(net, X)
        torch.export.export(net, (X,))
        watched.recorder.flush(None)
        assert sum(call.count for call in watched.calls) <= 1  # a trace is compared with one real forward


def test_nothing_warns_and_nobody_imports_the_compiler() -> None:
    """In a process of its own, with all warnings as errors."""
    code = """if True:
        import sys
        from pytest_aifootprint.detection import Recorder, Seams
        from pytest_aifootprint.detection.seams import SEAMS
        recorder = Recorder()
        seams = Seams.arm(recorder, tuple(seam for seam in SEAMS if seam.name == "torch"))
        import torch
        assert seams.status() == {"torch": "armed"}, seams.status()
        net = torch.nn.Linear(3, 2)
        net(torch.ones(4, 3)).sum().backward()
        assert "torch._dynamo" not in sys.modules
        torch.optim.SGD(net.parameters(), lr=0.1).step()
        assert recorder.unowned[0].operation == "training"
        torch.compile(net, backend="eager", fullgraph=True)(torch.ones(4, 3))
        seams.disarm()
        assert not recorder.errors, recorder.errors
        print("quiet")
    """
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("quiet\n", "")
