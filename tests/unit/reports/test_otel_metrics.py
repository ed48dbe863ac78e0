"""What OpenTelemetry is told: names and units of its conventions, the figures of the JSON report, no test's name."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import samples  # type: ignore[import-not-found]  # pytest puts this folder on the path, mypy does not
from opentelemetry import context
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes, hw_attributes
from opentelemetry.semconv._incubating.metrics import gen_ai_metrics, hw_metrics
from opentelemetry.semconv.attributes import error_attributes

from pytest_aifootprint.quantities.changed import replace
from pytest_aifootprint.records.amounts import Carbon
from pytest_aifootprint.records.model import RunFootprint
from pytest_aifootprint.reports import json_report, otel_report
from pytest_aifootprint.reports.endpoints import Endpoint
from pytest_aifootprint.reports.otel_metrics import Histogram, Metric, metrics, resource

KNOWN = {
    value
    for module in (gen_ai_attributes, hw_attributes, error_attributes)
    for name, value in vars(module).items()
    if name.isupper() and isinstance(value, str)
}


class Meter:
    """Takes down what the conventions' own functions make."""

    def __init__(self) -> None:
        self.made: dict[str, str] = {}

    def __getattr__(self, _: str) -> Callable[..., None]:
        return lambda name, unit, **__: self.made.update({name: unit})


def by_name(run: RunFootprint) -> dict[str, Metric]:
    found = list(metrics(run))
    assert len({metric.name for metric in found}) == len(found)
    return {metric.name: metric for metric in found}


def values(metric: Metric, key: str) -> dict[str, Any]:
    return {attributes[key]: value for attributes, value in metric.points}


def test_names_and_units_are_those_of_the_conventions() -> None:
    meter = Meter()
    gen_ai_metrics.create_gen_ai_client_token_usage(meter)
    gen_ai_metrics.create_gen_ai_client_operation_duration(meter)
    hw_metrics.create_hw_energy(meter)
    ours = {m.name: m.unit for m in metrics(samples.mixed()) if not m.name.startswith("aifootprint.")}
    assert ours == meter.made
    for metric in metrics(samples.mixed()):
        for attributes, _ in metric.points:
            assert {name for name in attributes if not name.startswith("aifootprint.")} <= KNOWN


@pytest.mark.parametrize("make", samples.EVERY.values(), ids=samples.EVERY)
def test_the_values_are_those_of_the_json_report(make: Callable[[], RunFootprint]) -> None:
    run = make()
    found, totals = by_name(run), json_report.as_dict(run)["totals"]
    parts = {part: value["central"] for part, value in totals["carbon_g"].items() if value and part != "total"}
    assert values(found["aifootprint.carbon"], "aifootprint.part") == parts
    for end in ("low", "high"):
        assert found[f"aifootprint.carbon.{end}"].points == (({}, totals["carbon_g"]["total"][end]),)
        assert found[f"aifootprint.energy.{end}"].points == (({}, totals["energy_j"]["total"][end]),)
        assert found[f"aifootprint.water.{end}"].points == (({}, totals["water_l"]["total"][end]),)
    domains = {domain: value["central"] for domain, value in totals["energy_j"].items() if value and domain != "total"}
    sent = values(found["aifootprint.energy"], "aifootprint.domain") if "aifootprint.energy" in found else {}
    assert {"remote": 0.0, **sent} == {"remote": 0.0, **domains}
    calls = values(found["aifootprint.calls"], "aifootprint.realness") if "aifootprint.calls" in found else {}
    assert set(calls) == {realness for realness, count in totals["calls"].items() if count}


