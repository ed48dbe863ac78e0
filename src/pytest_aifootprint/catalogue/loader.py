"""The catalogue: read once, on first use, and checked while it is read. Importing it reads nothing."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pytest_aifootprint.catalogue import rows
from pytest_aifootprint.catalogue.packages import data_file
from pytest_aifootprint.catalogue.replacing import READERS, Key, key_of
from pytest_aifootprint.catalogue.rows import CloudRegion, Machine, ModelClass, Provider, TrainingRow
from pytest_aifootprint.meters.hardware import MACHINES
from pytest_aifootprint.quantities.tables import CatalogueError, Factor, Fields, Triple, read_rows, read_toml

DATA = Path(__file__).parent / "data"
RELEASED = "2026.11"
"""Month of the last change of the data files; the hash behind it tells the rest."""

OWN_FILES = (
    "cloud_regions.toml",
    "countries.toml",
    "defaults.toml",
    "machines.toml",
    "providers.toml",
    "training.toml",
)
FOREIGN_FILES = (
    ("codecarbon", "data/private_infra/global_energy_mix.json"),
    ("codecarbon", "data/private_infra/carbon_intensity_per_source.json"),
    ("codecarbon", "data/private_infra/nordic_emissions.json"),
    ("codecarbon", "data/private_infra/2023/usa_emissions.json"),
    ("codecarbon", "data/private_infra/2023/canada_energy_mix.json"),
    ("codecarbon", "data/private_infra/2023/china_provincial_emissions.json"),
    ("codecarbon", "data/cloud/impact.csv"),
    ("ecologits", "data/electricity_mixes.json"),
    ("ecologits", "data/models.json"),
)

OPERATIONS = ("chat", "inference", "embedding", "image", "audio")
"""Of which a class has to stand in for the unknown."""

Row = TypeVar("Row")


class Catalogue:
    """The rows of one folder of data files. Each file is parsed when its rows are first asked for."""

    def __init__(self, folder: Path = DATA, changed: Mapping[Key, Mapping[str, Any]] | None = None) -> None:
        """Reads nothing yet.

        Args:
            folder: holds the files of ``OWN_FILES``.
            changed: rows that stand in for those of the files, as ``replacing`` checked them, by table and key.
        """
        self._folder = folder
        self._changed = changed or {}

    def with_rows(self, changed: Mapping[Key, Mapping[str, Any]]) -> Catalogue:
        """The same catalogue with other rows in it."""
        return Catalogue(self._folder, {**self._changed, **changed})

    def tables(self, table: str) -> Sequence[Mapping[str, Any]]:
        """The rows of a table that may be replaced, as they stand. Raises CatalogueError for a broken file."""
        found: Sequence[Mapping[str, Any]] = self._tables(READERS[table][0], table)
        return found

    @functools.cached_property
    def training(self) -> tuple[TrainingRow, ...]:
        """Published training footprints. Raises CatalogueError for a broken row."""
        file = "training.toml"
        found = self._rows(file, "training", rows.training_row, lambda row: (row.model_id,))
        rows.check_parents(file, found, self.unpublished)
        return found

    @functools.cached_property
    def unpublished(self) -> tuple[str, ...]:
        """Models that rows have as parents and whose own training nobody published. Raises CatalogueError."""
        file = "training.toml"
        return Fields(file, self._parse(file)).texts("unpublished")

    @functools.cached_property
    def providers(self) -> Mapping[str, Provider]:
        """Remote providers, by every name they are known by. Raises CatalogueError for a broken row."""
        found = self._rows("providers.toml", "provider", rows.provider, lambda row: row.names)
        return _with("providers.toml", {name: row for row in found for name in row.names}, ("unknown",))

    @functools.cached_property
    def cloud_regions(self) -> Mapping[str, CloudRegion]:
        """Regions of AWS and Azure, by ``aws/eu-west-3``. Raises CatalogueError for a broken row."""
        found = self._rows("cloud_regions.toml", "region", rows.cloud_region, lambda row: (row.key,))
        return {row.key: row for row in found}

    @functools.cached_property
    def countries(self) -> Mapping[str, str]:
        """Three-letter codes of countries, by their two-letter ones. Raises CatalogueError for a broken table."""
        tables = self._rows("countries.toml", "countries", rows.country_codes, tuple)
        return {two: three for table in tables for two, three in table.items()}

    @functools.cached_property
    def machines(self) -> Mapping[str, Machine]:
        """Embodied footprints, by kind of machine. Raises CatalogueError for a broken row."""
        found = self._rows("machines.toml", "machine", rows.machine, lambda row: (*{row.key, *row.names},))
        return _with("machines.toml", {row.key: row for row in found}, MACHINES)

    @functools.cached_property
    def factors(self) -> Mapping[str, Factor]:
        """Constants and ranges, by key. Raises CatalogueError for a broken row."""
        found = self._rows("defaults.toml", "factor", rows.factor, lambda row: (row.key,))
        return {row.key: row for row in found}

    @functools.cached_property
    def classes(self) -> Mapping[str, ModelClass]:
        """What stands in for the unknown, by operation. Raises CatalogueError for a broken row."""
        found = self._rows("defaults.toml", "class", rows.model_class, lambda row: row.operations)
        return _with("defaults.toml", {operation: row for row in found for operation in row.operations}, OPERATIONS)

    def spread(self, key: str) -> float:
        """The 90 % factor x/÷ of that key. Raises CatalogueError if there is none."""
        row = self.factors.get(key)
        if row is None or row.times_over is None:
            raise CatalogueError(f"defaults.toml: no factor {key!r} with times_over")
        return row.times_over

    def value(self, key: str) -> Triple:
        """The (low, central, high) of that key. Raises CatalogueError if there is none."""
        row = self.factors.get(key)
        if row is None or row.value is None:
            raise CatalogueError(f"defaults.toml: no factor {key!r} with a value")
        return row.value

    def provider(self, name: str | None) -> Provider:
        """The row of a provider; the row ``unknown`` for a name that has none."""
        return self.providers.get((name or "unknown").lower()) or self.providers["unknown"]

    @functools.cached_property
    def factors_version(self) -> str:
        """Month and content of everything that numbers depend on: ``2026.11+1a2b3c4d5e6f``.

        Where rows were replaced or amended, their content follows: ``2026.11+1a2b3c4d5e6f.changed.1a2b3c4d``.

        The hash covers our data files and the meters' rows, and the data of codecarbon and ecologits that is read
        beside them.
        """
        import hashlib  # loads OpenSSL: 4 ms that only a report needs

        from pytest_aifootprint.meters.watts import CPU_ROWS, FACTORS

        digest = hashlib.sha256()
        ours = [self._folder / name for name in OWN_FILES]
        foreign = [file for package, path in FOREIGN_FILES if (file := data_file(package, path)) is not None]
        for file in [*ours, *foreign]:
            try:
                content = file.read_bytes()
            except OSError as error:
                raise CatalogueError(f"{file.name}: cannot be read: {error.strerror or error}") from None
            digest.update(f"{file.name} {len(content)}\n".encode())
            digest.update(content)
        digest.update(repr((CPU_ROWS, FACTORS)).encode())
        shipped = f"{RELEASED}+{digest.hexdigest()[:12]}"
        if not self._changed:
            return shipped
        rows_said = repr(sorted((key, sorted(row.items())) for key, row in self._changed.items()))
        return f"{shipped}.changed.{hashlib.sha256(rows_said.encode()).hexdigest()[:8]}"

    @functools.cache  # noqa: B019 - a catalogue lives as long as the process, and two tables share defaults.toml
    def _parse(self, file: str) -> dict[str, Any]:
        return read_toml(self._folder / file)

    def _rows(
        self,
        file: str,
        table: str,
        read: Callable[[str, Mapping[str, Any]], Row],
        names: Callable[[Row], tuple[str, ...]],
    ) -> tuple[Row, ...]:
        return read_rows(file, self._tables(file, table), read, names)

    def _tables(self, file: str, table: str) -> Any:
        found = self._parse(file).get(table, [])
        if not self._changed or not isinstance(found, list):
            return found
        return [self._changed.get((table, key_of(row)), row) for row in found]


def _with(file: str, found: Mapping[str, Row], needed: tuple[str, ...]) -> Mapping[str, Row]:
    """``found``, which has to have some rows: a file that was cut off may still be one. Raises CatalogueError."""
    missing = [name for name in needed if name not in found]
    if missing:
        raise CatalogueError(f"{file}: the row {missing[0]!r} is missing; install the package again")
    return found


@functools.cache
def default_catalogue() -> Catalogue:
    """The catalogue that ships with the package."""
    return Catalogue()
