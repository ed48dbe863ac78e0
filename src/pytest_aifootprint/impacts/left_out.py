"""How often a family tells the size of a model that is left out: ``python -m pytest_aifootprint.impacts.left_out``.

Each release in ecologits whose name tells no size is taken out of the tables, with every other name for the same
release, and its size is asked of its family. What ecologits has is taken as true; of undisclosed models it is itself a
guess, and probably one that looks at relatives.
"""

from __future__ import annotations

import math
import statistics
import sys
from collections.abc import Iterator, Mapping

from msgspec import Struct

from pytest_aifootprint.catalogue import LlmSize, Triple, default_catalogue, llm_sizes
from pytest_aifootprint.impacts.families import Families, size_of_family
from pytest_aifootprint.impacts.models import undisclosed_times_over
from pytest_aifootprint.impacts.names import open_form, released, size_in_name

Sizes = Mapping[tuple[str, str], LlmSize]


class LeftOut(Struct, frozen=True):
    """A release that was left out.

    Attributes:
        table, name: in ecologits. true_b: billions of active parameters there; of a guess, its middle.
        disclosed: it is no guess. family_b: what the family says, (low, central, high); None if it has none.
    """

    table: str
    name: str
    true_b: float
    disclosed: bool
    family_b: Triple | None


def left_out(sizes: Sizes, times_over: float) -> Iterator[LeftOut]:
    """Each release without a size in its name, left out once.

    Args:
        sizes: by (table, name).
        times_over: as in ``size_of_family``.
    """
    seen = set()
    for (table, name), size in sizes.items():
        if size_in_name(name) is not None or (table, released(name)) in seen:
            continue
        seen.add((table, released(name)))
        others = {key: other for key, other in sizes.items() if not _is_same(key[1], other, name, size)}
        members = Families(others).members(name, table)
        family = size_of_family(members, times_over).active_b if members else None
        yield LeftOut(table, name, math.fsum(size.active_b) / 2, size.disclosed, family)


def _is_same(name: str, size: LlmSize, left: str, left_size: LlmSize) -> bool:
    """Whether two names are of one release: an alias, a dated or converted form of it."""
    return size.name == left_size.name or released(name) == released(left) or open_form(name) == open_form(left)


def table() -> Iterator[str]:
    """Coverage, width and error of the family's range and of the class range, as Markdown."""
    catalogue = default_catalogue()
    whole_class = catalogue.classes["chat"].active_b
    assert whole_class is not None
    found = [*left_out(llm_sizes(), undisclosed_times_over(catalogue))]
    yield "| releases left out | with a family | range | true size inside | width, high/low | middle off by, median |"
    yield "|---|---|---|---|---|---|"
    for whose, mine in (
        ("all without a size in the name", found),
        ("of these, undisclosed", [one for one in found if not one.disclosed]),
        ("of these, disclosed", [one for one in found if one.disclosed]),
    ):
        related = [one for one in mine if one.family_b is not None]
        families = [(one.true_b, one.family_b) for one in related if one.family_b is not None]
        classes = [(one.true_b, whole_class) for one in related]
        yield f"| {whose}: {len(mine)} | {len(related)} | family | {_row(families)} |"
        yield f"| | | class | {_row(classes)} |"


def _row(pairs: list[tuple[float, Triple]]) -> str:
    inside = sum(low <= true <= high for true, (low, _, high) in pairs)
    width = statistics.geometric_mean([high / low for _, (low, _, high) in pairs])
    off = statistics.median([abs(math.log(central / true)) for true, (_, central, _) in pairs])
    return f"{inside} ({inside / len(pairs):.0%}) | {width:.3g} | x/÷ {math.exp(off):.2f}"


if __name__ == "__main__":
    sys.stdout.write("\n".join(table()) + "\n")
