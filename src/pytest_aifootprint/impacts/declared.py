"""Which of the user's own models a call is: by name, by the path of its file, by its file's hash."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from pytest_aifootprint.detection.calls import AICall
from pytest_aifootprint.impacts.model_files import Digests
from pytest_aifootprint.impacts.names import exact_forms, short_name
from pytest_aifootprint.impacts.overrides import ModelOverride
from pytest_aifootprint.quantities import Notice

MOST_NAMED = 5
WHERE = "[tool.aifootprint.models]"


def names_of(call: AICall) -> tuple[str, ...]:
    """The names of a call's model: as requested, then as answered."""
    return tuple(dict.fromkeys(name for name in (call.model, call.response_model) if name))


class DeclaredModels:
    """The user's tables, in their order, and which of them calls have met.

    Attributes:
        digests: of the files that were read.
    """

    def __init__(self, overrides: Mapping[str, ModelOverride]) -> None:
        """``overrides`` by the name that the user gave; case does not matter."""
        self._tables = tuple(overrides.values())
        self._by_name: dict[str, ModelOverride] = {}
        for name, override in overrides.items():
            self._by_name.setdefault(name.lower(), override)
        self.digests = Digests()
        self._met: set[str] = set()
        self._ambiguous: dict[Notice, None] = {}

    def add(self, override: ModelOverride) -> None:
        """Take one more table, or another in the place of the one of its name."""
        self._tables = (*(table for table in self._tables if table.name != override.name), override)
        self._by_name[override.name.lower()] = override

    def named(self, names: Iterable[str]) -> ModelOverride | None:
        """The table of the first name that has one."""
        return next((o for name in names for form in exact_forms(name) if (o := self._by_name.get(form))), None)

    @property
    def met(self) -> Collection[str]:
        """Names of the tables that calls were of."""
        return self._met

    def lineage(self, table: ModelOverride | None) -> tuple[ModelOverride, ...]:
        """The table, then that of its parent, and so on while there are tables; each at most once."""
        found: list[ModelOverride] = []
        while table is not None and table not in found:
            found.append(table)
            table = self.named((table.parent,)) if table.parent else None
        return tuple(found)

    def identify(self, calls: Iterable[AICall]) -> None:
        """Give calls that are recognised by their file the name of their table; more than once does no harm.

        Never raises: a file that cannot be read is no match.
        """
        if not self._tables:
            return
        found: dict[tuple[tuple[str, ...], str | None], tuple[ModelOverride | None, bool]] = {}
        for call in calls:
            key = (names_of(call), call.file)
            if key not in found:
                found[key] = self._table_of(*key)
            table, by_file = found[key]
            if table is None:
                continue
            self._met.add(table.name)
            if by_file and call.model != table.name:
                call.model = table.name
                call.notices = tuple(code for code in call.notices if code != "unknown-model")

    def notices(self, *, training_unknown: bool) -> tuple[Notice, ...]:
        """What a reader has to know of the tables.

        Args:
            training_unknown: there were calls whose training share is unknown: a table that met no call may have been
                meant for them.
        """
        idle = [table.name for table in self._tables if table.name not in self._met] if training_unknown else []
        if not idle:
            return tuple(self._ambiguous)
        more = f" and {len(idle) - MOST_NAMED} more" if len(idle) > MOST_NAMED else ""
        message = (
            f"no call of this run is of {', '.join(idle[:MOST_NAMED])}{more}, declared in {WHERE}, and the training of "
            "a model that was called is unknown: check the name, path or sha256"
        )
        return (*self._ambiguous, Notice("declared-model-unused", message))

    def _table_of(self, names: tuple[str, ...], file: str | None) -> tuple[ModelOverride | None, bool]:
        """(the first table that fits, whether its file does)."""
        named = self.named(names)
        if file is None:
            return named, False
        digest = self.digests.of(file) if any(table.sha256 for table in self._tables) else None
        by_file = [t for t in self._tables if digest in t.sha256 or any(p.matches(file) for p in t.paths)]
        fitting = [table for table in self._tables if table is named or table in by_file]
        if not fitting:
            return None, False
        first = fitting[0]
        if len(fitting) > 1:
            tables = ", ".join(table.name for table in fitting)
            message = f"{short_name(file)} fits {len(fitting)} tables of {WHERE}: {tables}; the first is taken"
            self._ambiguous.setdefault(Notice("declared-model-ambiguous", message))
        return first, first in by_file
