"""Runs as the session would hand them to a report."""

from __future__ import annotations

from typing import Any

from pytest_aifootprint.attribution.balance import Balance
from pytest_aifootprint.detection.calls import AICall
from pytest_aifootprint.impacts.contract import CallImpact, Grid, Training
from pytest_aifootprint.quantities import (
    EXACT_ZERO,
    ZERO_G,
    ZERO_J,
    ZERO_L,
    Basis,
    Grams,
    GramsPerKwh,
    Joules,
    Litres,
    LitresPerKwh,
    Notice,
    Range,
    total,
)
from pytest_aifootprint.quantities.changed import replace
from pytest_aifootprint.records.amounts import Carbon, Energy, Tokens, Water
from pytest_aifootprint.records.changes import Change, Changes
from pytest_aifootprint.records.model import (
    Attempt,
    CallFootprint,
    FixtureFootprint,
    FixtureShare,
    MeterUse,
    RunFootprint,
    TestFootprint,
    Totals,
    Verdict,
    WorkerRecord,
    count_tokens,
)
from pytest_aifootprint.records.model_use import ModelFootprint
from pytest_aifootprint.records.timeline import Timeline
from pytest_aifootprint.reports import REPORTS


def grid(zone: str, g_per_kwh: float, l_per_kwh: float) -> Grid:
    """A country's average."""
    carbon = GramsPerKwh(Range.times_over(g_per_kwh, 1.17, f"grid:{zone}"))
    return Grid(zone, carbon, LitresPerKwh(Range.times_over(l_per_kwh, 1.5, f"ewif:{zone}")), "Ember", 2023)


FRA = grid("FRA", 56.0, 2.6)
USA = grid("USA", 384.0, 3.1)
WORLD = Grid("WOR", GramsPerKwh(Range.times_over(475.0, 1.54, "grid:WOR")), None, "Ember", None, guessed=True)
SHARE = Training("share", "Patterson 2021", phi=Range.of(0.5, 0.7, 0.9, "phi"))
NOTHING = Training("unknown", "")
CPU = MeterUse("cpu", "cpu load", Basis.MODELLED, "no counter is readable")
NVML = MeterUse("gpu", "nvml", Basis.MEASURED, "NVIDIA H100, energy counter")


def remote_call(watt_hours: float, model: str = "gpt-5-mini", **changed: Any) -> CallFootprint:
    """A live chat with a model of a closed provider, priced by its class range."""
    joules = Joules(Range.times_over(3600 * watt_hours, 4.5, f"model:{model}"))
    use = Grams(joules * USA.carbon_g_per_kwh.scale(1 / 3.6e6))
    phi = Range.of(0.111, 0.43, 1.0, "phi")
    tokens = round(watt_hours * 4000)
    call = AICall(
        operation="chat", client="httpx", locality="remote", realness="live", provider="openai", model=model,
        response_model=f"{model}-2025-08-07", started_ns=5_000_000_000, duration_ns=1_250_000_000, status=200,
        input_tokens=tokens, output_tokens=tokens // 4, cached_input_tokens=0, reasoning_tokens=None,
        host="api.openai.com",
    )  # fmt: skip
    impact = CallImpact(
        energy_j=joules, use_carbon_g=use, hardware_carbon_g=use.scale(0.05).with_factor(2.2, "hw:H100"),
        training_carbon_g=Grams(use * phi), training_energy_j=Joules(joules * phi),
        water_site_l=Litres(joules.scale(0.3 / 3.6e6).with_factor(3.1, "wue:openai")),
        water_source_l=Litres(joules * Range.times_over(3.1 / 3.6e6, 1.5, "ewif:USA")),
        avoidable_carbon_g=use.scale(0.9).with_factor(1.2, "standby:openai"), avoided_carbon_g=ZERO_G,
        training=SHARE, basis=Basis.ESTIMATED, source="ecologits 0.11, closed-model class", equation="E = PUE*F/eta",
    )  # fmt: skip
    return CallFootprint(replace(call, **changed), impact)


def replayed_call(watt_hours: float, model: str = "gpt-5-mini") -> CallFootprint:
    """The same, answered from a cassette."""
    live = remote_call(watt_hours, model)
    nothing: dict[str, Any] = dict.fromkeys(
        (
            "energy_j", "use_carbon_g", "hardware_carbon_g", "training_carbon_g", "training_energy_j", "water_site_l",
            "water_source_l", "avoidable_carbon_g",
        ),
        EXACT_ZERO,
    )  # fmt: skip
    impact = replace(live.impact, **nothing, avoided_carbon_g=live.impact.use_carbon_g)
    return CallFootprint(replace(live.call, realness="replayed", replayer="vcrpy"), impact)


