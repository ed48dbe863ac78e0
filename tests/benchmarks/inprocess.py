"""What watching costs a model that runs in this process: for each call, and for the layers inside a network.

Not watched, watched, and not watched again take turns in one process; each figure is a median over rounds of what the
watched turn took above its neighbours in the same round, in CPU time of the thread. Run: ``make bench-inprocess``.
"""

from __future__ import annotations

import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from importlib.metadata import version
from types import SimpleNamespace
from typing import Any

import magika
import numpy as np
import onnxruntime
import silero_vad  # type: ignore[import-not-found,unused-ignore]
import sklearn  # noqa: F401 - its seam is armed by it
import torch
from rich.console import Console
from sklearn.linear_model import LogisticRegression

from overhead import page
from pytest_aifootprint.detection import Recorder, Seams
from pytest_aifootprint.detection.inprocess.watching import outermost
from pytest_aifootprint.detection.patching import Arming
from pytest_aifootprint.detection.seams import SEAMS
from tables import Table

ROUNDS = 60
TURN_NS = 10_000_000
LAYERS = 20  # and the Sequential around them: 21 modules
NETS = {
    "tiny: 8 wide, batch 8": (8, 8),
    "small: 64 wide, batch 32": (64, 32),
    "ordinary: 512 wide, batch 32": (512, 32),
}
LIBRARIES = ("torch", "onnxruntime", "sklearn")


def owner() -> Any:
    """A test that calls go to."""
    return SimpleNamespace(calls=[], loads=[], phase="call", closed=False, tally={})


@contextmanager
def watching() -> Iterator[None]:
    """The seams of the libraries here, armed."""
    recorder = Recorder()
    test = recorder.current = owner()
    seams = Seams.arm(recorder, tuple(seam for seam in SEAMS if seam.name in LIBRARIES))
    try:
        yield
    finally:
        recorder.flush(None)
        seams.disarm()
    assert test.calls
    assert not recorder.errors


def turn(call: Callable[[], object], calls: int) -> float:
    """CPU microseconds of one call, when the interpreter has got used to what was patched."""
    for _ in range(calls):
        call()
    before = time.thread_time_ns()
    for _ in range(calls):
        call()
    return (time.thread_time_ns() - before) / calls / 1000


@dataclass
class Found:
    """All rounds of one case, in microseconds a call."""

    bare: list[float] = field(default_factory=list)
    added: list[float] = field(default_factory=list)
    spread: list[float] = field(default_factory=list)

    def take(self, before: float, watched: float, after: float) -> None:
        """One round."""
        self.bare.append((before + after) / 2)
        self.added.append(watched - (before + after) / 2)
        self.spread.append(after - before)

    @property
    def bare_us(self) -> float:
        """Without us."""
        return statistics.median(self.bare)

    @property
    def added_us(self) -> float:
        """With us, on top."""
        return statistics.median(self.added)

    @property
    def spread_us(self) -> float:
        """What two turns without us differ by, as a median of sizes."""
        return statistics.median(map(abs, self.spread))


def measure(cases: dict[str, Callable[[], object]]) -> dict[str, Found]:
    """All cases, round by round."""
    found = {name: Found() for name in cases}
    counts = {}
    for name, call in cases.items():
        call()
        counts[name] = max(5, int(TURN_NS / 1000 / turn(call, 5)))
    for _ in range(ROUNDS):
        for name, call in cases.items():
            before = turn(call, counts[name])
            with watching():
                watched = turn(call, counts[name])
            found[name].take(before, watched, turn(call, counts[name]))
    return found


def networks() -> dict[str, Callable[[], object]]:
    """For each width: a network, and one layer of it by itself."""
    cases: dict[str, Callable[[], object]] = {}
    for name, (width, size) in NETS.items():
        data = torch.ones(size, width)
        layers = [torch.nn.Linear(width, width) for _ in range(LAYERS)]
        net, alone = torch.nn.Sequential(*layers).eval(), layers[0]
        cases[f"{name}/alone"] = lambda alone=alone, data=data: alone(data)  # type: ignore[misc]
        cases[name] = lambda net=net, data=data: net(data)  # type: ignore[misc]
    return cases


