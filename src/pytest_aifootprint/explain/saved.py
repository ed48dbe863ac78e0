"""A saved report, as far as its numbers can be calculated again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pytest_aifootprint.quantities import EXACT_ZERO, Range
from pytest_aifootprint.reports.saved.file import SavedError, check_version, load
from pytest_aifootprint.reports.saved.sheets import sheet_of
from pytest_aifootprint.reports.saved.told import Told

__all__ = ["BROKEN", "HERE", "Row", "Saved", "SavedError", "ranged"]

Row = Mapping[str, Any]

HERE = "this machine"
MOST_CLOSE = 3


BROKEN = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, AssertionError, RecursionError)
"""What goes wrong with a file that looks like a report and is none."""


class Saved:
    """A report of ``--aifootprint-report json``.

    Attributes:
        path: of the file. report: all of it. sheets: how its numbers are made, by name.
        prices: what one call comes to, by its sheet and what it told: as far as somebody asked.
    """

    def __init__(self, report: Row, path: str = "report") -> None:
        """Take a report. Raises SavedError if it has no sheets to go by."""
        self.path = path
        self.report = report
        check_version(report, path)
        if not isinstance(report.get("sheets"), dict) or HERE not in report["sheets"]:
            raise SavedError(f"{path}: an older report that does not say how its numbers are made; run the tests again")
        try:
            self.prices: dict[tuple[Any, ...], dict[str, Range | None]] = {}
            self.sheets = {name: sheet_of(name, row) for name, row in Told(report, "").table("sheets").items()}
            self._fixtures = {row["id"]: row for row in report["fixtures"]}
            self._nodeids = [row["nodeid"] for row in report["tests"]]
        except SavedError as error:
            raise SavedError(f"{path}: not a report of this plugin: {error}"[:500]) from None
        except BROKEN as error:
            raise SavedError(f"{path}: not a report of this plugin: {type(error).__name__}: {error}"[:500]) from None

    @classmethod
    def read(cls, path: Path) -> Saved:
        """Read a report. Raises SavedError."""
        return cls(load(path), str(path))

    @property
    def tests(self) -> list[Row]:
        """The rows of tests that are in the totals."""
        return [row for row in self.report["tests"] if row["ai"]]

    @property
    def without_row(self) -> int:
        """How many tests are in the totals and have no row, because only marked tests were asked for."""
        if self.report["run"].get("rows") != "marked":
            return 0
        return max(int(self.report["totals"]["ai_tests"]) - len(self.tests), 0)

    @property
    def fixtures(self) -> Mapping[str, Row]:
        """The rows of shared fixtures, by id."""
        return self._fixtures

    def test(self, nodeid: str) -> Row | None:
        """The row of a test by its whole id, or by an end of it that no other has."""
        rows: list[Row] = self.report["tests"]
        whole = [row for row in rows if row["nodeid"] == nodeid]
        ending = whole or [row for row in rows if row["nodeid"].endswith((f"/{nodeid}", f"::{nodeid}"))]
        return ending[0] if len(ending) == 1 or whole else None

    def fixture(self, name: str) -> Row | None:
        """The row of a shared fixture by its id, or by its name if no other has it."""
        named = [row for row in self._fixtures.values() if row["name"] == name]
        return self._fixtures.get(name) or (named[0] if len(named) == 1 else None)

    def models(self, name: str) -> list[Row]:
        """The rows of a model: by its name, or by the name without organisation; case does not matter."""
        wanted = name.casefold()
        rows: list[Row] = self.report["models"]
        whole = [row for row in rows if row["id"].casefold() == wanted]
        return whole or [row for row in rows if row["id"].casefold().rsplit("/", 1)[-1] == wanted]

    def close_to(self, name: str) -> list[str]:
        """Ids of tests, shared fixtures and models that contain it or look like it; models go by one name or two."""
        import difflib  # for a typo alone

        models = dict.fromkeys(row["id"] for row in self.report["models"])
        ids = list(dict.fromkeys((*self._nodeids, *self._fixtures, *models)))
        wanted = name.rsplit("::", 1)[-1].casefold()
        if not wanted.strip():
            return []
        ends = {one.rsplit("::", 1)[-1].casefold(): one for one in ids}
        ends |= {one.rsplit("/", 1)[-1].casefold(): one for one in models}
        close = difflib.get_close_matches(wanted, ends, n=MOST_CLOSE, cutoff=0.5)
        containing = [end for end in ends if wanted in end and end not in close]
        return list(dict.fromkeys(ends[one] for one in (*containing, *close)))[:MOST_CLOSE]

    def calls_of(self, row: Row) -> Iterator[tuple[str, Row]]:
        """Calls to a model, each with the test or fixture that made it."""
        wanted = row["id"], row["provider"]
        for owner, key in (*((t, "nodeid") for t in self.tests), *((f, "id") for f in self._fixtures.values())):
            for call in owner["calls"]:
                if ((call["model"] or "unknown"), call["provider"]) == wanted:
                    yield owner[key], call


def ranged(row: Row | None, factor: str) -> Range | None:
    """A range of the report whose factors are not told: all of it under one name. None if it is unknown."""
    if row is None:
        return None
    low, central, high = (float(row[end]) for end in ("low", "central", "high"))
    if not central:
        return EXACT_ZERO
    if low == central == high or not 0 < low <= central <= high:
        return Range(central)
    return Range.of(low, central, high, factor)
