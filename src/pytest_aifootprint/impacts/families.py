"""A release that no table knows is taken to be about as large as those of its family that one knows.

``gpt-5.9-mini`` is a gpt mini. How often that holds is measured: ``python -m pytest_aifootprint.impacts.left_out``.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Mapping

from msgspec import Struct

from pytest_aifootprint.catalogue import LlmSize, Triple, llm_sizes
from pytest_aifootprint.detection.providers.hosts import HOSTS
from pytest_aifootprint.impacts.names import family_name, organisation, released

# How a maker is called in front of its models' names, by its table in ecologits.
_MAKERS: Mapping[str, frozenset[str]] = {
    "openai": frozenset({"openai"}),
    "anthropic": frozenset({"anthropic"}),
    "google_genai": frozenset({"google", "google_genai", "gemini", "deepmind"}),
    "mistralai": frozenset({"mistralai", "mistral"}),
    "cohere": frozenset({"cohere", "coherelabs", "cohereforai"}),
}
# What stands in front of a name and says nothing about its maker: resellers, and folders of their addresses.
_RESELLERS = frozenset({provider for _, provider in HOSTS} | {"models", "publishers", "azure", "bedrock", "vertex"})
_NAMED_MAKERS = frozenset[str]().union(*_MAKERS.values())


class Member(Struct, frozen=True):
    """A model of a table as one of its family. ``number``: its release's first; ``maker``: as before its name."""

    size: LlmSize
    table: str
    number: int | None
    maker: str | None


class FamilySize(Struct, frozen=True):
    """What a family says of the size of one more member.

    Attributes:
        names: of the members, each release once. active_b, total_b: billions of parameters, (low, central, high).
    """

    names: tuple[str, ...]
    active_b: Triple
    total_b: Triple


class Families:
    """The models of some tables by the words of their names."""

    def __init__(self, sizes: Mapping[tuple[str, str], LlmSize]) -> None:
        """``sizes`` by (table, name), as ``llm_sizes`` gives them."""
        self._members: dict[tuple[str, ...], list[Member]] = {}
        for (table, name), size in sizes.items():
            words, number = family_name(name)
            self._members.setdefault(words, []).append(Member(size, table, number, organisation(name)))

    def members(self, name: str, table: str | None) -> list[Member]:
        """Those that a name is a relative of: of the provider's own table, else of the others; none if in doubt.

        In doubt is a name whose organisation is not the members' maker, a brand alone ("gpt-2") that is older than all
        of them, or of open models by several makers ("phi-5": an open model's brand says nothing of a size), and a
        brand of one letter where nobody says that it is OpenAI's.
        """
        words, number = family_name(name)
        same = self._members.get(words, ())
        own = [m for m in same if m.table == table]
        said = organisation(name)
        found = [m for m in (own or same) if _may_be_from(m, said)]
        if not words or not found:
            return []
        if len(words) == 1:
            numbers = [m.number for m in found if m.number is not None]
            found = [m for m in found if not m.size.disclosed or (own and table in _MAKERS)]
            if number is not None and numbers and number < min(numbers):
                return []
        if len(words[0]) == 1 and not own and said not in _NAMED_MAKERS:
            return []
        return found


def size_of_family(members: Iterable[Member], times_over: float) -> FamilySize:
    """The size of one more member of a family.

    ``low = min over members of their low ends``, ``high = max of their high ends``, ``central = sqrt(smallest x largest
    of their central values)``; and no narrower than ``central x/÷ times_over``: a relative's size is not surer than
    that of a model whose maker does not disclose it.

    Args:
        members: at least one.
        times_over: the spread of an undisclosed size (``inference.closed`` without ``inference.open``).
    """
    sizes = [member.size for member in members]
    names: dict[str, str] = {}
    for size in sizes:
        names.setdefault(released(size.name), size.name)
    active = _spanned([size.active_b for size in sizes], times_over)
    whole = _spanned([size.total_b for size in sizes], times_over)
    return FamilySize(tuple(names.values()), active, whole)


def _spanned(ends: list[tuple[float, float]], times_over: float) -> Triple:
    middles = [math.fsum(pair) / 2 for pair in ends]
    central = math.sqrt(min(middles) * max(middles))
    low, high = min(low for low, _ in ends), max(high for _, high in ends)
    return min(low, central / times_over), central, max(high, central * times_over)


def _may_be_from(member: Member, said: str | None) -> bool:
    """Whether a model said to be of an organisation may be a relative."""
    if said is None:
        return True
    if said in _NAMED_MAKERS or said not in _RESELLERS:
        return said == member.maker or said in _MAKERS.get(member.table, ())
    return True


@functools.cache
def known_families() -> Families:
    """Those of the installed ecologits."""
    return Families(llm_sizes())
