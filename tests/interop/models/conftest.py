from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from pytest_aifootprint.detection import AICall, Recorder, Seams


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
    watched.recorder.flush(None)
    assert watched.recorder.errors == []
    assert not watched.recorder.pending
