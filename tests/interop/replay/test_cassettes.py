"""vcrpy and pytest-recording: a recording is live, a replay is not, and shows what it avoided."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

CLIENTS = ("httpx", "httpx2", "httpx_async", "requests", "urllib3", "urllib", "aiohttp")
SEEN_AS = {"httpx_async": "httpx"}
# With -p early everything is imported before the metering begins; without the plugins that import some of it, nothing.
ORDERS = {"after": ("-p", "no:respx", "-p", "no:requests_mock"), "before": ("-p", "early")}
BY_VCRPY = """
import pytest
from asking import CLIENTS, REMOTE

@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
@pytest.mark.parametrize("client", CLIENTS)
def test_chat(client, stream, request):
    import vcr
    with vcr.use_cassette(f"{request.node.name}.yaml", record_mode="MODE"):
        assert b"The " in CLIENTS[client](REMOTE, stream=stream)
"""
BY_PYTEST_RECORDING = """
import pytest
from asking import CLIENTS, REMOTE

@pytest.mark.vcr
@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
@pytest.mark.parametrize("client", CLIENTS)
def test_chat(client, stream):
    assert b"The " in CLIENTS[client](REMOTE, stream=stream)
"""
NAMES = [f"test_chat[{client}-{how}]" for client in CLIENTS for how in ("json", "stream")]


def check(ran: Any, realness: str, replayer: str | None) -> None:
    assert f"{len(NAMES)} passed" in ran.output
    assert sorted(ran.rows) == sorted(NAMES)
    for name in NAMES:
        client = name.partition("[")[2].partition("-")[0]
        call = ran.only(name)
        assert (call["realness"], call["replayer"]) == (realness, replayer), name
        assert (call["client"], call["host"]) == (SEEN_AS.get(client, client), "api.openai.com")
        assert (call["locality"], call["provider"], call["model"]) == ("remote", "openai", "gpt-4o-mini")
        assert (call["input_tokens"], call["cached_input_tokens"]) == (11, 4)
        assert (call["output_tokens"], call["reasoning_tokens"], call["tokens_estimated"]) == (7, 3, False)
        assert (call["streamed"], call["status"], call["abandoned"]) == (name.endswith("stream]"), 200, False)
        assert (call["phase"], call["inferred"], call["count"]) == ("call", False, 1)
        assert call["priced"]


def check_prices(recorded: Any, replayed: Any) -> None:
    """What a replay avoided is what the live call, recorded, emitted in use; and it emitted nothing itself."""
    for name in NAMES:
        live, replay = recorded.only(name), replayed.only(name)
        assert live["carbon_g"]["use"]["central"] > 0
        assert live["avoided_carbon_g"]["central"] == 0
        assert (replay["carbon_g"]["total"]["high"], replay["energy_j"]["high"]) == (0, 0)
        # Of one model and as many tokens, at whichever minute.
        assert replay["avoided_carbon_g"]["central"] == pytest.approx(live["carbon_g"]["use"]["central"], rel=1e-9)
        assert replayed.rows[name]["avoided_carbon_g"]["central"] > 0
    counts = {"live": 0, "replayed": len(NAMES), "mocked": 0}
    assert replayed.data["totals"]["calls"] == counts
    assert replayed.data["totals"]["avoided_carbon_g"]["central"] == pytest.approx(
        sum(replayed.only(name)["avoided_carbon_g"]["central"] for name in NAMES)
    )


def before(ran: Any) -> list[str]:
    (line,) = (line for line in ran.output.splitlines() if line.startswith("imported before:"))
    return sorted(line.split()[2:])


ALL = ["aiohttp", "httpx", "httpx2", "requests", "urllib3", "vcr"]


@pytest.mark.parametrize("order", ORDERS)
def test_vcrpy_records_live_and_replays(order: str, inner: Any, stop_serving: Any) -> None:
    recorded = inner(BY_VCRPY.replace("MODE", "once"), *ORDERS[order])
    check(recorded, "live", None)
    stop_serving()
    replayed = inner(BY_VCRPY.replace("MODE", "none"), *ORDERS[order])
    check(replayed, "replayed", "vcrpy")
    check_prices(recorded, replayed)
    for ran in (recorded, replayed):
        assert before(ran) == (ALL if order == "before" else [])


@pytest.mark.parametrize("order", ORDERS)
def test_pytest_recording_records_live_and_replays(order: str, inner: Any, stop_serving: Any) -> None:
    recorded = inner(BY_PYTEST_RECORDING, "--record-mode=once", *ORDERS[order], packages=("pytest-recording",))
    check(recorded, "live", None)
    assert len(list(Path(inner.folder, "cassettes", "test_suite").glob("*.yaml"))) == len(NAMES)
    stop_serving()
    replayed = inner(
        BY_PYTEST_RECORDING,
        "--record-mode=none",
        "--block-network",
        *ORDERS[order],
        packages=("pytest-recording",),
    )
    check(replayed, "replayed", "vcrpy")
    check_prices(recorded, replayed)
    assert ("vcr" in before(replayed)) == (order == "before")


def test_pytest_recording_over_two_workers(inner: Any, stop_serving: Any) -> None:
    recorded = inner(BY_PYTEST_RECORDING, "--record-mode=once", "-n2", packages=("pytest-recording",))
    check(recorded, "live", None)
    stop_serving()
    replayed = inner(BY_PYTEST_RECORDING, "--record-mode=none", "-n2", packages=("pytest-recording",))
    check(replayed, "replayed", "vcrpy")
    check_prices(recorded, replayed)


LACKING = """
import pytest, vcr
from asking import CLIENTS, REMOTE

@pytest.mark.parametrize("client", CLIENTS)
def test_lacks(client, request):
    with vcr.use_cassette(f"{request.node.name}.yaml", record_mode="none"):
        with pytest.raises(Exception, match="(?i)cassette|playback"):
            CLIENTS[client](REMOTE, stream=False)
"""


def test_a_request_that_the_cassette_lacks_never_left(inner: Any) -> None:
    ran = inner(LACKING)
    assert f"{len(CLIENTS)} passed" in ran.output
    for client in CLIENTS:
        # vcr stands above aiohttp's seam: what it refuses there, nobody sees.
        found = [(call["realness"], call["replayer"], call["status"]) for call in ran.calls(f"test_lacks[{client}]")]
        assert found == ([] if client == "aiohttp" else [("replayed", "vcrpy", "error")]), client
        assert all(call["carbon_g"]["total"]["high"] == 0 for call in ran.calls(f"test_lacks[{client}]"))
