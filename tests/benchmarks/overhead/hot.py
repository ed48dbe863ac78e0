"""What the plugin's hot paths do, one at a time, each beside the same without the plugin.

    python hot.py CASE N     runs a case N times, for a tool that counts instructions
    python hot.py --worker…  is what pyperf starts

No network and no pytest run: hooks are called through pluggy as pytest calls them, httpx speaks to a canned connection.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpcore
import httpx
import pyperf
import pytest

from pytest_aifootprint import hookspecs
from pytest_aifootprint.detection.inprocess.watching import outermost
from pytest_aifootprint.detection.patching import Arming, Seams
from pytest_aifootprint.detection.recorder import Recorder
from pytest_aifootprint.detection.seams import SEAMS
from pytest_aifootprint.meters.powercap import find_powercap
from pytest_aifootprint.records.collector import Collector
from pytest_aifootprint.session.parts import RunningPart
from pytest_aifootprint.session.so_far import SoFar

Case = Callable[[], object]

FEW, MANY = 10, 110
"""Events of the two streams: their difference is what events cost."""
_PHASES = ("setup", "call", "teardown")


class _Item:
    nodeid = "tests/test_module.py::test_name"
    own_markers: tuple[()] = ()
    _request = None


class _Core:
    """pytest's own part of a test, without the test: it calls the hooks that frame it."""

    def __init__(self, hook: Any) -> None:
        self.hook = hook
        self.reports = {
            when: pytest.TestReport(_Item.nodeid, ("", 0, ""), {}, "passed", None, when)  # type: ignore[arg-type]
            for when in _PHASES
        }
        self.calls = {when: SimpleNamespace(when=when, excinfo=None) for when in _PHASES}

    @pytest.hookimpl
    def pytest_runtest_protocol(self, item: Any) -> bool:
        hook, nodeid = self.hook, item.nodeid
        hook.pytest_runtest_logstart(nodeid=nodeid, location=("", 0, ""))
        hook.pytest_runtest_setup(item=item)
        self._report(item, "setup")
        hook.pytest_runtest_call(item=item)
        self._report(item, "call")
        hook.pytest_runtest_teardown(item=item, nextitem=None)
        self._report(item, "teardown")
        hook.pytest_runtest_logfinish(nodeid=nodeid, location=("", 0, ""))
        return True

    def _report(self, item: Any, when: str) -> None:
        report = self.hook.pytest_runtest_makereport(item=item, call=self.calls[when])
        self.hook.pytest_runtest_logreport(report=report)

    @pytest.hookimpl
    def pytest_runtest_makereport(self, call: Any) -> pytest.TestReport:
        return self.reports[call.when]


def _manager() -> pytest.PytestPluginManager:
    manager = pytest.PytestPluginManager()
    manager.add_hookspecs(hookspecs)
    manager.register(_Core(manager.hook))
    return manager


def _test_of(manager: pytest.PytestPluginManager) -> Case:
    item, protocol = _Item(), manager.hook.pytest_runtest_protocol
    return lambda: protocol(item=item, nextitem=None)


def hooks_bare() -> Case:
    """The hooks of a test that does nothing, with nobody listening."""
    return _test_of(_manager())


def _part() -> RunningPart:
    recorder = Recorder()
    return RunningPart(recorder, Seams.arm(recorder, ()))


def hooks_ours() -> Case:
    """The same with the plugin's windows, as the only process has them."""
    manager, part = _manager(), _part()
    config: Any = SimpleNamespace(pluginmanager=manager, hook=manager.hook)
    presenter: Any = SimpleNamespace(collector=Collector(lanes={part.lane.worker: part.lane}))
    part.begin(config, on_test=SoFar(presenter, lambda: True).add)
    return _test_of(manager)


def edge() -> Case:
    """One edge: wall time, and CPU of the process tree without children."""
    return _part().clock.edge


