"""CPU that watching one HTTP AI call costs, beside OpenTelemetry's instrumentation of the same client.

One process, one loopback server in another; bare, ours and theirs take turns, so that what else the machine does falls
on all of them alike. Run: ``make bench-calls``.
"""

from __future__ import annotations

import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from rich.console import Console

from overhead import page
from pytest_aifootprint.detection import Recorder, Seams
from tables import Table

SERVER = Path(__file__).parents[1] / "unit" / "detection" / "fake_server.py"
WARM_UP, CALLS, ROUNDS = 30, 100, 7
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "JSON": ("/v1/chat/completions", {"model": "gpt-test", "messages": [{"role": "user", "content": "hello"}]}),
    "streamed, 10 events": (
        "/v1/chat/completions",
        {"model": "gpt-test", "messages": [{"role": "user", "content": "hello"}], "stream": True},
    ),
}


@contextmanager
def server() -> Iterator[str]:
    """The fake server in a process of its own, by its address."""
    with subprocess.Popen([sys.executable, str(SERVER)], stdin=-1, stdout=-1, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        process.stdin.close()


def ask(client: httpx.Client, path: str, body: dict[str, Any]) -> None:
    """One call, read to its end."""
    if body.get("stream"):
        with client.stream("POST", path, json=body) as response:
            for _ in response.iter_lines():
                pass
    else:
        client.post(path, json=body).json()


@contextmanager
def ours() -> Iterator[None]:
    """Our seams, with a test as the owner of the calls."""
    recorder = Recorder()
    seams = Seams.arm(recorder)
    owner: Any = SimpleNamespace(calls=[], phase="call", closed=False, tally={})
    token = recorder.context.set(owner)
    try:
        yield
        assert owner.calls
        assert not recorder.errors
    finally:
        recorder.context.reset(token)
        seams.disarm()


@contextmanager
def theirs() -> Iterator[None]:
    """Their instrumentation, with a real tracer and no exporter."""
    instrumentor = HTTPXClientInstrumentor()
    instrumentor.instrument(tracer_provider=TracerProvider())
    try:
        yield
    finally:
        instrumentor.uninstrument()


@contextmanager
def bare() -> Iterator[None]:
    """Nobody watches."""
    yield


WATCHERS: dict[str, Callable[[], Any]] = {"bare": bare, "ours": ours, "OpenTelemetry": theirs, "bare again": bare}


def measure(url: str, path: str, body: dict[str, Any]) -> dict[str, list[float]]:
    """CPU microseconds of this thread for one call: for each watcher, a median for each round."""
    found: dict[str, list[float]] = {name: [] for name in WATCHERS}
    for _ in range(ROUNDS):
        for name, watcher in WATCHERS.items():
            with watcher(), httpx.Client(base_url=url) as client:
                taken = []
                for n in range(WARM_UP + CALLS):
                    before = time.thread_time_ns()
                    ask(client, path, body)
                    if n >= WARM_UP:
                        taken.append((time.thread_time_ns() - before) / 1000)
                found[name].append(statistics.median(taken))
    return found


@dataclass(frozen=True, slots=True)
class Compared:
    """One call, in CPU microseconds of its thread.

    Attributes:
        middle_us: of each watcher. ours_us, theirs_us: what they add to the mean of both bare turns, which differ by
            ``spread_us``.
    """

    middle_us: Mapping[str, float]

    @property
    def bare_us(self) -> float:
        """Nobody watches."""
        return (self.middle_us["bare"] + self.middle_us["bare again"]) / 2

    @property
    def ours_us(self) -> float:
        """Added by our seams."""
        return self.middle_us["ours"] - self.bare_us

    @property
    def theirs_us(self) -> float:
        """Added by OpenTelemetry's instrumentation."""
        return self.middle_us["OpenTelemetry"] - self.bare_us

    @property
    def spread_us(self) -> float:
        """What cannot be told apart."""
        return abs(self.middle_us["bare"] - self.middle_us["bare again"])


def compare() -> dict[str, Compared]:
    """Every case with all watchers."""
    with server() as url:
        return {
            case: Compared({name: statistics.median(rounds) for name, rounds in measure(url, path, body).items()})
            for case, (path, body) in CASES.items()
        }


def text(compared: Mapping[str, Compared]) -> str:
    """The page's part."""
    names = ("pytest-aifootprint", "httpx", "opentelemetry-instrumentation-httpx", "opentelemetry-sdk")
    versions = ", ".join(f"{name} {version(name)}" for name in names)
    day = datetime.now(timezone.utc).date()
    facts = f"- date: {day}; {platform.python_implementation()} {platform.python_version()}\n- versions: {versions}"
    rows = [["call", *WATCHERS, "added by us", "added by OpenTelemetry", "two bare runs differ by"]]
    for case, found in compared.items():
        figures = (*found.middle_us.values(), found.ours_us, found.theirs_us, found.spread_us)
        rows.append([case, *(f"{us:.0f} µs" for us in figures)])
    return f"{facts}\n\n{Table('One call, CPU of its thread', rows).markdown()}"


def main() -> None:
    """Measure and print; write the page's part."""
    said = text(compare())
    Console().print(said, markup=False, highlight=False, soft_wrap=True)
    if "--write" in sys.argv:
        page.write("make bench-calls", said)


if __name__ == "__main__":
    main()
