"""What metering costs, counted: modules, calls, system calls, memory, and how the end of a run grows with it.

Counts are the same on a busy machine, in each run, and from Python 3.10 to 3.13; times are not, and belong to the
benchmarks. Whoever adds to a test's path finds it here. ``pytest -s`` on this file prints what is counted now, beside
what is allowed, and which functions it is in: whoever makes the path shorter lowers the bound.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from counting import (  # type: ignore[import-not-found]  # pytest puts this folder on the path, mypy does not
    COUNTED,
    GROWN,
    MARK,
    MEET,
    WARM,
)

# Of one test, at most; counting.py has the words. Counted exactly, so they stand here as they are, of the Python that
# has most: since 3.12 a comprehension is no call.
EACH: Mapping[str, Mapping[str, float]] = {
    "trivial": {"entries": 8, "calls": 45, "c_calls": 43.6, "system": 18, "lines": 255.1},
    "verbose": {"entries": 20, "calls": 60, "c_calls": 43.6, "system": 18, "lines": 291.1},
    "fixtures": {"entries": 11, "calls": 72, "c_calls": 61.6, "system": 18, "lines": 339.1},
    "calls": {"entries": 13, "calls": 73, "c_calls": 65.6, "system": 21, "lines": 349.1},
    "worker": {"entries": 8, "calls": 57, "c_calls": 52.6, "system": 23, "lines": 284.1},
    "controller": {"entries": 15, "calls": 35, "c_calls": 20, "system": 3, "lines": 107},
}
# Memory that is left of one test, beside what pytest itself keeps of it. It has some room, less than for one object: an
# array grows in steps. Counted were bytes 57, 323, 2010, 1, 59, 192; blocks 0.1 at most above a whole number.
# Blocks of a controller are not counted: another thread of it reads what workers send.
GROWTH: Mapping[str, Mapping[str, float]] = {
    "trivial": {"blocks": 0.5, "bytes": 68, "tracked": 0.1},
    "fixtures": {"blocks": 1.6, "bytes": 345, "tracked": 1.1},
    "calls": {"blocks": 29.6, "bytes": 2095, "tracked": 12.1},
    "worker": {"blocks": 0.5, "bytes": 8, "tracked": 0.1},
    "controller": {"bytes": 68, "tracked": 0.1},
    "all rows": {"blocks": 0.5, "bytes": 205, "tracked": 0.1},
}
# What the kernel is asked for one trivial test.
SYSTEM_CALLS = 14.1
# Modules of this package in a process whose first tests have run; and of others, what not every pytest has.
MODULES = {"trivial": 95, "worker": 62, "controller": 146}
OTHERS = {
    "_contextvars",
    "contextvars",
    "resource",
    "ipaddress",
    "csv",
    "_csv",
    "array",
    "urllib",
    "urllib.parse",
    "typing_extensions",
}
if sys.version_info >= (3, 13):
    OTHERS.add("_socket")  # of typing_extensions
ENTRY_POINT = {f"pytest_aifootprint{name}" for name in ("", ".plugin", ".options", ".hookspecs")}

SUITES = {
    "trivial": """
        for n in range({n}):
            exec(f"def test_{{n}}(): pass")
    """,
    "fixtures": """
        import pytest

        @pytest.fixture(scope="module")
        def shared():
            return 1

        @pytest.fixture
        def own():
            return 2

        for n in range({n}):
            exec(f"def test_{{n}}(own, shared): pass")
    """,
    "calls": """
        def call(aifootprint, n):
            aifootprint.record_call(model="gpt-4o-mini", provider="openai", input_tokens=n, output_tokens=10)

        for n in range({n}):
            exec(f"def test_{{n}}(aifootprint): call(aifootprint, {{n}})")
    """,
    # ecologits is imported here, where nothing is counted yet. Classes have fixtures, so that their number grows, too.
    "end": """
        import ecologits.tracers.utils
        import pytest

        @pytest.fixture(scope="class")
        def judge(request):
            return request.node.name

        class Asks:
            @pytest.mark.parametrize("n", range(5))
            def test_asks(self, judge, aifootprint, n):
                model, provider = (("gpt-4o-mini", "openai"), ("mistral-small", "mistralai"))[n % 2]
                aifootprint.record_call(model=model, provider=provider, input_tokens=n, output_tokens=10)

        for n in range({n} // 5):
            exec(f"class Test{{n}}(Asks): pass")
    """,
}
TESTS = COUNTED + 1  # the last one tears down what is shared
ON = ("-p", "aifootprint", "--aifootprint")
Counts = dict[str, Any]
Count = Callable[..., dict[str, Counts]]


@pytest.fixture(scope="module")
def count(tmp_path_factory: pytest.TempPathFactory) -> Count:
    """Runs a suite, once for all who ask: what was counted in each process of it."""
    known: dict[tuple[str, ...], dict[str, Counts]] = {}

    def run(suite: str, *args: str, n: int = TESTS) -> dict[str, Counts]:
        key = (suite, str(n), *args)
        if key not in known:
            folder = tmp_path_factory.mktemp("counted")
            play(folder, suite, *args, n=n)
            known[key] = {
                path.stem.removeprefix("counted-"): json.loads(path.read_text())
                for path in folder.glob("counted-*.json")
            }
        return known[key]

    return run


def play(folder: Path, suite: str, *args: str, n: int = TESTS, under: tuple[str, ...] = ()) -> None:
    """One run in a process of its own, with no plugins but those that are named, and no counter of joules.

    Where there is one, a thread of ours reads it; which machine has one is no question here.
    """
    lines = SUITES[suite].format(n=n).splitlines()
    (folder / "test_suite.py").write_text("\n".join(line[8:] for line in lines))
    (folder / "pytest.ini").write_text("[pytest]\n")
    (folder / "recording.json").write_text('{"domains": {}}')
    for over in (WARM, GROWN) if "xdist" in args else ():
        os.mkfifo(folder / MEET.format(over))
    here = str(Path(__file__).parent)
    environ = os.environ | {
        "PYTEST_AIFOOTPRINT_RECORDED_METER": str(folder / "recording.json"),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTHONHASHSEED": "0",
        "PYTHONPATH": os.pathsep.join(filter(None, (here, os.environ.get("PYTHONPATH")))),
    }
    environ.pop("PYTEST_ADDOPTS", None)
    # Without the rewriting of asserts: it writes files, or does the same again in each run where none may be written.
    options = ("-q", "--assert=plain", "-p", "no:cacheprovider", "-p", "counting", *args)
    command = [*under, sys.executable, "-m", "pytest", *options]
    result = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False, timeout=300)
    assert f"{n} passed" in result.stdout, result.stdout + result.stderr


def growth_of(on: Counts, off: Counts) -> dict[str, float]:
    return {what: n - off["growth"][what] for what, n in on["growth"].items()}


def say(*lines: str) -> None:
    sys.stdout.write("\n".join(lines) + "\n")


def over(title: str, found: Mapping[str, float], allowed: Mapping[str, float]) -> list[str]:
    """Prints both; what is more than allowed."""
    say(title, *(f"  {what} {found.get(what, 0):.4g} (of {most:g})" for what, most in allowed.items()))
    # Not a whole count: a hundredth of one is memory that was freed at another moment.
    return [
        f"{title}: {n:g} {what}, not {allowed[what]:g}" for what, n in found.items() if n > allowed.get(what, n) + 0.01
    ]


def told(counts: Counts) -> None:
    say("  system: " + ", ".join(f"{name} {n:g}" for name, n in counts["asked"].items()))
    say(*(f"    {n:g} lines {where}" for where, n in [*counts["where"].items()][:12]))


@pytest.mark.parametrize("suite", ["trivial", "fixtures", "calls"])
def test_a_test_costs_no_more_calls_and_leaves_no_more_behind(count: Count, suite: str) -> None:
    on, off = count(suite, *ON)["main"], count(suite, "-p", "aifootprint")["main"]
    told(on)
    found = over(suite, on["each"], EACH[suite]) + over(suite, growth_of(on, off), GROWTH[suite])
    assert not found, "\n".join(found)


def test_a_test_costs_no_more_in_a_worker_and_in_its_controller(count: Count) -> None:
    on, off = count("trivial", "-p", "xdist", "-n1", *ON), count("trivial", "-p", "xdist", "-n1", "-p", "aifootprint")
    found = []
    for role, process in (("worker", "gw0"), ("controller", "main")):
        told(on[process])
        found += over(role, on[process]["each"], EACH[role])
        found += over(role, growth_of(on[process], off[process]), GROWTH[role])
    assert not found, "\n".join(found)


def test_a_row_for_every_test_takes_no_more_memory(count: Count) -> None:
    on, off = count("trivial", *ON, "--aifootprint-tests=all")["main"], count("trivial", "-p", "aifootprint")["main"]
    assert over("all rows", growth_of(on, off), GROWTH["all rows"]) == []


def test_a_test_costs_no_more_where_each_gets_a_line(count: Count) -> None:
    on = count("trivial", *ON, "-vv")["main"]
    told(on)
    found = over("verbose", on["each"], EACH["verbose"])
    assert not found, "\n".join(found)


def test_without_the_flag_a_test_costs_nothing(count: Count) -> None:
    on, off = count("trivial", "-p", "aifootprint")["main"], count("trivial")["main"]
    assert on["each"].get("calls", 0) == on["each"]["lines"] == 0
    assert over("off", growth_of(on, off), {"blocks": 0.05, "tracked": 0}) == []


def test_no_more_modules_are_imported_before_and_while_tests_run(count: Count) -> None:
    alone, workers = ("trivial",), ("trivial", "-p", "xdist", "-n1")
    found = []
    for role, run, process in (
        ("trivial", alone, "main"),
        ("worker", workers, "gw0"),
        ("controller", workers, "main"),
    ):
        off = {*count(*run, "-p", "aifootprint")[process]["modules"]}
        new = {*count(*run, *ON)[process]["modules"]} - off
        ours = ENTRY_POINT | {name for name in new if name.startswith("pytest_aifootprint.")}
        assert {name for name in new - ours if not name.startswith("msgspec")} <= OTHERS
        found += over(role, {"modules": len(ours)}, {"modules": MODULES[role]})
    assert not found, "\n".join(found)


def test_installed_it_adds_four_modules_to_the_start_of_pytest() -> None:
    def modules(*args: str) -> set[str]:
        look = "import json, sys, pytest; pytest.main(sys.argv[1:]); print(json.dumps([*sys.modules]))"
        # Twice: once alone is answered before plugins are looked for.
        command = [sys.executable, "-c", look, "--version", "--version", *args]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        return {*json.loads(said.splitlines()[-1])}

    assert modules() - modules("-p", "no:aifootprint") == ENTRY_POINT


STRACE = shutil.which("strace")
# Memory is the allocator's business, and whether a lock is free that of other processes.
NOT_OURS = {"mmap", "munmap", "mremap", "madvise", "brk", "mprotect", "futex"}


def system_calls(folder: Path, *args: str) -> Counter[str]:
    """Per test, by name."""
    log = folder / "strace.txt"
    assert STRACE is not None
    play(folder, "trivial", *args, under=(STRACE, "-f", "-qq", "-o", str(log)))
    between = log.read_text().split(f'"{MARK}')
    assert [part.partition('"')[0] for part in between[1:]] == [str(n) for n in (WARM, GROWN, COUNTED)]
    names = re.findall(r"^\d+ +(\w+)\(", between[1], re.MULTILINE)
    return Counter({name: n / (GROWN - WARM) for name, n in Counter(names).items() if name not in NOT_OURS})


@pytest.mark.skipif(STRACE is None, reason="strace is not installed")
def test_the_kernel_is_asked_no_more_often(tmp_path_factory: pytest.TempPathFactory) -> None:
    traced = subprocess.run([str(STRACE), "-qq", "true"], capture_output=True, text=True, check=False)
    if traced.returncode:
        pytest.skip(f"strace may not trace here: {traced.stderr.strip()}")
    on = system_calls(tmp_path_factory.mktemp("on"), *ON)
    off = system_calls(tmp_path_factory.mktemp("off"), "-p", "aifootprint")
    more = {name: n - off[name] for name, n in on.items() if abs(n - off[name]) >= 0.1}
    say(str(more))
    assert over("kernel", {"system calls": sum(more.values())}, {"system calls": SYSTEM_CALLS + 0.1}) == []


def test_the_end_of_a_run_grows_no_faster_than_the_run(count: Count) -> None:
    """Of each function of the package: twice the tests more, twice the lines more."""
    options = ("-p", "ticking", *ON, "--aifootprint-tests=all", "--aifootprint-report=json:out.json")
    few, some, many = (count("end", *options, n=n)["main"]["end"] for n in (10, 20, 40))
    assert sum(many.values()) > 40 * 1000
    steps = {name: (some.get(name, 0) - few.get(name, 0), n - some.get(name, 0)) for name, n in many.items()}
    most = sorted(steps.items(), key=lambda item: -item[1][1])[:12]
    say(*(f"{second / 20:g} lines a test, of fewer {first / 10:g}: {name}" for name, (first, second) in most))
    assert [name for name, (first, second) in steps.items() if second > 2.2 * first + 100] == []
