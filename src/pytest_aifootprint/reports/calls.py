"""The calls of one test, as lines under its name."""

# ruff: noqa: RUF001 - the sign that is printed
from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence

from pytest_aifootprint.impacts.tokens import ERROR_STATUS
from pytest_aifootprint.quantities import OfUnit, total
from pytest_aifootprint.records.model import CallFootprint
from pytest_aifootprint.reports import formatting

MOST_LINES = 10
LONGEST_NAME = 100
INDENT = "    "


def call_lines(calls: Sequence[CallFootprint], most: int = MOST_LINES) -> list[str]:
    """What was called, how often, with how many tokens, and what it emitted beside the energy metered here.

    Calls that print alike stand in one line, in the order of the first; tokens and carbon are those of all of them.
    """
    folded: dict[tuple[object, ...], list[CallFootprint]] = {}
    for priced in calls:
        call = priced.call
        key = (
            call.operation, call.provider, call.model, call.host if call.model is None else None, call.locality,
            call.realness, _trouble(priced), formatting.count(call.input_tokens),
            formatting.count(call.output_tokens), priced.impact.priced,
        )  # fmt: skip
        folded.setdefault(key, []).append(priced)
    groups = list(folded.values())
    # One line too many is no longer than the line that would say so.
    shown = groups if len(groups) <= most + 1 else groups[:most]
    lines = [_line(group) for group in shown]
    if rest := [priced for group in groups[len(shown) :] for priced in group]:
        lines.append(f"… and {formatting.counted(_count(rest), 'more call')}{emitted(rest)}")
    return lines


def wrapped(lines: Sequence[str], width: int | None) -> list[str]:
    """The lines indented, each wrapped behind commas so far as that makes it fit; not wrapped without a width."""
    if width is None:
        return [INDENT + line for line in lines]
    made: list[str] = []
    for line in lines:
        indent = INDENT
        for number, part in enumerate(line.split(", ")):
            if number and _cells(f"{made[-1]}, {part}") <= width - 1:
                made[-1] += f", {part}"
                continue
            if number:
                made[-1] += ","
            made.append(indent + part)
            indent = INDENT * 2
    return made


def _line(group: Sequence[CallFootprint]) -> str:
    first, times = group[0].call, _count(group)
    said = f"{first.operation} {_name(group[0])}" + (f" ×{times}" if times > 1 else "")
    parts = [formatting.one_line(said)]
    parts += [first.realness] if first.realness != "live" else []
    parts += [first.locality] if first.locality == "local" else []
    parts += [trouble] if (trouble := _trouble(group[0])) else []
    if first.input_tokens is not None or first.output_tokens is not None:
        told = [_tokens(group, name) for name in ("input_tokens", "output_tokens")]
        parts.append(f"{' + '.join(map(formatting.count, told))} tokens")
    return ", ".join(parts) + emitted(group)


def _name(priced: CallFootprint) -> str:
    call = priced.call
    name = call.model or (f"unknown model at {call.host}" if call.host else "unknown model")
    if call.provider and call.provider != call.locality and not name.startswith(f"{call.provider}/"):
        name = f"{call.provider}/{name}"
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME // 2]}…{name[-LONGEST_NAME // 2 :]}"


def _trouble(priced: CallFootprint) -> str:
    status = priced.call.status
    return f"status {status}" if isinstance(status, str) or (status or 0) >= ERROR_STATUS else ""


def _tokens(group: Sequence[CallFootprint], name: str) -> int | None:
    told = [(getattr(priced.call, name), priced.call.count) for priced in group]
    return None if any(number is None for number, _ in told) else sum(number * count for number, count in told)


def _count(group: Sequence[CallFootprint]) -> int:
    return sum(priced.call.count for priced in group)


def emitted(group: Sequence[CallFootprint]) -> str:
    """What is known of the carbon of equal calls, with its comma; empty where all of it is metered here."""
    if any(not priced.impact.priced for priced in group):
        return ", not priced"
    here = group[0].call.locality == "local" and not _known(g.impact.energy_j for g in group).central
    parts = []
    if (carbon := _known(g.carbon.total for g in group)).central:
        # Its electricity is metered in the test's windows, and stands in the figure of the test.
        parts.append(formatting.suffix(carbon) + (" of its training" if here else ""))
    if any(g.impact.avoided_carbon_g is None for g in group):
        parts.append("what it avoided is unknown")
    elif (avoided := _known(g.impact.avoided_carbon_g for g in group)).central:
        parts.append(f"avoided {formatting.suffix(avoided)}")
    if not here:  # of a model that this run trains, the end of the run tells
        parts += dict.fromkeys(f"{name} unknown" for g in group for name in g.carbon.unknown)
    return "".join(f", {part}" for part in parts)


def _known(values: Iterable[OfUnit | None]) -> OfUnit:
    return total(value for value in values if value is not None)


def _cells(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else not unicodedata.combining(c) for c in text)
