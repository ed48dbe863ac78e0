"""Amazon Bedrock.

Shapes: docs.aws.amazon.com/bedrock/latest/APIReference, API_runtime_Converse, ConverseStream, InvokeModel and
InvokeModelWithResponseStream (TokenUsage, PayloadPart); the makers' own bodies: .../userguide/model-parameters.html;
the binary form: "Event Stream Encoding" in docs.aws.amazon.com/transcribe/latest/dg/event-stream.html.
"""

from __future__ import annotations

import base64
import json
import struct
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

HOST = "bedrock-runtime.us-east-1.amazonaws.com"
BINARY = "application/vnd.amazon.eventstream"


def header(name: str, value: str) -> bytes:
    return bytes([len(name)]) + name.encode() + b"\x07" + struct.pack(">H", len(value)) + value.encode()


def message(kind: str, payload: object, *, exception: bool = False, more: bytes = b"") -> bytes:
    names = (":exception-type", "exception") if exception else (":event-type", "event")
    headers = header(names[0], kind) + more + header(":content-type", "application/json")
    headers += header(":message-type", names[1])
    body = json.dumps(payload).encode()
    prelude = struct.pack(">II", len(headers) + len(body) + 16, len(headers))
    prelude += struct.pack(">I", zlib.crc32(prelude))
    whole = prelude + headers + body
    return whole + struct.pack(">I", zlib.crc32(whole))


def chunk(payload: object) -> bytes:
    return message("chunk", {"bytes": base64.b64encode(json.dumps(payload).encode()).decode(), "p": "abcd"})


