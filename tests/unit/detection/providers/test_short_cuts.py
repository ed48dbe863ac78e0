"""What is counted or read on a shorter way says what the plain way says, however the bytes are cut."""

from __future__ import annotations

import gc
import json
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec.structs import asdict

from pytest_aifootprint.detection.providers import asking
from pytest_aifootprint.detection.providers.apis.anthropic import AnthropicAnswer
from pytest_aifootprint.detection.providers.apis.openai import OpenAIAnswer
from pytest_aifootprint.detection.providers.body import Body
from pytest_aifootprint.detection.providers.picking import WHOLE_LIMIT, Picker, parse
from pytest_aifootprint.detection.providers.usage import Answer

Make = Callable[[str], Answer]

UNHURRIED = settings(deadline=None, max_examples=150)
CUTS = st.lists(st.integers(0, 10_000_000), max_size=6)
TEXTS = (
    "Hi",
    "usage",
    "model",
    "delta",
    "",
    'a "quoted" one',
    "back\\",
    "\\",
    "line\nbreak",
    "é🌍",
    "}",
    "data: x",
    "]",
)


def said(interpreter: Answer, *, streamed: bool, understood: bool) -> dict[str, Any]:
    return {
        **asdict(interpreter.usage()),
        "chunks": interpreter.chunks,
        "complete": interpreter.complete,
        "events": interpreter.streamed,
        "streamed": streamed,
        "understood": understood,
    }


def ours(make: Make, data: bytes, at: list[int], content_type: str = "text/event-stream") -> dict[str, Any]:
    interpreter = make("chat")
    body = Body(interpreter, content_type)
    edges = [0, *sorted(place % (len(data) + 1) for place in at), len(data)]
    for a, b in pairwise(edges):
        body.feed(data[a:b])
    body.end()
    return said(interpreter, streamed=body.streamed, understood=body.understood)


def by_lines(make: Make, data: bytes, *, passes: bool) -> dict[str, Any]:
    """Line by line, as the specification of server-sent events has it; without ``passes`` every event is parsed."""
    interpreter, understood, held = make("chat"), False, []
    for line in (*data.split(b"\n"), b""):
        if len(line) > WHOLE_LIMIT:
            picker = Picker(interpreter.wanted)
            if line.startswith(b"data:"):
                picker.feed(line[5:].strip())
            if picker.done:
                understood = True
                interpreter.event(picker.picked())
        elif line.startswith(b"data:"):
            held.append(line[5:].strip())
        elif held and not line.rstrip(b"\r"):
            text, held = b"\n".join(held), []
            if passes and interpreter.passes(text):
                continue
            if text == b"[DONE]":
                understood = True
                interpreter.done()
            elif (event := parse(text)) is not None:
                understood = True
                interpreter.event(event)
    return said(interpreter, streamed=True, understood=understood)


def chat(**more: Any) -> dict[str, Any]:
    return {"id": "c1", "model": "gpt-test", "choices": [], **more}


def piece(text: str, key: str = "content", **more: Any) -> dict[str, Any]:
    return chat(choices=[{"index": 0, "delta": {key: text}, "finish_reason": None}], **more)


