"""Each part of the JSON report as builtin types, key by key as docs/reference/json-report.md has them."""

from __future__ import annotations

from typing import Any

from pytest_aifootprint.attribution.balance import Balance
from pytest_aifootprint.detection.calls import AICall
from pytest_aifootprint.impacts.contract import Grid
from pytest_aifootprint.quantities import Grams, Joules, Notice
from pytest_aifootprint.records.amounts import Carbon, Energy, Tokens, Water
from pytest_aifootprint.records.model import (
    LOCAL_SERVER,
    Attempt,
    CallFootprint,
    FixtureFootprint,
    FixtureShare,
    MeteredParts,
    RunFootprint,
    Verdict,
)
from pytest_aifootprint.reports import facts
from pytest_aifootprint.reports.saved.hardware import hardware_row
from pytest_aifootprint.reports.saved.timeline import timeline_row
from pytest_aifootprint.reports.saved.values import ZERO, factors_of, finite, plain, ranged

Row = dict[str, Any]

DOMAINS = ("cpu", "ram", "gpu")


def run_row(run: RunFootprint) -> Row:
    """Where, when and with which meters."""
    return {
        "started_at": run.started_at,
        "duration_s": finite(run.duration_s),
        "python": run.python,
        "pytest": run.pytest,
        "host": {"id": None, "cpu": None, "gpus": [], "virtual": None, **plain(run.host)},
        "ci": plain(run.ci),
        "commit": run.commit,
        "idle_shared": run.idle_shared,
        "rows": run.rows,
        "project": None if run.project is None else plain(run.project),
        "partial": run.partial or None,
        "asked": list(run.asked),
        "workers": [{"id": worker.id, "reported": worker.reported} for worker in run.workers],
        "grids": {
            "local": grid_row(run.local_grid),
            "remote": {provider: grid_row(grid) for provider, grid in run.remote_grids.items()},
            "marginal": {name: grid_row(grid) for name, grid in run.marginal.items()},
        },
        "meters": [
            {"domain": meter.domain, "name": meter.name, "basis": meter.basis.value, "reason": meter.reason}
            for meter in run.meters
        ],
        "rejected_meters": [{"name": "", "reason": "", "remedy": "", **plain(meter)} for meter in run.rejected_meters],
        "hardware": [hardware_row(use) for use in run.hardware],
        "timeline": None if run.timeline is None else timeline_row(run.timeline),
    }


def grid_row(grid: Grid) -> Row:
    """A place's electricity."""
    return {
        "zone": grid.zone,
        "carbon_g_per_kwh": ranged(grid.carbon_g_per_kwh),
        "water_l_per_kwh": ranged(grid.water_l_per_kwh),
        "water_own": grid.water_own,
        "water_source": grid.water_source,
        "water_year": grid.water_year,
        "source": grid.source,
        "year": grid.year,
        "hour": grid.hour,
        "guessed": grid.guessed,
        "publisher": grid.publisher,
    }


def totals_row(run: RunFootprint) -> Row:
    """Over all AI tests. A local domain that nothing metered is null, not 0."""
    totals = run.totals
    carbon, energy, water = totals.carbon.total, totals.energy.total, totals.water.total
    domains = totals.energy.by_domain
    none_remote = None if totals.unpriced_calls else ZERO
    return {
        "ai_tests": totals.ai_tests,
        "tests": totals.tests,
        "calls": {"live": totals.calls_live, "replayed": totals.calls_replayed, "mocked": totals.calls_mocked},
        "unpriced_calls": totals.unpriced_calls,
        "tokens": tokens_row(totals.tokens),
        "energy_j": {
            **{domain: ranged(domains.get(domain)) for domain in DOMAINS},
            **({LOCAL_SERVER: ranged(domains[LOCAL_SERVER])} if LOCAL_SERVER in domains else {}),
            "remote": ranged(domains["remote"]) if "remote" in domains else none_remote,
            "total": ranged(energy),
        },
        "carbon_g": carbon_row(totals.carbon),
        "water_l": water_row(totals.water),
        "avoidable_carbon_g": ranged(totals.avoidable_carbon_g),
        "avoided_carbon_g": ranged(totals.avoided_carbon_g),
        "retries": {
            "attempts": totals.retries.attempts,
            "energy_j": ranged(totals.retries.energy.total),
            "carbon_g": carbon_row(totals.retries.carbon),
        },
        "hardware_unattributed_g": ranged(totals.hardware_unattributed_g),
        "sci_style": plain(totals.sci_style),
        "widest_input": carbon.widest_factor,
        "widest_input_times_over": finite(facts.widest_times_over(run)),
        "factors": {
            "carbon_g": factors_of(carbon),
            "use_carbon_g": factors_of(totals.carbon.use),
            "energy_j": factors_of(energy),
            "water_l": factors_of(water),
        },
        "basis_share": {
            basis: finite(totals.basis_share.get(basis, 0.0))
            for basis in ("measured", "modelled", "estimated", "assumed")
        },
    }


