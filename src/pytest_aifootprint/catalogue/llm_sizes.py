"""Sizes of large language models, from ecologits' ``models.json``, read by path: its import costs 0.1 s and pydantic.

Reading the file gives what the package's own repository gives (a test compares the two), and lets a run without any
generation stay free of the package.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from pytest_aifootprint.catalogue.packages import read_json

Ends = tuple[float, float]


class LlmSize(Struct, frozen=True):
    """A model of ecologits.

    Attributes:
        provider, name: as ecologits names them.
        active_b, total_b: billions of parameters, (min, max); equal ends for a known size.
        tps, ttft: tokens per second and seconds to the first token, where measured.
        disclosed: the size is published; ecologits guesses it otherwise.
    """

    provider: str
    name: str
    active_b: Ends
    total_b: Ends
    tps: float | None
    ttft: float | None
    disclosed: bool


@functools.cache
def llm_sizes() -> Mapping[tuple[str, str], LlmSize]:
    """Every model and alias, by (provider, lower-case name)."""
    data = read_json("ecologits", "data/models.json")
    sizes = {(row["provider"], row["name"].lower()): _size(row) for row in data.get("models", ())}
    for alias in data.get("aliases", ()):
        sizes[alias["provider"], alias["name"].lower()] = sizes[alias["provider"], alias["alias"].lower()]
    return sizes


def _size(row: dict[str, Any]) -> LlmSize:
    parameters = row["architecture"]["parameters"]
    mixture = isinstance(parameters, dict) and "total" in parameters
    active = _ends(parameters["active"] if mixture else parameters)
    total = _ends(parameters["total"] if mixture else parameters)
    deployment = row.get("deployment") or {}
    disclosed = "model-arch-not-released" not in (row.get("warnings") or ()) and active[0] == active[1]
    return LlmSize(
        row["provider"], row["name"], active, total, deployment.get("tps"), deployment.get("ttft"), disclosed
    )


def _ends(value: float | dict[str, float]) -> Ends:
    if isinstance(value, dict):
        return float(value["min"]), float(value["max"])
    return float(value), float(value)
