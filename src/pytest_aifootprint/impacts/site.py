"""A remote provider's data centre: what its PUE, WUE, grid and standby make of a served call."""

from __future__ import annotations

from pytest_aifootprint.catalogue import Catalogue, Provider
from pytest_aifootprint.impacts import electricity, water
from pytest_aifootprint.impacts.amortisation import TrainingShare
from pytest_aifootprint.impacts.contract import CallImpact, Grid
from pytest_aifootprint.impacts.grids import ewif, provider_grid
from pytest_aifootprint.impacts.remote import Served
from pytest_aifootprint.quantities import ZERO_G, Basis, Grams, Joules, LitresPerKwh, Notice, Range, Sheet


class RemoteSite:
    """The zone, PUE, WUE and standby of one provider, as ranges; made once per run."""

    def __init__(
        self,
        provider: Provider,
        name: str,
        catalogue: Catalogue,
        grid: Grid | None = None,
        marginal: Grid | None = None,
    ) -> None:
        """``name`` stands in the factors: a provider without a row has the row ``unknown`` but its own name.

        ``grid`` stands in for that of the provider's zone; ``marginal`` is the factor that the user gave for what is
        not emitted, instead of the grid's average.
        """
        self.provider = provider
        self.name = name
        self.grid = grid if grid is not None else provider_grid(provider, name, catalogue)
        self.pue = Range.of(*provider.pue, f"pue:{name}")
        self.wue = LitresPerKwh(Range.of(*provider.wue_l_per_kwh, f"wue:{name}"))
        self.ewif = self.grid.water_l_per_kwh or ewif(None, catalogue)
        intensity = self.grid.carbon_g_per_kwh.central
        self._equation = f"E = {self.pue.central:g} PUE x E_it; C = E x {intensity:.4g} g/kWh ({self.grid.zone})"
        self.marginal = marginal
        if marginal is not None:
            self._equation += (
                f"; avoidable and avoided at {marginal.carbon_g_per_kwh.central:.4g} g/kWh (marginal:{name})"
            )
        low, central, high = catalogue.value("standby")
        # What would be drawn anyway is not avoidable: a high standby is a low avoidable share.
        self.avoidable_share = Range.of(1 - high, 1 - central, 1 - low, f"standby:{name}")

    @property
    def notice(self) -> Notice | None:
        """That nothing is known of this provider; None for one with a row."""
        if self.provider.grid_times_over is None:
            return None
        times = f"x/÷ {self.provider.grid_times_over:g}"
        message = f"no data knows where the provider {self.name!r} runs: the world's average grid {times} stands in"
        return Notice("unknown-provider", message)

    def energy_j(self, served: Served) -> Joules:
        """Joules at the meter of the data centre: ``E = E_it x PUE``."""
        return electricity.at_wall_j(served.it_energy_j, self.pue)

    def saved_g(self, energy_j: Joules) -> Grams:
        """Grams CO2e that are not emitted if joules at the meter of the data centre are not used.

        ``C = E x I`` with the user's marginal factor, else with the grid's average.
        """
        return electricity.carbon_g(energy_j, self.grid if self.marginal is None else self.marginal)

    def avoidable_g(self, energy_j: Joules) -> Grams:
        """Grams CO2e that are not emitted if a call is not made: ``C_saved x (1 - standby)``."""
        return Grams(self.saved_g(energy_j) * self.avoidable_share)

    def price(  # noqa: PLR0913 - a footprint is made from all of these
        self,
        served: Served,
        energy: Joules,
        share: TrainingShare,
        *,
        basis: Basis,
        source: str,
        notices: tuple[Notice, ...],
        sheet: Sheet | None = None,
    ) -> CallImpact:
        """The footprint of one live call that used ``energy``: carbon, water, hardware, avoidable part, training."""
        use = electricity.carbon_g(energy, self.grid)
        return CallImpact(
            energy_j=energy,
            use_carbon_g=use,
            hardware_carbon_g=served.hardware_g,
            training_carbon_g=share.carbon_g,
            training_energy_j=share.energy_j,
            water_site_l=water.site_l(served.it_energy_j, self.wue),
            water_source_l=water.source_l(energy, self.ewif),
            avoidable_carbon_g=self.avoidable_g(energy),
            avoided_carbon_g=ZERO_G,
            training=share.training,
            basis=basis,
            source=source,
            equation=f"{served.equation}; {self._equation}",
            notices=notices,
            sheet=sheet,
        )