USAGE = {
    "inputTokens": 30,
    "outputTokens": 628,
    "totalTokens": 1758,
    "cacheReadInputTokens": 1000,
    "cacheWriteInputTokens": 100,
}
CONVERSE = {
    "output": {"message": {"role": "assistant", "content": [{"text": "Hi é"}]}},
    "stopReason": "end_turn",
    "usage": USAGE,
    "metrics": {"latencyMs": 1275},
}
STREAM = [
    message("messageStart", {"role": "assistant", "p": "abc"}),
    message("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "H"}, "p": "ab"}),
    message("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "i"}, "p": "abcd"}),
    message("contentBlockStop", {"contentBlockIndex": 0, "p": "a"}),
    message("messageStop", {"stopReason": "end_turn", "p": "a"}),
    message("metadata", {"usage": USAGE, "metrics": {"latencyMs": 1275}, "p": "a"}),
]
ASK = {"messages": [{"role": "user", "content": [{"text": "Hi"}]}]}
EXPECTED = {
    "operation": "chat",
    "provider": "aws_bedrock",
    "model": "us.anthropic.claude-sonnet-4-20250514-v1:0",
    "input_tokens": 1130,
    "output_tokens": 628,
    "cached_input_tokens": 1000,
}
MODEL = "us.anthropic.claude-sonnet-4-20250514-v1%3A0"


@pytest.mark.parametrize(
    ("sent", "model"),
    [
        (MODEL, "us.anthropic.claude-sonnet-4-20250514-v1:0"),
        ("amazon.nova-lite-v1:0", "amazon.nova-lite-v1:0"),
        (
            "arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ainference-profile%2Fus.meta.llama3-1-8b-instruct-v1%3A0",
            "arn:aws:bedrock:us-east-1:1:inference-profile/us.meta.llama3-1-8b-instruct-v1:0",
        ),
    ],
)
def test_converse(checks: Any, sent: str, model: str) -> None:
    checks(f"{HOST}/model/{sent}/converse", ASK, json.dumps(CONVERSE).encode(), {**EXPECTED, "model": model})


@pytest.mark.parametrize(
    "host",
    [
        "bedrock-runtime-fips.us-east-1.amazonaws.com",
        "bedrock-runtime.us-east-1.api.aws",
        "bedrock-runtime.cn-north-1.amazonaws.com.cn",
        "vpce-1-2.bedrock-runtime.us-east-1.vpce.amazonaws.com",
    ],
)
def test_hosts(asks: Any, host: str) -> None:
    assert asks(f"{host}/model/{MODEL}/converse", ASK).provider == "aws_bedrock"


def test_converse_stream(checks: Any) -> None:
    expected = {**EXPECTED, "streamed": True}
    checks(f"{HOST}/model/{MODEL}/converse-stream", ASK, b"".join(STREAM), expected, BINARY)
    checks(f"{HOST}/model/{MODEL}/converse-stream", ASK, b"".join(STREAM), expected, "")


@pytest.mark.parametrize(
    "rest", [[], [STREAM[5][:-5]], [message("throttlingException", {"message": "Slow"}, exception=True)]]
)
def test_a_stream_cut_off_has_its_deltas_counted(checks: Any, rest: list[bytes]) -> None:
    expected = {
        **EXPECTED,
        "input_tokens": None,
        "cached_input_tokens": None,
        "output_tokens": 2,
        "estimated": True,
        "streamed": True,
        "complete": False,
    }
    answer = b"".join([*STREAM[:4], *rest])
    checks(f"{HOST}/model/{MODEL}/converse-stream", ASK, answer, expected, BINARY)


def test_messages_of_any_size(checks: Any) -> None:
    trace = {"guardrail": {"text": 'x"{[\\' * 4_000}}
    answer = [
        *STREAM[:2],
        message("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "y" * 20_000}}),
        message("metadata", {"trace": trace, "usage": USAGE, "metrics": {"latencyMs": 1}}),
    ]
    expected = {**EXPECTED, "streamed": True}
    checks(f"{HOST}/model/{MODEL}/converse-stream", ASK, b"".join(answer), expected, BINARY)
    counted = {
        **expected,
        "input_tokens": None,
        "cached_input_tokens": None,
        "output_tokens": 2,
        "estimated": True,
        "complete": False,
    }
    checks(f"{HOST}/model/{MODEL}/converse-stream", ASK, b"".join(answer[:3]), counted, BINARY)


def test_headers_of_every_type_are_passed_over(checks: Any) -> None:
    more = b"".join(
        bytes([1]) + b"h" + bytes([kind]) + value
        for kind, value in [
            (0, b""),
            (1, b""),
            (2, b"1"),
            (3, b"12"),
            (4, b"1234"),
            (5, b"12345678"),
            (6, b"\x00\x02ab"),
            (8, b"12345678"),
            (9, b"1234567890123456"),
        ]
    )
    headers = more + header(":event-type", "metadata")
    body = json.dumps({"usage": USAGE}).encode()
    answer = struct.pack(">III", len(headers) + len(body) + 16, len(headers), 0) + headers + body + b"\0\0\0\0"
    checks(f"{HOST}/model/{MODEL}/converse-stream", ASK, answer, {**EXPECTED, "streamed": True}, BINARY)


CLAUDE = {
    "id": "msg_bdrk_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-4-20250514",
    "content": [{"type": "text", "text": "Hi"}],
    "stop_reason": "end_turn",
    "usage": {
        "input_tokens": 30,
        "cache_read_input_tokens": 1000,
        "cache_creation_input_tokens": 100,
        "output_tokens": 628,
    },
}
HEADERS = {
    "x-amzn-bedrock-input-token-count": "30",
    "x-amzn-bedrock-output-token-count": "628",
    "x-amzn-bedrock-cache-read-input-token-count": "1000",
    "x-amzn-bedrock-cache-write-input-token-count": "100",
}
INVOKED = {**EXPECTED, "response_model": "claude-sonnet-4-20250514"}


def test_invoke_claude(checks: Any) -> None:
    url = f"{HOST}/model/{MODEL}/invoke"
    request = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 9, "messages": [{}]}
    for headers in ({}, HEADERS):
        checks(url, request, json.dumps(CLAUDE).encode(), INVOKED, headers=headers)
    without = {key: value for key, value in CLAUDE.items() if key != "usage"}
    checks(url, request, json.dumps(without).encode(), INVOKED, headers=HEADERS)


@pytest.mark.parametrize(
    ("model", "body", "counts"),
    [
        (
            "amazon.titan-text-express-v1",
            {
                "inputTextTokenCount": 5,
                "results": [{"tokenCount": 7, "outputText": "Hi", "completionReason": "FINISH"}],
            },
            (5, 7),
        ),
        (
            "meta.llama3-1-8b-instruct-v1:0",
            {"generation": "Hi", "prompt_token_count": 5, "generation_token_count": 7, "stop_reason": "stop"},
            (5, 7),
        ),
        (
            "amazon.nova-lite-v1:0",
            {
                "output": {"message": {"content": [{"text": "Hi"}], "role": "assistant"}},
                "stopReason": "end_turn",
                "usage": {
                    "inputTokens": 4,
                    "outputTokens": 7,
                    "totalTokens": 12,
                    "cacheReadInputTokenCount": 1,
                    "cacheWriteInputTokenCount": 0,
                },
            },
            (5, 7),
        ),
        (
            "openai.gpt-oss-20b-1:0",
            {"choices": [{}], "usage": {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}},
            (5, 7),
        ),
        ("mistral.mistral-7b-instruct-v0:2", {"outputs": [{"text": "Hi", "stop_reason": "stop"}]}, (None, None)),
    ],
)
def test_each_maker_has_its_own_words(reads: Any, asks: Any, model: str, body: Any, counts: Any) -> None:
    found = asks(f"{HOST}/model/{model}/invoke", {"prompt": "Hi"})
    for padded in (body, {"pad": "x" * 10_000, **body}):
        record = reads(found, [json.dumps(padded).encode()], "application/json", {})
        assert (record["input_tokens"], record["output_tokens"]) == counts
    headers = {"x-amzn-bedrock-input-token-count": "5", "x-amzn-bedrock-output-token-count": "7"}
    record = reads(found, [json.dumps(body).encode()], "application/json", headers)
    assert (record["input_tokens"], record["output_tokens"]) == (5, 7)


@pytest.mark.parametrize("value", ["", "-1", "7.5", "x", "٣", "9" * 40, None])
def test_a_header_that_is_no_count_is_unknown(reads: Any, asks: Any, value: Any) -> None:
    found = asks(f"{HOST}/model/mistral.mistral-7b/invoke", {"prompt": "Hi"})
    record = reads(found, [b'{"outputs": []}'], "application/json", {"x-amzn-bedrock-input-token-count": value})
    assert (record["input_tokens"], record["understood"]) == (None, True)


@pytest.mark.parametrize(
    ("model", "request_body", "operation", "samples"),
    [
        ("amazon.titan-embed-text-v2:0", {"inputText": "Hi"}, "embedding", None),
        ("cohere.embed-english-v3", {"texts": ["a", "b"], "input_type": "search_query"}, "embedding", 2),
        ("cohere.rerank-v3-5:0", {"query": "q", "documents": ["a"] * 3}, "rerank", 3),
        ("stability.sd3-large-v1:0", {"prompt": "a cat"}, "image", None),
        ("amazon.nova-canvas-v1:0", {"taskType": "TEXT_IMAGE"}, "image", None),
    ],
)
def test_what_an_invoked_model_does(asks: Any, model: str, request_body: Any, operation: str, samples: Any) -> None:
    found = asks(f"{HOST}/model/{model}/invoke", request_body)
    assert (found.operation, found.samples) == (operation, samples)


def test_an_embedding_has_its_count_in_body_or_header(checks: Any) -> None:
    expected = {
        "operation": "embedding",
        "provider": "aws_bedrock",
        "model": "amazon.titan-embed-text-v2:0",
        "input_tokens": 3,
        "output_tokens": 0,
    }
    url = f"{HOST}/model/amazon.titan-embed-text-v2%3A0/invoke"
    answer: dict[str, Any] = {"embedding": [0.1] * 1_024, "inputTextTokenCount": 3}
    checks(url, {"inputText": "Hi"}, json.dumps(answer).encode(), expected)
    del answer["inputTextTokenCount"]
    headers = {"x-amzn-bedrock-input-token-count": "3"}
    checks(url, {"inputText": "Hi"}, json.dumps(answer).encode(), expected, headers=headers)


METRICS = {"inputTokenCount": 30, "outputTokenCount": 628, "invocationLatency": 9, "firstByteLatency": 2}
CACHE_METRICS = {**METRICS, "cacheReadInputTokenCount": 1000, "cacheWriteInputTokenCount": 100}


def test_invoke_claude_streamed(checks: Any) -> None:
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": {**CLAUDE, "usage": {**CLAUDE["usage"], "output_tokens": 1}}},  # type: ignore[dict-item]
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "H"}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "i"}},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 628}},
        {"type": "message_stop", "amazon-bedrock-invocationMetrics": CACHE_METRICS},
    ]
    url = f"{HOST}/model/{MODEL}/invoke-with-response-stream"
    answer = b"".join(chunk(event) for event in events)
    checks(url, {"messages": [{}]}, answer, {**INVOKED, "streamed": True}, BINARY)
    given_up = {**INVOKED, "streamed": True, "output_tokens": 2, "estimated": True, "complete": False}
    checks(url, {"messages": [{}]}, b"".join(chunk(event) for event in events[:3]), given_up, BINARY)


