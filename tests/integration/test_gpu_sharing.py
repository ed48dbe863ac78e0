"""Whole runs that share cards among tests, workers, children and strangers, on a driver of our own making."""

from __future__ import annotations

import pytest

import nvml_library
from nvml_library import HELD_W, STEP_J, Machine

REST = """
import card, pathlib, subprocess, sys, time

def together(name, number):
    # So many tests begin at the same moment, each in a worker of its own.
    pathlib.Path(f"ready-{name}").touch()
    while len(list(pathlib.Path().glob("ready-*"))) < number:
        time.sleep(0.01)
"""
FIRST = """
def test_a_rest():
    time.sleep(1.0)
"""
LAST = """
def test_z_rest():
    time.sleep(0.3)
"""


@pytest.fixture
def machine(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Machine:
    return Machine(pytester, monkeypatch, nvml_library.library(tmp_path_factory))


TWO_CARDS = (
    REST
    + FIRST
    + """
def test_first():
    card.work(0.4, 300, card=0)

def test_second():
    card.work(0.4, 600, card=1)

def test_both():
    card.work(0.4, 200, card=0, wait=False)
    card.work(0.4, 400, card=1)
"""
    + LAST
)


def test_two_cards_are_two_domains_exact_to_the_millijoule(machine: Machine) -> None:
    machine.set(FAKE_NVML_COUNT="2")
    run = machine.run(TWO_CARDS, passed=5)
    for number in (0, 1):
        assert run.balance(number)["metered_j"] == pytest.approx(run.counter_j(number), abs=5e-4)
    held_j = 0.4 * HELD_W
    assert run.gpu_j("test_first") == pytest.approx(0.4 * 300 + held_j, rel=0.1)
    assert run.gpu_j("test_second") == pytest.approx(0.4 * 600 + 2 * held_j, rel=0.1)
    assert run.gpu_j("test_both") == pytest.approx(0.4 * (200 + 400) + 2 * held_j, rel=0.1)
    other_j = [run.balance(number)["other_tests_j"] for number in (0, 1)]
    assert sum(other_j) == pytest.approx(
        sum(run.gpu_j(row["nodeid"].partition("::")[2]) or 0 for row in run.report["tests"])
    )
    assert other_j[0] == pytest.approx(0.4 * (300 + 200) + 3 * held_j + 0.3 * HELD_W, rel=0.1)
    assert [gpu.partition(" of ")[2] for gpu in run.report["run"]["host"]["gpus"]] == [
        "Fake H100 (GPU-a0000000-fake)", "Fake H200 (GPU-b0000000-fake)",
    ]  # fmt: skip


def test_only_the_visible_card_is_metered_under_its_own_name(machine: Machine) -> None:
    machine.set(FAKE_NVML_COUNT="2", CUDA_VISIBLE_DEVICES="1")
    run = machine.run(TWO_CARDS, passed=5)
    assert [domain for domain in run.report["balance"] if domain.startswith("gpu")] == ["gpu1"]
    assert run.report["run"]["host"]["gpus"] == ["NVML energy counter of Fake H200 (GPU-b0000000-fake)"]
    assert list(run.counted_mj) == [1]
    assert run.balance(1)["metered_j"] == pytest.approx(run.counter_j(1), abs=5e-4)
    assert run.gpu_j("test_first") == pytest.approx(0, abs=0.1 * STEP_J)
    assert run.gpu_j("test_second") == pytest.approx(0.4 * (600 + HELD_W), rel=0.1)


def test_two_workers_and_a_stranger_share_a_card_by_load_or_in_equal_parts(machine: Machine) -> None:
    machine.set(FAKE_NVML_COUNT="2")
    machine.tell("fault 1 0 loads 3")
    suite = (
        REST
        + """
def test_much():
    together("much", 2)
    for number in (0, 1):
        card.work(1.2, 150, card=number, pid=1, wait=False)
        card.work(1.2, 300, card=number, wait=number == 1)

def test_little():
    together("little", 2)
    for number in (0, 1):
        card.work(1.2, 150, card=number, wait=number == 1)
"""
    )
    run = machine.run(suite, "-n2", passed=2)
    for number, of_tests, rule in ((0, 0.75, "load"), (1, 2 / 3, "time")):
        balance = run.balance(number)
        assert balance["metered_j"] == pytest.approx(run.counter_j(number), abs=5e-4)
        # The three have worked for 720 J, and a third of what contexts cost is each one's.
        assert balance["other_tests_j"] == pytest.approx(of_tests * 720 + 2 / 3 * 1.2 * HELD_W, abs=STEP_J)
        assert max(balance["shared_by_j"], key=balance["shared_by_j"].get) == rule
    little_j = (1 / 4 + 1 / 3) * 720 + 2 / 3 * 1.2 * HELD_W
    assert run.gpu_j("test_little") == pytest.approx(little_j, abs=STEP_J)
    (said,) = run.notices("gpu-share")
    assert said.startswith("gpu1: several processes used the card")


def test_whose_work_it_is_and_when(machine: Machine) -> None:
    suite = (
        REST
        + FIRST
        + """
def test_burns():
    card.work(0.45, 500)

def test_short():
    card.work(0.005, 500)

def test_waits():
    time.sleep(0.45)

def test_short_again():
    card.work(0.005, 500)

def test_child():
    code = "import card; card.work(0.4, 500)"
    subprocess.run([sys.executable, "-c", code], check=True)

def test_rests_until_all_know_that_it_has_ended():
    time.sleep(0.4)

def test_stranger():
    card.work(0.4, 500, pid=1)
"""
        + LAST
    )
    run = machine.run(suite, passed=9)
    balance = run.balance()
    assert balance["metered_j"] == pytest.approx(run.counter_j(), abs=5e-4)
    assert run.gpu_j("test_burns") == pytest.approx(0.45 * (500 + HELD_W), rel=0.1)
    # A sample of 20 ms is shared with the test beside, burning or waiting: more than the card can take in its time, and
    # what the other has burnt, is never in it.
    for name in ("test_short", "test_short_again"):
        seconds = sum(attempt["duration_s"] for attempt in run.row(name)["attempts"])
        assert 0 < (run.gpu_j(name) or 0) < 1.1 * seconds * (500 + HELD_W)
    assert run.gpu_j("test_waits") == pytest.approx(0.45 * HELD_W, abs=0.02 * 500)
    seconds = sum(attempt["duration_s"] for attempt in run.row("test_child")["attempts"])
    assert run.gpu_j("test_child") == pytest.approx(0.4 * 500 + seconds * HELD_W, rel=0.15)
    assert (run.gpu_j("test_stranger") or 0) < 0.5 * 0.4 * 500
    assert balance["other_processes_j"] > 0.5 * 0.4 * 500


def test_in_a_container_that_shows_the_hosts_pids_all_is_ours_by_time_and_it_is_said(machine: Machine) -> None:
    machine.set(FAKE_NVML_PIDS="5000000")
    suite = (
        REST
        + """
def test_one():
    time.sleep(0.8)
    together("one", 2)
    card.work(0.5, 400)

def test_other():
    together("other", 2)
    time.sleep(0.5)
"""
    )
    run = machine.run(suite, "-n2", passed=2)
    balance = run.balance()
    assert balance["metered_j"] == pytest.approx(run.counter_j(), abs=5e-4)
    assert list(balance["shared_by_j"]) == ["unseen"]
    (said,) = run.notices("gpu-share")
    assert "the driver shows no process of this run on the card (a container shows the host's)" in said
    one_j, other_j = run.gpu_j("test_one") or 0, run.gpu_j("test_other") or 0
    whole_j = 0.5 * 400
    assert one_j == pytest.approx(whole_j / 2, rel=0.3)
    assert other_j == pytest.approx(whole_j / 2, rel=0.3)


def test_a_worker_that_sleeps_beside_one_that_burns_pays_for_its_context_alone(machine: Machine) -> None:
    suite = (
        REST
        + """
def test_burns():
    time.sleep(0.8)
    together("burns", 2)
    card.work(1.0, 600)

def test_sleeps():
    together("sleeps", 2)
    card.hold()
    time.sleep(1.0)
"""
    )
    run = machine.run(suite, "-n2", passed=2)
    assert run.balance()["metered_j"] == pytest.approx(run.counter_j(), abs=5e-4)
    # Where no moment with a context at rest was seen, what contexts cost is not told apart from the work.
    assert 0 <= (run.gpu_j("test_sleeps") or 0) < 0.8 * HELD_W
    assert run.gpu_j("test_burns") == pytest.approx(600 + HELD_W, abs=STEP_J)


LIMITED = (
    REST
    + FIRST
    + """
import pytest

def call(aifootprint):
    aifootprint.record_call(model="a", operation="inference", locality="local")

@pytest.mark.aifootprint(energy="20 J")
def test_over(aifootprint):
    call(aifootprint)
    card.work(0.4, 300)

@pytest.mark.aifootprint(energy="20 kJ", calls=2)
def test_within(aifootprint):
    call(aifootprint)
    card.work(0.4, 300)

@pytest.mark.aifootprint(energy="20 J")
def test_that_leaves_the_card_alone(aifootprint):
    call(aifootprint)
"""
    + LAST
)


def test_a_limit_sees_what_the_card_took_at_the_end_of_the_run(machine: Machine, workers: tuple[str, ...]) -> None:
    """At the call report nobody knows it; a pass on the CPU's joules alone would be one on nothing."""
    run = machine.run(LIMITED, *workers, passed=5, fails=True)
    (over,) = run.row("test_over")["verdicts"]
    assert (over["verdict"], over["scope"].rpartition("::")[2]) == ("fail", "test_over")
    assert over["actual"]["central"] == pytest.approx(run.row("test_over")["direct"]["energy_j"]["total"]["central"])
    assert "with what its GPU took" in over["message"]
    within = {verdict["unit"]: verdict for verdict in run.row("test_within")["verdicts"]}
    assert {verdict["verdict"] for verdict in within.values()} == {"pass"}
    assert within["energy_j"]["actual"]["central"] > 100
    assert within["calls"]["actual"]["central"] == 1
    assert run.result.ret == pytest.ExitCode.TESTS_FAILED
    assert "test_over" in run.text
