"""OpenTelemetry's instrumentation of httpx, with a real tracer and no exporter, for the whole run."""

from __future__ import annotations

from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.sdk.trace import TracerProvider


def pytest_configure() -> None:
    """Instrument before tests are imported."""
    HTTPXClientInstrumentor().instrument(tracer_provider=TracerProvider())
