"""Metrics sent to a receiver in a process of its own, over OTLP, by HTTP and by gRPC."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import metrics

from pytest_aifootprint.reports import otel_report

# Here, so that no inner run imports them again.
for _over in ("grpc", "http"):
    importlib.import_module(f"opentelemetry.exporter.otlp.proto.{_over}.metric_exporter")

SUITE = """
    def test_asks(aifootprint):
        aifootprint.record_call(model="gpt-4o", provider="openai", input_tokens=100, output_tokens=10)

    def test_asks_again(aifootprint):
        aifootprint.record_call(model="gpt-4o", provider="openai", input_tokens=1000, output_tokens=10)

    def test_plain():
        pass
"""


@dataclass(frozen=True)
class Receiver:
    """A running receiver."""

    http: str
    grpc: str
    file: Path

    def take(self) -> list[dict[str, Any]]:
        """What it got since this was asked last."""
        if not self.file.exists():
            return []
        found = [json.loads(line) for line in self.file.read_text().splitlines()]
        self.file.unlink()
        return found


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiver]:
    file = tmp_path_factory.mktemp("otlp") / "received.jsonl"
    command = (sys.executable, str(Path(__file__).with_name("otlp_receiver.py")), str(file))
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        http, grpc = running.stdout.readline().split()
        yield Receiver(f"http://127.0.0.1:{http}", f"http://127.0.0.1:{grpc}", file)
        running.terminate()


@pytest.fixture
def receiver(process: Receiver, monkeypatch: pytest.MonkeyPatch) -> Receiver:
    for name in ("ENDPOINT", "PROTOCOL", "HEADERS", "METRICS_ENDPOINT"):
        monkeypatch.delenv(f"OTEL_EXPORTER_OTLP_{name}", raising=False)
    process.take()
    return process


def run(pytester: pytest.Pytester, *args: str, suite: str = SUITE) -> pytest.RunResult:
    pytester.makepyfile(test_it=suite)
    return pytester.runpytest("--aifootprint", "--aifootprint-report=json:r.json", *args)


def report_of(pytester: pytest.Pytester) -> dict[str, Any]:
    report: dict[str, Any] = json.loads((pytester.path / "r.json").read_text())
    return report


def metrics_of(said: dict[str, Any]) -> dict[str, dict[str, Any]]:
    (resource,) = said["request"]["resourceMetrics"]
    (scope,) = resource["scopeMetrics"]
    return {metric["name"]: metric for metric in scope["metrics"]}


def attributes_of(thing: dict[str, Any]) -> dict[str, str]:
    return {a["key"]: a["value"]["stringValue"] for a in thing.get("attributes", ())}


def check(said: dict[str, Any], report: dict[str, Any]) -> None:
    found, totals = metrics_of(said), report["totals"]
    carbon = found["aifootprint.carbon"]
    assert carbon["unit"] == "g"
    assert carbon["sum"]["isMonotonic"]
    assert {attributes_of(p)["aifootprint.part"]: p["asDouble"] for p in carbon["sum"]["dataPoints"]} == {
        part: value["central"] for part, value in totals["carbon_g"].items() if part != "total"
    }
    (high,) = found["aifootprint.carbon.high"]["gauge"]["dataPoints"]
    assert high["asDouble"] == totals["carbon_g"]["total"]["high"]
    tokens = found["gen_ai.client.token.usage"]["histogram"]["dataPoints"]
    assert {attributes_of(p)["gen_ai.token.type"]: p["sum"] for p in tokens} == {"input": 1100, "output": 20}
    assert {int(p["count"]) for p in tokens} == {2}
    (calls,) = found["aifootprint.calls"]["sum"]["dataPoints"]
    assert int(calls["asInt"]) == totals["calls"]["live"] == 2
    seconds = (int(calls["timeUnixNano"]) - int(calls["startTimeUnixNano"])) / 1e9
    assert seconds == pytest.approx(report["run"]["duration_s"], abs=1e-6)
    resource = attributes_of(said["request"]["resourceMetrics"][0]["resource"])
    assert resource["aifootprint.grid"] == report["run"]["grids"]["local"]["zone"]
    assert "test_it" not in json.dumps(said)


@pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["alone", "n2"])
def test_a_collector_receives_the_run_over_http(
    pytester: pytest.Pytester, workers: tuple[str, ...], receiver: Receiver
) -> None:
    done = run(pytester, f"--aifootprint-report=otel:{receiver.http}", *workers)
    done.assert_outcomes(passed=3)
    (said,) = receiver.take()
    assert said["path"] == "/v1/metrics"
    assert said["headers"]["content-type"] == "application/x-protobuf"
    check(said, report_of(pytester))


def test_a_collector_receives_the_run_over_grpc(
    pytester: pytest.Pytester, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
    run(pytester, f"--aifootprint-report=otel:{receiver.grpc}")
    (said,) = receiver.take()
    assert said["over"] == "grpc"
    check(said, report_of(pytester))


def test_the_variables_of_opentelemetry_are_heard(
    pytester: pytest.Pytester, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.http)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-team=green")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "nightly")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "delta")
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    run(pytester, "--aifootprint-report=otel")
    (said,) = receiver.take()
    assert said["headers"]["x-team"] == "green"
    assert attributes_of(said["request"]["resourceMetrics"][0]["resource"])["service.name"] == "nightly"
    temporality = metrics_of(said)["aifootprint.carbon"]["sum"]["aggregationTemporality"]
    assert temporality == "AGGREGATION_TEMPORALITY_DELTA"


def test_nothing_is_sent_where_nobody_asked_for_it(
    pytester: pytest.Pytester, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.http)
    run(pytester)
    assert receiver.take() == []
    pytester.runpytest("--aifootprint", f"--aifootprint-report=otel:{receiver.http}", "--collect-only")
    pytester.runpytest(f"--aifootprint-report=otel:{receiver.http}")
    assert receiver.take() == []


def test_the_program_under_test_keeps_its_own_telemetry(pytester: pytest.Pytester, receiver: Receiver) -> None:
    before, threads = metrics.get_meter_provider(), set(threading.enumerate())
    run(pytester, "-p", "no:rerunfailures", f"--aifootprint-report=otel:{receiver.http}/v1/chat/completions")
    (said,) = receiver.take()
    assert said["path"] == "/v1/chat/completions/v1/metrics"
    assert metrics.get_meter_provider() is before
    assert set(threading.enumerate()) <= threads
    # Nor do we take our own request for a call of a model.
    assert report_of(pytester)["totals"]["calls"]["live"] == 2


# --- what goes wrong --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("report", "reason"),
    [
        ("otel", "otel needs an endpoint: otel:http://localhost:4318, or OTEL_EXPORTER_OTLP_ENDPOINT"),
        ("otel:localhost:4318", "that is no endpoint; valid: otel:http://localhost:4318"),
    ],
)
def test_what_is_no_endpoint_is_refused_before_the_run(
    pytester: pytest.Pytester, receiver: Receiver, report: str, reason: str
) -> None:
    done = run(pytester, f"--aifootprint-report={report}")
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines([f"*--aifootprint-report (command line): {reason}*"])


def test_a_missing_package_is_named_with_the_line_that_installs_it(
    pytester: pytest.Pytester, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http", None)
    done = run(pytester, f"--aifootprint-report=otel:{receiver.http}")
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines(['*not installed: pip install "pytest-aifootprint[[]otel]"'])
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json")
    done = run(pytester, f"--aifootprint-report=otel:{receiver.http}")
    done.stderr.fnmatch_lines(["*'http/json' is not spoken here; valid: http/protobuf, grpc"])


@pytest.mark.parametrize(
    ("endpoint", "reason"),
    [
        ("{http}/status/400/s3cret?key=s3cret", "400"),
        ("{http}/status/307", "redirect"),
        ("http://me:s3cret@127.0.0.1:9", "refused"),
        # The client library quotes it.
        ("{http}/broken header", "header value: '...'"),
    ],
)
def test_a_collector_that_does_not_take_it_is_a_notice(
    pytester: pytest.Pytester, receiver: Receiver, endpoint: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(otel_report, "_TIMEOUT_S", 0.5)
    if "header" in endpoint:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-key=s3cret%0Ax")
    target = endpoint.format(http=receiver.http)
    done = run(pytester, f"--aifootprint-report=otel:{target}")
    assert done.ret == 0
    done.assert_outcomes(passed=3)
    line, saved = [line for line in done.errlines if line.startswith("aifootprint: ")]
    assert "report not written" in line
    assert reason in line
    assert "retrying" not in line
    assert "aifootprint show" in saved  # it can be sent later
    assert "s3cret" not in done.stdout.str() + done.stderr.str() + (pytester.path / "r.json").read_text()
    assert any("report-not-written" in line for line in done.outlines)
    assert receiver.take() == []


def test_a_collector_that_answers_too_slowly_does_not_keep_the_run(
    pytester: pytest.Pytester, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(otel_report, "_TIMEOUT_S", 0.5)
    done = run(pytester, f"--aifootprint-report=otel:{receiver.http}/slow")
    assert done.ret == 0
    done.stderr.fnmatch_lines(["*report not written*no answer within 0.5 s"])
