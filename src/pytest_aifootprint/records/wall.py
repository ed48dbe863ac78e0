"""What this machine's joules come to at the wall of the data centre that it stands in (method: section 2).

A counter meters at the component, and so does a model of memory. The load model's watts have the PUE inside already,
the declared one or that of a cloud: it is never applied twice.
"""

from __future__ import annotations

from msgspec import Struct

from pytest_aifootprint.attribution.shares import Parts
from pytest_aifootprint.impacts.electricity import at_wall_j, without_pue_j
from pytest_aifootprint.meters.contract import Selection
from pytest_aifootprint.quantities import Joules, Range, total


class Wall(Struct, frozen=True):
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

    def at_wall_j(self, domain: str, parts: Parts) -> Joules:
        """``E x PUE`` of joules that owners had in a domain: of what a counter said."""
        if self.pue is None:
            return parts.whole
        if domain != "cpu":
            return at_wall_j(parts.whole, self.pue)
        return total((at_wall_j(parts.counted, self.pue), parts.modelled))

    def of_machine_j(self, domain: str, parts: Parts) -> Joules:
        """``E_it``: the same joules without the PUE that the load model's watts contain."""
        if self.inside is None or domain != "cpu" or not (modelled := parts.modelled).central:
            return parts.whole
        return parts.counted + without_pue_j(modelled, self.inside)

    def told(self, domain: str) -> str:
        """For the line that says how a domain is metered: that a PUE comes on top."""
        if self.pue is None or (domain == "cpu" and domain not in self.counted):
            return ""
        return f"; carbon and water x PUE {self.pue.central:g}, declared"
