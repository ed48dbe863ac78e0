"""xllamacpp: llama.cpp's server as an object. Tried with 2026.10 and 0.2.14.

A server's questions are methods of a compiled class that can be replaced like those of any other. Its load cannot: it
is in the allocation of the object, which a class gives away only to a subclass. So ``xllamacpp.Server`` is a subclass
while we watch. It listens on a port, too: what is asked there is seen as HTTP, and is no fake though the port is ours.
"""

from __future__ import annotations

import json
import os
import weakref
from collections.abc import Callable
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

from pytest_aifootprint.detection.inprocess.filefacts import FileFacts
from pytest_aifootprint.detection.inprocess.gguf_header import NOT_TOLD, gguf_size
from pytest_aifootprint.detection.inprocess.identity import Facts, Identity, Subjects, class_name
from pytest_aifootprint.detection.inprocess.names import hub_revision, model_name
from pytest_aifootprint.detection.inprocess.rows import Rows
from pytest_aifootprint.detection.inprocess.watching import Done, loading, outermost
from pytest_aifootprint.detection.patching import Arming

_OPERATIONS = {
    "handle_completions": "completion",
    "handle_chat_completions": "chat",
    "handle_embeddings": "embedding",
    "handle_rerank": "rerank",
    "handle_systemone": "classification",
}
_TELLING = (b'"usage"', b'"timings"', b'"error"')


def describe(server: Any, facts: Facts) -> Identity:
    """What a server tells whose load was not seen: nothing."""
    del facts
    return Identity(class_name(type(server)))


class _Answer:
    """What an answer, whole or in pieces, says of its work. Keeps numbers only."""

    def __init__(self) -> None:
        self.input_tokens: int | None = None
        self.output_tokens: int | None = None
        self.samples: int | None = None
        self.failed = False
        self._several = False

    def add(self, piece: Any) -> None:
        """The answer, or one more piece of it."""
        if isinstance(piece, (str, bytes)):
            content = piece.encode() if isinstance(piece, str) else piece
            if not any(word in content for word in _TELLING):
                return
            piece = json.loads(piece)
        for part in piece if isinstance(piece, list) else (piece,):
            if isinstance(part, dict):
                self._read(part)

    def _read(self, part: dict[str, Any]) -> None:
        choices = part.get("choices")
        if isinstance(choices, list):
            self._several |= len(choices) > 1 or any(choice.get("index") for choice in choices)
        usage, timings = part.get("usage"), part.get("timings")
        if isinstance(usage, dict):
            self.input_tokens = _number(usage.get("prompt_tokens"))
            self.output_tokens = _number(usage.get("completion_tokens"))
        elif isinstance(timings, dict):  # a stream that was not asked for its usage
            read, cached = _number(timings.get("prompt_n")), _number(timings.get("cache_n"))
            self.input_tokens = None if read is None else read + (cached or 0)
            self.output_tokens = _number(timings.get("predicted_n"))
        for key in ("data", "results"):
            if isinstance(part.get(key), list):
                self.samples = len(part[key])
        self.failed |= "error" in part or ("code" in part and "message" in part)
        if self._several:  # the server tells those of one of several answers
            self.input_tokens = self.output_tokens = None


def _number(value: Any) -> int | None:
    return value if isinstance(value, int) else None


