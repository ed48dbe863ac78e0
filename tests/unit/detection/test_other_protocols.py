"""HTTP/2 is read as HTTP is; websockets and gRPC are seen, with their model, and never dropped."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import grpc
import httpx
import httpx2
import pytest
import websockets.asyncio.client
import websockets.exceptions
import websockets.sync.client

from pytest_aifootprint.detection.http.exchange import Exchange
from pytest_aifootprint.detection.http.question import Unread, what_a_socket_asks, what_grpc_asks
from pytest_aifootprint.detection.http.realness import Judge
from pytest_aifootprint.detection.http.seen import Seen

HERE = Path(__file__).parent
CHAT = "/v1/chat/completions"
GENERATE = "/google.cloud.aiplatform.v1.PredictionService/GenerateContent"
BIDI = "google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"
STREAM = "/google.cloud.aiplatform.v1.PredictionService/StreamGenerateContent"


@contextmanager
def server(kind: str) -> Iterator[int]:
    command = [sys.executable, str(HERE / "other_servers.py"), kind]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield int(process.stdout.readline())
        process.communicate()


@pytest.fixture(scope="module")
def http2() -> Iterator[str]:
    with server("http2") as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="module")
def websocket() -> Iterator[str]:
    with server("websocket") as port:
        yield f"ws://127.0.0.1:{port}"


@pytest.fixture(scope="module")
def remote_procedures() -> Iterator[str]:
    with server("grpc") as port:
        yield f"127.0.0.1:{port}"


@pytest.mark.parametrize("library", [httpx, httpx2], ids=["httpx", "httpx2"])
@pytest.mark.parametrize("stream", [True, False], ids=["stream", "json"])
@pytest.mark.asyncio
async def test_http2(library: Any, stream: bool, http2: str, watched: Any) -> None:  # noqa: FBT001
    body = {"model": "gpt-5-mini", "messages": [], "stream": stream, "stream_options": {"include_usage": True}}
    with library.Client(http1=False, http2=True) as client:
        for _ in range(2):  # over one connection
            response = client.post(http2 + CHAT, json=body)
            assert response.http_version == "HTTP/2"
    async with library.AsyncClient(http1=False, http2=True) as other:
        await other.post(http2 + CHAT, json=body)
    assert len(watched.calls) == 3
    for call in watched.calls:
        assert (call.client, call.realness, call.locality) == (library.__name__, "live", "local")
        assert (call.input_tokens, call.output_tokens, call.streamed) == (11, 7, stream)
        assert call.notices == ()


def is_seen(call: Any, client: str, status: int | str, model: str | None) -> None:
    assert (call.client, call.model, call.status) == (client, model, status)
    assert (call.realness, call.locality, call.provider) == ("live", "local", "local")
    assert (call.input_tokens, call.output_tokens) == (None, None)
    assert "unread-protocol" in call.notices
    assert not call.abandoned


@pytest.mark.asyncio
async def test_a_websocket_is_seen_with_the_model_in_its_address(websocket: str, watched: Any) -> None:
    address = f"{websocket}/v1/realtime?model=gpt-realtime"
    async with websockets.asyncio.client.connect(address) as connection:
        await connection.send("PRIVATE")
        assert await connection.recv() == "PRIVATE"
    async with aiohttp.ClientSession() as session, session.ws_connect(address) as socket:
        await socket.send_str("PRIVATE")
        assert await socket.receive_str() == "PRIVATE"
    asynchronous, by_aiohttp = watched.calls
    is_seen(asynchronous, "websockets", 101, "gpt-realtime")
    is_seen(by_aiohttp, "aiohttp", 101, "gpt-realtime")
    assert "PRIVATE" not in repr(watched.calls)


def test_a_websocket_of_threads(websocket: str, watched: Any) -> None:
    with websockets.sync.client.connect(f"{websocket}/openai/realtime?deployment=mine&api-version=1") as connection:
        connection.send("x")
        assert connection.recv() == "x"
    with websockets.sync.client.connect(f"{websocket}/chat?model=no") as connection:  # somebody's own
        connection.send("x")
    is_seen(watched.only(), "websockets", 101, "mine")


@pytest.mark.asyncio
async def test_a_websocket_that_is_refused_has_its_status(websocket: str, watched: Any) -> None:
    address = f"{websocket}/v1/realtime?model=m&refused=1"
    with pytest.raises(websockets.exceptions.InvalidStatus):
        async with websockets.asyncio.client.connect(address):
            pass
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await session.ws_connect(address)
    assert [call.status for call in watched.calls] == [401, 401]


class Request(bytes):
    """As bytes, what goes over the wire; it has a field for the model as Google's have."""

    model = "projects/p/locations/l/publishers/google/models/gemini-3"


def test_remote_procedures_are_seen(remote_procedures: str, watched: Any) -> None:
    with grpc.insecure_channel(remote_procedures) as channel:
        one = channel.unary_unary(GENERATE, request_serializer=bytes)
        stream = channel.unary_stream(STREAM, request_serializer=bytes)
        assert one(Request(b"a")) == b"a"
        assert one.with_call(Request(b"b"))[0] == b"b"
        assert one.future(Request(b"c")).result() == b"c"
        assert list(stream(Request(b"d"))) == [b"d", b"d"]
        assert channel.unary_unary("/somebodys.Service/Get")(b"e") == b"e"
    watched.recorder.flush(None)
    assert len(watched.calls) == 4
    for call in watched.calls:
        is_seen(call, "grpc", 200, "gemini-3")
        assert call.host == remote_procedures


