"""OpenTelemetry's instrumentations beside ours: one record and one set of spans per call, whoever wraps first."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

PACKAGES = (
    "opentelemetry-sdk",
    "opentelemetry-instrumentation-httpx",
    "opentelemetry-instrumentation-requests",
    "opentelemetry-instrumentation-genai-openai",
)
SUITE = """
import asyncio
import openai
import pytest
from asking import CLIENTS, REMOTE

BASE = REMOTE.removesuffix("/chat/completions")
ASK = dict(model="gpt-4o-mini", messages=[{"role": "user", "content": "x"}])


@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
@pytest.mark.parametrize("client", ["httpx", "httpx2", "httpx_async", "requests"])
def test_chat(client, stream):
    assert b"The " in CLIENTS[client](REMOTE, stream=stream)


@pytest.mark.parametrize("client", ["httpx", "httpx2", "requests"])
def test_refused(client):
    CLIENTS[client](REMOTE.replace("/v1/", "/v2/"), stream=False)


@pytest.mark.parametrize("client", ["httpx", "httpx2", "requests"])
def test_unreachable(client):
    with pytest.raises(Exception, match="refused"):
        CLIENTS[client](REMOTE.replace(".com/", ".com:1/"), stream=False)


def test_sdk():
    with openai.OpenAI(api_key="x", base_url=BASE) as client:
        assert client.chat.completions.create(**ASK).usage.total_tokens == 18


def test_sdk_async():
    async def ask():
        async with openai.AsyncOpenAI(api_key="x", base_url=BASE) as client:
            return await client.chat.completions.create(**ASK)

    assert asyncio.run(ask()).usage.total_tokens == 18


def test_sdk_stream():
    with openai.OpenAI(api_key="x", base_url=BASE) as client:
        assert len(list(client.chat.completions.create(**ASK, stream=True, stream_options={"include_usage": True}))) > 7


def test_sdk_embeddings():
    with openai.OpenAI(api_key="x", base_url=BASE) as client:
        assert client.embeddings.create(model="text-embedding-3-small", input="x").usage.prompt_tokens == 6


def test_sdk_retry():
    with openai.OpenAI(api_key="x", base_url=BASE) as client:
        client.chat.completions.create(**{**ASK, "model": "limited"})


def test_sdk_mocked():
    import httpx2
    answer = {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [],
              "usage": {"prompt_tokens": 2, "completion_tokens": 3, "total_tokens": 5}}
    transport = httpx2.MockTransport(lambda request: httpx2.Response(200, json=answer))
    with openai.OpenAI(api_key="x", base_url=BASE, http_client=httpx2.Client(transport=transport)) as client:
        client.chat.completions.create(**ASK)
"""
CHATS = [f"test_chat[{c}-{how}]" for c in ("httpx", "httpx2", "httpx_async", "requests") for how in ("json", "stream")]
CLIENTS = ("httpx", "httpx2", "requests")
ONE: dict[str, list[tuple[Any, ...]]] = {
    # Status, realness, tokens in and out: a call.
    **{name: [(200, "live", 11, 7)] for name in CHATS},
    **{f"test_refused[{client}]": [(404, "live", None, None)] for client in CLIENTS},
    **{f"test_unreachable[{client}]": [("error", "live", None, None)] for client in CLIENTS},
    "test_sdk": [(200, "live", 11, 7)],
    "test_sdk_async": [(200, "live", 11, 7)],
    "test_sdk_stream": [(200, "live", 11, 7)],
    "test_sdk_embeddings": [(200, "live", 6, 0)],
    "test_sdk_retry": [(429, "live", None, None), (200, "live", 11, 7)],
    "test_sdk_mocked": [(200, "mocked", 2, 3)],
}


def spans_of(folder: Path) -> list[dict[str, Any]]:
    spans: list[dict[str, Any]] = json.loads((folder / "spans.json").read_text())
    return spans


@pytest.mark.parametrize("theirs", ["first", "last"])
def test_one_record_a_call_and_their_spans_unchanged(theirs: str, inner: Any, servers: Any) -> None:
    how: dict[str, Any] = {"packages": PACKAGES, "environment": {"THEIRS": theirs}}
    ran = inner(SUITE, "-p", "theirs", **how)
    assert f"{len(ONE)} passed" in ran.output
    watched = spans_of(inner.folder)
    # The server that refuses every second time starts again.
    port, inner.port = inner.port, servers.start()
    inner(SUITE, "-p", "theirs", metered=False, **how)
    assert watched == json.loads(json.dumps(spans_of(inner.folder)).replace(str(inner.port), str(port)))

    for name, expected in ONE.items():
        calls = ran.calls(name)
        found = [(c["status"], c["realness"], c["input_tokens"], c["output_tokens"]) for c in calls]
        assert found == expected, name
        spans = [span for span in watched if span["root"] == name]
        # A span of the client's for every record, but where its transport is no real one.
        http = [span for span in spans if span["kind"] == "CLIENT" and "http.method" in span["attributes"]]
        assert len(http) == (0 if name == "test_sdk_mocked" else len(calls)), name
        generated = [span for span in spans if "gen_ai.operation.name" in span["attributes"]]
        assert len(generated) == name.startswith("test_sdk"), name
        for span in generated:
            # Ours and theirs agree on the attempt that was answered.
            attributes = span["attributes"]
            assert attributes["gen_ai.request.model"] == calls[-1]["model"]
            assert attributes["gen_ai.usage.input_tokens"] == calls[-1]["input_tokens"]
            assert attributes.get("gen_ai.usage.output_tokens", 0) == calls[-1]["output_tokens"]


UNDOING = """
import json, subprocess, sys
import httpcore, httpcore2, httpx, httpx2, openai, requests
from openai.resources.chat.completions import Completions
from opentelemetry.instrumentation.genai.openai import OpenAIInstrumentor
from opentelemetry.instrumentation.httpx import HTTPX2ClientInstrumentor, HTTPXClientInstrumentor
from opentelemetry.instrumentation.requests import RequestsInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pytest_aifootprint.detection import Recorder, Seams
from asking import CLIENTS

