"""Prices calls: what a session asks. One ``Pricer`` per run; prices of equal calls are computed once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from pytest_aifootprint.catalogue import Catalogue, default_catalogue
from pytest_aifootprint.detection.believed import disbelieve
from pytest_aifootprint.detection.calls import AICall
from pytest_aifootprint.detection.servers import UNSEEN
from pytest_aifootprint.impacts import electricity, hardware, outcomes, water
from pytest_aifootprint.impacts.call_prices import CallPrices
from pytest_aifootprint.impacts.contract import CallImpact, Grid, Use
from pytest_aifootprint.impacts.declared import DeclaredModels
from pytest_aifootprint.impacts.grids import ewif
from pytest_aifootprint.impacts.model_files import tell_revisions
from pytest_aifootprint.impacts.overrides import ModelOverride
from pytest_aifootprint.impacts.remote import generates, load_ecologits
from pytest_aifootprint.impacts.tokens import failed, implausible, tokens_told
from pytest_aifootprint.impacts.trained import from_hub
from pytest_aifootprint.quantities import EXACT_ZERO, Notice, Range

_CACHED_PRICES = 10_000


class Pricer:
    """The footprint of calls and of local joules; linear in both, so that no price depends on another call."""

    def __init__(  # noqa: PLR0913 - what a price depends on
        self,
        grid: Grid,
        models: Mapping[str, ModelOverride] | None = None,
        *,
        pue_local: Range | None = None,
        wue_local_l_per_kwh: Range | None = None,
        gpu_metered: bool = False,
        catalogue: Catalogue | None = None,
    ) -> None:
        """Prices with the grid of this machine and what the user says of models.

        Args:
            grid: of this machine, from ``resolve_grid``.
            models: overrides by model name.
            pue_local: of the data centre that this machine stands in, if one was declared.
            wue_local_l_per_kwh: likewise.
            gpu_metered: a GPU counter of this machine meters what its servers do, seen or not.
            catalogue: another than the one that ships.
        """
        self._catalogue = catalogue if catalogue is not None else default_catalogue()
        self.grid = grid
        self._pue_local = pue_local
        self._wue_local = wue_local_l_per_kwh
        self._call_prices = CallPrices(self._catalogue, models or {}, self._local_use, gpu_metered=gpu_metered)
        self._prices: dict[tuple[object, ...], CallImpact] = {}
        self._declared = DeclaredModels(models or {})

    @property
    def factors_version(self) -> str:
        """Version of everything that the numbers depend on."""
        return self._catalogue.factors_version

    def call(self, call: AICall) -> CallImpact:
        """The footprint of one row of calls (``count`` calls like this one).

        Counts that cannot be (``detection.believed``) are taken off the call, with a notice.
        """
        disbelieve(call)
        told = (call.disbelieved, call.host or call.client) if call.disbelieved else ()
        key = (
            told, call.media_s,
            call.operation, call.locality, call.realness, call.provider, call.model, call.response_model,
            call.input_tokens, call.output_tokens, call.cached_input_tokens, call.parameters, call.samples,
            call.status if failed(call) else None, call.count, self._call_prices.is_estimated_here(call),
            UNSEEN in call.notices, from_hub(call), call.file is None,
        )  # fmt: skip
        price = self._prices.get(key)
        if price is None:
            if len(self._prices) >= _CACHED_PRICES:
                self._prices.clear()
            price = outcomes.times(self._call_prices.of(call), call.count)
            price = self._prices[key] = replace(price, notices=(*price.notices, *implausible(call)))
        return price

    def identify(self, calls: Iterable[AICall]) -> None:
        """Give calls whose file the user declared the name of its table; before anything else is asked about them."""
        self._declared.identify(calls)

    def declared_notices(self, impacts: Iterable[CallImpact]) -> tuple[Notice, ...]:
        """What a reader has to know of the user's tables, after all calls were identified and priced as ``impacts``."""
        return self._declared.notices(training_unknown=any(i.training.method == "unknown" for i in impacts))

    def tell_revisions(self, calls: Iterable[AICall]) -> None:
        """Tell models in small files apart by their content. For the end of the run: it reads the files."""
        tell_revisions(calls, self._declared.digests)

    def note_training(self, calls: Iterable[AICall]) -> None:
        """Remember models that this run trained: their inferences carry that training as information, not as cost."""
        if self._call_prices.trained.note(calls):
            self._prices.clear()

    def needs_ecologits(self, call: AICall) -> bool:
        """Whether pricing this call imports ecologits (0.1 s): a generation that ran, or would have."""
        if call.realness == "mocked" or failed(call) or not generates(call.operation) or call.output_tokens == 0:
            return False
        if call.locality == "remote":
            return True
        return call.realness == "live" and (call.operation != "inference" or tokens_told(call))

    def load_ecologits(self) -> None:
        """Import ecologits now, so that no test's window contains it."""
        load_ecologits()

    def remote_grids(self) -> dict[str, Grid]:
        """Grids of the remote providers that were priced, by provider."""
        return dict(self._call_prices.used)

    def grids(self) -> Iterator[Grid]:
        """Every average that something was priced with: this machine's, providers', of places of training."""
        yield self.grid
        yield from self._call_prices.used.values()
        yield from self._call_prices.training_grids()

    def local_carbon_g(self, energy_j: Range) -> Range:
        """Grams CO2e of joules at the wall, PUE included: ``C = E x I`` at this machine's own grid."""
        return electricity.carbon_g(energy_j, self.grid)

    def local_water(self, energy_j: Range, it_energy_j: Range | None = None) -> tuple[Range, Range]:
        """Litres at the site and at the power plants for joules at the wall.

        Args:
            energy_j: PUE included.
            it_energy_j: the machine's own part of them; None: there is no PUE in them.
        """
        intensity = self.grid.water_l_per_kwh or ewif(None, self._catalogue)
        wue = self._wue_local
        site = EXACT_ZERO if wue is None else water.site_l(energy_j if it_energy_j is None else it_energy_j, wue)
        return site, water.source_l(energy_j, intensity)

    def _local_use(self, energy_j: Range) -> Use:
        """Of what a server here is estimated to have used, without PUE."""
        at_wall_j = energy_j if self._pue_local is None else energy_j * self._pue_local
        return Use(self.local_carbon_g(at_wall_j), *self.local_water(at_wall_j, energy_j))

    def hardware_g(self, cpu_s: float, machine: str, n_cpu: int) -> Range:
        """Grams CO2e of this machine's manufacture that CPU seconds bear; ``machine`` as ``Host.kind``.

        Raises KeyError, naming the valid ones, for a machine without a row.
        """
        return hardware.cpu_share_g(hardware.machine_row(self._catalogue.machines, machine), cpu_s, n_cpu)

    def accelerator_g(self, busy_s: float, machine: str = "h100") -> Range:
        """Grams CO2e of an accelerator's manufacture that its busy seconds bear. Raises KeyError as above."""
        return hardware.accelerator_share_g(hardware.machine_row(self._catalogue.machines, machine), busy_s)
