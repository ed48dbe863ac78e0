"""What is said where a card has a meter that could not be read: its energy of that time is unknown, and not zero."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence

from pytest_aifootprint.attribution.balance import Kind
from pytest_aifootprint.attribution.shares import DomainShares
from pytest_aifootprint.meters.contract import RejectedMeter
from pytest_aifootprint.quantities import Notice

CODE = "gpu-unread"
LEAST_S = 0.05
"""Of a run; a gap that begins at the end of a window is shorter than the time between two looks."""


def unread_notices(shares: Sequence[DomainShares], classify: Callable[[str, int], Kind]) -> Iterator[Notice]:
    """For each card that could not be read while AI tests or shared fixtures ran: limits cannot be kept then."""
    for share in shares:
        seconds = math.fsum(s for owner, s in share.unread_s.items() if classify(*owner) != "other")
        if seconds >= LEAST_S:
            message = (
                f"{share.domain} could not be read for {seconds:.2g} s in which AI tests or shared fixtures ran: "
                "what they took of it then is unknown, and in no sum"
            )
            yield Notice("gpu-unread", message)


def rejected_notices(rejected: Iterable[RejectedMeter]) -> Iterator[Notice]:
    """For each NVIDIA card, or driver, that may be there and has no meter."""
    for meter in rejected:
        if meter.name.partition(" ")[0] == "nvml" and not meter.absent:
            name = meter.name.partition(" ")[2] or "NVIDIA cards"
            yield Notice("gpu-not-metered", f"{name}: not metered, and in no sum: {meter.reason}; {meter.remedy}")


def unread_in_test(domains: Iterable[str]) -> Iterator[Notice]:
    """For each card that could not be read in a test's own windows: all in the same words, to be counted as one."""
    for domain in domains:
        yield Notice(
            "gpu-unread", f"{domain} could not be read while this test ran: what it took of it then is not known"
        )
