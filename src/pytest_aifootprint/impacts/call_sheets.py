"""One sheet for all calls that are priced alike: by provider, model, operation, and what they tell of their tokens."""

from __future__ import annotations

from collections.abc import Callable, Hashable

from pytest_aifootprint.catalogue import Catalogue
from pytest_aifootprint.impacts.inputs import factor_given
from pytest_aifootprint.impacts.remote import ServedModel, Tokens
from pytest_aifootprint.impacts.sheets import LIVE, REPLAYED, Told, it_sheet, reference_sheet, site_sheet
from pytest_aifootprint.impacts.site import RemoteSite
from pytest_aifootprint.quantities import Sheet, Step
from pytest_aifootprint.quantities.changed import replace

UNSEEN_SERVER = {"energy_j": "E_server", "hardware_carbon_g": None}


class CallSheets:
    """Makes sheets, each once, and gives each a name of its own: equal calls share one."""

    def __init__(self, catalogue: Catalogue) -> None:
        """``catalogue`` has the constants."""
        self._catalogue = catalogue
        self._sheets: dict[Hashable, Sheet] = {}
        self._taken: dict[str, int] = {}

    def served(self, model: ServedModel, tokens: Tokens, provider: str, *, timed: bool = False) -> Sheet:
        """Of a served call without its data centre; ``timed``: it tells the seconds of its clips."""
        told = Told.of(tokens)
        key = ("served", id(model), told, timed)
        found = self._sheets.get(key)
        if found is None:
            name = f"{provider}/{model.model.id} {model.operation}"
            found = self._sheets[key] = replace(it_sheet(model, told, self._catalogue, timed=timed), name=name)
        return found

    def remote(self, site: RemoteSite, served: Sheet, share: Sheet, *, replayed: bool) -> Sheet:
        """Of a call to a provider, live or answered by a cassette."""

        def make() -> Sheet:
            whole = site_sheet(site, self._catalogue, served)
            return whole.answering(REPLAYED) if replayed else whole.answering(LIVE) | share

        return self._once(f"{served.name}{', replayed' if replayed else ''}", (served, share), make)

    def training(self, site: RemoteSite, served: Sheet, share: Sheet) -> Sheet:
        """Of a call whose use is metered here: its training share alone, from what a served call like it uses."""
        if not share.needs("E"):
            return share
        name = f"{served.name}, metered here"
        return self._once(name, (served, share, site.name), lambda: reference_sheet(site, served) | share)

    def unseen_server(self, metered: Sheet | None, served: Sheet, use: Callable[[], Sheet]) -> Sheet:
        """Of a call to a local server that nobody could meter.

        Args:
            metered: the call's training share.
            served: what a served call like it uses.
            use: what joules ``E_server`` on this machine come to.
        """

        def make() -> Sheet:
            alone = factor_given("k", "a server that works for one", self._catalogue, "local.server", "local-server")
            steps = (Step("E_server", "E_it * k", "J", "electricity of the local server"),)
            begun = metered or Sheet("", (), ())
            begun = begun if begun.makes("E_it") else served | begun
            return begun | Sheet("", (alone,), steps, UNSEEN_SERVER) | use()

        return self._once(f"{served.name}, server unseen", (metered, served), make)

    def _once(self, name: str, key: tuple[Hashable, ...], make: Callable[[], Sheet]) -> Sheet:
        whole = (name, *key)
        found = self._sheets.get(whole)
        if found is None:
            number = self._taken[name] = self._taken.get(name, 0) + 1
            found = self._sheets[whole] = replace(make().pruned(), name=name if number == 1 else f"{name} ({number})")
        return found
