"""``aifootprint explain`` on reports made by hand: what it finds, what it refuses, and what does not add up."""

from __future__ import annotations

import copy
import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pytest_aifootprint.cli import app
from pytest_aifootprint.explain.costs import Figures, summed
from pytest_aifootprint.explain.facts import listed
from pytest_aifootprint.explain.saved import Saved, SavedError
from pytest_aifootprint.quantities import EXACT_ZERO, Range

EXACT = {"low": 0.0, "central": 0.0, "high": 0.0}


def r(value: float) -> dict[str, float]:
    return dict.fromkeys(("low", "central", "high"), value)


def given_row(symbol: str, central: float, unit: str = "") -> dict[str, Any]:
    return {
        "symbol": symbol, "what": f"what {symbol} is", "unit": unit, "central": central, "factors": [],
        "source": f"source of {symbol}", "year": 2025, "basis": "seen",
    }  # fmt: skip


def step(symbol: str, equation: str, unit: str) -> dict[str, Any]:
    return {"symbol": symbol, "equation": equation, "unit": unit, "what": f"what {symbol} is", "gathered": None}


MACHINE: dict[str, Any] = {
    "given": [given_row("w", 2.0, "W"), given_row("I_here", 360.0, "g/kWh"), given_row("rate", 1e-6, "g/s")],
    "steps": [
        step("E_cpu", "w * t", "J"),
        step("E_here", "E_cpu + E_ram + E_gpu", "J"),
        step("use", "E_here * I_here / 3.6e6", "g"),
        step("hardware", "rate * t_machine", "g"),
    ],
    "answers": {"use_carbon_g": "use", "hardware_carbon_g": "hardware", "avoidable_carbon_g": "use"},
}
CHAT = {
    "given": [given_row("e_out", 10.0, "J"), given_row("I", 720.0, "g/kWh")],
    "steps": [step("E", "e_out * out", "J"), step("use", "E * I / 3.6e6", "g")],
    "answers": {"energy_j": "E", "use_carbon_g": "use", "training_carbon_g": None},
}


def call_row(**changed: Any) -> dict[str, Any]:
    row = {
        "operation": "chat", "provider": "acme", "model": "org/model-x", "locality": "remote", "realness": "live",
        "count": 2, "input_tokens": 5, "cached_input_tokens": None, "output_tokens": 4, "samples": None,
        "media_s": None,
        "sheet": "acme/model-x chat", "priced": True, "equation": "E = ...", "source": "a source",
        "energy_j": r(80.0), "basis": "estimated",
        "carbon_g": {"use": r(0.016), "training": None, "hardware": EXACT, "total": r(0.016)},
    }  # fmt: skip
    return {**row, **changed}


def carbon(use: float, hardware: float) -> dict[str, Any]:
    return {"use": r(use), "training": None, "hardware": r(hardware), "total": r(use + hardware)}


def report() -> dict[str, Any]:
    """One test of 3 CPU seconds with two calls; it uses a fixture of 1 CPU second that another test shares."""
    share = {"id": "m.py::fix", "name": "fix", "scope": "module", "users": 2, "energy_j": r(1.0), "carbon_g": r(1e-4),
             "setups": 1, "trained": []}  # fmt: skip
    test = {
        "nodeid": "tests/m.py::test_one", "worker": "main", "outcome": "passed", "ai": True, "calls": [call_row()],
        "tokens": {"input": 10, "output": 8},
        "energy_j": {"cpu": r(7.0), "remote": r(80.0), "total": r(87.0)},
        "carbon_g": carbon(0.0167, 3.5e-6), "water_l": EXACT,
        "avoidable_carbon_g": r(0.0006), "avoided_carbon_g": EXACT,
        "direct": {"cpu_s": 3.0, "machine_s": 3.0, "cards_s": {}, "energy_j": {"cpu": r(6.0)}},
        "fixtures": [share],
    }  # fmt: skip
    fixture = {
        "id": "m.py::fix", "name": "fix", "scope": "module", "users": ["tests/m.py::test_one", "tests/m.py::test_two"],
        "payers": 2, "ai_payers": 1, "setups": 1, "calls": [], "energy_j": {"cpu": r(2.0), "total": r(2.0)},
        "carbon_g": carbon(0.0002, 1e-6), "cpu_s": 1.0, "machine_s": 1.0, "cards_s": {},
        "only_ai_users": False,
    }  # fmt: skip
    model = {
        "id": "org/model-x", "provider": "acme", "calls": 2, "carbon_g": carbon(0.016, 0.0), "parameters": None,
        "revision": None, "loads": {"count": 0}, "trained_here": None,
        "training": {"method": "unknown", "source": "nothing", "kwh": None, "carbon_kg": None},
    }  # fmt: skip
    grid = {"zone": "FRA", "carbon_g_per_kwh": r(360.0), "source": "Ember", "year": 2023, "guessed": False}
    return {
        "schema_version": 1,
        "tool": {"factors_version": "2026.11+x"},
        "run": {"started_at": "2026-11-23T00:00:00+00:00", "grids": {"local": grid, "remote": {}},
                "meters": [{"domain": "cpu", "name": "load model", "basis": "modelled"}]},
        "totals": {
            "tests": 2, "calls": {"live": 2, "replayed": 0, "mocked": 0}, "tokens": {"input": 10, "output": 8},
            "energy_j": {"cpu": r(7.0), "ram": None, "gpu": None, "remote": r(80.0), "total": r(87.0)},
            "carbon_g": carbon(0.0167, 3.5e-6), "water_l": {"site": EXACT, "source": EXACT, "total": EXACT},
            "avoidable_carbon_g": r(0.0006), "avoided_carbon_g": EXACT, "sci_style": None, "widest_input": None,
            "basis_share": {"modelled": 7 / 87, "estimated": 80 / 87},
        },
        "balance": {}, "tests": [test], "fixtures": [fixture], "models": [model],
        "sheets": {"this machine": MACHINE, "acme/model-x chat": CHAT},
    }  # fmt: skip


