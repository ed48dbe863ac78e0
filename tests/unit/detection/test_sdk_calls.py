"""Real SDKs against a real server in another process of this machine: live and local."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import anthropic
import httpx
import openai
import pytest

MESSAGES: Any = [{"role": "user", "content": 'Say "usage": {"prompt_tokens": 1}'}]


@pytest.fixture(params=["httpx2", "httpx"])
def client(request: pytest.FixtureRequest, local: str, watched: Any) -> Iterator[openai.OpenAI]:
    legacy: Any = httpx.Client() if request.param == "httpx" else None
    with openai.OpenAI(base_url=f"{local}/v1", api_key="secret", http_client=legacy, max_retries=1) as made:
        yield made


@pytest.fixture
def claude(local: str, watched: Any) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=local, api_key="secret", max_retries=0) as made:
        yield made


def check_chat(call: Any) -> None:
    assert (call.operation, call.provider, call.locality, call.realness) == ("chat", "local", "local", "live")
    assert (call.model, call.response_model) == ("gpt-5-mini", "gpt-5-mini-2026")
    assert (call.input_tokens, call.output_tokens, call.cached_input_tokens, call.reasoning_tokens) == (11, 7, 4, 3)
    assert call.status == 200
    assert not call.tokens_estimated
    assert not call.abandoned
    assert call.notices == ()
    assert call.duration_ns > 0
    assert call.phase == "call"
    assert not call.inferred
    assert call.host.startswith("127.0.0.1:")


def test_a_chat_completion(client: openai.OpenAI, watched: Any) -> None:
    answer = client.chat.completions.create(model="gpt-5-mini", messages=MESSAGES)
    assert answer.usage is not None
    check_chat(watched.only())
    assert not watched.only().streamed


def test_each_stack_is_named(watched: Any, local: str) -> None:
    with openai.OpenAI(base_url=f"{local}/v1", api_key="x") as made:
        made.chat.completions.create(model="gpt-5-mini", messages=MESSAGES)
    with httpx.Client() as made_httpx:
        made_httpx.post(f"{local}/v1/chat/completions", json={"model": "m", "messages": []})
    assert [call.client for call in watched.calls] == ["httpx2", "httpx"]


def test_a_streamed_chat_completion_with_usage(client: openai.OpenAI, watched: Any) -> None:
    stream = client.chat.completions.create(
        model="gpt-5-mini", messages=MESSAGES, stream=True, stream_options={"include_usage": True}
    )
    assert watched.calls == []
    text = "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)
    assert text.endswith("🌍")
    check_chat(watched.only())
    assert watched.only().streamed


def test_a_stream_without_usage_is_counted_and_marked(client: openai.OpenAI, watched: Any, fake: Any) -> None:
    for _ in client.chat.completions.create(model="gpt-5-mini", messages=MESSAGES, stream=True):
        pass
    call = watched.only()
    assert (call.input_tokens, call.output_tokens, call.tokens_estimated) == (None, len(fake["WORDS"]), True)
    assert not call.abandoned


def test_a_stream_that_is_closed_early_has_what_came(client: openai.OpenAI, watched: Any) -> None:
    stream = client.chat.completions.create(model="gpt-5-mini", messages=MESSAGES, stream=True)
    for _, _ in zip(range(3), stream, strict=False):
        pass
    stream.close()
    call = watched.only()
    assert call.abandoned
    assert call.tokens_estimated
    assert 1 <= call.output_tokens <= 7


def test_a_stream_that_is_neither_read_nor_closed_is_flushed(client: openai.OpenAI, watched: Any) -> None:
    stream = client.chat.completions.create(model="gpt-5-mini", messages=MESSAGES, stream=True)
    next(iter(stream))
    watched.recorder.flush(watched.owner)
    assert watched.only().abandoned
    stream.close()
    assert len(watched.calls) == 1


def test_raw_and_streaming_responses(client: openai.OpenAI, watched: Any) -> None:
    raw = client.chat.completions.with_raw_response.create(model="gpt-5-mini", messages=MESSAGES)
    assert raw.parse().choices
    with client.chat.completions.with_streaming_response.create(model="gpt-5-mini", messages=MESSAGES) as streaming:
        assert b"usage" in b"".join(streaming.iter_bytes())
    first, second = watched.calls
    check_chat(first)
    check_chat(second)


def test_responses_api(client: openai.OpenAI, watched: Any) -> None:
    client.responses.create(model="gpt-5-mini", input="hello")
    for _ in client.responses.create(model="gpt-5-mini", input="hello", stream=True):
        pass
    plain, streamed = watched.calls
    for call in (plain, streamed):
        tokens = (call.input_tokens, call.output_tokens, call.cached_input_tokens, call.reasoning_tokens)
        assert tokens == (20, 9, 5, 2)
        assert (call.operation, call.response_model, call.notices) == ("chat", "gpt-5-mini-2026", ())
    assert (plain.streamed, streamed.streamed) == (False, True)


def test_embeddings_with_a_large_answer(client: openai.OpenAI, watched: Any) -> None:
    client.embeddings.create(model="text-embedding-3-small", input="hello", encoding_format="float")
    call = watched.only()
    assert (call.operation, call.input_tokens, call.output_tokens) == ("embedding", 6, 0)


def test_a_retry_is_a_call_of_its_own(client: openai.OpenAI, watched: Any) -> None:
    client.chat.completions.create(model="limited", messages=MESSAGES)
    refused, answered = watched.calls
    assert (refused.status, refused.input_tokens, refused.realness, refused.notices) == (429, None, "live", ())
    assert (answered.status, answered.input_tokens) == (200, 11)


def test_an_anthropic_message_adds_cached_input(claude: anthropic.Anthropic, watched: Any) -> None:
    claude.messages.create(model="claude", max_tokens=9, messages=MESSAGES)
    call = watched.only()
    assert (call.input_tokens, call.cached_input_tokens, call.output_tokens) == (140, 100, 8)
    assert (call.model, call.response_model, call.operation) == ("claude", "claude-2026", "chat")


@pytest.mark.parametrize("helper", [True, False])
def test_an_anthropic_stream(claude: anthropic.Anthropic, watched: Any, helper: bool) -> None:  # noqa: FBT001
    if helper:
        with claude.messages.stream(model="claude", max_tokens=9, messages=MESSAGES) as stream:
            assert stream.get_final_text().endswith("🌍")
    else:
        for _ in claude.messages.create(model="claude", max_tokens=9, messages=MESSAGES, stream=True):
            pass
    call = watched.only()
    assert (call.input_tokens, call.cached_input_tokens, call.output_tokens) == (140, 100, 8)
    assert (call.streamed, call.tokens_estimated, call.abandoned) == (True, False, False)


def test_an_anthropic_stream_given_up_is_estimated(claude: anthropic.Anthropic, watched: Any) -> None:
    stream = claude.messages.create(model="claude", max_tokens=9, messages=MESSAGES, stream=True)
    for event in stream:
        if event.type == "content_block_delta":
            break
    stream.close()
    call = watched.only()
    assert (call.input_tokens, call.tokens_estimated, call.abandoned) == (140, True, True)
    assert call.output_tokens >= 1


@pytest.mark.asyncio
async def test_asynchronous_clients(local: str, watched: Any) -> None:
    async with openai.AsyncOpenAI(base_url=f"{local}/v1", api_key="x") as client:
        await client.chat.completions.create(model="gpt-5-mini", messages=MESSAGES)
        async for _ in await client.chat.completions.create(
            model="gpt-5-mini", messages=MESSAGES, stream=True, stream_options={"include_usage": True}
        ):
            pass
        given_up = await client.chat.completions.create(model="gpt-5-mini", messages=MESSAGES, stream=True)
        async for _ in given_up:
            break
        await given_up.close()
    async with (
        anthropic.AsyncAnthropic(base_url=local, api_key="x") as claude,
        claude.messages.stream(model="claude", max_tokens=9, messages=MESSAGES) as stream,
    ):
        await stream.get_final_text()
    plain, streamed, abandoned, message = watched.calls
    check_chat(plain)
    check_chat(streamed)
    assert abandoned.abandoned
    assert (message.input_tokens, message.output_tokens) == (140, 8)


def test_a_refused_connection_is_an_error_and_no_replay(watched: Any, unused_port: Callable[[], int]) -> None:
    with (
        openai.OpenAI(base_url=f"http://127.0.0.1:{unused_port()}/v1", api_key="x", max_retries=0) as client,
        pytest.raises(openai.APIConnectionError),
    ):
        client.chat.completions.create(model="gpt-5-mini", messages=MESSAGES)
    call = watched.only()
    assert (call.status, call.realness, call.replayer, call.input_tokens) == ("error", "live", None, None)
    assert call.model == "gpt-5-mini"


def test_nothing_of_the_conversation_is_kept(client: openai.OpenAI, watched: Any) -> None:
    client.chat.completions.create(model="gpt-5-mini", messages=[{"role": "user", "content": "PRIVATE"}])
    kept = repr(watched.calls) + repr(vars(watched.recorder))
    assert "PRIVATE" not in kept
    assert "secret" not in kept
    assert "The word" not in kept
