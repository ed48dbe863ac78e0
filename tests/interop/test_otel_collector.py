"""A real OpenTelemetry collector takes a run's metrics in and hands them on."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

rotel = pytest.importorskip("rotel")

RECEIVER = Path(__file__).parents[1] / "integration" / "otlp_receiver.py"
WAIT_S = 30.0


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


def wait_for(ready: object, what: str) -> None:
    until = time.monotonic() + WAIT_S
    while not ready():  # type: ignore[operator]
        assert time.monotonic() < until, what
        time.sleep(0.05)


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


@pytest.fixture
def behind(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """What the collector hands on to: the file that it is noted in, and its address."""
    file = tmp_path / "received.jsonl"
    with subprocess.Popen((sys.executable, RECEIVER, file), stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        yield file, f"http://127.0.0.1:{running.stdout.readline().split()[0]}"
        running.terminate()


@pytest.fixture
def collector(behind: tuple[Path, str], tmp_path: Path) -> Iterator[dict[str, int]]:
    ports = {"http/protobuf": free_port(), "grpc": free_port()}
    agent = Path(rotel.__file__).with_name("rotel-agent")
    command = (
        agent, "start", "--disable-batching",
        "--otlp-http-endpoint", f"127.0.0.1:{ports['http/protobuf']}",
        "--otlp-grpc-endpoint", f"127.0.0.1:{ports['grpc']}",
        "--exporter", "otlp", "--otlp-exporter-protocol", "http", "--otlp-exporter-endpoint", behind[1],
    )  # fmt: skip
    with (tmp_path / "log").open("w") as log, subprocess.Popen(command, stdout=log, stderr=log) as running:
        wait_for(lambda: all(map(listens, ports.values())), "the collector does not listen")
        yield ports
        running.terminate()


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_a_collector_takes_the_metrics_and_hands_them_on(
    pytester: pytest.Pytester, behind: tuple[Path, str], collector: dict[str, int], protocol: str
) -> None:
    pytester.makepyfile(
        test_it="""
        def test_asks(aifootprint):
            aifootprint.record_call(model="gpt-4o", provider="openai", input_tokens=100, output_tokens=10)
        """
    )
    done = subprocess.run(
        (
            sys.executable, "-m", "pytest", "--aifootprint", "--aifootprint-report=json:r.json",
            f"--aifootprint-report=otel:http://127.0.0.1:{collector[protocol]}",
        ),
        check=False, capture_output=True, text=True, cwd=pytester.path,
        env={**os.environ, "OTEL_EXPORTER_OTLP_PROTOCOL": protocol},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "report not written" not in done.stderr
    wait_for(lambda: behind[0].exists() and behind[0].read_text().endswith("\n"), "nothing was handed on")
    (line,) = behind[0].read_text().splitlines()
    (resource,) = json.loads(line)["request"]["resourceMetrics"]
    found = {metric["name"]: metric for scope in resource["scopeMetrics"] for metric in scope["metrics"]}
    totals = json.loads((pytester.path / "r.json").read_text())["totals"]
    grams = sum(point["asDouble"] for point in found["aifootprint.carbon"]["sum"]["dataPoints"])
    assert grams == pytest.approx(totals["carbon_g"]["total"]["central"])
    assert found["gen_ai.client.token.usage"]["unit"] == "{token}"
    assert "hw.energy" in found
