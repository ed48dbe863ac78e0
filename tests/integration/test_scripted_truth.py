"""Scripted clocks and a recorded meter: every joule of a real pytest run is known beforehand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pytest_aifootprint.attribution.balance import TOLERANCE

HOUR_NS = 3_600_000_000_000
WATTS = 100.0
BUSY_CPUS = 4.0
HERE = Path(__file__).parent

ONE = """
import pytest
from conftest import WORLD

def call(aifootprint):
    aifootprint.record_call(model="llama-3.1-8b", locality="local", input_tokens=10, output_tokens=10)

@pytest.fixture(scope="session")
def trained():
    WORLD.work(2.03, 1.0)
    yield "model"
    WORLD.work(0.11, 0.5)

@pytest.fixture(scope="module")
def loaded(trained):
    WORLD.work(0.47, 2.0)
    yield trained
    WORLD.work(0.05, 1.0)

@pytest.fixture(scope="module", params=["a", "b"])
def dataset(request):
    WORLD.work(0.21, 1.0 if request.param == "a" else 3.0)

def test_burns(aifootprint):
    WORLD.work(1.234, 1.0)
    call(aifootprint)

def test_sleeps(aifootprint):
    WORLD.work(1.234, 0.0)
    call(aifootprint)

def test_asks(loaded, aifootprint):
    WORLD.work(0.3, 0.25)
    call(aifootprint)

def test_asks_again(request, aifootprint):
    request.getfixturevalue("loaded")
    WORLD.work(0.123456789, 1.5)
    call(aifootprint)

def test_reads(dataset, aifootprint):
    WORLD.work(0.01, 1.0)
    call(aifootprint)

def test_plain(trained):
    WORLD.work(0.7, 1.0)

def test_fails(loaded):
    WORLD.work(0.1, 1.0)
    assert False
"""
TWO = """
from conftest import WORLD
from test_one import call, trained

def test_elsewhere(trained, aifootprint):
    WORLD.work(0.4, 1.0)
    call(aifootprint)
"""
# CPU seconds: of each test itself, and of each fixture with its users.
OWN_S = {
    "test_burns": 1.234, "test_sleeps": 0.0, "test_asks": 0.075, "test_asks_again": 0.1851851835, "test_reads[a]": 0.01,
    "test_reads[b]": 0.01, "test_plain": 0.7, "test_fails": 0.1, "test_elsewhere": 0.4,
}  # fmt: skip
OF_LOADED = ("test_asks", "test_asks_again", "test_fails")


def play(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, seed: str) -> dict[str, Any]:
    recording = pytester.path / "recording.json"
    steady = {"domains": {"cpu": [[0, 0.0], [HOUR_NS, WATTS * 3600]]}, "busy_s": [[0, 0], [HOUR_NS, BUSY_CPUS * 3600]]}
    recording.write_text(json.dumps(steady))
    monkeypatch.setenv("PYTEST_AIFOOTPRINT_RECORDED_METER", str(recording))
    monkeypatch.setenv("WORLD_SEED", seed)
    pytester.makeconftest((HERE / "scripted_world.py").read_text())
    pytester.makepyfile(test_one=ONE, test_two=TWO)
    result = pytester.runpytest_subprocess(
        "--aifootprint", "--aifootprint-tests", "all", "--aifootprint-report", "json:out.json", "-p", "no:asyncio"
    )
    result.assert_outcomes(passed=8, failed=1)
    report: dict[str, Any] = json.loads((pytester.path / "out.json").read_text())
    return report


def joules(report: dict[str, Any]) -> dict[str, float]:
    return {t["nodeid"].rpartition("::")[2]: t["energy_j"]["cpu"]["central"] for t in report["tests"]}


def test_every_test_gets_its_scripted_joules_and_every_term_of_the_balance(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = play(pytester, monkeypatch, "")
    terms = report["balance"]["cpu"]
    idle_w = terms["idle"]["power_w"]
    j_per_s = (WATTS - idle_w) / BUSY_CPUS
    # `trained` in test_two is imported: pytest takes it for a fixture of that module, another one with the same name.
    trained_s, trained_users = 2.03 + 0.055, ("test_asks", "test_asks_again", "test_plain", "test_fails")
    loaded_s = 0.94 + 0.05
    want = {
        name: own
        + (trained_s / 4 if name in trained_users else 0)
        + (loaded_s / 3 if name in OF_LOADED else 0)
        + {"test_reads[a]": 0.21, "test_reads[b]": 0.63, "test_elsewhere": trained_s}.get(name, 0)
        for name, own in OWN_S.items()
    }
    assert joules(report) == pytest.approx({name: s * j_per_s for name, s in want.items()}, rel=1e-6)
    ai_s = sum(s for name, s in OWN_S.items() if name not in {"test_plain", "test_fails"})
    fixtures_s = 2 * trained_s + loaded_s + 0.84
    duration_s = terms["metered_j"] / WATTS
    others_s = BUSY_CPUS * duration_s - ai_s - fixtures_s - 0.8
    scripted = {
        "ai_tests_j": ai_s * j_per_s, "shared_fixtures_j": fixtures_s * j_per_s, "other_tests_j": 0.8 * j_per_s,
        "other_processes_j": others_s * j_per_s, "idle_j": idle_w * duration_s, "plugin_j": 0.0, "clamped_j": 0.0,
    }  # fmt: skip
    assert {name: terms[name] for name in scripted} == pytest.approx(scripted, rel=1e-6, abs=1e-9)
    assert sum(v for n, v in scripted.items() if n != "clamped_j") == pytest.approx(terms["metered_j"], rel=1e-6)
    added = sum(terms[name] for name in scripted if name != "clamped_j")
    assert added == pytest.approx(terms["metered_j"], rel=TOLERANCE)


def test_shuffled_order_changes_no_number_at_all(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    first = joules(play(pytester, monkeypatch, ""))
    orders = [list(first)]
    for seed in ("1", "2", "3"):
        report = play(pytester, monkeypatch, seed)
        assert joules(report) == pytest.approx(first, rel=1e-9)
        orders.append(list(joules(report)))
    assert len({tuple(order) for order in orders}) == 4