def local_call(count: int = 3, model: str = "iris.onnx", *, training_known: bool = False) -> CallFootprint:
    """Inferences in the process: their energy is in the windows."""
    call = AICall(
        operation="inference", client="onnxruntime", locality="local", realness="live", model=model, count=count,
        started_ns=2_000_000_000, duration_ns=40_000_000, samples=count,
    )  # fmt: skip
    notice = Notice("training-unknown", f"nobody published what training {model} took: its share is not in the total")
    impact = CallImpact(
        energy_j=ZERO_J, use_carbon_g=ZERO_G, hardware_carbon_g=ZERO_G,
        training_carbon_g=ZERO_G if training_known else None, training_energy_j=None, water_site_l=ZERO_L,
        water_source_l=ZERO_L, avoidable_carbon_g=ZERO_G, avoided_carbon_g=ZERO_G, training=NOTHING,
        basis=Basis.MODELLED, source="metered here", equation="in the windows",
        notices=() if training_known else (notice,),
    )  # fmt: skip
    return CallFootprint(call, impact)


def cpu_energy(joules: float) -> Energy:
    """Of a load model."""
    return Energy({"cpu": Joules(Range.of(0.55 * joules, float(joules), 1.8 * joules, "cpu_w"))} if joules else {})


def footprint_of(
    nodeid: str, *calls: CallFootprint, cpu_j: float = 0.0, gpu_j: float = 0.0, **changed: Any
) -> TestFootprint:
    """A test with these calls and local joules, priced as the records room does."""
    domains = dict(cpu_energy(cpu_j).by_domain)
    if gpu_j:
        domains["gpu"] = Joules(Range.times_over(float(gpu_j), 1.05, "gpu"))
    local = total(domains.values())
    remote = total(c.impact.energy_j for c in calls if c.impact.energy_j is not None)
    if remote.central:
        domains["remote"] = remote
    use = Grams(local * FRA.carbon_g_per_kwh.scale(1 / 3.6e6))
    trained = [c.impact.training_carbon_g for c in calls]
    carbon = Carbon(
        use + total(c.impact.use_carbon_g for c in calls if c.impact.use_carbon_g),
        None if trained and None in trained else total(t for t in trained if t),
        total(c.impact.hardware_carbon_g for c in calls if c.impact.hardware_carbon_g)
        + Grams(Range.times_over(cpu_j * 1e-5, 1.9, "hw:vm")),
    )
    energy = Energy(domains)
    made = TestFootprint(
        nodeid=nodeid, worker="main", outcome="passed", ai=bool(calls),
        attempts=(
            Attempt(
                1, "passed", 1.5,
                {
                    name: {"duration_s": 0.5, "cpu_s": cpu_j / 6, "outcome": "passed"}
                    for name in ("setup", "call", "teardown")
                },
            ),
        ),
        calls=calls, energy=energy, carbon=carbon,
        water=Water(
            total(c.impact.water_site_l for c in calls if c.impact.water_site_l),
            total(c.impact.water_source_l for c in calls if c.impact.water_source_l),
        ),
        avoidable_carbon_g=use + total(c.impact.avoidable_carbon_g for c in calls if c.impact.avoidable_carbon_g),
        avoided_carbon_g=total(c.impact.avoided_carbon_g for c in calls if c.impact.avoided_carbon_g),
        direct_cpu_s=cpu_j / 2, direct_energy=energy, direct_carbon=carbon,
    )  # fmt: skip
    return replace(made, **changed)


def _energy_of(parts: list[Energy]) -> Energy:
    names = dict.fromkeys(name for part in parts for name in part.by_domain)
    return Energy({n: total(p.by_domain[n] for p in parts if n in p.by_domain) for n in names})


def _carbon_of(parts: list[Carbon]) -> Carbon:
    def known(values: list[Grams | None]) -> Grams | None:
        found = [v for v in values if v is not None]
        return total(found) if found or not values else None

    return Carbon(known([p.use for p in parts]), known([p.training for p in parts]), known([p.hardware for p in parts]))


def _models(calls: list[CallFootprint]) -> tuple[ModelFootprint, ...]:
    found = []
    for name in dict.fromkeys(c.call.model or "?" for c in calls):
        own = [c for c in calls if c.call.model == name]
        found.append(
            ModelFootprint(
                name, own[0].call.provider, sum(c.call.count for c in own), count_tokens(own),
                total(c.impact.energy_j for c in own if c.impact.energy_j), _carbon_of([c.carbon for c in own]),
                own[0].impact.training,
            )
        )  # fmt: skip
    return tuple(found)


