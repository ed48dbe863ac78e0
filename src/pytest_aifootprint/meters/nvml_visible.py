"""Which NVIDIA cards CUDA_VISIBLE_DEVICES leaves to this process (CUDA programming guide, environment variables).

Cards are opened when they are needed, and not before: opening one costs milliseconds, and a run that may use one of
eight has no use for the others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import Struct, field

NONE = frozenset({"", "-1", "NoDevFiles"})


class Visible(Struct):
    """What the variable leaves.

    Attributes:
        cards: their indices in NVML. unknown: entries that name nothing here. As CUDA does, the list ends at the first.
        named: by card, the names of its MIG instances that are in the list.
    """

    cards: list[int] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    named: dict[int, set[str]] = field(default_factory=dict)


def visible_cards(
    text: str | None,
    count: int,
    uuid: Callable[[int], str],
    instances: Callable[[int], Sequence[str]] = lambda _: (),
) -> Visible:
    """Read the variable.

    Args:
        text: the variable; None if it is not set.
        count: of all cards.
        uuid: of a card by its index in NVML's order; "" if it does not tell.
        instances: the names of a card's MIG instances, the newer and the older one of each.
    """
    found = Visible()
    if text is None:
        found.cards = list(range(count))
        return found
    for entry in (part.strip() for part in text.split(",")):
        if entry.isascii() and entry.isdigit() and int(entry) < count:
            index = int(entry)
        else:
            matches = _matches(entry, count, uuid, instances)
            if len(matches) != 1:
                found.unknown += [entry] if entry not in NONE else []
                return found
            index, name = matches[0]
            if name:
                found.named.setdefault(index, set()).add(name)
        if index not in found.cards:
            found.cards.append(index)
    return found


def _matches(
    entry: str, count: int, uuid: Callable[[int], str], instances: Callable[[int], Sequence[str]]
) -> list[tuple[int, str]]:
    """Cards, or instances of cards by their name, that begin like this."""
    if entry.startswith("GPU-"):
        return [(i, "") for i in range(count) if uuid(i).startswith(entry)]
    if not entry.startswith("MIG-"):
        return []
    every = [(i, name) for i in range(count) for name in dict.fromkeys(instances(i))]
    return [one for one in every if one[1] == entry] or [one for one in every if one[1].startswith(entry)]
