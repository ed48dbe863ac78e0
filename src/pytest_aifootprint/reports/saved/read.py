"""A run from a saved JSON report: each number prints as it did in the run that wrote it; sums are those of the file.

The mirror of ``json_report``: what it writes, this reads; docs/reference/json-report.md has the keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytest_aifootprint.attribution.balance import Balance
from pytest_aifootprint.attribution.idle import IdlePower
from pytest_aifootprint.impacts.contract import Grid
from pytest_aifootprint.quantities import EXACT_ZERO, Grams, GramsPerKwh, Litres, LitresPerKwh, Range
from pytest_aifootprint.records.amounts import Energy, Water
from pytest_aifootprint.records.model import MeterUse, RunFootprint, Totals, WorkerRecord
from pytest_aifootprint.reports.saved.changes import changes_of
from pytest_aifootprint.reports.saved.file import SavedError, check_version, load, uncollected
from pytest_aifootprint.reports.saved.read_models import hardware, hint, model
from pytest_aifootprint.reports.saved.read_rows import RowReader, carbon, energy, retries, tokens, verdict
from pytest_aifootprint.reports.saved.sheets import sheet_of
from pytest_aifootprint.reports.saved.timeline import timeline_of
from pytest_aifootprint.reports.saved.told import Factors, Told, notices

__all__ = ["SavedError", "read", "run_of"]


def read(path: Path) -> RunFootprint:
    """The run that a report of ``--aifootprint-report json`` was written of.

    Raises:
        SavedError: for a file that cannot be read or is no report; one line with the file and what is wrong.
    """
    with uncollected():
        return run_of(load(path), str(path))


def run_of(report: Mapping[str, Any], path: str = "report") -> RunFootprint:
    """The run of a report that was loaded already; ``path`` names it in errors. Raises SavedError."""
    check_version(report, path)
    try:
        return _run(Told(report, ""))
    except SavedError as error:
        raise SavedError(f"{path}: not a report of this plugin: {error}") from None
    except RecursionError:
        raise SavedError(f"{path}: not a report of this plugin: nested too deeply") from None


def _run(report: Told) -> RunFootprint:
    tool, where, grids = report.told("tool"), report.told("run"), report.told("run").told("grids")
    models = report.each("models", model)
    sheets = {name: sheet_of(name, row) for name, row in report.table("sheets").items()}
    rows = RowReader(sheets, {(m.id, m.provider): m.training for m in models})
    tests = report.each("tests", rows.test)
    seams = report.told("seams")
    return RunFootprint(
        version=tool.text("version"),
        factors_version=tool.text("factors_version"),
        started_at=where.text("started_at"),
        duration_s=where.number("duration_s"),
        python=where.text("python"),
        pytest=where.text("pytest"),
        host=where.mapping("host"),
        ci={name: where.told("ci").text(name) for name in where.told("ci").names()},
        commit=where.maybe_text("commit"),
        workers=where.each("workers", lambda row: WorkerRecord(row.text("id"), row.flag("reported", default=True))),
        local_grid=_grid(grids.told("local")),
        remote_grids={name: _grid(row) for name, row in grids.table("remote").items()},
        meters=where.each("meters", _meter),
        rejected_meters=where.each("rejected_meters", lambda row: {name: row.text(name) for name in row.names()}),
        totals=_totals(report, remote=any("remote" in test.energy.by_domain for test in tests)),
        balance={name: _balance(name, row) for name, row in report.table("balance").items()},
        tests=tests,
        fixtures=report.each("fixtures", rows.fixture),
        models=models,
        verdicts=report.each("verdicts", verdict),
        notices=notices(report),
        seams={name: seams.text(name) for name in seams.names()},
        idle_shared=where.flag("idle_shared", default=False),
        marginal={name: _grid(row) for name, row in grids.table("marginal").items()},
        hints=report.each("hints", hint),
        sheets=sheets,
        rows=where.text("rows", "ai"),
        hardware=where.each("hardware", hardware),
        timeline=timeline_of(where.raw("timeline")),
        project=where.mapping("project") if where.has("project") else None,
        partial=where.maybe_text("partial"),
        asked=where.texts("asked") if where.has("asked") else ("",),
        changes=changes_of(report.told("baseline")) if report.has("baseline") else None,
    )


def _grid(row: Told) -> Grid:
    intensity = row.range("carbon_g_per_kwh")
    if intensity is None:
        raise row.error("carbon_g_per_kwh", "range")
    water = row.range("water_l_per_kwh")
    return Grid(
        zone=row.text("zone"),
        carbon_g_per_kwh=GramsPerKwh(intensity),
        water_l_per_kwh=None if water is None else LitresPerKwh(water),
        source=row.text("source"),
        year=row.maybe_whole("year"),
        guessed=row.flag("guessed", default=False),
        hour=row.maybe_text("hour"),
        publisher=row.text("publisher", ""),
        water_own=row.flag("water_own", default=False),
        water_source=row.text("water_source", ""),
        water_year=row.maybe_whole("water_year"),
    )


def _meter(row: Told) -> MeterUse:
    return MeterUse(row.text("domain"), row.text("name"), row.basis("basis"), row.text("reason"))


def _balance(domain: str, row: Told) -> Balance:
    idle = row.told("idle") if row.has("idle") else None
    rules = row.told("shared_by_j") if row.has("shared_by_j") else None
    return Balance(
        domain=domain,
        meter=row.text("meter", ""),
        basis=row.basis("basis"),
        metered_j=row.number("metered_j"),
        ai_tests_j=row.number("ai_tests_j"),
        shared_fixtures_j=row.number("shared_fixtures_j"),
        other_tests_j=row.number("other_tests_j"),
        other_processes_j=row.number("other_processes_j"),
        idle_j=row.number("idle_j"),
        plugin_j=row.number("plugin_j"),
        clamped_j=row.number("clamped_j"),
        idle_power=None
        if idle is None
        else IdlePower(idle.number("power_w"), idle.basis("basis"), idle.whole("ticks"), idle.text("how")),
        shared_by_j={rule: rules.number(rule) for rule in rules.names()} if rules is not None else None,
    )


def _totals(report: Told, *, remote: bool) -> Totals:
    """``remote``: some test has energy of remote calls, if only 0."""
    row, cards = report.told("totals"), any(name.startswith("gpu") for name in report.table("balance"))
    calls, factors, shares = row.told("calls"), row.told("factors"), row.told("basis_share")
    of = {name: factors.factors(name) for name in ("carbon_g", "use_carbon_g", "energy_j", "water_l")}
    return Totals(
        ai_tests=row.whole("ai_tests"),
        tests=row.whole("tests"),
        calls_live=calls.whole("live"),
        calls_replayed=calls.whole("replayed"),
        calls_mocked=calls.whole("mocked"),
        tokens=tokens(row.told("tokens")),
        energy=_energy(row.told("energy_j"), of["energy_j"], remote=remote, cards=cards),
        carbon=carbon(row.told("carbon_g"), of["carbon_g"], of["use_carbon_g"]),
        water=_water(row.told("water_l"), of["water_l"]),
        avoidable_carbon_g=Grams(row.known("avoidable_carbon_g")),
        avoided_carbon_g=Grams(row.known("avoided_carbon_g")),
        sci_style=row.mapping("sci_style") if row.has("sci_style") else None,
        basis_share={name: shares.number(name) for name in shares.names()},
        unpriced_calls=row.whole("unpriced_calls"),
        retries=retries(row.told("retries")),
        hardware_unattributed_g=Grams(row.known("hardware_unattributed_g")),
        widest_times_over=row.maybe_number("widest_input_times_over"),
    )


def _energy(row: Told, factors: Factors | None, *, remote: bool, cards: bool) -> Energy:
    whole = energy(row, factors)
    by_domain = dict(whole.by_domain)
    # The report has a 0 where there was no remote call, too.
    if by_domain.get("remote") == EXACT_ZERO and not remote:
        del by_domain["remote"]
    return Energy(by_domain, whole.reported_total, ("gpu",) if cards and "gpu" in whole.unread else ())


def _water(row: Told, factors: Factors | None) -> Water:
    def litres(key: str) -> Litres:
        return Litres(row.known(key))

    whole: Range | None = row.range("total", factors)
    return Water(litres("site"), litres("source"), None if whole is None else Litres(whole))
