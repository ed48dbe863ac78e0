"""Counts equal in-process calls of one owner and phase in one row."""

from __future__ import annotations

import threading
from typing import NamedTuple

from pytest_aifootprint.detection.calls import LOAD, AICall
from pytest_aifootprint.detection.inprocess.identity import Identity, Subject
from pytest_aifootprint.detection.recorder import Owner, Recorder


class Span(NamedTuple):
    """When a call ran, and the CPU that this process used meanwhile; in ns."""

    started_ns: int
    ended_ns: int
    cpu_ns: int


class Place(NamedTuple):
    """Whose an undecided call is, and in which phase it ran."""

    owner: Owner | None
    inferred: bool
    phase: str


class Rows:
    """The rows of one framework.

    Args:
        recorder: where rows go. client: the framework's name.
    """

    def __init__(self, recorder: Recorder, client: str) -> None:
        self._recorder = recorder
        self._client = client
        self._lock = threading.Lock()

    def add(  # noqa: PLR0913 - on the hot path: no object per call
        self,
        operation: str,
        subject: Subject,
        span: Span,
        *,
        samples: int | None = None,
        steps: int | None = None,
        epochs: float | None = None,
        input_tokens: int | None = None,
        output_tokens: int | None = None,
        failed: bool = False,
        count: int = 1,
        at: Place | None = None,
        notice: str | None = None,
    ) -> None:
        """Count what ran in a span, here and now or ``at`` an earlier place.

        Args:
            operation: ``inference``, ``embedding``, ``training``, ``load``, ...
            subject: the model object.
            span: when it ran.
            samples: items that it worked on.
            steps: of a training.
            epochs: of a training.
            input_tokens: of this call, as all tokens.
            output_tokens: likewise.
            failed: it raised.
            count: of calls; 0 for steps that may go on with a training that was counted: several steps of one object in
                one row are one training.
            at: whose it is, if that was known earlier.
            notice: code of what is not known about it.
        """
        identity = subject.identity
        key = (self._client, operation, identity, failed, input_tokens, output_tokens)
        if at is None:
            owner, inferred = self._recorder.owner()
            phase = None
        else:
            owner, inferred, phase = at
        started_ns, ended_ns, cpu_ns = span
        with self._lock:
            row = self._recorder.tally(key, owner, phase)
            if row is None:
                row = self._row(operation, identity, started_ns, failed=failed)
                row.input_tokens, row.output_tokens = input_tokens, output_tokens
                row.count = max(count, 1)
                row.duration_ns, row.cpu_ns = ended_ns - started_ns, cpu_ns
                row.samples, row.steps, row.epochs = samples, steps, epochs
                self._recorder.start_tally(key, row, owner, inferred=inferred, phase=phase)
                if at is not None:
                    row.phase = at.phase
            else:
                row.count += count or (subject.trained_in is not row)
                row.duration_ns += ended_ns - started_ns
                row.cpu_ns += cpu_ns
                if samples is not None:
                    row.samples = samples + (row.samples or 0)
                if steps is not None:
                    row.steps = steps + (row.steps or 0)
                if epochs is not None:
                    row.epochs = epochs + (row.epochs or 0.0)
                self._recorder.counted(row)
            if notice is not None and notice not in row.notices:
                row.notices = (*row.notices, notice)
            if count == 0:
                subject.trained_in = row

    def load(self, subject: Subject, span: Span, *, failed: bool = False) -> None:
        """Count a load of a model."""
        self.add(LOAD, subject, span, failed=failed)

    def _row(self, operation: str, identity: Identity, started_ns: int, *, failed: bool) -> AICall:
        notices = ("unknown-model",) if identity.name is None else ()
        return AICall(
            operation,
            self._client,
            "local",
            "live",
            started_ns,
            0,
            model=identity.name,
            parameters=identity.parameters,
            precision=identity.precision,
            device=identity.device,
            revision=identity.revision,
            file=identity.file,
            status="error" if failed else None,
            notices=(*notices, "unreadable-model") if identity.unreadable else notices,
        )


def batch(data: object) -> int | None:
    """The number of samples in a batch, where it is cheap to know. Whatever the user's object does, it never raises."""
    if isinstance(data, (list, tuple)):
        return len(data)
    try:
        shape = getattr(data, "shape", None)
        size = shape[0] if isinstance(shape, tuple) and shape else None
    except Exception:  # noqa: BLE001 - a property of the user's may raise anything
        return None
    return size if isinstance(size, int) else None
