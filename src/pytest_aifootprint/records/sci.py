"""The run as rates in the style of SCI (ISO/IEC 21031:2024), never without their boundary."""

from __future__ import annotations

from typing import Any

from pytest_aifootprint.quantities import total
from pytest_aifootprint.records.model import Carbon


def sci_style(carbon: Carbon, live: int, passed: int) -> dict[str, Any] | None:
    """Consumer (use + hardware) and provider (training) score per live call and per passed test (method: section 7)."""
    if not live:
        return None
    consumer = total(part for part in (carbon.use, carbon.hardware) if part is not None)
    provider = carbon.training
    return {
        "boundary": (
            "AI tests of this run; consumer: electricity of use with PUE, and embodied hardware, of this machine and "
            "of the providers; provider: amortised training; location-based average factors; "
            "without network and terminals"
        ),
        "consumer_g_per_live_call": consumer.scale(1 / live),
        "provider_g_per_live_call": provider.scale(1 / live) if provider is not None else None,
        "consumer_g_per_passed_test": consumer.scale(1 / passed) if passed else None,
        "provider_g_per_passed_test": provider.scale(1 / passed) if passed and provider is not None else None,
    }
