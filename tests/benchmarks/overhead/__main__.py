"""Everything of `make bench`: suites, peers, micro-benchmarks, and the page.

    python -m overhead [--quick] [--install] [--write]

Bare, a tool, bare again take turns in every round; tables have medians over rounds, and beside each what two bare runs
of one round differ by.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

from rich.console import Console

import calls
from gpu_sampler import share_of_a_card
from measuring import machine, others_of
from overhead import micro, page, plan, sections
from overhead.environments import OURS, TOOLS, versions
from overhead.figures import Found, Told
from overhead.goals import Goals
from overhead.imports import Imports, imports
from overhead.running import server
from overhead.turns import Bench
from pytest_aifootprint.meters.selection import select
from tables import Table

_WIDTH = 200
# With the micro-benchmarks behind it, and the environments there already, all is over within 25 minutes.
_LIMIT_S = 17 * 60.0


def main() -> int:
    """Run it; 0 whatever the goals say, for a benchmark is no gate."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one round, no long suites: to see that it works")
    parser.add_argument("--install", action="store_true", help="make the environments, measure nothing")
    parser.add_argument("--write", action="store_true", help=f"write the tables to {page.PAGE.name}")
    options = parser.parse_args()
    console = Console(width=_WIDTH)
    began = time.monotonic()

    def say(text: str) -> None:
        console.print(f"{time.monotonic() - began:6.0f} s  {text}", style="dim", highlight=False)

    work = Path(tempfile.mkdtemp(prefix="overhead-"))
    try:
        text, of_calls = _measure(work, say, quick=options.quick, only_install=options.install)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    if not options.install:
        console.print(f"{text}\n\n{of_calls}", markup=False, highlight=False, soft_wrap=True)
        if options.write:
            page.write("make bench", text)
            page.write("make bench-calls", of_calls)
    return 0


def _measure(work: Path, say: Callable[[str], None], *, quick: bool, only_install: bool) -> tuple[str, str]:
    """The texts for the page, that of the calls last; "" if only environments were made."""
    parts = plan.quick(plan.PARTS) if quick else plan.PARTS
    told = Told({})
    with server() as port:
        bench = Bench(work, port, say)
        bench.keep = lambda part, tool, folder: told.keep(part, folder / "report.json") if tool == OURS else None
        bench.install()
        if only_install:
            return "", ""
        began, before = time.monotonic(), machine()
        bench.run(parts, _LIMIT_S)
        others = others_of(before, machine())
    say("imports")
    imported = [_imported(command, 3 if quick else 7) for command in (("--version",), ("--version", "--version"))]
    hot = micro.measure(work, quick=quick, say=say)
    say("one call, beside OpenTelemetry's instrumentation")
    compared = calls.compare()
    say("the sampler with cards, on a fake driver")
    card_percent = share_of_a_card()
    found, by_name = bench.found, {part.name: part for part in parts}
    sizes = {part.name: part.suite.n for part in parts if part.suite}
    tables: list[Table] = [
        Goals(found, told, hot, sizes, compared, card_percent).table(),
        sections.on(found), sections.off(found), sections.importing(imported), sections.suites(found, by_name),
        sections.calls(found, by_name), sections.ours(found, by_name), sections.flat(found, by_name),
        sections.honesty(found, told), sections.sampler(found), sections.micro(hot), sections.tools(versions(TOOLS)),
    ]  # fmt: skip
    minutes = (time.monotonic() - began) / 60
    facts = _facts(found, others, minutes, quick=quick)
    lines = "\n".join(f"- {name}: {value}" for name, value in facts)
    return "\n\n".join([lines, *(table.markdown() for table in tables)]), calls.text(compared)


def _imported(command: tuple[str, ...], rounds: int) -> tuple[str, Imports, Imports]:
    bare, with_us = (imports(command, installed=here, rounds=rounds) for here in (False, True))
    return f"pytest {' '.join(command)}", bare, with_us


def _facts(found: Found, others: float | None, minutes: float, *, quick: bool) -> list[tuple[str, str]]:
    selection = select(environ=os.environ)
    host = selection.host
    rounds = [len(series.turns) for series in found.values() if series.turns]
    cpus = f"{host.n_cpu} CPUs, {host.cpu_model or 'unknown CPU'}, {host.kind}"
    seen = "not known" if others is None else f"what is no part of this took {others:.1%} of the machine meanwhile"
    return [
        ("date", datetime.now(timezone.utc).date().isoformat()),
        ("command", "make bench QUICK=1" if quick else "make bench"),
        ("machine", f"{cpus}; {platform.system()} {platform.release()}; Python {platform.python_version()}"),
        ("took", f"{minutes:.0f} minutes, {min(rounds)} to {max(rounds)} rounds"),
        ("others", seen),
    ]


if __name__ == "__main__":
    sys.exit(main())
