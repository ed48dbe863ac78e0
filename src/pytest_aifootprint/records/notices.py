"""What a reader of a run's numbers has to know, each thing once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from pytest_aifootprint.detection.amended import CALL_HOOK
from pytest_aifootprint.detection.calls import LOAD, AICall
from pytest_aifootprint.detection.remarks import meaning
from pytest_aifootprint.detection.seams import UNTRIED, sees
from pytest_aifootprint.impacts.grids import old_grids, world_water
from pytest_aifootprint.impacts.pricer import Pricer
from pytest_aifootprint.quantities import Notice
from pytest_aifootprint.records.collector import Collector
from pytest_aifootprint.records.model import CallFootprint


def run_notices(
    collector: Collector, calls: Sequence[CallFootprint], pricer: Pricer, more: Iterable[Notice], year: int
) -> tuple[Notice, ...]:
    """Everything a reader has to know about a run of ``year``, each once."""
    # Where nothing was metered for anybody, nobody needs to know the grid.
    grid = (
        [*_grid_notices(pricer, year), *_water_notices(pricer)] if calls or collector.tests or collector.every else []
    )
    found = dict.fromkeys([*more, *grid, *_how_seen(collector), *_seen_notices(collector)])
    found.update(dict.fromkeys(notice for priced in calls for notice in call_notices(priced)))
    return tuple(found)


MOST_NAMED = 5
TAKEN_AS = ("unknown-transport", "unknown-server")


def call_notices(priced: CallFootprint) -> tuple[Notice, ...]:
    """What a reader has to know about a call: of its price, and of what could not be seen of it."""
    call = priced.call
    if call.realness == "mocked":
        # Nothing ran: what is unknown about it changes no number, except whether it really was mocked.
        return tuple(Notice(c, f"{call.host or call.client}: {meaning(c)}") for c in call.notices if c in TAKEN_AS)
    said = {notice.code for notice in priced.impact.notices}
    where = call.host or call.client
    seen = (Notice(code, f"{where}: {meaning(code)}") for code in call.notices if code not in said)
    return (*priced.impact.notices, *seen)


def _grid_notices(pricer: Pricer, year: int) -> Iterator[Notice]:
    """What a reader has to know of the grids: where nobody named one, and how old they are."""
    local = pricer.grid
    yield from local.notices
    if local.guessed:
        of_year = f" of {local.year}" if local.year is not None else ""
        message = (
            f"nobody said where this machine is: {local.zone}, {local.carbon_g_per_kwh.central:.0f} g/kWh{of_year}; "
            "set --aifootprint-grid"
        )
        yield Notice("grid-guessed", message)
    old, very_old = old_grids(pricer.grids(), year)
    # The guess has told its year.
    if local.guessed and old.keys() | very_old.keys() <= {local.zone}:
        return
    if old or very_old:
        listed = [
            f"{label}: {', '.join(f'{z} of {then}' for z, then in sorted(found.items()))}"
            for label, found in (("older than four years", old), ("older than eight years", very_old))
            if found
        ]
        yield Notice("grid-old", f"carbon intensities of electricity that are {'; '.join(listed)}")


def _water_notices(pricer: Pricer) -> Iterator[Notice]:
    """Where electricity was used whose water nobody knows."""
    grids = [pricer.grid, *pricer.remote_grids().values()]
    zones = world_water(grids)
    if not zones:
        return
    world = pricer.world_water_l_per_kwh
    named = [zone for zone in zones if zone != "declared"]
    whose = [f"of {', '.join(named)}"] if named else []
    whose += ["of this machine, whose grid is a number without a place"] if "declared" in zones else []
    message = (
        f"water at the power plants {' and '.join(whose)}: no figure of their own, the world's "
        f"{world.central:.1f} L/kWh x/÷ {world.high / world.central:.1f} stands in"
    )
    yield Notice("water-world", message)


def _error_notice(error: str) -> Notice:
    if error.startswith(f"{CALL_HOOK}: "):
        return Notice("hook-failed", f"{' '.join(error.split())}; the rest of the call stands")
    return Notice("internal-error", f"an error of this plugin, which changed no test: {error}")


def _seen_notices(collector: Collector) -> Iterator[Notice]:
    """What may be missing: lost workers, seams that did not arm, errors of ours, calls outside tests."""
    for worker, reported in sorted(collector.workers.items()):
        if not reported:
            yield Notice("worker-lost", f"worker {worker} did not report its end: what it had not sent is missing")
    for worker, states in sorted(collector.seams.items()):
        for name, state in sorted(states.items()):
            where = "" if worker == "main" else f" on {worker}"
            if state.startswith(UNTRIED):
                yield Notice("untried-version", f"{name}{where}: {state}; its calls are seen as far as it is as before")
            elif not sees(state):
                yield Notice("seam-not-armed", f"{name}{where}: {state}; its calls are not seen")
    yield from map(_error_notice, dict.fromkeys(collector.errors))
    remote = [c for c in collector.unowned if c.locality == "remote" and c.realness == "live"]
    local = [c for c in collector.unowned if c not in remote and c.operation != LOAD]
    if local:
        yield Notice("calls-outside-tests", _outside(local))
    if remote:
        yield Notice("remote-calls-outside-tests", _outside(remote))


def _how_seen(collector: Collector) -> Iterator[Notice]:
    """What limits the attribution of CPU seconds and calls to tests."""
    if collector.overlapped:
        yield Notice(
            "tests-at-the-same-time",
            f"{collector.overlapped} tests ran beside others in one process: what no thread's own clock tells apart is "
            "divided equally (modelled)",
        )
    if collector.coarse:
        yield Notice(
            "coarse-children",
            "CPU of child processes was read in steps of 10 ms or through psutil, not by their clocks",
        )
    if collector.unwatched:
        yield Notice(
            "unwatched-children",
            f"Python processes that could not be watched, their AI calls were not seen: {_named(collector.unwatched)}",
        )
    if collector.foreign:
        yield Notice(
            "foreign-children",
            f"programs started with an AI provider's address, calls cannot be seen: {_named(collector.foreign)}",
        )
    if collector.strangers:
        n = collector.strangers
        who = "1 test ran in a process" if n == 1 else f"{n} tests ran in processes"
        yield Notice("tests-elsewhere", f"{who} that another plugin forked: calls there were not seen")


def _named(programs: Mapping[str, int]) -> str:
    said = [f"{name} ({n} times)" if n > 1 else name for name, n in sorted(programs.items())]
    return ", ".join(said[:MOST_NAMED]) + (f" and {len(said) - MOST_NAMED} more" if len(said) > MOST_NAMED else "")


def _outside(calls: Sequence[AICall]) -> str:
    names = ", ".join(sorted({c.model or "unknown" for c in calls}))
    return f"{sum(c.count for c in calls)} AI calls ran outside every test, not counted: {names}"
