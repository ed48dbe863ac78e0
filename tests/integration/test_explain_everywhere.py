"""``aifootprint explain`` calculates every number of a report again, however the run was metered, priced and told."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import jsonschema
import pytest
from typer.testing import CliRunner

from pytest_aifootprint.cli import app
from pytest_aifootprint.records.schema import report_schema

HOUR_NS = 3_600_000_000_000

SUITE = """
import time, pytest

def burn(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass

def here(aifootprint, **more):
    aifootprint.record_call(
        **{"model": "llama-3.1-8b", "locality": "local", "input_tokens": 10, "output_tokens": 10} | more
    )

def ask(aifootprint, **more):
    aifootprint.record_call(
        **{"model": "gpt-4o-mini", "provider": "openai", "input_tokens": 1000, "output_tokens": 100} | more
    )

@pytest.fixture(scope="session")
def shared():
    burn(0.02)

@pytest.fixture(scope="module")
def judge(shared):
    burn(0.02)
    yield
    burn(0.01)

def test_works(aifootprint):
    burn(0.06)
    here(aifootprint)

def test_sleeps(aifootprint):
    time.sleep(0.05)
    here(aifootprint)
    ask(aifootprint)

def test_replays(shared, aifootprint):
    ask(aifootprint, realness="replayed")

@pytest.mark.parametrize("n", [1, 2])
def test_judged(judge, aifootprint, n):
    ask(aifootprint)
    ask(aifootprint, realness="mocked")
    ask(aifootprint, model="never-heard", provider=None)

def test_without_ai_shares(shared):
    burn(0.02)

def test_without_ai():
    burn(0.02)

@pytest.mark.aifootprint
def test_marked():
    burn(0.02)

@pytest.mark.aifootprint(calls=9)
def test_marked_and_calls(judge, aifootprint):
    ask(aifootprint)
"""

ODD_CALLS = r"""
import pytest

CALLS = {
    "image": dict(model="dall-e-3", provider="openai", operation="image"),
    "video": dict(model="sora-2", provider="openai", operation="video"),
    "embedding": dict(model="text-embedding-3-small", provider="openai", operation="embedding", input_tokens=77),
    "not believed": dict(model="gpt-4o", provider="openai", input_tokens=10**12, output_tokens=10**12),
    "long": dict(model="gpt-4o", provider="openai", input_tokens=10**7, output_tokens=10**6),
    "no tokens": dict(model="gpt-4o", provider="openai", input_tokens=0, output_tokens=0),
    "untold": dict(model="gpt-4o", provider="openai"),
    "nothing known": dict(model=None, provider=None),
    "class": dict(model="xyz", locality="local", operation="inference"),
    "training": dict(model="gpt-4o", provider="openai", operation="training"),
    "training here": dict(model="mine", locality="local", operation="training"),
    "replayed here": dict(model="mine", locality="local", realness="replayed", input_tokens=3),
    "family": dict(model="gpt-9.9-mini", provider="azure", input_tokens=100, output_tokens=10),
    "signs": dict(model="gpt\x1b[31m\u202ered\nx", provider="op\x1b[2Jen", input_tokens=100, output_tokens=10),
    "letters": dict(model="Größe/模型-7b", provider="ünï", input_tokens=100, output_tokens=10),
    "a\x1bb": dict(model="mistral-large-latest", provider="mistral", input_tokens=100, cached_input_tokens=50),
}

@pytest.mark.parametrize("name", CALLS)
def test_one(aifootprint, name):
    aifootprint.record_call(**CALLS[name])

def test_fails(aifootprint):
    aifootprint.record_call(model="gpt-4o", provider="openai", input_tokens=5, output_tokens=5)
    assert False

@pytest.mark.flaky(reruns=1)
def test_runs_again(aifootprint):
    aifootprint.record_call(model="gpt-4o", provider="openai", input_tokens=5, output_tokens=5)
    assert False
"""

TRAINED_HERE = """
import numpy, pytest
from sklearn.linear_model import LogisticRegression, SGDClassifier

X, Y = numpy.random.rand(500, 20), numpy.arange(500) % 3

@pytest.fixture(scope="module")
def model():
    return SGDClassifier().fit(X, Y)

def test_predicts(model):
    model.predict(X)

def test_trains_its_own(model):
    model.predict(X)
    LogisticRegression().fit(X, Y).predict(X)

def test_only_needs_it(model):
    pass
"""

LOST = """
import os, pytest

@pytest.mark.parametrize("n", range(3))
def test_asks(aifootprint, n):
    aifootprint.record_call(model="gpt-4o", provider="openai", input_tokens=10, output_tokens=3)

def test_dies(aifootprint):
    aifootprint.record_call(model="gpt-4o", provider="openai", input_tokens=10, output_tokens=3)
    os._exit(3)
"""

SERVER = """
import json, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
import httpx, pytest

class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        bad = asked.get("user") == "bad"
        usage = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
        message = {"index": 0, "message": {"role": "assistant", "content": "hi"}}
        answer = {"id": "1", "object": "chat.completion", "model": asked["model"], "choices": [message], "usage": usage}
        body = json.dumps({"error": {"message": "no"}} if bad else answer).encode()
        self.send_response(500 if bad else 200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

@pytest.fixture(scope="session")
def port():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()

def ask(port, **more):
    asked = {"model": "gemma-3-270m", "messages": [{"role": "user", "content": "x"}], **more}
    return httpx.post(f"http://127.0.0.1:{port}/v1/chat/completions", json=asked)

@pytest.fixture(scope="module")
def judge(port):
    return ask(port)

def test_asks(port):
    ask(port)

def test_is_refused(port):
    ask(port, user="bad")

def test_judged(judge):
    pass

def test_judged_and_asks(judge, port):
    ask(port)
    ask(port)
"""

CLOUD = """
[tool.aifootprint.hardware]
machine = "vm"
pue = [1.1, 1.3, 1.8]
wue_l_per_kwh = 2

[tool.aifootprint.marginal]
local = ["500 g/kWh", "640 g/kWh", "800 g/kWh"]
openai = "700 g/kWh"

[tool.aifootprint.models."gpt-4o"]
inference_share = 0.9

[tool.aifootprint.models."gpt-4o-mini"]
expected_uses = [1e6, 1e7, 1e8]
training_kwh = 1000

[tool.aifootprint.models."llama-3.1-8b"]
expected_uses = 1e7
"""

HOOKS = """
def pytest_aifootprint_factor(key):
    if key == "phi.multiplier":
        return {"value": (0.2, 0.5, 0.9), "source": "our own books", "year": 2026}
"""


def steady(watts: float) -> list[list[float]]:
    return [[0, 0.0], [HOUR_NS, watts * 3600]]


COUNTER: Mapping[str, Any] = {"domains": {"cpu": steady(100)}, "busy_s": steady(2)}
MANY: Mapping[str, Any] = {
    "domains": {"cpu": steady(100), "ram": steady(10), "gpu0": steady(200), "gpu1": steady(100)},
    "busy_s": steady(2),
    "cards": {"gpu0": "NVIDIA L4", "gpu1": "NVIDIA H100 80GB HBM3"},
}
CARD_ALONE: Mapping[str, Any] = {"domains": {"gpu0": steady(200)}, "cards": {"gpu0": "NVIDIA L4"}}
UNPLUGGED = {"reason": "unplugged", "remedy": "plug in"}
GAP: Mapping[str, Any] = {
    "domains": {"cpu": [[0, 0.0], [150_000_000, 15.0], [160_000_000, UNPLUGGED]]},
    "busy_s": steady(2),
}
IDLE = ("-o", "aifootprint_idle=share")


@pytest.mark.parametrize(
    ("suite", "args", "recording", "toml", "conftest"),
    [
        pytest.param(SUITE, ["--aifootprint-tests=all"], None, "", HOOKS, id="load model, all tests, hooks"),
        pytest.param(SUITE, [], None, CLOUD, "", id="load model, data centre"),
        pytest.param(SUITE, ["-n2"], COUNTER, CLOUD, "", id="counter, data centre, workers"),
        pytest.param(SUITE, [], MANY, CLOUD, "", id="counters of everything"),
        pytest.param(SUITE, [], CARD_ALONE, CLOUD, "", id="a card's counter alone"),
        pytest.param(SUITE, [], GAP, CLOUD, "", id="counter with a gap, data centre"),
        pytest.param(SUITE, [*IDLE], None, "", "", id="idle shared"),
        pytest.param(SUITE, [*IDLE], CARD_ALONE, CLOUD, "", id="idle shared, a card's counter, data centre"),
        pytest.param(SUITE, [*IDLE], GAP, CLOUD, "", id="idle shared, gap, data centre"),
        pytest.param(SUITE, [*IDLE], MANY, CLOUD, "", id="idle shared, counters of everything"),
        pytest.param(SUITE, ["--aifootprint-tests=marked"], MANY, CLOUD, "", id="marked tests alone"),
        pytest.param(ODD_CALLS, [], None, CLOUD, "", id="odd calls"),
        pytest.param(SERVER, [], MANY, CLOUD, "", id="local server"),
        pytest.param(TRAINED_HERE, [], GAP, CLOUD, "", id="trained here, gap"),
        pytest.param(TRAINED_HERE, ["--aifootprint-tests=marked"], None, "", "", id="trained here, no row at all"),
        pytest.param(LOST, ["-n2"], None, "", "", id="a lost worker"),
        pytest.param("def test_nothing(): pass", [], None, "", "", id="no model"),
    ],
)
def test_every_number_is_derived(
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    suite: str,
    args: Sequence[str],
    recording: Mapping[str, Any] | None,
    toml: str,
    conftest: str,
) -> None:
    report = run(pytester, monkeypatch, suite, args, recording, toml, conftest)
    jsonschema.validate(report, report_schema())
    names = [row["nodeid"] for row in report["tests"]]
    names += [row["id"] for key in ("fixtures", "models") for row in report[key]]
    for what in ((), *((name,) for name in dict.fromkeys(names))):
        done = explain(pytester, *what)
        assert (done.exit_code, done.stderr) == (0, ""), (what, done.stdout[-2000:], done.exception)
        assert "\x1b" not in done.stdout
        assert "\u202e" not in done.stdout


def run(
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    suite: str,
    args: Sequence[str] = (),
    recording: Mapping[str, Any] | None = None,
    toml: str = "",
    conftest: str = "",
) -> dict[str, Any]:
    pytester.makepyfile(test_it=suite)
    pytester.makeconftest(conftest)
    pytester.makepyprojecttoml(toml)
    if recording is not None:
        pytester.path.joinpath("recording.json").write_text(json.dumps(recording))
        monkeypatch.setenv("PYTEST_AIFOOTPRINT_RECORDED_METER", str(pytester.path / "recording.json"))
    pytester.runpytest("-p", "no:asyncio", "--aifootprint", "--aifootprint-report=json:r.json", *args)
    report: dict[str, Any] = json.loads(pytester.path.joinpath("r.json").read_text())
    return report


def explain(pytester: pytest.Pytester, *what: str) -> Any:
    return CliRunner().invoke(
        app, ["explain", "--report", str(pytester.path / "r.json"), *what], env={"COLUMNS": "100"}
    )


def test_tests_without_a_row_are_said_and_nothing_is_held_against_the_totals(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = run(pytester, monkeypatch, SUITE, ["--aifootprint-tests=marked"])
    missing = report["totals"]["ai_tests"] - len(report["tests"])
    assert missing > 0
    text = explain(pytester).stdout
    assert f"{missing} of {missing + 2} AI tests have no row in this report (--aifootprint-tests marked)." in text
    assert f"{missing} AI tests have no row" in explain(pytester, "gpt-4o-mini").stdout

    # In any other report a test that is gone is a difference.
    path = pytester.path / "r.json"
    path.write_text(json.dumps({**report, "run": {**report["run"], "rows": "ai"}}))
    assert explain(pytester).exit_code == 1


def test_what_no_ai_test_bears_of_fixtures_is_the_same_whichever_tests_have_a_row(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = run(pytester, monkeypatch, SUITE, ["--aifootprint-tests=marked"], COUNTER)
    payers = {row["name"]: (row["ai_payers"], row["payers"]) for row in report["fixtures"]}
    assert payers == {"judge": (3, 3), "shared": (4, 5)}
    (shared,) = (row for row in report["fixtures"] if row["name"] == "shared")
    metered = sum(domain["metered_j"] for domain in report["balance"].values())
    expected = shared["energy_j"]["cpu"]["central"] / 5 / metered
    text = explain(pytester).stdout.split("fixtures_of_other_tests")[1]
    assert float(text.split("= ")[2].split()[0]) == pytest.approx(expected, rel=1e-5)


def test_two_cards_count_once_in_the_shares_of_the_basis(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = run(pytester, monkeypatch, SUITE, [], MANY)
    totals = report["totals"]
    metered = sum(totals["energy_j"][domain]["central"] for domain in ("cpu", "ram", "gpu"))
    assert totals["basis_share"]["measured"] == pytest.approx(metered / totals["energy_j"]["total"]["central"])


def test_a_gap_is_as_uncertain_as_its_own_part_and_no_more(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = run(pytester, monkeypatch, SUITE, [], GAP, '[tool.aifootprint.hardware]\nmachine = "vm"\npue = 1.5')
    (row,) = (row for row in report["tests"] if row["nodeid"].endswith("test_marked"))
    parts, energy = row["direct"]["metered_j"], row["direct"]["energy_j"]["cpu"]
    assert parts["cpu_load_model"] > 0
    assert energy["central"] == pytest.approx(parts["cpu_counter"] + parts["cpu_load_model"])
    # What the load model said is at the wall already.
    intensity = report["run"]["grids"]["local"]["carbon_g_per_kwh"]["central"] / 3.6e6
    wall = parts["cpu_counter"] * 1.5 + parts["cpu_load_model"]
    assert row["direct"]["carbon_g"]["use"]["central"] == pytest.approx(wall * intensity)
