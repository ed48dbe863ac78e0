"""The forms of an answer: any way of cutting gives the same, nothing makes them raise, nothing is kept."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Mapping
from itertools import pairwise
from typing import Any, ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_aifootprint.detection.providers.apis.google import GoogleAnswer
from pytest_aifootprint.detection.providers.apis.huggingface import HuggingFaceAnswer
from pytest_aifootprint.detection.providers.apis.ollama import OllamaAnswer
from pytest_aifootprint.detection.providers.apis.openai import OpenAIAnswer
from pytest_aifootprint.detection.providers.asking import APIS, could_ask
from pytest_aifootprint.detection.providers.body import Body
from pytest_aifootprint.detection.providers.picking import WHOLE_LIMIT, Counted, Picker, pick
from pytest_aifootprint.detection.providers.usage import Answer, items, name

CONTENT_TYPES = [
    "",
    "application/json",
    "application/x-ndjson",
    "text/event-stream",
    "application/vnd.amazon.eventstream",
]


class Log(Answer):
    """Notes what it is told."""

    wanted: ClassVar = frozenset({("a",), ("b", "c"), ("d", "", "e")})

    def __init__(self, arrays: str = "") -> None:
        super().__init__("chat")
        self.arrays = arrays  # type: ignore[misc]
        self.told: list[tuple[str, Any]] = []

    def document(self, answer: Mapping[str, Any]) -> None:
        self.told.append(("document", wanted_of(answer)))

    def event(self, event: Mapping[str, Any]) -> None:
        self.told.append(("event", wanted_of(event)))

    def done(self) -> None:
        self.told.append(("done", None))


def wanted_of(document: Mapping[str, Any]) -> dict[str, Any]:
    """What a scanner would have kept of it."""
    found = {"a": document["a"]} if "a" in document else {}
    if isinstance(document.get("b"), dict) and "c" in document["b"]:
        found["b"] = {"c": document["b"]["c"]}
    if isinstance(document.get("d"), list):
        elements = [{"e": each["e"]} for each in document["d"] if isinstance(each, dict) and "e" in each]
        if elements:
            found["d"] = elements
    return found


def told(pieces: list[bytes], content_type: str, arrays: str = "") -> tuple[list[tuple[str, Any]], bool, bool]:
    log = Log(arrays)
    body = Body(log, content_type)
    for piece in pieces:
        body.feed(piece)
    body.end()
    return log.told, body.streamed, body.understood


def cut(data: bytes, at: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in at), len(data)]
    return [data[a:b] for a, b in pairwise(edges)]


UNHURRIED = settings(deadline=None, max_examples=40)  # some documents are long
CUTS = st.lists(st.integers(0, 10_000_000), max_size=8)
SCALARS = st.none() | st.integers(-9, 9) | st.text(max_size=4) | st.sampled_from(['"', "\\", "é🌍", "]", "}", "{"])
# Long enough to be scanned, or not.
PADDING = st.sampled_from(["", "x", '{"a": 1}', "é" * 3, "[" * (WHOLE_LIMIT + 5), '"\\' * WHOLE_LIMIT])
DOCUMENTS = st.fixed_dictionaries(
    {},
    optional={
        "pad": PADDING,
        "a": SCALARS,
        "b": st.dictionaries(st.sampled_from(["c", "x"]), SCALARS, max_size=2),
        "d": st.lists(st.dictionaries(st.sampled_from(["e", "f"]), SCALARS, max_size=2) | SCALARS, max_size=3),
        "z": SCALARS,
    },
)


def written(document: Any, indent: int | None) -> bytes:
    return json.dumps(document, ensure_ascii=False, indent=indent).encode("utf-8", "surrogatepass")


@UNHURRIED
@given(DOCUMENTS, CUTS, st.sampled_from([None, 1]), st.sampled_from([b"", b" \r\n", b"\xef\xbb\xbf"]))
def test_one_document(document: Any, at: Any, indent: Any, before: bytes) -> None:
    data = before + written(document, indent) + b"\n"
    for content_type in ("", "application/json"):
        found = told(cut(data, at), content_type)
        assert found == ([("document", wanted_of(document))], False, True)


@UNHURRIED
@given(st.lists(DOCUMENTS, min_size=2, max_size=4), CUTS, st.sampled_from([b"\n", b"", b"\r\n\r\n", b", "]))
def test_documents_one_after_the_other_are_a_stream(documents: Any, at: Any, between: bytes) -> None:
    data = between.join(written(document, None) for document in documents)
    events = [("event", wanted_of(document)) for document in documents]
    for content_type in ("", "application/json", "application/x-ndjson", "application/stream+json"):
        assert told(cut(data, at), content_type) == (events, True, True)


@UNHURRIED
@given(st.lists(DOCUMENTS, min_size=1, max_size=3), CUTS, st.sampled_from([None, 2]))
def test_an_array_of_documents(documents: Any, at: Any, indent: Any) -> None:
    data = b" [" + b"\n,\r\n".join(written(document, indent) for document in documents) + b"\n]"
    for arrays, kind in (("stream", "event"), ("items", "document")):
        expected = [(kind, wanted_of(document)) for document in documents]
        assert told(cut(data, at), "", arrays) == ([*expected, ("done", None)], arrays == "stream", True)
    assert told(cut(data, at), "") == ([], False, False)


@UNHURRIED
@given(st.lists(st.lists(st.floats(0, 1), max_size=4) | SCALARS, max_size=4), CUTS, st.sampled_from([0, 3_000]))
def test_an_array_of_other_things_is_passed_over(elements: Any, at: Any, more: int) -> None:
    data = written([*elements, *[0.25] * more], None)
    assert told(cut(data, at), "application/json", "items") == ([("done", None)], False, True)
    assert told(cut(data[:-1], at), "application/json", "items") == ([], False, False)


@UNHURRIED
@given(DOCUMENTS, st.integers(1, 400), CUTS)
def test_a_stream_that_breaks_off_tells_what_was_whole(document: Any, length: int, at: Any) -> None:
    whole = written(document, None)
    broken = written({"a": "x" * 500}, None)[:length]
    found = told(cut(whole + b"\n" + broken, at), "application/json")
    assert found == ([("event", wanted_of(document))], True, True)
    found = told(cut(whole + b"\n" + broken, at), "application/x-ndjson")
    assert found == ([("event", wanted_of(document))], True, True)


NEARLY = st.lists(
    st.sampled_from([b"{", b"}", b"[", b"]", b",", b":", b'"', b'"a"', b"\\", b"1", b"\n", b"data:", b"\x00", b"\xff"]),
    max_size=30,
).map(b"".join)
ANYTHING = (
    st.binary(max_size=200) | NEARLY | st.tuples(NEARLY, st.just(b'{"x": "' + b"[" * WHOLE_LIMIT), NEARLY).map(b"".join)
)


@UNHURRIED
@given(ANYTHING, CUTS)
@pytest.mark.parametrize("content_type", CONTENT_TYPES)
@pytest.mark.parametrize("arrays", ["", "stream", "items"])
def test_no_bytes_make_it_raise(content_type: str, arrays: str, data: bytes, at: Any) -> None:
    assert told(cut(data, at), content_type, arrays) == told([data], content_type, arrays)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just("\ud800\x07"),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=4,
)
ANSWERS = {api.read.__module__.rsplit(".", 1)[-1] for api in APIS}


COUNTS = (
    "input_tokens",
    "prompt_tokens",
    "completion_tokens",
    "total_tokens",
    "output_tokens",
    "inputTokens",
    "promptTokenCount",
    "thoughtsTokenCount",
    "token_count",
    "tokenCount",
    "generated_tokens",
    "prefill",
    "finishReason",
    "content",
    "model",
)


def every_answer() -> list[type[Answer]]:
    """All kinds of interpreters there are."""
    kinds: list[type[Answer]] = []
    for kind in Answer.__subclasses__():
        kinds += [kind, *kind.__subclasses__()]
    return [kind for kind in kinds if kind.__module__.startswith(Answer.__module__.rpartition(".")[0])]


@UNHURRIED
@given(JSON)
@pytest.mark.parametrize("kind", every_answer(), ids=lambda kind: kind.__name__)
def test_no_document_makes_an_interpreter_raise(kind: type[Answer], value: Any) -> None:
    keys = {key for path in kind.wanted for key in path} | {
        "choices",
        "delta",
        "message",
        "token",
        "text",
        "event_type",
    }
    keys |= {"details", "embeddings", "metrics", "contentBlockDelta", "stop_reason", "response", "generated_text"}
    counts = dict.fromkeys(COUNTS, value)
    nested: list[Any] = [value, counts, [counts], {"usage": counts, "tokens": counts, "statistics": counts}]
    for inner in nested:
        answer = dict.fromkeys(keys, inner)
        data = json.dumps(answer).encode()
        for content_type in CONTENT_TYPES[:4]:
            text = b"data: " + data + b"\n\n" if "event" in content_type else data
            interpreter = kind("chat")
            body = Body(interpreter, content_type)
            body.feed(text)
            body.end()
            usage = interpreter.usage()
            found = (usage.input_tokens, usage.output_tokens, usage.cached_input_tokens, usage.reasoning_tokens)
            assert all(count is None or (type(count) is int and count >= 0) for count in found)
            assert usage.model is None or usage.model.isprintable()
            assert usage.media_s is None or type(usage.media_s) in {int, float}


def test_every_api_has_an_interpreter_that_is_tried() -> None:
    assert len(every_answer()) == 13
    assert len(ANSWERS) == len(APIS) == 14


@UNHURRIED
@given(JSON)
def test_no_request_makes_an_api_raise(asks: Any, value: Any) -> None:
    keys = {key for api in APIS for path in api.wanted for key in path} | {key for api in APIS for key in api.counted}
    inner: Any = {"params": value, "model": value, "sampleCount": value, "num_outputs": value, "duration": value}
    bodies = [value, *(dict.fromkeys(keys, given) for given in (value, inner, [inner]))]
    for body in bodies:
        for url in ASKED:
            asks(url, body)


ASKED = [
    "api.openai.com/v1/embeddings",
    "api.openai.com/v1/images/generations",
    "api.openai.com/v1/batches",
    "api.openai.com/v1/videos",
    "localhost/v1/videos",
    "router.huggingface.co/fal-ai/some/video",
    "generativelanguage.googleapis.com/v1/models/veo:predictLongRunning",
    "bedrock-runtime.x.amazonaws.com/async-invoke",
    "example.org/v1/messages",
    "api.anthropic.com/v1/messages/batches",
    "api.cohere.com/v2/rerank",
    "localhost/api/chat",
    "localhost/api/embed",
    "localhost/generate",
    "localhost/v1/rerank",
    "api.replicate.com/v1/predictions",
    "api.mistral.ai/v1/conversations",
    "generativelanguage.googleapis.com/v1/models/m:batchEmbedContents",
    "generativelanguage.googleapis.com/v1/models/imagen:predict",
    "generativelanguage.googleapis.com/v1/interactions",
    "bedrock-runtime.x.amazonaws.com/model/m/invoke",
]


@UNHURRIED
@given(st.binary(max_size=80), st.sampled_from(ASKED))
def test_no_path_and_no_body_make_it_raise(asks: Any, data: bytes, url: str) -> None:
    could_ask(data)
    asks(url, data)
    asks(url, b"--" + data)
    path = "/" + url.partition("/")[2]
    could_ask(path.encode() + b"?" + data)


@pytest.mark.parametrize(
    ("kind", "content_type", "head", "piece", "tail"),
    [
        (
            OpenAIAnswer,
            "application/json",
            b'{"model": "m", "x": "',
            b"text " * 200_000,
            b'", "usage": {"prompt_tokens": 5}}',
        ),
        (OpenAIAnswer, "", b'data: {"x": "', b"text " * 200_000, b'", "usage": {"prompt_tokens": 5}}\n\n'),
        (OllamaAnswer, "application/x-ndjson", b'{"x": "', b"text " * 200_000, b'", "prompt_eval_count": 5}\n'),
        (GoogleAnswer, "", b'[{"x": "', b"text " * 200_000, b'", "usageMetadata": {"promptTokenCount": 5}}]'),
        (HuggingFaceAnswer, "", b"[[", b"0.125, " * 150_000, b'1], {"details": {"input_length": 5}}]'),
    ],
)
def test_fifty_megabytes_are_not_kept(kind: Any, content_type: str, head: bytes, piece: bytes, tail: bytes) -> None:
    interpreter = kind("chat")
    body = Body(interpreter, content_type)
    tracemalloc.start()
    try:
        body.feed(head)
        for _ in range(50):
            body.feed(piece)
        body.feed(tail)
        body.end()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert body.understood
    # An array of arrays is passed over: what it holds is not asked for.
    assert interpreter.usage().input_tokens == (None if kind is HuggingFaceAnswer else 5)
    assert peak < 4 * len(piece)


def test_a_document_per_byte_is_parsed_once_it_can_be_whole() -> None:
    """A brace within a document must not make its end come earlier."""
    data = b'{"a": {"x": {}}, "b": {"c": [{}]}}'
    assert told([data[i : i + 1] for i in range(len(data))], "") == (
        [("document", {"a": {"x": {}}, "b": {"c": [{}]}})],
        False,
        True,
    )


@pytest.mark.parametrize("content_type", CONTENT_TYPES)
def test_a_wrong_label_does_not_hide_what_it_is(content_type: str) -> None:
    lines = content_type == "application/x-ndjson"
    document = [("event" if lines else "document", {"a": 1})]
    assert told([b' {"a": 1}'], content_type) == (document, lines, True)
    assert told([b'\ndata: {"a": 1}\n\ndata: [DONE]\n\n'], content_type) == (
        [("event", {"a": 1}), ("done", None)],
        True,
        True,
    )


@pytest.mark.parametrize(
    ("content_type", "streamed"), [("text/event-stream", True), ("application/json", False), ("", False)]
)
def test_an_empty_answer(content_type: str, streamed: bool) -> None:  # noqa: FBT001
    assert told([b"", b" \n"], content_type) == ([], streamed, False)


def test_garbage_behind_a_document_does_not_hide_it() -> None:
    assert told([b'{"a": 1} <html>{"a": 2}'], "application/json") == ([("document", {"a": 1})], False, True)


@pytest.mark.parametrize("size", [10, WHOLE_LIMIT * 2, 1 << 20])
@pytest.mark.parametrize(
    ("value", "count"),
    [
        ("one", 1),
        (["a", 'b"', "c\\"], 3),
        ([], 1),
        ([1, 2, 3], 1),
        ([[1, 2], [3]], 2),
        ([{"a": ["x", {}]}, "b"], 2),
        ({"a": ["x", "y"]}, 1),
        (7, 1),
        (["e"] * 5_000, 5_000),
    ],
)
def test_inputs_are_counted_without_being_held(size: int, value: Any, count: int) -> None:
    body = {"pad": {"input": ["no"] * 3, "x": "y" * size}, "input": value, "model": "m", "other": ["a", "b"]}
    found = pick(json.dumps(body).encode(), frozenset({("model",)}), frozenset({"input"}))
    assert found is not None
    assert (items(found, "input"), found["model"], items(found, "missing")) == (count, "m", None)
    assert isinstance(found["input"], Counted) == ("other" not in found) == (size == 1 << 20)


def test_a_large_request_with_few_long_texts_is_scanned() -> None:
    body = json.dumps({"input": ["x" * 100_000] * 2, "model": "m"}).encode()
    assert pick(body, frozenset({("model",)}), frozenset({"input"})) == {"model": "m", "input": Counted(2)}


@UNHURRIED
@given(st.lists(JSON, max_size=4), CUTS)
def test_counting_does_not_depend_on_how_it_is_cut(value: Any, at: Any) -> None:
    data = json.dumps({"input": value, "model": "m"}).encode()
    picker, whole = (Picker(frozenset({("model",)}), frozenset({"input"})) for _ in range(2))
    for piece in cut(data, at):
        picker.feed(piece)
    assert whole.feed(data + b" rest") == len(data)
    assert picker.picked() == whole.picked()
    assert picker.picked() == {"model": "m", "input": Counted(items({"input": value}, "input") or 0)}


def test_a_list_of_hostile_length_is_bounded() -> None:
    picker = Picker(frozenset({("d", "", "e")}))
    picker.feed(b'{"d": [' + b'{"e": 1},' * 100_000 + b'{"e": 2}]}')
    assert len(picker.picked()["d"]) == 2_048
    picker = Picker(frozenset({("d", "", "e")}))
    picker.feed(b'{"d": [{"e": "' + b"x" * 300 + b'"}, {"e": "STOP"}]}')
    assert picker.picked() == {"d": [{"e": "STOP"}]}


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("gpt-4.1", "gpt-4.1"),
        ("gpt\x1b[31m\n4", "gpt\N{REPLACEMENT CHARACTER}[31m\N{REPLACEMENT CHARACTER}4"),
        ("a\u202eb", "a\N{REPLACEMENT CHARACTER}b"),
        ("a\ud800", "a\N{REPLACEMENT CHARACTER}"),
        ("模型", "模型"),
        ("x" * 1_000, "x" * 256),
        ("", None),
        (7, None),
    ],
)
def test_names_can_be_printed(raw: Any, clean: str | None) -> None:
    assert name(raw) == clean


def test_an_odd_name_is_noticed(asks: Any) -> None:
    found = asks("api.openai.com/v1/chat/completions", {"model": "gpt\x1b[31m", "messages": []})
    assert (found.model, found.notices) == ("gpt\N{REPLACEMENT CHARACTER}[31m", ("odd-model-name",))
    found = asks("bedrock-runtime.x.amazonaws.com/model/a%00b/converse", {})
    assert (found.model, found.notices) == ("a\N{REPLACEMENT CHARACTER}b", ("odd-model-name",))
    assert asks("api.openai.com/v1/chat/completions", {"model": "x" * 1_000}).notices == ()


def test_an_unread_request_is_noticed(asks: Any) -> None:
    found = asks("api.openai.com/v1/chat/completions", None)
    assert (found.model, found.notices) == (None, ("unread-request",))
