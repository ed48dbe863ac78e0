"""Real SDKs and their real hosts' names; only the resolver is ours: it leads to a server in another process."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_aifootprint.detection import AICall, Recorder, Seams

# Nothing here may reach a network: these would try at import, or in the background.
os.environ |= {
    "ANONYMIZED_TELEMETRY": "false",
    "DSPY_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "LANGSMITH_TRACING": "false",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "OPENAI_AGENTS_DISABLE_TRACING": "1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "HF_HUB_DISABLE_XET": "1",
}
PRIVATE = ("PRIVATE", "CANARY-KEY")
SERVER = Path(__file__).with_name("wire_server.py")

# What the server's answers say, by API.
EXPECTED: dict[str, dict[str, Any]] = {
    "chat": {
        "operation": "chat",
        "input_tokens": 11,
        "output_tokens": 7,
        "cached_input_tokens": 4,
        "reasoning_tokens": 3,
    },
    "responses": {
        "operation": "chat",
        "input_tokens": 20,
        "output_tokens": 9,
        "cached_input_tokens": 5,
        "reasoning_tokens": 2,
    },
    "embeddings": {"operation": "embedding", "input_tokens": 6, "output_tokens": 0},
    "messages": {"operation": "chat", "input_tokens": 140, "output_tokens": 8, "cached_input_tokens": 100},
    "gemini": {
        "operation": "chat",
        "input_tokens": 12,
        "output_tokens": 11,
        "cached_input_tokens": 4,
        "reasoning_tokens": 3,
    },
    "cohere v2": {"operation": "chat", "input_tokens": 71, "output_tokens": 420, "cached_input_tokens": 64},
    "cohere v1": {"operation": "chat", "input_tokens": 71, "output_tokens": 420},
    "cohere embed": {"operation": "embedding", "input_tokens": 2, "output_tokens": 0},
    "cohere rerank": {"operation": "rerank", "samples": 2, "notices": ("no-usage",)},
    "ollama": {"operation": "chat", "input_tokens": 26, "output_tokens": 298},
    "ollama embed": {"operation": "embedding", "input_tokens": 9, "output_tokens": 0},
    "bedrock": {"operation": "chat", "input_tokens": 1130, "output_tokens": 628, "cached_input_tokens": 1000},
    "voyage": {"operation": "embedding", "input_tokens": 26, "output_tokens": 0},
    "replicate": {"operation": "inference", "input_tokens": 12, "output_tokens": 34},
}
COMPARED = (
    "operation",
    "client",
    "provider",
    "model",
    "input_tokens",
    "output_tokens",
    "cached_input_tokens",
    "reasoning_tokens",
    "tokens_estimated",
    "streamed",
    "abandoned",
    "status",
    "realness",
    "locality",
    "notices",
    "samples",
)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Where all SDKs have been installed, one that is missing is an error and not a skip."""
    report = yield
    if report.skipped and os.environ.get("AIFOOTPRINT_ALL_SDKS"):
        report.outcome = "failed"
        report.longrepr = str(report.longrepr)
    return report


class Seen:
    """What was recorded, call by call."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def take(self) -> list[AICall]:
        """All calls since the last time. What the SDK has left unread counts as given up."""
        self._recorder.flush(None)
        assert self._recorder.errors == []
        calls = list(self._recorder.unowned)
        self._recorder.unowned.clear()
        assert not any(secret in repr(calls) for secret in PRIVATE)
        return calls

    def only(self, api: str, **expected: Any) -> AICall:
        """The one call there was: live, understood, and as expected."""
        calls = self.take()
        assert len(calls) == 1, calls
        self.check(calls[0], api, **expected)
        return calls[0]

    @staticmethod
    def check(call: AICall, api: str, **expected: Any) -> None:
        usual = {"status": 200, "realness": "live", "locality": "remote", "notices": (), "streamed": False}
        usual |= {"tokens_estimated": False, "abandoned": False}
        wanted = {**dict.fromkeys(COMPARED), **usual, **EXPECTED[api], **expected}
        found = {key: getattr(call, key) for key in wanted}
        if "samples" not in expected and "samples" not in EXPECTED[api]:
            del wanted["samples"], found["samples"]
        assert found == wanted


@pytest.fixture(scope="session")
def port() -> Iterator[int]:
    with subprocess.Popen(
        [sys.executable, str(SERVER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        yield int(process.stdout.readline())
        process.communicate()


@pytest.fixture(autouse=True)
def _all_hosts_lead_to_the_server(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every name is this machine's, and its port 80 the server's. (anyio asks for addresses only, not for ports.)"""
    getaddrinfo, connect = socket.getaddrinfo, socket.socket.connect

    def resolve(host: Any, service: Any, *args: Any, **kwargs: Any) -> Any:
        if host not in {None, "localhost", "127.0.0.1", b"localhost", b"127.0.0.1"}:
            assert service in {80, "80", "http", None}, f"{host!r}:{service} would leave this machine"
            host = "127.0.0.1"
        return getaddrinfo(host, service, *args, **kwargs)

    def reach(self: socket.socket, address: Any) -> Any:
        return connect(self, ("127.0.0.1", port) if address == ("127.0.0.1", 80) else address)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(socket.socket, "connect", reach)


@pytest.fixture
def local(port: int) -> str:
    return f"http://127.0.0.1:{port}"


@pytest.fixture
def seen() -> Iterator[Seen]:
    recorder = Recorder()
    seams = Seams.arm(recorder)
    yield Seen(recorder)
    seams.disarm()
    assert recorder.errors == []
    assert recorder.unowned == []
    assert not recorder.pending
