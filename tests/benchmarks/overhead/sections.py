"""The tables of the page, but that of the goals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from overhead import plan
from overhead.environments import OURS, TOOLS
from overhead.figures import (
    US,
    Found,
    Told,
    a_test,
    added,
    but_the_first_file,
    cell,
    cpu,
    failure,
    last,
    peak_mib,
    per_call,
    wall,
)
from overhead.imports import Imports
from overhead.layouts import SLEEP_S
from overhead.micro import Micro
from overhead.turns import Part
from tables import Table

_NONE = "\N{EN DASH}"
_MICRO = (
    ("hooks", "the hooks of one test"),
    ("http", "one HTTP exchange, JSON"),
    ("stream_few", "one HTTP exchange, 10 events streamed"),
    ("stream_many", "one HTTP exchange, 110 events streamed"),
    ("root", "root call of a model, a method that does nothing"),
)
_OTHER_SUITES = (
    "off", "trivial-1000", "trivial-5000", "trivial-20000", "trivial-100000", "trivial-100000, all rows",
    "http-1000", "streamed", "local", "inprocess of ours", "sleep", "sleep with a counter",
)  # fmt: skip
_CALLING = (
    ("http-1000", OURS),
    ("http-1000", plan.OTEL),
    ("streamed", OURS),
    ("streamed", plan.OTEL),
    ("local", OURS),
    ("inprocess of ours", OURS),
)
_MICRO_ALONE = (("edge", "one edge of a window"), ("powercap", "one read of a RAPL counter file"))


def size(part: Part) -> int:
    """How many tests its suite has."""
    assert part.suite is not None
    return part.suite.n


def off(found: Found) -> Table:
    """Installed, flag off."""
    rows = [["tool", "bare, CPU ms", "added, CPU ms", "added, wall ms"]]
    for name in plan.PLUGINS:
        value = added(found, "version", name, cpu("whole"))
        if value is None:
            rows.append([name, failure(found, "version", name), "", ""])
            continue
        rows.append([name, f"{value.bare:.0f}", cell(value), cell(added(found, "version", name, wall("whole")))])
    return Table("Installed, and off: `pytest --version --version`", rows)


def on(found: Found) -> Table:
    """Every meter on 200 tests that do nothing."""
    heading = ["tool", "before the first test, CPU ms", "wall ms", "per test, CPU µs", "wall µs", "end, CPU ms",
               "wall ms", "peak, MiB"]  # fmt: skip
    rows = [heading]
    for name in plan.METERS:
        if added(found, "trivial-200", name, peak_mib) is None:
            rows.append([name, failure(found, "trivial-200", name), *[""] * (len(heading) - 2)])
            continue
        whats = [(cpu("before"), 0), (wall("before"), 0), (a_test(200), 0), (a_test(200, wall), 0), (cpu("after"), 0),
                 (wall("after"), 0), (peak_mib, 1)]  # fmt: skip
        rows.append([name, *(cell(added(found, "trivial-200", name, what), digits) for what, digits in whats)])
    return Table("On: what is added to 200 tests that do nothing", rows)


def suites(found: Found, parts: Mapping[str, Part]) -> Table:
    """Every tool on every kind of test."""
    kinds = [("trivial-200", "nothing"), ("cpu", "50 ms of CPU"), ("http", "an HTTP call"), ("inprocess", "a predict")]
    rows = [["tool", *(title for _, title in kinds)]]
    for name in plan.NAMES:
        cells = []
        for part, _ in kinds:
            value = added(found, part, name, a_test(size(parts[part])))
            series = found.get((part, name))
            cells.append(cell(value, 0) if value or series is None else (series.failure or _NONE))
        rows.append([name, *cells])
    return Table("On: CPU µs added to a test, by what the test does", rows)


def ours(found: Found, parts: Mapping[str, Part]) -> Table:
    """This plugin on more tests."""
    heading = ["suite", "rounds", "per test: bare, CPU µs", "added, CPU µs", "added, wall µs",
               "before the first test, CPU ms", "end, CPU ms", "end, wall ms", "peak, MiB"]  # fmt: skip
    rows = [heading]
    for name in _OTHER_SUITES:
        part = parts[name]
        n = size(part)
        title = f"{part.suite.what if part.suite else ''}{_more(part)}"
        each = added(found, name, OURS, a_test(n))
        if each is None:
            rows.append([title, failure(found, name, OURS), *[""] * (len(heading) - 2)])
            continue
        whats = [(a_test(n), 1), (a_test(n, wall), 1), (cpu("before"), 0), (cpu("after"), 0), (wall("after"), 0),
                 (peak_mib, 1)]  # fmt: skip
        if n == 1:
            whats[:2] = [(cpu("tests", US), 0), (wall("tests", US), 0)]
            each = added(found, name, OURS, whats[0][0])
            assert each is not None
        cells = [cell(added(found, name, OURS, what), digits) for what, digits in whats]
        rows.append([title, str(each.rounds), f"{each.bare:.0f}", *cells])
    return Table("This plugin on other suites", rows)


def _more(part: Part) -> str:
    if part.state == "off":
        return "; installed, off"
    if part.more == plan.ALL_ROWS:
        return "; a row for every test, and the JSON report"
    if part.more:
        return "; the JSON report"
    return "; with a recorded meter, so with a sampler" if part.env else ""


def calls(found: Found, parts: Mapping[str, Part]) -> Table:
    """One call of a test, less the test."""
    rows = [["one call in each test", "tool", "added, CPU µs", "without the first 100 tests"]]
    for name, tool in _CALLING:
        suite = parts[name].suite
        assert suite is not None
        values = [
            per_call(found, name, tool, of) for of in (a_test(suite.n), but_the_first_file(suite.n - suite.per_file))
        ]
        texts = [
            failure(found, name, tool) if one is None else f"{one.value:+.0f} ± {one.spread:.0f}" for one in values
        ]
        rows.append([suite.what, tool, *texts])
    return Table("One AI call in a suite, less what a test costs without one", rows)


def flat(found: Found, parts: Mapping[str, Part]) -> Table:
    """As the suite grows."""
    rows = [["trivial tests", "added per test, CPU µs", "the last 1,000 of them", "peak added, MiB",
             "growth per 10,000 tests, MiB"]]  # fmt: skip
    before = None
    for name in ("trivial-1000", "trivial-5000", "trivial-20000", "trivial-100000", "trivial-100000, all rows"):
        n = size(parts[name])
        peak = added(found, name, OURS, peak_mib)
        if peak is None:
            rows.append([f"{n:,}", failure(found, name, OURS), "", "", ""])
            continue
        growth = (
            _NONE if before is None or n == before[0] else f"{(peak.value - before[1]) / (n - before[0]) * 1e4:.2f}"
        )
        title = f"{n:,}{_more(parts[name])}"
        each, end = (added(found, name, OURS, what) for what in (a_test(n), last(1000)))
        rows.append([title, cell(each), cell(end), cell(peak), growth])
        before = before if name.endswith("rows") else (n, peak.value)
    return Table("Flat as the suite grows?", rows)


def sampler(found: Found) -> Table:
    """While nothing happens: a thread that reads meters."""
    rows = [[f"{SLEEP_S} s of sleep", "CPU added while asleep, ms", "share of one core"]]
    for part, tool, what in (
        ("sleep", OURS, f"{OURS}, no counter: no thread"),
        ("sleep with a counter", OURS, f"{OURS}, a recorded meter, 10 times a second"),
        ("sleep", plan.TRACKERS, "codecarbon's tracker, as it comes"),
    ):
        value = added(found, part, tool, cpu("tests"))
        if value is None:
            rows.append([what, failure(found, part, tool), ""])
            continue
        rows.append([what, cell(value, 2), f"{value.value / 1000 / SLEEP_S:.3%}"])
    return Table("The sampler", rows)


def honesty(found: Found, told: Told) -> Table:
    """What the balance says of us, beside what was measured from outside."""
    rows = [["20,000 tests that do nothing", "CPU s"]]
    inside = told.of("trivial-20000")
    rows.append(["`balance.cpu.plugin_j`, in CPU seconds", _NONE if inside is None else f"{inside:.3f}"])
    for phase, title in (("whole", "added, measured from outside, in all"), ("before", "of it before the first test"),
                         ("tests", "of it while tests ran"), ("after", "of it after the last test")):  # fmt: skip
        rows.append([title, cell(added(found, "trivial-20000", OURS, cpu(phase, 1.0)), 3)])
    return Table("What it says of itself", rows)


def importing(rows_: Sequence[tuple[str, Imports, Imports]]) -> Table:
    """Before and after, by Python's own account."""
    rows = [["command", "modules without", "with", "of it ours", "import time without, ms", "with", "of it ours"]]
    rows += [
        [f"`{command}`", str(bare.modules), str(with_us.modules), str(with_us.ours), f"{bare.all_us / 1000:.1f}",
         f"{with_us.all_us / 1000:.1f}", f"{with_us.ours_us / 1000:.2f}"]
        for command, bare, with_us in rows_
    ]  # fmt: skip
    return Table("`python -X importtime`, the plugin not installed and installed", rows)


