"""torch: loads of networks from files (`make interop-models`)."""

from __future__ import annotations

import copy
import io
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
X = torch.ones(4, 3)


@pytest.fixture(autouse=True)
def settled(watched: Any) -> Iterator[None]:
    """What is undecided at the end is settled, as it is when a test ends."""
    yield
    watched.recorder.flush(None)


@pytest.fixture
def net() -> Any:
    return torch.nn.Sequential(torch.nn.Linear(3, 5), torch.nn.ReLU(), torch.nn.Linear(5, 2)).eval()


def loads(watched: Any) -> list[tuple[str | None, int, int | None, str | None, str | int | None]]:
    return [
        (load.model, load.count, load.parameters, load.file and Path(load.file).name, load.status)
        for load in watched.owner.loads
    ]


def call(network: Any) -> None:
    with torch.no_grad():
        network(X)


def test_a_script_is_called_what_its_file_is(watched: Any, net: Any, tmp_path: Path) -> None:
    path = tmp_path / "judge.jit"
    torch.jit.script(net).save(path)
    for file in (str(path), path):
        network = torch.jit.load(file)
        call(network)
        call(network.to("cpu"))
    assert loads(watched) == [("judge", 2, 32, "judge.jit", None)]
    assert (watched.only().model, watched.only().file, watched.only().count) == ("judge", str(path), 4)
    assert watched.owner.loads[0].duration_ns > 0


def test_a_script_from_memory_is_called_what_its_class_is(watched: Any, net: Any) -> None:
    buffer = io.BytesIO()
    torch.jit.save(torch.jit.script(net), buffer)
    buffer.seek(0)
    torch.jit.load(buffer)
    assert loads(watched) == [("torch.Sequential", 1, 32, None, None)]


def test_a_whole_network(watched: Any, net: Any, tmp_path: Path) -> None:
    torch.save(net, tmp_path / "whole.pt")
    with open(tmp_path / "whole.pt", "rb") as file:  # noqa: PTH123 - an open file is the test
        call(torch.load(file, weights_only=False))
    call(torch.serialization.load(tmp_path / "whole.pt", weights_only=False))
    assert loads(watched) == [("whole", 2, 32, "whole.pt", None)]
    assert [(call.model, call.count) for call in watched.calls] == [("whole", 2)]


def test_weights_are_loaded_when_they_are_in_a_network(watched: Any, net: Any, tmp_path: Path) -> None:
    torch.save(net.state_dict(), tmp_path / "weights.pt")
    torch.save({"epoch": 3, "model": net.state_dict()}, tmp_path / "checkpoint.pt")
    weights = torch.load(tmp_path / "weights.pt")
    assert loads(watched) == []
    net.load_state_dict(weights)
    other = copy.deepcopy(net)
    other.load_state_dict(torch.load(tmp_path / "checkpoint.pt")["model"])
    assert loads(watched) == [
        ("torch.Sequential", 1, 32, "weights.pt", None),
        ("torch.Sequential", 1, 32, "checkpoint.pt", None),
    ]
    call(other)
    assert watched.only().file == str(tmp_path / "checkpoint.pt")


def test_reading_the_file_is_part_of_the_load_once(watched: Any, net: Any, tmp_path: Path) -> None:
    torch.save({"a": net.state_dict(), "b": net.state_dict()}, tmp_path / "two.pt")
    both = torch.load(tmp_path / "two.pt")
    net.load_state_dict(both["a"])
    (load,) = watched.owner.loads
    first = load.duration_ns
    net.load_state_dict(both["b"])
    assert load.count == 2
    assert load.duration_ns - first < first


def test_weights_from_memory_are_no_load(watched: Any, net: Any, tmp_path: Path) -> None:
    torch.save({"exp_avg": torch.ones(3)}, tmp_path / "something.pt")
    other = copy.deepcopy(net)
    torch.load(tmp_path / "something.pt")
    other.load_state_dict(net.state_dict())
    assert loads(watched) == []


def test_weights_of_another_precision_change_the_network(watched: Any, net: Any) -> None:
    call(net)
    net.load_state_dict({name: weight.double() for name, weight in net.state_dict().items()}, assign=True)
    net(X.double())
    watched.recorder.flush(None)
    assert [call.precision for call in watched.calls] == ["float32", "float64"]


def test_an_exported_program(watched: Any, net: Any, tmp_path: Path) -> None:
    torch.export.save(torch.export.export(net, (X,)), tmp_path / "program.pt2")
    watched.recorder.flush(None)
    watched.calls.clear()
    watched.owner.tally.clear()
    call(torch.export.load(tmp_path / "program.pt2").module())
    assert [load[0] for load in loads(watched)] == ["program"]
    assert (watched.only().model, watched.only().parameters) == ("program", 32)


def test_a_repository(watched: Any, tmp_path: Path) -> None:
    (tmp_path / "hubconf.py").write_text(
        "import torch\ndef tiny(*, pair=False):\n  net = torch.nn.Linear(3, 2)\n  return (net, len) if pair else net\n"
    )
    call(torch.hub.load(str(tmp_path), "tiny", source="local"))
    call(torch.hub.load(str(tmp_path), "tiny", source="local", pair=True)[0])
    assert [(load.model, load.count, load.parameters) for load in watched.owner.loads] == [("tiny", 2, 8)]
    assert (watched.only().model, watched.only().count, watched.only().file) == ("tiny", 2, str(tmp_path))


def test_a_load_that_fails_fails_as_before(watched: Any, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        torch.load(tmp_path / "none.pt")
    with pytest.raises((ValueError, RuntimeError)):
        torch.jit.load(str(tmp_path / "none.pt"))
    assert [load[4] for load in loads(watched)] == ["error"]


def test_a_network_that_runs_inside_its_load_is_part_of_it(watched: Any, tmp_path: Path) -> None:
    torch.save(WarmsUp(3, 2), tmp_path / "warm.pt")
    torch.load(tmp_path / "warm.pt", weights_only=False)
    assert watched.calls == []
    assert [load[:2] for load in loads(watched)] == [("warm", 1)]


class WarmsUp(torch.nn.Linear):  # type: ignore[misc,name-defined]
    def __setstate__(self, state: Any) -> None:
        super().__setstate__(state)
        with torch.no_grad():
            self(X)


def test_functions_are_pickled_as_before(watched: Any) -> None:
    del watched
    for function in (torch.load, torch.serialization.load, torch.jit.load, torch.hub.load, torch.autograd.backward):
        assert pickle.loads(pickle.dumps(function)) is function
