"""Live, replayed or mocked, with the libraries that replay and mock."""

from __future__ import annotations

import contextvars
import socket
import socketserver
import sys
import threading
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import httpcore
import httpx
import httpx2
import openai
import pytest
import respx
import vcr

from pytest_aifootprint.detection.http.ports import OwnPorts, _bound_here_psutil

LIBRARIES = pytest.mark.parametrize("library", [httpx, httpx2], ids=["httpx", "httpx2"])
REMOTE = "https://api.openai.com/v1/chat/completions"
BODY = {"model": "gpt-5-mini", "messages": []}


@pytest.fixture
def answer(fake: Any) -> dict[str, Any]:
    whole: dict[str, Any] = fake["chat"](BODY)
    return whole


def is_mocked(call: Any, by: str | None) -> None:
    assert (call.realness, call.replayer) == ("mocked", by)
    assert (call.locality, call.provider, call.host) == ("remote", "openai", "api.openai.com")
    assert (call.input_tokens, call.output_tokens) == (11, 7)


@LIBRARIES
@pytest.mark.parametrize("stream", [True, False])
def test_a_mock_transport(library: Any, stream: bool, watched: Any, answer: Any) -> None:  # noqa: FBT001
    transport = library.MockTransport(lambda _: library.Response(200, json=answer))
    with library.Client(transport=transport) as client:
        request = client.build_request("POST", REMOTE, json=BODY)
        response = client.send(request, stream=stream)
        assert response.read() == response.content
        response.close()
    is_mocked(watched.only(), "MockTransport")


@LIBRARIES
def test_a_mock_that_raises_as_the_network_would_is_not_live(library: Any, watched: Any) -> None:
    def refuse(request: Any) -> Any:
        raise library.ConnectError("mocked", request=request)

    with library.Client(transport=library.MockTransport(refuse)) as client, pytest.raises(library.ConnectError):
        client.post(REMOTE, json=BODY)
    assert (watched.only().realness, watched.only().status) == ("mocked", "error")


@LIBRARIES
@pytest.mark.asyncio
async def test_an_application_in_this_process(library: Any, watched: Any, answer: Any, local: str) -> None:
    async def application(_scope: Any, _receive: Any, send: Any) -> None:
        async with library.AsyncClient() as other:  # goes over the wire: must not make the outer call live
            await other.post(f"{local}/v1/embeddings", json={"model": "e", "input": "x"})
            await other.post(f"{local}/elsewhere?redirect=1", json={})
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
        await send({"type": "http.response.body", "body": httpx.Response(200, json=answer).content})

    async with library.AsyncClient(transport=library.ASGITransport(application)) as client:
        await client.post(REMOTE, json=BODY)
    inner, outer = watched.calls
    assert (inner.operation, inner.realness) == ("embedding", "live")
    is_mocked(outer, "ASGITransport")


@LIBRARIES
def test_a_synchronous_application_in_this_process(library: Any, watched: Any, answer: Any, local: str) -> None:
    def application(_environ: Any, start_response: Any) -> list[bytes]:
        library.post(f"{local}/v1/embeddings", json={"model": "e", "input": "x"})
        library.post(f"{local}/elsewhere?redirect=1", json={})
        start_response("200 OK", [("content-type", "application/json")])
        return [httpx.Response(200, json=answer).content]

    with library.Client(transport=library.WSGITransport(application)) as client:
        client.post(REMOTE, json=BODY)
    inner, outer = watched.calls
    assert (inner.operation, inner.realness) == ("embedding", "live")
    is_mocked(outer, "WSGITransport")


@LIBRARIES
def test_a_request_that_left_is_live_whatever_came_of_it(library: Any, watched: Any, local: str) -> None:
    def hook(_response: Any) -> None:
        raise KeyError("mine")

    with library.Client(event_hooks={"response": [hook]}) as client, pytest.raises(KeyError, match="mine"):
        client.post(f"{local}/v1/chat/completions", json=BODY)
    assert (watched.only().realness, watched.only().status) == ("live", "error")


@LIBRARIES
@pytest.mark.asyncio
async def test_the_same_asynchronously(library: Any, watched: Any, local: str) -> None:
    async def hook(_response: Any) -> None:
        raise KeyError("mine")

    async with library.AsyncClient(event_hooks={"response": [hook]}) as client:
        with pytest.raises(KeyError, match="mine"):
            await client.post(f"{local}/v1/chat/completions", json=BODY)
    assert (watched.only().realness, watched.only().status) == ("live", "error")


