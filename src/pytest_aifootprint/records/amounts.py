"""Amounts of carbon, water, energy and tokens with their parts, as frozen data; None means unknown, never zero."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct, field

from pytest_aifootprint.quantities import ZERO_G, ZERO_L, Grams, Joules, Litres, total


class Carbon(Struct, frozen=True):
    """Grams CO2e by part; ``total`` is the sum of what is known (``unknown`` names the rest).

    Attributes:
        reported_total: as a saved report has it, which may tell no parts; None of a run's own.
    """

    use: Grams | None = ZERO_G
    training: Grams | None = ZERO_G
    hardware: Grams | None = ZERO_G
    reported_total: Grams | None = None

    @property
    def total(self) -> Grams:
        """The headline: use + training + hardware, as far as known."""
        if self.reported_total is not None:
            return self.reported_total
        return total(part for _, part in self.parts if part is not None)

    @property
    def known_total(self) -> Grams | None:
        """The headline; None if no part of it is known."""
        return None if self.use is None and self.training is None and self.hardware is None else self.total

    @property
    def parts(self) -> tuple[tuple[str, Grams | None], ...]:
        """Each part with its name."""
        return ("use", self.use), ("training", self.training), ("hardware", self.hardware)

    @property
    def unknown(self) -> tuple[str, ...]:
        """Names of the parts that are not known."""
        return tuple(name for name, part in self.parts if part is None)


class Water(Struct, frozen=True):
    """Litres at the data centre and at the power plants.

    Attributes:
        reported_total: as a saved report has it; of a saved test it is all that there is, and the parts say nothing.
    """

    site: Litres = ZERO_L
    source: Litres = ZERO_L
    reported_total: Litres | None = None

    @property
    def total(self) -> Litres:
        """Site + source."""
        if self.reported_total is not None:
            return self.reported_total
        return self.site + self.source


class Energy(Struct, frozen=True):
    """Joules by domain: ``cpu``, ``ram``, ``gpu`` (all cards), ``remote``; ``local_server`` where that is estimated.

    Attributes:
        reported_total: as a saved report has it, which may tell no domains; None of a run's own.
        unread: local domains that have a meter, which said nothing all the while: unknown, and not in the sum.
    """

    by_domain: Mapping[str, Joules] = field(default_factory=dict)
    reported_total: Joules | None = None
    unread: tuple[str, ...] = ()

    @property
    def total(self) -> Joules:
        """Over all domains, as far as known."""
        if self.reported_total is not None:
            return self.reported_total
        return total(self.by_domain.values())


class Tokens(Struct, frozen=True):
    """Token counts; ``unknown_calls`` says how many calls did not tell theirs."""

    input: int = 0
    output: int = 0
    cached_input: int = 0
    reasoning: int = 0
    unknown_calls: int = 0

    @property
    def all(self) -> int:
        """Input + output (cached and reasoning are subsets)."""
        return self.input + self.output
