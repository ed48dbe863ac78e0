"""A run as far as it can be compared with another: of this session, or from a saved report.

A test counts with its own windows and calls; a shared fixture is an entry of its own, as a whole. So a test comes to
the same whether one test or fifty others share its fixtures, and whether all of them ran.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct, field

from pytest_aifootprint.detection.believed import BY_PIECE
from pytest_aifootprint.quantities import EXACT_ZERO, Range
from pytest_aifootprint.records.amounts import Tokens
from pytest_aifootprint.records.model import CallFootprint, FixtureFootprint, RunFootprint, TestFootprint, count_tokens

FIXTURE = "fixture "
DIGITS_OF_GRIDS = 4


class Spent(Struct, frozen=True):
    """What a test by itself, or a shared fixture as a whole, came to.

    Attributes:
        calls: live ones. tokens: of them; None if one did not tell.
        energy_j, carbon_g: of its own windows and calls.
        remote_j, remote_tokens: of its live remote calls that told their tokens.
        models: that were called live, sorted. outcome: of a test; "" of a fixture. unpriced: calls without a price.
        share: how much of it AI tests bear; 1 for a test.
    """

    calls: int
    tokens: int | None
    energy_j: Range
    carbon_g: Range
    remote_j: float = 0.0
    remote_tokens: int = 0
    models: tuple[str, ...] = ()
    outcome: str = ""
    unpriced: int = 0
    share: float = 1.0

    def __add__(self, other: Spent) -> Spent:
        """The same test once more, under the same id."""
        return Spent(
            self.calls + other.calls,
            None if self.tokens is None or other.tokens is None else self.tokens + other.tokens,
            self.energy_j + other.energy_j,
            self.carbon_g + other.carbon_g,
            self.remote_j + other.remote_j,
            self.remote_tokens + other.remote_tokens,
            tuple(sorted({*self.models, *other.models})),
            max(self.outcome, other.outcome, key=_worse),
            self.unpriced + other.unpriced,
            self.share,
        )


def plain_id(nodeid: str) -> str:
    """A node id without the group that xdist's ``--dist loadgroup`` puts behind it: workers are no other test."""
    name, at, group = nodeid.rpartition("@")
    return name if at and "]" not in group and "::" in name and "::" not in group else nodeid


def _worse(outcome: str) -> bool:
    return outcome not in {"", "passed", "xpassed", "xfailed"}


class Setting(Struct, frozen=True):
    """What energy and carbon depend on beside the tests: the machine with its meters, and the factors.

    Attributes:
        machine: ``cpu``, ``kind``, ``meters`` (domain and name of each, and the cards), ``idle_shared``.
        factors: version of the data that priced the run.
        grids: g CO2e/kWh of this machine (``local``) and by provider: what carbon depends on beside energy.
    """

    machine: Mapping[str, Any]
    factors: str
    grids: Mapping[str, float] = field(default_factory=dict)


class Snapshot(Struct, frozen=True):
    """A run as far as it can be compared.

    Attributes:
        project: ``name`` and where it is ``from``; None if the report does not say.
        spent: by node id; of a shared fixture by ``fixture`` and its id.
        partial: why not all that was asked for ran; "" if it did; None if the report does not say.
        asked: what was asked for, as the beginnings of node ids; "" is the whole suite.
        lost: workers that were lost. without_row: AI tests that have no row.
    """

    project: Mapping[str, str] | None
    setting: Setting
    spent: Mapping[str, Spent]
    partial: str | None = None
    asked: tuple[str, ...] = ("",)
    lost: tuple[str, ...] = ()
    without_row: int = 0

    def was_asked_for(self, name: str) -> bool:
        """Whether a test or fixture belongs to what was asked for."""
        name = name.removeprefix(FIXTURE)
        return any(not a or name == a or name.startswith((f"{a}/", f"{a}::", f"{a}[")) for a in self.asked)

    @property
    def tests(self) -> int:
        """How many of the entries are tests."""
        return sum(not name.startswith(FIXTURE) for name in self.spent)


