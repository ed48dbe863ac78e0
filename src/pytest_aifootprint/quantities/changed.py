"""A record with some of its fields changed. Not for a ``Range``, which is none: made anew, its value is checked."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # msgspec's takes anything for a field. With this one a mistaken unit is an error to the type checker.
    from dataclasses import replace
else:
    from msgspec.structs import replace

__all__ = ["replace"]
