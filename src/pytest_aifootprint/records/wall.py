"""What this machine's joules come to at the wall of the data centre that it stands in (method: section 2).

A counter meters at the component, and so does a model of memory. The load model's watts have the PUE inside already,
the declared one or that of a cloud: it is never applied twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pytest_aifootprint.attribution.shares import DomainShares, OwnerKey
from pytest_aifootprint.impacts.electricity import at_wall_j, without_pue_j
from pytest_aifootprint.meters.contract import Selection
from pytest_aifootprint.quantities import Joules, Range


@dataclass(frozen=True, slots=True)
class Wall:
    """The way from a domain's joules to those at the wall, and back to those of the machine itself.

    Attributes:
        pue: as declared; None: nothing was, and what is metered at the component stays there.
        inside: the PUE that the load model's watts contain, if any. counted: domains that have a counter.
    """

    pue: Range | None
    inside: Range | None
    counted: frozenset[str]

    @classmethod
    def of(cls, selection: Selection) -> Wall:
        """As this machine's meters and declarations have it."""
        return cls(selection.pue, selection.cpu_model.pue, frozenset(m.domain for m in selection.counters))

    def at_wall_j(self, share: DomainShares, owners: Sequence[OwnerKey], energy_j: Joules) -> Joules:
        """``E x PUE`` of joules that these owners had in a domain."""
        if self.pue is None:
            return energy_j
        modelled = self._modelled(share, owners)
        if not modelled:
            return at_wall_j(energy_j, self.pue)
        if modelled == 1:
            return energy_j
        return energy_j.scale(modelled) + at_wall_j(energy_j.scale(1 - modelled), self.pue)

    def of_machine_j(self, share: DomainShares, owners: Sequence[OwnerKey], energy_j: Joules) -> Joules:
        """``E_it``: the same joules without the PUE."""
        modelled = 0.0 if self.inside is None else self._modelled(share, owners)
        if self.inside is None or not modelled:
            return energy_j
        if modelled < 1:
            return energy_j.scale(1 - modelled) + without_pue_j(energy_j.scale(modelled), self.inside)
        return without_pue_j(energy_j, self.inside)

    def told(self, domain: str) -> str:
        """For the line that says how a domain is metered: that a PUE comes on top."""
        if self.pue is None or (domain == "cpu" and domain not in self.counted):
            return ""
        return f"; carbon and water x PUE {self.pue.central:g}, declared"

    def _modelled(self, share: DomainShares, owners: Sequence[OwnerKey]) -> float:
        """The part of the owners' joules that the load model priced: all, or the gaps of a counter."""
        if share.domain != "cpu":
            return 0.0
        return share.modelled_part(owners) if share.domain in self.counted else 1.0
