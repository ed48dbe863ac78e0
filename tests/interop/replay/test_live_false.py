"""``live=False`` on tests whose calls go out after all, through each client and through a cassette."""

from __future__ import annotations

from typing import Any

import pytest

SUITE = """
import os
import pytest
from asking import CLIENTS, REMOTE

pytestmark = pytest.mark.aifootprint(live=False)
LOCAL = f"http://127.0.0.1:{os.environ['AI_PORT']}/v1/chat/completions"


@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
@pytest.mark.parametrize("client", CLIENTS)
def test_remote(client, stream):
    assert b"The " in CLIENTS[client](REMOTE, stream=stream)


@pytest.mark.parametrize("client", ["requests", "aiohttp"])
def test_local(client):
    assert b"The " in CLIENTS[client](LOCAL, stream=False)


@pytest.mark.parametrize("client", ["requests", "aiohttp"])
def test_twice(client):
    CLIENTS[client](REMOTE, stream=False)
    CLIENTS[client](REMOTE, stream=False)


@pytest.mark.parametrize("client", CLIENTS)
def test_cassette(client):
    import vcr
    with vcr.use_cassette(f"{client}.yaml"):
        assert b"The " in CLIENTS[client](REMOTE, stream=False)


@pytest.mark.parametrize("client", CLIENTS)
def test_own_server(client, httpserver):
    httpserver.expect_request("/v1/chat/completions").respond_with_json({"usage": {"prompt_tokens": 1}})
    CLIENTS[client](httpserver.url_for("/v1/chat/completions"), stream=False)


def test_mocked(requests_mock):
    requests_mock.post(REMOTE, json={"usage": {"prompt_tokens": 1}})
    CLIENTS["requests"](REMOTE, stream=False)


def test_own_failure():
    CLIENTS["requests"](REMOTE, stream=False)
    assert False, "the user's own"


@pytest.mark.aifootprint(live=True)
def test_allowed():
    assert b"The " in CLIENTS["requests"](REMOTE, stream=False)
"""
CLIENTS = ("httpx", "httpx2", "httpx_async", "requests", "urllib3", "urllib", "aiohttp")
PACKAGES = ("pytest-httpserver",)


def blamed(output: str) -> dict[str, list[str]]:
    """What pytest's summary at the end says of each test."""
    lines = [line.partition(" - ") for line in output.splitlines() if line.startswith("FAILED ")]
    found: dict[str, list[str]] = {}
    for where, _, why in lines:
        found.setdefault(where.rpartition("::")[2], []).append(why)
    return found


def line(number: str, host: str) -> list[str]:
    return [f"aifootprint: live=False, but {number} made: gpt-4o-mini at {host}"]


@pytest.mark.parametrize("how", [(), ("-p", "early"), ("-n2",)], ids=["after", "before", "n2"])
def test_what_went_out_fails_its_test_in_one_line(how: tuple[str, ...], inner: Any) -> None:
    remote, local = (line("1 live AI call was", host) for host in ("api.openai.com", f"127.0.0.1:{inner.port}"))
    outgoing = {
        **{f"test_remote[{client}-{form}]": remote for client in CLIENTS for form in ("json", "stream")},
        **{f"test_local[{client}]": local for client in ("requests", "aiohttp")},
        **{
            f"test_twice[{client}]": line("2 live AI calls were", "api.openai.com")
            for client in ("requests", "aiohttp")
        },
        "test_own_failure": ["AssertionError: the user's own"],
    }
    recording = {f"test_cassette[{client}]": remote for client in CLIENTS}
    options = (*how, "--tb=short", "-rf", "--aifootprint-top=0")
    environment = {"COLUMNS": "250"}

    first = inner(SUITE, *options, packages=PACKAGES, environment=environment)
    assert first.status == 1
    assert blamed(first.output) == {**outgoing, **recording}
    # On tape by now: only what has no cassette goes out.
    second = inner(SUITE, *options, packages=PACKAGES, environment=environment)
    assert second.status == 1
    assert blamed(second.output) == outgoing
    for ran, failing in ((first, {**outgoing, **recording}), (second, outgoing)):
        for name, row in ran.rows.items():
            assert row["outcome"] == ("failed" if name in failing else "passed"), name
            said = [(verdict["verdict"], verdict["limit"]) for verdict in row["verdicts"]]
            assert said == ([("fail", "live=False")] if name in failing else []), name
    assert second.only("test_cassette[aiohttp]")["replayer"] == "vcrpy"
