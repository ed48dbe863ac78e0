"""AMD cards on Linux, by amdsmi: which of them can be metered, and how.

Not exercised on that hardware: written against the binding and a library of our own making.
"""

from __future__ import annotations

import contextlib
import io
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pytest_aifootprint.meters.amd_card import AmdCard, Die, ask, dies
from pytest_aifootprint.meters.amd_codes import SAME_VERSION
from pytest_aifootprint.meters.amd_meter import AmdMeter
from pytest_aifootprint.meters.contract import RejectedMeter
from pytest_aifootprint.meters.counters import CounterFault

_APU_FORMATS = (2, 3)
_FOR_HIP = ("HIP_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES", "GPU_DEVICE_ORDINAL")


def find_amd(
    root: Path,
    environ: Mapping[str, str],
    *,
    first: int = 0,
    clock: Callable[[], int] = time.monotonic_ns,
) -> tuple[list[AmdMeter], list[RejectedMeter]]:
    """A meter for every visible card, and the cards that cannot be metered. Asked only where the kernel has the driver.

    Args:
        root: the file system's root, for what the kernel tells of a card.
        environ: for ROCR_VISIBLE_DEVICES and what HIP looks at.
        first: the number of the first card's domain: cards of others come before.
        clock: CLOCK_MONOTONIC in ns.
    """
    try:
        smi = _amdsmi()
        ask(smi, "amdsmi_init")
        listed = dies(smi)
    except CounterFault as fault:
        return [], [RejectedMeter("amdsmi", fault.reason, fault.remedy)]
    if not listed:
        return [], [RejectedMeter("amdsmi", "the AMD driver shows no card", "see amd-smi list")]
    visible, rejected = _visible(environ, listed, alone=first == 0)
    meters: list[AmdMeter] = []
    for numbers in cards(listed):
        if visible.isdisjoint(numbers):
            continue
        domain = f"gpu{first + numbers[0]}"
        try:
            _is_a_card(root, listed[numbers[0]])
            meters.append(_meter(smi, [listed[i] for i in numbers], domain, clock))
        except CounterFault as fault:
            rejected.append(RejectedMeter(f"amdsmi {domain}", fault.reason, fault.remedy))
    return meters, rejected


def cards(listed: Sequence[Die]) -> list[list[int]]:
    """What is one card: a die and those after it whose counter reads 0 because the first one's counts for them.

    An MI250X has two dies, and an MI300X may be partitioned: amdsmi lists each of them, with one counter for a card.
    """
    found: list[list[int]] = []
    for i, die in enumerate(listed):
        if found and _counted_in(die, listed[found[-1][0]], others=len(found[-1]) - 1):
            found[-1].append(i)
        else:
            found.append([i])
    return found


def _counted_in(die: Die, leader: Die, others: int) -> bool:
    if die.counts or not leader.counts or die.name != leader.name:
        return False
    if die.bus and die.bus.rpartition(".")[0] == leader.bus.rpartition(".")[0]:
        return True
    # AMD Instinct MI250, MI250X: two dies with a bus address each. An MI210 is one of them alone.
    return others == 0 and "MI25" in die.name.upper()


def _is_a_card(root: Path, die: Die) -> None:
    """Raises CounterFault where the graphics part of a processor is meant: its power is that of the whole socket."""
    try:
        with (root / "sys/bus/pci/devices" / die.bus / "gpu_metrics").open("rb") as f:
            head = f.read(4)
    except OSError:
        return
    # Linux: struct metrics_table_header: the size, the format (1: of a card, 2 and 3: of an APU), its revision.
    if die.bus and len(head) == 4 and head[2] in _APU_FORMATS:
        raise CounterFault(
            f"{die.name} is a part of the processor: what it tells is of the whole processor",
            "nothing to do: the processor's own meter, or its model, contains it",
        )


def _amdsmi() -> Any:
    """The binding. Raises CounterFault."""
    try:
        # Without its library the binding prints so, and then fails with what comes first.
        with contextlib.redirect_stdout(io.StringIO()):
            import amdsmi
    except ImportError as e:
        raise CounterFault(f"amdsmi does not import: {e}", f"pip install amdsmi: {SAME_VERSION}") from None
    except (KeyError, OSError):
        raise CounterFault("libamd_smi.so was not found", "install amd-smi-lib, which is part of ROCm") from None
    except AttributeError as e:
        raise CounterFault(f"amdsmi and its library are of different versions: {e}", SAME_VERSION) from None
    return amdsmi


def _visible(environ: Mapping[str, str], listed: Sequence[Die], *, alone: bool) -> tuple[set[int], list[RejectedMeter]]:
    """The numbers of what the variables leave visible: ROCm's own first, then HIP's among the rest.

    Args:
        environ: the environment.
        listed: all that the driver lists.
        alone: no other maker's cards are here. Else CUDA_VISIBLE_DEVICES is of those.
    """
    chosen = list(range(len(listed)))
    rejected: list[RejectedMeter] = []
    for_hip = [name for name in _FOR_HIP if name in environ and (alone or name != "CUDA_VISIBLE_DEVICES")]
    for name in ("ROCR_VISIBLE_DEVICES", *for_hip[:1]):
        text = environ.get(name)
        chosen, unknown = _named(text, chosen, listed)
        rejected += [
            RejectedMeter("amdsmi", f"{name} names {entry!r}, which is no card here", "correct it") for entry in unknown
        ]
        if not chosen and not unknown:
            rejected.append(RejectedMeter("amdsmi", f"{name}={text!r} hides every card", "nothing to do"))
        if not chosen:
            break
    return set(chosen), rejected


def _named(text: str | None, among: list[int], listed: Sequence[Die]) -> tuple[list[int], list[str]]:
    """Those of a list that a variable names, by their place in it or by UUID, and what it names that is none of them.

    The first entry that names none ends it, as with CUDA: ROCm's documentation does not say.
    """
    if text is None:
        return among, []
    chosen: list[int] = []
    for entry in (part.strip() for part in text.split(",")):
        if entry.isascii() and entry.isdigit():
            found = among[int(entry) : int(entry) + 1]
        else:
            found = [i for i in among if entry and listed[i].uuid.lower() == entry.lower()]
        if not found:
            return chosen, [entry] if entry not in {"", "-1"} else []
        chosen += [i for i in found if i not in chosen]
    return chosen, []


def _meter(smi: Any, parts: Sequence[Die], domain: str, clock: Callable[[], int]) -> AmdMeter:
    """The meter of a card: by its counter if that moves, else by its power. Raises CounterFault."""
    leader = parts[0]
    card = AmdCard(smi, [die.handle for die in parts])
    name = f"{leader.name} ({leader.uuid or leader.bus or domain})"
    together = f", which counts for its {len(parts)} dies" if len(parts) > 1 else ""
    counts, reason = True, f"AMD SMI energy counter of {name}{together}"
    try:
        _probe(card)
    except CounterFault as fault:
        try:
            card.power_w()
        except CounterFault:
            raise fault from None
        counts, reason = False, f"AMD SMI power of {name}, integrated: {fault.reason}"
    return AmdMeter(card, domain, reason, clock, counts=counts, called=leader.name)


def _probe(card: AmdCard) -> None:
    """Read the counter twice. Raises CounterFault if nothing feeds it."""
    first_j, second_j = card.energy_j(), card.energy_j()
    if second_j == 0 or second_j < first_j:
        raise CounterFault(
            f"the energy counter reads {first_j:.6g}, then {second_j:.6g} J: nothing feeds it",
            "a card's second die counts in the first, which is not to be seen here; else see amd-smi metric --energy",
        )
