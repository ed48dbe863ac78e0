"""How many tokens a call read and wrote, and what stands in where it did not tell."""

from __future__ import annotations

from pytest_aifootprint.catalogue import Triple
from pytest_aifootprint.detection.believed import MOST_MEDIA_S, MOST_PIECES, MOST_TOKENS
from pytest_aifootprint.detection.calls import AICall
from pytest_aifootprint.impacts.models import Model
from pytest_aifootprint.impacts.remote import Tokens, generates
from pytest_aifootprint.quantities import Notice

ERROR_STATUS = 400


def failed(call: AICall) -> bool:
    """Whether the call came back with an error and without usage: nothing was generated that anybody told of."""
    bad = call.status == "error" or (isinstance(call.status, int) and call.status >= ERROR_STATUS)
    return bad and not (call.input_tokens or call.output_tokens)


def tokens_told(call: AICall) -> bool:
    """Whether the call tells any of its tokens."""
    return call.input_tokens is not None or call.output_tokens is not None


def tokens_of(call: AICall, model: Model) -> tuple[Tokens, Notice | None]:
    """The call's tokens, with the class range of its operation where they are not known: never 0 for "don't know".

    An in-process inference that tells one side has no other one: an encoder writes nothing.
    """
    one_sided = call.operation == "inference" and call.locality == "local" and tokens_told(call)
    missing = []
    read = _exact(call.input_tokens)
    if read is None:
        read = (0.0, 0.0, 0.0) if one_sided else model.model_class.input_tokens
        missing += [] if one_sided else ["input"]
    written = _exact(call.output_tokens)
    if written is None:
        needed = generates(call.operation) and not one_sided
        written = model.model_class.output_tokens if needed else None
        missing += ["output"] if needed else []
    none = (0.0, 0.0, 0.0)
    tokens = Tokens(read or none, float(call.cached_input_tokens or 0), written or none)
    if not missing or model.active_b is None:
        return tokens, None
    message = (
        f"{call.operation} calls to {model.id} did not tell their {' and '.join(missing)} tokens: "
        f"a class range stands in ({model.model_class.origin.source})"
    )
    return tokens, Notice("unknown-tokens", message)


def implausible(call: AICall) -> tuple[Notice, ...]:
    """What a reader has to know of counts that were told and cannot be (``detection.believed``)."""
    if not call.disbelieved:
        return ()
    message = (
        f"{call.operation} call to {call.model or 'an unknown model'} at {call.host or call.client}: "
        f"{', '.join(call.disbelieved)} cannot be (the most that is believed: {MOST_TOKENS} tokens, {MOST_PIECES} "
        f"images or clips, {MOST_MEDIA_S:.0f} s a clip): taken as unknown"
    )
    return (Notice("implausible-tokens", message),)


def _exact(count: int | None) -> Triple | None:
    return None if count is None else (float(count), float(count), float(count))
