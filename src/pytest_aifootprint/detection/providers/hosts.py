"""Whose host is it. Names are those of EcoLogits where it has the provider."""

from __future__ import annotations

from functools import lru_cache

_HOSTS = {
    "api.openai.com": "openai",
    "api.anthropic.com": "anthropic",
    "api.mistral.ai": "mistralai",
    "codestral.mistral.ai": "mistralai",
    "api.cohere.com": "cohere",
    "api.cohere.ai": "cohere",
    "generativelanguage.googleapis.com": "google_genai",
    "router.huggingface.co": "huggingface_hub",
    "api-inference.huggingface.co": "huggingface_hub",
    "api.groq.com": "groq",
    "api.together.xyz": "together",
    "api.together.ai": "together",
    "api.fireworks.ai": "fireworks",
    "api.deepseek.com": "deepseek",
    "api.x.ai": "xai",
    "api.perplexity.ai": "perplexity",
    "api.cerebras.ai": "cerebras",
    "api.sambanova.ai": "sambanova",
    "api.deepinfra.com": "deepinfra",
    "api.moonshot.ai": "moonshot",
    "api.voyageai.com": "voyageai",
    "api.jina.ai": "jina",
    "dashscope.aliyuncs.com": "dashscope",
    "dashscope-intl.aliyuncs.com": "dashscope",
    "integrate.api.nvidia.com": "nvidia",
    "models.github.ai": "github",
    "models.inference.ai.azure.com": "github",
    "openrouter.ai": "openrouter",
}
_SUFFIXES = (
    (".openai.azure.com", "azure-openai"),
    (".cognitiveservices.azure.com", "azure-openai"),
    (".services.ai.azure.com", "azure-openai"),
    (".api.openai.com", "openai"),  # eu.api.openai.com and other regions
    (".endpoints.huggingface.cloud", "huggingface_hub"),
    (".api.x.ai", "xai"),
)
_LOCAL_SUFFIXES = (".localhost", ".local", ".internal", ".lan")


@lru_cache(maxsize=256)
def provider_of(host: str) -> str | None:
    """The provider whose host this is; None if unknown."""
    known = _HOSTS.get(host)
    if known is None:
        for suffix, provider in _SUFFIXES:
            if host.endswith(suffix):
                return provider
    return known


def is_loopback(host: str) -> bool:
    """Whether a host, with or without its port, is this very machine by its own name for itself."""
    return host.startswith(("127.", "localhost", "::1", "[::1]", "0.0.0.0")) or host.endswith(".localhost")  # noqa: S104


@lru_cache(maxsize=256)
def is_local(host: str) -> bool:
    """Whether a host is this machine or its private network: its energy is nobody's data centre.

    Loopback, private and link-local addresses, ``*.local``, and names without a dot (a container beside us).
    """
    host = host.strip("[]").rstrip(".").lower()
    if not host or host.endswith(_LOCAL_SUFFIXES):
        return True
    if ":" not in host and not host[-1].isdigit():
        return "." not in host
    from ipaddress import ip_address

    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return "." not in host
    return address.is_private or address.is_loopback or address.is_link_local
