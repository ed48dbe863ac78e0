"""Prices calls: what a session asks. One ``Pricer`` per run; prices of equal calls are computed once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from pytest_aifootprint.catalogue import Catalogue, default_catalogue
from pytest_aifootprint.detection.believed import disbelieve
from pytest_aifootprint.detection.calls import AICall
from pytest_aifootprint.detection.servers import UNSEEN
from pytest_aifootprint.impacts import electricity, hardware, here, outcomes, water
from pytest_aifootprint.impacts.call_prices import CallPrices
from pytest_aifootprint.impacts.contract import CallImpact, Grid, Use
from pytest_aifootprint.impacts.declared import DeclaredModels, names_of
from pytest_aifootprint.impacts.grids import ewif
from pytest_aifootprint.impacts.lineage import unknown_parents
from pytest_aifootprint.impacts.marginal import LOCAL
from pytest_aifootprint.impacts.model_files import tell_revisions
from pytest_aifootprint.impacts.overrides import ModelOverride
from pytest_aifootprint.impacts.remote import generates, load_ecologits
from pytest_aifootprint.impacts.tokens import failed, implausible, tokens_told
from pytest_aifootprint.impacts.trained import from_hub
from pytest_aifootprint.meters.contract import LoadModel
from pytest_aifootprint.meters.hardware import Hardware
from pytest_aifootprint.quantities import ZERO_L, Grams, Joules, Litres, LitresPerKwh, Notice, Range, Sheet
from pytest_aifootprint.quantities.changed import replace

_CACHED_PRICES = 10_000

AskModel = Callable[[str, ModelOverride | None, Mapping[str, Any]], ModelOverride | None]


class Pricer:
    """The footprint of calls and of local joules; linear in both, so that no price depends on another call."""

    def __init__(  # noqa: PLR0913 - what a price depends on
        self,
        grid: Grid,
        models: Mapping[str, ModelOverride] | None = None,
        *,
        pue_local: Range | None = None,
        wue_local_l_per_kwh: LitresPerKwh | None = None,
        gpu_metered: bool = False,
        marginal: Mapping[str, Grid] | None = None,
        declared: Hardware | None = None,
        catalogue: Catalogue | None = None,
        provider_grids: Mapping[str, Grid] | None = None,
        ask_model: AskModel | None = None,
    ) -> None:
        """Prices with the grid of this machine and what the user says of models.

        Args:
            grid: of this machine, from ``resolve_grid``.
            models: overrides by model name.
            pue_local: of the data centre that this machine stands in, if one was declared.
            wue_local_l_per_kwh: likewise.
            gpu_metered: a GPU counter of this machine meters what its servers do, seen or not.
            marginal: the user's factors for what is not emitted, from ``read_marginal``; without one, the average.
            declared: what the user says of this machine's manufacture.
            catalogue: another than the one that ships.
            provider_grids: that stand in for those of providers, by their keys.
            ask_model: asked once for each name of a model, before a call of that name is priced, with the name, the
                table that declares it, and what is known of it; answers a table that goes before.
        """
        self._ask_model = ask_model
        self._asked: set[str] = set()
        self._catalogue = catalogue if catalogue is not None else default_catalogue()
        self.grid = grid
        self.local_hardware = hardware.LocalHardware(self._catalogue, declared)
        self._pue_local = pue_local
        self._wue_local = wue_local_l_per_kwh
        self.marginal = dict(marginal or {})
        self._call_prices = CallPrices(
            self._catalogue,
            models or {},
            self._local_use,
            self._server_sheet,
            gpu_metered=gpu_metered,
            grids=provider_grids,
            marginal=self.marginal,
        )
        self._prices: dict[tuple[object, ...], CallImpact] = {}
        self._models = models or {}
        self._declared = DeclaredModels(self._models)

    @property
    def catalogue(self) -> Catalogue:
        """The data that it prices with."""
        return self._catalogue

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
            if odd := implausible(call):
                price = replace(price, notices=(*price.notices, *odd))
            self._prices[key] = price
        return price

    def identify(self, calls: Iterable[AICall]) -> None:
        """Give calls whose file the user declared the name of its table; before anything else is asked about them."""
        if self._ask_model is not None:
            calls = list(calls)
        self._declared.identify(calls)
        if self._ask_model is not None and self._ask(calls, self._ask_model):
            self._declared.identify(calls)

    def _ask(self, calls: Iterable[AICall], ask: AskModel) -> bool:
        """Whether somebody said something of a model that was not met before."""
        said = False
        for call in calls:
            for name in names_of(call):
                if name in self._asked:
                    continue
                self._asked.add(name)
                model = self._call_prices.found(name, call.operation)
                found = {key: getattr(model, key) for key in ("id", "kind", "active_b", "total_b", "source")}
                override = ask(name, self._declared.named((name,)), found)
                if override is not None:
                    self._declared.add(override)
                    self._call_prices.declare(override)
                    said = True
        return said

    def declared_notices(self, impacts: Iterable[CallImpact]) -> tuple[Notice, ...]:
        """What a reader has to know of the user's tables, after all calls were identified and priced as ``impacts``."""
        notices = self._declared.notices(training_unknown=any(i.training.method == "unknown" for i in impacts))
        return (*notices, *unknown_parents(self._models, self._declared.met, self._catalogue))

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

    @property
    def world_water_l_per_kwh(self) -> LitresPerKwh:
        """Water at the power plants where no country's own figure is known."""
        return ewif(None, self._catalogue)

    def local_carbon_g(self, energy_j: Joules) -> Grams:
        """Grams CO2e of joules at the wall, PUE included: ``C = E x I`` at this machine's own grid."""
        return electricity.carbon_g(energy_j, self.grid)

    def local_avoidable_g(self, energy_j: Joules) -> Grams:
        """Grams CO2e that are not emitted if joules at the wall are not used.

        ``C = E x I`` at the user's marginal factor of this machine, else at its grid's average.
        """
        return electricity.carbon_g(energy_j, self.marginal.get(LOCAL, self.grid))

    @property
    def avoids_average(self) -> bool:
        """Whether ``local_avoidable_g`` is ``local_carbon_g``."""
        return LOCAL not in self.marginal

    def local_water(self, energy_j: Joules, it_energy_j: Joules | None = None) -> tuple[Litres, Litres]:
        """Litres at the site and at the power plants for joules at the wall.

        Args:
            energy_j: PUE included.
            it_energy_j: the machine's own part of them; None: there is no PUE in them.
        """
        wue = self._wue_local
        site = ZERO_L if wue is None else water.site_l(energy_j if it_energy_j is None else it_energy_j, wue)
        return site, water.source_l(energy_j, self._ewif)

    @property
    def _ewif(self) -> LitresPerKwh:
        return self.grid.water_l_per_kwh or self.world_water_l_per_kwh

    def _local_use(self, energy_j: Joules) -> Use:
        """Of what a server here is estimated to have used, without PUE."""
        at_wall_j = energy_j if self._pue_local is None else electricity.at_wall_j(energy_j, self._pue_local)
        water_l = self.local_water(at_wall_j, energy_j)
        return Use(self.local_carbon_g(at_wall_j), *water_l, self.local_avoidable_g(at_wall_j))

    def _server_sheet(self) -> Sheet:
        """How ``_local_use`` does it, from ``E_server``."""
        return here.use_sheet(
            "E_server", self.grid, self._ewif, self._pue_local, self._wue_local, self.marginal.get(LOCAL)
        )

    def machine_sheet(
        self, model: LoadModel, cards: Mapping[str, str], *, cpu_metered: bool, gaps: bool, idle_shared: bool
    ) -> Sheet:
        """What this machine's CPU seconds and joules come to, and seconds of its ``cards``, by domain.

        Raises KeyError for a machine without a row.
        """
        return here.machine_sheet(
            self.grid,
            self._ewif,
            model,
            self.local_hardware.machine(model.machine),
            {domain: self.local_hardware.card(name) for domain, name in cards.items()},
            pue=self._pue_local,
            wue=self._wue_local,
            marginal=self.marginal.get(LOCAL),
            cpu_metered=cpu_metered,
            gaps=gaps,
            idle_shared=idle_shared,
        )

    def hardware_g(self, cpu_s: float, machine: str, n_cpu: int) -> Grams:
        """Grams CO2e of this machine's manufacture that CPU seconds bear; ``machine`` as ``Host.kind``.

        Raises KeyError, naming the valid ones, for a machine without a row.
        """
        return hardware.cpu_share_g(self.local_hardware.machine(machine), cpu_s, n_cpu)

    def accelerator_g(self, busy_s: float, card: str) -> Grams:
        """Grams CO2e of a card's manufacture that its busy seconds bear; ``card`` as its driver names it."""
        return hardware.accelerator_share_g(self.local_hardware.card(card), busy_s)