server, *steps = sys.argv[1:]
process = subprocess.Popen([sys.executable, server], stdin=-1, stdout=-1, text=True)
base = f"http://127.0.0.1:{process.stdout.readline().strip()}/v1"
exporter = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
theirs = [HTTPXClientInstrumentor(), HTTPX2ClientInstrumentor(), RequestsInstrumentor(), OpenAIInstrumentor()]
recorder = Recorder()
seams = None
CLASSES = [
    httpx.Client, httpx.AsyncClient, httpx.HTTPTransport, httpx.AsyncHTTPTransport,
    httpx2.Client, httpx2.AsyncClient, httpx2.HTTPTransport, httpx2.AsyncHTTPTransport,
    httpcore.HTTPConnection, httpcore.HTTP11Connection, httpcore2.HTTPConnection, httpcore2.HTTP11Connection,
    requests.Session, requests.adapters.HTTPAdapter, Completions,
]
before = [dict(vars(one)) for one in CLASSES]


def ask(client):
    if client == "openai":
        with openai.OpenAI(api_key="x", base_url=base) as made:
            made.chat.completions.create(model="m", messages=[])
    else:
        CLIENTS[client](base + "/chat/completions", stream=False)
    seen = [call.client for call in recorder.unowned], len(exporter.get_finished_spans())
    recorder.unowned.clear()
    exporter.clear()
    return seen


told = []
for step in steps:
    if step == "arm":
        seams = Seams.arm(recorder)
    elif step == "instrument":
        for one in theirs:
            one.instrument(tracer_provider=provider)
    elif step == "disarm":
        seams.disarm()
    else:
        for one in theirs:
            one.uninstrument()
    told.append({client: ask(client) for client in ("httpx", "httpx2", "httpx_async", "requests", "openai")})
changed = [
    f"{one.__module__.partition('.')[0]}.{one.__name__}.{name}"
    for one, was in zip(CLASSES, before)
    for name in {**was, **vars(one)}
    if was.get(name) is not vars(one).get(name)
]
process.communicate()
assert recorder.errors == []
print(json.dumps([told, changed]))
"""
BOTH, OURS, THEIRS, NOBODY = (1, 1), (1, 0), (0, 1), (0, 0)
ORDERS = {
    "arm instrument uninstrument disarm": (OURS, BOTH, OURS, NOBODY),
    "arm instrument disarm uninstrument": (OURS, BOTH, THEIRS, NOBODY),
    "instrument arm disarm uninstrument": (THEIRS, BOTH, THEIRS, NOBODY),
    "instrument arm uninstrument disarm": (THEIRS, BOTH, OURS, NOBODY),
}


@pytest.mark.parametrize("order", ORDERS)
def test_either_can_be_undone_first(order: str, script: Any, fake_server: Path) -> None:
    told, changed = json.loads(script(UNDOING, str(fake_server), *order.split(), packages=PACKAGES))
    seen_as = {"httpx": "httpx", "httpx2": "httpx2", "httpx_async": "httpx", "openai": "httpx2"}
    for client, name in seen_as.items():
        # The SDK's instrumentation makes a span of its own, over that of its client.
        twice = 2 if client == "openai" else 1
        assert [step[client] for step in told] == [[[name] * ours, n * twice] for ours, n in ORDERS[order]], client
    expected = [[["requests"] * ours, n] for ours, n in ORDERS[order]]
    left = []
    if order == "arm instrument disarm uninstrument":
        left = ["requests.Session.send"]  # our wrapper, from under theirs: inert
    if order == "instrument arm uninstrument disarm":
        # Of what is on top, and has their mark, theirs takes off one layer, which is ours. Theirs is below, and stays.
        # What requests sends is then still seen where it goes through urllib3.
        expected[2:] = [[["urllib3"], 1], [[], 1]]
        left = ["requests.Session.send"]
    assert [step["requests"] for step in told] == expected
    assert changed == left
