"""OpenTelemetry: a run's metrics sent once, at its end, to the endpoint that the user names, and nowhere else."""

from __future__ import annotations

import logging
import os
import re
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit, urlunsplit
from urllib.request import getproxies, proxy_bypass

from pytest_aifootprint.records.model import RunFootprint
from pytest_aifootprint.reports.endpoints import Endpoint

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics.export import MetricExporter, MetricsData

__all__ = ["NAME", "endpoint", "probe", "write"]

NAME = "OTEL_EXPORTER_OTLP_ENDPOINT"
"""The variable that names the endpoint where the option does not: OpenTelemetry's own."""
_PATH = "/v1/metrics"
_HEADERS = ("OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_METRICS_HEADERS")
_HIDDEN = "..."
_TIMEOUT_S = 10
_INSTALL = 'pip install "pytest-aifootprint[otel]"'
_PACKAGES = {
    "http/protobuf": ("opentelemetry.exporter.otlp.proto.http", _INSTALL),
    "grpc": ("opentelemetry.exporter.otlp.proto.grpc", "pip install opentelemetry-exporter-otlp-proto-grpc"),
}


def endpoint(text: str, environ: Mapping[str, str] = os.environ) -> Endpoint:
    """Where to send to: as the option says, else as OpenTelemetry's variables do."""
    return Endpoint(text or environ.get("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "") or environ.get(NAME, ""))


def protocol(environ: Mapping[str, str] = os.environ) -> str:
    """``http/protobuf``, unless OpenTelemetry's variables say otherwise."""
    named = environ.get("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL") or environ.get("OTEL_EXPORTER_OTLP_PROTOCOL")
    return (named or "http/protobuf").strip().lower()


def probe(target: Endpoint) -> None:
    """Before the run: raise ValueError, one line, if metrics cannot be sent there. Sends nothing, connects nowhere."""
    if not target.url:
        raise ValueError(f"otel needs an endpoint: otel:http://localhost:4318, or {NAME}")
    try:
        url = urlsplit(target.url)
        valid = url.scheme in {"http", "https"} and bool(url.hostname) and url.port != 0
    except ValueError:
        valid = False
    if not valid:
        raise ValueError("that is no endpoint; valid: otel:http://localhost:4318, otel:https://...")
    spoken = protocol()
    if spoken not in _PACKAGES:
        raise ValueError(f"OTEL_EXPORTER_OTLP_PROTOCOL {spoken!r} is not spoken here; valid: {', '.join(_PACKAGES)}")
    package, install = _PACKAGES[spoken]
    if not _installed(package) or not _installed("opentelemetry.sdk.metrics"):
        raise ValueError(f"otel needs a package that is not installed: {install}")


def write(run: RunFootprint, target: Endpoint) -> None:
    """Send the metrics of a run. Returns within eleven seconds, and leaves nothing running that could be ended.

    Raises:
        OSError: with the reason in ``strerror``; what may be a key is not in it.
    """
    found: list[str] = []
    # A thread, because a server that answers one byte at a time, or a name server, keeps to no timeout of a client.
    sender = threading.Thread(target=_send, args=(run, target.url, found), name="aifootprint-otel", daemon=True)
    sender.start()
    sender.join(_TIMEOUT_S + 1)
    if sender.is_alive():
        found.append(f"no answer within {_TIMEOUT_S} s")
    if found:
        raise OSError(None, _public(found[0], target.url))


def _send(run: RunFootprint, url: str, problems: list[str]) -> None:
    try:
        _reach(url)
        with _told() as told, _unwatched():
            exporter = _exporter(url)
            try:
                result = exporter.export(_data(run), timeout_millis=_TIMEOUT_S * 1000)
            finally:
                exporter.shutdown(timeout_millis=0)
        if result.name != "SUCCESS":
            problems.append(told[0] if told else "the collector did not take it")
    except OSError as error:
        problems.append(error.strerror or str(error))
    except Exception as error:  # noqa: BLE001 - whatever a client library raises, it is why nothing was sent
        problems.append(f"{type(error).__name__}: {error}")


def _public(reason: str, url: str) -> str:
    """Without what may be a key: reasons are printed and saved, and a client library quotes addresses and headers."""
    parts = urlsplit(url)
    private = {parts.username, parts.password, parts.query, parts.fragment, parts.path.rstrip("/")}
    for header in ",".join(os.environ.get(name, "") for name in _HEADERS).split(","):
        value = header.partition("=")[2].strip()
        private |= {header.strip(), value, unquote(value), repr(unquote(value))[1:-1]}
    # Nobody will try again: the exporter was told to stop.
    reason = re.sub(r", retrying in [\d.]+s", "", reason)
    reason = re.sub(r"(?<=\burl: )\S+", _HIDDEN, reason)
    for text in sorted(filter(None, private), key=len, reverse=True):
        reason = re.sub(rf"(?<![\w.]){re.escape(text)}(?![\w.])", _HIDDEN, reason)
    return reason


def _reach(url: str) -> None:
    """Raise OSError where nobody listens: the exporter would try again and again until its time is up."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme in getproxies() and not proxy_bypass(host):
        return
    port = parts.port or {"http": 80, "https": 443}[parts.scheme]
    socket.create_connection((host, port), timeout=_TIMEOUT_S).close()


def _exporter(url: str) -> MetricExporter:
    if protocol() == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter as OverGrpc

        return OverGrpc(endpoint=url, timeout=_TIMEOUT_S)
    import requests
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter as OverHttp

    session = requests.Session()
    # To where the user said, and not to where that sends us on.
    session.max_redirects = 0
    return OverHttp(endpoint=_signal_url(url), timeout=_TIMEOUT_S, session=session)


def _signal_url(url: str) -> str:
    """The address for metrics under a base address; one that ends so already is taken as it is."""
    parts = urlsplit(url)
    path = parts.path.rstrip("/")
    return urlunsplit(parts._replace(path=path if path.endswith(_PATH) else path + _PATH))


def _data(run: RunFootprint) -> MetricsData:
    """As the exporter takes it: made by hand, so that no provider, reader or thread of a program's own is touched."""
    from opentelemetry.sdk.metrics import export as otel
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope

    from pytest_aifootprint.reports.otel_metrics import Histogram, Metric, metrics, resource

    start_ns = round(datetime.fromisoformat(run.started_at).timestamp() * 1e9)
    end_ns = start_ns + round(run.duration_s * 1e9)
    wanted = os.environ.get("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "").strip().lower()
    temporality = otel.AggregationTemporality.DELTA if wanted == "delta" else otel.AggregationTemporality.CUMULATIVE

    def point(attributes: Mapping[str, str], value: float | Histogram) -> Any:
        if isinstance(value, Histogram):
            return otel.HistogramDataPoint(
                attributes=dict(attributes),
                start_time_unix_nano=start_ns,
                time_unix_nano=end_ns,
                count=value.count,
                sum=value.sum,
                bucket_counts=value.buckets,
                explicit_bounds=value.bounds,
                min=value.low,
                max=value.high,
            )
        return otel.NumberDataPoint(
            attributes=dict(attributes), start_time_unix_nano=start_ns, time_unix_nano=end_ns, value=value
        )

    def data(metric: Metric) -> Any:
        points = [point(attributes, value) for attributes, value in metric.points]
        if metric.kind == "gauge":
            return otel.Gauge(data_points=points)
        if metric.kind == "histogram":
            return otel.Histogram(data_points=points, aggregation_temporality=temporality)
        return otel.Sum(data_points=points, aggregation_temporality=temporality, is_monotonic=True)

    made = [otel.Metric(name=m.name, description=m.about, unit=m.unit, data=data(m)) for m in metrics(run)]
    scope = otel.ScopeMetrics(
        scope=InstrumentationScope("pytest-aifootprint", run.version), metrics=made, schema_url=""
    )
    # The user's own OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES win.
    whose = Resource(resource(run)).merge(OTELResourceDetector().detect())
    return otel.MetricsData(
        resource_metrics=[otel.ResourceMetrics(resource=whose, scope_metrics=[scope], schema_url="")]
    )


@contextmanager
def _told() -> Iterator[list[str]]:
    """What the exporter logs, here and not on the user's screen: it says there, and only there, why it failed."""
    told: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            told.append(" ".join(record.getMessage().split()))

    logger = logging.getLogger("opentelemetry.exporter")
    listener, propagated = Listener(logging.WARNING), logger.propagate
    logger.addHandler(listener)
    logger.propagate = False
    try:
        yield told
    finally:
        logger.removeHandler(listener)
        logger.propagate = propagated


@contextmanager
def _unwatched() -> Iterator[None]:
    """Instrumentations of the user's own tests do not take this for a call of theirs."""
    from opentelemetry import context

    key = getattr(context, "_SUPPRESS_INSTRUMENTATION_KEY", "suppress_instrumentation")
    token = context.attach(context.set_value(key, True))
    try:
        yield
    finally:
        context.detach(token)


def _installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except (ImportError, ValueError):
        return False
