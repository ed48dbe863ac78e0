"""A plugin of inner runs: OpenTelemetry watches the same clients, before us or after; its spans go to a file."""

from __future__ import annotations

import json
import os
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.instrumentation.genai.openai import OpenAIInstrumentor
from opentelemetry.instrumentation.httpx import HTTPX2ClientInstrumentor, HTTPXClientInstrumentor
from opentelemetry.instrumentation.requests import RequestsInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

exporter = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
INSTRUMENTORS = (
    HTTPXClientInstrumentor(),
    HTTPX2ClientInstrumentor(),
    RequestsInstrumentor(),
    OpenAIInstrumentor(),
)


def instrument() -> None:
    for instrumentor in INSTRUMENTORS:
        instrumentor.instrument(tracer_provider=provider)


if os.environ["THEIRS"] == "first":
    instrument()


@pytest.hookimpl(trylast=True)
def pytest_sessionstart() -> None:
    if os.environ["THEIRS"] == "last":
        instrument()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    with provider.get_tracer("tests").start_as_current_span(item.name):
        return (yield)


def _without_times(attributes: dict[str, Any]) -> dict[str, Any]:
    return {name: value > 0 if name.endswith("time_to_first_chunk") else value for name, value in attributes.items()}


def _without_us(attributes: dict[str, Any]) -> dict[str, Any]:
    """A printed traceback shows who was called on the way, us too: the one difference that there has to be."""
    if "exception.stacktrace" in attributes:
        head, *frames = attributes["exception.stacktrace"].split("\n  File ")
        theirs = [frame for frame in frames if "/pytest_aifootprint/" not in frame.partition("\n")[0]]
        attributes["exception.stacktrace"] = [head, *theirs]
    return attributes


def pytest_unconfigure() -> None:
    spans = exporter.get_finished_spans()
    names = {span.context.span_id: span.name for span in spans}
    rows = [
        {
            "name": span.name,
            "parent": span.parent and names[span.parent.span_id],
            "root": next(s.name for s in spans if s.parent is None and s.context.trace_id == span.context.trace_id),
            "kind": span.kind.name,
            "status": [span.status.status_code.name, span.status.description],
            "attributes": _without_times(dict(span.attributes)),
            "events": [[event.name, _without_us(dict(event.attributes))] for event in span.events],
            "links": len(span.links),
            "scope": span.instrumentation_scope.name,
        }
        for span in spans
    ]
    Path("spans.json").write_text(json.dumps(rows))
