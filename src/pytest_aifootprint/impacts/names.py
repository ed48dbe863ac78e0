"""The many names of one model: providers, resellers, file names and tags wrap the same name in different paper."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator

from pytest_aifootprint.catalogue import default_catalogue

_FILE = re.compile(r"\.(?:gguf|onnx|safetensors|bin|pt|pth|tflite|mlmodel)\Z")
# Amazon Bedrock: "us.anthropic.claude-sonnet-4-5-20250929-v1:0"; Google Vertex: "claude-sonnet-4-5@20250929".
_BEDROCK = re.compile(
    r"\A(?:(?:us|eu|apac|global|us-gov|jp|au)\.)?(?:ai21|amazon|anthropic|cohere|deepseek|meta|mistral|openai|qwen)\."
)
_REVISION = re.compile(r"(?:-v\d+)?(?::\d+)?\Z")
_TAG = re.compile(r"(?::(?:latest|free|beta|nitro|online|thinking|extended)|@.*)\Z")
_DATE = re.compile(r"-(?:20\d{2}-\d{2}-\d{2}|20\d{6}|\d{2}-\d{4}|\d{4})\Z")
_STAGE = re.compile(r"-(?:preview|latest|exp|experimental)\Z")
_QUANTISED = re.compile(
    r"[-._:](?:i?q\d[a-z0-9_]*|f16|f32|fp16|fp8|bf16|int8|int4|awq|gptq|gguf|ggml|mlx|onnx|\d+bit)(?=\Z|[-._:])"
)
_OPEN_SUFFIX = re.compile(r"-(?:instruct|it|chat|hf|turbo|versatile|instant|text|lite)\Z")
_OPEN_PREFIX = re.compile(r"\Ameta-")

_MIXTURE = re.compile(r"(?<![a-z0-9.])(?P<experts>\d+)x(?P<size>\d+(?:\.\d+)?)b(?![a-z0-9])")
_ACTIVE = re.compile(r"(?<![a-z0-9])a(?P<size>\d+(?:\.\d+)?)b(?![a-z0-9])")
_SIZE = re.compile(r"(?<![a-z0-9.])e?(?P<size>\d+(?:\.\d+)?)(?P<unit>[bm])(?![a-z0-9])")

# What tells a release or a way of use, not a member of a family: versions ("4.1", "v2", "4o"), dates, windows ("16k").
_VERSION = re.compile(r"v?(?P<major>\d+)(?:\.\d+)*[ok]?\Z")
_ONE_LETTER = re.compile(r"(?P<brand>[a-z])(?P<major>\d+)(?:\.\d+)*\Z")  # OpenAI's "o3"
_OF_NO_SIZE = frozenset({
    "preview", "latest", "exp", "experimental", "beta", "instruct", "it", "chat", "hf", "base", "thinking",
})  # fmt: skip
_LONGEST_VERSION = 2  # digits: more are a date
_PARTS = re.compile(r"[-_:\s]+")

# The name of Mixtral 8x7B, of which the rows ``mixtral.*`` tell what it really has: its experts share layers.
_MIXTRAL_EXPERTS, _MIXTRAL_B = 8, 7
SMALLEST_B = 0.001
LARGEST_B = 20_000.0


def exact_forms(name: str) -> Iterator[str]:
    """The name in lower case, then without folder or organisation, file ending, reseller's paper, tag and date.

    Each form names the same model, a release of it at least; the first that a table knows is taken.
    """
    whole = name.strip().lower()
    last = _FILE.sub("", short_name(whole))
    bare = _bare(last)
    undated = _DATE.sub("", bare)
    yield from dict.fromkeys((whole, whole.removeprefix("models/"), last, bare, undated, _STAGE.sub("", undated)))


def released(name: str) -> str:
    """The last of the exact forms: the name of the release alone, without date and stage."""
    *_, last = exact_forms(name)
    return last


def short_name(name: str) -> str:
    """The last part of a path or of "organisation/name"."""
    return name.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1]


def _bare(last: str) -> str:
    if last.startswith("ft:"):
        # OpenAI's tuned models: "ft:gpt-4o-mini-2024-07-18:organisation::id".
        last = last.split(":")[1]
    bedrock = _REVISION.sub("", _BEDROCK.sub("", last)) if _BEDROCK.match(last) else last
    return _TAG.sub("", bedrock)


def open_form(name: str) -> str:
    """The name of an open model without what changes neither its size nor its training: chat, quantisation, format.

    Only for tables of open models: "gpt-4-turbo" is another model than "gpt-4".
    """
    # A date stays: of an open model, the dated releases differ in size.
    form = _bare(_FILE.sub("", short_name(name.strip().lower()))).replace("_", "-").replace(":", "-")
    previous = ""
    while form != previous:
        previous = form
        form = _OPEN_SUFFIX.sub("", _QUANTISED.sub("", form))
    return _OPEN_PREFIX.sub("", form)


def family_name(name: str) -> tuple[tuple[str, ...], int | None]:
    """The words of a name that its family shares, size words among them, and the release's first number.

    "claude-opus-5-1" is (("claude", "opus"), 5), "gpt-5.9-mini-2027-01-01" is (("gpt", "mini"), 5). A word that is not
    known to leave the size alone stays: "gpt-4-turbo" is of another family than "gpt-4".
    """
    words, number = [], None
    for part in _PARTS.split(released(name)):
        version, lettered = _VERSION.match(part), _ONE_LETTER.match(part)
        if lettered is not None:
            words.append(lettered["brand"])
            number = number or lettered["major"]
        elif version is not None:
            is_window = part.endswith("k")
            number = number or (None if is_window or len(version["major"]) > _LONGEST_VERSION else version["major"])
        elif part and part not in _OF_NO_SIZE:
            words.append(part)
    return tuple(words), None if number is None else int(number)


def organisation(name: str) -> str | None:
    """Who a name says that the model is from: the folder before it ("organisation/name"), lower case; else None."""
    folders = name.strip().lower().replace("\\", "/").rstrip("/").split("/")[:-1]
    return folders[-1] if folders and folders[-1] else None


@functools.lru_cache(maxsize=512)
def size_in_name(name: str) -> tuple[float, float] | None:
    """Billions of active and of all parameters that a name tells: "-7b-", "270m", "30b-a3b", "8x7b"; else None."""
    text = name.lower().replace("_", "-").replace("/", "-").replace(":", "-")
    mixture = _MIXTURE.search(text)
    if mixture is not None:
        experts, size = int(mixture["experts"]), float(mixture["size"])
        total_b, active_b = (default_catalogue().value(f"mixtral.{part}_b")[1] for part in ("total", "active"))
        return _sane(active_b / _MIXTRAL_B * size, experts * size * (total_b / (_MIXTRAL_EXPERTS * _MIXTRAL_B)))
    found = _SIZE.search(text)
    if found is None:
        return None
    total = float(found["size"]) / (1000.0 if found["unit"] == "m" else 1.0)
    active = _ACTIVE.search(text)
    return _sane(float(active["size"]) if active is not None else total, total)


def _sane(active: float, total: float) -> tuple[float, float] | None:
    if not SMALLEST_B <= active <= total <= LARGEST_B:
        return None
    return active, total
