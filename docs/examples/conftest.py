"""Starts the server that the assistant's tests talk to: in a process of its own, as a real one would run."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    """The address of a server that is ready: it prints the address once it listens."""
    command = [sys.executable, str(Path(__file__).with_name("stand_in_server.py"))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:  # noqa: S603 - our own script
        assert server.stdin
        assert server.stdout
        address = server.stdout.readline().strip()
        assert address, "the server ended before it was ready"
        yield address
        server.stdin.close()  # tells it to end; leaving the block waits until it has
