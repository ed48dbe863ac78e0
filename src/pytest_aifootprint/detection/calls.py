"""AI calls as they are seen: names and counts, never contents."""

from __future__ import annotations

from typing import Any

from msgspec import Struct
from msgspec.structs import asdict, fields

from pytest_aifootprint.detection.servers import ServerTimes

LOAD = "load"
"""The operation of a model's load: such a record stands in ``Owner.loads``, apart from the calls."""

OPERATIONS = (
    "chat",
    "completion",
    "embedding",
    "rerank",
    "image",
    "audio",
    "video",
    "moderation",
    "classification",
    "inference",
    "training",
)
LOCALITIES = ("local", "remote")
REALNESSES = ("live", "replayed", "mocked")


class AICall(Struct):
    """One use of a model, not yet priced. In-process calls of one kind in one window are one row with a ``count``.

    Attributes:
        operation: one of ``OPERATIONS``; ``LOAD`` for a load, which is no use of a model.
        client: the seam that saw it: ``httpx``, ``httpx2``, ``onnxruntime``, ``sklearn``, ``torch``, ``fixture``.
        locality: where the model ran. realness: whether a model ran at all.
        provider: ``openai``, ``anthropic``, ...; None inside the process, "unknown" for an unknown host.
        model: as requested; for in-process models the name of file, repository or class. None if unknown.
        response_model: as answered (a local server may answer with a file path).
        streamed: the answer came in pieces.
        input_tokens: cached ones included. cached_input_tokens: a subset of input.
        output_tokens: reasoning included. reasoning_tokens: a subset of output. All None if unknown; those of
            one call, where ``count`` is more.
        tokens_estimated: counted from chunks because the answer had no usage.
        started_ns: CLOCK_MONOTONIC. duration_ns: until the answer was complete or given up; summed over ``count``.
        status: HTTP status, or "error" without an answer; None inside the process.
        abandoned: the client stopped reading before the end.
        phase: ``setup``, ``call`` or ``teardown`` of the owning test, or ``fixture``; the recorder fills it.
        inferred: owner found by the process-wide current test, not by context.
        replayer: what answered instead of the provider: ``vcrpy``, ``respx``, ``own server``, ...
        host: host name (and port on loopback) only; no path, no query.
        parameters: number of parameters of an in-process model, if known. samples: batch items, if known; images or
            clips asked for. media_s: seconds of one clip that was asked for, if told.
        precision: of its weights: ``float32``, ``int8``, ``q4_k_m``. device: where it ran: ``cpu``, ``cuda:0``.
        revision: of the hub's repository, if the object knows it.
        file: path of the model's file or folder on this machine. For finding what the user declared of it; no report
            has it.
        steps: of a training: optimizer steps, boosting rounds, updates; over all in this row. epochs: likewise.
        cpu_ns: CPU of this process during the call, and of its children where it trained; summed over ``count``.
        disbelieved: counts that were told and cannot be, such as "input_tokens 1000000000000"; they are None here.
        notices: codes of what is not known about this call (``unknown-provider``, ``unknown-format``, ...).
        count: number of calls in this row.
        server: the CPU clock of the local server that answered, at both ends of the call; None where there was none, it
            is the run's own, or it cannot be seen (then ``notices`` says so).
    """

    operation: str
    client: str
    locality: str
    realness: str
    started_ns: int
    duration_ns: int
    provider: str | None = None
    model: str | None = None
    response_model: str | None = None
    streamed: bool = False
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_input_tokens: int | None = None
    reasoning_tokens: int | None = None
    tokens_estimated: bool = False
    status: int | str | None = None
    abandoned: bool = False
    phase: str = "call"
    inferred: bool = False
    replayer: str | None = None
    host: str | None = None
    parameters: int | None = None
    samples: int | None = None
    media_s: float | None = None
    precision: str | None = None
    device: str | None = None
    revision: str | None = None
    file: str | None = None
    steps: int | None = None
    epochs: float | None = None
    cpu_ns: int = 0
    disbelieved: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    count: int = 1
    server: ServerTimes | None = None

    def to_wire(self) -> dict[str, Any]:
        """Builtin types only, defaults left out: what travels between workers."""
        return {k: v for k, v in asdict(self).items() if v != _DEFAULTS.get(k, _MISSING)}

    @classmethod
    def from_wire(cls, data: dict[str, Any]) -> AICall:
        """The call that ``to_wire`` gave."""
        server = data.get("server")
        return cls(
            **{
                **data,
                "disbelieved": tuple(data.get("disbelieved", ())),
                "notices": tuple(data.get("notices", ())),
                "server": None if server is None else tuple(server),
            }
        )


_MISSING = object()
_DEFAULTS = {f.name: f.default for f in fields(AICall)}
