"""Is the right test billed? Suites of known truth against this plugin and its peers, in the same run.

    python tests/benchmarks/attribution.py [--rounds 3] [--write docs/explanation/attribution-accuracy.md]

Each round runs every suite with every tool, ours twice, so that no tool has the quiet hour. Tables show medians over
the rounds; the goals hold the worst run of ours against what was promised, and decide the exit status.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table as RichTable

from measuring import Series, measure
from pytest_aifootprint.meters.selection import select
from suites import BURN_S, PIECE_S, PIECES, suites
from tables import AGAIN, Goal, Table, all_tables, goals
from tools import Tool, ToolFailedError, all_tools

BEGIN = "<!-- written by tests/benchmarks/attribution.py: begin -->"
END = "<!-- written by tests/benchmarks/attribution.py: end -->"
_LOG_WIDTH = 150
_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pytest-aifootprint-benchmarks"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it all; 0 if every goal is reached."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="rounds over all suites and tools (default 3)")
    parser.add_argument("--cache", type=Path, default=_CACHE, help=f"folder of the peers' environments ({_CACHE})")
    parser.add_argument("--write", type=Path, help="page to write the tables to, between its two markers")
    options = parser.parse_args(arguments)
    if options.rounds < 1:
        parser.error(f"--rounds {options.rounds}: at least 1")
    page = options.write.read_text() if options.write else f"{BEGIN}\n{END}"
    if BEGIN not in page or END not in page:
        parser.error(f"--write {options.write}: it lacks the markers {BEGIN} and {END}")
    console = Console()
    if not console.is_terminal:
        console = Console(width=_LOG_WIDTH)
    tools = all_tools()
    results, others = run_all(tools, options.rounds, options.cache, console)
    tables = all_tables(results, [tool.name for tool in tools])
    reached = goals(results)
    facts = _facts(tools, results, options.rounds, others)
    for table in tables:
        console.print(_rich(table))
    console.print(_rich(_goals(reached)))
    for name, value in facts:
        console.print(f"{name:10}{value}", highlight=False)
    if options.write:
        before, _, rest = page.partition(BEGIN)
        text = "\n\n".join([_markdown_facts(facts), *(t.markdown() for t in tables), _goals(reached).markdown()])
        options.write.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{rest.partition(END)[2]}")
    return 0 if all(goal.reached for goal in reached) else 1


def run_all(
    tools: Sequence[Tool], rounds: int, cache: Path, console: Console
) -> tuple[dict[tuple[str, str], Series], list[float]]:
    """Every round, suite and tool in turn; and what else the machine did meanwhile, as shares of it."""
    plan = suites(os.cpu_count() or 1)
    entries = [(tool.name, tool) for tool in tools]
    entries.append((AGAIN, tools[0]))
    results = {(name, suite.name): Series() for name, _ in entries for suite in plan}
    others: list[float] = []
    for tool in tools:
        try:
            tool.install(cache)
        except ToolFailedError as error:
            for suite in plan:
                results[tool.name, suite.name].failure = str(error)
    work = Path(tempfile.mkdtemp(prefix="attribution-"))
    try:
        for number in range(rounds):
            for suite in plan:
                for place, (name, tool) in enumerate(entries):
                    series = results[name, suite.name]
                    if series.failure is not None:
                        continue
                    console.print(f"round {number + 1} of {rounds}: {suite.name}, {name}", style="dim")
                    try:
                        run = measure(tool, suite, work / f"{number}-{suite.name}-{place}")
                    except ToolFailedError as error:
                        series.failure = str(error)
                        continue
                    series.runs.append(run)
                    if run.others is not None:
                        others.append(run.others)
    finally:
        shutil.rmtree(work)
    return results, others


def _facts(
    tools: Sequence[Tool], results: dict[tuple[str, str], Series], rounds: int, others: list[float]
) -> list[tuple[str, str]]:
    selection = select(environ=os.environ)
    host = selection.host
    kind = f"{host.n_cpu} CPUs, {host.cpu_model or 'unknown CPU'}, {host.kind}"
    meter = ", ".join(m.name for m in selection.counters) or f"{selection.cpu_model.name} (no counter)"
    packages = [
        package
        for tool in tools
        if any(series.runs for (name, _), series in results.items() if name == tool.name)
        for package in tool.versions()
    ]
    found = [
        ("date", datetime.now(timezone.utc).date().isoformat()),
        ("command", f"python tests/benchmarks/attribution.py --rounds {rounds}"),
        ("machine", f"{kind}; {platform.system()} {platform.release()}; Python {platform.python_version()}"),
        ("our meter", meter),
        ("versions", ", ".join(dict.fromkeys(packages))),
        ("suites", f"burns of {BURN_S:g} CPU s; {PIECES} x {PIECE_S:g} CPU s; {rounds} rounds, medians unless said"),
    ]
    if others:
        load = f"took {median(others):.1%} of the machine (median of the runs), {max(others):.1%} at most"
        found.append(("others", f"processes that are not part of this {load}"))
    return found


def _goals(found: Sequence[Goal]) -> Table:
    rows = [["goal of ours, over all runs", "worst run", "at most", ""]]
    rows += [[g.what, f"{g.worst:.4f}", f"{g.limit:g}", "reached" if g.reached else "MISSED"] for g in found]
    return Table("Goals", rows)


def _rich(table: Table) -> RichTable:
    heading, *rows = table.rows
    printed = RichTable(*heading, title=table.title, title_justify="left")
    for row in rows:
        printed.add_row(*row)
    return printed


def _markdown_facts(facts: Sequence[tuple[str, str]]) -> str:
    return "\n".join(f"- {name}: {value}" for name, value in facts)


if __name__ == "__main__":
    sys.exit(main())
