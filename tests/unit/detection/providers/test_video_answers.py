"""Videos: jobs that are handed in, by whom, of which model, how many and how long.

Shapes: openai 3.54 (resources/videos.py, types/video.py), run; google-genai 2.34 (models.py, operations.py);
huggingface_hub 2.4 (inference/_providers: together, fal_ai, novita, wavespeed); docs.x.ai (video generation);
docs.aws.amazon.com (StartAsyncInvoke); learn.microsoft.com (Azure OpenAI, video generation quickstart).
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from pytest_aifootprint.detection.http.question import what_grpc_asks
from pytest_aifootprint.detection.providers.clips import clip_s, makes_videos, pieces

JOB = {
    "id": "video_1",
    "object": "video",
    "created_at": 1741569952,
    "model": "sora-2-2025-10-06",
    "status": "queued",
    "progress": 0,
    "seconds": "4",
    "size": "720x1280",
}
OPENAI = {"operation": "video", "provider": "openai", "response_model": "sora-2-2025-10-06"}
OPERATION = json.dumps({"name": "projects/p/operations/1"}).encode()
VEO = {"instances": [{"prompt": "a cat"}], "parameters": {"sampleCount": 2, "durationSeconds": 8}}


def form(**fields: str) -> bytes:
    lines = [f'--x\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n' for key, value in fields.items()]
    picture = '--x\r\nContent-Disposition: form-data; name="input_reference"; filename="a"\r\n\r\n\x00\x01\r\n--x--\r\n'
    return "".join([*lines, picture]).encode()


@pytest.mark.parametrize("make", [form, lambda **fields: fields])
def test_a_clip_tells_its_seconds(checks: Any, make: Any) -> None:
    request = make(prompt="a cat", model="sora-2", seconds="8")
    checks("api.openai.com/v1/videos", request, json.dumps(JOB).encode(), {**OPENAI, "model": "sora-2", "media_s": 8.0})


def test_what_the_openai_library_sends_is_read(asks: Any) -> None:
    # As openai 3.54 sent it.
    boundary = b"--2cf8fbad223bdc7cb661fab8230b8668"
    sent = b'%s\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n'
    fields = ((b"prompt", b"a cat"), (b"model", b"sora-2"), (b"seconds", b"8"))
    body = b"".join(sent % (boundary, *field) for field in fields)
    found = asks("api.openai.com/v1/videos", body + boundary + b"--\r\n")

    assert (found.operation, found.model, found.media_s) == ("video", "sora-2", 8.0)


def test_what_a_request_leaves_open_the_answer_tells(checks: Any) -> None:
    expected = {**OPENAI, "media_s": 4.0}
    checks("api.openai.com/v1/videos/video_1/remix", {"prompt": "x"}, json.dumps(JOB).encode(), expected)


def test_an_extension_is_as_long_as_it_was_asked_for_not_as_the_whole(reads: Any, asks: Any) -> None:
    found = asks("api.openai.com/v1/videos/extensions", {"prompt": "x", "seconds": "8", "video": {"id": "video_1"}})

    assert reads(found, [json.dumps({**JOB, "seconds": "12"}).encode()], "application/json", {})["media_s"] == 8.0


@pytest.mark.parametrize(
    ("url", "request_", "provider", "model", "samples", "media_s"),
    [
        (
            "me.openai.azure.com/openai/v1/video/generations/jobs?api-version=preview",
            {"model": "sora", "prompt": "x", "n_seconds": 5, "n_variants": 2},
            "azure-openai", "sora", 2, 5,
        ),
        ("me.openai.azure.com/openai/deployments/mine/videos", {"prompt": "x"}, "azure-openai", "mine", None, None),
        ("api.x.ai/v1/videos/generations", {"model": "grok-imagine-video", "prompt": "x", "duration": 10}, "xai",
         "grok-imagine-video", None, 10),
        ("router.huggingface.co/together/v2/videos", {"model": "a/b", "prompt": "x", "seconds": "6"}, "huggingface_hub",
         "a/b", None, 6),
        ("router.huggingface.co/fal-ai/fal-ai/hunyuan-video?_subdomain=queue",
         {"prompt": "x", "num_frames": 129, "fps": 15}, "huggingface_hub", "fal-ai/hunyuan-video", None, 8.6),
        ("router.huggingface.co/novita/v3/hf/wan-ai/wan", {"prompt": "x"}, "huggingface_hub", "wan-ai/wan", None, None),
        ("router.huggingface.co/wavespeed/api/v3/wan/t2v-14b", {"prompt": "x"}, "huggingface_hub",
         "wan/t2v-14b", None, None),
        ("api-inference.huggingface.co/pipeline/text-to-video/a/b", {"inputs": "x"}, "huggingface_hub",
         "a/b", None, None),
        ("generativelanguage.googleapis.com/v1beta/models/veo-3.1-generate-preview:predictLongRunning", VEO,
         "google_genai", "veo-3.1-generate-preview", 2, 8),
        (
            "us-central1-aiplatform.googleapis.com/v1/projects/p/locations/l/publishers/google/models/veo-3:predictLongRunning",
            VEO, "vertex_ai", "veo-3", 2, 8,
        ),
        ("bedrock-runtime.us-east-1.amazonaws.com/async-invoke",
         {"modelId": "amazon.nova-reel-v1:1", "modelInput": {"videoGenerationConfig": {"durationSeconds": 6}}},
         "aws_bedrock", "amazon.nova-reel-v1:1", None, 6),
        ("bedrock-runtime.us-west-2.amazonaws.com/async-invoke",
         {"modelId": "luma.ray-v2:0", "modelInput": {"prompt": "x", "duration": "5s"}},
         "aws_bedrock", "luma.ray-v2:0", None, 5),
        ("api.replicate.com/v1/models/google/veo-3/predictions", {"input": {"prompt": "x", "duration": 8}}, "replicate",
         "google/veo-3", None, 8),
        ("api.replicate.com/v1/predictions", {"version": "abc", "input": {"prompt": "x", "num_frames": 81, "fps": 15}},
         "replicate", "abc", None, 5.4),
        ("router.huggingface.co/replicate/v1/models/wan/wan-t2v/predictions", {"input": {"prompt": "x"}},
         "huggingface_hub", "wan/wan-t2v", None, None),
        ("localhost/v1/videos", {"model": "wan", "prompt": "x"}, "local", "wan", None, None),
    ],
)  # fmt: skip
def test_a_job_for_a_video_is_a_call(
    asks: Any, url: str, request_: Any, provider: str, model: str, samples: int | None, media_s: float | None
) -> None:
    found = asks(url, request_)

    assert found is not None
    assert (found.operation, found.provider, found.model) == ("video", provider, model)
    assert found.samples == samples
    assert found.media_s == (None if media_s is None else pytest.approx(media_s))


def test_a_long_request_is_read_as_a_short_one(asks: Any) -> None:
    long = "x" * 20_000
    found = asks("generativelanguage.googleapis.com/v1/models/veo-3:predictLongRunning", {**VEO, "instances": [long]})
    other = asks("api.openai.com/v1/videos", {"prompt": long, "model": "sora-2", "seconds": "12"})

    assert (found.samples, found.media_s) == (2, 8)
    assert (other.model, other.media_s) == ("sora-2", 12)


def test_the_answer_to_a_job_has_no_counts(checks: Any) -> None:
    url = "generativelanguage.googleapis.com/v1beta/models/veo-3:predictLongRunning"
    expected = {"operation": "video", "provider": "google_genai", "model": "veo-3", "samples": 2, "media_s": 8}
    checks(url, VEO, OPERATION, expected)


@pytest.mark.parametrize(
    ("url", "request_"),
    [
        ("us-central1-aiplatform.googleapis.com/v1/publishers/google/models/veo-3:fetchPredictOperation", {}),
        ("api.openai.com/v1/videos/characters", {"name": "x"}),
        ("api.openai.com/v1/videos/video_1/content", {}),
        ("api.openai.com/v1/videos/video_1", {}),
        ("me.openai.azure.com/openai/v1/video/generations/jobs/1", {}),
        ("router.huggingface.co/fal-ai/fal-ai/flux/schnell", {"prompt": "x"}),
        ("example.org/fal-ai/some/video", {"prompt": "x"}),
        ("example.org/v1/videos", {"title": "holidays", "model": "phone-3"}),
        ("example.org/videos", {"model": "m", "prompt": "x"}),
        ("example.org/v1/videos", {"prompt": "x"}),
        ("example.org/async-invoke", {"task": 1}),
    ],
)
def test_polling_and_other_people_s_videos_are_none(asks: Any, url: str, request_: Any) -> None:
    assert asks(url, request_) is None


@pytest.mark.parametrize(
    ("name", "makes"),
    [
        ("openai/sora-2-pro", True),
        ("veo-3.1-fast-generate-preview", True),
        ("tencent/hunyuan-video", True),
        ("wan-2.2-t2v-fast", True),
        ("amazon.nova-reel-v1:1", True),
        ("luma.ray-v2:0", True),
        ("lucataco/video-llava", False),
        ("videollama3", False),
        ("twelvelabs.marengo-embed-2-7", False),
        ("video-to-text", False),
        ("x-ray-classifier", False),
        ("gpt-4o", False),
        (None, False),
    ],
)
def test_a_name_says_whether_videos_are_made(name: str | None, makes: bool) -> None:  # noqa: FBT001 - a table
    assert makes_videos(name) is makes


@pytest.mark.parametrize(
    ("fields", "seconds"),
    [
        ({"seconds": "8"}, 8),
        ({"n_seconds": 5}, 5),
        ({"duration": "5s"}, 5),
        ({"duration": 2.5}, 2.5),
        ({"num_frames": 49, "fps": 8}, 6.125),
        ({"num_frames": 49}, None),
        ({"num_frames": 49, "fps": 0}, None),
        ({"seconds": "long"}, None),
        ({"seconds": True}, None),
        ({"seconds": None, "duration": 3}, 3),
        ({}, None),
    ],
)
def test_how_long_a_clip_is(fields: Any, seconds: float | None) -> None:
    assert clip_s(fields) == seconds


def test_how_many_are_asked_for() -> None:
    assert [pieces(f) for f in ({"n": 2}, {"n": "3"}, {"n": -1, "n_variants": 4}, {"n": "many"}, {})] == [
        2,
        3,
        4,
        None,
        None,
    ]


@pytest.mark.parametrize(("model", "operation"), [("veo-3", "video"), ("123", "inference")])
def test_veo_by_grpc_is_a_video(model: str, operation: str) -> None:
    request = {"endpoint": f"projects/p/locations/l/publishers/google/models/{model}"}
    found = what_grpc_asks(
        "/google.cloud.aiplatform.v1.PredictionService/PredictLongRunning", "aiplatform.googleapis.com", request
    )

    assert found is not None
    assert (found.operation, found.model) == (operation, model)
