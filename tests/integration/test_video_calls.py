"""A video is one call: its job. How far it is, and the film itself, are asked for without one."""

from __future__ import annotations

import json

import jsonschema
import pytest

from pytest_aifootprint.records.schema import report_schema

SUITE = """
import httpx

JOB = {"id": "v1", "object": "video", "model": "sora-2-pro", "status": "queued", "progress": 0, "seconds": "4"}

def answer(request):
    if request.url.path.endswith("content"):
        return httpx.Response(200, content=b"film", headers={"content-type": "video/mp4"})
    return httpx.Response(200, json=JOB)

def test_it(aifootprint):
    client = httpx.Client(transport=httpx.MockTransport(answer), base_url="https://api.openai.com/v1/")
    client.post("videos", json={"model": "sora-2-pro", "prompt": "a cat", "seconds": "8"})
    client.post("videos/v1/remix", json={"prompt": "a dog"})
    client.get("videos/v1")
    client.get("videos/v1/content")
    aifootprint.record_call(model="sora-2-pro", provider="openai", operation="video")
    assert [call.notices for call in aifootprint.calls] == [(), (), ()]
"""


def test_a_video_is_counted_once_with_its_seconds_and_has_a_price(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(SUITE)
    result = pytester.runpytest("--aifootprint", "--aifootprint-report=json:r.json")
    data = json.loads((pytester.path / "r.json").read_text())
    jsonschema.validate(data, report_schema())
    result.assert_outcomes(passed=1)
    calls = data["tests"][0]["calls"]

    assert [(c["operation"], c["realness"], c["media_s"]) for c in calls] == [
        ("video", "mocked", 8.0),
        ("video", "mocked", 4.0),
        ("video", "live", None),
    ]
    assert [c["response_model"] for c in calls[:2]] == ["sora-2-pro"] * 2
    energy_wh = calls[2]["energy_j"]["central"] / 3600
    assert 7.9 < energy_wh < 323 * 1.2
