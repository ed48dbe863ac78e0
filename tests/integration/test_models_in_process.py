"""Models in the process, from the call to the report: loads, trainings, and what sharing them saves."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from pytest_aifootprint.records.schema import report_schema

SUITE = """
    import pytest
    from sklearn.datasets import load_digits
    from sklearn.ensemble import RandomForestClassifier

    DATA, DIGITS = load_digits(return_X_y=True)

    def train():
        return RandomForestClassifier(20, random_state=1).fit(DATA[:900], DIGITS[:900])

    @pytest.fixture(scope="module")
    def shared():
        return train()

    @pytest.mark.parametrize("n", [1, 2, 3])
    def test_retrains(n):
        assert len(train().predict(DATA[:n])) == n

    def test_one(shared):
        assert len(shared.predict(DATA[:5])) == 5

    def test_two(shared):
        assert len(shared.predict(DATA[:5])) == 5
"""


def report_of(pytester: pytest.Pytester, *arguments: str) -> dict[str, Any]:
    result = pytester.runpytest("--aifootprint", "--aifootprint-report=json:r.json", *arguments)
    assert result.ret == 0
    report: dict[str, Any] = json.loads((pytester.path / "r.json").read_text())
    Draft202012Validator(report_schema()).validate(report)
    return report


def test_retraining_is_reported_with_what_sharing_saves(pytester: pytest.Pytester, workers: tuple[str, ...]) -> None:
    pytester.makepyfile(SUITE)
    report = report_of(pytester, *workers, "--dist=loadfile" if workers else "-v")
    (model,) = report["models"]
    trained = model["trained_here"]
    assert (model["calls"], trained["count"], trained["samples"], trained["inferences"]) == (9, 4, 3600, 5)
    where = {window["where"].rpartition("::")[2]: window for window in trained["windows"]}
    assert set(where) == {"test_retrains[1]", "test_retrains[2]", "test_retrains[3]", "shared"}

    # Each training is the part of its own test's or fixture's metered joules that its CPU seconds are.
    tests = {test["nodeid"].rpartition("::")[2]: test for test in report["tests"]}
    for name in ("test_retrains[1]", "test_retrains[2]", "test_retrains[3]"):
        (call,) = (c for c in tests[name]["calls"] if c["operation"] == "training")
        direct = tests[name]["direct"]
        expected = direct["energy_j"]["cpu"]["central"] * call["cpu_s"] / direct["cpu_s"]
        assert call["local_energy_j"]["central"] == pytest.approx(expected, rel=1e-9)
        assert where[name]["energy_j"] == call["local_energy_j"]
        assert 0.5 < call["cpu_s"] / direct["cpu_s"] <= 1.0
    (fixture,) = (f for f in report["fixtures"] if f["name"] == "shared")
    assert 0.5 < where["shared"]["energy_j"]["central"] / fixture["energy_j"]["total"]["central"] <= 1.0

    # It stands once, in use: information over the inferences, no training share.
    whole = sum(window["energy_j"]["central"] for window in trained["windows"])
    assert trained["energy_j"]["central"] == pytest.approx(whole)
    assert trained["energy_j_per_inference"]["central"] == pytest.approx(whole / 5)
    assert report["totals"]["carbon_g"]["training"]["central"] == 0.0
    assert report["totals"]["energy_j"]["total"]["central"] >= whole

    (hint,) = (h for h in report["hints"] if h["code"] == "trained-again")
    assert (hint["count"], len(hint["tests"]), len(hint["fixtures"])) == (4, 3, 1)
    assert hint["saving_j"]["central"] == pytest.approx(whole * 3 / 4)


def test_the_terminal_says_so(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(SUITE)
    result = pytester.runpytest("--aifootprint")
    result.stdout.fnmatch_lines(
        [
            "trained *4 trainings of sklearn.RandomForestClassifier*",
            "hint    4 trainings of sklearn.RandomForestClassifier in *: train once in a shared fixture and save *",
        ]
    )
