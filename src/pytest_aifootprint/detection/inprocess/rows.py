"""Counts equal in-process calls of one owner and phase in one row."""

from __future__ import annotations

import threading
from typing import NamedTuple

from pytest_aifootprint.detection.calls import AICall
from pytest_aifootprint.detection.recorder import Owner, Recorder


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
        model: str | None,
        started_ns: int,
        ended_ns: int,
        *,
        samples: int | None = None,
        parameters: int | None = None,
        failed: bool = False,
        count: int = 1,
        at: Place | None = None,
    ) -> None:
        """Count a call that ran from ``started_ns`` to ``ended_ns``, here and now or ``at`` an earlier place."""
        if at is None:
            owner, inferred = self._recorder.owner()
            key: tuple[object, ...] = (self._client, operation, model, parameters, failed)
        else:
            owner, inferred, phase = at
            key = (self._client, operation, model, parameters, failed, phase)
        with self._lock:
            row = self._recorder.tally(key, owner)
            if row is not None:
                row.count += count
                row.duration_ns += ended_ns - started_ns
                if samples is not None:
                    row.samples = samples + (row.samples or 0)
                return
            row = AICall(
                operation,
                self._client,
                "local",
                "live",
                started_ns,
                ended_ns - started_ns,
                model=model,
                samples=samples,
                parameters=parameters,
                status="error" if failed else None,
                count=count,
                notices=() if model is not None else ("unknown-model",),
            )
            self._recorder.start_tally(key, row, owner, inferred=inferred)
            if at is not None:
                row.phase = at.phase


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
