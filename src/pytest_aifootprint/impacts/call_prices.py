"""Prices one call by where it ran and whether a model ran at all; sites and models are looked up once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from pytest_aifootprint.catalogue import Catalogue
from pytest_aifootprint.detection.calls import AICall
from pytest_aifootprint.detection.providers.hosts import is_loopback
from pytest_aifootprint.detection.servers import UNSEEN
from pytest_aifootprint.impacts import outcomes
from pytest_aifootprint.impacts.amortisation import MEASURED, UNKNOWN, Amortisation, TrainingShare
from pytest_aifootprint.impacts.call_sheets import CallSheets
from pytest_aifootprint.impacts.contract import CallImpact, Grid, Use
from pytest_aifootprint.impacts.declared import names_of
from pytest_aifootprint.impacts.models import Model, ModelIndex
from pytest_aifootprint.impacts.overrides import ModelOverride
from pytest_aifootprint.impacts.remote import Served, ServedModel
from pytest_aifootprint.impacts.site import RemoteSite
from pytest_aifootprint.impacts.tokens import failed, tokens_of, tokens_told
from pytest_aifootprint.impacts.trained import TrainedHere, from_hub
from pytest_aifootprint.impacts.training_sheets import NO_SHEET
from pytest_aifootprint.quantities import Basis, Joules, Notice, Range, Sheet
from pytest_aifootprint.quantities.changed import replace

_ONLY_GPU = Notice(
    UNSEEN,
    "a local server cannot be seen from here: its GPU is metered with the tests that called it, its CPU is not",
)


class _Asked(NamedTuple):
    """The model of a call; what a served call like it uses, if that can be told, and how that is made."""

    model: Model
    served: Served | None
    notices: tuple[Notice, ...]
    sheet: Sheet


class CallPrices:
    """The price of one call, whatever its row's ``count``.

    Attributes:
        trained: models that this run trained itself.
        used: grids of the remote providers that were priced, by provider.
    """

    def __init__(  # noqa: PLR0913 - what a price depends on
        self,
        catalogue: Catalogue,
        models: Mapping[str, ModelOverride],
        local_use: Callable[[Joules], Use],
        local_sheet: Callable[[], Sheet],
        *,
        gpu_metered: bool = False,
        grids: Mapping[str, Grid] | None = None,
        marginal: Mapping[str, Grid] | None = None,
    ) -> None:
        """Prices with what the user says of models, by name.

        Args:
            catalogue: the data.
            models: overrides.
            local_use: what joules on this machine come to.
            local_sheet: how, from ``E_server``.
            gpu_metered: a counter of this machine sees what its GPUs do for whatever server.
            grids: that stand in for those of providers, by their keys.
            marginal: the user's factors for what is not emitted, by provider.
        """
        self._grids = grids or {}
        self._marginal = marginal or {}
        self._local_use = local_use
        self._local_sheet = local_sheet
        self._sheets = CallSheets(catalogue)
        self._gpu_metered = gpu_metered
        self._local_server = Range.of(*catalogue.value("local.server"), "local-server")
        self._catalogue = catalogue
        self._index = ModelIndex(catalogue, models)
        self._amortisation = Amortisation(catalogue)
        self._sites: dict[str, RemoteSite] = {}
        self._served: dict[tuple[object, ...], ServedModel] = {}
        self.used: dict[str, Grid] = {}
        self.trained = TrainedHere()

    def declare(self, override: ModelOverride) -> None:
        """Take one more of the user's tables of models, before a call of that name is priced."""
        self._index.declare(override)

    def found(self, name: str, operation: str) -> Model:
        """What is known of a model by its name alone."""
        return self._index.find((name,), operation, None)

    def of(self, call: AICall) -> CallImpact:
        """The footprint of one call."""
        if call.realness == "mocked":
            return outcomes.NOTHING_RAN
        if failed(call):
            return outcomes.failure(call)
        if call.locality == "remote":
            return self._remote(call)
        return outcomes.replayed_local(call) if call.realness == "replayed" else self._local(call)

    def training_grids(self) -> Iterator[Grid]:
        """Averages that stood in where nobody says on what electricity a model was trained."""
        return self._amortisation.averages()

    def is_estimated_here(self, call: AICall) -> bool:
        """Whether a local server worked for the call that no meter of this machine sees."""
        return UNSEEN in call.notices and not (self._gpu_metered and is_loopback(call.host or ""))

    def _remote(self, call: AICall) -> CallImpact:
        site = self._site(call.provider)
        self.used[site.name] = site.grid
        if call.operation == "training":
            return outcomes.unpriced_training(call)
        asked = self._serve(call, site)
        served, notices = asked.served, asked.notices
        assert served is not None
        energy = site.energy_j(served)
        share = self._amortisation.of_call(asked.model, energy, site.provider, site.name)
        if share.carbon_g is None:
            notices = (*notices, _training_unknown(asked.model, share))
        basis, source = _basis(asked.model, notices), asked.model.source
        replayed = call.realness != "live"
        sheet = self._sheets.remote(site, asked.sheet, share.sheet, replayed=replayed)
        live = site.price(served, energy, share, basis=basis, source=source, notices=notices, sheet=sheet)
        return outcomes.replayed(live, site.saved_g(energy)) if replayed else live

    def _local(self, call: AICall) -> CallImpact:
        if call.operation == "training":
            return _trained_here()
        # Not "local": what a served call would use, and where the model was trained, does not depend on this machine.
        site = self._site(None if call.provider == "local" else call.provider)
        unseen = UNSEEN in call.notices
        if self.trained.all_of(call, self._served_model(call, site).model):
            impact = _trained_here()
            asked = self._serve(call, site) if unseen else None
        else:
            asked = self._serve(call, site)
            impact = self._metered(call, asked, site)
        if asked is not None and asked.served is not None and self.is_estimated_here(call):
            energy = outcomes.server_energy_j(asked.served.it_energy_j, self._local_server)
            equation = (
                f"E = {self._local_server.central:g} (a server that works for one) x E_it; {asked.served.equation}"
            )
            estimated = outcomes.unseen_server(impact, energy, self._local_use(energy), equation)
            return replace(estimated, sheet=self._sheets.unseen_server(impact.sheet, asked.sheet, self._local_sheet))
        return replace(impact, notices=(*impact.notices, _ONLY_GPU)) if unseen else impact

    def _metered(self, call: AICall, asked: _Asked, site: RemoteSite) -> CallImpact:
        """A local call whose windows are metered."""
        model, served, notices = asked.model, asked.served, asked.notices
        energy = None if served is None else site.energy_j(served)
        share = (
            UNKNOWN if _is_anybody(call, model) else self._amortisation.of_call(model, energy, site.provider, site.name)
        )
        if share.carbon_g is None:
            equation = "use is metered in the windows; training share unknown"
            notices = (_training_unknown(model, share),)
            unknown = outcomes.metered_here(share, Basis.ASSUMED, "metered in the windows", equation, notices)
            return replace(unknown, sheet=share.sheet)
        source = model.source
        if share.training.method in {"count", "compute"}:
            equation, source = f"training: {share.equation}", share.training.source
        else:
            assert served is not None
            equation = f"training: (1-phi)/phi x E_ref, served elsewhere: {served.equation}"
        priced = outcomes.metered_here(share, _basis(model, notices), source, equation, notices)
        return replace(priced, sheet=self._sheets.training(site, asked.sheet, share.sheet))

    def _serve(self, call: AICall, site: RemoteSite) -> _Asked:
        served_by = self._served_model(call, site)
        model = served_by.model
        if (
            call.locality == "local"
            and call.operation == "inference"
            and not (tokens_told(call) and model.kind != "class")
        ):
            return _Asked(model, None, (), NO_SHEET)
        tokens, untold = tokens_of(call, model)
        notices = (model.notice, untold, site.notice if call.locality == "remote" else None)
        said = tuple(n for n in notices if n is not None)
        sheet = self._sheets.served(served_by, tokens, site.name, timed=call.media_s is not None)
        return _Asked(model, served_by.serve(tokens, call.samples or 1, call.media_s), said, sheet)

    def _served_model(self, call: AICall, site: RemoteSite) -> ServedModel:
        in_process = call.locality == "local" and call.provider is None
        key = (site.name, call.model, call.response_model, call.operation, call.parameters, in_process)
        found = self._served.get(key)
        if found is None:
            table = site.provider.ecologits
            model = self._index.find(names_of(call), call.operation, table, call.parameters, relatives=not in_process)
            found = self._served[key] = ServedModel(model, call.operation, self._catalogue)
        return found

    def _site(self, name: str | None) -> RemoteSite:
        provider = self._catalogue.provider(name)
        key = (name or "unknown").lower() if provider.key == "unknown" else provider.key
        site = self._sites.get(key)
        if site is None:
            grid, marginal = self._grids.get(provider.key), self._marginal.get(key)
            site = self._sites[key] = RemoteSite(provider, key, self._catalogue, grid, marginal)
        return site


def _is_anybody(call: AICall, model: Model) -> bool:
    """Whether all that is known of a model in the process is its class and its size.

    It may be trained by anybody, in a test that nobody metered, or (made from a configuration) not at all: a share of a
    life that nobody knows of would be made up.
    """
    named = call.file is not None or from_hub(call) or "/" in (call.model or "")
    return (
        call.provider is None
        and call.parameters is not None
        and not named
        and model.row is None
        and model.override is None
    )


def _trained_here() -> CallImpact:
    equation = "use and training are metered in the windows"
    return outcomes.metered_here(MEASURED, Basis.MEASURED, "metered in the windows", equation)


def _training_unknown(model: Model, share: TrainingShare) -> Notice:
    if share is UNKNOWN:
        message = f"nothing is published about the training of {model.id}: its share is unknown, not 0"
    else:
        message = f"the training share of {model.id} is unknown, not 0: {share.training.source}"
    return Notice("training-unknown", message)


def _basis(model: Model, notices: tuple[Notice, ...]) -> Basis:
    assumed = any(notice.code == "unknown-tokens" for notice in notices)
    return Basis.ASSUMED if assumed else model.basis
