"""The balance of a domain: where its metered joules went, and whether they are all there (method: section 2)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Literal

from msgspec import Struct

from pytest_aifootprint.attribution.idle import IdlePower
from pytest_aifootprint.attribution.shares import DomainShares
from pytest_aifootprint.quantities import Basis, Notice

Kind = Literal["ai", "fixture", "other"]

TOLERANCE = 1e-9
CLAMPED_SHARE = 0.01


class Balance(Struct, frozen=True):
    """The terms of one domain in joules, central values; each was computed on its own, none is the rest.

    Attributes:
        idle_power: the watts that ``idle_j`` goes by, and how they were found.
        shared_by_j: of a card, joules above rest by the rule that divided them among its users (``DomainShares``); None
            for other domains.
    """

    domain: str
    meter: str
    basis: Basis
    metered_j: float
    ai_tests_j: float
    shared_fixtures_j: float
    other_tests_j: float
    other_processes_j: float
    idle_j: float
    plugin_j: float
    clamped_j: float
    idle_power: IdlePower | None = None
    shared_by_j: Mapping[str, float] | None = None

    @property
    def terms_j(self) -> tuple[float, ...]:
        """The six terms that make up ``metered_j``."""
        return (
            self.ai_tests_j, self.shared_fixtures_j, self.other_tests_j,
            self.other_processes_j, self.idle_j, self.plugin_j,
        )  # fmt: skip


def balance(shares: DomainShares, classify: Callable[[str, int], Kind]) -> Balance:
    """Add a domain's shares up by kind.

    Args:
        shares: of one domain.
        classify: the kind of a (worker, owner): a test with AI calls, a shared fixture, or a test without.

    Returns:
        The balance, in joules.

    Raises:
        ValueError: for a kind that there is not.
    """
    joules: dict[Kind, list[float]] = {"ai": [], "fixture": [], "other": []}
    everybody = [*shares.owners.items(), *shares.reserved.items()]
    for (worker, owner), energy_j in everybody:
        kind = classify(worker, owner)
        if kind not in joules:
            raise ValueError(f"owner {owner} of {worker} is {kind!r}; valid: {', '.join(joules)}")
        joules[kind].append(energy_j)
    return Balance(
        domain=shares.domain,
        meter=shares.meter,
        basis=shares.basis,
        metered_j=shares.metered_j,
        ai_tests_j=math.fsum(joules["ai"]),
        shared_fixtures_j=math.fsum(joules["fixture"]),
        other_tests_j=math.fsum(joules["other"]),
        other_processes_j=shares.other_processes_j,
        idle_j=shares.idle_j,
        plugin_j=shares.plugin_j,
        clamped_j=shares.clamped_j,
        idle_power=shares.idle_power,
        shared_by_j=None if shares.busy is None else shares.shared_by_j,
    )


def check(result: Balance) -> float:
    """How far the terms are from what was metered.

    Returns:
        |metered - sum of terms| as a share of metered; ``TOLERANCE`` is allowed. Infinite if a term is negative or not
        a number, or if nothing was metered and yet something was billed.
    """
    terms = result.terms_j
    if any(not (math.isfinite(term) and term >= 0) for term in (*terms, result.metered_j)):
        return math.inf
    off = abs(result.metered_j - math.fsum(terms))
    if not off:
        return 0.0
    return off / result.metered_j if result.metered_j else math.inf


def notices(result: Balance) -> tuple[Notice, ...]:
    """What a reader has to know: terms that do not add up, and more than 1 % clamped."""
    found: list[Notice] = []
    off = check(result)
    if off > TOLERANCE:
        found.append(
            Notice("unbalanced", f"{result.domain}: the terms differ from what was metered by {off:.2g} of it")
        )
    if result.clamped_j > CLAMPED_SHARE * result.metered_j:
        share = f"{result.clamped_j / result.metered_j:.1%} of it" if result.metered_j else f"{result.clamped_j:.2g} J"
        found.append(Notice("clamped", f"{result.domain}: terms below zero were set to 0, {share}"))
    return tuple(found)
