"""Prices calls: what a session asks. One ``Pricer`` per run; prices of equal calls are computed once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pytest_aifootprint.catalogue import Catalogue, default_catalogue
from pytest_aifootprint.detection.calls import AICall
from pytest_aifootprint.impacts import electricity, hardware, outcomes, water
from pytest_aifootprint.impacts.amortisation import MEASURED, Amortisation
from pytest_aifootprint.impacts.contract import CallImpact, Grid
from pytest_aifootprint.impacts.grids import ewif
from pytest_aifootprint.impacts.models import Model, ModelIndex
from pytest_aifootprint.impacts.overrides import ModelOverride
from pytest_aifootprint.impacts.remote import Served, ServedModel, generates, load_ecologits
from pytest_aifootprint.impacts.site import RemoteSite
from pytest_aifootprint.impacts.tokens import failed, tokens_of, tokens_told
from pytest_aifootprint.quantities import EXACT_ZERO, Basis, Notice, Range

_CACHED_PRICES = 10_000


class Pricer:
    """The footprint of calls and of local joules; linear in both, so that no price depends on another call."""

    def __init__(
        self,
        grid: Grid,
        models: Mapping[str, ModelOverride] | None = None,
        *,
        pue_local: float = 1.0,
        wue_local_l_per_kwh: float = 0.0,
        catalogue: Catalogue | None = None,
    ) -> None:
        """Prices with the grid of this machine and what the user says of models.

        Args:
            grid: of this machine, from ``resolve_grid``.
            models: overrides by model name.
            pue_local: of the data centre that this machine stands in, if it does.
            wue_local_l_per_kwh: likewise.
            catalogue: another than the one that ships.
        """
        self._catalogue = catalogue if catalogue is not None else default_catalogue()
        self.grid = grid
        self._pue_local = pue_local
        self._wue_local = wue_local_l_per_kwh
        self._index = ModelIndex(self._catalogue, models or {})
        self._amortisation = Amortisation(self._catalogue)
        self._sites: dict[str, RemoteSite] = {}
        self._served: dict[tuple[object, ...], ServedModel] = {}
        self._prices: dict[tuple[object, ...], CallImpact] = {}
        self._used: dict[str, Grid] = {}
        self._trained: set[str] = set()

    @property
    def factors_version(self) -> str:
        """Version of everything that the numbers depend on."""
        return self._catalogue.factors_version

    def call(self, call: AICall) -> CallImpact:
        """The footprint of one row of calls (``count`` calls like this one)."""
        key = (
            call.operation, call.locality, call.realness, call.provider, call.model, call.response_model,
            call.input_tokens, call.output_tokens, call.cached_input_tokens, call.parameters, call.samples,
            call.status if failed(call) else None, call.count,
        )  # fmt: skip
        price = self._prices.get(key)
        if price is None:
            if len(self._prices) >= _CACHED_PRICES:
                self._prices.clear()
            price = self._prices[key] = outcomes.times(self._one(call), call.count)
        return price

    def note_training(self, calls: Iterable[AICall]) -> None:
        """Remember models that this run trained: their inferences carry that training as information, not as cost."""
        names = {c.model for c in calls if c.operation == "training" and c.locality == "local" and c.model}
        if not names <= self._trained:
            self._trained |= names
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
        return dict(self._used)

    def local_carbon_g(self, energy_j: Range) -> Range:
        """Grams CO2e of joules that this machine used: ``C = E x PUE x I`` at its own grid."""
        return electricity.carbon_g(energy_j.scale(self._pue_local), self.grid)

    def local_water(self, energy_j: Range) -> tuple[Range, Range]:
        """Litres at the site and at the power plants for joules that this machine used."""
        intensity = self.grid.water_l_per_kwh or ewif(None, self._catalogue)
        site = water.site_l(energy_j, Range(self._wue_local)) if self._wue_local else EXACT_ZERO
        return site, water.source_l(energy_j.scale(self._pue_local), intensity)

    def hardware_g(self, cpu_s: float, machine: str, n_cpu: int) -> Range:
        """Grams CO2e of this machine's manufacture that CPU seconds bear; ``machine`` as ``Host.kind``.

        Raises KeyError, naming the valid ones, for a machine without a row.
        """
        return hardware.cpu_share_g(hardware.machine_row(self._catalogue.machines, machine), cpu_s, n_cpu)

    def accelerator_g(self, busy_s: float, machine: str = "h100") -> Range:
        """Grams CO2e of an accelerator's manufacture that its busy seconds bear. Raises KeyError as above."""
        return hardware.accelerator_share_g(hardware.machine_row(self._catalogue.machines, machine), busy_s)

    def _one(self, call: AICall) -> CallImpact:
        if call.realness == "mocked":
            return outcomes.NOTHING_RAN
        if failed(call):
            return outcomes.failure(call)
        if call.locality == "remote":
            return self._remote(call)
        return outcomes.replayed_local(call) if call.realness == "replayed" else self._local(call)

    def _remote(self, call: AICall) -> CallImpact:
        site = self._site(call.provider)
        self._used[site.name] = site.grid
        if call.operation == "training":
            return outcomes.unpriced_training(call)
        model, served, notices = self._serve(call, site)
        assert served is not None
        share = self._amortisation.of_call(model, served.it_energy_j * site.pue, site.provider, site.name)
        live = site.price(served, share, _basis(model, notices), model.source, notices)
        return live if call.realness == "live" else outcomes.replayed(live)

    def _local(self, call: AICall) -> CallImpact:
        if call.operation == "training" or (call.model is not None and call.model in self._trained):
            equation = "use and training are metered in the windows"
            return outcomes.metered_here(MEASURED, Basis.MEASURED, "metered in the windows", equation)
        # Not "local": what a served call would use, and where the model was trained, does not depend on this machine.
        site = self._site(None if call.provider == "local" else call.provider)
        model, served, notices = self._serve(call, site)
        energy = None if served is None else served.it_energy_j * site.pue
        share = self._amortisation.of_call(model, energy, site.provider, site.name)
        if share.carbon_g is None:
            message = f"nothing is published about the training of {model.id}: its share is unknown, not 0"
            equation = "use is metered in the windows; training share unknown"
            notices = (Notice("training-unknown", message),)
            return outcomes.metered_here(share, Basis.ASSUMED, "metered in the windows", equation, notices)
        if share.training.method == "count":
            equation = "training: declared footprint / declared uses"
        else:
            assert served is not None
            equation = f"training: (1-phi)/phi x E_ref, served elsewhere: {served.equation}"
        return outcomes.metered_here(share, _basis(model, notices), model.source, equation, notices)

    def _serve(self, call: AICall, site: RemoteSite) -> tuple[Model, Served | None, tuple[Notice, ...]]:
        served_by = self._served_model(call, site)
        model = served_by.model
        if (
            call.locality == "local"
            and call.operation == "inference"
            and not (tokens_told(call) and model.kind != "class")
        ):
            return model, None, ()
        tokens, untold = tokens_of(call, model)
        notices = (model.notice, untold, site.notice if call.locality == "remote" else None)
        return model, served_by.serve(tokens, call.samples or 1), tuple(n for n in notices if n is not None)

    def _served_model(self, call: AICall, site: RemoteSite) -> ServedModel:
        key = (site.name, call.model, call.response_model, call.operation, call.parameters)
        found = self._served.get(key)
        if found is None:
            names = tuple(dict.fromkeys(name for name in (call.model, call.response_model) if name))
            model = self._index.find(names, call.operation, site.provider.ecologits, call.parameters)
            found = self._served[key] = ServedModel(model, call.operation, self._catalogue)
        return found

    def _site(self, name: str | None) -> RemoteSite:
        provider = self._catalogue.provider(name)
        key = (name or "unknown").lower() if provider.key == "unknown" else provider.key
        site = self._sites.get(key)
        if site is None:
            site = self._sites[key] = RemoteSite(provider, key, self._catalogue)
        return site


def _basis(model: Model, notices: tuple[Notice, ...]) -> Basis:
    assumed = any(notice.code == "unknown-tokens" for notice in notices)
    return Basis.ASSUMED if assumed else model.basis
