"""The run as rates in the style of SCI (ISO/IEC 21031:2024) and SCI for AI, never without their boundary.

Source: the text of both as the Green Software Foundation publishes it, SCI 1.1.0 (commit 29cab98) and SCI for AI
(4b7c0f7). What they demand item by item, and ours beside it: docs/explanation/sci.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pytest_aifootprint.detection.believed import BY_PIECE
from pytest_aifootprint.quantities import Grams, total
from pytest_aifootprint.records.amounts import Carbon
from pytest_aifootprint.records.model import CallFootprint, count_tokens, live_calls

NAME = "in the style of SCI (ISO/IEC 21031:2024) and SCI for AI, with departures: no score that conforms to them"
BOUNDARY = (
    "AI tests of this run, with their part of shared fixtures; consumer: electricity of use with PUE, and embodied "
    "hardware, of this machine and of the providers; provider: amortised training; location-based average factors; "
    "without network, storage, terminals, and services around the run"
)
_NO_IDLE = (
    "E is what the tests caused above idle; the standard wants all energy of reserved hardware "
    "(aifootprint_idle = share comes nearer)"
)
_IDLE = "E has this machine's idle power only for the time that tests had it, not for the whole run"
_BY_USE = "M goes by CPU and GPU seconds over life x utilisation, not by the time and resources reserved"
_BY_TIME = "M goes by the time that tests had the machine over life x utilisation: the standard has no utilisation"
_ALWAYS = (
    "E of a power counter is at the component: without its power supply, and with PUE only if one was declared",
    "E and M of providers are estimated from tokens by a model of their servers, without what surrounds them",
    "provider: training only, shared out per use or over declared uses, not per FLOP, training token or parameter",
    "training that this run did itself stands in consumer, where it was emitted",
    "C has failed tests, retries and the tests' own work around replayed calls; R counts live calls and passed tests",
)


def sci_style(
    carbon: Carbon, calls: Sequence[CallFootprint], *, passed: int, factors_version: str, idle_shared: bool
) -> dict[str, Any] | None:
    """Consumer (use + hardware) and provider (training) grams CO2e per functional unit (method: section 7).

    Args:
        carbon: of all AI tests.
        calls: theirs and their shared fixtures'.
        passed: AI tests that passed.
        factors_version: of the data that priced the run.
        idle_shared: idle power and manufacture go by the time that tests had the machine.

    Returns:
        The rates with what the standard wants disclosed: ``C / R``, R a number of live calls, passed tests or tokens.
        None for a rate without its unit, or of a part that is unknown; None as a whole without live calls.
    """
    live = live_calls(calls)
    if not live:
        return None
    tokens = _tokens(calls)
    units = {"live_call": live, "passed_test": passed or None, "token": tokens}
    personas = {
        "consumer": total(part for part in (carbon.use, carbon.hardware) if part is not None),
        "provider": carbon.training,
    }
    return {
        "name": NAME,
        "boundary": BOUNDARY,
        "functional_units": units,
        "conversion_factors": {
            "live_calls_per_passed_test": live / passed if passed else None,
            "tokens_per_live_call": tokens / live if tokens else None,
        },
        "methodology": (
            "C per R, C = E x I + M in grams CO2e over all components of the run, divided once by R: no component is "
            f"converted; a 90 % range for each; factors {factors_version}; totals.basis_share says how much is measured"
        ),
        "departures": [_IDLE if idle_shared else _NO_IDLE, _BY_TIME if idle_shared else _BY_USE, *_ALWAYS],
        **{
            f"{persona}_g_per_{unit}": _rate(grams, number)
            for unit, number in units.items()
            for persona, grams in personas.items()
        },
    }


def _rate(grams: Grams | None, number: int | None) -> Grams | None:
    return None if grams is None or not number else grams.scale(1 / number)


def _tokens(calls: Sequence[CallFootprint]) -> int | None:
    """Tokens, input and output, of the live calls, if all of them told theirs: else C has what R has not.

    An image or a minute of sound is no text: its carbon would stand over the tokens of others, or over its prompt's.
    """
    live = [c for c in calls if c.call.realness == "live"]
    if any(c.call.operation in BY_PIECE | {"inference", "training"} for c in live):
        return None
    tokens = count_tokens(live)
    return None if tokens.unknown_calls else tokens.all or None