def test_ports_of_this_process() -> None:
    ports = OwnPorts()
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        port = server.getsockname()[1]
        assert not ports.bound_here(port, 1)
        server.listen()
        assert ports.bound_here(port, 2)
        assert ports.bound_here(port, 2)
    assert not ports.bound_here(port, 3)
    assert not ports.bound_here(port, 3)


def test_ports_of_this_process_where_there_is_no_proc() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        assert _bound_here_psutil(server.getsockname()[1])
    assert not _bound_here_psutil(1)


def test_respx(watched: Any, answer: Any) -> None:
    with respx.mock:  # answers in place of httpcore's connections, over our wire seam
        respx.post(REMOTE).respond(json=answer)
        httpx.post(REMOTE, json=BODY)
    is_mocked(watched.only(), "respx")


def test_respx_as_a_transport(watched: Any, answer: Any) -> None:
    with respx.mock(using="httpx") as router:
        router.post(REMOTE).respond(json=answer)
        httpx.post(REMOTE, json=BODY)
    is_mocked(watched.only(), "respx")


def test_respx_as_a_handler(watched: Any, answer: Any) -> None:
    router = respx.Router()
    router.post(REMOTE).respond(json=answer)
    with httpx.Client(transport=httpx.MockTransport(router.handler)) as client:
        client.post(REMOTE, json=BODY)
    is_mocked(watched.only(), "respx")


def test_respx_letting_a_request_pass_is_live(watched: Any, local: str) -> None:
    with respx.mock:
        respx.post(f"{local}/v1/chat/completions").pass_through()
        httpx.post(f"{local}/v1/chat/completions", json=BODY)
    assert watched.only().realness == "live"


