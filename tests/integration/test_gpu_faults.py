"""Whole runs on cards that fail: the driver is a library of our own making, all else is real."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

import nvml_library
from nvml_library import BARE_W, HELD_W, Machine, Run
from pytest_aifootprint.cli import app
from pytest_aifootprint.reports import formatting

MODELS = "[tool.aifootprint.models.tiny]\nparams = 1e9\n"

# The cards are seen at rest before and with a context after the work: both idle levels are known, and the counter,
# which moves ten times a second, has told all of the work.
SUITE = """
import card, pytest, time

CARDS = {cards}

def call(aifootprint):
    aifootprint.record_call(model="tiny", input_tokens=1, output_tokens=1, locality="local")

def everywhere(seconds):
    for number in range(CARDS):
        card.work(seconds, card=number, wait=number == CARDS - 1)

def test_rest():
    time.sleep(1.0)

def test_works(aifootprint):
    call(aifootprint)
    everywhere(0.4)

def test_after():
    time.sleep(0.3)
"""
FAILS = """
def test_fails(aifootprint):
    {faults}
    call(aifootprint)
    everywhere(0.4)
    {repairs}

def test_last(aifootprint):
    call(aifootprint)
    time.sleep(0.3)
"""
WORK_J = 0.4 * 600
WORKS_J = WORK_J + 0.4 * HELD_W


@pytest.fixture
def machine(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Machine:
    pytester.makepyprojecttoml(MODELS)
    return Machine(pytester, monkeypatch, nvml_library.library(tmp_path_factory))


def reason_of(run: Run, card: int) -> str:
    (meter,) = (meter for meter in run.report["run"]["meters"] if meter["domain"] == f"gpu{card}")
    return str(meter["reason"])


def of_card(run: Run, code: str, card: int) -> str:
    """The notice of a card; empty if there is none."""
    return " ".join(message for message in run.notices(code) if message.startswith((f"gpu{card}:", f"gpu{card} ")))


def test_a_card_that_works_is_counted_to_the_millijoule(machine: Machine) -> None:
    run = machine.run(SUITE.format(cards=1), "--aifootprint-budget=1 kWh", passed=3)
    balance = run.balance()
    assert balance["metered_j"] == pytest.approx(run.counter_j(), abs=5e-4)
    assert balance["ai_tests_j"] == pytest.approx(WORKS_J, rel=0.1)
    assert balance["ai_tests_j"] == pytest.approx(run.gpu_j("test_works"), rel=1e-9)
    assert balance["basis"] == "measured"
    assert run.report["totals"]["energy_j"]["gpu"]["central"] == pytest.approx(balance["ai_tests_j"], rel=0.01)
    assert not {"counter-gap", "gpu-unread", "gpu-share", "gpu-idle-unknown", "gpu-not-metered"} & run.codes
    assert run.report["verdicts"][0]["verdict"] == "pass"
    assert run.result.ret == pytest.ExitCode.OK
    assert "cards          gpu0 for one process tree alone" in run.text


@pytest.mark.parametrize(
    ("environ", "reason", "told"),
    [
        ({"LD_LIBRARY_PATH": ""}, "NVIDIA driver not found", False),
        ({"FAKE_NVML_COUNT": "0"}, "the NVIDIA driver shows no card", True),
        ({"FAKE_NVML_INIT": "18"}, "driver and library have different versions (NVML error 18)", True),
    ],
    ids=["no driver", "no card", "updated driver"],
)
def test_without_a_card_the_run_goes_on_and_its_gpu_is_unknown(
    machine: Machine, environ: dict[str, str], reason: str, *, told: bool
) -> None:
    machine.set(**environ)
    run = machine.run("def test_it():\n    pass\n", passed=1)
    (rejected,) = (meter for meter in run.report["run"]["rejected_meters"] if meter["name"] == "nvml")
    assert rejected["reason"] == reason
    assert rejected["remedy"]
    notices = [f"NVIDIA cards: not metered, and in no sum: {reason}; {rejected['remedy']}"] if told else []
    assert run.notices("gpu-not-metered") == notices
    assert all(notice in run.text for notice in notices)
    assert run.report["totals"]["energy_j"]["gpu"] is None
    assert "gpu" not in run.row("test_it")["energy_j"]
    assert run.csv[0]["energy_gpu_j"] == ""
    assert not any(domain.startswith("gpu") for domain in run.report["balance"])


def test_what_a_driver_refuses_from_the_start_the_next_best_says(machine: Machine, pytester: pytest.Pytester) -> None:
    refused = {
        1: (4, "energy"),
        2: (3, "energy"),
        3: (3, "util"),
        4: (3, "energy", "util"),
        5: (3, "energy", "util", "procs", "draws", "loads"),
        6: (3, "energy", "power"),
        7: (4, "procs", "draws", "loads"),
    }
    machine.set(FAKE_NVML_COUNT="8")
    machine.tell(*(f"fault {card} 0 {key} {code}" for card, (code, *keys) in refused.items() for key in keys))
    pytester.makeconftest("def pytest_aifootprint_call(call):\n    call.device = 'cuda:0'\n")
    run = machine.run(SUITE.format(cards=8), "--aifootprint-budget=1 kWh", "--aifootprint-budget=9 calls", passed=3)
    metered_j = run.counter_j(0)
    for card, (name, basis) in {
        0: ("nvml", "measured"), 3: ("nvml", "measured"), 7: ("nvml", "measured"),
        1: ("nvml power", "modelled"), 2: ("nvml power", "modelled"), 4: ("nvml power", "modelled"),
        5: ("nvml power", "modelled"),
    }.items():  # fmt: skip
        balance = run.balance(card)
        assert (balance["meter"], balance["basis"]) == (name, basis)
        if name == "nvml":
            assert balance["metered_j"] == pytest.approx(run.counter_j(card), abs=5e-4)
        assert balance["metered_j"] == pytest.approx(metered_j, rel=0.03, abs=0.3 * HELD_W + 0.3 * BARE_W)
    # Whose process works is known but for 5 and 7; at rest a card takes 80 W, which nobody can say without its load.
    for card, at_rest_w in {1: BARE_W, 2: BARE_W, 3: 0, 4: 0}.items():
        balance = run.balance(card)
        assert balance["ai_tests_j"] == pytest.approx(WORKS_J + 0.4 * (BARE_W - at_rest_w), rel=0.1)
        assert bool(balance["idle_j"]) == bool(at_rest_w)
    assert "no permission to read the energy counter (NVML error 4)" in reason_of(run, 1)
    assert all("this card has no energy counter" in reason_of(run, card) for card in (2, 4, 5))
    assert [bool(of_card(run, "gpu-idle-unknown", card)) for card in range(8)] == [
        card in {3, 4, 5} for card in range(8)
    ]
    for card in (5, 7):
        assert "does not tell whose processes use the card" in of_card(run, "gpu-share", card)
        assert list(run.balance(card)["shared_by_j"]) == ["unseen"]
        balance = run.balance(card)
        tests_j = balance["ai_tests_j"] + balance["other_tests_j"]
        assert tests_j > 0.9 * (WORK_J + 0.3 * HELD_W)
    assert "gpu6" not in run.report["balance"]
    assert [verdict["verdict"] for verdict in run.report["verdicts"]] == ["undecided", "pass"]
    assert "tiny ran on cuda:0, and gpu6 has no meter" in run.report["verdicts"][0]["message"]
    assert "this card has no energy counter" in of_card(run, "gpu-not-metered", 6)
    assert "cards          gpu0, gpu1, gpu2, gpu3, gpu4 for one process tree alone ·" in run.text


def test_what_fails_in_mid_run_of_two_workers_is_a_gap_and_the_next_best_goes_on(machine: Machine) -> None:
    faults = {
        1: 'card.fail(4, "energy", card=1)',
        2: "card.fail(15, card=2)",
        3: "card.fail(18, card=3)",
        4: 'card.fail(3, "util", card=4)',
        5: 'card.fail(15, "energy", card=5)',
        6: 'card.fail(4, "procs", "draws", "loads", card=6)',
        7: "card.reset(5000, card=7)",
    }
    fails = FAILS.format(faults="\n    ".join(faults.values()), repairs="card.fail(0, card=5)")
    machine.set(FAKE_NVML_COUNT="8")
    run = machine.run(SUITE.format(cards=8) + fails, "-n2", passed=5)
    whole_j = run.counter_j(0)
    for card in (0, 2, 3, 4, 5, 6):  # 5: its counter went on counting while it did not answer
        assert run.balance(card)["metered_j"] == pytest.approx(run.counter_j(card), abs=5e-4)
        assert run.balance(card)["basis"] == "measured"
    assert run.counter_j(5) == pytest.approx(whole_j, rel=0.001)
    for card in (1, 7):
        assert run.balance(card)["metered_j"] == pytest.approx(whole_j, rel=0.05)
        assert "the integral of its power" in of_card(run, "counter-gap", card)
    assert "neither its device (at most 5000 W) nor a wrap-around explains" in of_card(run, "counter-gap", 7)
    assert "the readings around it say what it took" in of_card(run, "counter-gap", 5)
    for card, why in {2: "the GPU has fallen off the bus", 3: "driver and library have different versions"}.items():
        assert run.balance(card)["metered_j"] < whole_j - WORK_J
        assert why in of_card(run, "counter-gap", card)
        assert "of the run are not metered" in of_card(run, "counter-gap", card)
        assert "is unknown, and in no sum" in of_card(run, "gpu-unread", card)
        assert of_card(run, "gpu-unread", card) in " ".join(run.text.split())
    assert [card for card in range(8) if of_card(run, "gpu-unread", card)] == [2, 3]
    # Nobody else's: whoever stops telling who works has told before, or shows nobody of ours.
    balance = run.balance(6)
    assert balance["ai_tests_j"] + balance["other_tests_j"] > 0.6 * 2 * WORK_J
    assert of_card(run, "gpu-share", 6)
    assert run.balance(4)["ai_tests_j"] == pytest.approx(run.balance(0)["ai_tests_j"], rel=0.1)
    for name in ("test_fails", "test_last"):
        assert run.csv_row(name)["energy_gpu_j"]
        told = [notice["message"] for notice in run.row(name)["notices"] if notice["code"] == "gpu-unread"]
        assert [message[:4] for message in told] == ["gpu2", "gpu3"]


def test_what_a_lost_card_took_is_unknown_and_no_limit_is_kept(
    machine: Machine,
) -> None:
    suite = SUITE.format(cards=1) + FAILS.format(faults="card.fail(15)", repairs="time.sleep(0)")
    limits = ("--aifootprint-budget=1 kWh", "--aifootprint-budget=1 kgCO2e", "--aifootprint-budget=99 tokens")
    run = machine.run(suite, *limits, "--aifootprint-test-budget=1 kWh", passed=5)
    assert run.balance()["metered_j"] == pytest.approx(run.counter_j(), abs=5e-4)
    of_tests = {name: [v["verdict"] for v in run.row(name)["verdicts"]] for name in ("test_works", "test_last")}
    assert of_tests == {"test_works": ["pass"], "test_last": ["undecided"]}
    assert run.gpu_j("test_last") is None
    assert run.row("test_last")["energy_j"]["gpu"] is None
    assert run.csv_row("test_last")["energy_gpu_j"] == ""
    assert (run.gpu_j("test_fails") or 0) < WORK_J / 4  # the last look may have come when it had begun
    for name in ("test_fails", "test_last"):
        assert [notice["code"] for notice in run.row(name)["notices"]].count("gpu-unread") == 1
    (unread,) = run.notices("gpu-unread")
    assert [(v["unit"], v["verdict"]) for v in run.report["verdicts"]] == [
        ("energy_j", "undecided"), ("carbon_g", "undecided"), ("tokens", "pass"),
    ]  # fmt: skip
    assert unread in run.report["verdicts"][0]["message"]
    assert run.result.ret == pytest.ExitCode.TESTS_FAILED
    # What is saved can be read and explained as it was.
    shown = CliRunner().invoke(app, ["show", "r.json"], env={"COLUMNS": "2000"})
    assert shown.exit_code == 0
    assert unread in shown.output
    for name in ("test_last", "test_works"):
        of = ["explain", "--report", "r.json", f"test_it.py::{name}"]
        explained = CliRunner().invoke(app, of, env={"COLUMNS": "2000"})
        assert explained.exit_code == 0
        assert ("= unknown   electricity of GPUs" in explained.output) == (name == "test_last")
    assert CliRunner().invoke(app, ["explain", "--report", "r.json"]).exit_code == 0


def test_a_card_lost_before_any_test_used_it_is_unknown_in_the_sum(machine: Machine) -> None:
    suite = SUITE.format(cards=1).partition("def test_rest")[0]
    suite += (
        "def test_first():\n    card.fail(15)\n    time.sleep(0.2)\ndef test_ai(aifootprint):\n    call(aifootprint)\n"
    )
    run = machine.run(suite, passed=2)
    assert run.report["totals"]["energy_j"]["gpu"] is None
    assert run.gpu_j("test_ai") is None
    assert any(line.startswith("energy ") and f"gpu {formatting.UNKNOWN}" in line for line in run.result.outlines)
