"""llama-cpp-python: texts, chats and embeddings of a ``Llama``, whole or in pieces. Tried with 0.3.36 on a CPU.

Tokens are counted where they are made: those that ``generate`` is given, and those that ``sample`` draws. They come to
what the library says of an answer, and are there for streams too, of which it says nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator
from types import ModuleType
from typing import Any

from pytest_aifootprint.detection.inprocess.gguf_header import file_type
from pytest_aifootprint.detection.inprocess.identity import Facts, Identity, Subject, Subjects
from pytest_aifootprint.detection.inprocess.names import hub_revision, model_name
from pytest_aifootprint.detection.inprocess.rows import Place, Rows, Span, batch
from pytest_aifootprint.detection.inprocess.watching import Done, loading, outermost
from pytest_aifootprint.detection.patching import Arming
from pytest_aifootprint.quantities.unfaked import REAL

_METHODS = {
    "__call__": "completion",
    "create_completion": "completion",
    "create_chat_completion": "chat",
    "create_embedding": "embedding",
    "embed": "embedding",
    "eval": "inference",
}


class _Stream:
    """An answer in pieces: what it took to make them, without what the user does between them."""

    of_phase = False

    def __init__(self, rows: Rows, arming: Arming, subject: Subject, operation: str) -> None:
        self._rows = rows
        self._arming = arming
        self._subject = subject
        self._operation = operation
        self._place: Place | None = None
        self._duration_ns = self._cpu_ns = self._started_ns = 0
        self._input_tokens = self._output_tokens = 0
        self._ended = False

    def step(self, make: Callable[..., Any], *args: Any) -> Any:
        """One more piece."""
        __tracebackhide__ = True
        nesting = self._arming.nesting
        if nesting.depth or not self._arming.active:
            return make(*args)
        started_ns, cpu_ns = REAL.monotonic_ns(), REAL.process_time_ns()
        self._begin(started_ns)
        nesting.steps = nesting.tokens = 0
        try:
            nesting.depth = 1
            return make(*args)
        finally:
            nesting.depth = 0
            self._duration_ns += REAL.monotonic_ns() - started_ns
            self._cpu_ns += REAL.process_time_ns() - cpu_ns
            self._input_tokens += nesting.tokens
            self._output_tokens += nesting.steps

    def given(self, tokens: int) -> None:
        """It goes on from so many."""
        self._input_tokens += tokens

    def so_far(self) -> None:
        """Nothing before the end."""

    def finish(self, *, abandoned: bool) -> None:
        """The test has ended, and nobody may read on."""
        del abandoned
        self.end(failed=False)

    def end(self, *, failed: bool) -> None:
        """Count it, once. One that nobody has read from has done nothing."""
        if self._ended or self._place is None:
            return
        self._ended = True
        self._arming.recorder.done(self)
        self._rows.add(
            self._operation,
            self._subject,
            Span(self._started_ns, self._started_ns + self._duration_ns, self._cpu_ns),
            input_tokens=self._input_tokens,
            output_tokens=self._output_tokens,
            failed=failed,
            at=self._place,
        )

    def _begin(self, now_ns: int) -> None:
        if self._place is not None:
            return
        recorder = self._arming.recorder
        owner, inferred = recorder.owner()
        self._started_ns = now_ns
        self._place = Place(owner, inferred, "outside" if owner is None else owner.phase)
        recorder.wait_for(self, owner)


class _Models:
    """Watches models."""

    def __init__(self, library: ModuleType, arming: Arming) -> None:
        self._library = library
        self._arming = arming
        self._rows = Rows(arming.recorder, "llama_cpp")
        self._subjects = Subjects(self._describe)

    def asked(self, operation: str) -> Callable[[Any], Any]:
        """For a method that answers at once, or gives an iterator that will."""
        nesting = self._arming.nesting

        def count(model: Any, done: Done, /) -> None:
            if isinstance(done.result, Iterator):
                return  # counted when it was read
            samples = output_tokens = None
            input_tokens = nesting.tokens
            if operation == "embedding":
                samples = batch(done.argument(0, "input")) or 1
            elif operation == "inference":  # ``eval`` by hand
                input_tokens = _length(done.argument(0, "tokens"))
            else:
                output_tokens = nesting.steps
            self._rows.add(
                operation,
                self._subjects.of(model),
                done.span,
                samples=samples,
                input_tokens=input_tokens,
                output_tokens=output_tokens,
                failed=done.failed,
            )

        def make(original: Callable[..., Any]) -> Callable[..., Any]:
            watched = outermost(self._arming, "llama_cpp", original, count)

            def call(model: Any, /, *args: Any, **kwargs: Any) -> Any:
                __tracebackhide__ = True
                if nesting.depth or not self._arming.active:
                    return original(model, *args, **kwargs)
                result = watched(model, *args, **kwargs)
                return self._watch(model, result, operation) if isinstance(result, Iterator) else result

            return call

        return make

    def generated(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """For ``generate``: what all texts are made by, and a user may call."""

        def generate(model: Any, /, *args: Any, **kwargs: Any) -> Any:
            __tracebackhide__ = True
            pieces = original(model, *args, **kwargs)
            if not self._arming.active:
                return pieces
            tokens = _length(args[0] if args else kwargs.get("tokens"))
            if self._arming.nesting.depth:
                self._arming.nesting.tokens += tokens
                return pieces
            return self._watch(model, pieces, "completion", tokens)

        return generate

    def sampled(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """For ``sample``: one more token, if it is not the one that ends the text."""
        nesting = self._arming.nesting
        ends = getattr(self._library, "llama_vocab_is_eog", None)

        def sample(model: Any, /, *args: Any, **kwargs: Any) -> Any:
            __tracebackhide__ = True
            token = original(model, *args, **kwargs)
            if nesting.depth:
                try:
                    over = token == model.token_eos() if ends is None else ends(model._model.vocab, token)  # noqa: SLF001 - as the library asks
                    nesting.steps += not over
                except Exception as error:  # noqa: BLE001 - watching never raises into the watched call
                    self._arming.recorder.error("llama_cpp", error)
            return token

        return sample

    def batched(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """For what takes a text to be embedded."""
        nesting = self._arming.nesting

        def add_sequence(batch: Any, /, *args: Any, **kwargs: Any) -> Any:
            __tracebackhide__ = True
            if nesting.depth:
                nesting.tokens += _length(args[0] if args else kwargs.get("batch"))
            return original(batch, *args, **kwargs)

        return add_sequence

    def load(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """For what reads a model."""

        def loaded(model: Any, done: Done, /) -> None:
            if done.failed:
                subject = self._subjects.tell(None, _of_file(done.argument(0, "model_path")))
            else:
                subject = self._subjects.of(model)
            self._rows.load(subject, done.span, failed=done.failed)

        return loading(self._arming, "llama_cpp", original, loaded)

    def _watch(self, model: Any, pieces: Iterator[Any], operation: str, tokens: int = 0) -> Iterator[Any]:
        try:
            stream = _Stream(self._rows, self._arming, self._subjects.of(model), operation)
            stream.given(tokens)
            return _read(stream, pieces)
        except Exception as error:  # noqa: BLE001 - watching never raises into the watched call
            self._arming.recorder.error("llama_cpp", error)
            return pieces

    def _describe(self, model: Any, facts: Facts) -> Identity:
        identity = _of_file(facts.get(lambda: model.model_path))
        size = facts.get(lambda: int(model._model.n_params()))  # noqa: SLF001 - kept by no public name
        told = facts.get(lambda: model.metadata.get("general.file_type"))
        precision = facts.get(lambda: file_type(int(told))) if told is not None else None
        device = facts.get(lambda: self._device(model))
        return Identity(identity.name, size, precision, device, identity.revision, identity.file)

    def _device(self, model: Any) -> str | None:
        if not model.model_params.n_gpu_layers or not self._library.llama_supports_gpu_offload():
            return "cpu"
        # Which kind of accelerator it was built for stands in its own list only.
        return f"cuda:{model.model_params.main_gpu}" if b"CUDA" in self._library.llama_print_system_info() else None


def _of_file(path: Any) -> Identity:
    if not isinstance(path, (str, os.PathLike)):
        return Identity(None)
    file = os.path.abspath(os.fspath(path))  # noqa: PTH100 - no link is followed: the hub's links have the names
    return Identity(model_name(os.fspath(path)), revision=hub_revision(file), file=file)


def _length(tokens: Any) -> int:
    try:
        return len(tokens)
    except Exception:  # noqa: BLE001 - the library will say what it thinks of it
        return 0


def _read(stream: _Stream, pieces: Iterator[Any]) -> Generator[Any, Any, Any]:
    """All pieces; what is sent in, and that nobody reads on, is passed on to the library's own generator."""
    __tracebackhide__ = True
    failed = True
    try:
        piece = stream.step(next, pieces)
        while True:
            try:
                sent = yield piece
            except GeneratorExit:
                failed = False
                getattr(pieces, "close", lambda: None)()
                raise
            piece = stream.step(next, pieces) if sent is None else stream.step(pieces.send, sent)  # type: ignore[attr-defined]
    except StopIteration as end:
        failed = False
        return end.value
    finally:
        stream.end(failed=failed)


def install(library: ModuleType, arming: Arming) -> None:
    """Patch the models' methods."""
    models = _Models(library, arming)
    llama: Any = library.Llama
    arming.replace(llama, "__init__", models.load)
    arming.replace(llama, "generate", models.generated)
    arming.replace(llama, "sample", models.sampled)
    for name, operation in _METHODS.items():
        arming.replace(llama, name, models.asked(operation))
    from llama_cpp._internals import LlamaBatch

    arming.replace(LlamaBatch, "add_sequence", models.batched)
