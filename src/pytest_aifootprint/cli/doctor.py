"""``aifootprint doctor``: which meters work here, which do not and why, and what is assumed instead."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pytest_aifootprint.cli.libraries import NOT_WATCHED_YET, WATCHED
from pytest_aifootprint.cli.project import project_table

if TYPE_CHECKING:
    from rich.console import Console

    from pytest_aifootprint.meters.contract import Selection
    from pytest_aifootprint.quantities import Range


def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Show which meters work here, which do not and why, and what is assumed instead."""
    findings = diagnose(Path("/"), os.environ, project_table(Path("pyproject.toml"), "hardware"))
    if as_json:
        typer.echo(json.dumps(findings, indent=2))
        return
    from rich.console import Console

    show(findings, Console(highlight=False))


def diagnose(root: Path, environ: Mapping[str, str], hardware: Mapping[str, object] | None = None) -> dict[str, Any]:
    """What the doctor found, in builtin types.

    Args:
        root: the file system's root.
        environ: the environment.
        hardware: the table that the user declares, if any; one that is not valid is named and left out.
    """
    from pytest_aifootprint.meters.load_model import Hardware, validate_hardware
    from pytest_aifootprint.meters.selection import select

    declared, error = Hardware(), None
    try:
        declared = validate_hardware(hardware)
    except ValueError as e:
        error = str(e)
    selection = select(root=root, environ=environ, hardware=declared)
    try:
        return {
            "declared": {"hardware": dict(hardware or {}), "error": error},
            "host": _host(selection, root),
            "meters": [
                {"domain": m.domain, "name": m.name, "basis": m.basis.value, "reason": m.reason}
                for m in selection.counters
            ],
            "rejected_meters": [
                {"name": r.name, "reason": r.reason, "remedy": r.remedy} for r in selection.rejected
            ],
            "cpu_model": _cpu_model(selection),
            "memory_model": _memory_model(selection),
            "hardware": _hardware(selection),
            "grid": _grid(environ),
            "libraries": {"watched": _libraries(WATCHED), "not_watched_yet": _libraries(NOT_WATCHED_YET)},
        }  # fmt: skip
    finally:
        for meter in selection.counters:
            meter.close()


def show(findings: Mapping[str, Any], console: Console) -> None:
    """Print what was found."""
    from rich.table import Table
    from rich.text import Text

    def lines(title: str, rows: list[tuple[str, str]]) -> None:
        console.print(Text(title, style="bold"))
        table = Table.grid(padding=(0, 2))
        for label, text in rows:
            table.add_row(Text("  " + label), Text(text))
        console.print(table)
        console.print()

    host, cpu, memory, grid = (findings[key] for key in ("host", "cpu_model", "memory_model", "grid"))
    cores = f", {host['n_cores']} cores" if host["n_cores"] else ""
    lines(
        "This machine",
        [
            ("cpu", f"{host['cpu_model']}: {host['n_cpu']} logical CPUs{cores}"),
            *_cpu_time_lines(host),
            ("memory", f"{host['memory_gib']:.1f} GiB"),
            ("kind", host["kind"] + (", virtual" if host["virtual"] and host["kind"] != "vm" else "")),
            *_declared_lines(findings["declared"]),
        ],
    )
    working = [(f"{m['domain']}", f"{m['name']} ({m['basis']}): {m['reason']}") for m in findings["meters"]]
    lines("Meters that work here", working or [("none", "the models below stand in: their numbers have ranges")])
    lines(
        "Meters that do not",
        [(r["name"], f"{r['reason']}\n→ {r['remedy']}") for r in findings["rejected_meters"]],
    )
    counters = {m["domain"] for m in findings["meters"]}
    stands_by = " (stands by for the counter)" if "cpu" in counters else ""
    lines(
        f"Model of the CPU{stands_by}",
        [
            ("row", f"{cpu['name']} ({cpu['basis']})"),
            ("because", cpu["reason"]),
            ("busy", f"{_watts(cpu['active_w'])} per busy CPU, above idle"),
            ("idle", f"{_watts(cpu['idle_w_per_cpu'])} per logical CPU"),
            ("boundary", _BOUNDARIES.get(cpu["boundary"], cpu["boundary"])),
            ("source", cpu["source"]),
        ],
    )
    power = _watts(memory["power_w"]) if memory["power_w"] else "no watts of its own"
    lines("Model of memory", [("power", power), ("because", memory["reason"]), ("source", memory["source"])])
    for row in findings["hardware"]:
        lines(f"Manufacture of {row['of']}", _hardware_lines(row))
    lines("Grid of this machine", _grid_lines(grid))
    libraries = {
        group: [(f"{x['name']} {x['version']}", x["what"]) for x in found]
        for group, found in findings["libraries"].items()
    }
    nothing = [("none", "no library that we know is installed")]
    lines("AI libraries whose calls would be seen", libraries["watched"] or nothing)
    if libraries["not_watched_yet"]:
        lines(
            "Installed (some by this plugin itself), but calls through them are not seen yet",
            libraries["not_watched_yet"],
        )