CHATS = st.one_of(
    st.sampled_from(TEXTS).map(piece),
    st.sampled_from(TEXTS).map(lambda text: piece(text, "reasoning_content")),
    st.sampled_from(TEXTS).map(lambda text: piece(text, usage=None)),
    st.tuples(st.sampled_from(TEXTS), st.sampled_from(TEXTS)).map(lambda two: piece(two[0], usage=None, p=two[1])),
    st.sampled_from(
        [
            piece("x" * (WHOLE_LIMIT + 1)),
            piece("x" * (WHOLE_LIMIT - 200)),
            piece("Hi", usage={"prompt_tokens": 5, "completion_tokens": 7}),
            piece("Hi", model="gpt-other"),
            piece("Hi", x_groq={"usage": {"prompt_tokens": 1, "completion_tokens": 2}}),
            chat(usage={"prompt_tokens": 3, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": 2}}),
            chat(usage={"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}),
            chat(choices=[{"delta": {"role": "assistant", "content": ""}}]),
            chat(choices=[{"delta": {"tool_calls": [{"type": "function", "function": {"arguments": "{"}}]}}]),
        ]
    ),
)
RESPONSES: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.tuples(st.integers(0, 9), st.sampled_from(TEXTS)).map(
        lambda two: {"type": "response.output_text.delta", "sequence_number": two[0], "delta": two[1], "logprobs": []}
    ),
    st.sampled_from(
        [
            {"type": "response.output_text.delta", "delta": "x", "type2": 1, "usage": {"output_tokens": 3}},
            {"type": "response.output_text.delta", "delta": "x", "model": "gpt-3"},
            {"type": "response.output_text.delta", "delta": "x", "response": {"model": "gpt-4"}},
            {"type": "response.output_text.delta", "delta": "x", "choices": [{"delta": {"content": "y"}}]},
            {"type": "response.output_text.done", "text": "x"},
            {"type": "response.completed", "response": {"model": "gpt-5", "usage": {"input_tokens": 1}}},
            {"delta": "x", "type": "response.refusal.delta"},
            {"type": "response.created", "response": {"model": "gpt-5", "usage": None}},
        ]
    ),
)
MESSAGES: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.sampled_from(TEXTS).map(
        lambda text: {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}
    ),
    st.sampled_from(TEXTS).map(
        lambda text: {"type": "content_block_delta", "delta": {"type": "input_json_delta", "partial_json": text}}
    ),
    st.sampled_from(
        [
            {"type": "message_start", "message": {"model": "claude", "usage": {"input_tokens": 9, "output_tokens": 1}}},
            {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 12}},
            {"type": "message_stop"},
            {"type": "ping"},
        ]
    ),
)
COMPACT = (",", ":")


@st.composite
def streams(draw: st.DrawFn, events: st.SearchStrategy[dict[str, Any]], first: dict[str, Any]) -> bytes:
    """A stream as some server writes it, with the odd line between its events."""
    separators = draw(st.sampled_from([COMPACT, (", ", ": ")]))
    frame = draw(
        st.sampled_from(["data: {}", "data:{}", "event: e\ndata: {}", "data: {}\nid: 1", "id: 1\nevent: e\ndata: {}"])
    )
    end = draw(st.sampled_from(["\n\n", "\n\n", "\r\n\r\n", "\n\n\n"])) if draw(st.booleans()) else "\n\n"
    parts = []
    for event in [first, *draw(st.lists(events, max_size=12))]:
        text = json.dumps(event, separators=separators, ensure_ascii=draw(st.booleans()))
        parts.append(frame.replace("{}", text) + end)
        parts.append(
            draw(st.sampled_from(["", "", "", ": comment\n\n", "data: [DONE]\n\n", "data: {\n\n", "event: x\n"]))
        )
    return "".join(parts).encode()


def agree(make: Make, data: bytes, at: list[int], length: int) -> None:
    assert ours(make, data, at) == by_lines(make, data, passes=True)
    if b"gpt-other" not in data:  # a model that changes beside a text is not looked at
        assert ours(make, data, at) == by_lines(make, data, passes=False)
    broken = data[: length % (len(data) + 1)]
    if broken:
        assert ours(make, broken, at) == by_lines(make, broken, passes=True)


@UNHURRIED
@given(streams(CHATS, chat()), CUTS, st.integers(0, 1 << 20))
def test_chats(data: bytes, at: list[int], length: int) -> None:
    agree(OpenAIAnswer, data, at, length)


@UNHURRIED
@given(streams(RESPONSES, {"type": "response.created", "response": {"model": "m"}}), CUTS, st.integers(0, 1 << 20))
def test_responses(data: bytes, at: list[int], length: int) -> None:
    agree(OpenAIAnswer, data, at, length)


@UNHURRIED
@given(streams(MESSAGES, {"type": "message_start", "message": {"model": "claude"}}), CUTS, st.integers(0, 1 << 20))
def test_messages(data: bytes, at: list[int], length: int) -> None:
    agree(AnthropicAnswer, data, at, length)


def sent(*events: bytes) -> bytes:
    return b"".join(b"data: " + event + b"\n\n" for event in events)


HEAD = json.dumps(chat()).encode()
ONE = json.dumps(piece("Hi"), separators=COMPACT).encode()


@pytest.mark.parametrize(
    ("last", "chunks"),
    [
        (ONE.replace(b"Hi", b"Ho"), 3),
        (ONE.replace(b"Hi", b""), 2),
        (ONE.replace(b"Hi", b'a\\"b'), 3),
        (ONE.replace(b"Hi", b"a\\\\"), 3),
        (ONE.replace(b"Hi", b"a\nb"), 2),  # a line of its own: no part of the event, which is broken
        (ONE.replace(b"Hi", b"a\nevent: b"), 2),
        (ONE.replace(b"Hi", b"x" * WHOLE_LIMIT), 2),  # too long to be looked into
        (ONE.replace(b'"Hi"', b"null"), 2),
        (ONE.replace(b"}]}", b'}],"usage":{"completion_tokens":9}}'), 3),
        (ONE.replace(b"}]}", b'}],"\\u0075sage":{"completion_tokens":9}}'), 3),
        (ONE[:-1], 2),
    ],
)
def test_an_event_that_is_almost_like_the_one_before(last: bytes, chunks: int) -> None:
    data = sent(HEAD, ONE, ONE, last)
    found = ours(OpenAIAnswer, data, [])
    assert found["chunks"] == chunks
    assert found == by_lines(OpenAIAnswer, data, passes=True)


def test_counts_under_an_escaped_key_are_seen_in_an_event_that_only_ends_differently() -> None:
    last = ONE.replace(b"}]}", b'}],"usag\\u0065":{"prompt_tokens":1,"completion_tokens":9}}')
    assert ours(OpenAIAnswer, sent(HEAD, last), [])["output_tokens"] == 1
    assert ours(OpenAIAnswer, sent(last), [])["output_tokens"] == 9


def test_padding_hides_nothing_that_stands_before_it() -> None:
    def padded(text: str, padding: str, **more: Any) -> bytes:
        return json.dumps({**piece(text), **more, "obfuscation": padding}, separators=COMPACT).encode()

    data = sent(
        HEAD, padded("a", "xyz"), padded("b", "z"), padded("c", ""), padded("d", "x", usage={"completion_tokens": 9})
    )
    found = ours(OpenAIAnswer, data, [])
    assert (found["chunks"], found["output_tokens"]) == (4, 9)


def test_what_stands_before_the_text_is_looked_at() -> None:
    other = b'{"usage":{"completion_tokens":9},"choices":[{"delta":{"content":"' + b"long" * 30 + b'"}}]}'
    one = ONE.replace(b',"finish_reason":null', b"")
    data = sent(HEAD, one, one, other)
    assert ours(OpenAIAnswer, data, []) == by_lines(OpenAIAnswer, data, passes=False)
    assert ours(OpenAIAnswer, data, [])["output_tokens"] == 9


def test_what_stands_between_text_and_padding_is_looked_at() -> None:
    one = ONE.replace(b"}]}", b'}],"usag_":{"completion_tokens":9},"p":"x"}')
    assert ours(OpenAIAnswer, sent(HEAD, one, one, one.replace(b"usag_", b"usage")), [])["output_tokens"] == 9


DONE = b'"response.completed"'


@pytest.mark.parametrize(
    ("pieces", "complete"),
    [
        ([b'data: {"type":\ndata: ' + DONE + b"}\n\n"], True),
        ([b'event: e\ndata: {"type":\ndata: ' + DONE + b"}\n\n"], True),
        ([b'data: {"type":\r\n', b"data: " + DONE + b"}\n\n"], True),
        ([b": " + b"x" * WHOLE_LIMIT, b'data: {"type":' + DONE + b"}\n\n"], False),  # all one comment
        ([b'data: {"type":' + DONE + b',"x":"' + b"x" * WHOLE_LIMIT, b'"}\n\ndata: {}\n\n'], True),
    ],
)
def test_an_event_of_several_lines_or_pieces(pieces: list[bytes], complete: bool) -> None:  # noqa: FBT001 - expected
    answer = OpenAIAnswer("chat")
    body = Body(answer, "text/event-stream")
    for each in (sent(HEAD), *pieces):
        body.feed(each)
    body.end()
    assert answer.complete is complete


@pytest.mark.parametrize(
    "event",
    [
        b'{"type":"response.output_text.delta","delta":"x"}',
        b'{"type":"response.output_text.delta","delta":"x","type":"response.completed"}',
    ],
)
def test_the_first_and_the_last_word_of_a_type(event: bytes) -> None:
    for data in (sent(event), sent(HEAD, event)):
        assert ours(OpenAIAnswer, data, []) == by_lines(OpenAIAnswer, data, passes=False)


DOCUMENTS = st.recursive(
    st.none() | st.integers(-9, 9) | st.text(max_size=4) | st.sampled_from(TEXTS),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["model", "usage", "x"]), inner),
    max_leaves=6,
)
COUNTS = st.dictionaries(
    st.sampled_from(["prompt_tokens", "completion_tokens", "input_tokens", "total_tokens", "connector_tokens", "x"]),
    st.integers(-2, 30) | st.none() | st.booleans() | st.just(4.0),
)
AROUND = st.sampled_from(
    [b"", b"", b" ", b"\r\n\t", b"\x0b", b"\xef\xbb\xbf", b",", b"}", b"{}", b"x", b"\xff", "\u2003".encode()]
)


