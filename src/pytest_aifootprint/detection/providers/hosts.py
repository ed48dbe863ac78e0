"""Whose host is it: one row a host. Names are those of EcoLogits where it has the provider."""

from __future__ import annotations

import functools
import re

# Host, provider. A star stands for any labels, the empty one included: "*.api.openai.com" is "eu.api.openai.com".
HOSTS = (
    ("api.openai.com", "openai"),
    ("*.api.openai.com", "openai"),
    ("api.anthropic.com", "anthropic"),
    ("api.mistral.ai", "mistralai"),
    ("codestral.mistral.ai", "mistralai"),
    ("api.cohere.com", "cohere"),
    ("api.cohere.ai", "cohere"),
    ("generativelanguage.googleapis.com", "google_genai"),
    ("aiplatform.googleapis.com", "vertex_ai"),
    ("*-aiplatform.googleapis.com", "vertex_ai"),
    ("*.aiplatform.googleapis.com", "vertex_ai"),
    ("aiplatform.*.rep.googleapis.com", "vertex_ai"),
    ("*.openai.azure.com", "azure-openai"),
    ("*.openai.azure.us", "azure-openai"),
    ("*.cognitiveservices.azure.com", "azure-openai"),
    ("*.services.ai.azure.com", "azure-openai"),
    ("*.models.ai.azure.com", "azure-openai"),
    ("*.inference.ai.azure.com", "azure-openai"),
    ("models.inference.ai.azure.com", "github"),
    ("models.github.ai", "github"),
    ("bedrock-runtime.*.amazonaws.com", "aws_bedrock"),
    ("bedrock-runtime-fips.*.amazonaws.com", "aws_bedrock"),
    ("*.bedrock-runtime.*.amazonaws.com", "aws_bedrock"),
    ("bedrock-runtime.*.amazonaws.com.cn", "aws_bedrock"),
    ("bedrock-runtime*.api.aws", "aws_bedrock"),
    ("bedrock-mantle.*.api.aws", "aws_bedrock"),
    ("router.huggingface.co", "huggingface_hub"),
    ("api-inference.huggingface.co", "huggingface_hub"),
    ("*.endpoints.huggingface.cloud", "huggingface_hub"),
    ("ollama.com", "ollama"),
    ("api.replicate.com", "replicate"),
    ("api.voyageai.com", "voyageai"),
    ("ai.mongodb.com", "voyageai"),
    ("api.jina.ai", "jina"),
    ("api.groq.com", "groq"),
    ("api.together.xyz", "together"),
    ("api.together.ai", "together"),
    ("api.fireworks.ai", "fireworks"),
    ("api.deepseek.com", "deepseek"),
    ("api.x.ai", "xai"),
    ("*.api.x.ai", "xai"),
    ("openrouter.ai", "openrouter"),
    ("api.perplexity.ai", "perplexity"),
    ("api.cerebras.ai", "cerebras"),
    ("api.sambanova.ai", "sambanova"),
    ("api.studio.nebius.com", "nebius"),
    ("api.studio.nebius.ai", "nebius"),
    ("api.tokenfactory.nebius.com", "nebius"),
    ("api.novita.ai", "novita"),
    ("api.deepinfra.com", "deepinfra"),
    ("api.hyperbolic.xyz", "hyperbolic"),
    ("api.moonshot.ai", "moonshot"),
    ("api.moonshot.cn", "moonshot"),
    ("api.z.ai", "zai"),
    ("open.bigmodel.cn", "zai"),
    ("dashscope.aliyuncs.com", "dashscope"),
    ("dashscope-intl.aliyuncs.com", "dashscope"),
    ("dashscope-us.aliyuncs.com", "dashscope"),
    ("ark.*.volces.com", "volcengine"),
    ("api.minimax.io", "minimax"),
    ("api.siliconflow.com", "siliconflow"),
    ("api.siliconflow.cn", "siliconflow"),
    ("api.scaleway.ai", "scaleway"),
    ("*.ai.cloud.ovh.net", "ovhcloud"),
    ("inference.baseten.co", "baseten"),
    ("api.ai21.com", "ai21"),
    ("api.upstage.ai", "upstage"),
    ("api.featherless.ai", "featherless"),
    ("integrate.api.nvidia.com", "nvidia"),
)
_LOCAL_SUFFIXES = (".localhost", ".local", ".internal", ".lan")
_EXACT = {host: provider for host, provider in HOSTS if "*" not in host}


@functools.lru_cache(maxsize=256)
def provider_of(host: str) -> str | None:
    """The provider whose host this is; None if unknown."""
    known = _EXACT.get(host)
    if known is None:
        return next((provider for pattern, provider in _patterns() if pattern.fullmatch(host)), None)
    return known


def is_loopback(host: str) -> bool:
    """Whether a host, with or without its port, is this very machine by its own name for itself."""
    return host.startswith(("127.", "localhost", "::1", "[::1]", "0.0.0.0")) or host.endswith(".localhost")  # noqa: S104


@functools.cache
def _patterns() -> tuple[tuple[re.Pattern[str], str], ...]:
    """Rows with a star."""
    starred = ((host, provider) for host, provider in HOSTS if "*" in host)
    return tuple((re.compile(re.escape(host).replace(r"\*", ".*")), provider) for host, provider in starred)


@functools.lru_cache(maxsize=256)
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
