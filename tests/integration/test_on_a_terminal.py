"""What the terminal shows: real runs in a pipe and in a pseudo terminal, wide and narrow, with and without signs."""

# ruff: noqa: RUF001 - the signs that are printed
from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

HERE = Path(__file__).parent
GOLDEN = HERE / "terminal"
# Set to write the golden files instead of comparing with them.
WRITE = "AIFOOTPRINT_WRITE_GOLDEN"
HOUR_NS = 3_600_000_000_000

TABLES = """
[tool.aifootprint.hardware]
machine = "vm"
watts_per_cpu_second = 1.6
idle_watts_per_cpu = 0.45

[tool.aifootprint.models."acme/summariser"]
training_kwh = 100
training_gco2e = 200
expected_uses = [100_000, 1_000_000, 5_000_000]
"""
WORK = """
import pytest
from conftest import WORLD

def call(aifootprint, model="acme/summariser", **more):
    aifootprint.record_call(model=model, locality="local", input_tokens=1500, output_tokens=150, **more)

@pytest.fixture(scope="module")
def loaded():
    WORLD.work(2.0, 1.0)

class TestSummaries:
    @pytest.mark.parametrize("text", ["short", "日本語のテキスト", "of a length that no table has room for, " * 3])
    def test_a_summary_is_true_to_its_text(self, loaded, aifootprint, text):
        WORLD.work(0.4, 2.0)
        for _ in range(3):
            call(aifootprint)

@pytest.mark.aifootprint(budget="1 mgCO2e")
def test_over_its_limit(aifootprint):
    WORLD.work(6.0, 1.0)
    call(aifootprint)

def test_small(aifootprint):
    WORLD.work(0.003, 1.0)
    call(aifootprint, "tuned-by-us.onnx", operation="inference")

def test_plain():
    WORLD.work(1.0, 1.0)
"""
ARGS = (
    "--aifootprint", "--aifootprint-grid=56 g/kWh", "--aifootprint-budget=3 mgCO2e",
    "--aifootprint-budget=use: 1 gCO2e", "--aifootprint-budget=1 call", "--tb=line", "-p", "no:asyncio",
)  # fmt: skip


