"""What plugins may make of a call: a field that no call can have is put back, so that nothing after it breaks."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator

from pytest_aifootprint.detection.calls import LOAD, LOCALITIES, OPERATIONS, REALNESSES, AICall

CALL_HOOK = "pytest_aifootprint_call"
TEXTS = ("provider", "model", "response_model", "replayer", "host", "precision", "device", "revision", "file")
CHOICES = {"operation": (*OPERATIONS, LOAD), "locality": LOCALITIES, "realness": REALNESSES}


def amend(call: AICall, tell: Callable[[AICall], object]) -> Iterator[str]:
    """Let plugins amend a call; what they set to something that it cannot be is as before.

    Args:
        call: is changed.
        tell: hands it to the plugins; what it raises is the caller's to catch, with every field put back in order.

    Yields:
        What was put back, and what is valid: one line each.
    """
    before = copy.copy(call)
    try:
        tell(call)
    finally:
        wrong = [*_wrong(call)]
        for field, _ in wrong:
            setattr(call, field, getattr(before, field))
    yield from (line for _, line in wrong)


def _wrong(call: AICall) -> Iterator[tuple[str, str]]:
    for field in TEXTS:
        value: object = getattr(call, field)
        if value is not None and not isinstance(value, str):
            yield field, f"{field} must be a text or None, got {type(value).__name__}"
    for field, valid in CHOICES.items():
        chosen: object = getattr(call, field)
        if not isinstance(chosen, str) or chosen not in valid:
            yield field, f"{field} must be one of {', '.join(valid)}, got {chosen!r:.40}"
    count: object = call.count
    if not isinstance(count, int) or isinstance(count, bool) or count < 1:
        yield "count", f"count must be a whole number above 0, got {count!r:.40}"
    parameters: object = call.parameters
    if parameters is not None and (not isinstance(parameters, int) or isinstance(parameters, bool) or parameters < 0):
        yield "parameters", f"parameters must be a whole number of 0 or more, or None, got {parameters!r:.40}"