# --- of this session --------------------------------------------------------------------------------------------------


def snapshot_of_run(run: RunFootprint) -> Snapshot:
    """The run of this session."""
    tests = [test for test in run.telling_tests if test.ai]
    rows = [(plain_id(test.nodeid), _of_test(test)) for test in tests]
    rows += [(FIXTURE + fixture.id, _of_fixture(fixture)) for fixture in run.fixtures if fixture.ai_payers]
    grids = {"local": run.local_grid, **run.remote_grids}
    return Snapshot(
        project=run.project,
        setting=Setting(
            _machine(run.host, [(meter.domain, meter.name) for meter in run.meters], idle_shared=run.idle_shared),
            run.factors_version,
            {name: _grid(grid.carbon_g_per_kwh.central) for name, grid in sorted(grids.items())},
        ),
        spent=_merged(rows),
        partial=run.partial,
        asked=run.asked,
        lost=tuple(worker.id for worker in run.workers if not worker.reported),
        without_row=run.totals.ai_tests - len(tests) if run.rows == "marked" else 0,
    )


def _of_test(test: TestFootprint) -> Spent:
    return _spent(test.calls, test.direct_energy.total, test.direct_carbon.total, test.outcome)


def _of_fixture(fixture: FixtureFootprint) -> Spent:
    share = fixture.ai_payers / fixture.payers
    return _spent(fixture.calls, fixture.energy.total, fixture.carbon.total, "", share)


def _spent(calls: tuple[CallFootprint, ...], energy: Range, carbon: Range, outcome: str, share: float = 1.0) -> Spent:
    live = [c for c in calls if c.call.realness == "live"]
    remote = [(c.impact.energy_j, count_tokens([c])) for c in live if c.call.locality == "remote"]
    told = [(j.central, tokens.all) for j, tokens in remote if j is not None and _told(tokens)]
    tokens = count_tokens(calls)
    return Spent(
        calls=sum(c.call.count for c in live),
        tokens=None if tokens.unknown_calls else tokens.all,
        energy_j=energy,
        carbon_g=carbon,
        remote_j=math.fsum(joules for joules, _ in told),
        remote_tokens=sum(number for _, number in told),
        models=tuple(sorted({c.call.model or "unknown" for c in live})),
        outcome=outcome,
        unpriced=sum(c.call.count for c in live if not c.impact.priced),
        share=share,
    )


def _told(tokens: Tokens) -> bool:
    return bool(tokens.all) and not tokens.unknown_calls


# --- of a saved report ------------------------------------------------------------------------------------------------

BROKEN = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError)
"""What goes wrong with a file that looks like a report and is none."""


def snapshot_of_report(report: Mapping[str, Any]) -> Snapshot:
    """A saved report, as ``reports.saved.file.load`` gives it.

    Raises:
        ValueError: one line, for what is no report of this plugin.
    """
    try:
        return _snapshot(report)
    except BROKEN as error:
        raise ValueError(f"not a report of this plugin: {type(error).__name__}: {error}"[:300]) from None


def _snapshot(report: Mapping[str, Any]) -> Snapshot:
    run = report["run"]
    tests = [row for row in report["tests"] if row["ai"]]
    rows = [
        (plain_id(str(row["nodeid"])), _spent_row(row["calls"], row["direct"], str(row["outcome"]))) for row in tests
    ]
    for row in report["fixtures"]:
        if row["ai_payers"]:
            share = float(row["ai_payers"]) / float(row["payers"])
            rows.append((f"{FIXTURE}{row['id']}", _spent_row(row["calls"], row, "", share)))
    grids = {"local": run["grids"]["local"], **run["grids"]["remote"]}
    meters = [(str(meter["domain"]), str(meter["name"])) for meter in run["meters"]]
    project = run.get("project")
    if project is not None:
        project = {"name": str(project["name"]), "from": str(project["from"])}
    return Snapshot(
        project=project,
        setting=Setting(
            _machine(run["host"], meters, idle_shared=bool(run.get("idle_shared"))),
            str(report["tool"]["factors_version"]),
            {name: _grid(float(row["carbon_g_per_kwh"]["central"])) for name, row in sorted(grids.items())},
        ),
        spent=_merged(rows),
        partial=(str(run["partial"]) if run["partial"] else "") if "partial" in run else None,
        asked=tuple(map(str, run.get("asked") or ("",))),
        lost=tuple(str(worker["id"]) for worker in run["workers"] if not worker["reported"]),
        without_row=int(report["totals"]["ai_tests"]) - len(tests) if run.get("rows") == "marked" else 0,
    )