def ask(tmp_path: Path, content: Any, *what: str) -> Any:
    path = tmp_path / "ai.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return CliRunner().invoke(app, ["explain", "--report", str(path), *what], env={"COLUMNS": "200"})


@pytest.mark.parametrize(
    "what", [(), ("tests/m.py::test_one",), ("test_one",), ("m.py::fix",), ("fix",), ("org/model-x",), ("MODEL-X",)]
)
def test_a_run_a_test_a_fixture_and_a_model_are_explained_by_their_names(tmp_path: Path, what: tuple[str, ...]) -> None:
    done = ask(tmp_path, report(), *what)
    assert (done.exit_code, done.stderr) == (0, "")


def test_a_tests_numbers_are_made_of_its_windows_its_calls_and_its_part_of_fixtures(tmp_path: Path) -> None:
    text = ask(tmp_path, report(), "test_one").stdout
    for line in (
        "= w * t",
        "= 6 J [1.7 mWh]",
        "= 40 J",  # of one call
        "#1 2 x chat org/model-x at acme, remote, live",
        "#1 m.py::fix over 2",
        "= use_own + sum(use_calls) + sum(use_shares)",
        "= 0.0167 g",
        "source of I_here, 2025 (seen)",
    ):
        assert line in text, line
    assert re.search(r"E_cpu_own +6 J   electricity of the CPU, of its own windows", text)
    assert re.search(r"use_own +\S+ g   carbon of that electricity, of its own windows", text)


def test_an_unknown_training_share_is_unknown_and_in_no_sum(tmp_path: Path) -> None:
    text = ask(tmp_path, report(), "test_one").stdout
    assert "= sum(training_calls)" in text
    assert "= unknown   share of the models' training" in text
    assert "= use + hardware" in text


@pytest.mark.parametrize("size", [80, 200])
def test_lines_fit_the_terminal(tmp_path: Path, size: int) -> None:
    path = tmp_path / "ai.json"
    path.write_text(json.dumps(report()))
    for what in ((), ("test_one",)):
        done = CliRunner().invoke(app, ["explain", "--report", str(path), *what], env={"COLUMNS": str(size)})
        assert max(map(len, done.stdout.splitlines())) <= size
        assert "…" not in done.stdout


def changed(path: str, value: Any) -> dict[str, Any]:
    row = copy.deepcopy(report())
    *keys, last = [int(key) if key.isdigit() else key.replace("~", "/") for key in path.split("/")]
    inner: Any = row
    for key in keys:
        inner = inner[key]
    inner[last] = value
    return row