@pytest.mark.parametrize("text", ["Hi", "x" * 9_000])
def test_invoke_llama_streamed(checks: Any, text: str) -> None:
    answer = (
        chunk({"generation": "H", "prompt_token_count": 30}) + chunk({"generation": text}) + chunk({"generation": ""})
    )
    expected = {
        "operation": "chat",
        "provider": "aws_bedrock",
        "model": "meta.llama3-1-8b-instruct-v1:0",
        "input_tokens": 30,
        "output_tokens": 628,
        "streamed": True,
    }
    url = f"{HOST}/model/meta.llama3-1-8b-instruct-v1%3A0/invoke-with-response-stream"
    last = chunk({"generation": "", "stop_reason": "stop", "amazon-bedrock-invocationMetrics": METRICS})
    checks(url, {"prompt": "Hi"}, answer + last, expected, BINARY)
    if text == "Hi":
        given_up = {**expected, "output_tokens": 2, "estimated": True, "complete": False}
        checks(url, {"prompt": "Hi"}, answer, given_up, BINARY)


@pytest.mark.parametrize("path", [f"model/{MODEL}/count-tokens", "guardrail/g/version/1/apply", "async-invoke/arn"])
def test_what_is_no_inference(asks: Any, path: str) -> None:
    assert asks(f"{HOST}/{path}", ASK) is None


BROKEN = st.one_of(
    st.binary(max_size=300),
    st.tuples(st.integers(0, 400), st.integers(0, 400), st.binary(max_size=300)).map(
        lambda parts: struct.pack(">II", parts[0], parts[1]) + parts[2]
    ),
    st.tuples(st.sampled_from(STREAM), st.integers(0, 200), st.binary(max_size=9)).map(
        lambda parts: parts[0][: parts[1]] + parts[2] + parts[0][parts[1] + len(parts[2]) :]
    ),
    st.binary(max_size=50).map(lambda data: message("chunk", {"bytes": data.decode("latin-1")})),
)


@given(st.lists(BROKEN, max_size=3).map(b"".join), st.integers(0, 300))
def test_no_bytes_make_it_raise(asks: Any, reads: Any, data: bytes, at: int) -> None:
    for end in ("converse-stream", "invoke-with-response-stream"):
        found = asks(f"{HOST}/model/m/{end}", ASK)
        assert reads(found, [data[:at], data[at:]], BINARY, {}) == reads(found, [data], BINARY, {})
