"""The ``aifootprint`` fixture: what a test did with models so far, and calls that no seam can see."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from msgspec import Struct, field

from pytest_aifootprint.detection.believed import MOST_TOKENS, is_count, written
from pytest_aifootprint.detection.calls import LOCALITIES, OPERATIONS, REALNESSES, AICall
from pytest_aifootprint.quantities.unfaked import REAL

if TYPE_CHECKING:
    from pytest_aifootprint.records.raw import TestRun
    from pytest_aifootprint.session import Metering
    from pytest_aifootprint.session.runner import TestRunner


class SoFar(Struct, frozen=True):
    """Counts of the running test; prices are known when the run is over.

    Attributes:
        cpu_s: CPU seconds of this process and its children in the phases that are over, and in the running one.
        calls, live_calls, replayed_calls: AI calls. input_tokens, output_tokens: of the live ones, as far as known.
    """

    cpu_s: float = 0.0
    calls: int = 0
    live_calls: int = 0
    replayed_calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0


class Window(Struct):
    """A part of a test, filled in when it is over.

    Attributes:
        duration_s: wall seconds. cpu_s: CPU seconds of this process and its children; 0 when metering is off.
        calls: AI calls that ended inside.
    """

    name: str
    duration_s: float = 0.0
    cpu_s: float = 0.0
    calls: list[AICall] = field(default_factory=list)


class Footprint:
    """What the fixture gives. The same object, doing nothing that costs, when metering is off."""

    def __init__(self, runner: TestRunner | None = None) -> None:
        """Take the runner of this process, None when metering is off."""
        self._runner = runner

    @property
    def on(self) -> bool:
        """Whether this run is metered."""
        return self._runner is not None

    @property
    def _run(self) -> TestRun | None:
        """The record of the running test, with what waited to be counted: who asks wants to know now."""
        run = self._runner.run if self._runner is not None else None
        if run is not None and self._runner is not None:
            self._runner.recorder.phase_over(run)
        return run

    @property
    def calls(self) -> list[AICall]:
        """The AI calls of this test so far; equal in-process calls are one row with a count. A copy."""
        run = self._run
        return list(run.calls) if run is not None else []

    def so_far(self) -> SoFar:
        """Counts of this test until now."""
        run = self._run
        if run is None or self._runner is None:
            return SoFar()
        live = [c for c in run.calls if c.realness == "live"]
        return SoFar(
            cpu_s=run.own_cpu_s() + self._runner.open_cpu_s(),
            calls=sum(c.count for c in run.calls),
            live_calls=sum(c.count for c in live),
            replayed_calls=sum(c.count for c in run.calls if c.realness == "replayed"),
            input_tokens=sum(c.input_tokens or 0 for c in live),
            output_tokens=sum(c.output_tokens or 0 for c in live),
        )

    def record_call(  # noqa: PLR0913 - the public contract
        self,
        *,
        model: str,
        input_tokens: int | None = None,
        output_tokens: int | None = None,
        provider: str | None = None,
        operation: str = "chat",
        locality: str = "remote",
        realness: str = "live",
    ) -> None:
        """Record a call that no seam can see, such as one through a client that is not supported yet.

        Raises:
            ValueError: for an argument that is not valid, whether metering is on or off.
        """
        for name, value, valid in (
            ("operation", operation, OPERATIONS),
            ("locality", locality, LOCALITIES),
            ("realness", realness, REALNESSES),
        ):
            if value not in valid:
                raise ValueError(f"record_call: {name}={value!r} is not valid; valid: {', '.join(valid)}")
        for name, count in (("input_tokens", input_tokens), ("output_tokens", output_tokens)):
            if count is not None and not is_count(count):
                raise ValueError(
                    f"record_call: {name}={written(count)} is not valid; valid: 0 to {MOST_TOKENS} or None"
                )
        if not _is_name(model):
            raise ValueError(f"record_call: model={model!r} is not valid; valid: the model's name")
        if provider is not None and not _is_name(provider):
            raise ValueError(f"record_call: provider={provider!r} is not valid; valid: the provider's name or None")
        if self._runner is None:
            return
        recorder = self._runner.recorder
        owner, inferred = recorder.owner()
        call = AICall(
            operation=operation,
            client="fixture",
            locality=locality,
            realness=realness,
            started_ns=REAL.monotonic_ns(),
            duration_ns=0,
            provider=provider,
            model=model,
            input_tokens=input_tokens,
            output_tokens=output_tokens,
        )
        recorder.record(call, owner, inferred=inferred)

    @contextmanager
    def window(self, name: str) -> Iterator[Window]:
        """Measure a part of a test: ``with aifootprint.window("retrieval") as w: ...``."""
        window = Window(name)
        run = self._run
        before = len(run.calls) if run is not None else 0
        started, cpu = REAL.monotonic_ns() / 1e9, self.so_far().cpu_s
        try:
            yield window
        finally:
            window.duration_s = REAL.monotonic_ns() / 1e9 - started
            window.cpu_s = self.so_far().cpu_s - cpu
            window.calls = list(run.calls[before:]) if run is not None else []


def footprint_of(request: pytest.FixtureRequest, metering: Metering | None) -> Footprint:
    """The fixture's value: bound to the runner of this process, if there is one."""
    del request
    part = getattr(getattr(metering, "role", None), "part", None)
    return Footprint(getattr(part, "runner", None))


def _is_name(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())
