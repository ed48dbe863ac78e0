"""A bug of ours, wherever it is in the watching, changes nothing for the user: the call is lost, or its tokens are."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import httpx2
import pytest
import requests
import responses
import stacks  # type: ignore[import-not-found]  # pytest puts this folder on the path, mypy does not
import vcr

from pytest_aifootprint.detection import Recorder, Seams
from pytest_aifootprint.detection.http import aiohttp as aiohttp_seam
from pytest_aifootprint.detection.http import outer, reading, vcrpy
from pytest_aifootprint.detection.http.exchange import Exchange
from pytest_aifootprint.detection.http.outer import Outer
from pytest_aifootprint.detection.http.realness import Judge
from pytest_aifootprint.detection.http.sending import Sending
from pytest_aifootprint.detection.providers.body import Body

CHAT = "/v1/chat/completions"
STREAM = {"model": "m", "messages": [], "stream": True}
JSON = {"model": "m", "messages": []}


def httpx_way(library: Any) -> Callable[[str, dict[str, Any], int | None], Any]:
    def ask(url: str, body: dict[str, Any], until: int | None) -> Any:
        with library.Client() as client, client.stream("POST", url, json=body) as response:
            return b"".join(response.iter_bytes()), library.post(url, json=body).content, until

    return ask


def httpx_async_way(library: Any) -> Callable[[str, dict[str, Any], int | None], Any]:
    async def asks(url: str, body: dict[str, Any]) -> bytes:
        async with library.AsyncClient() as client, client.stream("POST", url, json=body) as response:
            return b"".join([piece async for piece in response.aiter_bytes()])

    return lambda url, body, _: asyncio.run(asks(url, body))


ASK: dict[str, Callable[[str, dict[str, Any], int | None], Any]] = {
    **{name: way.ask for name, way in stacks.ONE_OF_EACH.items()},
    "httpx": httpx_way(httpx),
    "httpx2": httpx_way(httpx2),
    "httpx async": httpx_async_way(httpx),
    "httpx2 async": httpx_async_way(httpx2),
}


def classes(base: type[Outer]) -> Iterator[type[Outer]]:
    yield base
    derived: type[Outer]
    for derived in base.__subclasses__():
        yield from classes(derived)


def hooks_of_every_outer(name: str) -> list[tuple[Any, str]]:
    return [(kind, name) for kind in classes(Outer) if name in vars(kind)]


HOOKS: dict[str, Callable[[], list[tuple[Any, str]]]] = {
    "what is asked": lambda: [(outer, "what_is_asked")],
    "sending": lambda: [(Sending, "__init__")],
    "leaving": lambda: [(Sending, "left")],
    **{
        name: (lambda name=name: hooks_of_every_outer(name))  # type: ignore[misc]
        for name in ("request", "take", "who", "came_from", "refused", "head")
    },
    "judging an answer": lambda: [(Judge, "response")],
    "judging an error": lambda: [(Judge, "error")],
    **{
        f"exchange {name}": (lambda name=name: [(Exchange, name)])  # type: ignore[misc]
        for name in ("__init__", "answered", "encoded", "wait", "feed", "finish")
    },
    "body": lambda: [(Body, "feed")],
    "body's end": lambda: [(Body, "end")],
    "hearing": lambda: [(reading.Listener, "hear")],
    "hearing the end": lambda: [(reading.Listener, "end")],
    "aiohttp's streams": lambda: [(aiohttp_seam.Streams, "add")],
    "aiohttp's closing": lambda: [(aiohttp_seam.Streams, "of")],
    "vcr's bodies": lambda: [(vcrpy, "_body")],
}


def everything(local: str, unused_port: int, cassette: str) -> dict[str, Any]:
    """What users of every client see: of answers, of a connection refused, of a cassette, of mocks."""
    seen: dict[str, Any] = {}
    for name, ask in ASK.items():
        body = JSON if name == "aiohttp.json" else STREAM
        seen[name] = ask(f"{local}{CHAT}?gzip=1", body, None)
        seen[f"{name}, plain"] = ask(local + CHAT, body, None)
        try:
            seen[f"{name}, refused"] = ask(f"http://127.0.0.1:{unused_port}{CHAT}", body, None)
        except Exception as error:  # noqa: BLE001 - whichever it is, it has to be the same
            seen[f"{name}, refused"] = type(error), type(error.__cause__), type(error.__context__)
        seen[f"{name}, left early"] = ask(local + CHAT, body, 1)
        for _ in range(2):
            with vcr.use_cassette(f"{cassette}-{name}.yaml"):
                seen[f"{name}, taped"] = ask(local + CHAT, body, None)
    with responses.RequestsMock() as mocked:
        mocked.post("https://llm.example" + CHAT, json={"model": "m"})
        seen["responses"] = requests.post("https://llm.example" + CHAT, json=JSON, timeout=9).json()
    with httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(200, json={"model": "m"}))) as client:
        seen["MockTransport"] = client.post("https://llm.example" + CHAT, json=JSON).json()
    return seen


@pytest.fixture(scope="module")
def without(local: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return everything(local, 1, str(tmp_path_factory.mktemp("without") / "tape"))


@pytest.mark.parametrize("hook", HOOKS)
def test_an_error_in_any_hook_does_not_reach_the_user(
    hook: str, without: dict[str, Any], local: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    recorder = Recorder()
    seams = Seams.arm(recorder)
    hits = 0

    def bug(*_: Any, **__: Any) -> Any:
        nonlocal hits
        hits += 1
        raise ZeroDivisionError("a bug of ours")

    for owner, name in HOOKS[hook]():
        monkeypatch.setattr(owner, name, bug)
    try:
        assert everything(local, 1, str(tmp_path / "tape")) == without
    finally:
        seams.disarm()
        monkeypatch.undo()
    assert hits
    assert any("a bug of ours" in error for error in recorder.errors)