class _Servers:
    """Watches servers: their loads and their questions."""

    def __init__(self, library: ModuleType, arming: Arming) -> None:
        self._library = library
        self._arming = arming
        self._rows = Rows(arming.recorder, "xllamacpp")
        self._sizes = FileFacts(arming.recorder, gguf_size, NOT_TOLD)
        self._subjects = Subjects(describe)

    def asked(self, operation: str) -> Callable[[Any], Any]:
        """For a method that asks a server; it returns when the answer is complete, even if that came in pieces."""

        def make(original: Callable[..., Any]) -> Callable[..., Any]:
            def call(server: Any, /, *args: Any, **kwargs: Any) -> Any:
                __tracebackhide__ = True
                if self._arming.nesting.depth or not self._arming.active:
                    return original(server, *args, **kwargs)
                answer = _Answer()

                def ask(server: Any, *args: Any, **kwargs: Any) -> Any:
                    __tracebackhide__ = True
                    if len(args) > 1:
                        args = (args[0], self._listening(answer, args[1]), *args[2:])
                    elif "callback" in kwargs:
                        kwargs["callback"] = self._listening(answer, kwargs["callback"])
                    result = original(server, *args, **kwargs)
                    if result is not None:
                        self._listen(answer, result)
                    return result

                def count(server: Any, done: Done, /) -> None:
                    self._rows.add(
                        operation,
                        self._subjects.of(server),
                        done.span,
                        samples=answer.samples,
                        input_tokens=answer.input_tokens,
                        output_tokens=answer.output_tokens,
                        failed=done.failed or answer.failed,
                    )

                # Made anew for each question, which takes no time beside the answer: so it has its own place to note.
                return outermost(self._arming, "xllamacpp", ask, count)(server, *args, **kwargs)

            return call

        return make

    def _listening(self, answer: _Answer, callback: Any) -> Any:
        if not callable(callback):
            return callback

        def listening(piece: Any) -> Any:
            __tracebackhide__ = True
            self._listen(answer, piece)
            return callback(piece)

        return listening

    def _listen(self, answer: _Answer, piece: Any) -> None:
        try:
            answer.add(piece)
        except Exception as error:  # noqa: BLE001 - watching never raises into the watched call
            self._arming.recorder.error("xllamacpp", error)

    def watched_class(self, base: type) -> type:
        """A subclass whose allocation is timed."""
        return type(
            base.__name__,
            (base,),
            {
                "__slots__": () if base.__weakrefoffset__ else ("__weakref__",),
                "__module__": base.__module__,
                "__qualname__": base.__qualname__,
                "__doc__": base.__doc__,
                "__new__": loading(self._arming, "xllamacpp", base.__new__, self._loaded),
            },
        )

    def _loaded(self, kind: Any, done: Done, /) -> None:
        del kind
        identity = self._identify(done.argument(0, "common_params"))
        subject = self._subjects.tell(done.result, identity)
        if not done.failed:
            self._serves(done.result)
        self._rows.load(subject, done.span, failed=done.failed)

    def _identify(self, params: Any) -> Identity:
        facts = Facts()
        path = facts.get(lambda: params.model.path)
        if not path:
            return Identity(facts.get(lambda: params.model.hf_repo) or None)
        file = os.path.abspath(path)  # noqa: PTH100 - no link is followed: the hub's links have the names
        size = self._sizes.of(file)
        device = facts.get(lambda: _device(self._library.get_device_info(), params.n_gpu_layers))
        return Identity(model_name(path), size.parameters, size.precision, device, hub_revision(file), file)

    def _serves(self, server: Any) -> None:
        port = urlsplit(str(server.listening_address)).port
        if port is not None:
            self._arming.serving.add(port)
            weakref.finalize(server, self._arming.serving.discard, port).atexit = False


def _device(devices: Any, layers: int) -> str:
    """Where layers go: to the first accelerator that llama.cpp knows, unless that was forbidden."""
    for device in devices:
        name = str(device["name"]).lower()
        if layers and "GPU" in str(device["type"]):
            kind = name.rstrip("0123456789")
            return f"{kind}:{name[len(kind) :]}" if name != kind else name
    return "cpu"


def install(library: ModuleType, arming: Arming) -> None:
    """Patch the servers' questions, and what makes servers."""
    servers = _Servers(library, arming)
    server = library.Server
    base = next(cls for cls in server.__mro__ if "handle_completions" in vars(cls))
    for name, operation in _OPERATIONS.items():
        if name in vars(base):
            arming.replace(base, name, servers.asked(operation))
    watched = servers.watched_class(server)
    modules: tuple[Any, ...] = (library, library.xllamacpp)
    patches = arming.lent["xllamacpp"] = []  # a wrapper holds its last patch only
    for module in modules:
        if vars(module).get("Server") is server:
            arming.replace(module, "Server", lambda _: watched)
            patches.append(vars(watched)["__aifootprint__"])
