"""Google's own gRPC client of Vertex AI, against a server in another process: seen, with its model."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_aifootprint.detection import Recorder, Seams

grpc = pytest.importorskip("grpc")
aiplatform = pytest.importorskip("google.cloud.aiplatform_v1")

SERVER = Path(__file__).parents[2] / "unit" / "detection" / "other_servers.py"
MODEL = "projects/p/locations/l/publishers/google/models/gemini-3-flash"


@pytest.fixture(scope="module")
def target() -> Iterator[str]:
    command = [sys.executable, str(SERVER), "grpc"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield f"127.0.0.1:{int(process.stdout.readline())}"
        process.communicate()


def test_a_model_of_vertex_is_seen(target: str) -> None:
    recorder = Recorder()
    seams = Seams.arm(recorder)
    try:
        from google.cloud.aiplatform_v1.services.prediction_service.transports import PredictionServiceGrpcTransport

        with grpc.insecure_channel(target) as channel:
            client = aiplatform.PredictionServiceClient(transport=PredictionServiceGrpcTransport(channel=channel))
            contents = [{"role": "user", "parts": [{"text": "PRIVATE"}]}]
            client.generate_content(model=MODEL, contents=contents)
            list(client.stream_generate_content(model=MODEL, contents=contents))
    finally:
        seams.disarm()
    recorder.flush(None)
    assert recorder.errors == []
    assert len(recorder.unowned) == 2
    for call in recorder.unowned:
        assert (call.client, call.model, call.operation, call.status) == ("grpc", "gemini-3-flash", "chat", 200)
        assert (call.realness, call.locality, call.input_tokens) == ("live", "local", None)
        assert "unread-protocol" in call.notices
    assert "PRIVATE" not in repr(recorder.unowned)