def micro(found: Mapping[str, Micro]) -> Table:
    """The hot paths by themselves."""
    rows = [["what", "bare, µs", "with this plugin, µs", "added, µs", "added, instructions"]]
    if not found:
        return Table("The hot paths by themselves", [*rows, ["did not run", "", "", "", ""]])
    for name, title in _MICRO:
        bare, mine = found[f"{name}_bare"], found[f"{name}_ours"]
        counted = None
        if bare.instructions is not None and mine.instructions is not None:
            counted = mine.instructions - bare.instructions
        cells = [f"{one.s * US:.2f} ± {one.spread_s * US:.2f}" for one in (bare, mine)]
        rows.append([title, *cells, f"{(mine.s - bare.s) * US:+.2f}", _count(counted)])
    per_event = (found["stream_many_ours"].s - found["stream_many_bare"].s
                 - found["stream_few_ours"].s + found["stream_few_bare"].s) / 100  # fmt: skip
    rows.append(["of it, one event of a stream", "", "", f"{per_event * US:+.2f}", ""])
    for name, title in _MICRO_ALONE:
        mine = found[name]
        rows.append([title, "", f"{mine.s * US:.2f} ± {mine.spread_s * US:.2f}", "", _count(mine.instructions)])
    return Table("The hot paths by themselves", rows)


def _count(instructions: float | None) -> str:
    return _NONE if instructions is None else f"{instructions:,.0f}"


def tools(versions: Mapping[str, str]) -> Table:
    """What was compared."""
    rows = [["tool", "versions", "how it is used here"]]
    rows += [
        [tool.name, versions.get(tool.name, "not installed"), tool.note or _switch(tool.arguments)] for tool in TOOLS
    ]
    return Table("What was compared", rows)


def _switch(arguments: tuple[str, ...]) -> str:
    return f"`{arguments[0]}`" if arguments else ""