@pytest.fixture
def scripted(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A suite whose joules are known."""
    recording = pytester.path / "recording.json"
    steady = {"domains": {"cpu": [[0, 0.0], [HOUR_NS, 360_000.0]]}, "busy_s": [[0, 0], [HOUR_NS, 4 * 3600]]}
    recording.write_text(json.dumps(steady))
    monkeypatch.setenv("PYTEST_AIFOOTPRINT_RECORDED_METER", str(recording))
    pytester.makeconftest((HERE / "scripted_world.py").read_text())
    pytester.makepyfile(test_work=WORK)
    pytester.makepyprojecttoml(TABLES)
    return pytester


def run(folder: Path, *args: str, columns: int = 0, environment: dict[str, str] | None = None) -> tuple[int, str]:
    """Status and output of pytest in a pipe; in a pseudo terminal of that many columns, if there are any."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "aifootprint", *args]
    command += ["-p", "xdist"] if any(arg.startswith("-n") for arg in args) else []
    env = {k: v for k, v in os.environ.items() if k not in {"COLUMNS", "NO_COLOR", "FORCE_COLOR", "PY_COLORS", "CI"}}
    # Without what is installed beside it, each run takes half the time.
    env |= {"TERM": "xterm", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": "", **(environment or {})}
    if not columns:
        done = subprocess.run(
            command, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
        )
        return done.returncode, done.stdout.decode()
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    process = subprocess.Popen(command, cwd=folder, env=env, stdin=follower, stdout=follower, stderr=follower)
    os.close(follower)
    written = b""
    while block := _read(leader):
        written += block
    os.close(leader)
    return process.wait(), written.decode().replace("\r\n", "\n")


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65_536)
    except OSError:  # what Linux says where the other end is closed
        return b""


def section(output: str) -> str:
    """Our section of the output."""
    start = output.index("= AI footprint =")
    lines = output[output.rindex("\n", 0, start) + 1 :].splitlines(keepends=True)
    end = next(n for n, line in enumerate(lines) if n and "==========" in line)
    return "".join(lines[:end])


@pytest.mark.parametrize(
    ("name", "columns", "environment"),
    [
        ("80-colour-unicode", 80, {}),
        ("80-plain-ascii", 0, {"COLUMNS": "80", "PYTHONIOENCODING": "ascii", "FORCE_COLOR": "", "NO_COLOR": "1"}),
        ("200-plain-unicode", 0, {"COLUMNS": "200", "PYTHONIOENCODING": "utf-8"}),
        ("200-colour-ascii", 0, {"COLUMNS": "200", "PYTHONIOENCODING": "ascii", "FORCE_COLOR": "1"}),
    ],
)
def test_the_summary_letter_by_letter(
    scripted: pytest.Pytester, name: str, columns: int, environment: dict[str, str]
) -> None:
    status, output = run(scripted.path, *ARGS, columns=columns, environment=environment)
    assert status == pytest.ExitCode.TESTS_FAILED, output
    golden = GOLDEN / f"{name}.txt"
    if os.environ.get(WRITE):
        golden.write_text(section(output), encoding="utf-8")
    assert section(output) == golden.read_text(encoding="utf-8")


SUITE = """
import pytest

def call(aifootprint, **more):
    aifootprint.record_call(model="gpt-4o", provider="openai", input_tokens=1000, output_tokens=1000, **more)

@pytest.mark.parametrize("n", range(5))
def test_asks(aifootprint, n):
    print("said by a test")
    for tokens in range(3):
        call(aifootprint)
    call(aifootprint, realness="replayed")
    call(aifootprint, realness="mocked")

def test_plain():
    assert {"a": 1} == {"a": 2}

def test_asks_often(aifootprint):
    for number in range(15):
        aifootprint.record_call(model=f"m{number}", provider="openai", input_tokens=10, output_tokens=number)

def test_last():
    pass
"""
SO_FAR = r"AI footprint so far: [\d.]+ gCO2e( \([^)]*\))?, \d+ live calls, \d+ (of 8 )?tests?"
OFTEN = {"PYTEST_AIFOOTPRINT_SO_FAR_EVERY_S": "0"}


def between(output: str) -> list[str]:
    """What was printed while tests ran, without colour and what xdist draws over."""
    output = re.sub(r"\x1b\[\d+m", "", output)
    text = output.partition("collected 8 items")[2] or output.partition("2 workers [8 items]")[2]
    return [line.rstrip() for line in text.partition("\n====")[0].splitlines()[1:] if line.strip()]


@pytest.fixture
def suite(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makepyfile(test_calls=SUITE)
    return pytester


@pytest.mark.parametrize("wide", [60, 120])
def test_the_cost_so_far_is_a_line_of_its_own_and_progress_goes_on_below(suite: pytest.Pytester, wide: int) -> None:
    status, output = run(suite.path, "--aifootprint", "-p", "no:asyncio", columns=wide, environment=OFTEN)
    assert status == 1
    lines = between(output)
    of_ours = [line for line in lines if line.startswith("AI footprint so far")]
    assert len(of_ours) == 7, "after each test that is not the last"
    for number, line in enumerate(lines):
        assert len(line) <= wide, line
        if line.startswith("AI"):
            assert re.fullmatch(rf"AI footprint so far: .*\[ *{12.5 * (number // 2 + 1) // 1:.0f}%\]", line)
        else:
            assert re.fullmatch(r"test_calls.py [.F]( +\[100%\])?", line)
    if wide == 120:
        assert all(re.match(SO_FAR, line) for line in of_ours)
        assert "15 live calls, 5 of 8 tests" in of_ours[4]


@pytest.mark.parametrize("args", [("-n2",), ("-n2", "-v"), ("-vv",)], ids=" ".join)
def test_the_cost_so_far_breaks_no_line_of_pytest(suite: pytest.Pytester, args: tuple[str, ...]) -> None:
    _, output = run(suite.path, "--aifootprint", "-p", "no:asyncio", *args, columns=100, environment=OFTEN)
    lines = between(output)
    assert sum(line.startswith("AI footprint so far") for line in lines) >= 5
    test = r"test_calls\.py::test_\w+(\[\d\])?"
    word = r"(PASSED|FAILED)( \([\d.]+ \w+CO2e\))?"
    known = (
        SO_FAR,
        r"[.F]*( +\[100%\])?",
        r"scheduling tests via LoadScheduling",
        rf"{test}( {word} +\[ *\d+%\])?",
        rf"\[gw\d\] \[ *\d+%\] {word} {test}",
        r"    (chat|…) .*",
    )
    assert [line for line in lines if not any(re.fullmatch(pattern, line) for pattern in known)] == []


@pytest.mark.parametrize(
    ("args", "columns", "environment"),
    [
        ((), 0, OFTEN),
        (("-q",), 80, OFTEN),
        (("-s",), 80, OFTEN),
        ((), 80, {**OFTEN, "CI": "true"}),
    ],
    ids=["in a pipe", "quiet", "where tests print themselves", "in CI"],
)
def test_no_cost_so_far(
    suite: pytest.Pytester, args: tuple[str, ...], columns: int, environment: dict[str, str]
) -> None:
    _, output = run(suite.path, "--aifootprint", *args, columns=columns, environment=environment)
    assert "AI footprint" in output
    assert "so far" not in output


def test_no_cost_so_far_where_no_model_was_called(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_a(): pass\ndef test_b(): pass")
    _, output = run(pytester.path, "--aifootprint", columns=80, environment=OFTEN)
    assert "so far" not in output


SLOW_PRICES = """
import time
from pytest_aifootprint.session.pricing import Pricing

of_record = Pricing.direct

def direct(self, run, n_processes=1):
    end = time.thread_time() + 0.05
    while time.thread_time() < end:
        pass
    return of_record(self, run, n_processes)

Pricing.direct = direct
"""


def test_pricing_so_far_is_billed_to_this_plugin_and_no_test(suite: pytest.Pytester) -> None:
    suite.makeconftest(SLOW_PRICES)
    args = ("--aifootprint", "--aifootprint-report=json:r.json", "-p", "no:asyncio")
    _, output = run(suite.path, *args, columns=80, environment=OFTEN)
    assert "so far" in output
    report = json.loads((suite.path / "r.json").read_text())
    terms = report["balance"]["cpu"]
    assert sum(test["direct"]["cpu_s"] for test in report["tests"]) < 0.05
    assert terms["plugin_j"] > 5 * (terms["ai_tests_j"] + terms["other_tests_j"])


TWO_AT_ONCE = """
import threading
from _pytest import runner
from _pytest.runner import SetupState

BOTH_RUN, FIRST_IS_OVER = threading.Event(), threading.Event()
runner._update_current_test_var = lambda item, when: None

class Proxy(threading.local):
    def __init__(self):
        self.state = SetupState()

    def __getattr__(self, name):
        return getattr(self.__dict__["state"], name)

def pytest_runtestloop(session):
    session._setupstate = Proxy()
    run = lambda item: item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
    first, second, *others = session.items
    thread = threading.Thread(target=run, args=(second,))
    thread.start()
    BOTH_RUN.wait(60)
    run(first)
    FIRST_IS_OVER.set()
    thread.join()
    for item in others:
        run(item)
    return True
"""


def test_no_cost_so_far_while_another_test_runs_in_this_process(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(TWO_AT_ONCE)
    pytester.makepyfile(
        """
        from conftest import BOTH_RUN, FIRST_IS_OVER

        def call(aifootprint):
            aifootprint.record_call(model="gpt-4o", provider="openai", input_tokens=1000, output_tokens=1000)

        def test_first(aifootprint):
            call(aifootprint)

        def test_second(aifootprint):
            call(aifootprint)
            BOTH_RUN.set()
            assert FIRST_IS_OVER.wait(60)

        def test_third(aifootprint):
            call(aifootprint)

        def test_last():
            pass
        """
    )
    status, output = run(pytester.path, "--aifootprint", "-p", "no:asyncio", columns=100, environment=OFTEN)
    assert status == 0, output
    assert re.findall(r"(\d) of 4 tests", output.partition("= AI footprint")[0]) == ["2", "3"]


CLOCK = """
import pytest
from pytest_aifootprint.quantities.unfaked import REAL
from pytest_aifootprint.session import so_far
from pytest_aifootprint.session.pricing import Pricing

now_ns, direct, later, priced = REAL.monotonic_ns, Pricing.direct, [0], []
REAL.monotonic_ns = lambda: now_ns() + later[0]
so_far.MOST_PRICED = MOST

def noted(self, run, n_processes=1):
    priced.append(run.nodeid)
    return direct(self, run, n_processes)

Pricing.direct = noted

@pytest.fixture(autouse=True)
def half_a_minute():
    later[0] += 31_000_000_000

def pytest_unconfigure():
    with open("priced.txt", "w") as file:
        file.write("\\n".join(priced))
"""


@pytest.mark.parametrize(
    ("most", "said"),
    [
        (1000, ["6 live calls, 2 of 8", "12 live calls, 4 of 8", "15 live calls, 6 of 8"]),
        (1, ["over 3 live calls, 2 of 8", "over 6 live calls, 4 of 8", "over 9 live calls, 6 of 8"]),
    ],
)
def test_once_a_minute_each_test_is_priced_once_and_never_too_many(
    suite: pytest.Pytester, most: int, said: list[str]
) -> None:
    suite.makeconftest(CLOCK.replace("MOST\n", f"{most}\n"))
    _, output = run(suite.path, "--aifootprint", "-p", "no:asyncio", columns=120)
    lines = [line for line in between(output) if line.startswith("AI footprint so far")]
    assert [re.search(r"(over )?\d+ live calls, \d of 8", line)[0] for line in lines] == said  # type: ignore[index]
    priced = (suite.path / "priced.txt").read_text().splitlines()
    assert priced == [f"test_calls.py::test_asks[{n}]" for n in range(len(priced))]
    assert len(priced) == (3 if most == 1 else 5)


def test_an_error_while_pricing_so_far_is_a_notice_and_changes_no_test(suite: pytest.Pytester) -> None:
    suite.makeconftest(
        """
        from pytest_aifootprint.session.so_far import SoFar
        SoFar._price = lambda self: 1 / 0
        """
    )
    environment = {**OFTEN, "PYTEST_AIFOOTPRINT_RAISE": ""}
    _, output = run(suite.path, "--aifootprint", columns=100, environment=environment)
    assert "7 passed" in output
    assert output.count("cost so far: ZeroDivisionError") == 1


def test_vv_lists_the_calls_of_each_test_under_its_line(suite: pytest.Pytester, workers: tuple[str, ...]) -> None:
    result = suite.runpytest("--aifootprint", "-vv", *workers)
    lines = result.outlines
    of_test = [n for n, line in enumerate(lines) if re.search(r"PASSED \([\d.]+ m?gCO2e\)", line)]
    assert len(of_test) == 6
    often = next(n for n in of_test if "test_asks_often" in lines[n])
    for number in of_test:
        if number == often:
            continue
        assert re.fullmatch(r"    chat openai/gpt-4o ×3, 3 k \+ 3 k tokens, [\d.]+ gCO2e", lines[number + 1])
        assert re.fullmatch(
            r"    chat openai/gpt-4o, replayed, 1 k \+ 1 k tokens, avoided [\d.]+ m?gCO2e", lines[number + 2]
        )
        assert lines[number + 3] == "    chat openai/gpt-4o, mocked, 1 k + 1 k tokens"
        assert not lines[number + 4].startswith("    ")
    assert lines[often + 1].startswith("    chat openai/m0, 10 + 0 tokens, ")
    assert lines[often + 10].startswith("    chat openai/m9, 10 + 9 tokens, ")
    assert re.fullmatch(r"    … and 5 more calls, [\d.]+ m?gCO2e", lines[often + 11])
    result.stdout.fnmatch_lines(["*Full diff*"])


def test_v_lists_no_calls(suite: pytest.Pytester) -> None:
    suite.runpytest("--aifootprint", "-v").stdout.no_fnmatch_line("    chat *")


def test_the_suffix_is_nowhere_but_behind_the_status(pytester: pytest.Pytester, workers: tuple[str, ...]) -> None:
    pytester.makepyfile(
        test_calls=SUITE
        + """
tries = []

def test_flaky(aifootprint):
    call(aifootprint)
    tries.append(1)
    assert len(tries) > 1

@pytest.mark.xfail
def test_wrong(aifootprint):
    call(aifootprint)
    assert False

def test_skips(aifootprint):
    call(aifootprint)
    pytest.skip("no")
"""
    )
    result = pytester.runpytest(
        "--aifootprint", "-v", "-rA", "--reruns=1", "--junitxml=j.xml", "--tb=short", "--durations=3", *workers
    )
    words = r"(PASSED|XFAIL|SKIPPED) \([\d.]+ m?gCO2e\)"
    progress, _, rest = result.stdout.str().partition("session starts")[2].partition("\n====")
    assert sum(bool(re.search(words, line)) for line in progress.splitlines()) == 9
    assert "RERUN (" not in progress
    assert not re.search(words, rest)
    assert [line for line in rest.splitlines() if "test_flaky" in line and "PASSED" in line] == [
        "PASSED test_calls.py::test_flaky"
    ]
    assert "gCO2e)" not in (pytester.path / "j.xml").read_text()


def test_the_suffix_is_not_behind_another_report_that_somebody_asks_for_meanwhile(suite: pytest.Pytester) -> None:
    suite.makeconftest(
        """
        import pytest
        kept = []

        @pytest.hookimpl(trylast=True)
        def pytest_runtest_logreport(report):
            kept.extend([report] if report.when == "call" else [])
            if report.when == "call":
                _, _, word = CONFIG.hook.pytest_report_teststatus(report=kept[0], config=CONFIG)
                print("asked", len(kept), word)

        def pytest_configure(config):
            global CONFIG
            CONFIG = config
        """
    )
    asked = re.findall(r"asked (\d) PASSED( \()?", suite.runpytest("--aifootprint", "-v", "-s").stdout.str())
    assert asked == [("1", " ("), *((str(number), "") for number in range(2, 9))]


@pytest.mark.parametrize(("top", "rows"), [("0", 0), ("2", 2), ("6", 6), ("999999999", 6)])
def test_top_is_the_number_of_rows(suite: pytest.Pytester, top: str, rows: int) -> None:
    lines = suite.runpytest("--aifootprint", f"--aifootprint-top={top}").outlines
    assert sum("test_calls.py::test_asks" in line and " Wh " in line for line in lines) == rows
    assert any(line.startswith("most carbon") for line in lines) is bool(rows)


@pytest.mark.parametrize("top", ["-1", "", "ten", "1.5", "1e3", "²", "٣", "9" * 5000])
def test_a_top_that_is_no_number_of_rows_is_one_line_and_no_test_runs(suite: pytest.Pytester, top: str) -> None:
    result = suite.runpytest("--aifootprint", f"--aifootprint-top={top}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    (line,) = [line for line in result.errlines if line.strip()]
    assert line.startswith("ERROR: --aifootprint-top (command line): ")
    assert line.endswith("is not a number of rows; valid: 0, 1, 2, ...")


def test_without_summaries_a_failed_verdict_is_still_said_once(suite: pytest.Pytester) -> None:
    result = suite.runpytest_subprocess("--aifootprint", "--no-summary", "--aifootprint-budget=1 mgCO2e")
    assert result.ret == 1
    said = [line for line in (*result.outlines, *result.errlines) if "of 1 mg" in line]
    assert len(said) == 1
    assert ": fail" in said[0]