def _cpu_time_lines(host: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What takes CPU time from us: a limit, and other virtual machines."""
    rows = []
    if host["usable_cpus"] is not None:
        usable = f"{round(host['usable_cpus'], 2):g} of {host['n_cpu']} CPUs by {host['limited_by']}"
        rows.append(("usable", usable))
    if host["steal_since_boot"]:
        share = f"{host['steal_since_boot']:.2%}"
        rows.append(("steal", f"{share} of the CPU time asked for since the boot went to others on this host"))
    return rows


def _declared_lines(declared: Mapping[str, Any]) -> list[tuple[str, str]]:
    if declared["error"]:
        return [("declared", f"left out, a run would stop here: {declared['error']}")]
    if not declared["hardware"]:
        return []
    return [("declared", ", ".join(f"{key} = {value}" for key, value in declared["hardware"].items()))]


_BOUNDARIES = {
    "wall": "at the wall of the data centre: memory, power supplies and cooling (PUE) are inside",
    "component": "the processor alone: memory, power supply and cooling are outside",
}


def _host(selection: Selection, root: Path) -> dict[str, Any]:
    from pytest_aifootprint.timeline.busy import busy_times, steal_share

    host = selection.host
    times = busy_times(root)
    stolen = None if times is None or times.steal_s is None else steal_share(times.busy_s, times.steal_s)
    return {
        "cpu_model": host.cpu_model, "n_cpu": host.n_cpu, "n_cores": host.n_cores, "virtual": host.virtual,
        "usable_cpus": host.usable_cpus, "limited_by": host.limited_by or None, "steal_since_boot": stolen,
        "memory_gib": host.memory_bytes / 2**30, "kind": host.kind,
    }  # fmt: skip


def _cpu_model(selection: Selection) -> dict[str, Any]:
    model = selection.cpu_model
    return {
        "name": model.name, "basis": model.basis.value, "reason": model.reason,
        "active_w": _ends(model.active_w), "idle_w_per_cpu": _ends(model.idle_w_per_cpu),
        "includes_ram": model.includes_ram, "boundary": model.boundary, "source": model.source,
        "machine": model.machine,
    }  # fmt: skip


def _memory_model(selection: Selection) -> dict[str, Any]:
    model = selection.memory_model
    return {
        "basis": model.basis.value, "reason": model.reason, "source": model.source,
        "power_w": None if model.power_w is None else _ends(model.power_w),
    }  # fmt: skip


def _hardware(selection: Selection) -> list[dict[str, Any]]:
    """The rows that the manufacture of this machine and of its cards is shared out by."""
    from pytest_aifootprint.catalogue import default_catalogue
    from pytest_aifootprint.impacts.hardware import LocalHardware

    rows = LocalHardware(default_catalogue(), selection.declared)
    cards = [m.domain for m in selection.counters if m.domain.startswith("gpu") and not selection.on_chip(m.domain)]
    found = [("this machine", rows.machine(selection.cpu_model.machine))]
    found += [
        (f"{domain}, {selection.card(domain) or 'a card'}", rows.card(selection.card(domain))) for domain in cards
    ]
    return [
        {
            "of": of, "row": row.key, "per_cpu": row.per_cpu, "embodied_kg": list(row.embodied_kg),
            "host_kg": row.host_kg, "lifetime_years": list(row.life_years), "utilisation": list(row.utilisation),
            "source": row.origin.source, "year": row.origin.year,
        }
        for of, row in found
    ]  # fmt: skip


def _hardware_lines(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    unit = "kg CO2e for each CPU" if row["per_cpu"] else "kg CO2e"
    host = f", and {row['host_kg']:g} kg of its server" if row["host_kg"] else ""
    return [
        ("row", row["row"]),
        ("embodied", f"{_triple(row['embodied_kg'])} {unit}{host}"),
        ("life", f"{_triple(row['lifetime_years'])} years"),
        ("in use", f"{_triple(row['utilisation'])} of it"),
        ("source", f"{row['source']}, {row['year']}"),
    ]


def _triple(values: Sequence[float]) -> str:
    low, central, high = (f"{value:g}" for value in values)
    return central if low == high else f"{central} ({low} – {high})"  # noqa: RUF001 - as in every report


def _grid(environ: Mapping[str, str]) -> dict[str, Any]:
    """The grid that a run without ``--aifootprint-grid`` would use here; or why it cannot be told."""
    try:
        from pytest_aifootprint.impacts.grids import resolve_grid

        grid = resolve_grid(None, environ)
    except (ImportError, OSError, ValueError) as e:
        return {"error": f"{type(e).__name__}: {e}"}
    return {
        "zone": grid.zone, "carbon_g_per_kwh": _ends(grid.carbon_g_per_kwh), "source": grid.source, "year": grid.year,
        "guessed": grid.guessed,
    }  # fmt: skip


def _grid_lines(grid: Mapping[str, Any]) -> list[tuple[str, str]]:
    if "error" in grid:
        return [("unknown", grid["error"])]
    carbon = grid["carbon_g_per_kwh"]
    rows = [
        (grid["zone"], f"{carbon['central']:.0f} g/kWh ({carbon['low']:.0f} – {carbon['high']:.0f})"),  # noqa: RUF001
        ("source", grid["source"] + (f", {grid['year']}" if grid["year"] else "")),
    ]
    if grid["guessed"]:
        rows.append(("guessed", 'nobody said where this machine is; say it with --aifootprint-grid, e.g. "FRA"'))
    return rows


def _libraries(names: Mapping[str, str]) -> list[dict[str, str]]:
    """Installed libraries by their metadata: none is imported."""
    from importlib.metadata import PackageNotFoundError, version

    found = []
    for name, what in names.items():
        try:
            found.append({"name": name, "version": version(name), "what": what})
        except PackageNotFoundError:
            continue
    return found


def _ends(value: Range) -> dict[str, float]:
    return {"low": value.low, "central": value.central, "high": value.high}


def _watts(ends: Mapping[str, float]) -> str:
    low, central, high = (f"{ends[key]:.2g}" for key in ("low", "central", "high"))
    return f"{central} W ({low} – {high})"  # noqa: RUF001 - an en dash between numbers, as in every report
