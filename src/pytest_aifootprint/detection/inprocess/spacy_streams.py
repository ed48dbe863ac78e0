"""spaCy's ``pipe``: documents come as they are asked for, maybe in another phase or test than it was made in."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

from pytest_aifootprint.detection.inprocess.identity import Subject
from pytest_aifootprint.detection.inprocess.rows import Place, Rows, Span
from pytest_aifootprint.detection.patching import Arming
from pytest_aifootprint.quantities.unfaked import REAL

_END = object()
_FAILED = object()


class _Part:
    """What of one ``pipe`` ran in one phase: a call, whose documents are its samples."""

    of_phase = False

    def __init__(self, arming: Arming, rows: Rows, subject: Subject, place: Place) -> None:
        self._arming = arming
        self._rows = rows
        self._subject = subject
        self._settling = threading.Lock()
        self._started_ns = self._duration_ns = self._cpu_ns = self._samples = 0
        self.place = place
        self.failed = False

    @property
    def settled(self) -> bool:
        """It is counted already: its test has ended."""
        return self._settling.locked()

    def add(self, span: Span, away: _Away, *, samples: int) -> None:
        """A document has come."""
        self._started_ns = self._started_ns or span.started_ns
        self._duration_ns += span.ended_ns - span.started_ns - away.duration_ns
        self._cpu_ns += span.cpu_ns - away.cpu_ns
        self._samples += samples

    def so_far(self) -> None:
        """It says nothing before its end."""

    def finish(self, *, abandoned: bool) -> None:
        """Count it. Does nothing the second time."""
        del abandoned
        if not self._settling.acquire(blocking=False):
            return
        self._arming.recorder.done(self)
        if self._samples or self.failed:
            span = Span(self._started_ns, self._started_ns + self._duration_ns, self._cpu_ns)
            self._rows.add("inference", self._subject, span, samples=self._samples, failed=self.failed, at=self.place)


class _Away:
    """Time that the user's texts took to come, while one document was asked for."""

    def __init__(self) -> None:
        self.inside = False
        self.duration_ns = 0
        self.cpu_ns = 0

    def reset(self) -> None:
        """For the next document."""
        self.duration_ns = self.cpu_ns = 0


class Streams:
    """Watches ``pipe``.

    Args:
        subject_of: what is known of a pipeline; None if it is not watched.
    """

    def __init__(self, arming: Arming, rows: Rows, subject_of: Callable[[Any], Subject | None]) -> None:
        self._arming = arming
        self._rows = rows
        self._subject_of = subject_of

    def watched(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """The wrapper around ``Language.pipe``: as lazy as it is."""
        arming = self._arming

        def pipe(nlp: Any, /, *args: Any, **kwargs: Any) -> Any:
            __tracebackhide__ = True
            if not arming.active or arming.nesting.depth:
                return original(nlp, *args, **kwargs)
            away = _Away()
            if args:
                args = (self._texts(args[0], away), *args[1:])
            elif "texts" in kwargs:
                kwargs["texts"] = self._texts(kwargs["texts"], away)
            docs = original(nlp, *args, **kwargs)
            cpu_clock_ns = REAL.process_time_ns if kwargs.get("n_process", 1) == 1 else arming.recorder.tree_cpu_ns
            return self._docs(nlp, docs, away, cpu_clock_ns)

        return pipe

    def _texts(self, texts: Any, away: _Away) -> Any:
        """What runs to make the user's texts is not part of the call."""
        return texts if isinstance(texts, (list, tuple)) else self._outside(texts, away)

    def _outside(self, texts: Any, away: _Away) -> Iterator[Any]:
        __tracebackhide__ = True
        nesting, source = self._arming.nesting, iter(texts)
        while True:
            inside, depth = away.inside, nesting.depth
            if inside:
                nesting.depth = 0
            started_ns, cpu_ns = REAL.monotonic_ns(), REAL.process_time_ns()
            try:
                text = next(source, _END)
            finally:
                away.duration_ns += REAL.monotonic_ns() - started_ns
                away.cpu_ns += REAL.process_time_ns() - cpu_ns
                if inside:
                    nesting.depth = depth
            if text is _END:
                return
            yield text

    def _docs(self, nlp: Any, docs: Any, away: _Away, cpu_clock_ns: Callable[[], int]) -> Iterator[Any]:
        __tracebackhide__ = True
        nesting, part = self._arming.nesting, None
        try:
            while True:
                if nesting.depth or not self._arming.active or self._known(nlp) is None:
                    doc = next(docs, _END)
                else:
                    doc = _FAILED
                    away.reset()
                    nesting.steps = nesting.tokens = 0
                    started_ns, cpu_ns = REAL.monotonic_ns(), cpu_clock_ns()
                    try:
                        nesting.depth, away.inside = 1, True
                        doc = next(docs, _END)
                    finally:
                        nesting.depth, away.inside = 0, False
                        span = Span(started_ns, REAL.monotonic_ns(), cpu_clock_ns() - cpu_ns)
                        part = self._counted(part, nlp, span, away, doc)
                if doc is _END:
                    return
                yield doc
        finally:
            docs.close()
            if part is not None:
                self._finish(part)

    def _known(self, nlp: Any) -> Subject | None:
        try:
            return self._subject_of(nlp)
        except Exception as error:  # noqa: BLE001 - watching never raises into the watched call
            self._arming.recorder.error("spacy", error)
            return None

    def _counted(self, part: _Part | None, nlp: Any, span: Span, away: _Away, doc: object) -> _Part | None:
        recorder = self._arming.recorder
        try:
            owner, inferred = recorder.owner()
            place = Place(owner, inferred, "outside" if owner is None else owner.phase)
            if part is None or part.settled or part.place != place:
                if part is not None:
                    part.finish(abandoned=False)
                subject = self._subject_of(nlp)
                if subject is None:
                    return None
                part = _Part(self._arming, self._rows, subject, place)
                recorder.wait_for(part, owner)
            part.failed = doc is _FAILED
            part.add(span, away, samples=int(doc is not _END and doc is not _FAILED))
        except Exception as error:  # noqa: BLE001 - watching never raises into the watched call
            recorder.error("spacy", error)
        return part

    def _finish(self, part: _Part) -> None:
        try:
            part.finish(abandoned=False)
        except Exception as error:  # noqa: BLE001 - watching never raises into the watched call
            self._arming.recorder.error("spacy", error)