@pytest.mark.parametrize(
    ("path", "value", "what", "symbol"),
    [
        ("tests/0/energy_j/cpu", r(7.1), ("test_one",), "E_cpu"),
        ("tests/0/carbon_g/use", r(0.0168), ("test_one",), "use"),
        ("totals/carbon_g/total", r(0.02), (), "carbon"),
        ("totals/energy_j/remote", {"low": 79.0, "central": 80.0, "high": 81.0}, (), "E_remote"),
        ("fixtures/0/carbon_g/hardware", r(2e-6), ("fix",), "hardware"),
        ("totals/calls/live", 3, (), "live_calls"),
    ],
)
def test_a_report_whose_numbers_do_not_add_up_is_told_so(
    tmp_path: Path, path: str, value: Any, what: tuple[str, ...], symbol: str
) -> None:
    done = ask(tmp_path, changed(path, value), *what)
    assert done.exit_code == 1
    assert f"the report has other numbers: {symbol}" in done.stderr
    assert "THE REPORT HAS" in done.stdout


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "not JSON, or cut off"),
        ('{"schema_version": 1, "tests": [', "not JSON, or cut off"),
        ("[]", "not a report of this plugin"),
        ({"schema_version": 2}, "schema_version 2; this version of the plugin reads 1"),
        ({}, "schema_version None"),
        ({"schema_version": 1}, "an older report that does not say how its numbers are made"),
        ({"schema_version": 1, "sheets": {"this machine": {}}}, "not a report of this plugin: KeyError"),
        (changed("sheets/this machine/steps/0/equation", "__import__('os')"), "more than arithmetic"),
        (changed("sheets/this machine/steps/0/equation", "t / 0"), "cannot be calculated"),
        (changed("tests/0/calls/0/sheet", "gone"), "not a report of this plugin: KeyError('gone')"),
        (changed("fixtures", []), "not a report of this plugin: KeyError('m.py::fix')"),
    ],
)
def test_what_is_no_report_is_one_line(tmp_path: Path, content: Any, says: str) -> None:
    done = ask(tmp_path, content)
    assert done.exit_code == 2
    assert says in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_missing_report_says_how_to_write_one(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["explain", "--report", str(tmp_path / "no.json")])
    assert done.exit_code == 2
    assert "write one with pytest --aifootprint --aifootprint-report json:" in done.stderr


def test_a_name_that_is_not_there_is_answered_with_close_ones(tmp_path: Path) -> None:
    done = ask(tmp_path, report(), "test_oen")
    assert done.exit_code == 2
    assert "has no test, fixture or model 'test_oen'; did you mean tests/m.py::test_one?" in done.stderr


@pytest.mark.parametrize(
    ("asked", "meant"),
    [("model", "org/model-x"), ("odel-x", "org/model-x"), ("fi", "m.py::fix"), ("nothing-alike", ""), ("", "")],
)
def test_a_part_of_a_name_is_answered_with_the_whole(tmp_path: Path, asked: str, meant: str) -> None:
    done = ask(tmp_path, report(), asked)
    assert done.exit_code == 2
    assert done.stderr.endswith(f"; did you mean {meant}?\n" if meant else f"model {asked!r}\n")


def test_who_asks_for_a_test_without_a_row_hears_how_to_get_one(tmp_path: Path) -> None:
    row = report()
    row["totals"]["tests"] = 3
    hint = "(tests without an AI call have a row with --aifootprint-tests all)"
    assert hint in ask(tmp_path, row, "test_plain").stderr
    assert hint not in ask(tmp_path, row, "gpt-4").stderr
    row["totals"]["tests"] = len(row["tests"])
    assert hint not in ask(tmp_path, row, "test_plain").stderr


def test_an_end_that_two_tests_share_names_neither() -> None:
    row = report()
    row["tests"].append({**row["tests"][0], "nodeid": "other/m.py::test_one"})
    saved = Saved(row)
    assert saved.test("test_one") is None
    found = saved.test("other/m.py::test_one")
    assert found is not None
    assert found["nodeid"] == "other/m.py::test_one"


def test_most_tests_of_a_large_run_are_summed_in_one_row(tmp_path: Path) -> None:
    row = report()
    row["tests"] = [{**row["tests"][0], "nodeid": f"m.py::test_{n}"} for n in range(30)]
    text = ask(tmp_path, row, "--rows", "5").stdout
    assert "#6 25 others" in text
    assert "#7" not in text


def test_unknown_and_nothing_is_unknown_and_unknown_and_something_is_that() -> None:
    nothing: Figures = dict.fromkeys(summed([]), EXACT_ZERO)
    some: Figures = {**nothing, "training": Range(2.0)}
    unknown: Figures = {**nothing, "training": None}
    assert summed([unknown, nothing])["training"] is None
    assert summed([unknown, some])["training"] == Range(2.0)


def test_a_report_of_another_kind_is_refused_when_it_is_taken() -> None:
    with pytest.raises(SavedError):
        Saved({"schema_version": 1, "sheets": None})


def test_long_lists_of_values_say_how_often_each_is_there() -> None:
    assert listed("n", [3.0, 1.0, 1.0], "J") == "n: 3, 1, 1 J"
    assert listed("n", [1.0] * 30 + [2.0] * 5) == "n: 1 (30 times), 2 (5 times)"
    many = listed("n", [float(n) for n in range(100)])
    assert many.endswith("and 80 others, 4760 in all")
    assert many.count("(1 times)") == 20


def test_a_model_that_was_loaded_everywhere_is_listed_in_short(tmp_path: Path) -> None:
    row = report()
    windows = [{"where": f"m.py::test_{n}", "energy_j": r(float(n + 1))} for n in range(50)]
    whole = 50 * 51 / 2
    carbon_g = r(whole * 360 / 3.6e6)
    row["models"][0]["loads"] = {"count": 50, "energy_j": r(whole), "carbon_g": carbon_g, "windows": windows}
    done = ask(tmp_path, row)
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.count("by CPU seconds") == 21
    assert "465 J   30 other windows" in done.stdout


