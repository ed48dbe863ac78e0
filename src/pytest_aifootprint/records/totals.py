"""Sums over the run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from pytest_aifootprint.attribution.shares import DomainShares
from pytest_aifootprint.quantities import Basis, basis_of_sum
from pytest_aifootprint.records.cost import Cost
from pytest_aifootprint.records.model import CallFootprint, Totals, count_tokens


def totals_of(  # noqa: PLR0913 - a total is over all of these
    cost: Cost,
    calls: Sequence[CallFootprint],
    shares: Sequence[DomainShares],
    *,
    n_ai: int,
    n_tests: int,
    sci_style: Mapping[str, Any] | None,
) -> Totals:
    """The totals over all AI tests."""
    by_realness = Counter[str]()
    for priced in calls:
        by_realness[priced.call.realness] += priced.call.count
    return Totals(
        ai_tests=n_ai,
        tests=n_tests,
        calls_live=by_realness["live"],
        calls_replayed=by_realness["replayed"],
        calls_mocked=by_realness["mocked"],
        tokens=count_tokens(list(calls)),
        energy=cost.energy,
        carbon=cost.carbon,
        water=cost.water,
        avoidable_carbon_g=cost.avoidable_carbon_g,
        avoided_carbon_g=cost.avoided_carbon_g,
        sci_style=sci_style,
        basis_share=_basis_share(cost, calls, shares),
        unpriced_calls=sum(c.call.count for c in calls if not c.impact.priced),
    )


def _basis_share(cost: Cost, calls: Sequence[CallFootprint], shares: Sequence[DomainShares]) -> dict[str, float]:
    """How much of the energy has which basis."""
    joules: Counter[Basis] = Counter()
    metered: dict[str, list[tuple[float, Basis]]] = {}
    for share in shares:
        # Several cards are one domain of a cost.
        name = "gpu" if share.domain.startswith("gpu") else share.domain
        metered.setdefault(name, []).append((share.metered_j, share.basis))
    for name, parts in metered.items():
        value = cost.energy.by_domain.get(name)
        if value is not None:
            joules[basis_of_sum(parts) or parts[0][1]] += value.central  # type: ignore[assignment]
    for priced in calls:
        if priced.impact.energy_j is not None:
            joules[priced.impact.basis] += priced.impact.energy_j.central  # type: ignore[assignment]
    whole = sum(joules.values())
    return {basis.value: joules[basis] / whole if whole else 0.0 for basis in Basis}