def test_tokens_and_durations_are_of_live_calls_to_generative_models() -> None:
    call = samples.remote_call(1.0, input_tokens=5000, output_tokens=300, count=2, duration_ns=3_000_000_000)
    failed = samples.remote_call(1.0, input_tokens=None, output_tokens=None, status=429, duration_ns=5_000_000_000)
    told = samples.remote_call(1.0, input_tokens=7, output_tokens=0, duration_ns=0)
    run = samples.run_of(
        samples.footprint_of("t.py::test", call, failed, told, samples.replayed_call(1.0), samples.local_call())
    )
    found = by_name(run)
    tokens = values(found["gen_ai.client.token.usage"], "gen_ai.token.type")
    assert (tokens["input"].count, tokens["input"].sum, tokens["input"].low, tokens["input"].high) == (
        3,
        10007,
        7,
        5000,
    )
    assert (tokens["output"].count, tokens["output"].sum) == (3, 600)
    assert tokens["input"].bounds[6:8] == (4096, 16384)
    assert tokens["input"].buckets[7] == 2
    durations = found["gen_ai.client.operation.duration"].points
    assert [(a.get("error.type"), h.count, h.sum) for a, h in durations if isinstance(h, Histogram)] == [
        (None, 2, 3.0),
        ("429", 1, 5.0),
    ]
    assert sum(n for _, n in found["aifootprint.calls"].points if isinstance(n, int)) == 2 + 1 + 1 + 1 + 3


def test_calls_of_tests_without_a_row_are_counted_and_in_no_histogram() -> None:
    whole = samples.mixed()
    totals = whole.totals
    found = by_name(replace(whole, tests=whole.tests[:1], fixtures=()))
    counts: dict[str, float] = {}
    for attributes, value in found["aifootprint.calls"].points:
        assert not isinstance(value, Histogram)
        realness = attributes["aifootprint.realness"]
        counts[realness] = counts.get(realness, 0) + value
    told = {"live": totals.calls_live, "replayed": totals.calls_replayed, "mocked": totals.calls_mocked}
    assert counts == {realness: count for realness, count in told.items() if count}
    assert "gen_ai.client.token.usage" in by_name(whole)
    assert not [name for name in found if name.startswith("gen_ai.")]


def test_a_value_on_a_bound_belongs_to_the_bucket_below() -> None:
    histogram = Histogram((1.0, 2.0), [0, 0, 0])
    for value in (1.0, 1.5, 2.0, 2.5):
        histogram.add(value, 1)
    assert histogram.buckets == [1, 2, 1]


def test_providers_and_operations_have_the_names_of_the_conventions() -> None:
    call = samples.remote_call(1.0, "mistral-small", provider="mistralai", operation="embedding")
    (attributes, _), *_ = by_name(samples.run_of(samples.footprint_of("t.py::test", call)))["aifootprint.calls"].points
    assert attributes == {
        "gen_ai.operation.name": "embeddings",
        "gen_ai.provider.name": "mistral_ai",
        "gen_ai.request.model": "mistral-small",
        "aifootprint.realness": "live",
    }


def test_hardware_is_what_was_metered() -> None:
    run = samples.mixed()
    metered = {attributes["hw.id"]: (attributes, value) for attributes, value in by_name(run)["hw.energy"].points}
    assert metered["cpu"] == (
        {"hw.id": "cpu", "hw.type": "cpu", "aifootprint.basis": "modelled"}, run.balance["cpu"].metered_j
    )  # fmt: skip
    assert metered["gpu0"][0]["hw.type"] == "gpu"


def test_unknown_is_left_out_and_is_not_zero() -> None:
    run = samples.mixed()
    unknown = replace(run, totals=replace(run.totals, carbon=Carbon(None, None, None)))
    assert not [name for name in by_name(unknown) if name.startswith("aifootprint.carbon")]
    half = replace(run, totals=replace(run.totals, carbon=replace(run.totals.carbon, training=None)))
    assert set(values(by_name(half)["aifootprint.carbon"], "aifootprint.part")) == {"use", "hardware"}


def test_every_metric_is_described() -> None:
    page = (Path(__file__).parents[3] / "docs/reference/opentelemetry.md").read_text()
    described = set(re.findall(r"`([a-z_.]+)`", page))
    for metric in metrics(samples.mixed()):
        name, _, end = metric.name.rpartition(".")
        assert metric.name in described or (end == "high" and f"{name}.low" in described), metric.name
        assert {name for attributes, _ in metric.points for name in attributes} <= described


