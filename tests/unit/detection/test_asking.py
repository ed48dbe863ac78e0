"""Which requests are AI calls, whose, and what they ask for."""

from __future__ import annotations

import json

import pytest

from pytest_aifootprint.detection.providers.asking import Asked, asked, could_ask
from pytest_aifootprint.detection.providers.hosts import is_local, provider_of


def ask(url: str, body: object = None) -> Asked | None:
    host, _, path = url.removeprefix("https://").partition("/")
    match = could_ask(b"/" + path.encode())
    data = None if body is None else json.dumps(body).encode()
    return None if match is None else asked(match, host, data)


@pytest.mark.parametrize(
    ("url", "operation", "provider"),
    [
        ("api.openai.com/v1/chat/completions", "chat", "openai"),
        ("API.OpenAI.com/v1/chat/completions", "chat", "openai"),
        ("eu.api.openai.com/v1/responses", "chat", "openai"),
        ("api.openai.com/v1/completions", "completion", "openai"),
        ("api.openai.com/v1/embeddings?x=1", "embedding", "openai"),
        ("api.openai.com/v1/moderations", "moderation", "openai"),
        ("api.openai.com/v1/images/generations", "image", "openai"),
        ("api.openai.com/v1/audio/speech", "audio", "openai"),
        ("api.anthropic.com/v1/messages", "chat", "anthropic"),
        ("api.anthropic.com/v1/messages?beta=true", "chat", "anthropic"),
        ("api.mistral.ai/v1/chat/completions#stream", "chat", "mistralai"),
        ("api.groq.com/openai/v1/chat/completions", "chat", "groq"),
        ("openrouter.ai/api/v1/chat/completions", "chat", "openrouter"),
        ("router.huggingface.co/v1/chat/completions", "chat", "huggingface_hub"),
        ("generativelanguage.googleapis.com/v1beta/openai/chat/completions", "chat", "google_genai"),
        ("me.openai.azure.com/openai/v1/responses", "chat", "azure-openai"),
        ("api.perplexity.ai/chat/completions", "chat", "perplexity"),
        ("localhost/v1/chat/completions", "chat", "local"),
        ("10.0.0.7/v1/embeddings", "embedding", "local"),
        ("ollama/v1/messages", "chat", "local"),
        ("llm.example.org/v1/chat/completions", "chat", "unknown"),
        ("llm.example.org/some/prefix/v1/completions", "completion", "unknown"),
    ],
)
def test_what_is_asked_of_whom(url: str, operation: str, provider: str) -> None:
    found = ask(url, {"model": "m", "messages": [{}], "max_tokens": 1})
    assert found is not None
    assert (found.operation, found.provider, found.model) == (operation, provider, "m")
    assert found.local == (provider == "local")
    assert ("unknown-provider" in found.notices) == (provider == "unknown")


@pytest.mark.parametrize(
    "url",
    [
        "example.org/messages",
        "example.org/responses",
        "example.org/v2/embeddings",
        "example.org/v1/messages/7",
        "api.anthropic.com/v1/messages/count_tokens",
        "api.openai.com/v1/threads/thread_1/messages",
        "api.openai.com/v1/responses/input_tokens",
        "api.openai.com/v1/responses/resp_1/cancel",
        "api.openai.com/v1/models",
        "api.openai.com/v1/files",
        "example.org/v1/chat/completionsx",
        "example.org/xchat/completions",
    ],
)
def test_what_is_no_ai_call(url: str) -> None:
    assert ask(url, {"model": "m"}) is None


@pytest.mark.parametrize("body", [None, {"text": "hello"}, {"model": 7}, []])
def test_an_unknown_host_has_to_show_a_model(body: object) -> None:
    assert ask("example.org/v1/responses", body) is None
    assert ask("example.org/v1/messages", body) is None


def test_messages_on_an_unknown_host_need_the_form_of_the_api() -> None:
    assert ask("example.org/v1/messages", {"model": "phone-3", "text": "hi"}) is None


def test_an_azure_deployment_is_the_model() -> None:
    found = ask("me.openai.azure.com/openai/deployments/my%20gpt/chat/completions?api-version=1", {"messages": []})
    assert found is not None
    assert (found.model, found.provider) == ("my gpt", "azure-openai")


def test_a_local_server_may_be_asked_without_a_model() -> None:
    found = ask("localhost/v1/chat/completions", {"messages": []})
    assert found is not None
    assert found.model is None


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "127.0.0.1",
        "127.9.9.9",
        "::1",
        "[::1]",
        "10.1.2.3",
        "192.168.0.1",
        "172.16.0.1",
        "172.31.9.9",
        "fd00::1",
        "fe80::1%eth0",
        "box.local",
        "BOX.LOCAL",
        "api.localhost",
        "ollama",
        "host.docker.internal",
        "",
    ],
)
def test_local_hosts(host: str) -> None:
    assert is_local(host)


@pytest.mark.parametrize(
    "host",
    [
        "api.openai.com",
        "8.8.8.8",
        "172.32.0.1",
        "11.0.0.1",
        "2001:4860:4860::8888",
        "localhost.example.com",
        "10.0.0.1.nip.io",
        "local.example",
        "a.b7",
    ],
)
def test_remote_hosts(host: str) -> None:
    assert not is_local(host)


def test_a_look_alike_is_not_the_provider() -> None:
    assert provider_of("api.openai.com.evil.example") is None
    assert provider_of("evilopenai.azure.com") is None
