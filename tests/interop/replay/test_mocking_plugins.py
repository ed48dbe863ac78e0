"""What answers in place of a provider, in every row of the table: each with the plugin that people use for it."""

from __future__ import annotations

import json
from typing import Any

import pytest

PACKAGES = ("pytest-httpx", "pytest-httpserver", "boto3")
SUITE = """
import json, unittest.mock
import pytest
from asking import CLIENTS, REMOTE, body

ANSWER = json.loads(ANSWER_IN_JSON)
LOCAL = "/v1/chat/completions"


@pytest.mark.parametrize("client", ["httpx", "httpx_async"])
def test_pytest_httpx(client, httpx_mock):
    httpx_mock.add_response(url=REMOTE, json=ANSWER)
    assert json.loads(CLIENTS[client](REMOTE, stream=False)) == ANSWER


def test_pytest_httpx_letting_pass(httpx_mock):
    httpx_mock._options.should_mock = lambda request: False
    assert b"The " in CLIENTS["httpx"](REMOTE, stream=False)


@pytest.mark.parametrize("client", ["httpx", "httpx_async"])
def test_respx(client, respx_mock):
    respx_mock.post(REMOTE).respond(json=ANSWER)
    assert json.loads(CLIENTS[client](REMOTE, stream=False)) == ANSWER


def test_respx_does_not_see_httpx2(respx_mock):
    assert b"The " in CLIENTS["httpx2"](REMOTE, stream=False)


def test_responses():
    import responses
    with responses.RequestsMock() as mocked:
        mocked.post(REMOTE, json=ANSWER)
        assert json.loads(CLIENTS["requests"](REMOTE, stream=False)) == ANSWER


def test_responses_letting_pass():
    import responses
    with responses.RequestsMock() as mocked:
        mocked.add_passthru("http://api.openai.com")
        assert b"The " in CLIENTS["requests"](REMOTE, stream=False)


def test_requests_mock(requests_mock):
    requests_mock.post(REMOTE, json=ANSWER)
    assert json.loads(CLIENTS["requests"](REMOTE, stream=False)) == ANSWER


@pytest.mark.parametrize("library", ["httpx", "httpx2"])
def test_mock_transport(library):
    library = __import__(library)
    transport = library.MockTransport(lambda request: library.Response(200, json=ANSWER))
    with library.Client(transport=transport) as client:
        assert client.post(REMOTE, json=body(stream=False)).json() == ANSWER


@pytest.mark.parametrize("library", ["httpx", "httpx2"])
def test_asgi_transport(library):
    import asyncio
    library = __import__(library)

    async def application(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
        await send({"type": "http.response.body", "body": json.dumps(ANSWER).encode()})

    async def ask():
        async with library.AsyncClient(transport=library.ASGITransport(application)) as client:
            return await client.post(REMOTE, json=body(stream=False))

    assert asyncio.run(ask()).json() == ANSWER


@pytest.mark.parametrize("client", CLIENTS)
def test_pytest_httpserver(client, httpserver):
    httpserver.expect_request(LOCAL, method="POST").respond_with_json(ANSWER)
    assert json.loads(CLIENTS[client](httpserver.url_for(LOCAL), stream=False)) == ANSWER


@pytest.mark.parametrize("client", CLIENTS)
def test_another_server_of_this_machine(client):
    import os
    assert b"The " in CLIENTS[client](f"http://127.0.0.1:{os.environ['AI_PORT']}{LOCAL}", stream=False)


@pytest.mark.parametrize("client", CLIENTS)
def test_provider(client):
    assert b"The " in CLIENTS[client](REMOTE, stream=False)


def test_mocked_sdk():
    import openai
    client = openai.OpenAI(api_key="x")
    with unittest.mock.patch.object(client.chat.completions, "create"):
        client.chat.completions.create(model="gpt-4o-mini", messages=[])


def test_botocore_stubber():
    import boto3
    from botocore.stub import Stubber
    keys = dict(aws_access_key_id="x", aws_secret_access_key="x")
    client = boto3.client("bedrock-runtime", region_name="us-east-1", **keys)
    usage = {"inputTokens": 1, "outputTokens": 2, "totalTokens": 3}
    said = {"message": {"role": "assistant", "content": [{"text": "Hi"}]}}
    answer = {"output": said, "stopReason": "end_turn", "usage": usage, "metrics": {"latencyMs": 1}}
    asked = {"modelId": "m", "messages": [{"role": "user", "content": [{"text": "x"}]}]}
    with Stubber(client) as stubber:
        stubber.add_response("converse", answer, asked)
        assert client.converse(**asked)["usage"] == usage
"""
CLIENTS = ("httpx", "httpx2", "httpx_async", "requests", "urllib3", "urllib", "aiohttp")
ANSWER = {
    "id": "c1",
    "object": "chat.completion",
    "created": 1,
    "model": "gpt-4o-mini",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hi"}}],
    "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18},
}
LIVE, LOCAL, OWN = ("live", None, "remote"), ("live", None, "local"), ("mocked", "own server", "local")
EXPECTED = {
    **{f"test_pytest_httpx[{client}]": ("mocked", "pytest_httpx", "remote") for client in ("httpx", "httpx_async")},
    "test_pytest_httpx_letting_pass": LIVE,
    **{f"test_respx[{client}]": ("mocked", "respx", "remote") for client in ("httpx", "httpx_async")},
    "test_respx_does_not_see_httpx2": LIVE,
    "test_responses": ("mocked", "responses", "remote"),
    "test_responses_letting_pass": LIVE,
    "test_requests_mock": ("mocked", "requests_mock", "remote"),
    **{f"test_mock_transport[{library}]": ("mocked", "MockTransport", "remote") for library in ("httpx", "httpx2")},
    **{f"test_asgi_transport[{library}]": ("mocked", "ASGITransport", "remote") for library in ("httpx", "httpx2")},
    **{f"test_pytest_httpserver[{client}]": OWN for client in CLIENTS},
    **{f"test_another_server_of_this_machine[{client}]": LOCAL for client in CLIENTS},
    **{f"test_provider[{client}]": LIVE for client in CLIENTS},
}
NO_HTTP = ("test_mocked_sdk", "test_botocore_stubber")


@pytest.mark.parametrize("order", [(), ("-p", "early"), ("-n2",)], ids=["after", "before", "n2"])
def test_realness_in_every_row(order: tuple[str, ...], inner: Any) -> None:
    ran = inner(SUITE.replace("ANSWER_IN_JSON", repr(json.dumps(ANSWER))), *order, packages=PACKAGES)
    assert f"{len(EXPECTED) + len(NO_HTTP)} passed" in ran.output
    assert sorted(ran.rows) == sorted([*EXPECTED, *NO_HTTP])
    found = {
        name: (ran.only(name)["realness"], ran.only(name)["replayer"], ran.only(name)["locality"]) for name in EXPECTED
    }
    assert found == EXPECTED
    for name, expected in EXPECTED.items():
        call = ran.only(name)
        assert (call["model"], call["input_tokens"], call["output_tokens"]) == ("gpt-4o-mini", 11, 7)
        # Nothing was used where nothing ran, and nothing avoided: a mock stands for no call that was ever made.
        emitted = call["carbon_g"]["use"] is not None and call["carbon_g"]["use"]["central"] > 0
        assert emitted == (expected == LIVE), name
        if expected[0] == "mocked":
            assert (call["carbon_g"]["total"]["high"], call["avoided_carbon_g"]["high"]) == (0, 0)
    assert [ran.calls(name) for name in NO_HTTP] == [[], []]
