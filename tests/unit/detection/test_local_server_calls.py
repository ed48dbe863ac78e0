"""Calls to a server on this machine: what of its CPU clock comes with the call, and when it is read."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from runpy import run_path
from typing import Any

import httpx
import httpx2
import openai
import pytest
import respx

from pytest_aifootprint.attribution.servers import LocalServers
from pytest_aifootprint.detection import AICall
from pytest_aifootprint.detection.servers import OURS, UNSEEN, ServerSample

LIBRARIES = pytest.mark.parametrize("library", [httpx, httpx2], ids=["httpx", "httpx2"])
SCRIPT = Path(__file__).parents[1] / "attribution" / "burning_server.py"
BODY = {"model": "gemma-3-270m", "messages": []}


class Told:
    """A watch that is told what to say, and counts who asked."""

    def __init__(self, *says: ServerSample | str) -> None:
        self.says = list(says)
        self.asked: list[tuple[str, int]] = []

    def __call__(self, host: str, port: int) -> ServerSample | str:
        self.asked.append((host, port))
        return self.says.pop(0)


BEGIN, END = ServerSample(40, 7, 100, 1000), ServerSample(40, 7, 300, 5000)


@pytest.fixture
def told(watched: Any) -> Told:
    watch = watched.recorder.servers = Told(BEGIN, END)
    return watch


@pytest.fixture
def service(watched: Any) -> Iterator[Any]:
    watched.recorder.servers = LocalServers()
    with run_path(str(SCRIPT))["service"]() as service:
        yield service


@pytest.mark.skipif(sys.platform != "linux", reason="exact CPU clocks of other processes")
@LIBRARIES
def test_the_cpu_of_a_service_comes_with_the_call(library: Any, watched: Any, service: Any) -> None:
    answer = library.post(f"{service.url}/chat/completions", json={**BODY, "user": "0.2"}, timeout=60)
    call = watched.only()
    pid, _, t0, t1, c0, c1 = call.server
    said = int(answer.headers["x-cpu-ns"])
    assert pid == service.pid
    assert call.started_ns <= t0 < t1
    assert abs(c1 - c0 - said) < 0.03 * said + 2_000_000
    assert call.notices == ()


@pytest.mark.skipif(sys.platform != "linux", reason="exact CPU clocks of other processes")
def test_the_cpu_of_a_service_behind_a_socket_file_comes_with_the_call(watched: Any, tmp_path: Path) -> None:
    watched.recorder.servers = LocalServers()
    path = str(tmp_path / "s")
    with (
        run_path(str(SCRIPT))["service"]("--path", path) as service,
        httpx.Client(transport=httpx.HTTPTransport(uds=path)) as client,
    ):
        client.post("http://localhost/v1/chat/completions", json={**BODY, "user": "0.1"}, timeout=60)
    pid, *_, c0, c1 = watched.only().server
    assert pid == service.pid
    assert c1 - c0 >= 100_000_000


@LIBRARIES
def test_the_clock_is_read_when_the_request_leaves_and_when_the_answer_is_there(
    library: Any, watched: Any, told: Told, local: str, local_port: int
) -> None:
    library.post(f"{local}/v1/chat/completions", json=BODY)
    assert watched.only().server == (40, 7, 100, 300, 1000, 5000)
    assert told.asked == [("127.0.0.1", local_port)] * 2


@LIBRARIES
@pytest.mark.asyncio
async def test_the_same_of_an_asynchronous_call(library: Any, watched: Any, told: Told, local: str) -> None:
    async with library.AsyncClient() as client:
        await client.post(f"{local}/v1/chat/completions", json=BODY)
    assert watched.only().server == (40, 7, 100, 300, 1000, 5000)
    assert len(told.asked) == 2


def test_of_a_streamed_answer_the_clock_is_read_at_its_end(watched: Any, told: Told, local: str) -> None:
    with openai.OpenAI(base_url=f"{local}/v1", api_key="x") as client:
        stream = client.chat.completions.create(model="m", messages=[], stream=True)
        next(stream)
        assert len(told.asked) == 1
        for _ in stream:
            pass
    assert watched.only().server == (40, 7, 100, 300, 1000, 5000)


def test_the_server_times_survive_the_wire(watched: Any, told: Told, local: str) -> None:
    httpx.post(f"{local}/v1/chat/completions", json=BODY)
    call = watched.only()
    assert AICall.from_wire(json.loads(json.dumps(call.to_wire()))) == call
    assert "server" not in AICall("chat", "httpx", "local", "live", 0, 0).to_wire()


@pytest.mark.parametrize(
    ("says", "notices"),
    [
        ((UNSEEN,), (UNSEEN,)),
        ((OURS,), ()),
        ((BEGIN, UNSEEN), (UNSEEN,)),
        ((BEGIN, ServerSample(41, 7, 300, 5000)), (UNSEEN,)),
        ((BEGIN, ServerSample(40, 8, 300, 5000)), (UNSEEN,)),
    ],
)
def test_without_two_readings_of_one_server_there_are_no_times(
    watched: Any, local: str, says: tuple[ServerSample | str, ...], notices: tuple[str, ...]
) -> None:
    watched.recorder.servers = Told(*says)
    httpx.post(f"{local}/v1/chat/completions", json=BODY)
    assert watched.only().server is None
    assert watched.only().notices == notices


def test_a_refused_connection_is_no_unseen_server(watched: Any, unused_port: Callable[[], int]) -> None:
    watched.recorder.servers = Told(UNSEEN)
    with pytest.raises(httpx.ConnectError):
        httpx.post(f"http://127.0.0.1:{unused_port()}/v1/chat/completions", json=BODY)
    assert (watched.only().status, watched.only().notices) == ("error", ())


def test_a_server_that_refuses_the_request_did_nothing_that_would_have_to_be_seen(watched: Any, local: str) -> None:
    watched.recorder.servers = Told(UNSEEN, UNSEEN)
    # It refuses every other one.
    statuses = [httpx.post(f"{local}/v1/chat/completions", json={"model": "limited"}).status_code for _ in range(2)]
    assert statuses == [429, 200]
    assert [call.notices for call in watched.calls] == [(), (UNSEEN,)]


def test_a_call_that_is_mocked_reads_no_clock(watched: Any, told: Told) -> None:
    url = "http://localhost:11434/v1/chat/completions"
    with respx.mock:
        respx.post(url).respond(200, json={})
        httpx.post(url, json=BODY)
    assert (watched.only().realness, watched.only().server) == ("mocked", None)
    assert told.asked == []


def test_the_tests_own_fake_has_no_server_times(watched: Any, own_server: str) -> None:
    watched.recorder.servers = LocalServers()
    httpx.post(f"{own_server}/v1/chat/completions", json=BODY)
    call = watched.only()
    assert (call.realness, call.replayer, call.server, call.notices) == ("mocked", "own server", None, ())


@pytest.mark.parametrize("says", [OURS, UNSEEN, BEGIN])
def test_who_is_not_this_process_is_no_fake(watched: Any, local: str, says: ServerSample | str) -> None:
    watched.recorder.servers = Told(says, says)
    httpx.post(f"{local}/v1/chat/completions", json=BODY)
    assert watched.only().realness == "live"


def test_where_nobody_can_tell_the_own_ports_are_asked(watched: Any, own_server: str) -> None:
    watched.recorder.servers = Told(UNSEEN)
    httpx.post(f"{own_server}/v1/chat/completions", json=BODY)
    assert (watched.only().realness, watched.only().notices) == ("mocked", ())


def test_a_remote_call_reads_no_clock(watched: Any, told: Told, local_port: int) -> None:
    with httpx.Client(mounts={"http://": httpx.HTTPTransport(proxy=f"http://127.0.0.1:{local_port}")}) as client:
        client.post("http://api.openai.com/v1/chat/completions", json=BODY)
    call = watched.only()
    assert (call.locality, call.realness, call.status, call.server, call.notices) == ("remote", "live", 200, None, ())
    assert told.asked == []


def test_a_transport_that_speaks_itself_is_watched_from_the_beginning(watched: Any, told: Told) -> None:
    class AiohttpTransport(httpx.BaseTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            assert len(told.asked) == 1
            return httpx.Response(200, json={})

    AiohttpTransport.__module__ = "httpx_aiohttp.transport"
    with httpx.Client(transport=AiohttpTransport()) as client:
        client.post("http://127.0.0.1:1/v1/chat/completions", json=BODY)
    assert (watched.only().realness, watched.only().server) == ("live", (40, 7, 100, 300, 1000, 5000))


def test_a_watch_that_fails_changes_nothing_for_the_caller(watched: Any, local: str) -> None:
    def broken(_host: str, _port: int) -> ServerSample:
        raise ValueError("no such thing")

    watched.recorder.servers = broken
    assert httpx.post(f"{local}/v1/chat/completions", json=BODY).status_code == 200
    assert watched.recorder.errors == ["server: ValueError: no such thing"]
    watched.recorder.errors.clear()
    assert watched.only().notices == (UNSEEN,)


@pytest.mark.parametrize("stream", [False, True])
def test_what_looking_at_the_server_takes_is_ours(watched: Any, local: str, *, stream: bool) -> None:
    def slow(_host: str, _port: int) -> ServerSample:
        until = time.thread_time_ns() + 50_000_000
        while time.thread_time_ns() < until:
            pass
        return BEGIN

    watched.recorder.servers = slow
    with httpx.stream("POST", f"{local}/v1/chat/completions", json={**BODY, "stream": stream}) as answer:
        answer.read()
    # Twice, each accounted once.
    assert 100_000_000 <= watched.recorder.own_ns < 150_000_000
