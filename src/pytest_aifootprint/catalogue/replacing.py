"""Rows that somebody replaces or amends: which ones there are, and what a valid answer is.

An answer is a table as the data file has it. Who gives a figure says where it is from: without a source and a year of
its own, none is taken.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pytest_aifootprint.catalogue import rows
from pytest_aifootprint.quantities.tables import CatalogueError, factor, read_rows

if TYPE_CHECKING:
    from pytest_aifootprint.catalogue.loader import Catalogue

Key = tuple[str, str]
"""Table and key of a row: ``("factor", "standby")``, ``("machine", "vm")``."""

READERS: Mapping[str, tuple[str, Callable[[str, Mapping[str, Any]], object]]] = {
    "factor": ("defaults.toml", factor),
    "class": ("defaults.toml", rows.model_class),
    "machine": ("machines.toml", rows.machine),
    "provider": ("providers.toml", rows.provider),
}
"""Table to its file, and to what reads a row of it."""

ORIGIN = ("source", "year", "evidence")
# What a row is, in contrast to what is said of it.
FIXED = ("key", "names", "operations", "ecologits", "unit", "per_cpu", "mixture", "accelerator")
DECLARED = "declared"


def key_of(table: Mapping[str, Any]) -> str:
    """The key of a row; of a class, the first operation that it stands in for."""
    operations = table.get("operations")
    return str(operations[0] if isinstance(operations, list) and operations else table.get("key", ""))


def replaceable(catalogue: Catalogue) -> Iterator[tuple[Key, dict[str, Any]]]:
    """Every row that may be replaced, as a copy of its table. Raises CatalogueError for a broken file."""
    for table, (file, read) in READERS.items():
        found = catalogue.tables(table)
        read_rows(file, found, read, lambda _: ())
        for row in found:
            yield (table, key_of(row)), copy.deepcopy(dict(row))


def replaced(where: Key, shipped: Mapping[str, Any], answer: object, by: str) -> dict[str, Any]:
    """The row that takes the place of the shipped one.

    Args:
        where: table and key.
        shipped: the row as it was.
        answer: every figure of the row, with ``source`` and ``year``; what is no figure may be left out.
        by: who answers; stands in front of the source.

    Raises:
        CatalogueError: one line with table, key, field, and what is valid.
    """
    if not isinstance(answer, Mapping):
        raise CatalogueError(f"{where[0]}: {where[1]}: the answer must be a table (a dict) or None, got {answer!r:.80}")
    kept = {name: value for name, value in shipped.items() if name not in ORIGIN and not is_figure(value)}
    row = {"evidence": DECLARED, **kept, **_plain(answer)}
    return _checked(where, shipped, row, f"replaced by {by}")


def amended(where: Key, before: Mapping[str, Any], after: object, by: str) -> dict[str, Any] | None:
    """The row after somebody changed some of its fields; None if nothing changed.

    Raises:
        CatalogueError: as ``replaced``; also where a figure changed and the source did not.
    """
    if not isinstance(after, Mapping):
        raise CatalogueError(f"{where[0]}: {where[1]}: the row must stay a table (a dict), got {after!r:.80}")
    row = _plain(after)
    if row == before:
        return None
    if row.get("source") == before.get("source"):
        raise CatalogueError(f"{where[0]}: {where[1]}: source must say where the amended figures are from")
    return _checked(where, before, row, f"amended by {by}")


def is_figure(value: object) -> bool:
    """Whether a field holds a number, or a list of them."""
    values = value if isinstance(value, (list, tuple)) else [value]
    return bool(values) and all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in values)


def _plain(answer: Mapping[str, Any]) -> dict[str, Any]:
    """A copy, with lists for tuples, as a data file has them."""
    return {name: list(value) if isinstance(value, tuple) else copy.deepcopy(value) for name, value in answer.items()}


def _checked(where: Key, before: Mapping[str, Any], row: dict[str, Any], how: str) -> dict[str, Any]:
    table, key = where
    for name in FIXED:
        if row.get(name) != before.get(name):
            raise CatalogueError(f"{table}: {key}: {name} cannot be changed, it is {before.get(name)!r}")
    for name, value in before.items():
        if is_figure(value) and name not in ORIGIN and row.get(name) is None:
            raise CatalogueError(f"{table}: {key}: {name} is missing, it is {value!r} in the row as it was")
    read = READERS[table][1](table, row)
    if isinstance(read, rows.Provider):
        _check_zones(where, read)
    return {**row, "source": f"{how}: {row['source']}"}


def _check_zones(where: Key, row: rows.Provider) -> None:
    from pytest_aifootprint.catalogue.zones import ZoneError, lookup_zone

    for name, zone in (("zone", row.zone), ("training_zone", row.training_zone)):
        try:
            lookup_zone(zone)
        except ZoneError as error:
            raise CatalogueError(f"{where[0]}: {where[1]}: {name}: {error}") from None
