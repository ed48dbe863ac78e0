"""What a request asks for: the one place where the stacks ask the providers' parsers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import parse_qs

from pytest_aifootprint.detection.http.sending import Request
from pytest_aifootprint.detection.providers.asking import LOCAL, UNKNOWN, Asked, asked, could_ask
from pytest_aifootprint.detection.providers.clips import VIDEO, makes_videos
from pytest_aifootprint.detection.providers.hosts import is_local, provider_of
from pytest_aifootprint.detection.providers.picking import Path
from pytest_aifootprint.detection.providers.usage import Answer, name

UNREAD = "unread-protocol"

# Where one talks to a model over a websocket.
_SOCKET = re.compile(rb"(?:^|/)(?:realtime|v\d\w*/responses)/?(?:\?|$)|\.GenerativeService\.BidiGenerateContent")
# Google's models, Triton and TensorFlow's servers, xAI: package, service, method.
_CALL = re.compile(
    r"^/(?P<package>google\.cloud\.aiplatform\.v1\w*|google\.ai\.generativelanguage\.v1\w*|inference|"
    r"tensorflow\.serving|xai_api)\.(?P<service>PredictionService|GenerativeService|PredictionServiceClient|"
    r"GRPCInferenceService|Chat|Embedder|Image|Sample)/"
    r"(?P<verb>\w*(?:Predict|GenerateContent|EmbedContents?|ModelInfer|ModelStreamInfer|GetCompletion|"
    r"GetCompletionChunk|Embed|GenerateImage|SampleText|SampleTextStreaming|GenerateAnswer|Classify|Regress)\w*)$"
)
_GOOGLE = {"google.cloud.aiplatform": "vertex_ai", "google.ai.generativelanguage": "google_genai", "xai_api": "xai"}
_MODEL_KEYS = ("model", "endpoint", "model_name")


def what_is_asked(request: Request) -> Asked | None:
    """What a request asks a model for; None if it is no AI call. Most are none, and are turned away first."""
    if request.method != "POST" or (match := could_ask(request.path)) is None:
        return None
    return asked(match, request.host, request.body())


def what_a_socket_asks(path: bytes, host: str) -> Asked | None:
    """Which model a websocket is opened to, as far as its address says; None if it is no AI call."""
    if _SOCKET.search(path) is None:
        return None
    query = parse_qs(path.partition(b"?")[2].decode("latin-1"))
    models = query.get("model") or query.get("deployment")
    provider = provider_of(host.lower())
    if provider is None and models is None:  # /realtime on a host that nobody knows may be anything
        return None
    return _unread("chat", provider, name(models[0]) if models else None, host)


def what_grpc_asks(method: str, host: str, request: Any) -> Asked | None:
    """Which model a remote procedure asks, by its name and the request's field for it; None if it is no AI call."""
    match = _CALL.search(method)
    if match is None:
        return None
    provider = next((theirs for package, theirs in _GOOGLE.items() if match["package"].startswith(package)), None)
    verb = match["verb"]
    operation = "embedding" if "Embed" in verb else "image" if "Image" in verb else "inference"
    if any(word in verb for word in ("GenerateContent", "Completion", "GenerateAnswer", "SampleText")):
        operation = "chat"
    local, model = is_local(host), _model(request)
    if "LongRunning" in verb and makes_videos(model):
        operation = VIDEO
    return _unread(operation, None if local else provider, model, host)


def _model(request: Any) -> str | None:
    fields = request if isinstance(request, Mapping) else None
    for key in _MODEL_KEYS:
        value = fields.get(key) if fields is not None else getattr(request, key, None)
        if isinstance(value, str) and value:
            return name(value.rpartition("/")[2])
    spec = getattr(request, "model_spec", None)  # TensorFlow's
    return name(getattr(spec, "name", None))


def _unread(operation: str, provider: str | None, model: str | None, host: str) -> Asked:
    local = provider is None and is_local(host)
    notices = (UNREAD,) if provider is not None or local else (UNREAD, "unknown-provider")
    return Asked(operation, provider or (LOCAL if local else UNKNOWN), model, local, Unread, notices)


class Unread(Answer):
    """Stands for the answers of a protocol that nobody here reads."""

    wanted: ClassVar[frozenset[Path]] = frozenset()

    def __init__(self, operation: str) -> None:
        super().__init__(operation)
        self.complete = True

    def passes(self, data: bytes) -> bool:
        """Everything passes."""
        del data
        return True