def energy_row(energy: Energy) -> Row:
    """The domains that there are, null for one that is unknown, and their sum."""
    domains = {domain: ranged(value) for domain, value in energy.by_domain.items()}
    domains |= dict.fromkeys(energy.unread)
    if len(domains) == 1 and energy.reported_total is None:
        return {**domains, "total": next(iter(domains.values()))}
    return {**domains, "total": ranged(energy.total)}


def carbon_row(carbon: Carbon, total: Grams | None = None) -> Row:
    """Use, training, hardware and the sum of what is known (``total``, if it is at hand); null if nothing is."""
    known = not (carbon.use is None and carbon.training is None and carbon.hardware is None)
    return {
        "use": ranged(carbon.use),
        "training": ranged(carbon.training),
        "hardware": ranged(carbon.hardware),
        "total": ranged((carbon.total if total is None else total) if known else None),
    }


def water_row(water: Water) -> Row:
    """At the data centre, at the power plants, and both."""
    return {"site": ranged(water.site), "source": ranged(water.source), "total": ranged(water.total)}


def tokens_row(tokens: Tokens) -> Row:
    """Counts; cached input is a subset of input, reasoning of output."""
    return {
        "input": tokens.input,
        "output": tokens.output,
        "cached_input": tokens.cached_input,
        "reasoning": tokens.reasoning,
        "unknown_calls": tokens.unknown_calls,
    }


def balance_row(balance: Balance) -> Row:
    """Where one domain's metered joules went."""
    return {
        "metered_j": finite(balance.metered_j),
        "ai_tests_j": finite(balance.ai_tests_j),
        "shared_fixtures_j": finite(balance.shared_fixtures_j),
        "other_tests_j": finite(balance.other_tests_j),
        "other_processes_j": finite(balance.other_processes_j),
        "idle_j": finite(balance.idle_j),
        "plugin_j": finite(balance.plugin_j),
        "clamped_j": finite(balance.clamped_j),
        "basis": balance.basis.value,
        "meter": balance.meter,
        "idle": _idle_row(balance),
        **({} if balance.shared_by_j is None else {"shared_by_j": plain(balance.shared_by_j)}),
    }


def _idle_row(balance: Balance) -> Row | None:
    """Watts that idle joules go by, their basis, from how many ticks, and how."""
    power = balance.idle_power
    if power is None:
        return None
    return {"power_w": finite(power.power_w), "basis": power.basis.value, "ticks": power.n, "how": power.how}


def factors_row(energy: Joules, carbon: Grams) -> Row:
    """What makes the cost of a test or a fixture uncertain, so that it can be compared with another run's."""
    return {"energy_j": factors_of(energy), "carbon_g": factors_of(carbon)}


def metered_row(parts: MeteredParts | None) -> Row | None:
    """Joules by what said them; None where that is one and the same."""
    return None if parts is None else plain(parts)


def attempt_row(attempt: Attempt) -> Row:
    """One attempt; phases as they are."""
    return {
        "attempt": attempt.number,
        "outcome": attempt.outcome,
        "duration_s": finite(attempt.duration_s),
        "phases": attempt.phases,
    }


def share_row(share: FixtureShare) -> Row:
    """What a test bears of a shared fixture."""
    return {
        "name": share.name,
        "scope": share.scope,
        "users": share.users,
        "energy_j": ranged(share.energy.total),
        "carbon_g": ranged(share.carbon.total),
        "setups": share.setups,
        "trained": list(share.trained),
        "id": share.id,
    }


