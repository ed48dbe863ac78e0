"""Notices: what a reader of the numbers has to know, each with a code that the documentation explains."""

from __future__ import annotations

from msgspec import Struct

DOCS = "docs/reference/notices.md"


class Notice(Struct, frozen=True, order=True):
    """One remark about the run or a test.

    Attributes:
        code: stable, kebab-case; the heading in ``docs/reference/notices.md`` that explains it.
        message: one line: what, where it came from, what to do.
    """

    code: str
    message: str

    @property
    def url(self) -> str:
        """Where the code is explained."""
        return f"{DOCS}#{self.code}"
