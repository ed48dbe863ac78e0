"""Work that is handed in now and done later: batches of requests, and training. What it took is told elsewhere."""

from __future__ import annotations

from pytest_aifootprint.detection.providers.api import ApiRow, Ask, Request
from pytest_aifootprint.detection.providers.usage import Answer

BATCH = "batch-of-requests"
_KINDS = {"embeddings": "embedding", "moderations": "moderation", "completions": "completion"}


class JobAnswer(Answer):
    """An answer that only says that the work was taken. Counts in it are of work not yet done: they are not read."""

    wanted = frozenset({("status",)})


def _read(request: Request) -> Ask:
    verb = request.path["verb"]
    if b"tun" in verb:
        return Ask("training", request.model, JobAnswer)
    endpoint = request.document.get("endpoint")
    last = endpoint.rstrip("/").rsplit("/", 1)[-1] if isinstance(endpoint, str) else ""
    chat = not isinstance(endpoint, str) or endpoint.rstrip("/").endswith("chat/completions")
    operation = "chat" if chat else _KINDS.get(last, "chat")
    if b"mbed" in verb:
        operation = "embedding"
    model = request.in_path("model") or request.model or _of_first(request)
    return Ask(operation, model, JobAnswer, samples=request.items("requests"), notices=(BATCH,))


def _of_first(request: Request) -> str | None:
    """The model of the first of Anthropic's batched requests."""
    requests = request.document.get("requests")
    one = requests[0] if isinstance(requests, list) and requests else None
    parameters = one.get("params") if isinstance(one, dict) else None
    return request.named(parameters.get("model")) if isinstance(parameters, dict) else None


API = ApiRow(
    path=rb"(?:(?:v1|openai)/|models/(?P<model>[^/:]+):)(?P<verb>messages/batches|batches|batch/jobs|fine_tuning/jobs"
    rb"|fine-tunes|embed-jobs|finetuning/finetuned-models|batchGenerateContent|asyncBatchEmbedContent)",
    ends=frozenset(
        {
            b"batches",
            b"jobs",
            b"fine-tunes",
            b"embed-jobs",
            b"finetuned-models",
            b"batchGenerateContent",
            b"asyncBatchEmbedContent",
        }
    ),
    read=_read,
    providers=frozenset(
        {
            "openai",
            "azure-openai",
            "anthropic",
            "mistralai",
            "groq",
            "together",
            "fireworks",
            "cohere",
            "google_genai",
            "xai",
            "voyageai",
        }
    ),
    wanted=frozenset({("model",), ("endpoint",)}),
    counted=frozenset({"requests"}),
)
