"""The parsers: any way of cutting the bytes gives the same, and no bytes make them raise."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_aifootprint.detection.providers.apis.anthropic import AnthropicAnswer
from pytest_aifootprint.detection.providers.apis.openai import OpenAIAnswer
from pytest_aifootprint.detection.providers.body import Body
from pytest_aifootprint.detection.providers.picking import WHOLE_LIMIT, Picker, pick
from pytest_aifootprint.detection.providers.usage import Usage

WANTED = frozenset({("model",), ("usage",), ("response", "usage")})
KEYS = st.sampled_from(["model", "usage", "response", 'us"age', "us\\age"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5) | KEYS, inner, max_size=4),
    max_leaves=20,
)
DOCUMENTS = st.dictionaries(KEYS | st.text(max_size=5), JSON, max_size=6)


def cut(data: bytes, at: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in at), len(data)]
    return [data[a:b] for a, b in pairwise(edges)]


def read(interpreter: Any, pieces: list[bytes], content_type: str = "") -> tuple[Usage, bool, bool, bool]:
    body = Body(interpreter, content_type)
    for piece in pieces:
        body.feed(piece)
    body.end()
    return interpreter.usage(), body.streamed, body.understood, interpreter.complete


def wanted_of(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {key: document[key] for key in ("model", "usage") if key in document}
    response = document.get("response")
    if isinstance(response, dict) and "usage" in response:
        found["response"] = {"usage": response["usage"]}
    return found


@given(DOCUMENTS, st.lists(st.integers(0, 10_000), max_size=8), st.booleans(), st.sampled_from([None, 2]))
def test_the_scanner_finds_what_a_parser_finds(document: Any, at: Any, ascii_only: Any, indent: Any) -> None:
    data = json.dumps(document, ensure_ascii=ascii_only, indent=indent).encode("utf-8", "surrogatepass")
    picker = Picker(WANTED)
    for piece in cut(data, at):
        picker.feed(piece)
    assert picker.done
    assert picker.picked() == wanted_of(document)


@given(st.binary(max_size=200), st.lists(st.integers(0, 300), max_size=5))
def test_the_scanner_survives_any_bytes(data: bytes, at: list[int]) -> None:
    picker, whole = Picker(WANTED), Picker(WANTED)
    for piece in cut(data, at):
        picker.feed(piece)
    whole.feed(data)
    assert picker.picked() == whole.picked()
    assert picker.done == whole.done


NEARLY = st.lists(
    st.sampled_from([b'{"', b'"', b"\\", b":", b",", b"{", b"}", b"[", b"]", b'"usage"', b"1"]), max_size=30
)


@given(NEARLY.map(b"".join), st.lists(st.integers(0, 100), max_size=5))
def test_the_scanner_survives_nearly_json(data: bytes, at: list[int]) -> None:
    test_the_scanner_survives_any_bytes.hypothesis.inner_test(data, at)  # type: ignore[attr-defined]


def streams(fake: Any) -> list[tuple[type, bytes]]:
    body = {"model": "m", "stream_options": {"include_usage": True}}
    return [
        (OpenAIAnswer, "".join(fake["chat_events"](body)).encode()),
        (OpenAIAnswer, "".join(fake["chat_events"]({"model": "m"})).encode()),
        (OpenAIAnswer, "".join(fake["responses_events"](body)).encode()),
        (OpenAIAnswer, json.dumps(fake["chat"](body)).encode()),
        (OpenAIAnswer, json.dumps(fake["embeddings"](body)).encode()),
        (AnthropicAnswer, "".join(fake["messages_events"](body)).encode()),
        (AnthropicAnswer, json.dumps(fake["messages"](body), indent=1).encode()),
    ]


@pytest.mark.parametrize("which", range(7))
@pytest.mark.parametrize("ends", [b"\n", b"\r\n"])
@given(at=st.lists(st.integers(0, 500_000), max_size=12))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
def test_any_way_of_cutting_gives_the_same(which: int, ends: bytes, at: list[int], fake: Any) -> None:
    kind, data = streams(fake)[which]
    data = data.replace(b"\n", ends)
    assert read(kind("chat"), cut(data, at)) == read(kind("chat"), [data])
    assert read(kind("chat"), [data])[2:] == (True, True)


@pytest.mark.parametrize("which", range(7))
def test_byte_by_byte(which: int, fake: Any) -> None:
    kind, data = streams(fake)[which]
    assert read(kind("chat"), [bytes([byte]) for byte in data]) == read(kind("chat"), [data])


@given(
    st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=4), st.sampled_from([OpenAIAnswer, AnthropicAnswer])
)
@pytest.mark.parametrize("content_type", ["", "application/json", "text/event-stream"])
def test_no_bytes_make_a_parser_raise(content_type: str, data: bytes, at: list[int], kind: Any) -> None:
    assert read(kind("chat"), cut(data, at), content_type) == read(kind("chat"), [data], content_type)


@given(JSON, st.sampled_from([OpenAIAnswer, AnthropicAnswer]))
def test_no_document_makes_a_parser_raise(document: Any, kind: Any) -> None:
    keys = ("usage", "choices", "response", "message", "delta", "type", "model", "x_groq")
    for answer in (document, dict.fromkeys(keys, document), {key: {"usage": document} for key in keys}):
        read(kind("chat"), [json.dumps(answer).encode()])
        read(kind("chat"), [b"data: " + json.dumps(answer).encode() + b"\n\n"])


class Slow(OpenAIAnswer):
    def passes(self, _data: bytes) -> bool:
        return False


CONTENT = st.none() | st.text(max_size=6) | st.sampled_from(['"usage"', '"delta":{"content":"x"}', "{", "}", '\\"'])
DELTAS = st.dictionaries(st.sampled_from(["role", "content", "reasoning", "audio", "usage"]), CONTENT, max_size=3)
CHUNKS = st.fixed_dictionaries(
    {"choices": st.lists(st.fixed_dictionaries({"index": st.just(0), "delta": DELTAS}), max_size=2)},
    optional={
        "model": st.sampled_from(["m", None]),
        "usage": st.sampled_from([None, {"prompt_tokens": 1, "completion_tokens": 2}]),
        "type": st.sampled_from(["response.output_text.delta", "other"]),
        "delta": st.text(max_size=3),
    },
)


@given(st.lists(CHUNKS, max_size=6), st.sampled_from([(",", ":"), (", ", ": ")]), st.booleans())
def test_the_short_cut_counts_what_the_long_way_counts(chunks: Any, marks: Any, ascii_only: bool) -> None:  # noqa: FBT001
    events = [{"model": "m"}, *chunks]
    lines = ["data: " + json.dumps(event, separators=marks, ensure_ascii=ascii_only) for event in events]
    data = "\n\n".join(lines).encode("utf-8", "surrogatepass")
    assert read(OpenAIAnswer("chat"), [data], "event-stream") == read(Slow("chat"), [data], "event-stream")


@pytest.mark.parametrize("size", [WHOLE_LIMIT - 60, WHOLE_LIMIT, WHOLE_LIMIT * 3])
@pytest.mark.parametrize("step", [1_000, 1_000_000])
def test_events_of_any_size(size: int, step: int) -> None:
    text = 'x"usage":\\' * (size // 10)
    usage = {"input_tokens": 5, "output_tokens": 6}
    event = {"type": "response.completed", "response": {"output": text, "model": "m", "usage": usage}}
    data = b": " + b"c" * size + b"\n\nevent: x\ndata: " + json.dumps(event).encode() + b"\n\ndata: [DONE]\n\n"
    pieces = [data[at : at + step] for at in range(0, len(data), step)]
    found, streamed, understood, complete = read(OpenAIAnswer("chat"), pieces)
    assert (found.input_tokens, found.output_tokens, found.model) == (5, 6, "m")
    assert (streamed, understood, complete, found.estimated) == (True, True, True, False)


def test_a_large_answer_is_not_held() -> None:
    body = Body(OpenAIAnswer("embedding"), "application/json")
    body.feed(b'{"data": [')
    framing: Any = body._framing
    for _ in range(200):
        body.feed(b"0.123456789, " * 1_000)
        assert len(framing._held) <= WHOLE_LIMIT
        assert framing._scan is not None
    body.feed(b'0], "usage": {"prompt_tokens": 3}}')
    body.end()
    assert body.interpreter.usage().input_tokens == 3


def test_a_hostile_usage_is_dropped() -> None:
    data = b'{"pad": "' + b"x" * WHOLE_LIMIT + b'", "usage": {"prompt_tokens": 1, "x": "' + b"y" * 100_000 + b'"}}'
    usage, _, understood, complete = read(OpenAIAnswer("chat"), [data])
    assert (usage.input_tokens, understood, complete) == (None, True, True)


def test_an_answer_cut_off_tells_what_it_told() -> None:
    usage, _, understood, complete = read(OpenAIAnswer("chat"), [b'{"model": "m", "usage": {"prompt_tokens": 3}, "ch'])
    assert (usage.model, usage.input_tokens, understood, complete) == ("m", 3, False, False)


def test_an_event_may_have_several_data_lines() -> None:
    data = b'data: {"usage":\ndata: {"prompt_tokens": 2, "completion_tokens": 1}}\n\n'
    assert read(OpenAIAnswer("chat"), [data])[0].input_tokens == 2


def usage_of(answer: dict[str, Any], operation: str = "chat") -> Usage:
    return read(OpenAIAnswer(operation), [json.dumps(answer).encode()])[0]


def test_reasoning_that_a_provider_leaves_out_of_output_is_added() -> None:
    counts = {"prompt_tokens": 10, "completion_tokens": 5, "completion_tokens_details": {"reasoning_tokens": 7}}
    assert usage_of({"usage": {**counts, "total_tokens": 22}}).output_tokens == 12
    assert usage_of({"usage": {**counts, "total_tokens": 15}}).output_tokens == 5


def test_dialects() -> None:
    assert usage_of({"usage": {"prompt_tokens": 9, "prompt_cache_hit_tokens": 4}}).cached_input_tokens == 4
    assert usage_of({"x_groq": {"usage": {"prompt_tokens": 9, "completion_tokens": 1}}}).input_tokens == 9
    assert usage_of({"usage": {"total_tokens": 9}}, "rerank").input_tokens == 9
    assert usage_of({"usage": {"total_tokens": 9}}, "rerank").output_tokens == 0


@pytest.mark.parametrize("value", [-1, True, "7", 1.5, None, [], {}, 1e999])
def test_what_is_no_count_is_unknown(value: Any) -> None:
    assert usage_of({"usage": {"prompt_tokens": value, "completion_tokens": 1}}).input_tokens is None


def test_requests_of_any_size() -> None:
    wanted = frozenset({("model",), ("stream",)})
    for size in (10, WHOLE_LIMIT * 2):
        request = {"messages": [{"model": "no", "content": '"model": "no"' * size}], "model": "yes", "stream": True}
        found = pick(json.dumps(request).encode(), wanted)
        assert found is not None
        assert (found["model"], found["stream"]) == ("yes", True)
    assert pick(b'{"model": "' + b"x" * WHOLE_LIMIT, wanted) is None
    assert pick(b"[1]", wanted) is None
    assert pick(b"[" * 100_000, wanted) is None
    assert pick(b"[" * 50_000, wanted) is None


def test_an_anthropic_stream_cut_off_has_its_deltas_counted(fake: Any) -> None:
    events = fake["messages_events"]({"model": "m"})
    usage, _, _, complete = read(AnthropicAnswer("chat"), ["".join(events[:6]).encode()])
    assert (usage.input_tokens, usage.output_tokens, usage.estimated, complete) == (140, 3, True, False)
