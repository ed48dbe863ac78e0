"""What the user's tables say of models, held against all that is known, before the run: parents, and ways to share."""

from __future__ import annotations

import difflib
from collections.abc import Container, Iterable, Mapping

from pytest_aifootprint.catalogue import Catalogue, CatalogueError, TrainingRow, llm_sizes
from pytest_aifootprint.impacts.declared import WHERE, DeclaredModels
from pytest_aifootprint.impacts.models import Model, ModelIndex
from pytest_aifootprint.impacts.overrides import ModelOverride
from pytest_aifootprint.quantities import Notice

MOST_MATCHES = 3


def check_declared(overrides: Mapping[str, ModelOverride], catalogue: Catalogue) -> None:
    """See whether no parent is its own ancestor, and whether each method has its inputs.

    Raises:
        CatalogueError: one line that names the table, the key, what was found and what is valid.
    """
    if not any(table.parent or table.training_method for table in overrides.values()):
        return
    known = _Known(overrides, catalogue)
    for table in overrides.values():
        if table.parent:
            known.last_parent(table)
        if table.training_method:
            known.check_method(table)


def unknown_parents(
    overrides: Mapping[str, ModelOverride], met: Container[str], catalogue: Catalogue
) -> tuple[Notice, ...]:
    """A notice for each table whose parents end at a name that nothing is known of: it lends nothing, or is mistyped.

    A parent is known if a table, a row of the catalogue, ecologits or its own name says something of it.

    Args:
        overrides: the tables, checked by ``check_declared``.
        met: names of the tables that calls are of; of others there is nothing to say.
        catalogue: the data.
    """
    tables = [table for table in overrides.values() if table.parent and table.name in met]
    if not tables:
        return ()
    known = _Known(overrides, catalogue)
    try:
        return tuple(notice for table in tables if (notice := known.unknown_parent(table)) is not None)
    except CatalogueError:
        # A cycle that nobody checked before the run (a row that a plugin changed): it lends what it lends.
        return ()


def line_of(row: TrainingRow, catalogue: Catalogue) -> tuple[TrainingRow, ...]:
    """The row, then that of its parent, and so on while there are rows (they are checked to have no cycle)."""
    by_name = {name.lower(): r for r in catalogue.training for name in (r.model_id, *r.aliases)}
    line = [row]
    while (parent := by_name.get(line[-1].parent.lower())) is not None:
        line.append(parent)
    return tuple(line)


def known_names(overrides: Iterable[str], catalogue: Catalogue) -> Iterable[str]:
    """Every name that something is known of: of tables, rows and ecologits; lower case."""
    rows = (name for row in catalogue.training if row.match for name in (row.model_id, *row.aliases))
    sizes = (name for _, name in llm_sizes())
    return dict.fromkeys(name.lower() for name in (*overrides, *rows, *sizes))


class _Known:
    def __init__(self, overrides: Mapping[str, ModelOverride], catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._overrides = overrides
        self._tables = DeclaredModels(overrides)
        self._index = ModelIndex(catalogue, overrides)
        self._unpublished = {name.lower() for name in catalogue.unpublished}

    def last_parent(self, table: ModelOverride) -> str:
        """The end of the line of parents through tables and rows; a row's parent goes on where a table names none."""
        line, parent, last = [table.name], table.parent, ""
        while parent:
            last = parent
            model = self._model(parent)
            own, row = model.override, model.row
            name = own.name if own is not None else row.model_id if row is not None else parent
            if name in line:
                raise _error(table, f"parent: a cycle, {' -> '.join([*line, name])}")
            line.append(name)
            parent = (own.parent if own is not None else None) or (row.parent if row is not None else None)
        return last

    def unknown_parent(self, table: ModelOverride) -> Notice | None:
        """What to say of a line of parents that ends in the unknown; None for one that does not."""
        parent = self.last_parent(table)
        model = self._model(parent)
        known = model.override is not None or model.row is not None or model.kind in {"open", "closed"}
        if known or parent.lower() in self._unpublished:
            return None
        names = list(known_names(self._overrides, self._catalogue))
        like = difflib.get_close_matches(parent.lower(), names, MOST_MATCHES)
        meant = f"; did you mean {' or '.join(like)}?" if like else ""
        message = (
            f"nothing is known of {parent}, the parent of {table.name} in {WHERE}: it lends neither size nor place"
        )
        return Notice("declared-parent-unknown", f"{message}{meant}")

    def check_method(self, table: ModelOverride) -> None:
        """See whether a declared way to share has its inputs. A size may still come: it is counted in the process."""
        method, row = table.training_method, self._model(table.name).row
        missing = [] if table.expected_uses is not None or method == "share" else ["expected_uses"]
        published = row is not None and (row.kwh[1] is not None or row.kgco2e[1] is not None)
        if method == "count" and not (table.declares_whole or published):
            missing.append("training_kwh, training_gco2e or codecarbon_csv")
        if method == "compute" and not (table.training_tokens or (row is not None and row.tokens)):
            missing.append("training_tokens")
        if missing:
            raise _error(table, f"training_method = {method!r} needs {' and '.join(missing)}")

    def _model(self, name: str) -> Model:
        return self._index.find((name,), "inference", None)


def _error(table: ModelOverride, message: str) -> CatalogueError:
    return CatalogueError(f'[tool.aifootprint.models."{table.name}"]: {message}')