@pytest.mark.parametrize(
    "equation",
    [
        "9**9**9**9", "9.0**9**9**9", "t**1e308", "1e999", "(-1)**0.5", "t - t - t - 1", "0**-1", "t / 0", "min()",
        "(" * 300 + "t" + ")" * 300, "+".join(["t"] * 5000), "t" + "**t" * 3000, "9" * 500_000, "'a' * 9999999999",
        "[t] * 99999999", "t if t else w", "lambda: t", "t.x", "t[0]", "1j", "-t", "t % w", "max(t, key=w)",
        "min(t, *w)", "(w := t)", "", "w\x00t", "sum(x for x in t)",
    ],
)  # fmt: skip
def test_an_equation_that_is_an_attack_is_a_short_line(tmp_path: Path, equation: str) -> None:
    done = ask(tmp_path, changed("sheets/this machine/steps/0/equation", equation))
    assert done.exit_code == 2
    assert done.stderr.count("\n") == 1
    assert len(done.stderr) < 600


@pytest.mark.parametrize("value", [math.nan, math.inf, -1, "x", [], {}, 10**400])
@pytest.mark.parametrize(
    "path",
    [
        "sheets/this machine/given/0/central", "tests/0/direct/cpu_s", "tests/0/calls/0/output_tokens",
        "tests/0/calls/0/count", "totals/carbon_g/use", "fixtures/0/payers", "models/0/id", "run/meters/0/basis",
    ],
)  # fmt: skip
def test_a_value_that_cannot_be_is_a_line_and_never_a_traceback(tmp_path: Path, path: str, value: Any) -> None:
    for what in ((), ("test_one",), ("model-x",), ("fix",)):
        done = ask(tmp_path, changed(path, value), *what)
        assert isinstance(done.exception, (SystemExit, type(None))), (what, done.exception)
        assert done.exit_code in {0, 1, 2}
        assert done.stderr.count("\n") == bool(done.exit_code)


HOSTILE = "gpt\x1b[31m\u202ered\r\nx\x9b2J"


@pytest.mark.parametrize(
    ("path", "what"),
    [
        ("tests/0/nodeid", ()), ("tests/0/calls/0/model", ("test_one",)), ("models/0/training/source", ("model-x",)),
        ("sheets/acme~model-x chat/given/0/source", ("test_one",)), ("tests/0/calls/0/provider", ("test_one",)),
        ("sheets/this machine/given/0/what", ()), ("models/0/id", ("gp",)), ("totals/widest_input", ()),
        ("fixtures/0/id", ("test_one",)), ("run/started_at", ()),
    ],
)  # fmt: skip
def test_a_terminal_obeys_nothing_that_stands_in_a_report(tmp_path: Path, path: str, what: tuple[str, ...]) -> None:
    done = ask(tmp_path, changed(path, HOSTILE), *what)
    assert not set(done.stdout + done.stderr) & {"\x1b", "\u202e", "\r", "\x9b"}


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_a_terminal_without_our_signs_gets_the_numbers(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "ai.json"
    path.write_text(json.dumps(changed("tests/0/calls/0/model", "模型")))
    code = "import sys; from pytest_aifootprint.cli import app; app(prog_name='aifootprint')"
    done = subprocess.run(
        [sys.executable, "-c", code, "explain", "--report", str(path), "test_one"],
        env={**os.environ, "PYTHONIOENCODING": encoding}, capture_output=True, check=False, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"= 0.0167 g" in done.stdout


def test_what_nobody_reads_to_the_end_ends_quietly(tmp_path: Path) -> None:
    row = report()
    row["tests"] = [{**row["tests"][0], "nodeid": f"m.py::test_{n}"} for n in range(3000)]
    path = tmp_path / "ai.json"
    path.write_text(json.dumps(row))
    code = "from pytest_aifootprint.cli import app; app(prog_name='aifootprint')"
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as closed:
        done = subprocess.run(
            [sys.executable, "-c", code, "explain", "--report", str(path), "--rows", "3000"],
            stdout=closed, stderr=subprocess.PIPE, check=False, timeout=60,
        )  # fmt: skip
    assert done.stderr == b""


def test_calls_that_differ_in_their_number_alone_are_priced_each(tmp_path: Path) -> None:
    row = changed("tests/0/calls", [call_row(count=1), call_row(count=3)])
    text = ask(tmp_path, row, "test_one").stdout
    assert [line.split() for line in text.splitlines() if line.split()[1:] == ["40", "0.008", "unknown"]]
    assert [line.split() for line in text.splitlines() if line.split()[1:] == ["120", "0.024", "unknown"]]