@UNHURRIED
@given(DOCUMENTS, COUNTS, AROUND, AROUND, st.booleans(), st.sampled_from(["", "x" * WHOLE_LIMIT]))
@example({"model": "m"}, {"prompt_tokens": 3}, b"", b"\n", False, "")
def test_an_answer_that_is_there_as_a_whole(
    document: Any,
    counts: dict[str, Any],
    before: bytes,
    behind: bytes,
    ascii_only: bool,  # noqa: FBT001 - drawn
    long: str,
) -> None:
    answer = {"model": "é🌍", "x": document, "usage": counts, "long": long} if counts else document
    data = before + json.dumps(answer, ensure_ascii=ascii_only).encode() + behind
    interpreter = OpenAIAnswer("chat")
    body = Body(interpreter, "application/json")
    if not body.whole(data):
        body.feed(data)
    body.end()
    found = said(interpreter, streamed=body.streamed, understood=body.understood)
    assert found == ours(OpenAIAnswer, data, [], "application/json")


@pytest.mark.parametrize("content_type", ["application/x-ndjson", "text/event-stream", "", "audio/mpeg", "text/plain"])
def test_an_answer_of_another_kind_is_read_as_it_comes(content_type: str) -> None:
    data = b'{"model": "m", "usage": {"prompt_tokens": 3, "completion_tokens": 4}}'
    assert not Body(OpenAIAnswer("chat"), content_type).whole(data)
    assert Body(OpenAIAnswer("chat"), "application/json").whole(data)
    assert not Body(OpenAIAnswer("chat"), "application/json").whole(data + b" " * WHOLE_LIMIT)