def _spent_row(calls: Iterable[Mapping[str, Any]], cost: Mapping[str, Any], outcome: str, share: float = 1.0) -> Spent:
    live = [call for call in calls if call["realness"] == "live"]
    by_tokens = [call for call in live if call["operation"] not in {"inference", "training"}]
    remote = [call for call in by_tokens if call["locality"] == "remote" and call["energy_j"] is not None]
    told = [(float(c["energy_j"]["central"]), n) for c in remote if (n := tokens_of_row(c))]
    unknown = any(tokens_of_row(call) is None for call in by_tokens)
    factors = cost.get("factors") or {}
    return Spent(
        calls=sum(int(call["count"]) for call in live),
        tokens=None if unknown else sum(tokens_of_row(call) or 0 for call in by_tokens),
        energy_j=_ranged(cost["energy_j"]["total"], factors.get("energy_j")),
        carbon_g=_ranged(cost["carbon_g"]["total"], factors.get("carbon_g")),
        remote_j=math.fsum(joules for joules, _ in told),
        remote_tokens=sum(number for _, number in told),
        models=tuple(sorted({call["model"] or "unknown" for call in live})),
        outcome=outcome,
        unpriced=sum(int(call["count"]) for call in live if not call["priced"]),
        share=share,
    )


def tokens_of_row(call: Mapping[str, Any]) -> int | None:
    """Of all ``count`` calls of a row; None for a call that did not tell them, 0 where there are none to tell."""
    told = [call["input_tokens"], call["output_tokens"]]
    if told == [None, None]:
        return 0 if call["operation"] in BY_PIECE else None
    if any(notice["code"] == "implausible-tokens" for notice in call["notices"]):
        return None
    return sum(int(number or 0) for number in told) * int(call["count"])


def _ranged(row: Mapping[str, Any] | None, factors: Iterable[Mapping[str, Any]] | None) -> Range:
    """A range of a report, with its factors where they are told; else all of it is due to one that nobody shares."""
    if row is None or not row["central"]:
        return EXACT_ZERO
    low, central, high = (float(row[end]) for end in ("low", "central", "high"))
    if factors is not None:
        return Range(central, {str(f["name"]): (math.log(f["low"]), math.log(f["high"])) for f in factors})
    return Range.of(low, central, high, "report") if low < high else Range(central)


# --- of both ----------------------------------------------------------------------------------------------------------


def _merged(rows: Iterable[tuple[str, Spent]]) -> dict[str, Spent]:
    merged: dict[str, Spent] = {}
    for name, spent in rows:
        merged[name] = merged[name] + spent if name in merged else spent
    return merged


def _machine(host: Mapping[str, Any], meters: Iterable[tuple[str, str]], *, idle_shared: bool) -> dict[str, Any]:
    """What joules depend on, and no name of a host: machines of one fleet are one machine."""
    cards = [str(card) for card in host.get("gpus") or ()]
    return {
        "cpu": str(host.get("cpu")),
        "kind": str(host.get("kind")),
        "meters": [*sorted({f"{domain}: {name}" for domain, name in meters}), *sorted(cards)],
        "idle_shared": idle_shared,
    }


def _grid(grams_per_kwh: float) -> float:
    return float(f"{grams_per_kwh:.{DIGITS_OF_GRIDS - 1}e}")
