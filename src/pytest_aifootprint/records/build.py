"""From a raw run to its footprint: attribution, prices, sums. One pass, in the process that prints."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version

from msgspec import Struct

from pytest_aifootprint.attribution import fixtures
from pytest_aifootprint.attribution.balance import Kind, balance
from pytest_aifootprint.attribution.balance import notices as balance_notices
from pytest_aifootprint.attribution.fixtures import FixtureBill, FixtureKey
from pytest_aifootprint.attribution.shares import DomainShares, with_own_cpu
from pytest_aifootprint.detection.calls import LOAD
from pytest_aifootprint.impacts import Pricer
from pytest_aifootprint.quantities import Notice, Sheet
from pytest_aifootprint.quantities.changed import replace
from pytest_aifootprint.records import avoidable
from pytest_aifootprint.records.collector import AGAIN, Collector
from pytest_aifootprint.records.cost import Accounts, Cost, sum_costs
from pytest_aifootprint.records.domains import MachineData, domain_shares, reserved_seconds
from pytest_aifootprint.records.hardware import hardware_notices, hardware_uses, unattributed_g
from pytest_aifootprint.records.model import (
    HERE,
    Attempt,
    CallFootprint,
    FixtureFootprint,
    FixtureShare,
    MeterUse,
    Retries,
    RunFootprint,
    TestFootprint,
    Verdict,
    WorkerRecord,
)
from pytest_aifootprint.records.models import OUTSIDE, Placed, model_footprints
from pytest_aifootprint.records.notices import call_notices, run_notices
from pytest_aifootprint.records.raw import TestRun
from pytest_aifootprint.records.sci import sci_style
from pytest_aifootprint.records.scopes import scope_footprints
from pytest_aifootprint.records.servers import book_servers
from pytest_aifootprint.records.timeline import timeline_of
from pytest_aifootprint.records.totals import totals_of
from pytest_aifootprint.records.unread import rejected_notices, unread_in_test, unread_notices


class RunInfo(Struct, frozen=True):
    """What is known about a run beside its numbers.

    Attributes:
        rows: which tests get a row (``ai``, ``marked``, ``all``).
        idle_shared: the machine is there for the tests alone: its idle power and its manufacture are theirs.
        scopes: names of the parts of the run whose sums are wanted.
    """

    started_at: str
    duration_s: float
    python: str
    pytest: str
    ci: Mapping[str, str]
    commit: str | None
    rows: str = "ai"
    idle_shared: bool = False
    scopes: Sequence[str] = ()
    own_cpu_s: Callable[[], float] = lambda: 0.0


def build(
    collector: Collector,
    data: MachineData,
    info: RunInfo,
    pricer: Pricer,
    verdicts: Mapping[tuple[str, int], tuple[Verdict, ...]],
) -> RunFootprint:
    """The footprint of a run.

    Args:
        collector: what the tests left behind.
        data: the machine's meters and what they said.
        info: about the run.
        pricer: the impact model.
        verdicts: of single tests, by (worker, owner number).

    Returns:
        The footprint, without verdicts on the run as a whole.
    """
    collector.settle()
    book_servers(collector)
    lanes = list(collector.lanes.values())
    _tell_models(collector, pricer)
    beside = [collector.controller] if collector.controller is not None else []
    shares = domain_shares(data, lanes, collector.pids, beside=beside, idle_shared=info.idle_shared)
    reserved = reserved_seconds(data, lanes) if info.idle_shared else None
    accounts = Accounts(shares, data, collector.lanes, pricer, reserved)
    ai_tests = [run for run in collector.tests if is_ai(run, collector)]
    names = avoidable.payer_names(ai_tests)
    fixture_costs = _fixtures(collector, accounts, names)
    shared = {bill.key: (fixture, avoidable.share_of(bill, cost)) for bill, fixture, cost in fixture_costs}
    costs = {(run.worker, run.index): _test_costs(run, accounts, shared) for run in ai_tests}

    def row_of(run: TestRun) -> TestFootprint:
        key = (run.worker, run.index)
        direct, whole, calls = costs.get(key) or _test_costs(run, accounts, shared)
        return _row(run, direct, whole, calls, shared, verdicts.get(key, ()), ai=key in costs)

    rows: Sequence[TestFootprint]
    if info.rows == "all":
        from pytest_aifootprint.records.all_rows import rows_of_all  # seldom asked for

        rows = rows_of_all(collector.every, row_of, all_told=any(share.unread_s for share in shares))
    else:
        rows = tuple(row_of(run) for run in ai_tests if info.rows == "ai" or run.marker is not None)
    ai_owners = {(run.worker, owner) for run in ai_tests for owner in run.owners}
    fixture_owners = {(worker, window.index) for worker, window in collector.windows}

    def classify(worker: str, owner: int) -> Kind:
        if (worker, owner) in fixture_owners:
            return "fixture"
        return "ai" if (worker, owner) in ai_owners else "other"

    uses = hardware_uses(shares, data, lanes, pricer, classify, reserved)
    selection = data.selection
    nodeids = {(run.worker, run.index): run.nodeid for run in ai_tests}
    placed = [Placed(nodeids[key], c) for key, (_, _, calls) in costs.items() for c in calls]
    placed += [Placed(fixture.id, c) for _, fixture, _ in fixture_costs for c in fixture.calls]
    all_calls = [c for _, c in placed]
    summed = replace(
        sum_costs([whole for _, whole, _ in costs.values()]),
        avoidable_carbon_g=avoidable.of_all(
            [own for own, _, _ in costs.values()], [(bill, cost) for bill, _, cost in fixture_costs], names
        ),
    )
    passed = sum(run.outcome in {"passed", "xpassed"} for run in ai_tests)
    rates = sci_style(
        summed.carbon,
        all_calls,
        passed=passed,
        factors_version=pricer.factors_version,
        idle_shared=info.idle_shared,
    )
    # Late: most of what the end of a run costs is behind us.
    shares = [with_own_cpu(share, selection.cpu_model, info.own_cpu_s()) for share in shares]
    balances = {share.domain: balance(share, classify) for share in shares}
    notices = [*data.notices, *(n for share in shares for n in share.notices)]
    notices += [n for b in balances.values() for n in balance_notices(b)]
    notices += hardware_notices(uses, pricer)
    notices += [*unread_notices(shares, classify), *rejected_notices(selection.rejected)]
    notices += pricer.declared_notices(c.impact for c in all_calls)
    return RunFootprint(
        version=version("pytest-aifootprint"),
        factors_version=pricer.factors_version,
        started_at=info.started_at,
        duration_s=info.duration_s,
        python=info.python,
        pytest=info.pytest,
        host={
            "id": _hashed(selection.host.boot_id),
            "cpu": selection.host.cpu_model,
            "n_cpu": selection.host.n_cpu,
            "gpus": [m.reason for m in selection.counters if m.domain.startswith("gpu")],
            "virtual": selection.host.virtual,
            "kind": selection.host.kind,
        },
        ci=info.ci,
        commit=info.commit,
        workers=tuple(WorkerRecord(name, ok) for name, ok in sorted(collector.workers.items())),
        local_grid=pricer.grid,
        remote_grids=pricer.remote_grids(),
        meters=tuple(MeterUse(s.domain, s.meter, s.basis, data.reason_of(s.domain)) for s in shares),
        rejected_meters=tuple({"name": r.name, "reason": r.reason, "remedy": r.remedy} for r in selection.rejected),
        totals=replace(
            totals_of(summed, all_calls, shares, n_ai=len(ai_tests), n_tests=collector.n_tests, sci_style=rates),
            retries=_retries(ai_tests, accounts),
            hardware_unattributed_g=unattributed_g(uses),
        ),
        balance=balances,
        tests=rows,
        fixtures=tuple(fixture for _, fixture, _ in fixture_costs),
        models=model_footprints(placed, _loads(collector, accounts), pricer),
        verdicts=(),
        notices=run_notices(collector, all_calls, pricer, notices, int(info.started_at[:4])),
        seams=_seams(collector),
        idle_shared=info.idle_shared,
        rows=info.rows,
        sheets=_sheets(data, shares, pricer, all_calls, idle_shared=info.idle_shared),
        marginal=pricer.marginal,
        hardware=uses,
        timeline=timeline_of(collector, data, shares, classify),
        scopes=scope_footprints(
            info.scopes,
            collector,
            [(run, *costs[run.worker, run.index][1:]) for run in ai_tests] if info.scopes else [],
            {key: fixture for key, (fixture, _) in shared.items()},
            placed,
            pricer,
        ),
    )


def _sheets(
    data: MachineData,
    shares: Sequence[DomainShares],
    pricer: Pricer,
    calls: Sequence[CallFootprint],
    *,
    idle_shared: bool,
) -> dict[str, Sheet]:
    """How the numbers of this machine and of all calls are made, by name."""
    here = pricer.machine_sheet(
        data.selection.cpu_model,
        {share.domain: data.selection.card(share.domain) for share in shares if share.busy is not None},
        cpu_metered=any(readings.domain == "cpu" for readings in data.counters),
        gaps=any(share.domain == "cpu" and share.modelled is not None and share.has_modelled for share in shares),
        idle_shared=idle_shared,
    )
    found = {HERE: here}
    found.update((sheet.name, sheet) for call in calls if (sheet := call.impact.sheet) is not None and sheet.name)
    return found


def _tell_models(collector: Collector, pricer: Pricer) -> None:
    """Which model each call and each load is of, before any is priced."""
    calls = [call for _, window in collector.windows for call in (*window.calls, *window.loads)]
    calls += [call for run in collector.tests for call in run.calls]
    calls += [call for loaded in collector.loaded for call in loaded.loads]
    everything = [*calls, *collector.unowned]
    pricer.identify(everything)
    pricer.tell_revisions(everything)
    # What was trained outside of all windows was metered for nobody: it stands in no test's use.
    pricer.note_training(calls)


def is_ai(run: TestRun, collector: Collector) -> bool:
    """An AI test: it called a model, is marked, or used a shared fixture that called one (whoever set that up)."""
    return bool(run.calls) or run.marker is not None or not collector.ai_fixtures.isdisjoint(run.users_of)


def _fixtures(
    collector: Collector, accounts: Accounts, ai_names: set[str]
) -> list[tuple[FixtureBill, FixtureFootprint, Cost]]:
    windows = [
        fixtures.FixtureWindow(worker, w.index, w.key, w.scope, w.kind == "setup", w.nodeid)
        for worker, w in collector.windows
    ]
    calls_of: dict[FixtureKey, list[CallFootprint]] = {}
    for worker, window in collector.windows:
        calls_of.setdefault(window.key, []).extend(accounts.priced(window.calls, [(worker, window.index)]))
    found = []
    for bill in fixtures.fixture_bills(windows, collector.users):
        calls = tuple(calls_of[bill.key])
        cost = accounts.cost(bill.owners, calls)
        footprint = FixtureFootprint(
            id=_fixture_id(bill.key),
            name=bill.key.name,
            scope=bill.scope,
            users=tuple(dict.fromkeys(payer.partition(AGAIN)[0] for payer in bill.payers)),
            setups=bill.setups,
            calls=calls,
            energy=cost.energy,
            carbon=cost.carbon,
            cpu_s=cost.cpu_s,
            payers=len(bill.payers),
            machine_s=cost.machine_s,
            active_j=cost.active_j,
            cards_s=cost.cards_s,
            metered=cost.metered,
            avoidable_carbon_g=cost.avoidable_carbon_g,
            only_ai_users=avoidable.only_for(bill, ai_names),
            ai_payers=sum(payer in ai_names for payer in bill.payers),
        )
        found.append((bill, footprint, cost))
    return found


def _fixture_id(key: FixtureKey) -> str:
    return f"{key.base_id}::{key.name}" + (f"[{key.param}]" if key.param else "")


def _loads(collector: Collector, accounts: Accounts) -> list[Placed]:
    """All loads of models, of whatever test or fixture."""
    found = []
    for worker, owners, nodeid, loads in collector.loaded:
        found += [Placed(nodeid, load) for load in accounts.loaded(loads, [(worker, owner) for owner in owners])]
    for worker, window in collector.windows:
        owners_of = [(worker, window.index)]
        found += [Placed(_fixture_id(window.key), load) for load in accounts.loaded(window.loads, owners_of)]
    outside = [call for call in collector.unowned if call.operation == LOAD]
    return [*found, *(Placed(OUTSIDE, load) for load in accounts.loaded(outside, ()))]


def _test_costs(
    run: TestRun, accounts: Accounts, shared: Mapping[FixtureKey, tuple[FixtureFootprint, Cost]]
) -> tuple[Cost, Cost, tuple[CallFootprint, ...]]:
    """(own part, own part and shares of shared fixtures, own calls)."""
    owners = [(run.worker, owner) for owner in run.owners]
    calls = accounts.priced(run.calls, owners)
    direct = accounts.cost(owners, calls)
    parts = [shared[key][1] for key in run.users_of if key in shared]
    return direct, sum_costs([direct, *parts]), calls


def _retries(tests: Sequence[TestRun], accounts: Accounts) -> Retries:
    """What all attempts but the last came to, of the tests that have several."""
    again = [run for run in tests if run.retry_owners]
    if not again:
        return Retries()
    owners = [(run.worker, owner) for run in again for owner in run.owners[:-1]]
    cost = accounts.cost(owners, accounts.priced([call for run in again for call in run.retried_calls], ()))
    return Retries(len(owners), cost.energy, cost.carbon)


def _row(  # noqa: PLR0913 - a row is made from all of these
    run: TestRun,
    direct: Cost,
    whole: Cost,
    calls: tuple[CallFootprint, ...],
    shared: Mapping[FixtureKey, tuple[FixtureFootprint, Cost]],
    verdicts: tuple[Verdict, ...],
    *,
    ai: bool,
) -> TestFootprint:
    attempts = []
    for number in run.attempts:
        seconds = run.phase_seconds(number)
        attempts.append(
            Attempt(
                number=number,
                outcome=run.outcome_of(number),
                duration_s=sum(wall for wall, _ in seconds.values()),
                phases={name: {"duration_s": wall, "cpu_s": cpu} for name, (wall, cpu) in seconds.items()},
            )
        )
    shares = []
    for key in run.users_of:
        if key in shared:
            fixture, part = shared[key]
            n, trained = len(fixture.users), fixture.trained
            shares.append(
                FixtureShare(
                    fixture.name, fixture.scope, n, part.energy, part.carbon, fixture.setups, trained, fixture.id
                )
            )
    notices = {n for c in calls for n in call_notices(c)} if calls else set()
    notices.update(unread_in_test(direct.unread_s) if direct.unread_s else ())
    # Who forbids live calls may well have mocked the model so far out that no seam sees a call.
    expects_call = run.marker is not None and run.marker.get("live") is not False
    if expects_call and not run.calls and run.outcome in {"passed", "failed"}:
        used_ai = any(shared[key][0].calls for key in run.users_of if key in shared)
        if not used_ai:
            notices.add(Notice("marked-without-call", f"{run.nodeid} is marked but made no AI call"))
    return TestFootprint(
        nodeid=run.nodeid,
        worker=run.worker,
        outcome=run.outcome,
        ai=ai,
        attempts=tuple(attempts),
        calls=calls,
        energy=whole.energy,
        carbon=whole.carbon,
        water=whole.water,
        avoidable_carbon_g=whole.avoidable_carbon_g,
        avoided_carbon_g=whole.avoided_carbon_g,
        direct_cpu_s=direct.cpu_s,
        direct_energy=direct.energy,
        direct_carbon=direct.carbon,
        direct_machine_s=direct.machine_s,
        direct_active_j=direct.active_j,
        direct_cards_s=direct.cards_s,
        direct_metered=direct.metered,
        fixtures=tuple(shares),
        verdicts=verdicts,
        notices=tuple(sorted(notices)),
    )


def _seams(collector: Collector) -> dict[str, str]:
    """Over all processes: failed anywhere is failed; armed anywhere is armed."""
    merged: dict[str, str] = {}
    for states in collector.seams.values():
        for name, state in states.items():
            before = merged.get(name, "waiting")
            if before.startswith("failed"):
                continue
            if state != "waiting":
                merged[name] = state
            else:
                merged.setdefault(name, state)
    return merged


def _hashed(boot_id: str) -> str:
    """Tells boots apart, and no host name: outside Linux the id of a boot has one in it."""
    return hashlib.blake2s(boot_id.encode(), digest_size=8).hexdigest()