@UNHURRIED
@given(
    DOCUMENTS, AROUND, AROUND, st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32-le"])
)
@example({"model": "m"}, b"", b"", "utf-16-le")
def test_a_request_is_parsed_as_json_parses_bytes(document: Any, before: bytes, behind: bytes, encoding: str) -> None:
    data = before + json.dumps(document, ensure_ascii=False).encode(encoding) + behind
    try:
        plain = json.loads(data)
    except ValueError:
        plain = None
    assert parse(data) == (plain if isinstance(plain, dict) else None)


def test_the_later_counts_stand_even_if_they_tell_less() -> None:
    answer = OpenAIAnswer("chat")
    details = {"prompt_tokens_details": {"cached_tokens": 2}, "completion_tokens_details": {"reasoning_tokens": 1}}
    answer.event(chat(usage={"prompt_tokens": 3, "completion_tokens": 4, **details}))
    assert (answer.usage().cached_input_tokens, answer.usage().reasoning_tokens) == (2, 1)
    answer.event(chat(usage={"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}))
    assert (answer.usage().cached_input_tokens, answer.usage().reasoning_tokens) == (None, None)


def test_a_path_is_remembered_for_its_host_and_without_its_query() -> None:
    path = b"/v1/chat/completions"
    for _ in range(2):
        for host, provider in {"api.openai.com": "openai", "127.0.0.1": "local", "llm.example.com": "unknown"}.items():
            match = asking.could_ask(path + b"?key=S3CRET")
            assert match is not None
            found = asking.asked(match, host, b'{"model": "m", "messages": [{"content": "S3CRET"}]}')
            assert found is not None
            assert (found.provider, found.local) == (provider, provider == "local")
    held, seen = [*gc.get_referents(asking._could_ask), *gc.get_referents(asking._route)], 0
    while seen < len(held) < 50_000:
        thing = held[seen]
        seen += 1
        if isinstance(thing, (dict, list, tuple)) or type(thing).__name__ in {"Match", "_lru_list_elem"}:
            held += gc.get_referents(thing)
    texts = [thing for thing in held if isinstance(thing, (bytes, str))]
    assert path in texts
    assert not [text for text in texts if "S3CRET" in str(text)]


USAGE = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
SUM = json.dumps({"model": "m", "choices": [], "usage": USAGE}).encode()
END = b"data: [DONE]\n\n"


def at_once(make: Make, data: bytes) -> tuple[bool, dict[str, Any]]:
    """Whether a stream that is there as a whole was read by its last event alone; and what is known of it."""
    interpreter = make("chat")
    body = Body(interpreter, "text/event-stream")
    easy = body.whole(data)
    if not easy:
        body.feed(data)
    body.end()
    return easy, said(interpreter, streamed=body.streamed, understood=body.understood) | {"chunks": None}


@UNHURRIED
@given(
    st.lists(
        st.sampled_from([HEAD, ONE, SUM, b"{}", b"x", b"[DONE]", b"", b'{"usage":{"total_tokens":9}}']), max_size=4
    ),
    st.sampled_from([SUM, SUM + b" ", ONE, SUM[:-1], SUM.replace(b"3", b"null"), SUM.replace(b'"m"', b"null")]),
    st.sampled_from([b"", b"\n", b"\r\n", b": c\n", b"event: e\n", b"data: {\n", b"x" * WHOLE_LIMIT]),
    st.sampled_from([b"\n\n", b"\n", b"\r\n\r\n", b"\n\n\n", b"\nid: 1\n\n", b"\nevent: e\n\n"]),
    st.sampled_from([END, END, END[:-1], b"", END + b"\n", END + sent(ONE), END + sent(SUM.replace(b"4", b"5"))]),
)
@example([HEAD, ONE], SUM, b"", b"\n\n", END)
def test_a_stream_that_is_there_as_a_whole(
    before: list[bytes], last: bytes, above: bytes, between: bytes, end: bytes
) -> None:
    data = sent(*before) + above + b"data: " + last + between + end
    _, found = at_once(OpenAIAnswer, data)
    assert found == ours(OpenAIAnswer, data, []) | {"chunks": None}


@pytest.mark.parametrize(
    ("data", "easy"),
    [
        (sent(HEAD, ONE, SUM) + END, True),
        (sent(SUM) + END, False),  # nothing shows that its line began there
        (sent(HEAD, ONE) + END, False),
        (sent(HEAD, SUM, ONE) + END, False),
        (sent(HEAD, SUM), False),
        (sent(HEAD, SUM.replace(b'{"model"', b'{\n"model"')) + END, False),
        (sent(HEAD, SUM.replace(b'"completion_tokens": 4, ', b"")) + END, False),
        (sent(HEAD, SUM.replace(b'"m"', b'"' + b"m" * WHOLE_LIMIT + b'"')) + END, False),
    ],
)
def test_a_stream_that_its_last_event_sums_up(data: bytes, easy: bool) -> None:  # noqa: FBT001 - expected
    taken, found = at_once(OpenAIAnswer, data)
    assert taken is easy
    assert found == ours(OpenAIAnswer, data, []) | {"chunks": None}