def run_of(*tests: TestFootprint, others: int = 0, **changed: Any) -> RunFootprint:
    """A run with these rows, and ``others`` tests without one."""
    calls = [c for t in tests for c in t.calls]
    ai = [t for t in tests if t.ai]
    counts = {r: sum(c.call.count for c in calls if c.call.realness == r) for r in ("live", "replayed", "mocked")}
    energy = _energy_of([t.energy for t in ai])
    totals = Totals(
        ai_tests=len(ai), tests=len(tests) + others,
        calls_live=counts["live"], calls_replayed=counts["replayed"], calls_mocked=counts["mocked"],
        tokens=count_tokens(calls) if calls else Tokens(), energy=energy,
        carbon=_carbon_of([t.carbon for t in ai]),
        water=Water(total(t.water.site for t in ai), total(t.water.source for t in ai)),
        avoidable_carbon_g=total(t.avoidable_carbon_g for t in ai),
        avoided_carbon_g=total(t.avoided_carbon_g for t in ai),
        sci_style={"per_live_call_g": Range(0.1), "boundary": "use and hardware"} if calls else None,
        basis_share=_basis_share(energy),
    )  # fmt: skip
    made = RunFootprint(
        version="0.1.0", factors_version="2026.11", started_at="2026-11-23T04:00:00+00:00", duration_s=61.5,
        python="3.11.2", pytest="9.2.0",
        host={"id": "b1946ac9", "cpu": "AMD EPYC 7763", "gpus": ["NVIDIA H100"], "virtual": True, "logical_cpus": 4},
        ci={"name": "github", "run": "42"}, commit="1c157c1", workers=(WorkerRecord("main", reported=True),),
        local_grid=FRA, remote_grids={"openai": USA} if any(c.call.locality == "remote" for c in calls) else {},
        meters=(CPU, NVML) if "gpu" in energy.by_domain else (CPU,),
        rejected_meters=({"name": "rapl", "reason": "permission denied", "remedy": "chmod"},),
        totals=totals, balance=_balance(energy), tests=tests, fixtures=(), models=_models(calls), verdicts=(),
        notices=(), seams={"httpx": "armed", "torch": "waiting"},
    )  # fmt: skip
    return replace(made, **changed)


def _basis_share(energy: Energy) -> dict[str, float]:
    whole = energy.total.central
    parts = {"measured": "gpu", "modelled": "cpu", "estimated": "remote"}
    shares = {b: energy.by_domain.get(d, EXACT_ZERO).central / whole if whole else 0.0 for b, d in parts.items()}
    return {**shares, "assumed": 0.0}


def _balance(energy: Energy) -> dict[str, Balance]:
    found = {}
    for domain, name, meter in (("cpu", "cpu", CPU), ("gpu", "gpu0", NVML)):
        own = energy.by_domain.get(domain, EXACT_ZERO).central
        if own:
            found[name] = Balance(
                domain=name,
                metered_j=own / 0.592, ai_tests_j=own, shared_fixtures_j=0.0, other_tests_j=0.09 * own / 0.592,
                other_processes_j=0.016 * own / 0.592, idle_j=0.3 * own / 0.592, plugin_j=0.002 * own / 0.592,
                clamped_j=0.0, basis=meter.basis, meter=meter.name,
            )  # fmt: skip
    return found


def no_ai(**changed: Any) -> RunFootprint:
    """52 tests, no AI call."""
    return run_of(others=52, **changed)


def replayed_only() -> RunFootprint:
    """Everything came from cassettes; the test process itself took a little."""
    return run_of(footprint_of("tests/test_a.py::test_replayed", replayed_call(1.0), replayed_call(2.0), cpu_j=12.0))


def mixed(**changed: Any) -> RunFootprint:
    """Remote and local calls, live and replayed, three models, a budget on the run."""
    tests = (
        footprint_of(
            "tests/test_judge.py::test_faithful", *[remote_call(0.5)] * 3, replayed_call(0.5), cpu_j=2700, gpu_j=10800
        ),
        footprint_of(
            "tests/test_judge.py::test_short", remote_call(0.02, "mistral-small", provider="mistral"), cpu_j=40
        ),
        footprint_of("tests/test_local.py::test_iris", local_call(training_known=True), cpu_j=900),
    )
    run = run_of(*tests, others=49)
    actual = run.totals.carbon.total
    verdict = Verdict(
        "run", "5 gCO2e", "carbon_g", 5.0, actual, "central", "pass", "one sentence", "the range crosses the limit"
    )
    return replace(run, **{"verdicts": (verdict,), **changed})


def unknown_training() -> RunFootprint:
    """A classical model of the user's own: nothing is known about its training, in two tests."""
    return run_of(
        footprint_of("tests/test_local.py::test_one", local_call(), cpu_j=900),
        footprint_of("tests/test_local.py::test_two", local_call(1), cpu_j=90),
        local_grid=WORLD,
    )


