"""Prices a test before the run is over: for the status suffix and for limits on a test."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from msgspec import Struct

from pytest_aifootprint.meters.contract import Selection
from pytest_aifootprint.quantities import OfUnit, joules_over, total
from pytest_aifootprint.records.raw import TestRun

if TYPE_CHECKING:
    from pytest_aifootprint.impacts import Grid, ModelOverride, Pricer
    from pytest_aifootprint.records.amounts import Carbon, Energy, Tokens, Water
    from pytest_aifootprint.records.model import CallFootprint
    from pytest_aifootprint.session.extensions import Extensions


class Direct(Struct, frozen=True):
    """A test's own cost: its own set-up and call windows so far, and its own calls.

    Attributes:
        provisional: a counter stands here, so the joules are the load model's until the run is over; or idle power is
            shared, and who had the machine beside this test is known only then.
    """

    energy: Energy
    carbon: Carbon
    water: Water
    tokens: Tokens
    calls: tuple[CallFootprint, ...]
    provisional: bool


class Pricing:
    """Made once by the process that prints; loads what it needs when first asked."""

    def __init__(  # noqa: PLR0913 - what a price depends on
        self,
        grid: Grid | None,
        models: Mapping[str, ModelOverride],
        selection: Selection,
        environ: Mapping[str, str],
        *,
        idle_shared: bool = False,
        extensions: Extensions | None = None,
        marginal: Mapping[str, Grid] | None = None,
    ) -> None:
        """Take the declared grid, the user's own models, the meters, and the environment as it was at the start.

        ``extensions`` is what plugins replace or amend; ``marginal`` are the user's factors for what is avoidable.
        """
        self.extensions = extensions
        self._marginal = marginal
        self._idle_shared = idle_shared
        self._environ = environ
        self._grid = grid
        self._models = models
        self._selection = selection

    @cached_property
    def pricer(self) -> Pricer:
        """The impact model."""
        from pytest_aifootprint.impacts import Pricer, resolve_grid

        gpu_metered = any(meter.domain.startswith("gpu") for meter in self._selection.counters)
        extensions = self.extensions
        catalogue = extensions.catalogue if extensions is not None else None
        return Pricer(
            self._grid or resolve_grid(None, self._environ, catalogue),
            self._models,
            pue_local=self._selection.pue,
            wue_local_l_per_kwh=self._selection.wue_l_per_kwh,
            gpu_metered=gpu_metered,
            catalogue=catalogue,
            provider_grids=extensions.grids if extensions is not None else None,
            ask_model=extensions.model if extensions is not None and extensions.knows_models else None,
            marginal=self._marginal,
            declared=self._selection.declared,
        )

    @property
    def doubts(self) -> list[str]:
        """Why no verdict may be a pass: plugins failed to set figures."""
        return self.extensions.doubts if self.extensions is not None else []

    def direct(self, run: TestRun, n_processes: int = 1) -> Direct:
        """The direct cost of a test so far (method: section 2, "when it is known").

        Args:
            run: the test.
            n_processes: that run tests. Where idle power is shared, it is taken as divided among so many until the end
                of the run tells.
        """
        from pytest_aifootprint.impacts.electricity import without_pue_j
        from pytest_aifootprint.records.amounts import Carbon, Energy, Water
        from pytest_aifootprint.records.cost import energy_of_calls
        from pytest_aifootprint.records.model import CallFootprint, count_tokens
        from pytest_aifootprint.records.servers import server_cpu_s

        selection = self._selection
        model = selection.cpu_model
        self.pricer.identify(run.calls)
        servers_s = server_cpu_s(run.calls)
        cpu_s = max(run.own_cpu_s(), 0.0) + servers_s
        calls = tuple(CallFootprint(c, self.pricer.call(c)) for c in run.calls)
        cpu_j, used_s = joules_over(model.active_w, cpu_s), cpu_s
        if self._idle_shared:
            had_s = run.wall_s() / max(n_processes, 1)
            cpu_j += joules_over(model.idle_w_per_cpu, model.idle_cpus * had_s)
            if (memory_w := selection.memory_model.power_w) is not None:
                cpu_j += joules_over(memory_w, had_s)
            used_s = had_s * model.idle_cpus
        # The load model's joules: its PUE, if it has one, is inside.
        site, source = self.pricer.local_water(cpu_j, None if model.pue is None else without_pue_j(cpu_j, model.pue))
        impacts = [c.impact for c in calls]
        return Direct(
            energy=Energy({"cpu": cpu_j, **energy_of_calls(calls)}),
            carbon=Carbon(
                use=total([self.pricer.local_carbon_g(cpu_j), *_known(i.use_carbon_g for i in impacts)]),
                training=total(_known(i.training_carbon_g for i in impacts)),
                hardware=total(
                    [
                        self.pricer.hardware_g(used_s, model.machine, model.n_cpu),
                        *_known(i.hardware_carbon_g for i in impacts),
                    ]
                ),
            ),
            water=Water(
                total([site, *_known(i.water_site_l for i in impacts)]),
                total([source, *_known(i.water_source_l for i in impacts)]),
            ),
            tokens=count_tokens(calls),
            calls=calls,
            # Another worker's calls may have shared the server.
            provisional=bool(selection.counters) or self._idle_shared or (servers_s > 0 and n_processes > 1),
        )


def _known(values: Iterable[OfUnit | None]) -> list[OfUnit]:
    return [v for v in values if v is not None]