@LIBRARIES
def test_somebody_patches_the_transport_as_pytest_httpx_does(
    library: Any, watched: Any, answer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def handle_request(_transport: Any, _request: Any) -> Any:
        return library.Response(200, json=answer)

    handle_request.__module__ = "pytest_httpx._httpx_internals"
    monkeypatch.setattr(library.HTTPTransport, "handle_request", handle_request)
    library.post(REMOTE, json=BODY)
    is_mocked(watched.only(), "pytest_httpx")


@LIBRARIES
def test_an_unknown_transport_is_mocked_with_a_notice(library: Any, watched: Any, answer: Any) -> None:
    class Homemade(library.BaseTransport):  # type: ignore[misc]
        def handle_request(self, _request: Any) -> Any:
            return library.Response(200, json=answer)

    Homemade.__module__ = "somewhere.transports"
    with library.Client(transport=Homemade()) as client:
        client.post(REMOTE, json=BODY)
    is_mocked(watched.only(), "somewhere")
    assert watched.only().notices == ("unknown-transport",)


@LIBRARIES
def test_a_transport_that_has_a_network_of_its_own_is_live(library: Any, watched: Any, answer: Any) -> None:
    class AiohttpTransport(library.BaseTransport):  # type: ignore[misc]
        def handle_request(self, _request: Any) -> Any:
            return library.Response(200, json=answer)

    AiohttpTransport.__module__ = "httpx_aiohttp.transport"
    with library.Client(transport=AiohttpTransport()) as client:
        client.post(REMOTE, json=BODY)
    assert watched.only().realness == "live"


@LIBRARIES
def test_recording_is_live_and_replaying_is_not(library: Any, watched: Any, local: str, tmp_path: Path) -> None:
    cassette = str(tmp_path / "chat.yaml")
    for _ in range(2):
        with vcr.use_cassette(cassette):
            library.post(f"{local}/v1/chat/completions", json=BODY)
    recorded, replayed = watched.calls
    assert (recorded.realness, recorded.replayer) == ("live", None)
    assert (replayed.realness, replayed.replayer) == ("replayed", "vcrpy")
    assert (replayed.input_tokens, replayed.output_tokens) == (11, 7)


@pytest.mark.asyncio
async def test_streams_are_replayed_too(watched: Any, local: str, tmp_path: Path) -> None:
    messages: Any = [{"role": "user", "content": "x"}]
    for _ in range(2):
        with vcr.use_cassette(str(tmp_path / "stream.yaml")):
            async with openai.AsyncOpenAI(base_url=f"{local}/v1", api_key="x") as client:
                async for _chunk in await client.chat.completions.create(
                    model="gpt-5-mini", messages=messages, stream=True, stream_options={"include_usage": True}
                ):
                    pass
    recorded, replayed = watched.calls
    assert (recorded.realness, replayed.realness) == ("live", "replayed")
    assert replayed.streamed
    assert (replayed.input_tokens, replayed.abandoned) == (11, False)


@LIBRARIES
def test_a_replay_of_a_remote_host_is_remote(library: Any, watched: Any, local: str, tmp_path: Path) -> None:
    cassette = tmp_path / "remote.yaml"
    with vcr.use_cassette(str(cassette)):
        library.post(f"{local}/v1/chat/completions", json=BODY)
    cassette.write_text(cassette.read_text().replace(f"{local}/v1", "https://api.openai.com/v1"))
    with vcr.use_cassette(str(cassette), record_mode="none"):
        library.post(REMOTE, json=BODY)
    call = watched.calls[1]
    assert (call.realness, call.locality, call.provider) == ("replayed", "remote", "openai")


@LIBRARIES
def test_a_request_that_the_cassette_lacks_is_not_live(library: Any, watched: Any, tmp_path: Path) -> None:
    with (
        vcr.use_cassette(str(tmp_path / "none.yaml"), record_mode="none"),
        pytest.raises(vcr.errors.CannotOverwriteExistingCassetteException),
    ):
        library.post(REMOTE, json=BODY)
    assert (watched.only().realness, watched.only().status) == ("replayed", "error")


@LIBRARIES
def test_a_server_in_this_process_is_a_mock(library: Any, watched: Any, own_server: str, local: str) -> None:
    for address in (own_server, local, own_server):
        library.post(f"{address}/v1/chat/completions", json=BODY)
    assert [(call.realness, call.replayer) for call in watched.calls] == [
        ("mocked", "own server"),
        ("live", None),
        ("mocked", "own server"),
    ]


def test_a_port_that_was_ours_may_be_anothers_later(watched: Any, fake: Any, make_owner: Any) -> None:
    server = fake["start"]()
    port = server.server_address[1]
    with httpx.Client() as client:
        client.post(f"http://127.0.0.1:{port}/v1/chat/completions", json=BODY)
    server.shutdown()
    server.server_close()
    with pytest.raises(httpx.ConnectError):
        httpx.post(f"http://127.0.0.1:{port}/v1/chat/completions", json=BODY)
    assert [call.realness for call in watched.calls] == ["mocked", "live"]


@LIBRARIES
@pytest.mark.skipif(sys.platform == "win32", reason="there are no unix sockets for Python there")
def test_a_unix_socket_is_local(library: Any, watched: Any, fake: Any, tmp_path: Path) -> None:
    class Handler(fake["Handler"]):  # type: ignore[misc]
        disable_nagle_algorithm = False

    path = str(tmp_path / "s")
    with socketserver.UnixStreamServer(path, Handler) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        with library.Client(transport=library.HTTPTransport(uds=path)) as client:
            client.post("http://llm.example/v1/chat/completions", json=BODY)
        thread.join()
    call = watched.only()
    assert (call.locality, call.provider, call.realness, call.notices) == ("local", "local", "live", ())


def test_a_request_dropped_half_way_is_dropped_quietly(watched: Any, local: str) -> None:
    client = httpx.AsyncClient(transport=httpx.MockTransport(forever))
    request = client.build_request("POST", REMOTE, json=BODY)
    coroutine = client.send(request)
    contextvars.copy_context().run(coroutine.send, None)
    coroutine.close()
    assert (watched.only().status, watched.only().realness) == ("error", "mocked")


async def forever(_request: httpx.Request) -> httpx.Response:
    await Never()
    raise AssertionError


class Never:
    def __await__(self) -> Generator[None, None, None]:
        yield


@LIBRARIES
def test_what_was_never_sent_is_not_live(library: Any, watched: Any) -> None:
    client = library.Client()
    client.close()
    with pytest.raises(RuntimeError):
        client.post(REMOTE, json=BODY)
    call = watched.only()
    assert (call.realness, call.status, call.notices) == ("mocked", "error", ("never-sent",))


def test_a_request_lost_on_the_wire_is_live(watched: Any, unused_port: Callable[[], int]) -> None:
    with pytest.raises(httpx.ConnectError) as raised:
        httpx.post(f"http://127.0.0.1:{unused_port()}/v1/chat/completions", json=BODY)
    assert isinstance(raised.value.__cause__, httpcore.ConnectError)
    assert (watched.only().realness, watched.only().status) == ("live", "error")


@pytest.mark.parametrize(
    "url", ["https://example.org/v1/chat", "https://example.org/messages", "https://example.org/v1/completion"]
)
@LIBRARIES
def test_other_requests_are_none_of_our_business(library: Any, watched: Any, url: str) -> None:
    transport = library.MockTransport(lambda _: library.Response(200, json={"usage": {"prompt_tokens": 1}}))
    with library.Client(transport=transport) as client:
        client.post(url, json=BODY)
        client.get(REMOTE)
    assert watched.calls == []
