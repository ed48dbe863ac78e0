"""boto3's bedrock-runtime, over urllib3: the model in the path, streams in binary, counts in headers too."""

from __future__ import annotations

import json
from typing import Any

import pytest

boto3 = pytest.importorskip("boto3")

MODELS = [
    "us.anthropic.claude-sonnet-4-20250514-v1:0",
    "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.meta.llama3-1-8b-instruct-v1:0",
]
MESSAGES: Any = [{"role": "user", "content": [{"text": "PRIVATE"}]}]
BODY = json.dumps({"anthropic_version": "bedrock-2023-05-31", "max_tokens": 9, "messages": []})
IS = {"client": "urllib3", "provider": "aws_bedrock"}


@pytest.fixture
def client() -> Any:
    keys = {"aws_access_key_id": "CANARY-KEY", "aws_secret_access_key": "CANARY-KEY", "region_name": "us-east-1"}
    return boto3.client("bedrock-runtime", endpoint_url="http://bedrock-runtime.us-east-1.amazonaws.com", **keys)


@pytest.mark.parametrize("model", MODELS)
def test_converse(client: Any, model: str, seen: Any) -> None:
    assert client.converse(modelId=model, messages=MESSAGES)["usage"]["outputTokens"] == 628
    seen.only("bedrock", model=model, **IS)


@pytest.mark.parametrize("model", MODELS)
def test_converse_streamed(client: Any, model: str, seen: Any) -> None:
    *_, last = client.converse_stream(modelId=model, messages=MESSAGES)["stream"]
    assert last["metadata"]["usage"]["outputTokens"] == 628
    seen.only("bedrock", model=model, streamed=True, **IS)


def test_invoke(client: Any, seen: Any) -> None:
    assert client.invoke_model(modelId=MODELS[0], body=BODY)["body"].read()
    seen.only("bedrock", model=MODELS[0], **IS)


def test_invoke_streamed(client: Any, seen: Any) -> None:
    assert len(list(client.invoke_model_with_response_stream(modelId=MODELS[0], body=BODY)["body"])) == 2
    seen.only("bedrock", model=MODELS[0], streamed=True, **IS)