def call_row(priced: CallFootprint) -> Row:
    """C of the contract: a call and its price."""
    return {**call_facts(priced.call), **price_row(priced)}


def call_facts(call: AICall) -> Row:
    """The first half of a call's row: what was called, and how."""
    return {
        "operation": call.operation,
        "provider": call.provider,
        "model": call.model,
        "response_model": call.response_model,
        "locality": call.locality,
        "realness": call.realness,
        "replayer": call.replayer,
        "host": call.host,
        "client": call.client,
        "count": call.count,
        "streamed": call.streamed,
        "abandoned": call.abandoned,
        "input_tokens": call.input_tokens,
        "output_tokens": call.output_tokens,
        "cached_input_tokens": call.cached_input_tokens,
        "reasoning_tokens": call.reasoning_tokens,
        "tokens_estimated": call.tokens_estimated,
        "parameters": call.parameters,
        "precision": call.precision,
        "device": call.device,
        "revision": call.revision,
        "samples": call.samples,
        "media_s": None if call.media_s is None else finite(call.media_s),
        "steps": call.steps,
        "epochs": None if call.epochs is None else finite(call.epochs),
        "started_s": call.started_ns / 1e9,
        "duration_s": call.duration_ns / 1e9,
        "cpu_s": call.cpu_ns / 1e9 if call.cpu_ns else None,
        "server_cpu_s": None if call.server is None else (call.server[5] - call.server[4]) / 1e9,
        "status": call.status,
        "phase": call.phase,
        "inferred": call.inferred,
    }


def price_row(priced: CallFootprint) -> Row:
    """The second half of a call's row. Of metered local energy, it has its part of what the test has."""
    impact, carbon = priced.impact, priced.carbon
    total = carbon.total
    return {
        "priced": impact.priced,
        "energy_j": ranged(impact.energy_j),
        "local_energy_j": ranged(priced.local_energy_j),
        "carbon_g": carbon_row(carbon, total),
        "water_l": ranged(priced.water_l),
        "avoidable_carbon_g": ranged(impact.avoidable_carbon_g),
        "avoided_carbon_g": ranged(impact.avoided_carbon_g),
        "basis": impact.basis.value,
        "source": impact.source,
        "equation": impact.equation,
        "sheet": None if impact.sheet is None else impact.sheet.name or None,
        "factors": factors_of(total),
        "notices": [notice_row(notice) for notice in impact.notices],
    }


def fixture_row(fixture: FixtureFootprint) -> Row:
    """A shared fixture as a whole; what each test bears of it stands with the test."""
    return {
        "id": fixture.id,
        "name": fixture.name,
        "scope": fixture.scope,
        "users": list(fixture.users),
        "setups": fixture.setups,
        "calls": [call_row(call) for call in fixture.calls],
        "energy_j": energy_row(fixture.energy),
        "carbon_g": carbon_row(fixture.carbon),
        "factors": factors_row(fixture.energy.total, fixture.carbon.total),
        "cpu_s": finite(fixture.cpu_s),
        "machine_s": finite(fixture.machine_s),
        "cards_s": plain(fixture.cards_s),
        "active_energy_j": ranged(fixture.active_j),
        "metered_j": metered_row(fixture.metered),
        "payers": fixture.payers,
        "ai_payers": fixture.ai_payers,
        "avoidable_carbon_g": ranged(fixture.avoidable_carbon_g),
        "only_ai_users": fixture.only_ai_users,
    }


def verdict_row(verdict: Verdict) -> Row:
    """V of the contract."""
    return {
        "scope": verdict.scope,
        "limit": verdict.limit,
        "limit_value": finite(verdict.limit_value),
        "unit": verdict.unit,
        "actual": ranged(verdict.actual),
        "bound": verdict.bound,
        "verdict": verdict.verdict,
        "message": verdict.message,
        "reason": verdict.reason,
    }


def notice_row(notice: Notice) -> Row:
    """N of the contract."""
    return {"code": notice.code, "message": notice.message, "url": notice.url}