@pytest.mark.asyncio
async def test_remote_procedures_are_seen_on_a_loop(remote_procedures: str, watched: Any) -> None:
    async with grpc.aio.insecure_channel(remote_procedures) as channel:
        assert await channel.unary_unary(GENERATE, request_serializer=bytes)(Request(b"a")) == b"a"
        assert [piece async for piece in channel.unary_stream(STREAM, request_serializer=bytes)(Request(b"b"))] == [
            b"b",
            b"b",
        ]
        with pytest.raises(grpc.aio.AioRpcError):
            await channel.unary_unary(GENERATE, request_serializer=bytes)(Request(b"fail"))
    assert len(watched.calls) == 3
    for call in watched.calls:
        is_seen(call, "grpc", call.status, "gemini-3")
    assert [call.status for call in watched.calls] == [200, 200, "error"]


def test_a_remote_procedure_that_fails_fails_as_before(remote_procedures: str, watched: Any) -> None:
    with grpc.insecure_channel(remote_procedures) as channel:
        one = channel.unary_unary(GENERATE, request_serializer=bytes)
        for ask in (one, lambda request: one.future(request).result()):
            with pytest.raises(grpc.RpcError) as raised:
                ask(Request(b"fail"))
            assert raised.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    watched.recorder.flush(None)
    assert [call.status for call in watched.calls] == ["error", "error"]


def test_a_bug_of_ours_does_not_reach_them(
    websocket: str, remote_procedures: str, watched: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def bug(*_: Any, **__: Any) -> Any:
        raise ZeroDivisionError("a bug of ours")

    def use() -> None:
        with websockets.sync.client.connect(f"{websocket}/v1/realtime?model=m") as connection:
            connection.send("x")
            assert connection.recv() == "x"
        with grpc.insecure_channel(remote_procedures) as channel:
            assert channel.unary_unary(GENERATE, request_serializer=bytes)(Request(b"a")) == b"a"
            assert list(channel.unary_stream(STREAM, request_serializer=bytes)(Request(b"d"))) == [b"d", b"d"]

    for owner, name in ((Seen, "begin"), (Judge, "left"), (Exchange, "finish"), (watched.recorder, "record")):
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, bug)
            use()
        assert watched.recorder.errors, name
        watched.recorder.pending.clear()
        assert all("a bug of ours" in error for error in watched.recorder.errors)
        watched.recorder.errors.clear()


@pytest.mark.parametrize(
    ("address", "model", "provider"),
    [
        ("api.openai.com/v1/realtime?model=gpt-realtime", "gpt-realtime", "openai"),
        ("api.openai.com/v1/realtime?intent=transcription", None, "openai"),
        ("api.openai.com/v1/responses", None, "openai"),
        ("me.openai.azure.com/openai/realtime?api-version=1&deployment=mine", "mine", "azure-openai"),
        ("api.x.ai/v1/realtime?model=grok", "grok", "xai"),
        ("localhost/v1/realtime?model=m", "m", "local"),
        ("somewhere.example/realtime?model=m", "m", "unknown"),
        (f"generativelanguage.googleapis.com/ws/{BIDI}?key=secret", None, "google_genai"),
    ],
)
def test_websockets_to_models(address: str, model: str | None, provider: str) -> None:
    host, _, path = address.partition("/")
    asked = what_a_socket_asks(b"/" + path.encode(), host)
    assert asked is not None
    assert (asked.model, asked.provider, asked.local) == (model, provider, provider == "local")
    assert ("unknown-provider" in asked.notices) == (provider == "unknown")


@pytest.mark.parametrize(
    "address",
    ["x.supabase.co/realtime/v1/websocket?model=m", "example.org/realtime", "api.openai.com/v1/realtime_x?model=m"],
)
def test_websockets_to_others(address: str) -> None:
    host, _, path = address.partition("/")
    assert what_a_socket_asks(b"/" + path.encode(), host) is None


@pytest.mark.parametrize(
    ("method", "operation", "provider"),
    [
        (GENERATE, "chat", "vertex_ai"),
        ("/google.cloud.aiplatform.v1beta1.PredictionService/StreamRawPredict", "inference", "vertex_ai"),
        ("/google.ai.generativelanguage.v1beta.GenerativeService/BatchEmbedContents", "embedding", "google_genai"),
        ("/inference.GRPCInferenceService/ModelInfer", "inference", "unknown"),
        ("/tensorflow.serving.PredictionService/Predict", "inference", "unknown"),
        ("/xai_api.Chat/GetCompletionChunk", "chat", "xai"),
    ],
)
def test_procedures_of_models(method: str, operation: str, provider: str) -> None:
    asked = what_grpc_asks(method, "somewhere.example", {"model": "m"})
    assert asked is not None
    assert (asked.operation, asked.provider, asked.model) == (operation, provider, "m")
    here = what_grpc_asks(method, "127.0.0.1", {"model": "m"})
    assert here is not None
    assert here.provider == "local"


@pytest.mark.parametrize(
    "method",
    [
        "/google.cloud.aiplatform.v1.JobService/CreateCustomJob",
        "/google.cloud.aiplatform.v1.PredictionService/CountTokens",
        "/inference.GRPCInferenceService/ServerLive",
        "/grpc.health.v1.Health/Check",
    ],
)
def test_other_procedures(method: str) -> None:
    assert what_grpc_asks(method, "somewhere.example", None) is None


def test_what_is_not_read_is_empty() -> None:
    unread = Unread("chat")
    unread.document({"usage": 1})
    unread.event({})
    unread.done()
    assert unread.passes(b"")
    assert unread.usage().input_tokens is None
