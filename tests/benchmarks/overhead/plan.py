"""What is run, how often, and with which tools."""

from __future__ import annotations

from dataclasses import replace

from overhead import layouts
from overhead.environments import INSIDE, OURS, TOOLS
from overhead.turns import OFF, Part

OTEL = "OpenTelemetry, httpx"
TRACKERS = "codecarbon, a tracker a test"
NAMES = tuple(tool.name for tool in TOOLS)
PLUGINS = tuple(tool.name for tool in TOOLS if tool.off is not None)
METERS = tuple(name for name in NAMES if name != OTEL)
CALLED = tuple(name for name in NAMES if name not in {"pytest-timeout", TRACKERS})

JSON = ("--aifootprint-report", "json:{folder}/report.json")
ALL_ROWS = (*JSON, "--aifootprint-tests", "all")
SCRIPT = str(INSIDE / "recorded_meter.json")

PARTS: tuple[Part, ...] = (
    Part("version", None, PLUGINS, 11, OFF),
    Part("off", layouts.TRIVIAL_5000, (OURS,), 3, OFF),
    Part("trivial-200", layouts.TRIVIAL_200, METERS, 3),
    Part("cpu", layouts.CPU, METERS, 1),
    Part("http", layouts.REMOTE, CALLED, 2),
    Part("http-1000", layouts.REMOTE_1000, (OURS, OTEL), 5),
    Part("streamed", layouts.STREAMED_1000, (OURS, OTEL), 5),
    Part("local", layouts.LOCAL_1000, (OURS,), 3),
    Part("inprocess", layouts.INPROCESS, CALLED[:-1], 2),
    Part("inprocess of ours", layouts.INPROCESS_1000, (OURS,), 5),
    Part("start", layouts.TRIVIAL_1, (OURS,), 9),
    Part("trivial-1000", layouts.TRIVIAL_1000, (OURS,), 5),
    Part("trivial-5000", layouts.TRIVIAL_5000, (OURS,), 7),
    Part("trivial-20000", layouts.TRIVIAL_20000, (OURS,), 2, more=JSON),
    Part("sleep", layouts.SLEEP, (OURS, TRACKERS), 2),
    Part("sleep with a counter", layouts.SLEEP, (OURS,), 2, env=(("PYTEST_AIFOOTPRINT_RECORDED_METER", SCRIPT),)),
    Part("trivial-100000", layouts.TRIVIAL_100000, (OURS,), 1),
    Part("trivial-100000, all rows", layouts.TRIVIAL_100000, (OURS,), 1, more=ALL_ROWS, bare_of="trivial-100000"),
)
"""Everything of a full run."""

_TOO_LONG = {layouts.TRIVIAL_100000: layouts.TRIVIAL_5000, layouts.TRIVIAL_20000: layouts.TRIVIAL_5000}


def quick(parts: tuple[Part, ...]) -> tuple[Part, ...]:
    """One round, and no long suites: says whether it works, not how much."""
    return tuple(replace(part, rounds=1, suite=part.suite and _TOO_LONG.get(part.suite, part.suite)) for part in parts)