def calls_of_torch() -> dict[str, Callable[[], object]]:
    """A real script, and a training."""
    listener = silero_vad.load_silero_vad()
    chunk = torch.zeros(512)
    net = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 2))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    data = torch.ones(32, 64)

    def step() -> None:
        with torch.enable_grad():
            optimizer.zero_grad()
            net(data).sum().backward()
            optimizer.step()

    return {
        "torch: silero-vad, one chunk (TorchScript)": lambda: listener(chunk, 16000),
        "torch: a training step (forward, backward, SGD)": step,
    }


def calls_of_sklearn() -> dict[str, Callable[[], object]]:
    """A classical model."""
    table = np.random.default_rng(1).random((100, 4))
    classifier = LogisticRegression().fit(table, table[:, 0] > table[:, 1])
    return {"scikit-learn: LogisticRegression.predict": lambda: classifier.predict(table)}


def calls_of_onnxruntime() -> dict[str, Callable[[], object]]:
    """magika's network. Last of all: its session keeps threads that spin."""
    session: Any = magika.Magika()._onnx_session
    feed = {session.get_inputs()[0].name: np.zeros((1, 2048), dtype=np.int32)}
    return {"onnxruntime: magika": lambda: session.run(None, feed)}


def wrapper_alone() -> Found:
    """A method that does nothing, under the wrapper that all frameworks share."""

    class Model:
        def run(self) -> None:
            """Nothing."""

    arming = Arming(Recorder())
    watched: Any = outermost(arming, "", Model.run, lambda *_: None)
    model, found = Model(), Found()
    for _ in range(ROUNDS):
        before = turn(lambda: Model.run(model), 2000)
        taken = turn(lambda: watched(model), 2000)
        found.take(before, taken, turn(lambda: Model.run(model), 2000))
    return found


def main() -> None:
    """Measure and print; write the page's part."""
    torch.set_num_threads(1)
    onnxruntime.set_default_logger_severity(4)
    names = ("pytest-aifootprint", "torch", "onnxruntime", "magika", "scikit-learn", "silero-vad")
    versions = ", ".join(f"{name} {version(name)}" for name in names)
    day = datetime.now(timezone.utc).date()
    facts = f"- date: {day}; {platform.python_implementation()} {platform.python_version()}\n- versions: {versions}"
    with torch.no_grad():
        nets = measure(networks())
        calls = {"the shared wrapper, around nothing": wrapper_alone()}
        for cases in (calls_of_torch, calls_of_sklearn, calls_of_onnxruntime):
            calls |= measure(cases())
    text = f"{facts}\n\n{_networks(nets).markdown()}\n\n{_calls(calls).markdown()}"
    Console().print(text, markup=False, highlight=False, soft_wrap=True)
    if "--write" in sys.argv:
        page.write("make bench-inprocess", text)


def _networks(nets: dict[str, Found]) -> Table:
    heading = ["21 modules", "not watched", "added", "of it: root call", "inner layers", "in all", "two bare turns"]
    rows = [heading]
    for name in NETS:
        net, alone = nets[name], nets[f"{name}/alone"]
        inner = net.added_us - alone.added_us
        rows.append([
            name,
            f"{net.bare_us:.1f} µs",
            f"{net.added_us:.2f} µs",
            f"{alone.added_us:.2f} µs",
            f"{inner / net.bare_us:.1%}",
            f"{net.added_us / net.bare_us:.1%}",
            f"differ by {net.spread_us / net.bare_us:.1%}",
        ])  # fmt: skip
    return Table("A torch network of 21 modules", rows)


def _calls(calls: dict[str, Found]) -> Table:
    rows = [["one call", "not watched", "added", "two bare turns"]]
    for name, found in calls.items():
        rows.append(
            [name, f"{found.bare_us:.1f} µs", f"{found.added_us:.2f} µs", f"differ by {found.spread_us:.2f} µs"]
        )
    return Table("One call of a model", rows)


if __name__ == "__main__":
    main()