class _Canned(httpcore.NetworkStream):
    """A connection on which every request has the same answer."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer
        self._left = b""

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._left = self._answer

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        taken, self._left = self._left[:max_bytes], self._left[max_bytes:]
        return taken

    def close(self) -> None:
        """Nothing is open."""

    def get_extra_info(self, info: str) -> Any:
        return False if info == "is_readable" else None


class _Network(httpcore.NetworkBackend):
    def __init__(self, answer: bytes) -> None:
        self._answer = answer

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        return _Canned(self._answer)


_USAGE = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
_ASKED = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hello"}]}


def _json_answer() -> bytes:
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "word " * 20}}
    body = json.dumps({"id": "c1", "object": "chat.completion", "model": "gpt-4o-mini", "choices": [choice],
                       "usage": _USAGE}).encode()  # fmt: skip
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _stream_answer(events: int) -> bytes:
    def event(**more: Any) -> bytes:
        told = {"id": "c1", "object": "chat.completion.chunk", "model": "gpt-4o-mini", "choices": [], **more}
        return b"data: " + json.dumps(told).encode() + b"\n\n"

    word = [{"index": 0, "delta": {"content": "word "}, "finish_reason": None}]
    body = event(choices=word) * events + event(usage=_USAGE) + b"data: [DONE]\n\n"
    head = f"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _asking(answer: bytes, *, ours: bool, stream: bool) -> Case:
    if ours:
        recorder = Recorder()
        Seams.arm(recorder, tuple(seam for seam in SEAMS if seam.name in {"httpx", "httpcore"}))
        calls: list[Any] = []
        owner: Any = SimpleNamespace(calls=calls, loads=[], phase="call", closed=False, tally={})
        recorder.context.set(owner)
    client = httpx.Client(base_url="http://api.openai.com", trust_env=False)
    transport: Any = client._transport
    transport._pool = httpcore.ConnectionPool(network_backend=_Network(answer))

    def ask() -> None:
        client.post("/v1/chat/completions", json=_ASKED)

    def read() -> None:
        with client.stream("POST", "/v1/chat/completions", json={**_ASKED, "stream": True}) as response:
            for _ in response.iter_lines():
                pass

    asked = read if stream else ask
    asked()
    if ours:
        assert [(call.realness, call.output_tokens) for call in calls] == [("live", 7)], calls
        assert not recorder.errors, recorder.errors
    return asked


def http_bare() -> Case:
    """One call through httpx, JSON."""
    return _asking(_json_answer(), ours=False, stream=False)


def http_ours() -> Case:
    """The same, recorded."""
    return _asking(_json_answer(), ours=True, stream=False)


def stream_few_bare() -> Case:
    """One streamed call."""
    return _asking(_stream_answer(FEW), ours=False, stream=True)


def stream_few_ours() -> Case:
    """The same, recorded."""
    return _asking(_stream_answer(FEW), ours=True, stream=True)


def stream_many_bare() -> Case:
    """A long stream."""
    return _asking(_stream_answer(MANY), ours=False, stream=True)


def stream_many_ours() -> Case:
    """The same, recorded."""
    return _asking(_stream_answer(MANY), ours=True, stream=True)


class _Model:
    def run(self) -> None:
        """Nothing."""


def root_bare() -> Case:
    """A method that does nothing."""
    return _Model().run


def root_ours() -> Case:
    """The same under the wrapper that all frameworks share."""
    watched, model = outermost(Arming(Recorder()), "", _Model.run, lambda *_: None), _Model()
    return lambda: watched(model)


def powercap() -> Case:
    """One read of a RAPL package by powercap, from files that look like the kernel's."""
    root = Path(tempfile.mkdtemp())
    zone = root / "sys/class/powercap/intel-rapl:0"
    zone.mkdir(parents=True)
    for name, text in {"name": "package-0", "max_energy_range_uj": "262143328850", "energy_uj": "1000000"}.items():
        (zone / name).write_text(f"{text}\n")
    moved = iter(range(2_000_000, 9_000_000, 1000))
    meters, rejected = find_powercap(root, pause=lambda _: _write(zone / "energy_uj", next(moved)))
    assert meters, rejected
    return meters[0].read


def _write(path: Path, value: int) -> None:
    path.write_text(f"{value}\n")


CASES: dict[str, Callable[[], Case]] = {
    case.__name__: case
    for case in (
        hooks_bare, hooks_ours, edge, http_bare, http_ours, stream_few_bare, stream_few_ours, stream_many_bare,
        stream_many_ours, root_bare, root_ours, powercap,
    )
}  # fmt: skip


def main() -> None:
    """By hand, or as pyperf's worker."""
    if len(sys.argv) == 3 and sys.argv[1] in CASES:
        work = CASES[sys.argv[1]]()
        for _ in range(int(sys.argv[2])):
            work()
        return
    runner = pyperf.Runner()
    worker = runner.parse_args().worker_task
    for number, (name, case) in enumerate(CASES.items()):
        # A worker process measures one case: it makes no other.
        runner.bench_func(name, case() if worker == number else _nothing)


def _nothing() -> None:
    raise AssertionError("another worker's case")


if __name__ == "__main__":
    main()