@pytest.mark.parametrize("make", samples.EVERY.values(), ids=samples.EVERY)
def test_no_test_is_named(make: Callable[[], RunFootprint]) -> None:
    run = make()
    said = repr([*metrics(run), resource(run)])
    assert not [test.nodeid for test in run.tests if test.nodeid in said]


def test_a_run_is_described_by_grid_figures_machine_and_commit() -> None:
    assert resource(samples.mixed()) == {
        "service.name": "pytest",
        "host.id": "b1946ac9",
        "vcs.ref.head.revision": "1c157c1",
        "aifootprint.grid": "FRA",
        "aifootprint.factors_version": "2026.11",
    }


# --- where to ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "environ", "expected"),
    [
        ("http://a:1", {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://b:2"}, "http://a:1"),
        ("", {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://b:2"}, "http://b:2"),
        (
            "",
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://b:2", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://c"},
            "http://c",
        ),
        ("", {}, ""),
    ],
)
def test_the_option_names_the_endpoint_or_the_environment_does(
    text: str, environ: dict[str, str], expected: str
) -> None:
    assert otel_report.endpoint(text, environ).url == expected


@pytest.mark.parametrize(
    ("target", "url"),
    [
        ("http://a:4318", "http://a:4318/v1/metrics"),
        ("http://a:4318/", "http://a:4318/v1/metrics"),
        ("https://a/otlp/v1/metrics", "https://a/otlp/v1/metrics"),
        ("https://a/otlp?key=1", "https://a/otlp/v1/metrics?key=1"),
    ],
)
def test_metrics_go_to_their_own_path(target: str, url: str) -> None:
    assert otel_report._signal_url(target) == url


@pytest.mark.parametrize(
    "target",
    ["", "localhost:4318", "file:///etc/passwd", "http://", "http://a:99999", "http://[::1", "ftp://a", "http:/a", "x"],
)
def test_what_is_no_endpoint_is_refused_in_one_line(target: str) -> None:
    with pytest.raises(ValueError, match="otel:http://localhost:4318") as refused:
        otel_report.probe(Endpoint(target))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://me:secret@host:1/secret?key=secret#secret", "https://host:1"),
        ("http://[::1]:4318", "http://[::1]:4318"),
        ("http://[secret", "an address that cannot be read"),
        ("http://host:secret", "an address that cannot be read"),
    ],
)
def test_what_may_be_a_key_is_never_shown(url: str, shown: str) -> None:
    assert str(Endpoint(url)) == f"{Endpoint(url)}" == shown
    if "read" in shown:
        with pytest.raises(ValueError, match="no endpoint") as refused:
            otel_report.probe(Endpoint(url))
        assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("reason", "shown"),
    [
        (
            "HTTPSConnectionPool(host='h', port=1): Max retries exceeded with url: /tok/v1/metrics?k=v (SSLError)",
            "HTTPSConnectionPool(host='h', port=1): Max retries exceeded with url: ... (SSLError)",
        ),
        ("Transient error Gone of a batch, retrying in 0.96s.", "Transient error Gone of a batch."),
        ("Transient error X, retrying in 1.10s. Error details: tls", "Transient error X. Error details: tls"),
        ("no path /tok for me:pw", "no path ... for ...:..."),
        ("metadata was invalid: [('x-key', 'a b')]", "metadata was invalid: [('x-key', '...')]"),
        ("return character(s) in header value: 'c\\nd'", "return character(s) in header value: '...'"),
        ("code: 400, reason: some method", "code: 400, reason: some method"),
    ],
)  # fmt: skip
def test_a_reason_does_not_tell_what_may_be_a_key(reason: str, shown: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-key=a%20b, x-other=c%0Ad")
    assert otel_report._public(reason, "https://me:pw@h:1/tok?k=v") == shown


def test_instrumentations_of_the_user_are_told_to_look_away() -> None:
    key = context._SUPPRESS_INSTRUMENTATION_KEY
    with otel_report._unwatched():
        assert context.get_value(key) is True
    assert context.get_value(key) is None