def failed_budget() -> RunFootprint:
    """Over a limit on a test, and on the run by its high end."""
    run = mixed()
    test = run.tests[0]
    actual = test.direct_carbon.total
    own = Verdict(test.nodeid, "50 mgCO2e", "carbon_g", 0.05, actual, "central", "fail", "one sentence")
    calls = Verdict(test.nodeid, "2 calls", "calls", 2.0, Range(3.0), "central", "fail", "one sentence")
    of_run = Verdict(
        "run", "use: 2 gCO2e", "carbon_g", 2.0, run.totals.carbon.use, "high", "undecided",
        "one sentence", "the range crosses the limit",
    )  # fmt: skip
    return replace(run, tests=(replace(test, verdicts=(own, calls)), *run.tests[1:]), verdicts=(of_run,))


def lost_worker() -> RunFootprint:
    """One of two workers did not come back, one seam failed, one call could not be priced."""
    run = mixed()
    verdict = Verdict(
        "run", "5 gCO2e", "carbon_g", 5.0, None, "central", "undecided", "one sentence", "worker gw1 was lost"
    )
    return replace(
        run,
        workers=(WorkerRecord("gw0", reported=True), WorkerRecord("gw1", reported=False)),
        seams={"httpx": "armed", "torch": "failed: AttributeError: no Module"},
        totals=replace(run.totals, unpriced_calls=1),
        verdicts=(verdict,),
    )


def with_fixture() -> RunFootprint:
    """Two tests share a session fixture that loads a model."""
    energy, carbon = cpu_energy(500), Carbon(Grams(Range(0.0078)))
    share = FixtureShare("model", "session", 2, cpu_energy(250), Carbon(Grams(Range(0.0039))))
    tests = tuple(footprint_of(f"tests/t.py::test_{n}", local_call(training_known=True), cpu_j=100) for n in "ab")
    run = run_of(*(replace(t, fixtures=(share,)) for t in tests))
    fixture = FixtureFootprint(
        "tests/conftest.py::model", "model", "session", tuple(t.nodeid for t in tests), 1,
        (local_call(1, training_known=True),), energy, carbon, 250.0, payers=2, ai_payers=2,
    )  # fmt: skip
    return replace(run, fixtures=(fixture,))


def large(tests: int = 100_000, *, ai_every: int = 10) -> RunFootprint:
    """Many rows, as with ``--aifootprint-tests all``; one in ``ai_every`` calls a model."""
    remote, rows = remote_call(0.01), []
    for n in range(tests):
        calls = (remote,) if n % ai_every == 0 else ()
        rows.append(footprint_of(f"tests/test_{n // 100}.py::test_{n}", *calls, cpu_j=1.0 + n % 7, ai=bool(calls)))
    return run_of(*rows)


def with_baseline() -> RunFootprint:
    """A part of a suite against a baseline from elsewhere, with a timeline."""
    carbon = mixed().totals.carbon.total
    changes = Changes(
        "baseline.json", 3, differs=("cpu: Intel → AMD",), grids=("local: USA → FRA",), partial="-k judge", compared=2,
        absent=1, new=("tests/test_new.py::test_new",), vanished=("tests/test_old.py::test_old",),
        silent=("tests/test_local.py::test_iris",), remodelled=("tests/test_judge.py::test_short",), elsewhere=1,
        without_row=1,
        changes=(
            Change("run", "carbon_g", carbon, 1.5, 3, 1.65, by_spread=True),
            Change("tests/test_judge.py::test_short", "tokens", Range(1200.0), 0.0, 1),
        ),
    )  # fmt: skip
    timeline = Timeline(
        0.5, (0.0, 0.5), {"cpu": dict.fromkeys(("ai_tests", "shared_fixtures", "other_tests", "rest"), (4.0, 2.0))},
        dict.fromkeys(("live", "replayed", "mocked"), (2, 1)), dict.fromkeys(("live", "replayed", "mocked"), (2, 2)),
    )  # fmt: skip
    return replace(
        mixed(), project={"name": "shop", "from": "pyproject.toml"}, partial="-k judge", asked=("tests/test_judge.py",),
        changes=changes, timeline=timeline,
    )  # fmt: skip


EVERY = {
    "no_ai": no_ai,
    "replayed_only": replayed_only,
    "mixed": mixed,
    "unknown_training": unknown_training,
    "failed_budget": failed_budget,
    "lost_worker": lost_worker,
    "with_fixture": with_fixture,
    "with_baseline": with_baseline,
}
FILES = {kind: report for kind, report in REPORTS.items() if not hasattr(report, "endpoint")}
"""The kinds of report that are files; the others are sent."""
