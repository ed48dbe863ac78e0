from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from runpy import run_path
from typing import Any

import pytest

from pytest_aifootprint.detection import AICall, Recorder, Seams

HERE = Path(__file__).parent


@dataclass(eq=False)
class Owner:
    """What the session gives detection to append to."""

    calls: list[AICall] = field(default_factory=list)
    loads: list[AICall] = field(default_factory=list)
    phase: str = "call"
    closed: bool = False
    tally: dict[tuple[object, ...], AICall] = field(default_factory=dict)


class Watched:
    """A recorder with one open test, armed."""

    def __init__(self) -> None:
        self.recorder = Recorder()
        self.owner = Owner()
        self.recorder.current = self.owner
        self.seams = Seams.arm(self.recorder)

    @property
    def calls(self) -> list[AICall]:
        assert self.recorder.errors == []
        return self.owner.calls

    def only(self) -> AICall:
        (call,) = self.calls
        return call


@pytest.fixture
def watched() -> Iterator[Watched]:
    watched = Watched()
    watched.recorder.context.set(watched.owner)
    yield watched
    watched.seams.disarm()
    assert watched.recorder.errors == []
    assert not watched.recorder.pending


@pytest.fixture
def make_owner() -> type[Owner]:
    return Owner


@pytest.fixture(scope="session")
def local_port() -> Iterator[int]:
    """The port of a server in a process of its own, on this machine."""
    with subprocess.Popen(
        [sys.executable, str(HERE / "fake_server.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        yield int(process.stdout.readline())
        process.communicate()


@pytest.fixture(scope="session")
def local(local_port: int) -> str:
    return f"http://127.0.0.1:{local_port}"


@pytest.fixture
def own_server() -> Iterator[str]:
    """The address of a server in this very process."""
    server: Any = run_path(str(HERE / "fake_server.py"))["start"]()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="session")
def fake() -> dict[str, Any]:
    """The fake server's functions that make answers."""
    return run_path(str(HERE / "fake_server.py"))


@pytest.fixture
def unused_port() -> Callable[[], int]:
    """A port of this machine on which nobody listens."""

    def find() -> int:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return int(probe.getsockname()[1])

    return find
