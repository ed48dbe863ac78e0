"""What a JUnit file says of a run and of a test: names that end in their unit, values as programs read them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from pytest_aifootprint.quantities import Range
from pytest_aifootprint.records.amounts import Carbon, Energy, Tokens
from pytest_aifootprint.records.model import RunFootprint, TestFootprint, live_calls, worst
from pytest_aifootprint.reports.saved.values import ranged

if TYPE_CHECKING:
    from pytest_aifootprint.records.model import CallFootprint

Properties = list[tuple[str, str]]

PREFIX = "aifootprint."
_AT_ONCE = frozenset(
    PREFIX + name for name in ("direct.carbon_g", "direct.energy_j", "tokens", "calls", "calls_without_tokens")
)

# XML 1.0 has no way to say these; pytest shows them so, and a name has to be the same in its file and in ours.
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")


def xml_text(text: str) -> str:
    """The text with what XML cannot hold made visible: a bell is ``#x07``."""
    return _NOT_XML.sub(lambda found: f"#x{ord(found.group()):02X}", text)


def is_ours(name: str) -> bool:
    """Whether a property of a test is one that we put there while the test ran."""
    return name in _AT_ONCE


def address(nodeid: str) -> tuple[str, str]:
    """Class name and name that pytest gives a test case in JUnit, without ``--junitprefix``."""
    path, bracket, parameters = nodeid.partition("[")
    names = path.split("::")
    names[0] = names[0].replace("/", ".").removesuffix(".py")
    names[-1] += bracket + parameters
    return xml_text(".".join(names[:-1])), xml_text(names[-1])


def at_once(carbon: Carbon, energy: Energy, tokens: Tokens, calls: Iterable[CallFootprint]) -> Properties:
    """A test's direct cost: grams CO2e, joules, tokens and live calls. What is unknown is left out."""
    return _named(_direct(carbon, energy, tokens, calls))


def of_test(test: TestFootprint) -> Properties:
    """A test's footprint with its share of fixtures, and its direct cost. What is unknown is left out."""
    return _named(_of_test(test))


def on_suite(tests: Iterable[TestFootprint]) -> Properties:
    """Properties of tests as properties of their suite: behind the name stands the test's id."""
    return [(f"{name} {xml_text(test.nodeid)}", value) for test in tests for name, value in of_test(test)]


def of_run(run: RunFootprint) -> Properties:
    """Totals of a run with their ranges, what they rest on, and the verdicts. What is unknown is left out."""
    return _named(_of_run(run))


def _named(values: Iterator[tuple[str, str | None]]) -> Properties:
    return [(PREFIX + name, xml_text(value)) for name, value in values if value is not None]


def _of_test(test: TestFootprint) -> Iterator[tuple[str, str | None]]:
    yield from _ends("carbon_g", test.carbon.known_total)
    yield "energy_j", _central(test.energy.total)
    yield from _direct(test.direct_carbon, test.direct_energy, test.tokens, test.calls)
    yield "unknown", ",".join(test.carbon.unknown) or None
    yield "verdict", worst(test.verdicts)


def _direct(
    carbon: Carbon, energy: Energy, tokens: Tokens, calls: Iterable[CallFootprint]
) -> Iterator[tuple[str, str | None]]:
    yield "direct.carbon_g", _central(carbon.known_total)
    yield "direct.energy_j", _central(energy.total)
    yield "tokens", str(tokens.all)
    yield "calls", str(live_calls(calls))
    yield "calls_without_tokens", str(tokens.unknown_calls) if tokens.unknown_calls else None


def _of_run(run: RunFootprint) -> Iterator[tuple[str, str | None]]:
    totals = run.totals
    carbon = totals.carbon
    yield from _ends("carbon_g", carbon.known_total)
    for part, value in carbon.parts:
        yield f"{part}.carbon_g", _central(value)
    yield "unknown", ",".join(carbon.unknown) or None
    yield "avoidable.carbon_g", _central(totals.avoidable_carbon_g)
    yield "avoided.carbon_g", _central(totals.avoided_carbon_g)
    yield from _ends("energy_j", totals.energy.total)
    yield from _ends("water_l", totals.water.total)
    yield "tokens", str(totals.tokens.all)
    yield "calls", str(totals.calls_live)
    yield "calls_replayed", str(totals.calls_replayed)
    yield "calls_mocked", str(totals.calls_mocked)
    yield "calls_without_tokens", str(totals.tokens.unknown_calls) if totals.tokens.unknown_calls else None
    yield "calls_without_price", str(totals.unpriced_calls) if totals.unpriced_calls else None
    yield "ai_tests", str(totals.ai_tests)
    yield "grid", run.local_grid.zone
    yield "grid.carbon_g_per_kwh", _central(run.local_grid.carbon_g_per_kwh)
    yield "version", run.version
    yield "factors_version", run.factors_version
    yield "verdict", worst(run.all_verdicts)
    for number, verdict in enumerate(run.verdicts, start=1):
        yield f"verdict.{number}", f"{verdict.verdict}: {verdict.message}"


def _ends(name: str, value: Range | None) -> Iterator[tuple[str, str | None]]:
    row = ranged(value)
    yield name, None if row is None else repr(row["central"])
    yield f"low.{name}", None if row is None else repr(row["low"])
    yield f"high.{name}", None if row is None else repr(row["high"])


def _central(value: Range | None) -> str | None:
    return None if value is None else repr(value.central)
