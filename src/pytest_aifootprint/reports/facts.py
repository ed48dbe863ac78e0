"""Where a run's numbers come from, one line each: basis, grids, what nobody is billed for, and what is least sure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from pytest_aifootprint.detection.believed import BY_PIECE
from pytest_aifootprint.detection.seams import sees
from pytest_aifootprint.quantities import Basis, Range
from pytest_aifootprint.records.model import RunFootprint
from pytest_aifootprint.reports import changing, formatting

LOCAL_DOMAINS = ("cpu", "ram", "gpu")
MOST_GRIDS = 5
MOST_UNKNOWN = 3
LONGEST_SOURCE = 24
CLASS_RANGES = ("unknown-model", "unknown-tokens")

NEGLIGIBLE = 0.005
_RULES = {
    "alone": "for one process tree alone",
    "load": "by process load",
    "time": "in equal parts, as the driver tells no process's load",
    "unseen": "in equal parts, as the driver shows no process of this run",
    "instance": "by the size of the MIG instances that were held",
    "before": "by who used it before the driver stopped telling",
}
_WAYS = ("share", "count", "compute", "measured", "unknown")

# What a factor of method section 3 is, and what a user can do about it; {} is the part of its name after the colon.
_INPUTS = {
    "model": ("energy of {}", "declare its size, or gate on tokens"),
    "method": ("pricing of remote calls by {}", "gate on tokens"),
    "prefill": ("energy of reading prompts", "gate on tokens"),
    "grid": ("carbon intensity of the grid {}", "a newer figure narrows it"),
    "pue": ("overhead of {}'s data centres", "the provider would have to publish it"),
    "wue": ("cooling water of {}'s data centres", "the provider would have to publish it"),
    "ewif": ("water of the power plants in {}", "a newer figure narrows it"),
    "local-server": ("energy of local servers that cannot be seen", "run the server as this user, outside a container"),
    "cpu_w": ("watts of this CPU by the load model", "a power sensor or [tool.aifootprint.hardware] narrows it"),
    "idle_w": (
        "idle watts of this machine by the load model",
        "a power sensor or [tool.aifootprint.hardware] narrows it",
    ),
    "gpu": ("watts of the GPU", "an energy counter narrows it"),
    "hw": ("manufacturing of {}", "[tool.aifootprint.hardware] narrows it"),
    "phi": ("share of training in a model's life", 'gate on "use: …" to leave training out'),
    "eta_train": ("training computed from size and tokens", "declare its kWh in [tool.aifootprint.models]"),
    "uses": ("lifetime uses of {}", "declare [low, central, high] expected_uses"),
    "train": ("training footprint of {}", "declare it in [tool.aifootprint.models]"),
    "standby": ("standby share of {}", "the provider would have to publish it"),
}


def facts(run: RunFootprint) -> Iterator[tuple[str, str]]:
    """Label and text of each line that has something to say."""
    lines = (
        ("baseline", "" if run.changes is None else changing.line(run.changes)),
        ("basis", basis(run)),
        ("grid", grids(run)),
        ("cards", cards(run)),
        ("idle power", "shared: each test bears it for the time that it had this machine" if run.idle_shared else ""),
        ("unattributed", unattributed(run)),
        ("training", training(run)),
        ("widest input", widest_input(run)),
    )
    return ((label, formatting.one_line(text)) for label, text in lines if text)


def basis(run: RunFootprint) -> str:
    """How much of the energy is how sure: ``49 % measured (nvml) · 39 % estimated (ecologits)``."""
    said = []
    for kind in Basis:
        share = run.totals.basis_share.get(kind.value, 0.0)
        if share > 0:
            sources = _sources(run, kind)
            said.append(f"{formatting.percent(share)} {kind.value}" + (f" ({', '.join(sources)})" if sources else ""))
    return " · ".join(said)


def _sources(run: RunFootprint, kind: Basis) -> list[str]:
    """Meters of this basis, and short names of the sources that calls of this basis were priced from."""
    names = dict.fromkeys(meter.name for meter in run.meters if meter.basis is kind)
    for call in run.all_calls:
        if call.impact.basis is kind and call.impact.energy_j is not None and call.impact.energy_j.central:
            by_class = any(notice.code in CLASS_RANGES for notice in call.impact.notices)
            short = "class range" if by_class else call.impact.source.split(",")[0].split(" (")[0].split(";")[0].strip()
            if 0 < len(short) <= LONGEST_SOURCE:
                names.setdefault(short)
    return list(names)[:3]


def grids(run: RunFootprint) -> str:
    """Whose grid had which carbon intensity: ``local FRA 56 g/kWh (Ember 2023) · openai USA 384 g/kWh``."""
    named = [("local", run.local_grid), *sorted(run.remote_grids.items())]
    said = []
    for who, grid in named[:MOST_GRIDS]:
        when = grid.hour.replace("T", " ").replace("Z", " UTC") if grid.hour is not None else grid.year
        origin = " ".join(str(part) for part in (grid.publisher, when) if part)
        remarks = [origin] if origin else []
        remarks += ["a guess"] if grid.guessed else []
        remark = f" ({', '.join(remarks)})" if remarks else ""
        said.append(f"{who} {grid.zone} {formatting.intensity(grid.carbon_g_per_kwh)}{remark}")
    if len(named) > MOST_GRIDS:
        said.append(f"{len(named) - MOST_GRIDS} more in the JSON report")
    return " · ".join(said)


def cards(run: RunFootprint) -> str:
    """By which rule cards were divided: ``gpu0, gpu1 for one process tree alone · gpu2 by process load 96 %, ...``."""
    said: dict[str, list[str]] = {}
    for domain, balance in run.balance.items():
        rules = sorted((balance.shared_by_j or {}).items(), key=lambda rule: -rule[1])
        whole = math.fsum(joules for _, joules in rules)
        parts = [(_RULES.get(rule, rule), joules / whole) for rule, joules in rules if joules > NEGLIGIBLE * whole]
        if len(parts) == 1:
            said.setdefault(parts[0][0], []).append(domain)
        elif parts:
            text = ", ".join(f"{words} {formatting.percent(part)}" for words, part in parts)
            said.setdefault(text, []).append(domain)
    return " · ".join(f"{', '.join(domains)} {text}" for text, domains in said.items())


def unattributed(run: RunFootprint) -> str:
    """The metered joules that no AI test caused, by cause, largest first."""
    metered = math.fsum(b.metered_j for b in run.balance.values())
    if not metered:
        return ""
    causes = {
        "idle": math.fsum(b.idle_j for b in run.balance.values()),
        "other tests": math.fsum(b.other_tests_j for b in run.balance.values()),
        "other processes": math.fsum(b.other_processes_j for b in run.balance.values()),
        "this plugin": math.fsum(b.plugin_j for b in run.balance.values()),
        "fixtures of other tests": _unborne_fixtures(run),
    }
    shares = sorted(((joules / metered, name) for name, joules in causes.items() if joules > 0), reverse=True)
    whole = formatting.percent(math.fsum(share for share, _ in shares))
    said = ", ".join(f"{name} {formatting.percent(share)}" for share, name in shares)
    return f"{whole} of {formatting.joules(metered)} metered here" + (f": {said}" if said else "")


def _unborne_fixtures(run: RunFootprint) -> float:
    """Joules of shared fixtures that no AI test bears; differences within rounding are none."""
    shared = math.fsum(b.shared_fixtures_j for b in run.balance.values())
    unborne = math.fsum(
        fixture.energy.by_domain[domain].central * (1 - fixture.ai_payers / max(fixture.payers, 1))
        for fixture in run.fixtures
        for domain in LOCAL_DOMAINS
        if domain in fixture.energy.by_domain
    )
    return unborne if unborne > 1e-6 * shared else 0.0


def training(run: RunFootprint) -> str:
    """How models' training shares are made: ``share of use for 3 models (phi 0.70) · count for 1 · unknown for x``.

    Empty where no call bears a training share and none is unknown.
    """
    called = [model for model in run.models if model.calls]
    bearing = [model for model in called if model.carbon.training is not None and model.carbon.training.central]
    unknown = [model.id for model in called if model.training.method == "unknown"]
    if not bearing and not unknown:
        return ""
    ways: dict[tuple[str, str], int] = {}
    for model in bearing:
        phi = model.training.phi
        way = (model.training.method, "" if phi is None else f" (phi {phi.central:.2f})")
        ways[way] = ways.get(way, 0) + 1
    said: list[str] = []
    for (method, remark), number in sorted(ways.items(), key=lambda way: (_rank(way[0][0]), -way[1])):
        counted = formatting.count(number) if said else formatting.counted(number, "model")
        said.append(f"{'share of use' if method == 'share' else method} for {counted}{remark}")
    if here := sum(model.training.method == "measured" for model in called):
        said.append(f"measured here for {formatting.count(here) if said else formatting.counted(here, 'model')}")
    if unknown:
        said.append(f"unknown for {formatting.listed(unknown, MOST_UNKNOWN)}")
    return " · ".join(said)


def _rank(method: str) -> int:
    """Where it stands in the line; a newer report may have others, which come last."""
    return _WAYS.index(method) if method in _WAYS else len(_WAYS)


def widest_input(run: RunFootprint) -> str:
    """The input that the carbon range comes from most, how far it may be off, and what narrows it."""
    name = run.totals.carbon.total.widest_factor
    if name is None:
        return ""
    what, remedy = _explained(name, run)
    spread = widest_times_over(run)
    remark = "" if spread is None else f" ({formatting.factor(spread)})"
    return f"{what}{remark}: {remedy}"


def widest_times_over(run: RunFootprint) -> float | None:
    """How far the widest input may be off, x/÷; None without one, where no float holds it, or where nobody told."""
    name = run.totals.carbon.total.widest_factor
    if name is None or run.totals.carbon.reported_total is not None:
        return run.totals.widest_times_over
    try:
        return _spread(name, run)
    except OverflowError:
        return None


def input_named(name: str, run: RunFootprint) -> str:
    """What an input that makes numbers uncertain is, in words."""
    return _explained(name, run)[0]


def _explained(name: str, run: RunFootprint) -> tuple[str, str]:
    kind, _, which = name.partition(":")
    local = which == run.local_grid.zone
    if kind == "grid" and local and run.local_grid.guessed:
        return "grid of this machine unknown", "set --aifootprint-grid"
    if kind == "grid" and local:
        return f"carbon intensity of the grid {which}", 'a figure of its own narrows it: --aifootprint-grid "56 g/kWh"'
    what, remedy = _INPUTS.get(kind, (name, "see aifootprint explain"))
    if kind == "model" and any(c.call.model == which and c.call.operation in BY_PIECE for c in run.all_calls):
        # Neither its size nor tokens tell what an image or a clip takes.
        remedy = "limit the number of calls"
    return what.format(which or "the provider"), remedy


def _spread(name: str, run: RunFootprint) -> float:
    """How far the input itself may be off: the widest that it makes any figure of this run.

    In the total it is diluted by what does not depend on it.
    """
    totals = run.totals
    figures: list[Range | None] = [totals.carbon.total, totals.carbon.use, totals.carbon.training]
    figures += [totals.carbon.hardware, *totals.energy.by_domain.values(), run.local_grid.carbon_g_per_kwh]
    figures += [grid.carbon_g_per_kwh for grid in run.remote_grids.values()]
    for model in run.models:
        figures += [model.energy_j, model.carbon.use, model.carbon.training]
    return max(_half_width(pairs) for pairs in _pairs(name, figures))


def _pairs(name: str, figures: Iterable[Range | None]) -> Iterator[tuple[float, float]]:
    return (figure.factors[name] for figure in figures if figure is not None and name in figure.factors)


def _half_width(pair: tuple[float, float]) -> float:
    return math.exp(abs(pair[1] - pair[0]) / 2)


def failed_seams(run: RunFootprint) -> list[tuple[str, str]]:
    """Seams that cannot see the calls of a client, and why."""
    return [(name, status) for name, status in run.seams.items() if not sees(status)]
