"""The ``aifootprint`` mark: limits of one test."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_aifootprint.budgets import Limit, parse_limit
from pytest_aifootprint.quantities import UnitError

KEYWORDS = ("budget", "energy", "tokens", "calls", "live")


def marker_limits(kwargs: Mapping[str, Any], args: tuple[Any, ...]) -> tuple[tuple[Limit, ...], bool | None]:
    """The limits of a test's marker, and its ``live`` (None if not said).

    Raises:
        ValueError: one line: what is wrong and what is valid.
    """
    if args:
        raise ValueError(f"takes keywords only, got {args!r}; valid: {', '.join(KEYWORDS)}")
    live = kwargs.get("live")
    if live is not None and not isinstance(live, bool):
        raise ValueError(f"live={live!r} is neither True nor False")
    return tuple(_limit(key, content) for key, content in kwargs.items() if key != "live"), live


def _limit(key: str, content: Any) -> Limit:
    if key not in KEYWORDS:
        raise ValueError(f"unknown keyword {key!r}; valid: {', '.join(KEYWORDS)}")
    is_count = isinstance(content, int) and not isinstance(content, bool)
    try:
        limit = parse_limit(f"{content} {key}" if key in {"tokens", "calls"} and is_count else str(content))
    except UnitError as error:
        raise UnitError(f"{key}: {error}") from None
    kind = {"energy": "energy_j", "budget": limit.kind}.get(key, key)
    if limit.kind != kind:
        raise ValueError(f"{key}={content!r} is a limit of another kind; write budget={content!r}")
    return limit
