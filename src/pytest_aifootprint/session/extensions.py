"""What plugins replace or amend: asked once for each row, grid and model, before anything is priced with it.

Only in the process that prices, and never inside a window: rows and grids when the session is set up, a model between
two tests or at the end. Where a plugin raises or its answer is not valid, the shipped figure stands, a notice names
hook and plugin, and no verdict is a pass: the numbers are not those that the user meant (fail closed).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from pytest_aifootprint.quantities import Notice
from pytest_aifootprint.quantities.changed import replace
from pytest_aifootprint.session.parts import told

if TYPE_CHECKING:
    from pytest_aifootprint.catalogue import Catalogue
    from pytest_aifootprint.impacts import Grid, ModelOverride

PREFIX = "pytest_aifootprint_"
_MOST_NAMED = 8
_GRID = "valid: a zone, or a table with g_per_kwh as a number or [low, central, high] above 0, source and year"
_VALID = {
    "factor": "valid: every figure of the row, with source and year",
    "update_factor": "valid: the row with other figures and another source",
    "grid": _GRID,
    "provider_grid": _GRID,
    "update_grid": "valid: the table with another g_per_kwh or l_per_kwh, and another source",
    "model": "valid: what [tool.aifootprint.models] takes",
    "update_model": "valid: what [tool.aifootprint.models] takes",
}

Answer = TypeVar("Answer")
_Model = tuple[dict[str, Any], "ModelOverride | None"]


class Extensions:
    """The plugins' answers, and what went wrong with them.

    Attributes:
        catalogue: with the rows that plugins changed; None where none did. grids: of providers, by their keys.
    """

    def __init__(self, config: pytest.Config, models: Mapping[str, Mapping[str, Any]], folder: Path) -> None:
        """Ask nobody yet.

        Args:
            config: whose plugins are asked.
            models: the user's tables of models, as they stand in the configuration.
            folder: what paths in a model's table are relative to.
        """
        self.catalogue: Catalogue | None = None
        self.grids: Mapping[str, Grid] = {}
        self._config = config
        self._models = models
        self._folder = folder
        self._failed: dict[tuple[str, str, str], list[str]] = {}
        self._unheard = ""
        self._changed: dict[str, str] = {}

    @property
    def notices(self) -> tuple[Notice, ...]:
        """What a reader has to know: which figures are not the shipped ones, and which hooks failed."""
        failed = tuple(Notice("hook-failed", message) for message in self.doubts)
        if not self._changed:
            return failed
        named = [f"{what} {how}" for what, how in list(self._changed.items())[:_MOST_NAMED]]
        more = f" and {len(self._changed) - _MOST_NAMED} more" if len(self._changed) > _MOST_NAMED else ""
        return (*failed, Notice("figures-changed", f"not the figures that ship: {', '.join(named)}{more}"))

    @property
    def doubts(self) -> list[str]:
        """Why no verdict may be a pass: figures that a plugin wanted to set and that are not set."""
        found = [self._unheard] if self._unheard else []
        for (hook, plugin, said), places in self._failed.items():
            more = f" and {len(places) - 1} more" if len(places) > 1 else ""
            valid = "" if "valid: " in said else f"; {_VALID[hook]}"
            message = f"{PREFIX}{hook} of {plugin}, {places[0]}{more}: {said}{valid}; the shipped figure stands"
            found.append(" ".join(message.split()))
        return found

    @property
    def any(self) -> bool:
        """Whether a plugin has one of the hooks."""
        return self._asked(*_VALID)

    def not_heard(self, error: ValueError) -> None:
        """Note that plugins could not be asked, if there are any."""
        if self.any:
            self._unheard = f"plugins could not be asked for their figures: {error}"

    @property
    def knows_models(self) -> bool:
        """Whether a plugin wants to say something of models."""
        return self._asked("model", "update_model")

    def change_rows(self) -> None:
        """Ask for every row of the catalogue. Raises CatalogueError for a data file of ours that is broken."""
        if not self._asked("factor", "update_factor"):
            return
        from pytest_aifootprint.catalogue import default_catalogue, replacing

        changed: dict[replacing.Key, Mapping[str, Any]] = {}
        for where, shipped in replacing.replaceable(default_catalogue()):
            what, place = " ".join(where), {"table": where[0], "key": where[1]}
            read = partial(replacing.replaced, where, shipped)
            row = self._replaced("factor", what, {**place, "row": shipped}, read) or shipped
            row = self._amended("update_factor", what, place, "row", row, partial(_amended_row, where))
            if row is not shipped:
                changed[where] = row
        if changed:
            self.catalogue = default_catalogue().with_rows(changed)

    def local_grid(self, read: Callable[[str], Grid]) -> Grid | None:
        """The grid of this machine that a plugin names, where no option does; None if none does.

        Args:
            read: what makes a grid of a text; raises ValueError.
        """
        if not self._asked("grid"):
            return None
        from pytest_aifootprint.impacts.declared_grids import LOCAL, replaced_grid

        return self._replaced("grid", "grid of this machine", {}, partial(replaced_grid, LOCAL, None, read))

    def amended_local_grid(self, grid: Grid | None, read: Callable[[str | None], Grid]) -> Grid | None:
        """The grid of this machine as plugins amend it.

        Args:
            grid: that was named; None if nobody did.
            read: what makes the grid that stands then, of None.
        """
        if not self._asked("update_grid"):
            return grid
        from pytest_aifootprint.impacts.declared_grids import LOCAL

        return self._amended_grid(LOCAL, grid if grid is not None else read(None))

    def change_provider_grids(self) -> None:
        """Ask for the grid of every provider of the catalogue. Raises CatalogueError as above."""
        if not self._asked("provider_grid", "update_grid"):
            return
        from pytest_aifootprint.catalogue import default_catalogue
        from pytest_aifootprint.impacts.declared_grids import named_grid, replaced_grid
        from pytest_aifootprint.impacts.grids import provider_grid

        catalogue = self.catalogue if self.catalogue is not None else default_catalogue()
        grids: dict[str, Grid] = {}
        for key in dict.fromkeys(provider.key for provider in catalogue.providers.values()):
            shipped = provider_grid(catalogue.providers[key], key, catalogue)
            read = partial(replaced_grid, key, shipped, partial(named_grid, key, catalogue))
            arguments = {"provider": key, "zone": shipped.zone}
            grid = self._replaced("provider_grid", f"grid of {key}", arguments, read) or shipped
            grid = self._amended_grid(key, grid)
            if grid is not shipped:
                grids[key] = grid
        self.grids = grids

    def model(self, name: str, declared: ModelOverride | None, found: Mapping[str, Any]) -> ModelOverride | None:
        """What plugins say of a model; None if they say nothing.

        Args:
            name: as the call has it.
            declared: the user's own table of it, which a plugin amends but does not replace.
            found: what the tables know of it.
        """
        table = self._models.get(declared.name) if declared is not None else None
        current: _Model = (dict(table), declared) if table is not None else ({}, None)
        arguments = {"name": name, "found": dict(found)}
        if table is None:
            current = self._replaced("model", f"model {name}", arguments, partial(self._read_model, name)) or current
        said_of = declared.name if table is not None and declared is not None else name
        change = partial(self._amended_model, said_of)
        amended = self._amended("update_model", f"model {name}", arguments, "model", current, change, _table_of)
        return amended[1] if amended[1] is not declared else None

    def _amended_grid(self, place: str, grid: Grid) -> Grid:
        from pytest_aifootprint.impacts.declared_grids import LOCAL, amended_grid, grid_table

        what = "grid of this machine" if place == LOCAL else f"grid of {place}"
        return self._amended(
            "update_grid", what, {"place": place}, "grid", grid, partial(amended_grid, place), grid_table
        )

    def _read_model(self, name: str, answer: object, by: str) -> _Model:
        from pytest_aifootprint.impacts import ModelOverride

        if not isinstance(answer, Mapping):
            raise ValueError(f"the answer must be a table (a dict) or None, got {answer!r:.80}")  # noqa: TRY004
        table = {key: list(value) if isinstance(value, tuple) else value for key, value in answer.items()}
        return table, replace(ModelOverride.from_table(name, table, self._folder), said_by=by)

    def _amended_model(self, name: str, before: _Model, after: object, by: str) -> _Model | None:
        return None if after == before[0] else self._read_model(name, after, by)

    def _asked(self, *hooks: str) -> bool:
        return any(True for hook in hooks for _ in self._plugins(hook))

    def _plugins(self, hook: str) -> Iterator[tuple[str, Callable[[Mapping[str, Any]], Any]]]:
        """Every plugin that has the hook, in pytest's order: its name, and what calls it. Wrappers are left out.

        One by one, so that a notice can name the one that failed, and the others are heard.
        """
        for impl in reversed(getattr(self._config.hook, PREFIX + hook).get_hookimpls()):
            if not (impl.hookwrapper or impl.wrapper):
                yield plugin_name(impl.plugin_name, impl.plugin, self._config.rootpath), partial(_call, impl)

    def _replaced(
        self, hook: str, what: str, arguments: Mapping[str, Any], read: Callable[[Any, str], Answer]
    ) -> Answer | None:
        """The first answer that is not None, read."""
        for plugin, call in self._plugins(hook):
            answered, answer = self._try(
                hook, what, plugin, partial(call, {"config": self._config, **copy.deepcopy(arguments)})
            )
            if not answered:
                return None
            if answer is None:
                continue
            valid, found = self._try(hook, what, plugin, partial(read, answer, plugin), ValueError)
            if valid:
                self._changed[what] = f"(replaced by {plugin})"
            return found
        return None

    def _amended(  # noqa: PLR0913 - of rows, grids and models alike
        self,
        hook: str,
        what: str,
        arguments: Mapping[str, Any],
        name: str,
        current: Answer,
        read: Callable[[Answer, Any, str], Answer | None],
        table_of: Callable[[Answer], Any] = copy.deepcopy,
    ) -> Answer:
        """What all plugins that have the hook made of it, one after the other."""
        for plugin, call in self._plugins(hook):
            table = copy.deepcopy(table_of(current))
            given = {"config": self._config, **copy.deepcopy(arguments), name: table}
            called, _ = self._try(hook, what, plugin, partial(call, given))
            if not called:
                continue
            _, found = self._try(hook, what, plugin, partial(read, current, table, plugin), ValueError)
            if found is not None:
                self._changed[what] = f"(amended by {plugin})"
                current = found
        return current

    def _try(
        self,
        hook: str,
        what: str,
        plugin: str,
        do: Callable[[], Answer],
        of_ours: type[Exception] = Exception,
    ) -> tuple[bool, Answer | None]:
        """(whether it worked, what came of it); whatever a plugin raises is a notice."""
        try:
            return True, do()
        except pytest.exit.Exception:
            raise
        except of_ours as error:
            said = _without_place(str(error), what) if of_ours is ValueError else told(error)
            self._failed.setdefault((hook, plugin, said), []).append(what)
            return False, None


def _without_place(said: str, what: str) -> str:
    """What is wrong, without the place that the message names anyway: the same slip in fifty rows is one line."""
    places = (what.replace(" ", ": ", 1), what, "grid of local")
    return next((said.removeprefix(f"{place}: ") for place in places if said.startswith(f"{place}: ")), said)


def _amended_row(where: tuple[str, str], before: Mapping[str, Any], after: object, by: str) -> dict[str, Any] | None:
    from pytest_aifootprint.catalogue import replacing

    return replacing.amended(where, before, after, by)


def _table_of(model: _Model) -> dict[str, Any]:
    return model[0]


def _call(impl: Any, arguments: Mapping[str, Any]) -> Any:
    return impl.function(*(arguments[name] for name in impl.argnames))


def plugin_name(name: str, plugin: object, root: Path) -> str:
    """As a report may show it: a conftest by its place in the project, never by a folder of somebody's machine."""
    if name.isdigit():
        return type(plugin).__name__
    path = PurePath(name)
    if not path.is_absolute():
        return name
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name
