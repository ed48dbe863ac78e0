"""The parts of docs/explanation/performance.md that runs write, between their markers."""

from __future__ import annotations

from pathlib import Path

from overhead.environments import ROOT

PAGE = ROOT / "docs" / "explanation" / "performance.md"


class NoPlaceError(Exception):
    """The page lacks the markers of a part."""


def write(part: str, text: str, page: Path = PAGE) -> None:
    """Put a part in the place of the one that is there.

    Raises:
        NoPlaceError: if the page has no such part.
    """
    begin, end = f"<!-- written by {part}: begin -->", f"<!-- written by {part}: end -->"
    whole = page.read_text()
    before, found, rest = whole.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise NoPlaceError(f"{page}: no part between {begin} and {end}")
    page.write_text(f"{before}{begin}\n\n{text.strip()}\n\n{end}{after}")
